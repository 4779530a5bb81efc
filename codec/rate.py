"""The rate of a file, and the search for the quality index q that reaches a rate."""

from __future__ import annotations

import bisect
import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from codec.spec import BYTE_MAX, LOWEST

if TYPE_CHECKING:
    from torch import Tensor


def bpp(n_bytes: int, width: int, height: int) -> float:
    """Bits per pixel of a file of `n_bytes` bytes, header included. Raises ValueError for an empty picture."""
    if n_bytes < 0 or width < 1 or height < 1:
        raise ValueError(f"{n_bytes} bytes for {width}×{height} pixels have no rate in bits per pixel.")
    return 8 * n_bytes / (width * height)


def by_nonzeros(y: Tensor, gain: Tensor) -> Callable[[int], float]:
    """An estimate of the logarithm of the size in bytes of y float32 (1, C, h, w) at q, with the table `Trunk.gain`.

    The rate follows the number of coefficients that are not rounded to zero (He, Kim and Mitra, "Low-delay rate control
    for DCT video coding via ρ-domain source modeling", 2001). The constants were fitted on 18 training pictures; they
    give only the first guess of a search.
    """
    magnitude = y.abs()

    @functools.cache
    def log_size(q: int) -> float:
        nonzeros = (magnitude > 0.5 / gain[q - LOWEST].view(1, -1, 1, 1)).sum().item()
        return 1.099 * math.log1p(nonzeros) - 1.878

    return log_size


def largest_q(
    size_at: Callable[[int], int],
    target: int,
    log_size: Callable[[int], float],
    top: int = BYTE_MAX,
    guess: int | None = None,
    bottom: int = 0,
) -> int | None:
    """The q of bottom…top whose coded size is nearest to and not above `target` bytes.

    `size_at(q)` codes the picture and returns its real size. `log_size(q)` is a cheap estimate of the logarithm of
    that size, and never falls. The search aims by it and corrects it by the real sizes so far. It starts at `guess`
    where there is one. Two or three calls of `size_at` are typical, and ten are the most. It ends where a q is nearer
    to the target than half of what the next would add. None where even q = bottom is larger.
    """
    aim = math.log(max(target, 1))
    low, high = bottom - 1, top + 1  # low fits (or is below the range), high does not (or is above it)
    errors: dict[int, float] = {}  # of log_size

    def expected(q: int) -> float:
        if len(errors) < 2:
            return log_size(q) + sum(errors.values())
        # A straight line through the ends of the bracket, or through the last two while it is open.
        ends = (low, high) if low in errors and high in errors else [*errors][-2:]
        share = (q - ends[0]) / (ends[1] - ends[0])
        return log_size(q) + (1 - share) * errors[ends[0]] + share * errors[ends[1]]

    for _ in range(10):
        if high - low <= 1 or (low in errors and aim - expected(low) < (expected(low + 1) - expected(low)) / 2):
            break
        if guess is None:
            guess = bisect.bisect_right(range(low + 1, high), aim, key=expected) + low
        if len(errors) >= 6:  # aiming has not shrunk the bracket well
            guess = (low + high) // 2
        guess = min(max(guess, low + 1), high - 1)
        size = size_at(guess)
        errors[guess] = math.log(size) - log_size(guess)
        low, high = (guess, high) if size <= target else (low, guess)
        guess = None
    return low if low >= bottom else None
