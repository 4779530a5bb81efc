"""From any picture a user may bring to an RGB uint8 array, and from such an array to a file.

`load_image` does for every source what a browser does before it shows a picture: upright, on white, in sRGB.
Whatever is wrong with the source ends as an `ImageError` whose message is one sentence for the person at the
screen. Limits are checked against the header, before a decoder allocates anything.
"""

from __future__ import annotations

import errno
import functools
import io
import os
import re
import secrets
import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import (
    AvifImagePlugin,  # noqa: F401  importing a plugin registers its format with Pillow
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    ImageCms,
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)

from codec.errors import CodecError, ImageError

MAX_PIXELS = 50_000_000
MAX_SIDE = 30_000
MAX_FILE_BYTES = 100_000_000

# AVIF before HEIF: both may carry the brand "mif1", and only Pillow's AVIF reader tells them apart.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
_NAMES = {"WEBP": "WebP", "HEIF": "HEIC", "MPO": "JPEG"}

_MAX_FRAMES_COUNTED = 1000  # a file may chain millions of pages; past this the note just says "more than"
_MAX_PNG_CHUNKS = 300_000
_PNG_PICTURE_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_MAX_GIF_PREAMBLE = 1_000_000  # bytes of comments and the like; Pillow's time is quadratic in them

_READABLE = "PNG, JPEG, WebP, AVIF, TIFF, BMP, GIF or HEIC"
_NOT_AN_IMAGE = f"This file is not an image in a format that can be read here ({_READABLE})."
_DAMAGED = "The image is truncated or damaged: it could not be decoded to its end, so try another copy of it."
_NO_PIXELS = "The image is damaged: it holds no pixels, so try another copy of it."
_HEAVY_METADATA = "The image carries more embedded text or metadata than can be read; save it again without them."
_NO_MEMORY = "There is not enough memory to decode this image; scale it down first."

_BAD_PROFILE = "Its ICC profile could not be read and was ignored."

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
        rgb, notes = _from_pil(source, max_pixels)
        return LoadedImage(rgb, tuple(notes), _NAMES.get(source.format or "PIL", source.format or "PIL"))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(source), max_pixels)
    if isinstance(source, (str, os.PathLike)):
        return _from_bytes(_read_path(source), max_pixels)
    if hasattr(source, "read"):
        return _from_bytes(_read_stream(source), max_pixels)
    if source is None:
        raise ImageError("No image was given; choose an image file.")
    raise ImageError(f"An image cannot be read from an object of type '{type(source).__name__}'; pass a file.")


def check_size(width: int, height: int, max_pixels: int = MAX_PIXELS) -> None:
    """Raises ImageError where a picture of width × height pixels is beyond what this package takes."""
    if width < 1 or height < 1:
        raise ImageError(f"The image is {width}×{height} pixels, so there is nothing to compress.")
    if width * height > max_pixels:
        raise ImageError(
            f"The image is {width}×{height} pixels ({width * height / 1e6:.1f} MP); "
            f"the limit is {max_pixels / 1e6:g} MP, so scale it down first."
        )
    if max(width, height) > MAX_SIDE:
        raise ImageError(
            f"The image is {width}×{height} pixels; the limit is {MAX_SIDE} a side, so scale it down first."
        )


@functools.cache
def register_heif() -> None:
    """Makes Pillow read and write HEIC. Deferred, so that importing this module does not load libheif."""
    import pillow_heif

    # Thumbnails, depth maps and other auxiliary pictures are never wanted: less code meets hostile bytes.
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


# --- reading the bytes --------------------------------------------------------------------------------------


def _read_path(path: str | os.PathLike) -> bytes:
    shown = _shown(path)
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise ImageError(f"'{shown}' is a folder; choose an image file in it.")
        if not stat.S_ISREG(mode):  # opening a pipe or a device could wait, or read, for ever
            raise ImageError(f"'{shown}' is not an ordinary file; choose an image file.")
        with open(path, "rb") as file:
            return _read_limited(file)
    except (FileNotFoundError, NotADirectoryError):
        raise ImageError(f"There is no file '{shown}'.") from None
    except PermissionError:
        raise ImageError(f"The file '{shown}' may not be read: permission was denied.") from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise ImageError(f"There is no file '{shown[:80]}…'.") from None
        raise ImageError(f"The file '{shown}' could not be read: {error.strerror or error}.") from error
    except ImageError:
        raise
    except ValueError:  # a NUL byte in the name
        raise ImageError(f"There is no file '{shown}'.") from None


