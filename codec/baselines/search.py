"""The search for the setting at which a classical codec has the size of a stream, or its quality."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from codec.baselines.codecs import AVIF_SPEED, NAMES, QUALITIES, check, decode, encode, jpeg2000_aimed
from codec.metrics import psnr

# Up to these many pixels all qualities are tried: there the size is far from monotone in the quality, and an
# encode takes next to no time. (Measured in JPEG: never off for photographs of 256² and more, up to 30 steps
# of quality at 96² and below.) Above it, so many positions on either side of the edge are tried as well.
_EXHAUSTIVE_PIXELS = {"jpeg": 256 * 256, "webp": 128 * 128, "avif": 48 * 48, "heic": 32 * 32, "jxl": 32 * 32}
_NEIGHBOURS = {"jpeg": 2, "webp": 1, "avif": 0, "heic": 0, "jxl": 1}
# Where the search begins (a position in QUALITIES, near 0.5 bpp on photographs), and how much the logarithm
# of the size grows in a step, until two sizes are known.
_FIRST_GUESS = {"jpeg": 25, "webp": 80, "avif": 45, "heic": 17, "jxl": 30}
_SLOPE = {"jpeg": 0.035, "webp": 0.025, "avif": 0.045, "heic": 0.15, "jxl": 0.02}
# JPEG's whole qualities are up to a sixth apart in size at low rates, so a picture at one of them would stay that much
# below its limit. In between, the tables are scaled by libjpeg's own rule; the search stops this near to the limit.
_JPEG_TOLERANCE = 0.005
_JPEG_FINER_ENCODES = 3
_JPEG2000_QUALITIES = tuple(float(quality) for quality in np.arange(15, 60.5, 0.5))  # dB aimed at
_JPEG2000_TOLERANCE = 0.005  # its rate is continuous: stop this near below the size
_JPEG2000_ENCODES = 6


@dataclass(frozen=True, eq=False)
class BaselineResult:
    """A picture in a classical codec.

    data: the whole file. rgb: uint8, height × width × 3, decoded from these bytes.
    setting: in words, "quality 37, 4:2:0". fits: whether `data` is within the size that was asked for;
    note: where it is not, a sentence that says so, else empty.
    """

    codec: str
    data: bytes
    rgb: np.ndarray
    setting: str
    fits: bool
    note: str


def encode_at_most(rgb: np.ndarray, codec: str, max_bytes: int) -> BaselineResult:
    """The encoding of `rgb` (uint8, height × width × 3) whose size is nearest to, and not above, `max_bytes`.

    For JPEG this is done with 4:4:4 and with 4:2:0 chroma, and the one with the higher PSNR is taken. Where
    even the lowest quality is larger, the smallest encoding comes back with `fits` False. Raises ImageError
    for pictures that the codec cannot hold, CodecError for an unknown codec.
    """
    check(rgb, codec)
    if codec == "jpeg2000":
        return _jpeg2000_at_most(rgb, max_bytes)
    if codec == "jpeg":
        return _jpeg_at_most(rgb, max_bytes)
    encoder = functools.partial(encode, rgb, codec)
    data, quality = _search(encoder, rgb, codec, max_bytes)
    details = {"webp": "method 6", "avif": f"speed {AVIF_SPEED}, 4:2:0", "heic": "4:2:0", "jxl": "effort 7"}[codec]
    setting = f"quality {quality:g}"
    return _result(codec, data, decode(data), f"{setting}, {details}", max_bytes, f"{setting} is")


def encode_as_good(rgb: np.ndarray, codec: str, is_as_good: Callable[[np.ndarray], bool]) -> BaselineResult:
    """The smallest encoding of `rgb` whose decoded picture is as good as asked, by bisection over the qualities.

    is_as_good: of a decoded picture, uint8 (H, W, 3); True from some quality on. Of JPEG with 4:2:0 and with 4:4:4 the
    smaller one is taken. Where even the highest quality is not as good, it comes back with `fits` False. Errors are
    those of `encode_at_most`.
    """
    check(rgb, codec)
    best = None
    for subsampling in ("4:2:0", "4:4:4") if codec == "jpeg" else ("4:2:0",):
        qualities = _JPEG2000_QUALITIES if codec == "jpeg2000" else QUALITIES[codec]
        low, high = -1, len(qualities) - 1
        highest = data = encode(rgb, codec, qualities[high], subsampling=subsampling)
        while high - low > 1:
            middle = (low + high) // 2
            attempt = encode(rgb, codec, qualities[middle], subsampling=subsampling)
            if is_as_good(decode(attempt)):
                high, data = middle, attempt
            else:
                low = middle
        fits = data is not highest or is_as_good(decode(data))
        unit = " dB" if codec == "jpeg2000" else ""
        setting = f"quality {qualities[high]:g}{unit}" + (f", {subsampling}" if codec == "jpeg" else "")
        note = "" if fits else f"{NAMES[codec]} does not get there: this is its highest quality."
        result = BaselineResult(codec, data, decode(data), setting, fits, note)
        if best is None or (result.fits, -len(result.data)) > (best.fits, -len(best.data)):
            best = result
    return best


# --- searching the quality ----------------------------------------------------------------------------------


def _jpeg_at_most(rgb: np.ndarray, max_bytes: int) -> BaselineResult:
    candidates = []
    guess = _FIRST_GUESS["jpeg"]
    for subsampling in ("4:2:0", "4:4:4"):
        encoder = functools.partial(encode, rgb, "jpeg", subsampling=subsampling)
        data, quality = _search(encoder, rgb, "jpeg", max_bytes, guess)
        guess = QUALITIES["jpeg"].index(quality)
        candidates.append((data, quality, subsampling))
        finer = _between(encoder, data, quality, max_bytes)
        candidates += [(*finer, subsampling)] if finer else []
    fitting = [c for c in candidates if len(c[0]) <= max_bytes]
    if fitting:
        decoded = [(psnr(rgb, decode(data)), data, q, s) for data, q, s in fitting]
        _, data, quality, subsampling = max(decoded, key=lambda c: c[0])
    else:
        data, quality, subsampling = min(candidates, key=lambda c: len(c[0]))
    setting = f"quality {quality:.3g}, {subsampling}"
    return _result("jpeg", data, decode(data), setting, max_bytes, f"quality {quality:.3g} is")


def _between(
    encoder: Callable[[float], bytes], data: bytes, quality: int, max_bytes: int
) -> tuple[bytes, float] | None:
    """(data, quality) nearest to the limit of a few between a whole quality, made `data`, and the next; or None."""
    low, high, best = (float(quality), len(data)), (quality + 1.0, 0), None
    if quality == QUALITIES["jpeg"][-1] or len(data) > max_bytes:
        return None
    for _ in range(_JPEG_FINER_ENCODES):
        if low[1] >= max_bytes * (1 - _JPEG_TOLERANCE):
            break
        high = high if high[1] else (high[0], len(encoder(high[0])))
        if high[1] <= max_bytes:  # where the size falls as the quality grows: the search has tried both
            break
        share = math.log(max_bytes * (1 - _JPEG_TOLERANCE / 2) / low[1]) / math.log(high[1] / low[1])
        middle = round(low[0] + min(max(share, 0.1), 0.9) * (high[0] - low[0]), 3)
        encoded = encoder(middle)
        if len(encoded) > max_bytes:
            high = (middle, len(encoded))
        elif len(encoded) > low[1]:
            low, best = (middle, len(encoded)), (encoded, middle)
        else:
            break
    return best


def _search(
    encoder: Callable[[float], bytes], rgb: np.ndarray, codec: str, max_bytes: int, guess: int | None = None
) -> tuple[bytes, float]:
    """(data, quality) of the largest encoding of at most `max_bytes`, else of the smallest that was found."""
    qualities = QUALITIES[codec]
    encoded: dict[int, bytes] = {}

    def size(position: int) -> int:
        if position not in encoded:
            encoded[position] = encoder(qualities[position])
        return len(encoded[position])

    if rgb.shape[0] * rgb.shape[1] <= _EXHAUSTIVE_PIXELS[codec]:
        for position in range(len(qualities)):
            size(position)
    else:
        guess = _FIRST_GUESS[codec] if guess is None else guess
        edge = _bracket(size, len(qualities), max_bytes, guess, _SLOPE[codec])
        reach = _NEIGHBOURS[codec]
        for position in range(max(0, edge - reach), min(len(qualities), edge + reach + 2)):
            size(position)
    fitting = [p for p in encoded if len(encoded[p]) <= max_bytes]
    # Of equal sizes the higher quality: it is the one that spends its bytes better.
    best = max(fitting, key=lambda p: (size(p), p)) if fitting else min(encoded, key=lambda p: (size(p), -p))
    return encoded[best], qualities[best]


def _bracket(size: Callable[[int], int], count: int, max_bytes: int, guess: int, slope: float) -> int:
    """A position in -1…count-1 with size(position) <= max_bytes < size(position + 1), the ends being open.

    Interpolates the logarithm of the size, which is nearly straight in the quality, and halves the interval
    whenever that has not done so: 4 or 5 encodes where bisection takes 7.
    """
    low, high, target = -1, count, math.log(max(1, max_bytes))
    at: dict[int, float] = {}
    position, halve = guess, False
    while high - low > 1:
        width = high - low
        position = (low + high) // 2 if halve else min(max(position, low + 1), high - 1)
        at[position] = math.log(size(position))
        if at[position] <= target:
            low = position
        else:
            high = position
        halve = high - low > max(1, width // 2) and low in at and high in at
        if low in at and high in at:
            share = (target - at[low]) / max(1e-9, at[high] - at[low])
            position = low + max(1, round(share * (high - low)))
        elif low in at:
            position = low + max(1, round((target - at[low]) / slope))
        else:
            position = high - max(1, round((at[high] - target) / slope))
    return low


def _jpeg2000_at_most(rgb: np.ndarray, max_bytes: int) -> BaselineResult:
    """OpenJPEG aims at a size itself but misses it by some percent either way: correct the aim, repeat."""
    raw = rgb.size
    best: bytes | None = None
    below: tuple[float, int] | None = None  # (aim, size) nearest to the limit on either side
    above: tuple[float, int] | None = None
    aim = float(max(1, max_bytes))
    for _ in range(_JPEG2000_ENCODES):
        data = jpeg2000_aimed(rgb, aim)
        if len(data) > max_bytes:
            above = (aim, len(data))
        else:
            if best is not None and len(data) <= len(best) and above is None:
                break  # a higher aim brings nothing more: all there is to code is in
            best, below = (data if best is None or len(data) > len(best) else best), (aim, len(data))
            if len(data) >= max_bytes * (1 - _JPEG2000_TOLERANCE) or aim >= raw:
                break
        aim = max(1.0, _next_aim(below, above, max_bytes))
    if best is None:
        best = jpeg2000_aimed(rgb, 1.0)  # nothing but headers, hence the picture's mean at most
    ratio = f"ratio {raw / len(best):.1f}:1, irreversible"
    return _result("jpeg2000", best, decode(best), ratio, max_bytes, "its headers alone are")


def _next_aim(below: tuple[float, int] | None, above: tuple[float, int] | None, max_bytes: int) -> float:
    goal = max_bytes * (1 - _JPEG2000_TOLERANCE / 2)
    if below and above and above[1] > below[1] and above[0] > below[0]:
        share = (goal - below[1]) / (above[1] - below[1])
        return below[0] + min(max(share, 0.1), 0.9) * (above[0] - below[0])
    aim, reached = above or below
    return aim * goal / reached * (0.99 if above else 1.0)


def _result(codec: str, data: bytes, rgb: np.ndarray, setting: str, max_bytes: int, smallest: str) -> BaselineResult:
    fits = len(data) <= max_bytes
    note = f"{NAMES[codec]} cannot go this low: {smallest} already {len(data):,} bytes ({max_bytes:,} allowed)."
    return BaselineResult(codec, data, rgb, setting, fits, "" if fits else note)
