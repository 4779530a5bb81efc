"""Fits the probability tables to what the encoder really codes; `codec.entropy.tables` has their form."""

import math

import numpy as np

from codec.entropy.tables import TOTAL
from codec.networks.hyperprior import LOG_STEP, SIGMA_MIN
from codec.spec import N_SCALES


def normalize(weights: np.ndarray) -> np.ndarray:
    """Non-negative weights (n,) -> int32 frequencies (n,), all at least 1, that sum to TOTAL."""
    free = TOTAL - len(weights)
    exact = weights / weights.sum() * free
    counts = np.floor(exact).astype(np.int64)
    rest = free - counts.sum()
    counts[np.argsort(counts - exact, kind="stable")[:rest]] += 1
    return (counts + 1).astype(np.int32)


def support(index: int) -> int:
    """L of a scale index: five standard deviations and a little."""
    return math.ceil(5 * SIGMA_MIN * math.exp(LOG_STEP * index)) + 2


def gaussian(index: int) -> np.ndarray:
    """The weights of a zero-mean Gaussian of this scale index, escape included: float64 (2L + 2,)."""
    limit, sigma = support(index), SIGMA_MIN * math.exp(LOG_STEP * index)
    upper = np.array([0.5 * math.erfc((k - 0.5) / sigma / math.sqrt(2)) for k in range(limit + 2)])
    upper[0] = 0.5
    half = upper[:-1] - upper[1:]
    half[0] = 2 * (0.5 - upper[1])
    return np.concatenate([half[:0:-1], half, [2 * upper[-1]]])


def fit_y(counts: list[np.ndarray] | None = None, prior_weight: float = 200.0) -> list[np.ndarray]:
    """Tables for all scale indices: Gaussians, corrected by counts of what was really coded.

    counts[i] (2L + 2,) are occurrences under scale index i. They are made symmetric, because the sign of a
    residual carries no information, and mixed with the Gaussian as if that had been seen `prior_weight` times.
    """
    tables = []
    for i in range(N_SCALES):
        weights = gaussian(i) * prior_weight
        if counts is not None:
            seen = counts[i].astype(np.float64)
            seen[:-1] = (seen[:-1] + seen[-2::-1]) / 2
            weights = weights + seen
        tables.append(normalize(weights))
    return tables


def fit_z(counts: np.ndarray) -> list[np.ndarray]:
    """Tables of z from counts (channels, 2L + 2), smoothed with neighbouring symbols and a floor."""
    tables = []
    for row in counts.astype(np.float64):
        body = row[:-1]
        smooth = np.convolve(np.pad(body, 2, mode="edge"), [0.01, 0.03, 0.92, 0.03, 0.01], mode="valid")
        distance = np.abs(np.arange(len(body)) - len(body) // 2)
        smooth += max(row.sum(), 1) * 1e-4 * np.exp2(-distance / 2.0)
        tables.append(normalize(np.append(smooth, row[-1] + max(row.sum(), 1) * 1e-5)))
    return tables


def pack(tables: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Tables of several lengths -> (concatenated int32, lengths int32), for storing."""
    return np.concatenate(tables), np.array([len(t) for t in tables], dtype=np.int32)