def _shown(path: str | os.PathLike) -> str:
    """A path as it can be printed anywhere: names may be invalid Unicode or hold control characters."""
    text = os.fsdecode(path).encode("utf-8", "replace").decode()
    return "".join(c if c.isprintable() else "?" for c in text)


def _read_stream(stream: Any) -> bytes:
    try:
        # As Pillow does: an upload that something else has looked at already may not stand at its start.
        if hasattr(stream, "seek") and getattr(stream, "seekable", lambda: True)():
            stream.seek(0)
        return _read_limited(stream)
    except ImageError:
        raise
    except (OSError, ValueError, TypeError) as error:
        raise ImageError(f"The file could not be read: {error}.") from error


def _read_limited(stream: Any) -> bytes:
    """The rest of a binary stream, refused once it is longer than MAX_FILE_BYTES."""
    blocks, total = [], 0
    while block := stream.read(MAX_FILE_BYTES + 1 - total):
        if not isinstance(block, (bytes, bytearray)):
            raise ImageError("The file was opened as text; open it in binary mode ('rb').")
        blocks.append(block)
        total += len(block)
        if total > MAX_FILE_BYTES:
            raise _file_too_large()
    return b"".join(blocks)


def _file_too_large() -> ImageError:
    return ImageError(f"The file is larger than the limit of {MAX_FILE_BYTES / 1e6:g} MB; save it smaller first.")


# --- from bytes to a Pillow image ---------------------------------------------------------------------------


def _from_bytes(data: bytes, max_pixels: int) -> LoadedImage:
    if not data:
        raise ImageError("This file is empty (0 bytes); choose an image file.")
    if len(data) > MAX_FILE_BYTES:
        raise _file_too_large()
    image = _open(data, max_pixels)
    rgb, notes = _from_pil(image, max_pixels)
    frames = _frames_note(image, data)
    return LoadedImage(rgb, (frames, *notes) if frames else tuple(notes), _NAMES.get(image.format, image.format))


def _open(data: bytes, max_pixels: int) -> Image.Image:
    """The header of the picture in `data`; no pixel is decoded.

    The readers are called one by one instead of by `Image.open`, for that checks the size against Pillow's
    own limit (a global of the process) before it hands over the size that our sentence has to name.
    """
    if data[4:8] == b"ftyp":
        register_heif()
    failure = None
    for name in _FORMATS:
        factory, accept = Image.OPEN.get(name, (None, None))
        if factory is None or accept(data[:16]) is not True:
            continue
        if name in _CHECKS:
            _CHECKS[name](data, max_pixels)
        try:
            with _pillow(_bad_header(name)):
                return factory(io.BytesIO(data), "")
        except ImageError as error:  # not yet the end: several formats share the first bytes of AVIF and HEIC
            failure = error
    raise failure or ImageError(_NOT_AN_IMAGE)


def _bad_header(name: str) -> str:
    kind = _NAMES.get(name, name)
    return f"This {kind} file is truncated, damaged or of a kind that cannot be read here; save it as PNG first."


@contextmanager
def _pillow(sentence: str) -> Iterator[None]:
    """Around calls into Pillow and the libraries below it only: whatever they raise becomes an ImageError.

    On damaged files they raise nearly everything (OSError, SyntaxError, ValueError, EOFError, KeyError,
    struct.error, zlib.error, RuntimeError, …) and the list grows with every release.
    """
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(_NO_MEMORY) from error
    except Image.DecompressionBombError as error:
        raise ImageError("The image has far more pixels than can be handled; scale it down first.") from error
    except Exception as error:
        heavy = isinstance(error, ValueError) and re.search("MAX_TEXT|text chunks", str(error))
        raise ImageError(_HEAVY_METADATA if heavy else sentence) from error


