"""BMPs in runs (RLE4, RLE8) and with bit fields: Pillow misreads or refuses many of them.

What runs leave out is black, as in Chromium.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFile

INFO, V3, OS2 = 40, 56, 64  # bytes of the header: of Windows 3, with a mask for alpha, of OS/2 2
HEADERS = (INFO, 52, V3, OS2, 108, 124)
RLE8, RLE4, BITFIELDS, ALPHA_BITFIELDS = 1, 2, 3, 6
MAX_RUNS = 1_000_000  # each costs Python one or two microseconds
_HIGH = bytes(value >> 4 for value in range(256))
_LOW = bytes(value & 15 for value in range(256))


@dataclass(frozen=True)
class Header:
    width: int
    height: int
    top_down: bool
    bits: int
    compression: int
    start: int  # of the pixels
    masks: tuple[int, int, int, int]  # of red, green, blue, alpha
    palette: np.ndarray  # uint8 (256, 3)


def is_ours(data: bytes) -> bool:
    """Whether this file is to be read here rather than by Pillow."""
    if data[:2] != b"BM" or len(data) < 34:
        return False
    (header,) = struct.unpack_from("<I", data, 14)
    kinds = (RLE8, RLE4) if header == OS2 else (RLE8, RLE4, BITFIELDS, ALPHA_BITFIELDS)
    return header in HEADERS and struct.unpack_from("<I", data, 30)[0] in kinds


def header_of(data: bytes) -> Header:
    """Raises ValueError, struct.error for a header that contradicts itself."""
    (start,) = struct.unpack_from("<I", data, 10)
    size, width, height, _, bits, compression = struct.unpack_from("<IiiHHI", data, 14)
    (used,) = struct.unpack_from("<I", data, 46)
    masks, colours_at = (0, 0, 0, 0), 14 + size
    if compression in (BITFIELDS, ALPHA_BITFIELDS):
        has_alpha = compression == ALPHA_BITFIELDS or size >= V3
        masks = struct.unpack_from("<4I" if has_alpha else "<3I", data, 54) + ((0,) if not has_alpha else ())
        colours_at += (16 if compression == ALPHA_BITFIELDS else 12) if size == INFO else 0
    depths = {RLE8: (8,), RLE4: (4,)}.get(compression, (16, 32))
    if bits not in depths or start < colours_at or not all(contiguous(mask, bits) for mask in masks):
        raise ValueError("no such depth, place of pixels or bit fields")
    if sum(masks) != masks[0] | masks[1] | masks[2] | masks[3] or (sum(masks) == 0) != (compression in (RLE8, RLE4)):
        raise ValueError("bit fields that overlap, or none")
    palette = np.zeros((256, 3), np.uint8)
    if bits <= 8:
        count = min(used or 1 << bits, 1 << bits, (start - colours_at) // 4)
        entries = np.frombuffer(data, np.uint8, 4 * count, colours_at).reshape(-1, 4)
        palette[:count] = entries[:, 2::-1]
    return Header(width, abs(height), height < 0, bits, compression, start, masks, palette)


def contiguous(mask: int, bits: int) -> bool:
    """Whether the ones of a mask stand side by side, within this number of bits."""
    low = mask & -mask
    return mask >> bits == 0 and (mask + low) & mask == 0


class BmpFile(ImageFile.ImageFile):
    """An opened BMP, its pixels not decoded; mode RGB, or RGBA where it has an alpha."""

    format = "BMP"
    format_description = "Windows Bitmap"

    def _open(self) -> None:
        data = self.fp.read()
        header = header_of(data)
        self._size, self._mode = (header.width, header.height), "RGBA" if header.masks[3] else "RGB"
        self.tile = [ImageFile._Tile("codec bmp", (0, 0, *self._size), 0, (header,))]


class Decoder(ImageFile.PyDecoder):
    """As Pillow asks a decoder to be: it reads the whole file, and sets the pixels."""

    _pulls_fd = True

    def decode(self, buffer: bytes) -> tuple[int, int]:
        data, header = self.fd.read(), self.args[0]
        rows = of_fields(data, header) if header.bits > 8 else of_runs(data, header)
        self.set_as_raw(np.ascontiguousarray(rows if header.top_down else rows[::-1]).tobytes(), self.mode)
        return -1, 0


Image.register_decoder("codec bmp", Decoder)


def of_fields(data: bytes, header: Header) -> np.ndarray:
    """uint8 (H, W, 3 or 4), in the order of the file. Raises ValueError where rows are missing."""
    size = header.bits // 8
    stride = -(-header.width * size // 4) * 4
    lines = np.frombuffer(data, np.uint8, stride * header.height, header.start).reshape(header.height, stride)
    values = lines[:, : header.width * size].copy().view(f"<u{size}")
    masks = header.masks if header.masks[3] else header.masks[:3]
    out = np.zeros((header.height, header.width, len(masks)), np.uint8)
    for channel, mask in enumerate(masks):
        if mask:
            low, top = (mask & -mask).bit_length() - 1, mask // (mask & -mask)
            field = (values & np.array(mask, values.dtype)) >> low
            if top > 0xFFFF:  # more bits than 8 levels of a table are worth
                field, top = field >> (top.bit_length() - 16), 0xFFFF
            levels = (np.arange(top + 1) * 510 + top) // (2 * top)
            out[..., channel] = levels.astype(np.uint8)[field]
    return out


def of_runs(data: bytes, header: Header) -> np.ndarray:
    """uint8 (H, W, 3), in the order of the file. Raises ValueError for damage and for too many runs."""
    width, height, narrow = header.width, header.height, header.compression == RLE4
    pixels, covered = bytearray(width * height), bytearray(width * height)
    x = y = 0
    at, end = header.start, len(data) - 1
    for _ in range(MAX_RUNS):
        if y >= height:
            break
        if at >= end:
            if 0 not in covered:
                break
            raise ValueError("the runs end before the picture")
        count, value = data[at], data[at + 1]
        at += 2
        if count:
            run = bytes((value >> 4, value & 15)) * (count + 1 >> 1) if narrow else bytes((value,)) * count
        elif value == 0:
            x, y = 0, y + 1
            continue
        elif value == 1:
            break
        elif value == 2:
            x, y, at = x + data[at], y + (data[at + 1] if at < end else height), at + 2
            if x > width or y > height:
                raise ValueError("a jump out of the picture")
            continue
        else:
            count = value
            size = count + 1 >> 1 if narrow else count
            run = data[at : at + size]
            at += size + size % 2
            if len(run) < size:
                raise ValueError("pixels are missing")
            if narrow:
                both = bytearray(2 * size)
                both[::2], both[1::2] = run.translate(_HIGH), run.translate(_LOW)
                run = bytes(both)
        count = min(count, width - x)
        place = y * width + x
        pixels[place : place + count] = run[:count]
        covered[place : place + count] = b"\xff" * count
        x += count
    else:
        raise ValueError("more runs than any program writes")
    out = header.palette[np.frombuffer(pixels, np.uint8).reshape(height, width)]
    out[np.frombuffer(covered, np.uint8).reshape(height, width) == 0] = 0
    return out
