"""From what the user asks for, a λ or a rate, to the level that the stream is coded at."""

import math
from collections.abc import Callable

from codec.errors import CodecError
from codec.models.gain import ANCHORS, BYTE_MAX, TOP, lambda_from_level, level_from_lambda

LAMBDA_MIN, LAMBDA_MAX = ANCHORS[0], ANCHORS[-1]
#: Bits per pixel that a model is meant for (Mentzer et al. 2020), taken where neither λ nor a rate is asked for.
OPERATING_POINTS = {"hific-lo": 0.14, "hific-mi": 0.30, "hific-hi": 0.45}


def level_byte(lmbda: float) -> int:
    """The byte-valued level of a λ. Raises CodecError outside the trained range."""
    if not (math.isfinite(lmbda) and LAMBDA_MIN * 0.999 <= lmbda <= LAMBDA_MAX * 1.001):
        raise CodecError(f"λ is {lmbda:g}; it must lie between {LAMBDA_MIN:g} and {LAMBDA_MAX:g}.")
    return round(level_from_lambda(lmbda) / TOP * BYTE_MAX)


def lambda_of_byte(level: int) -> float:
    """The λ that a byte-valued level stands for."""
    return lambda_from_level(level / BYTE_MAX * TOP)


def largest_level(
    size_at: Callable[[int], int], target: int, top: int = BYTE_MAX, guess: int | None = None
) -> int | None:
    """The level of 0…top whose coded size is nearest to and not above `target` bytes.

    `size_at(level)` codes the picture and returns the real size; sizes grow with the level, about
    exponentially, which the search uses to aim: five calls are typical, ten the most, fewer from a good first
    `guess`. None where even level 0 is larger than the target.
    """
    target_log = math.log(max(target, 1))
    low, high = -1, top + 1  # low fits (or is below the range), high does not (or is above it)
    sizes: dict[int, float] = {}
    guess = top // 2 if guess is None else min(max(guess, 0), top)
    before, slope = None, math.log(12) / BYTE_MAX
    for _ in range(10):
        if high - low <= 1:
            break
        size = size_at(guess)
        sizes[guess] = math.log(size)
        if size <= target:
            low = guess
        else:
            high = guess
        if low in sizes and high in sizes:
            slope = max(1e-3, (sizes[high] - sizes[low]) / (high - low))
        elif before is not None:  # still one-sided: the slope between the last two
            slope = max(1e-3, (sizes[guess] - sizes[before]) / (guess - before))
        before, aim = guess, guess + (target_log - sizes[guess]) / slope
        # Stay strictly inside the bracket, and halve it when aiming has not shrunk it well.
        guess = min(max(math.floor(aim), low + 1), high - 1)
        if len(sizes) >= 6:
            guess = (low + high) // 2
    return low if low >= 0 else None
