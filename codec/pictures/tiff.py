"""What Pillow misreads of a TIFF without a word: put right here, or refused in one sentence.

Raw files are TIFFs whose first picture is a thumbnail. Planes of more than 8 bits are read one by one. Grey in which
zero is white is inverted where Pillow leaves it. Signed samples of 8 bits would wrap round.
"""

from __future__ import annotations

import io
import re
import struct
from contextlib import suppress

import numpy as np
from PIL import Image, ImagePalette, TiffImagePlugin

from codec.errors import ImageError
from codec.pictures.files import DAMAGED, pillow_errors

SUBFILE, WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
ORIENTATION, SAMPLES, ROWS, PLANAR, PREDICTOR, FORMAT, SUB_IFDS = 274, 277, 278, 284, 317, 339, 330
COLOUR_MAP, EXTRA_SAMPLES = 320, 338
STRIPS, STRIP_BYTES, TILE_WIDTH, TILE_LENGTH, TILES, TILE_BYTES = 273, 279, 322, 323, 324, 325
DNG_VERSION = 50706
GREYS, RGB, YCBCR = (0, 1), 2, 6  # photometric interpretations
UNSPECIFIED, ASSOCIATED = 0, 1  # extra samples: of no known meaning, and an alpha that the colours are multiplied by
SIGNED = 2
MAX_PAGES = 20  # looked through for one that is not a reduced copy
MAX_PIECES = 1 << 20

_RAW = "This is a camera's raw file; develop it in a photo program and save it as JPEG, PNG or TIFF first."
_SIGNED = "The TIFF holds signed samples of 8 bits, which have no black or white; save it with unsigned samples."
_PLANES = "The TIFF holds its colours in separate planes of a kind that cannot be read here; save it as PNG first."
_NO_MEANING = "The TIFF does not say whether its zero is black or white; save it as PNG first."


def checked(image: Image.Image, data: bytes) -> Image.Image:
    """An opened TIFF, at the first page that is not a reduced copy, its pixels not decoded. Raises ImageError."""
    with pillow_errors(DAMAGED):  # tags may hold anything
        return _checked(image, data)


def _checked(image: Image.Image, data: bytes) -> Image.Image:
    tags = image.tag_v2
    reduced = _number(tags, SUBFILE, 0) & 1
    if DNG_VERSION in tags or data[8:10] == b"CR" or (reduced and SUB_IFDS in tags):
        raise ImageError(_RAW)
    if reduced:
        for page in range(1, MAX_PAGES):
            with suppress(Exception):
                image.seek(page)
                if not _number(image.tag_v2, SUBFILE, 0) & 1:
                    break
        else:
            image.seek(0)
    tags = image.tag_v2
    if _number(tags, FORMAT, 1) == SIGNED and _number(tags, BITS, 1) <= 8:
        raise ImageError(_SIGNED)
    if PHOTOMETRIC not in tags:  # Pillow says white, libtiff black
        raise ImageError(_NO_MEANING)
    if _number(tags, PLANAR, 1) == 2 and _number(tags, SAMPLES, 1) > 1:
        photometric = _number(tags, PHOTOMETRIC, 1)
        if photometric in GREYS or (photometric == YCBCR and _number(tags, COMPRESSION, 1) == 1):
            raise ImageError(_PLANES)
    # What libtiff decodes is in this machine's byte order already; Pillow knows that of unsigned 16 bits only.
    image.tile = [
        tile._replace(args=(re.sub(r"(;\d+)B(S|F)$", r"\1N\2", tile.args[0]), *tile.args[1:]))
        if tile.codec_name == "libtiff"
        else tile
        for tile in image.tile
    ]
    colours = tags.get(COLOUR_MAP, ())
    if image.mode == "P" and colours and max(colours) < 256:  # written in 8 bits of 16, as old programs did
        image.palette = ImagePalette.raw("RGB;L", bytes(colours))
    return image


def zero_is_white(image: Image.Image) -> bool:
    """Whether deep grey samples have to be inverted, which Pillow does for those of 8 bits and less."""
    deep = image.mode in ("I", "F") or image.mode.startswith("I;16")
    return image.format == "TIFF" and deep and _number(image.tag_v2, PHOTOMETRIC, 1) == 0


