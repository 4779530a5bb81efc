"""From any picture a user may bring to an RGB uint8 array, and from such an array to a file.

`load_image` does for every source what a browser does before it shows a picture: upright, on white, in sRGB.
Whatever is wrong with the source ends as an `ImageError` whose message is one sentence for the person at the
screen.
"""

from __future__ import annotations

import io
import math
import os
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from codec.errors import ImageError
from codec.pictures import tiff
from codec.pictures.files import (
    MAX_PIXELS,
    NAMES,
    check_size,
    frames_note,
    jpeg_with_end,
    open_image,
)
from codec.pictures.pixels import from_pil, on_white, rows_to_uint8
from codec.pictures.sources import read_path, read_stream
from codec.writing import atomic_write

DRAFT_PIXELS = 100_000_000  # of a JPEG that is scaled down while it is decoded
QUICK_PNG_PIXELS = 4_000_000  # above, a PNG is made five times as fast, and is some percent larger


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """A picture ready for the codec.

    rgb: uint8, height × width × 3, contiguous, sRGB, and the caller's own (never a view of the source).
    notes: sentences on what was done to the picture on the way, in the order in which it was done.
    format: what the source was: "PNG", "JPEG", "WebP", "AVIF", "TIFF", "BMP", "GIF", "HEIC" or "array"; for a
        PIL image Pillow's own name of its format, or "PIL" when it was made in memory.
    """

    rgb: np.ndarray
    notes: tuple[str, ...]
    format: str


def load_image(source: Any, *, max_pixels: int = MAX_PIXELS) -> LoadedImage:
    """Reads a picture from a path, bytes, a binary file object, a PIL image or a numpy array.

    Arrays are height × width, height × width × 3 or height × width × 4 (the fourth channel is opacity), of
    uint8, uint16, or floats in 0…1. Of an animation the first frame is taken, of a PIL image the current one.
    Raises ImageError for everything that cannot be read, and for more than `max_pixels` pixels.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels)
    if isinstance(source, Image.Image):
        rgb, notes = from_pil(source, max_pixels)
        return LoadedImage(rgb, tuple(notes), NAMES.get(source.format or "PIL", source.format or "PIL"))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(source), max_pixels)
    if isinstance(source, (str, os.PathLike)):
        return _from_bytes(read_path(source), max_pixels)
    if hasattr(source, "read"):
        return _from_bytes(read_stream(source), max_pixels)
    if source is None:
        raise ImageError("No image was given; choose an image file.")
    raise ImageError(f"An image cannot be read from an object of type '{type(source).__name__}'; pass a file.")


def _from_bytes(data: bytes, max_pixels: int) -> LoadedImage:
    return decoded(opened(data, max_pixels), data, max_pixels)


def opened(data: bytes, max_pixels: int, most: int | None = None) -> Image.Image:
    """As `open_image`; with `most`, a JPEG may have up to DRAFT_PIXELS, and is to be decoded at a half, a quarter or an
    eighth of its size where that leaves `most` pixels: its decoder then computes no others. Raises ImageError."""
    if most is None or not data.startswith(b"\xff\xd8"):
        return open_image(data, max_pixels)
    image = open_image(data, max(max_pixels, DRAFT_PIXELS))
    share = math.sqrt(most / (image.width * image.height))
    if share < 1:
        image.draft(None, (math.ceil(image.width * share), math.ceil(image.height * share)))
    check_size(*image.size, max_pixels)
    return image


def decoded(image: Image.Image, data: bytes, max_pixels: int, most: int | None = None) -> LoadedImage:
    """The picture that `opened` found in `data`, its pixels decoded, and scaled down to at most `most`.

    Raises ImageError.
    """
    repaired = []
    if image.format in ("JPEG", "MPO") and (whole := jpeg_with_end(data)):
        image, data = opened(whole, max_pixels, most), whole
        repaired = ["Its end marker was missing, and nothing else."]
    elif image.format == "TIFF":
        image = tiff.checked(image, data)
    rgb, notes = from_pil(image, max_pixels, data)
    frames = frames_note(image, data)
    rgb = scaled(rgb, most)
    return LoadedImage(rgb, tuple([frames] * bool(frames) + repaired + notes), NAMES.get(image.format, image.format))


def scaled(rgb: np.ndarray, most: int | None) -> np.ndarray:
    """uint8 (H, W, 3) at its own size, or scaled down to at most `most` pixels."""
    height, width = rgb.shape[:2]
    if most is None or height * width <= most:
        return rgb
    share = math.sqrt(most / (height * width))
    size = max(1, int(width * share)), max(1, int(height * share))
    return np.array(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0))


# --- arrays -------------------------------------------------------------------------------------------------


def _from_array(array: np.ndarray, max_pixels: int) -> LoadedImage:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise ImageError(
            f"An array of shape {array.shape} is not an image; pass H×W, H×W×3 or H×W×4, the colours last."
        )
    check_size(array.shape[1], array.shape[0], max_pixels)
    notes: list[str] = []
    pixels = _array_to_uint8(np.asarray(array), notes)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    elif pixels.shape[2] == 4:
        base = Image.fromarray(np.ascontiguousarray(pixels[..., :3]))
        alpha = Image.fromarray(np.ascontiguousarray(pixels[..., 3]))
        pixels = np.array(on_white(base, alpha, notes))
    return LoadedImage(np.ascontiguousarray(pixels), tuple(notes), "array")


def _array_to_uint8(array: np.ndarray, notes: list[str]) -> np.ndarray:
    """A copy of `array` as uint8: uint16 divided by 257, floats multiplied by 255, both rounded."""
    if array.dtype == np.uint8:
        return array.copy()
    if array.dtype == np.uint16:
        notes.append("16-bit samples were scaled to 8 bits.")
        return rows_to_uint8(array, lambda rows: rows / 257)
    if array.dtype.kind != "f":
        raise ImageError(f"An array of {array.dtype} is not an image; pass uint8, uint16 or floats in 0…1.")
    # Half a level beyond either end is what networks and resampling leave behind; NaN fails both comparisons.
    if not (array.min() >= -0.5 / 255 and array.max() <= 1 + 0.5 / 255):
        raise ImageError(f"The array's floats run from {array.min():g} to {array.max():g}; scale them to 0…1 first.")
    notes.append("Floating-point samples were scaled to 8 bits.")
    return rows_to_uint8(array, lambda rows: rows * 255)


# --- writing ------------------------------------------------------------------------------------------------


def save_png(rgb: np.ndarray, path: str | os.PathLike) -> None:
    """Writes uint8 height × width × 3 as a PNG, whole or not at all.

    Raises ImageError for any other array, CodecError where the file cannot be written.
    """
    atomic_write(path, png_bytes(rgb))


def png_bytes(rgb: np.ndarray) -> bytes:
    """uint8 height × width × 3 as the bytes of a PNG file, without metadata. Raises ImageError otherwise."""
    check_rgb(rgb)
    large = rgb.shape[0] * rgb.shape[1] > QUICK_PNG_PIXELS
    options = {"compress_level": 1, "compress_type": zlib.Z_RLE} if large else {}
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(buffer, "PNG", **options)
    return buffer.getvalue()


def check_rgb(rgb: np.ndarray) -> None:
    """Raises ImageError unless `rgb` is a non-empty numpy array, uint8, height × width × 3."""
    is_pixels = isinstance(rgb, np.ndarray) and rgb.dtype == np.uint8 and rgb.size > 0
    if not (is_pixels and rgb.ndim == 3 and rgb.shape[2] == 3):
        raise ImageError("The picture has to be a numpy array of uint8, height × width × 3, and not empty.")
