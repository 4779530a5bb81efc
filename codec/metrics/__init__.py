"""What a reconstruction costs and how far it is from the original.

Every metric takes two uint8 arrays (H, W, 3) of RGB. Rates and PSNR need numpy only; MS-SSIM and LPIPS load
torch, and LPIPS its weights, when they are first asked for.
"""

from __future__ import annotations

import math

import numpy as np

from codec.rate import bpp

__all__ = ["LPIPS_MIN_SIDE", "MS_SSIM_MIN_SIDE", "bpp", "lpips", "ms_ssim", "ms_ssim_db", "psnr"]

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


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float | None:
    """Multi-scale structural similarity, 0…1 (Wang, Simoncelli and Bovik, Asilomar 2003), 1 for equal pictures.

    Five scales, window 11 with deviation 1.5, the mean over R, G and B, as learned compression reports it.
    None where a side has fewer than MS_SSIM_MIN_SIDE pixels: there it is not defined, and a smaller window
    would give a number of another scale. Raises ValueError as `psnr` does, and for other than three colours.
    """
    _check_rgb(a, b, "MS-SSIM")
    if min(a.shape[:2]) < MS_SSIM_MIN_SIDE:
        return None
    import torch
    from pytorch_msssim import ms_ssim as by_library

    with torch.inference_mode():
        return float(by_library(_batch(a), _batch(b), data_range=255))


def ms_ssim_db(value: float) -> float:
    """MS-SSIM on the scale that papers plot it on, -10·log10(1 - value), in dB; inf for 1."""
    return math.inf if value >= 1 else -10 * math.log10(1 - value)


def lpips(a: np.ndarray, b: np.ndarray) -> float | None:
    """LPIPS v0.1 with AlexNet (Zhang et al., CVPR 2018), 0 for equal pictures; see `codec.metrics.alexnet`.

    None where a side has fewer than LPIPS_MIN_SIDE pixels, which AlexNet's strides leave nothing of. Raises
    ValueError as `ms_ssim` does, and WeightsError where its weights are missing or damaged.
    """
    _check_rgb(a, b, "LPIPS")
    if min(a.shape[:2]) < LPIPS_MIN_SIDE:
        return None
    import torch

    from codec.metrics.alexnet import load

    with torch.inference_mode():
        return float(load()(_batch(a) / 127.5 - 1, _batch(b) / 127.5 - 1))


def _check_rgb(a: np.ndarray, b: np.ndarray, name: str) -> None:
    if not all(isinstance(x, np.ndarray) and x.dtype == np.uint8 and x.ndim == 3 and x.shape[2] == 3 for x in (a, b)):
        raise ValueError(f"{name} is defined here for two uint8 arrays of height × width × 3.")
    if a.shape != b.shape:
        raise ValueError(f"{name} needs two pictures of one size, not {a.shape} and {b.shape}.")


def _batch(rgb: np.ndarray):
    """uint8 (H, W, 3) -> float32 (1, 3, H, W), 0…255."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float().contiguous()
