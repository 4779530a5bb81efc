"""A writer of BMPs of every kind: headers of OS/2 and Windows, palettes, bit fields, runs."""

import struct

import numpy as np

CORE, INFO, V2, V3, OS2, V4, V5 = 12, 40, 52, 56, 64, 108, 124  # bytes of the header
PLAIN, RLE8, RLE4, BITFIELDS, ALPHA_BITFIELDS = 0, 1, 2, 3, 6


def bmp(rows, width, height, bits, *, header=INFO, compression=PLAIN, masks=(), palette=(), used=None, profile=b""):
    """rows: the bytes of the pixels as they are stored. height: negative where the first row is the uppermost.

    masks: of red, green, blue and alpha. palette: (r, g, b)s. used: how many of them the header declares.
    """
    if header == CORE:
        head = struct.pack("<IHHHH", CORE, width, height, 1, bits)
        colours = b"".join(bytes([b, g, r]) for r, g, b in palette)
    else:
        used = len(palette) if used is None else used
        head = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, len(rows), 2835, 2835, used, 0)
        colours = b"".join(bytes([b, g, r, 0]) for r, g, b in palette)
        fields = struct.pack("<4I", *(*masks, 0, 0, 0, 0)[:4])
        if header in (V2, V3):
            head += fields[: header - 40]
        elif header in (V4, V5):
            space = 0x4D424544 if profile else 0x73524742  # "MBED" or "sRGB"
            head += fields + struct.pack("<I", space) + bytes(48)
            head = head.ljust(header, b"\0")
        elif header == OS2:
            head = head.ljust(header, b"\0")
        elif compression in (BITFIELDS, ALPHA_BITFIELDS):
            colours = fields[: 16 if compression == ALPHA_BITFIELDS else 12] + colours
    start = 14 + len(head) + len(colours)
    if profile:
        head = head[:112] + struct.pack("<II", len(head) + len(colours) + len(rows), len(profile)) + head[120:]
    size = start + len(rows) + len(profile)
    return b"BM" + struct.pack("<IHHI", size, 0, 0, start) + head + colours + rows + profile


def packed_rows(values, bits):
    """Integers (H, W) of so many bits, the lowest row first, each row filled to 4 bytes."""
    out = b""
    for row in np.asarray(values)[::-1]:
        if bits >= 8:
            line = b"".join(int(v).to_bytes(bits // 8, "little") for v in row)
        else:
            shifts = np.arange(bits - 1, -1, -1)
            line = np.packbits((row[:, None] >> shifts & 1).ravel().astype(np.uint8)).tobytes()
        out += line + bytes(-len(line) % 4)
    return out


def in_fields(rgba, masks):
    """Levels uint8 (H, W, 3 or 4) as integers with each channel scaled into its mask."""
    out = np.zeros(rgba.shape[:2], np.int64)
    for channel, mask in zip(range(rgba.shape[2]), masks, strict=False):
        if mask:
            low = (mask & -mask).bit_length() - 1
            top = mask >> low
            out |= (np.rint(rgba[..., channel] / 255 * top).astype(np.int64)) << low
    return out
