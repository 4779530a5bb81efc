"""What the seven steps of the lesson compute: each takes a small picture and one setting, and gives a picture and a
caption of figures that needs no language."""

import math
import zlib

import numpy as np
from PIL import Image

from codec.api import encode, load
from codec.inside import bits
from codec.inside.heatmap import over
from codec.metrics import psnr

SIDE = 384  # the longer side of the pictures: every step answers at once
STEP = 24  # of the fourth step's rounding
BLOCK = 8
GENERATIVE = "hific-lo"  # the decoder of the seventh step


def shrunk(rgb: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) -> the same at most 384 wide and high, cut to whole blocks of 8."""
    height, width = rgb.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = [max(BLOCK, round(n * scale) // BLOCK * BLOCK) for n in (width, height)]
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS))


def decibels(rgb: np.ndarray, decoded: np.ndarray) -> str:
    """The PSNR of a picture; that of an identical one is infinite."""
    value = psnr(rgb, decoded)
    return "∞ dB (MSE = 0)" if math.isinf(value) else f"{value:.1f} dB"


def zipped(rgb: np.ndarray, bits: int) -> tuple[np.ndarray, str]:
    """1: the pixels with `bits` of their 8 bits, and what zip makes of them."""
    kept = rgb >> (8 - bits)
    size, raw = len(zlib.compress(kept.tobytes(), 9)), kept.size * bits // 8
    decoded = (kept.astype(float) * 255 / (2**bits - 1)).round().astype(np.uint8)
    return decoded, f"{raw:,} B → zip {size:,} B ({100 * size / raw:.0f} %) · {decibels(rgb, decoded)}"


def waves() -> np.ndarray:
    """The orthonormal cosine basis of 8 samples, a wave in each row (8, 8)."""
    k, n = np.mgrid[0:BLOCK, 0:BLOCK]
    basis = np.cos(np.pi * (2 * n + 1) * k / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    basis[0] /= math.sqrt(2)
    return basis


def to_coefficients(rgb: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) -> coefficients (H/8, W/8, 3, 8, 8), the flat wave first."""
    height, width = rgb.shape[:2]
    blocks = rgb.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3).transpose(0, 2, 4, 1, 3)
    basis = waves()
    return basis @ (blocks - 128.0) @ basis.T


def from_coefficients(coefficients: np.ndarray) -> np.ndarray:
    """The inverse, rounded to uint8."""
    basis = waves()
    blocks = (basis.T @ coefficients @ basis + 128).round().clip(0, 255).astype(np.uint8)
    rows, columns = coefficients.shape[:2]
    return blocks.transpose(0, 3, 1, 4, 2).reshape(rows * BLOCK, columns * BLOCK, 3)


def zigzag() -> np.ndarray:
    """The rank of each of the 8×8 waves from coarse to fine, as JPEG orders them: (8, 8) of 0…63."""
    order = sorted(
        ((i, j) for i in range(BLOCK) for j in range(BLOCK)),
        key=lambda p: (p[0] + p[1], p[0] if (p[0] + p[1]) % 2 else p[1]),
    )
    rank = np.empty((BLOCK, BLOCK), int)
    for place, at in enumerate(order):
        rank[at] = place
    return rank


def coarse(rgb: np.ndarray, count: int) -> tuple[np.ndarray, str]:
    """2: the `count` coarsest of 64 waves."""
    coefficients = to_coefficients(rgb)
    kept = np.where(zigzag() < count, coefficients, 0)
    share = 100 * float((kept**2).sum() / max((coefficients**2).sum(), 1e-9))
    decoded = from_coefficients(kept)
    return decoded, f"{count}/64 = {share:.1f} % Σc² · {decibels(rgb, decoded)}"


def surprise(q: np.ndarray, each: bool) -> np.ndarray:
    """-log2 of the frequency of each coefficient q (rows, columns, 3, 8, 8), among all, or among those of its wave."""
    bits = np.empty(q.shape)
    groups = [(..., i, j) for i in range(BLOCK) for j in range(BLOCK)] if each else [...]
    for group in groups:
        _, inverse, counts = np.unique(q[group], return_inverse=True, return_counts=True)
        bits[group] = -np.log2(counts / counts.sum())[inverse].reshape(q[group].shape)
    return bits


def rounded(rgb: np.ndarray, step: float) -> tuple[np.ndarray, str]:
    """3: every coefficient rounded to a multiple of `step`."""
    q = np.round(to_coefficients(rgb) / step)
    decoded = from_coefficients(q * step)
    size = surprise(q, True).sum() / 8
    zeros = 100 * float((q == 0).mean())
    error = float(((rgb.astype(float) - decoded) ** 2).mean())
    return decoded, f"≈ {size:,.0f} B · {zeros:.0f} % = 0 · MSE {error:.1f} · {decibels(rgb, decoded)}"


def expected(rgb: np.ndarray, each: bool) -> tuple[np.ndarray, str]:
    """4: the bits of each block under one table for all coefficients or one for each wave, as a map on one scale."""
    q = np.round(to_coefficients(rgb) / STEP)
    both = [surprise(q, e).sum((2, 3, 4)) for e in (False, True)]
    top = float(np.quantile(both[0], 0.99))
    overlaid = over(rgb, both[each], top, BLOCK)
    return overlaid, f"Σ −log₂ p ≈ {both[each].sum() / 8:,.0f} B · {decibels(rgb, from_coefficients(q * STEP))}"


def learned(rgb: np.ndarray, lmbda: float) -> tuple[np.ndarray, str]:
    """5: the neural codec at a λ, from real bytes."""
    coded = encode(rgb, lmbda=lmbda)[0]
    data, decoded = coded.data, load().decode(coded.stream)
    rate = 8 * len(data) / (rgb.shape[0] * rgb.shape[1])
    error = float(((rgb.astype(float) - decoded) ** 2).mean())
    cost = f"R + λ·D = {rate:.3f} + {lmbda:.2g} · {error:.1f} = {rate + lmbda * error:.3f}"
    return decoded, f"{len(data):,} B · {decibels(rgb, decoded)} · {cost}"


def spent(rgb: np.ndarray, lmbda: float) -> tuple[np.ndarray, str]:
    """6: the map of the neural codec's bits at a λ."""
    coded = encode(rgb, lmbda=lmbda)[0]
    blocks = bits.block_bits(load(), coded.latent, bits.payload_bytes(coded.stream))
    return over(rgb, blocks, float(np.quantile(blocks, 0.995))), f"λ = {lmbda:g} · {len(coded.data):,} B"


def invented(rgb: np.ndarray, share: float) -> tuple[np.ndarray, str]:
    """7: the same bytes between the decoder of least error (0) and a generative one (1)."""
    coded = encode(rgb, lmbda=0.0018)[0]
    decoded = load().decode(coded.stream, GENERATIVE, share)
    return decoded, f"{len(coded.data):,} B · {GENERATIVE} {100 * share:.0f} % · {decibels(rgb, decoded)}"


STEPS = (zipped, coarse, rounded, expected, learned, spent, invented)
