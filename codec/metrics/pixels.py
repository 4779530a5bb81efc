"""The metrics that need NumPy only, and the smallest pictures that the others are defined for."""

from __future__ import annotations

import math

import numpy as np

MS_SSIM_MIN_SIDE = 161  # pixels: the fifth scale is the picture / 16, and still has to hold a window of 11
LPIPS_MIN_SIDE = 31  # as codec.metrics.alexnet has it, which loads torch

_BLOCK = 1 << 20  # samples at a time, so that a large picture needs no large temporaries


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of two uint8 arrays of one shape, from their mean squared error.

    The mean is over all pixels and colours. Identical arrays give inf. Raises ValueError for other types, for
    different shapes, and for empty arrays.
    """
    if not all(isinstance(x, np.ndarray) and x.dtype == np.uint8 for x in (a, b)):
        raise ValueError("PSNR is defined here for two numpy arrays of uint8.")
    if a.shape != b.shape:
        raise ValueError(f"PSNR needs two pictures of one size, not {a.shape} and {b.shape}.")
    if not a.size:
        raise ValueError("PSNR of an empty picture is not defined.")
    squared_error = _squared_error(a.reshape(-1), b.reshape(-1))
    return math.inf if squared_error == 0 else 10 * math.log10(255**2 * a.size / squared_error)


def _squared_error(a: np.ndarray, b: np.ndarray) -> int:
    """Sum of squared differences of two flat uint8 arrays, exact: int32 holds a square, int64 their sum."""
    total = 0
    for start in range(0, a.size, _BLOCK):
        difference = a[start : start + _BLOCK].astype(np.int32) - b[start : start + _BLOCK]
        total += int(np.square(difference).sum(dtype=np.int64))
    return total


def ms_ssim_db(value: float) -> float:
    """MS-SSIM on the scale that papers plot it on, -10·log10(1 - value), in dB; inf for 1."""
    return math.inf if value >= 1 else -10 * math.log10(1 - value)
