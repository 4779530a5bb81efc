"""A writer of TIFFs of nearly every kind, from the specification (TIFF 6.0), for the tests."""

import struct
import zlib

import numpy as np

NONE, LZW, DEFLATE, PACKBITS = 1, 5, 8, 32773
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK = 0, 1, 2, 3, 5
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
ASSOCIATED, UNASSOCIATED = 1, 2


def tiff(
    samples,
    bits,
    photometric,
    *,
    planar=1,
    compression=NONE,
    order="<",
    extra=(),
    predictor=1,
    tile=None,
    kind=UNSIGNED,
    colours=None,
    rows=7,
    tags=None,
    big=False,
    lead=b"",
):
    """The bytes of a TIFF of one page. samples: (H, W, C), integers of so many bits, or floats of 16 or 32.

    tile: its width and height, in place of strips of so many rows. colours: (2**bits, 3) of 16 bits, for a palette.
    tags: more of them, {number: (type, values)}, in place of those made here; None for one to leave out.
    big: as BigTIFF. lead: what stands between the header and the directory.
    """
    height, width, channels = samples.shape
    planes = [samples[..., i : i + 1] for i in range(channels)] if planar == 2 else [samples]
    pieces = []
    for plane in planes:
        across, down = tile or (width, rows)
        for top in range(0, height, down):
            for left in range(0, width, across):
                piece = plane[top : top + down, left : left + across]
                if tile:
                    short = ((0, down - len(piece)), (0, across - piece.shape[1]), (0, 0))
                    piece = np.pad(piece, short)
                pieces.append(packed(raw(piece, bits, order, predictor), compression))
    sizes = {"B": 1, "H": 2, "I": 4, "s": 1, "Q": 8}
    fields = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [bits] * channels),
        259: ("H", [compression]),
        262: ("H", [photometric]),
        277: ("H", [channels]),
        284: ("H", [planar]),
        317: ("H", [predictor]),
        339: ("H", [kind] * channels),
    }
    if extra:
        fields[338] = ("H", list(extra))
    if colours is not None:
        fields[320] = ("H", np.asarray(colours).T.ravel().tolist())
    places, counts = (324, 325) if tile else (273, 279)
    fields |= {322: ("I", [tile[0]]), 323: ("I", [tile[1]])} if tile else {278: ("I", [rows])}
    fields |= {places: ("Q" if big else "I", [0] * len(pieces)), counts: ("I", [len(piece) for piece in pieces])}
    fields |= tags or {}
    fields = {number: value for number, value in fields.items() if value is not None}
    word, head = ("Q", 16) if big else ("I", 8)
    head += len(lead)
    room = 8 if big else 4
    length = (8 if big else 2) + (20 if big else 12) * len(fields) + room
    at = head + length
    pixels = at + sum(-(-sizes[c] * len(v) // 2) * 2 for c, v in fields.values() if sizes[c] * len(v) > room)
    for piece in range(len(pieces)):
        fields[places][1][piece] = pixels
        pixels += len(pieces[piece]) + len(pieces[piece]) % 2
    codes = {"B": 1, "H": 3, "I": 4, "s": 7, "Q": 16}
    entries, values = b"", b""
    for number, (code, found) in sorted(fields.items()):
        body = bytes(found) if code == "s" else struct.pack(f"{order}{len(found)}{code}", *found)
        entries += struct.pack(f"{order}HH{word}", number, codes[code], len(found))
        if len(body) > room:
            entries += struct.pack(f"{order}{word}", at + len(values))
            values += body + bytes(len(body) % 2)
        else:
            entries += body.ljust(room, b"\0")
    mark = b"II" if order == "<" else b"MM"
    start = struct.pack(f"{order}HHHQ", 43, 8, 0, head) if big else struct.pack(f"{order}HI", 42, head)
    directory = struct.pack(f"{order}{'Q' if big else 'H'}", len(fields)) + entries + bytes(room)
    return mark + start + lead + directory + values + b"".join(piece + bytes(len(piece) % 2) for piece in pieces)


def raw(piece, bits, order, predictor):
    """The bytes of a strip or tile before compression: rows start on bytes."""
    height, channels = piece.shape[0], piece.shape[2]
    if piece.dtype.kind == "f":
        if predictor == 3:  # bytes of one significance side by side, then their differences
            bytes_ = piece.astype(f">f{bits // 8}").reshape(height, -1).view(np.uint8).reshape(height, -1, bits // 8)
            spread = bytes_.transpose(0, 2, 1).reshape(height, -1, channels)
            return np.diff(spread, axis=1, prepend=np.zeros_like(spread[:, :1])).astype(np.uint8).tobytes()
        return piece.astype(f"{order}f{bits // 8}").tobytes()
    whole = np.asarray(piece).astype(np.int64)
    if predictor == 2:
        whole = np.diff(whole, axis=1, prepend=np.zeros_like(whole[:, :1])) % (1 << bits)
    if bits in (8, 16, 32):
        return (whole % (1 << bits)).astype(f"{order}u{bits // 8}").tobytes()
    shifts = np.arange(bits - 1, -1, -1)
    lines = (whole.reshape(height, -1, 1) >> shifts & 1).reshape(height, -1).astype(np.uint8)
    return np.packbits(lines, axis=1).tobytes()


def packed(data, compression):
    if compression == DEFLATE:
        return zlib.compress(data)
    if compression == LZW:
        return lzw(data)
    if compression == PACKBITS:  # runs, and stretches without any
        out, at = b"", 0
        while at < len(data):
            run = 1
            while run < 128 and at + run < len(data) and data[at + run] == data[at]:
                run += 1
            if run > 2:
                out, at = out + bytes([257 - run, data[at]]), at + run
            else:
                part = data[at : at + 2]
                out, at = out + bytes([len(part) - 1]) + part, at + len(part)
        return out
    return data


def lzw(data):
    """TIFF's own LZW: codes of 9 to 12 bits, the highest bit first, the length growing one code early."""
    codes, table, width, known = [(256, 9)], {bytes([i]): i for i in range(256)}, 9, b""
    for value in data:
        more = known + bytes([value])
        if more in table:
            known = more
            continue
        codes.append((table[known], width))
        table[more] = len(table) + 2
        if len(table) + 2 > 4093:
            codes.append((256, width))
            table, width = {bytes([i]): i for i in range(256)}, 9
        elif len(table) + 2 >= 1 << width:
            width += 1
        known = bytes([value])
    codes.append((table[known], width))
    if len(table) + 3 >= 1 << width and width < 12:
        width += 1
    text = "".join(f"{code:0{size}b}" for code, size in [*codes, (257, width)])
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")
