"""The colours that a file declares without an ICC profile, or with one too precise for 8 bits, brought to sRGB.

    samples ─ transfer curve ─► linear light ─ matrix of the primaries ─► linear sRGB ─ sRGB curve ─► 8 bits

PNG says it in cICP, sRGB, gAMA and cHRM (Portable Network Graphics, third edition, 4.3), AVIF and HEIC in an nclx box,
both by the code points of ITU-T H.273. Profiles in 8 bits go through LittleCMS, in `pixels`; only matrix profiles of
deeper pictures are read here, since Pillow hands LittleCMS no more than 8 bits.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

Curve = Callable[[np.ndarray], np.ndarray]

D65, D50, EQUAL_ENERGY = (0.3127, 0.3290), (0.3457, 0.3585), (1 / 3, 1 / 3)
#: x and y of red, green, blue and white, by the code points of H.273; 1 are sRGB's own, 9 BT.2020, 12 Display P3.
PRIMARIES = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), D65),
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), (0.310, 0.316)),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), (0.310, 0.316)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), D65),
}
XYZ = 10  # its primaries have no brightness, so that they have no place in the table
PRIMARY_NAMES = {1: "sRGB primaries", 9: "BT.2020", XYZ: "CIE XYZ", 11: "DCI-P3", 12: "Display P3"}
PQ, HLG = 16, 18
HDR = {PQ: "PQ", HLG: "HLG"}
WHITE_NITS = 203.0  # of an HDR picture, shown as white (ITU-R BT.2408)
KNEE = 0.75  # of white, above which highlights are compressed
MAX_LIGHT = 1e4  # of white; PQ goes to 49
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_MAX_CURVE = 65536  # entries of a profile's curve


@dataclass(frozen=True)
class Colour:
    """What samples mean: `curve` takes samples in 0…1 to linear light, `matrix` linear light to linear sRGB.

    hdr is "PQ" or "HLG" where linear light is relative to WHITE_NITS and goes beyond 1. curve may be a list of three.
    """

    name: str
    matrix: np.ndarray
    curve: Curve | tuple[Curve, ...]
    hdr: str = ""

    @property
    def plain(self) -> bool:
        """Whether it is sRGB by its effect, within two levels of 255 for every colour of a coarse grid."""
        levels = np.arange(0, 256, 15, dtype=np.uint8)
        colours = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
        return not self.hdr and int(np.abs(to_srgb(colours, self).astype(int) - colours).max()) <= 2


def xyz(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    """3×3, linear RGB to XYZ. Raises ValueError for primaries on a line, or a white that is none."""
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in primaries if y > 0]).T
    if columns.shape != (3, 4) or abs(np.linalg.det(columns[:, :3])) < 1e-6:
        raise ValueError("these primaries span no colours")
    return columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3])


def adapted(source: tuple[float, float], target: tuple[float, float]) -> np.ndarray:
    """3×3, XYZ under one white to XYZ under another, by Bradford's cone responses."""
    before, after = (_BRADFORD @ np.array([x / y, 1.0, (1 - x - y) / y]) for x, y in (source, target))
    return np.linalg.solve(_BRADFORD, np.diag(after / before) @ _BRADFORD)


_FROM_XYZ = np.linalg.inv(xyz(PRIMARIES[1]))