def planes(image: Image.Image, data: bytes) -> np.ndarray | None:
    """uint16 (H, W, 3 or 4) of a TIFF with planes of 16 bits; None where it has none. Raises ImageError.

    Each plane is read as a grey TIFF of its own: the same file, with another directory at its end.
    """
    with pillow_errors(DAMAGED):
        return _planes(image, data)


def _planes(image: Image.Image, data: bytes) -> np.ndarray | None:
    tags = image.tag_v2
    count, bits = _number(tags, SAMPLES, 1), _number(tags, BITS, 1)
    if _number(tags, PLANAR, 1) != 2 or count == 1 or bits <= 8:
        return None
    if (
        bits != 16
        or _number(tags, FORMAT, 1) != 1
        or _number(tags, PHOTOMETRIC, 1) != RGB
        or data[2:4] not in (b"*\0", b"\0*")
    ):
        raise ImageError(_PLANES)
    offsets, sizes = (TILES, TILE_BYTES) if TILES in tags else (STRIPS, STRIP_BYTES)
    pieces = len(tags[offsets])
    if count not in (3, 4) or pieces % count or not pieces == len(tags[sizes]) <= MAX_PIECES:
        raise ImageError(_PLANES)
    read = []
    for plane in range(count):
        part = slice(plane * pieces // count, (plane + 1) * pieces // count)
        fields = {key: (_number(tags, key, 0),) for key in (WIDTH, LENGTH, ORIENTATION) if key in tags}
        fields |= {
            BITS: (16,),
            COMPRESSION: (_number(tags, COMPRESSION, 1),),
            PHOTOMETRIC: (1,),
            SAMPLES: (1,),
            PLANAR: (1,),
        }
        fields |= {key: (_number(tags, key, 0),) for key in (ROWS, PREDICTOR, TILE_WIDTH, TILE_LENGTH) if key in tags}
        fields |= {offsets: tags[offsets][part], sizes: tags[sizes][part]}
        grey = TiffImagePlugin.TiffImageFile(io.BytesIO(with_directory(data, fields)))
        grey.load()
        read.append(np.asarray(grey).astype(np.uint16))
    return np.stack(read, -1)


def without_extra(samples: np.ndarray, image: Image.Image) -> np.ndarray:
    """uint16 (H, W, 3 or 4): RGB, with an alpha that the colours are not multiplied by, if the fourth sample is one."""
    if samples.shape[2] != 4 or image.format != "TIFF" or _number(image.tag_v2, PHOTOMETRIC, RGB) != RGB:
        return samples
    meaning = _number(image.tag_v2, EXTRA_SAMPLES, -1)
    if meaning == UNSPECIFIED:
        return samples[..., :3]
    if meaning == ASSOCIATED:
        samples = samples.copy()
        for rows in samples:
            wide = rows.astype(np.int64)
            alpha = np.maximum(wide[:, 3:], 1)
            rows[:, :3] = np.minimum((wide[:, :3] * 65535 + alpha // 2) // alpha, 65535)
    return samples


def with_directory(data: bytes, fields: dict[int, tuple[int, ...]]) -> bytes:
    """A TIFF with another first directory, of numbers of 32 bits, at its end."""
    order = "<" if data[:2] == b"II" else ">"
    at = len(data) + len(data) % 2
    entries, values, place = b"", b"", at + 2 + 12 * len(fields) + 4
    for tag, numbers in sorted(fields.items()):
        packed = struct.pack(f"{order}{len(numbers)}I", *numbers)
        entries += struct.pack(f"{order}HHI", tag, 4, len(numbers))
        entries += packed if len(numbers) == 1 else struct.pack(f"{order}I", place + len(values))
        values += packed if len(numbers) > 1 else b""
    directory = struct.pack(f"{order}H", len(fields)) + entries + bytes(4) + values
    return data[:4] + struct.pack(f"{order}I", at) + data[8:] + bytes(at - len(data)) + directory


def _number(tags, key: int, default: int) -> int:
    """A tag's first value, where it is a whole number."""
    value = tags.get(key, default)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else default
