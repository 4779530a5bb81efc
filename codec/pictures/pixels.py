"""From an opened Pillow image of any mode to upright sRGB in 8 bits, on white; and what to say of that."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageOps

from codec.errors import ImageError
from codec.pictures import declarations, tiff
from codec.pictures.files import DAMAGED, check_size, open_image, pillow_errors
from codec.pictures.to_srgb import declared_colour, in_declared_colour, to_srgb

_ORIENTATION_TAG = 0x0112
_BITS_PER_SAMPLE_TAG = 258
_SAMPLE_FORMAT_TAG = 339
_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: x[::-1].swapaxes(0, 1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: x[:, ::-1].swapaxes(0, 1),
}


def from_pil(image: Image.Image, max_pixels: int, data: bytes = b"") -> tuple[np.ndarray, list[str]]:
    """(uint8 height × width × 3, notes) of the current frame of an opened image; `data` is its file, where known."""
    check_size(*image.size, max_pixels)
    bits, orientation_before = _sample_bits(image), _tiff_orientation(image)
    notes: list[str] = []
    declared, inverted = declared_colour(image, data, bits, notes), tiff.zero_is_white(image)
    uncovered = _uncovered(image)
    deep = tiff.planes(image, data) if image.format == "TIFF" and data else None
    if deep is None and (declared or (image.format == "TIFF" and image.mode in ("RGBA", "CMYK"))):
        deep = _sixteen_bits(image, data, bits)
    if deep is None:
        with pillow_errors(DAMAGED):
            image.load()
    else:
        deep = tiff.without_extra(deep, image)
        image = _of_samples(deep, image)
    check_size(*image.size, max_pixels)  # HEIC may turn out to be of another size than its header says
    base, alpha = _split_alpha(image, bits)
    if uncovered is not None:
        alpha = uncovered if alpha is None else ImageChops.multiply(alpha, uncovered)
    rgb_image = in_declared_colour(base, declared, deep, bits, notes) if declared and not inverted else None
    if rgb_image is None:
        if base.mode in ("I", "F") or base.mode.startswith("I;16"):
            base = _to_eight_bits(base, bits, _is_unsigned(image), notes)
            base = ImageOps.invert(base) if inverted else base
        elif bits > 8:
            notes.append(f"{bits}-bit samples were scaled to 8 bits.")
        rgb_image = to_srgb(base, image.info, notes)
    if alpha is not None:
        rgb_image = on_white(rgb_image, alpha, notes)
    rgb = _upright(np.array(rgb_image), image, data, orientation_before, notes)
    return np.ascontiguousarray(rgb), notes


def _sixteen_bits(image: Image.Image, data: bytes, bits: int) -> np.ndarray | None:
    """uint16 (H, W, 3 or 4) of a colour picture of 16 bits. Pillow itself keeps the higher bytes only.

    The file is read twice, the second time as if its samples had the other byte order. None for other pictures. An
    alpha that colours are multiplied by stays so. Raises ImageError for damage.
    """
    if bits != 16 or image.mode not in ("RGB", "RGBA", "CMYK") or not data or not image.tile:
        return None
    arguments = image.tile[0].args
    if not re.match("(RGB|CMYK).*;16", arguments if isinstance(arguments, str) else arguments[0]):  # grey with alpha
        return None
    read = []
    with pillow_errors(DAMAGED):
        for swapped in (False, True):
            other = open_image(data, image.width * image.height)
            if image.format == "TIFF":
                other.seek(image.tell())
            other.tile = [tile._replace(args=_in_byte_order(tile.args, swapped)) for tile in other.tile]
            other.load()
            read.append(np.asarray(other).astype(np.uint16))
    return read[0] << 8 | read[1]


def _in_byte_order(arguments: Any, swapped: bool) -> Any:
    """The arguments of one of Pillow's tiles, with the byte order named in full, or swapped, and alpha left alone."""
    raw, *rest = arguments if isinstance(arguments, tuple) else (arguments,)
    little = raw.endswith("L") or (raw.endswith("N") and sys.byteorder == "little")
    raw = raw[:-1].replace("RGBa", "RGBA") + ("L" if little != swapped else "B")
    return (raw, *rest) if isinstance(arguments, tuple) else raw


