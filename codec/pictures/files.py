"""From a picture file of any kind to an opened Pillow image, checked by its header, not yet decoded.

Whatever is wrong ends as an `ImageError` whose message is one sentence for the person at the screen. Limits
are checked before a decoder allocates anything.
"""

from __future__ import annotations

import functools
import io
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from PIL import (
    AvifImagePlugin,  # noqa: F401  importing a plugin registers its format with Pillow
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    JpegImagePlugin,
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)

from codec.errors import ImageError
from codec.pictures import bmp
from codec.pictures.sources import check_bytes
from codec.spec import MAX_PIXELS, MAX_SIDE

MAX_GIF_STEPS = 2_000_000

# AVIF before HEIF: both may carry the brand "mif1", and only Pillow's AVIF reader tells them apart.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
NAMES = {"WEBP": "WebP", "HEIF": "HEIC", "MPO": "JPEG"}

_MAX_FRAMES_COUNTED = 1000  # a file may chain millions of pages; past this the note just says "more than"
_MAX_PNG_CHUNKS = 300_000
_PNG_PICTURE_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_MAX_JPEG_SCANS = 100  # programs write ten or so; each costs the time of a whole picture, and can be 40 bytes long
_MAX_JPEG_SEGMENTS = 10_000
_JPEG_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")  # neither a stuffed byte nor a restart within a scan
_ISO_SIZE = re.compile(rb"ispe.{4}(.{8})", re.DOTALL)  # the box of an item's width and height
_MAX_GIF_PREAMBLE = 1_000_000  # bytes of comments and the like; Pillow's time is quadratic in them

_READABLE = "PNG, JPEG, WebP, AVIF, TIFF, BMP, GIF or HEIC"
_NOT_AN_IMAGE = f"This file is not an image in a format that can be read here ({_READABLE})."
DAMAGED = "The image is truncated or damaged: it could not be decoded to its end, so try another copy of it."
_NO_PIXELS = "The image is damaged: it holds no pixels, so try another copy of it."
_NO_PALETTE = "The GIF has no palette, so its colours are unknown; save it again, as PNG."
_HEAVY_METADATA = "The image carries more embedded text or metadata than can be read; save it again without them."
_MANY_SCANS = "The image is cut into more scans than any camera or program writes; save it again as PNG."
NO_MEMORY = "There is not enough memory to decode this image; scale it down first."


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


# --- from bytes to a Pillow image ---------------------------------------------------------------------------


def open_image(data: bytes, max_pixels: int) -> Image.Image:
    """The header of the picture in `data`; no pixel is decoded.

    The readers are called one by one instead of by `Image.open`, for that checks the size against Pillow's
    own limit (a global of the process) before it hands over the size that our sentence has to name.
    """
    if not data:
        raise ImageError("This file is empty (0 bytes); choose an image file.")
    check_bytes(len(data))
    if data[4:8] == b"ftyp":
        register_heif()
    failure = None
    for name in _FORMATS:
        factory, accept = Image.OPEN.get(name, (None, None))
        if factory is None or accept(data[:16]) is not True:
            continue
        if name in _CHECKS:
            _CHECKS[name](data, max_pixels)
        if name == "BMP" and bmp.is_ours(data):
            factory = bmp.BmpFile
        try:
            with pillow_errors(_bad_header(name)):
                return factory(io.BytesIO(data), "")
        except ImageError as error:  # not yet the end: several formats share the first bytes of AVIF and HEIC
            failure = error
    raise failure or ImageError(_NOT_AN_IMAGE)


def declared_pixels(data: bytes, max_pixels: int) -> int:
    """Width × height as the header has them, found by Python alone: `open_image` has libraries in C look at
    WebP, AVIF and HEIC. Of the sizes that the parts of AVIF and HEIC declare the largest is taken."""
    if data[4:8] == b"ftyp":
        sizes = (struct.unpack(">II", match[1]) for match in _ISO_SIZE.finditer(data))
        return max((width * height for width, height in sizes), default=0)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        width, height = _webp_size(data)
    else:
        width, height = open_image(data, max_pixels).size
    return width * height


def _webp_size(data: bytes) -> tuple[int, int]:
    if len(data) < 30:
        return 0, 0
    if data[12:16] == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return tuple(side & 0x3FFF for side in struct.unpack("<HH", data[26:30]))


def _bad_header(name: str) -> str:
    kind = NAMES.get(name, name)
    return f"This {kind} file is truncated, damaged or of a kind that cannot be read here; save it as PNG first."


