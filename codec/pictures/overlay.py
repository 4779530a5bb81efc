"""The overlay of a stream: regions of a picture in few colours, without loss, on top of what is decoded.

LZMA2 of Python's standard library (xz's filter of this name, a dictionary of 8 MiB) holds, in this order:

size              field
1                 number of colours less 1
3 for each        colours, red, green, blue
1 bit for each    64×64 region, row by row, filled up to whole bytes: whether it is covered
1 for each        pixel of the covered regions: its colour; in rows of pixels over the whole picture, which is
                  padded to whole regions

It finds letters that come again. See `codec.screen` for when it is used.
"""

import lzma

import numpy as np

from codec.errors import StreamError
from codec.spec import REGION

DICTIONARY = 1 << 23  # bytes
MAX_COLOURS = 256
QUICK, BEST = 1, 6 | lzma.PRESET_EXTREME  # xz's presets
QUICK_MORE = 1.2  # what the former takes more, about
DAMAGED = "The stream is damaged: its overlay cannot be read."


def filters(**options) -> list[dict]:
    return [{"id": lzma.FILTER_LZMA2, "dict_size": DICTIONARY, **options}]


def to_pixels(regions: np.ndarray) -> np.ndarray:
    """bool (rows, columns) -> bool (64·rows, 64·columns)."""
    return regions.repeat(REGION, 0).repeat(REGION, 1)


def write(colours: np.ndarray, indices: np.ndarray, regions: np.ndarray, preset: int = BEST) -> bytes:
    """colours uint8 (n, 3), indices uint8 (64·rows, 64·columns) into them, regions bool (rows, columns)."""
    head = bytes([len(colours) - 1]) + colours.tobytes() + np.packbits(regions).tobytes()
    return lzma.compress(head + indices[to_pixels(regions)].tobytes(), lzma.FORMAT_RAW, filters=filters(preset=preset))


def read(data: bytes, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The overlay of a picture of shape = (rows, columns) regions: uint8 (64·rows, 64·columns, 3), and what it covers,
    bool of that size. Raises StreamError for one that is damaged.
    """
    rows, columns = shape
    packed, largest = -(-rows * columns // 8), REGION**2 * rows * columns
    inflater = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters())
    try:
        raw = np.frombuffer(inflater.decompress(data, 1 + 3 * MAX_COLOURS + packed + largest), dtype=np.uint8)
    except (lzma.LZMAError, EOFError):
        raise StreamError(DAMAGED) from None
    count = int(raw[0]) + 1 if len(raw) else 0
    colours, mask, values = np.split(raw, [1 + 3 * count, 1 + 3 * count + packed])
    if not inflater.eof or inflater.unused_data or len(mask) < packed:
        raise StreamError(DAMAGED)
    inside = to_pixels(np.unpackbits(mask, count=rows * columns).view(bool).reshape(rows, columns))
    if len(values) != inside.sum() or (len(values) and values.max() >= count):
        raise StreamError(DAMAGED)
    rgb = np.zeros((*inside.shape, 3), dtype=np.uint8)
    rgb[inside] = colours[1:].reshape(-1, 3)[values]
    return rgb, inside


def paste(rgb: np.ndarray, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """A decoded picture uint8 (H, W, 3) with the overlay on it; b"" leaves it. Raises StreamError as `read`."""
    if not data:
        return rgb
    over, inside = (part[: rgb.shape[0], : rgb.shape[1]] for part in read(data, shape))
    return np.where(inside[..., None], over, rgb)


def changes(rgb: np.ndarray) -> np.ndarray:
    """uint8 (H, W): how many of a pixel's neighbours, above and to the left, differ: where a lossless code has bits."""
    count = np.zeros(rgb.shape[:2], dtype=np.uint8)
    count[:, 1:] += (rgb[:, 1:] != rgb[:, :-1]).any(2)
    count[1:] += (rgb[1:] != rgb[:-1]).any(2)
    return count
