"""A writer of GIFs of every kind."""

import struct


def gif(width, height, frames, palette=None, background=0):
    """frames: the bytes of `frame`. palette: (r, g, b)s, two to the power of something, for all frames."""
    flags, table = colours(palette)
    screen = struct.pack("<HHBBB", width, height, flags | 0x70, background, 0)
    return b"GIF89a" + screen + table + b"".join(frames) + b";"


def frame(indices, at=(0, 0), *, palette=None, transparent=None, interlaced=False, disposal=0, delay=0, bits=None):
    """A picture of palette indices (H, W) at a place of the screen, with an extension where it needs one."""
    height, width = indices.shape
    flags, table = colours(palette)
    rows = list(range(height))
    if interlaced:
        rows = [*rows[::8], *rows[4::8], *rows[2::4], *rows[1::2]]
    data = b"".join(bytes(int(v) for v in indices[row]) for row in rows)
    bits = bits or max(2, int(indices.max()).bit_length())
    head = b""
    if transparent is not None or disposal or delay:
        key = 0 if transparent is None else transparent
        head = b"!\xf9\x04" + struct.pack("<BHBB", disposal << 2 | (transparent is not None), delay, key, 0)
    head += b"," + struct.pack("<4HB", *at, width, height, flags | 0x40 * interlaced) + table
    return head + bytes([bits]) + blocks(codes(data, bits))


def colours(palette):
    """The flags that declare a palette, and its bytes."""
    if not palette:
        return 0, b""
    return 0x80 | (len(palette).bit_length() - 2), b"".join(bytes(c) for c in palette)


def codes(data, bits):
    """LZW that starts anew before its codes grow."""
    clear, out, size = 1 << bits, 0, 0
    room = (1 << bits) - 2
    for i, value in enumerate(data):
        for code in (clear, value) if i % room == 0 else (value,):
            out |= code << size
            size += bits + 1
    out |= (clear + 1) << size
    return out.to_bytes((size + bits + 8) // 8, "little")


def blocks(data):
    return b"".join(bytes([len(data[i : i + 255])]) + data[i : i + 255] for i in range(0, len(data), 255)) + b"\0"