def _of_samples(deep: np.ndarray, image: Image.Image) -> Image.Image:
    """Samples uint16 (H, W, 3 or 4) as a picture of 8 bits that says of itself what `image` does."""
    mode = "CMYK" if image.mode == "CMYK" else ("RGB", "RGBA")[deep.shape[2] - 3]
    whole = Image.frombytes(mode, deep.shape[1::-1], rows_to_uint8(deep, lambda rows: rows / 257).tobytes())
    whole.info, whole.format = image.info, image.format
    if image.format == "TIFF":
        whole.tag_v2 = image.tag_v2
    return whole


def _uncovered(image: Image.Image) -> Image.Image | None:
    """Opacity (mode L) of a GIF's screen where its first frame is smaller: the rest is transparent. Else None."""
    if image.format != "GIF" or not image.tile or image.tile[0][1] == (0, 0, *image.size):
        return None
    opacity = Image.new("L", image.size, 0)
    opacity.paste(255, image.tile[0][1])
    return opacity


def _sample_bits(image: Image.Image) -> int:
    """Bits per sample in the file, as far as an opened but not yet decoded image tells; else 8."""
    bits: Any = 8
    with suppress(Exception):
        if image.format == "PNG" and image.tile:
            raw = str(image.tile[0].args)  # "RGB;16B", "L;4", "P"; a plain mode name means 8 bits
            bits = int(re.findall(r";(\d+)", raw)[0]) if ";" in raw else 8
        elif image.format == "TIFF":
            bits = max(image.tag_v2.get(_BITS_PER_SAMPLE_TAG, (8,)))
        elif image.format == "HEIF":
            bits = image.info.get("bit_depth", 8)
    if image.mode.startswith("I;16") and bits == 8:
        bits = 16
    return bits if isinstance(bits, int) and 1 <= bits <= 64 else 8


def _is_unsigned(image: Image.Image) -> bool:
    """Whether a 32-bit integer TIFF is unsigned: Pillow hands its samples out as if they were signed."""
    unsigned = False
    with suppress(Exception):
        unsigned = image.format == "TIFF" and image.tag_v2.get(_SAMPLE_FORMAT_TAG, (1,))[0] == 1
    return unsigned


def _split_alpha(image: Image.Image, bits: int) -> tuple[Image.Image, Image.Image | None]:
    """The picture without its transparency, and its opacity (mode L), None where it has none."""
    transparent = image.info.get("transparency")
    if image.mode.startswith("I;16"):
        if not isinstance(transparent, int):
            return image, None
        with pillow_errors(DAMAGED):
            return image, Image.fromarray(np.where(np.asarray(image) == transparent, 0, 255).astype(np.uint8))
    with pillow_errors(DAMAGED):
        if image.mode in ("I", "F", "CMYK", "LAB") or not image.has_transparency_data:
            return image, None
        if image.mode in ("1", "L", "RGB"):  # one colour is named as transparent
            if not isinstance(transparent, tuple if image.mode == "RGB" else int):
                return image, None  # left behind by a conversion of an in-memory image
            keyed = image.copy()
            keyed.info["transparency"] = _scaled_key(transparent, image.mode, bits)
            alpha = keyed.convert("RGBA").getchannel("A")
            del keyed.info["transparency"]
            return keyed, alpha
        rgba = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        grey = image.mode == "LA"  # stays grey, so that a grey ICC profile still fits
        return image.getchannel("L") if grey else rgba.convert("RGB"), rgba.getchannel("A")


