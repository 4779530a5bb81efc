"""The colours that a file declares, read from its bytes: in chunks, in boxes, or in an ICC profile.

PNG says it in cICP, sRGB, gAMA and cHRM (Portable Network Graphics, third edition, 4.3), AVIF and HEIC in an nclx box,
both by the code points of ITU-T H.273. Profiles in 8 bits go through LittleCMS, in `to_srgb`; only matrix profiles of
deeper pictures are read here, since Pillow hands LittleCMS no more than 8 bits.
"""

from __future__ import annotations

import struct
from contextlib import suppress

import numpy as np

from codec.pictures.colour import (
    D50,
    D65,
    FROM_XYZ,
    HDR,
    PNG_TRANSFERS,
    PRIMARIES,
    XYZ,
    Colour,
    Curve,
    adapted,
    from_code_points,
    matrix_by_number,
    matrix_of,
    named,
    power,
)

_MAX_CURVE = 65536  # entries of a profile's curve


def png_chunks(data: bytes) -> dict[bytes, bytes]:
    """The first of each kind of a PNG's chunks before its pixels, as far as they are whole."""
    chunks: dict[bytes, bytes] = {}
    position = 8
    while position + 12 <= len(data):
        (length,), kind = struct.unpack_from(">I", data, position), data[position + 4 : position + 8]
        if kind in (b"IDAT", b"IEND"):
            break
        chunks.setdefault(kind, data[position + 8 : position + 8 + length])
        position += 12 + length
    return chunks


def _code_points(cicp: bytes) -> tuple[int, int] | None:
    """Primaries and transfer of a cICP chunk. None for one that means nothing: a PNG holds RGB of the full range."""
    if len(cicp) != 4 or cicp[2:] != b"\0\1" or cicp[1] not in PNG_TRANSFERS or cicp[0] not in (*PRIMARIES, XYZ):
        return None
    return cicp[0], cicp[1]


def of_png(data: bytes) -> Colour | None:
    """By the chunks before the pixels, cICP before sRGB before gAMA and cHRM; an ICC profile comes in between, which is
    the caller's to try. None for sRGB, for nothing, and for values that mean nothing."""
    chunks = png_chunks(data)
    with suppress(ValueError, struct.error, np.linalg.LinAlgError):
        if code_points := _code_points(chunks.get(b"cICP", b"")):
            primaries, transfer = code_points
            curve = PNG_TRANSFERS[transfer]
            return Colour(named(primaries), matrix_by_number(primaries), curve, HDR.get(transfer, ""))
        if b"sRGB" in chunks:
            return None
        gamma = struct.unpack(">I", chunks[b"gAMA"])[0] / 1e5 if b"gAMA" in chunks else 0.0
        if not 0.01 <= gamma <= 100:
            return None  # cHRM alone says nothing of a curve: browsers leave such a file as it is
        corners, name = PRIMARIES[1], f"gamma {1 / gamma:.3g}"
        if b"cHRM" not in chunks and abs(2.2 * gamma - 1) < 0.05:
            return None  # what screens do anyway, as libpng has it
        if b"cHRM" in chunks:
            values = [v / 1e5 for v in struct.unpack(">8I", chunks[b"cHRM"])]
            white, *rgb = (tuple(values[i : i + 2]) for i in range(0, 8, 2))
            corners, name = (*rgb, white), f"primaries of its own and {name}"
        return Colour(name, matrix_of(corners), power(1 / gamma))
    return None


def png_has_cicp(data: bytes) -> bool:
    """Whether the colour is that of a cICP chunk, which wins over an ICC profile."""
    return _code_points(png_chunks(data).get(b"cICP", b"")) is not None


def boxes(data: bytes, start: int, end: int):
    """(kind, start, end) of the contents of the ISO boxes between two places, as far as they are whole."""
    for _ in range(10_000):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1 and start + 16 <= end:
            (size,), head = struct.unpack_from(">Q", data, start + 8), 16
        size = size or end - start
        if size < head or start + size > end:
            return
        yield kind, start + head, start + size
        start += size