def _check_png(data: bytes, max_pixels: int) -> None:
    """Size limits, then the checksums of the chunks that make the picture, which Pillow leaves unchecked."""
    if len(data) < 33 or data[8:16] != b"\0\0\0\rIHDR":
        raise ImageError(_bad_header("PNG"))
    check_size(*struct.unpack(">II", data[16:24]), max_pixels)
    position, view, pixels = 8, memoryview(data), False
    for _ in range(_MAX_PNG_CHUNKS):
        if position + 12 > len(data):
            raise ImageError(_DAMAGED)
        (length,), kind = struct.unpack_from(">I", data, position), data[position + 4 : position + 8]
        end = position + 12 + length
        if end > len(data):
            raise ImageError(_DAMAGED)
        pixels |= kind == b"IDAT"
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if kind in _PNG_PICTURE_CHUNKS and zlib.crc32(view[position + 4 : end - 4]) != checksum:
            raise ImageError(_DAMAGED)
        if kind == b"IEND":
            if not pixels:
                raise ImageError(_NO_PIXELS)
            return
        position = end
    raise ImageError(_HEAVY_METADATA)


def _check_webp(data: bytes, max_pixels: int) -> None:
    """The canvas of an extended WebP: its decoder allocates two whole canvases as soon as it is made."""
    if data[12:16] == b"VP8X" and len(data) >= 30:
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
        check_size(width, height, max_pixels)


def _check_gif(data: bytes, max_pixels: int) -> None:
    if len(data) < 13:
        raise ImageError(_bad_header("GIF"))
    # A canvas of 0×0 does occur: browsers and Pillow take the size of the first frame instead.
    width, height = struct.unpack("<HH", data[6:10])
    if width and height:
        check_size(width, height, max_pixels)
    preamble = 0
    for kind, start, end in _gif_blocks(data):
        if kind == b",":
            return
        preamble += end - start
        if preamble > _MAX_GIF_PREAMBLE:
            raise ImageError(_HEAVY_METADATA)
    raise ImageError(_NO_PIXELS)


_CHECKS: dict[str, Callable[[bytes, int], None]] = {"PNG": _check_png, "WEBP": _check_webp, "GIF": _check_gif}


def _gif_blocks(data: bytes, max_steps: int = 2_000_000) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, end) of a GIF's blocks, b"," a frame, b"!" an extension, until damage or `max_steps`."""
    position = 13 + _gif_table_bytes(data[10])
    steps = 0
    while position + 10 < len(data):
        kind, start = data[position : position + 1], position
        if kind == b",":
            position += 11 + _gif_table_bytes(data[position + 9])  # descriptor, local colours, LZW code size
        elif kind == b"!":
            position += 2
        elif kind == b";":
            return
        else:  # stray bytes between blocks are passed over, as Pillow does
            position, steps = position + 1, steps + 1
            if steps >= max_steps:
                return
            continue
        while position < len(data) and data[position] and steps < max_steps:
            position += 1 + data[position]
            steps += 1
        position += 1
        steps += 1
        yield kind, start, min(position, len(data))
        if steps >= max_steps:
            return


def _gif_table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _frames_note(image: Image.Image, data: bytes) -> str:
    """One sentence where the file holds more pictures than the one that was taken, else the empty string."""
    if image.format == "TIFF":
        count = _count_pages(image)
    elif image.format == "GIF":
        count = sum(kind == b"," for kind, _, _ in _gif_blocks(data))
    else:
        count = getattr(image, "n_frames", 1)
    if count < 2:
        return ""
    number = str(count) if count <= _MAX_FRAMES_COUNTED else f"more than {_MAX_FRAMES_COUNTED}"
    if image.format == "TIFF":
        return f"First page of {number}."
    if image.format in ("MPO", "HEIF"):  # gain maps, bursts, stereo pairs: not an animation
        return f"Main picture of the {number} in the file."
    return f"First frame of an animation of {number}."


def _count_pages(image: Image.Image) -> int:
    """Pages of a TIFF, at most one more than _MAX_FRAMES_COUNTED; damage after the first ends the count."""
    count = 1
    with suppress(Exception):
        while count <= _MAX_FRAMES_COUNTED:
            image.seek(count)
            count += 1
    return count


# --- from a Pillow image to RGB -----------------------------------------------------------------------------