def _scaled_key(key: Any, mode: str, bits: int) -> Any:
    """A PNG's transparent colour on the scale of the decoded samples; Pillow leaves it on the file's."""
    if mode == "RGB" and bits == 16:
        return tuple(value >> 8 for value in key)
    if mode == "L" and bits in (2, 4):
        return (key & ((1 << bits) - 1)) * 255 // ((1 << bits) - 1)
    return tuple(value & 255 for value in key) if mode == "RGB" else key & 255


def _to_eight_bits(image: Image.Image, bits: int, unsigned: bool, notes: list[str]) -> Image.Image:
    """Mode L from one of Pillow's deep grey modes (I;16 and its byte orders, I, F)."""
    with pillow_errors(DAMAGED):
        samples = np.asarray(image)
    if image.mode.startswith("I;16"):
        top = (1 << min(bits, 16)) - 1  # 12-bit TIFFs use only a sixteenth of the range
        table = ((np.arange(1 << 16).clip(0, top) * 510 + top) // (2 * top)).astype(np.uint8)
        notes.append(f"{min(bits, 16)}-bit samples were scaled to 8 bits.")
        return Image.fromarray(table[samples])
    if image.mode == "I" and unsigned and bits == 32:
        samples = samples.view(np.uint32)
    if not np.isfinite(samples).all():
        raise ImageError("The image holds samples that are NaN or infinite; save it without them.")
    low, high = float(samples.min()), float(samples.max())
    if image.mode == "F" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
        notes.append("Floating-point samples from 0 to 1 were scaled to 8 bits.")
    elif low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    else:
        notes.append(f"Samples from {low:g} to {high:g} were stretched over the range from black to white.")
    scale = 255 / (high - low) if high > low else 0.0
    return Image.fromarray(rows_to_uint8(samples, lambda rows: (rows - low) * scale))


def rows_to_uint8(samples: np.ndarray, level: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Rounded and clipped `level` of every sample, in blocks of rows: float64 of the whole is 8 times it."""
    out = np.empty(samples.shape, np.uint8)
    step = max(1, (1 << 20) // max(1, samples[0].size))
    for top in range(0, len(samples), step):
        block = level(samples[top : top + step].astype(np.float64))
        out[top : top + step] = np.clip(np.rint(block), 0, 255)
    return out


def on_white(image: Image.Image, alpha: Image.Image, notes: list[str]) -> Image.Image:
    """An RGB image laid on white through its opacity (mode L); the same image where that is full."""
    if alpha.getextrema()[0] == 255:
        return image
    notes.append("Transparency was composited on white.")
    page = Image.new("RGB", image.size, "white")
    page.paste(image, mask=alpha)
    return page


def _tiff_orientation(image: Image.Image) -> int:
    """A TIFF's orientation has to be asked before decoding, in which Pillow applies and forgets it."""
    value = None
    with suppress(Exception):
        value = image.tag_v2.get(_ORIENTATION_TAG) if image.format == "TIFF" else None
    return value if isinstance(value, int) else 1


def _upright(rgb: np.ndarray, image: Image.Image, data: bytes, orientation_before: int, notes: list[str]) -> np.ndarray:
    """`rgb` as its EXIF data want it. XMP does not count, as in browsers."""
    if image.format == "HEIF" and data:  # libheif has turned it by its own properties; EXIF data do not count
        if declarations.iso_is_turned(data):
            notes.append("Rotated upright as its header asks.")
        return rgb
    value: Any = 1
    with suppress(Exception):  # unreadable EXIF data leave the picture as it lies
        exif = Image.Exif()
        exif.load(image.info.get("exif", b""))
        value = exif.get(_ORIENTATION_TAG, 1)
    turn = _UPRIGHT.get(value) if isinstance(value, int) else None
    if turn or orientation_before in _UPRIGHT:
        source = "header asks" if image.format == "AVIF" else "EXIF data asks"
        notes.append(f"Rotated upright as its {source}.")
    return turn(rgb) if turn else rgb