def matrix_of(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    """3×3, linear RGB of these primaries and white to linear sRGB, white to white."""
    return _FROM_XYZ @ adapted(primaries[3], D65) @ xyz(primaries)


# --- transfer curves ----------------------------------------------------------------------------------------


def srgb_curve(v: np.ndarray) -> np.ndarray:
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def power(exponent: float) -> Curve:
    return lambda v: v**exponent


def pq_curve(v: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084, relative to WHITE_NITS."""
    p = v ** (1 / 78.84375)
    return (np.maximum(p - 0.8359375, 0) / (18.8515625 - 18.6875 * p)) ** (1 / 0.1593017578125) * 10000 / WHITE_NITS


def hlg_curve(v: np.ndarray) -> np.ndarray:
    """ARIB STD-B67 without its system gamma; 0.75 is white (ITU-R BT.2408)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    light = np.where(v <= 0.5, v * v / 3, (np.exp((v - c) / a) + b) / 12)
    return light / ((np.exp((0.75 - c) / a) + b) / 12)


def smpte240_curve(v: np.ndarray) -> np.ndarray:
    return np.where(v < 0.0913, v / 4, ((v + 0.1115) / 1.1115) ** (1 / 0.45))


#: By the code points of H.273. 1, 6, 14 and 15 are cameras' curves. Browsers take them as sRGB's in AVIF, and as
#: those of the screens that they were made for (BT.1886) in PNG.
TRANSFERS: dict[int, Curve] = {
    **dict.fromkeys((1, 6, 13, 14, 15), srgb_curve),
    4: power(2.2),
    5: power(2.8),
    7: smpte240_curve,
    8: power(1.0),
    PQ: pq_curve,
    17: lambda v: v**2.6 * 52.37 / 48,
    HLG: hlg_curve,
}
PNG_TRANSFERS = TRANSFERS | dict.fromkeys((1, 6, 11, 14, 15), power(2.4))


def from_code_points(primaries: int, transfer: int) -> Colour | None:
    """The colour of code points of H.273; None where they are unspecified or unknown, which is taken as sRGB."""
    if primaries == 2 and transfer == 2:
        return None
    curve = TRANSFERS.get(transfer, srgb_curve)
    return Colour(named(primaries), matrix_by_number(primaries), curve, HDR.get(transfer, ""))


def matrix_by_number(primaries: int) -> np.ndarray:
    """3×3, linear RGB of a code point of H.273 to linear sRGB; sRGB's own for numbers that are unspecified."""
    if primaries == XYZ:
        return _FROM_XYZ @ adapted(EQUAL_ENERGY, D65)
    return matrix_of(PRIMARIES.get(primaries, PRIMARIES[1]))


def named(primaries: int) -> str:
    return PRIMARY_NAMES.get(primaries, f"colour primaries {primaries}")


# --- what files declare -------------------------------------------------------------------------------------


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
        matrix = _FROM_XYZ @ adapted(D50, D65) @ (np.array(columns).T / 65536)
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


# --- conversion ---------------------------------------------------------------------------------------------


def to_srgb(samples: np.ndarray, colour: Colour) -> np.ndarray:
    """(H, W, 3) or grey (H, W), uint8 or uint16 -> sRGB uint8 (H, W, 3), highlights of HDR pictures compressed."""
    top = np.iinfo(samples.dtype).max
    grid = np.arange(top + 1) / top
    curves = colour.curve if isinstance(colour.curve, tuple) else (colour.curve,) * 3
    with np.errstate(all="ignore"):  # the numbers of a damaged profile may be anything
        tables = [np.nan_to_num(curve(grid)).clip(-MAX_LIGHT, MAX_LIGHT).astype(np.float32) for curve in curves]
    matrix = colour.matrix.T.astype(np.float32)
    # Linear light to 8 bits by a table, fine enough for the steep start of the curve.
    steps = np.linspace(0, 1, (1 << 16) + 1)
    encoded = np.where(steps <= 0.0031308, steps * 12.92, 1.055 * steps ** (1 / 2.4) - 0.055)
    encode = np.rint(encoded * 255).astype(np.uint8)
    out = np.empty((*samples.shape[:2], 3), np.uint8)
    rows = max(1, (1 << 20) // max(1, samples.shape[1]))
    for top_row in range(0, len(samples), rows):
        block = samples[top_row : top_row + rows]
        channels = [block] * 3 if block.ndim == 2 else [block[..., i] for i in range(3)]
        linear = np.stack([table[c] for table, c in zip(tables, channels, strict=True)], -1) @ matrix
        if colour.hdr:
            linear = compressed(linear)
        out[top_row : top_row + rows] = encode[np.rint(linear.clip(0, 1) * (1 << 16)).astype(np.int32)]
    return out


def compressed(linear: np.ndarray) -> np.ndarray:
    """Linear light (…, 3) with its highlights below 1: the brightest channel bends at the KNEE, the hue stays."""
    peak = linear.max(-1, keepdims=True)
    bent = KNEE + (1 - KNEE) * (1 - np.exp(-(peak - KNEE) / (1 - KNEE)))
    return np.where(peak > KNEE, linear * (bent / np.maximum(peak, KNEE)), linear)