def _from_pil(image: Image.Image, max_pixels: int) -> tuple[np.ndarray, list[str]]:
    """(uint8 height × width × 3, notes) of the current frame of an opened image."""
    check_size(*image.size, max_pixels)
    bits, orientation_before = _sample_bits(image), _tiff_orientation(image)
    with _pillow(_DAMAGED):
        image.load()
    check_size(*image.size, max_pixels)  # HEIC may turn out to be of another size than its header says
    notes: list[str] = []
    base, alpha = _split_alpha(image, bits)
    if base.mode in ("I", "F") or base.mode.startswith("I;16"):
        base = _to_eight_bits(base, bits, _is_unsigned(image), notes)
    elif bits > 8:
        notes.append(f"{bits}-bit samples were scaled to 8 bits.")
    rgb_image = _to_srgb(base, image.info, notes)
    if alpha is not None:
        rgb_image = _on_white(rgb_image, alpha, notes)
    if _hdr_curve(image):
        notes.append(f"Its HDR brightness ({_hdr_curve(image)}) was not tone-mapped, so it may look pale.")
    rgb = _upright(np.array(rgb_image), image, orientation_before, notes)
    return np.ascontiguousarray(rgb), notes


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
        with _pillow(_DAMAGED):
            return image, Image.fromarray(np.where(np.asarray(image) == transparent, 0, 255).astype(np.uint8))
    with _pillow(_DAMAGED):
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
    with _pillow(_DAMAGED):
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
    return Image.fromarray(_rows_to_uint8(samples, lambda rows: (rows - low) * scale))