def properties(data: bytes) -> list[tuple[bytes, bytes]]:
    """(kind, content) of the properties of the main item of an AVIF or HEIC, in their order; empty where unclear."""
    boxes_of: dict[bytes, tuple[int, int]] = {}

    def inside(kind: bytes, skip: int = 0) -> list[tuple[bytes, int, int]]:
        start, end = boxes_of[kind]
        return list(boxes(data, start + skip, end))

    with suppress(KeyError, struct.error, IndexError):
        boxes_of |= {kind: (a, b) for kind, a, b in boxes(data, 0, len(data)) if kind == b"meta"}
        boxes_of |= {kind: (a, b) for kind, a, b in inside(b"meta", 4)}
        wide = data[boxes_of[b"pitm"][0]]  # version 0 has items of 16 bits
        (item,) = struct.unpack_from(">I" if wide else ">H", data, boxes_of[b"pitm"][0] + 4)
        boxes_of |= {kind: (a, b) for kind, a, b in inside(b"iprp")}
        kinds = inside(b"ipco")
        at, _ = boxes_of[b"ipma"]
        version, flags = data[at], data[at + 3]
        (count,), at = struct.unpack_from(">I", data, at + 4), at + 8
        for _ in range(min(count, 10_000)):
            (number,) = struct.unpack_from(">I" if version else ">H", data, at)
            at += 4 if version else 2
            places, at = data[at], at + 1
            step = 2 if flags & 1 else 1
            indices = [int.from_bytes(data[at + i * step : at + (i + 1) * step], "big") for i in range(places)]
            at += places * step
            if number == item:
                mask = 0x7FFF if step == 2 else 0x7F
                chosen = [kinds[(i & mask) - 1] for i in indices if i & mask]
                return [(kind, data[a:b]) for kind, a, b in chosen]
    return []


def of_iso(data: bytes) -> Colour | None:
    """By the nclx box of an AVIF or HEIC, None where it has none or an ICC profile beside it."""
    colours = [content for kind, content in properties(data) if kind == b"colr"]
    if any(content[:4] in (b"prof", b"rICC") for content in colours):
        return None
    for content in colours:
        if content[:4] == b"nclx" and len(content) >= 8:
            return from_code_points(*struct.unpack_from(">HH", content, 4))
    return None


def iso_is_turned(data: bytes) -> bool:
    """Whether an AVIF or HEIC asks to be turned or mirrored; its EXIF data do not count."""
    return any(
        kind == b"imir" or (kind == b"irot" and content[:1] not in (b"", b"\0")) for kind, content in properties(data)
    )


def bmp_profile(data: bytes) -> bytes | None:
    """The ICC profile in a BMP with a header of version 5, None where it has none. Raises EOFError where it is cut."""
    if len(data) < 138 or data[14:18] != struct.pack("<I", 124) or data[70:74] != b"DEBM":
        return None
    start, size = struct.unpack_from("<II", data, 126)
    if 14 + start + size > len(data):
        raise EOFError
    return data[14 + start : 14 + start + size] or None


def of_profile(profile: bytes) -> Colour | None:
    """A matrix profile of RGB, or a grey one, from its curves and matrix; None for any other. Raises nothing."""
    with suppress(struct.error, ValueError, LookupError, ArithmeticError, np.linalg.LinAlgError):
        space, (count,) = profile[16:20], struct.unpack_from(">I", profile, 128)
        tags = {}
        for i in range(min(count, 100)):
            kind, start, size = struct.unpack_from(">4sII", profile, 132 + 12 * i)
            tags[kind] = profile[start : start + size]
        if b"A2B0" in tags or b"A2B1" in tags:
            return None
        if space == b"GRAY":
            return Colour("its grey profile", np.eye(3), _icc_curve(tags[b"kTRC"]))
        if space != b"RGB ":
            return None
        columns = [struct.unpack_from(">3i", tags[kind], 8) for kind in (b"rXYZ", b"gXYZ", b"bXYZ")]
        matrix = FROM_XYZ @ adapted(D50, D65) @ (np.array(columns).T / 65536)
        return Colour("its ICC profile", matrix, tuple(_icc_curve(tags[kind]) for kind in (b"rTRC", b"gTRC", b"bTRC")))
    return None


def _icc_curve(tag: bytes) -> Curve:
    """A curve of type curv or para (ICC.1:2022, 10.6 and 10.18). Raises ValueError, struct.error."""
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return power(1.0)
        if count == 1:
            return power(struct.unpack_from(">H", tag, 12)[0] / 256)
        table = np.frombuffer(tag, ">u2", min(count, _MAX_CURVE), 12) / 65535
        return lambda v: np.interp(v, np.linspace(0, 1, len(table)), table)
    if tag[:4] != b"para":
        raise ValueError("a curve of another type")
    (kind,) = struct.unpack_from(">H", tag, 8)
    g, *rest = (v / 65536 for v in struct.unpack_from(f">{(1, 3, 4, 5, 7)[kind]}i", tag, 12))
    a, b, c, d, e, f = {
        0: lambda: (1, 0, 0, -1, 0, 0),
        1: lambda: (rest[0], rest[1], 0, -rest[1] / rest[0], 0, 0),
        2: lambda: (rest[0], rest[1], 0, -rest[1] / rest[0], rest[2], rest[2]),
        3: lambda: (*rest, 0, 0),
        4: lambda: (rest[0], rest[1], rest[2], rest[3], rest[4], rest[5]),
    }[kind]()
    return lambda v: np.where(v >= d, np.maximum(a * v + b, 0) ** g + e, c * v + f)