@contextmanager
def pillow_errors(sentence: str) -> Iterator[None]:
    """Around calls into Pillow and the libraries below it only: whatever they raise becomes an ImageError.

    On damaged files they raise nearly everything (OSError, SyntaxError, ValueError, EOFError, KeyError,
    struct.error, zlib.error, RuntimeError, …) and the list grows with every release.
    """
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(NO_MEMORY) from error
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
            raise ImageError(DAMAGED)
        (length,), kind = struct.unpack_from(">I", data, position), data[position + 4 : position + 8]
        end = position + 12 + length
        if end > len(data):
            raise ImageError(DAMAGED)
        pixels |= kind == b"IDAT"
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if kind in _PNG_PICTURE_CHUNKS and zlib.crc32(view[position + 4 : end - 4]) != checksum:
            raise ImageError(DAMAGED)
        if kind == b"IEND":
            if not pixels:
                raise ImageError(_NO_PIXELS)
            return
        position = end
    raise ImageError(_HEAVY_METADATA)


def _check_jpeg(data: bytes, max_pixels: int) -> None:
    """Counts segments and scans up to the end of the first picture; its size Pillow reads without decoding."""
    position, scans = 2, 0
    for _ in range(_MAX_JPEG_SEGMENTS):
        marker = _JPEG_MARKER.search(data, position)
        if marker is None or marker[1] == b"\xd9":
            return
        position = marker.end()
        if marker[1] not in (b"\x01", b"\xd8"):  # all others have a length
            position += int.from_bytes(data[position : position + 2], "big")
        scans += marker[1] == b"\xda"
        if scans > _MAX_JPEG_SCANS:
            raise ImageError(_MANY_SCANS)
    raise ImageError(_HEAVY_METADATA)


def jpeg_with_end(data: bytes) -> bytes | None:
    """A JPEG that lacks its end marker and nothing else, with it. None where it has one, or lacks more.

    A scan is complete where bits added after it change nothing. A progressive file needs every coefficient's last bit.
    """
    if _jpeg_has_end(data) or not _jpeg_scans_cover(data):
        return None
    data, pictures = data.rstrip(b"\xff"), []
    for more in (b"", bytes(64), b"\x55" * 64):
        with pillow_errors(DAMAGED):
            image = JpegImagePlugin.JpegImageFile(io.BytesIO(data + more + b"\xff\xd9"))
            pictures.append(image.tobytes())
    return data + b"\xff\xd9" if pictures[0] == pictures[1] == pictures[2] else None


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, content) of the segments of the first picture, up to its end marker, if it has one."""
    position = 2
    for _ in range(_MAX_JPEG_SEGMENTS):
        marker = _JPEG_MARKER.search(data, position)
        if marker is None:
            return
        position = marker.end()
        length = 0
        if marker[1] not in (b"\x01", b"\xd8", b"\xd9"):
            length = int.from_bytes(data[position : position + 2], "big")
        yield marker[1][0], data[position + 2 : position + length]
        if marker[1] == b"\xd9":
            return
        position += length


def _jpeg_has_end(data: bytes) -> bool:
    return any(marker == 0xD9 for marker, _ in _jpeg_segments(data))


def _jpeg_scans_cover(data: bytes) -> bool:
    """Whether the scans name every component and, in a progressive file, all bits of all of its 64 coefficients."""
    components: set[int] = set()
    covered: set[tuple[int, int]] = set()
    progressive = False
    for marker, content in _jpeg_segments(data):
        if marker in (0xC0, 0xC1, 0xC2) and len(content) > 5:
            progressive, components = marker == 0xC2, set(content[6 : 6 + 3 * content[5] : 3])
        elif marker == 0xDA and content and len(content) >= 4 + 2 * content[0]:
            first, last, bits = content[1 + 2 * content[0] :][:3]
            if bits & 15 == 0:
                covered |= {(c, k) for c in content[1 : 1 + 2 * content[0] : 2] for k in range(first, last + 1)}
    ks = range(64) if progressive else (0,)
    return bool(components) and all((c, k) in covered for c in components for k in ks)


def _check_webp(data: bytes, max_pixels: int) -> None:
    """The canvas of an extended WebP: its decoder allocates two whole canvases as soon as it is made."""
    if data[12:16] == b"VP8X" and len(data) >= 30:
        check_size(*_webp_size(data), max_pixels)


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
            if not (data[10] | data[start + 9]) & 0x80:
                raise ImageError(_NO_PALETTE)
            return
        preamble += end - start
        if preamble > _MAX_GIF_PREAMBLE:
            raise ImageError(_HEAVY_METADATA)
    raise ImageError(_NO_PIXELS)


_CHECKS: dict[str, Callable[[bytes, int], None]] = {
    "PNG": _check_png,
    "JPEG": _check_jpeg,
    "WEBP": _check_webp,
    "GIF": _check_gif,
}


def _gif_blocks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, end) of a GIF's blocks, b"," a frame, b"!" an extension, until damage or MAX_GIF_STEPS."""
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
            if steps >= MAX_GIF_STEPS:
                return
            continue
        while position < len(data) and data[position] and steps < MAX_GIF_STEPS:
            position += 1 + data[position]
            steps += 1
        position += 1
        steps += 1
        yield kind, start, min(position, len(data))
        if steps >= MAX_GIF_STEPS:
            return


def _gif_table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def frames_note(image: Image.Image, data: bytes) -> str:
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