def _rows_to_uint8(samples: np.ndarray, level: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Rounded and clipped `level` of every sample, in blocks of rows: float64 of the whole is 8 times it."""
    out = np.empty(samples.shape, np.uint8)
    step = max(1, (1 << 20) // max(1, samples[0].size))
    for top in range(0, len(samples), step):
        block = level(samples[top : top + step].astype(np.float64))
        out[top : top + step] = np.clip(np.rint(block), 0, 255)
    return out


def _on_white(image: Image.Image, alpha: Image.Image, notes: list[str]) -> Image.Image:
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


def _upright(rgb: np.ndarray, image: Image.Image, orientation_before: int, notes: list[str]) -> np.ndarray:
    value: Any = 1
    with suppress(Exception):  # unreadable EXIF data leave the picture as it lies
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    done_already = orientation_before
    if image.format == "HEIF":  # libheif has turned it, and pillow-heif keeps what EXIF said
        done_already = image.info.get("original_orientation") or 1
    turn = _UPRIGHT.get(value) if isinstance(value, int) else None
    if turn or done_already in _UPRIGHT:
        notes.append("Rotated upright as its EXIF data asks.")
    return turn(rgb) if turn else rgb


def _hdr_curve(image: Image.Image) -> str:
    """PQ or HLG where a HEIC file says that it is coded so, else empty. (Pillow tells nothing of AVIF's.)"""
    profile = image.info.get("nclx_profile")
    curve = profile.get("transfer_characteristics") if isinstance(profile, dict) else None
    return {16: "PQ", 18: "HLG"}.get(curve, "")


# --- colour -------------------------------------------------------------------------------------------------


def _to_srgb(image: Image.Image, info: dict, notes: list[str]) -> Image.Image:
    """Mode RGB, through the embedded ICC profile in `info` where there is one that fits."""
    if image.mode == "CMYK":
        notes.append("Converted from CMYK.")
    elif image.mode == "LAB":
        notes.append("Converted from Lab colours.")
    elif image.mode not in ("L", "RGB"):
        with _pillow(_DAMAGED):
            image = image.convert("L" if image.mode == "1" else "RGB")
    if "icc_profile" in info and image.mode != "LAB":  # Lab is absolute: its profile says nothing more
        try:
            return _through_profile(image, info["icc_profile"], notes)
        except ImageError:
            notes.append(_BAD_PROFILE)
    with _pillow(_DAMAGED):
        return image if image.mode == "RGB" else image.convert("RGB")


def _through_profile(image: Image.Image, profile: bytes, notes: list[str]) -> Image.Image:
    """`image` (L, RGB or CMYK) as sRGB. ImageError where the profile is damaged or for other pixels."""
    with _pillow(_BAD_PROFILE):
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        name = " ".join(ImageCms.getProfileDescription(source).split())[:80] or "unnamed"
        if space == "RGB" and image.mode == "L":  # grey files tagged with an RGB profile are common
            image = image.convert("RGB")
        if {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(space) != image.mode:
            raise ImageError(_BAD_PROFILE)
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            image.mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    if _changes_nothing(transform, image.mode):
        return image.convert("RGB")
    with _pillow(_BAD_PROFILE):
        converted = ImageCms.applyTransform(image, transform)
    notes.append(f"Converted from its ICC profile '{name}' to sRGB.")
    return converted


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a profile is sRGB by its effect; names mislead both ways ("c2", "sRGB-elle-V2-g10")."""
    if mode == "CMYK":
        return False
    levels = np.arange(0, 256, 15, dtype=np.uint8)  # 0 and 255 are among them
    colours = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
    if mode == "L":
        colours = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    probe = Image.fromarray(colours[..., 0] if mode == "L" else colours)
    with _pillow(_BAD_PROFILE):
        result = np.asarray(ImageCms.applyTransform(probe, transform))
    return int(np.abs(result.astype(int) - colours).max()) <= 2  # the roundings of two transfer curves


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
        pixels = np.array(_on_white(base, alpha, notes))
    return LoadedImage(np.ascontiguousarray(pixels), tuple(notes), "array")


def _array_to_uint8(array: np.ndarray, notes: list[str]) -> np.ndarray:
    """A copy of `array` as uint8: uint16 divided by 257, floats multiplied by 255, both rounded."""
    if array.dtype == np.uint8:
        return array.copy()
    if array.dtype == np.uint16:
        notes.append("16-bit samples were scaled to 8 bits.")
        return _rows_to_uint8(array, lambda rows: rows / 257)
    if array.dtype.kind != "f":
        raise ImageError(f"An array of {array.dtype} is not an image; pass uint8, uint16 or floats in 0…1.")
    # Half a level beyond either end is what networks and resampling leave behind; NaN fails both comparisons.
    if not (array.min() >= -0.5 / 255 and array.max() <= 1 + 0.5 / 255):
        raise ImageError(f"The array's floats run from {array.min():g} to {array.max():g}; scale them to 0…1 first.")
    notes.append("Floating-point samples were scaled to 8 bits.")
    return _rows_to_uint8(array, lambda rows: rows * 255)


# --- writing ------------------------------------------------------------------------------------------------


def save_png(rgb: np.ndarray, path: str | os.PathLike) -> None:
    """Writes uint8 height × width × 3 as a PNG, whole or not at all.

    Raises ImageError for any other array, CodecError where the file cannot be written.
    """
    atomic_write(path, png_bytes(rgb))


def png_bytes(rgb: np.ndarray) -> bytes:
    """uint8 height × width × 3 as the bytes of a PNG file, without metadata. Raises ImageError otherwise."""
    check_rgb(rgb)
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(buffer, "PNG")
    return buffer.getvalue()


def check_rgb(rgb: np.ndarray) -> None:
    """Raises ImageError unless `rgb` is a non-empty numpy array, uint8, height × width × 3."""
    is_pixels = isinstance(rgb, np.ndarray) and rgb.dtype == np.uint8 and rgb.size > 0
    if not (is_pixels and rgb.ndim == 3 and rgb.shape[2] == 3):
        raise ImageError("The picture has to be a numpy array of uint8, height × width × 3, and not empty.")


def atomic_write(path: str | os.PathLike, data: bytes) -> None:
    """Writes `data` to `path` so that a reader finds the old file or the whole new one, never a half.

    A temporary file in the same folder is renamed over the target; it is removed when anything fails. A
    target that exists keeps its permissions, a link stays a link. Raises CodecError where writing fails.
    """
    try:
        target = os.path.realpath(path)
        temporary = os.path.join(os.path.dirname(target), f".{secrets.token_hex(8)}.part")
        if os.path.exists(target) and not os.path.isfile(target) and not os.path.isdir(target):
            with open(target, "wb") as file:  # /dev/null, a pipe: a rename would replace the device
                file.write(data)
            return
        try:
            _write_new(temporary, data)
            if os.path.isfile(target):
                os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
            os.replace(temporary, target)
        except BaseException:
            if os.path.exists(temporary):
                os.unlink(temporary)
            raise
    except (OSError, ValueError) as error:  # a ValueError is a NUL byte in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise CodecError(f"The file '{_shown(path)}' could not be written: {reason}.") from error


def _write_new(path: str, data: bytes) -> None:
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())  # else a crash soon after the rename could leave an empty file
