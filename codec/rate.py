"""From what the user asks for, a λ or a rate, to the quality index q that the stream is coded at."""

from __future__ import annotations

import bisect
import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from codec.spec import BYTE_MAX

if TYPE_CHECKING:
    from torch import Tensor


def bpp(n_bytes: int, width: int, height: int) -> float:
    """Bits per pixel of a file of `n_bytes` bytes, header and all. Raises ValueError for an empty picture."""
    if n_bytes < 0 or width < 1 or height < 1:
        raise ValueError(f"{n_bytes} bytes for {width}×{height} pixels have no rate in bits per pixel.")
    return 8 * n_bytes / (width * height)


def by_nonzeros(y: Tensor, gain: Tensor) -> Callable[[int], float]:
    """The logarithm of the size in bytes that y float32 (1, C, h, w) should have at q, with the table gain (256, C).

    In the ρ-domain (He, Kim and Mitra, "Low-delay rate control for DCT video coding via ρ-domain source modeling",
    2001) rate follows the number of coefficients that are not rounded to zero. The constants were fitted at eight
    levels of 18 training pictures. Other weights would need others, but only the first guess of a search is theirs.
    """
    magnitude = y.abs()

    @functools.cache
    def log_size(q: int) -> float:
        nonzeros = (magnitude > 0.5 / gain[q].view(1, -1, 1, 1)).sum().item()
        return 1.099 * math.log1p(nonzeros) - 1.878

    return log_size


def largest_q(
    size_at: Callable[[int], int],
    target: int,
    top: int = BYTE_MAX,
    guess: int | None = None,
    log_size: Callable[[int], float] | None = None,
) -> int | None:
    """The q of 0…top whose coded size is nearest to and not above `target` bytes.

    `size_at(q)` codes the picture and returns the real size; sizes grow with q, about exponentially, or
    as `log_size`, a cheap estimate that never falls, says. The search aims by it, corrected by the real sizes so far:
    two or three calls are typical with a good one, and ten are the most. It ends where a q is
    nearer to the target than half of what the next would add. None where even q = 0 is larger.
    """
    if log_size is None:
        guess = top // 2 if guess is None else guess
        log_size = _exponential
    aim = math.log(max(target, 1))
    low, high = -1, top + 1  # low fits (or is below the range), high does not (or is above it)
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
    return low if low >= 0 else None


def _exponential(q: int) -> float:
    """What the size of an average photograph is proportional to."""
    return q * math.log(12) / BYTE_MAX
