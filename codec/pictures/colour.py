"""Colour spaces, and samples in one of them brought to sRGB.

    samples ─ transfer curve ─► linear light ─ matrix of the primaries ─► linear sRGB ─ sRGB curve ─► 8 bits

`declarations` reads from a file which colours it has.
"""

from __future__ import annotations

from collections.abc import Callable
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


FROM_XYZ = np.linalg.inv(xyz(PRIMARIES[1]))


def matrix_of(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    """3×3, linear RGB of these primaries and white to linear sRGB, white to white."""
    return FROM_XYZ @ adapted(primaries[3], D65) @ xyz(primaries)


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
        return FROM_XYZ @ adapted(EQUAL_ENERGY, D65)
    return matrix_of(PRIMARIES.get(primaries, PRIMARIES[1]))


def named(primaries: int) -> str:
    return PRIMARY_NAMES.get(primaries, f"colour primaries {primaries}")


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
