"""Regions of interest: a painted part of a picture gets more of the same number of bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from codec import bitstream, rate, spec
from codec.errors import CodecError
from codec.metrics import psnr
from codec.pipeline import Codec, Latent
from codec.spec import BYTE_MAX

MAX_FACTOR = 64.0


@dataclass(frozen=True)
class Painted:
    """A stream whose painted part was given more weight. levels: uint8 (rows, columns), one per 64×64 pixels."""

    data: bytes
    levels: np.ndarray
    latent: Latent
    codings: int


def coverage(painted: np.ndarray) -> np.ndarray:
    """Which share of every 64×64 region is painted: bool (H, W) -> float64 (rows, columns) in [0, 1].

    A region that the picture's edge cuts is measured by the pixels that it has.
    """
    size = spec.REGION
    height, width = painted.shape
    sums = np.add.reduceat(
        np.add.reduceat(painted.astype(np.float64), range(0, height, size), 0), range(0, width, size), 1
    )
    rows, columns = (np.minimum(size, n - np.arange(0, n, size)) for n in (height, width))
    return sums / np.outer(rows, columns)


def steps_of(factor: float) -> int:
    """How many byte-valued levels lie between a λ and one `factor` times as high, on the average of the range."""
    return round(BYTE_MAX * math.log(factor) / math.log(spec.LAMBDA_MAX / spec.LAMBDA_MIN))


def encode_painted(
    codec: Codec,
    y: Tensor,
    painted: np.ndarray,
    factor: float,
    max_bytes: int,
    model: str = "mse",
    start: int = BYTE_MAX // 2,
) -> Painted:
    """Codes a picture so that its painted part weighs more, in at most `max_bytes`, header and map included.

    y: what `codec.analyse` made of the picture; painted: bool (H, W), the picture's size; factor: by how much λ is
    higher where everything is painted, from 1 (nowhere) to MAX_FACTOR; start: the uniform level to begin at. The map
    is slid up and down as a whole, clipped to the levels that there are, until the real size is nearest to and not
    above the limit. Raises CodecError for an empty painting, a factor out of range, and a size out of reach.
    """
    if not 1 <= factor <= MAX_FACTOR:
        raise CodecError(f"The weight of the painted part is {factor:g}; it must lie between 1 and {MAX_FACTOR:g}.")
    if not painted.any():
        raise CodecError("Nothing is painted: paint over the part of the picture that matters.")
    height, width = painted.shape
    share, extra = coverage(painted), steps_of(factor)
    best: dict[int, tuple[Latent, bytes]] = {}
    codings = 0

    def levels(at: int) -> np.ndarray:
        # `at` is the level of a painted region; one that is half painted lies half way, so the edge is soft.
        return np.clip(np.round(at - extra * (1 - share)), 0, BYTE_MAX).astype(np.uint8)

    def size_at(at: int) -> int:
        nonlocal codings
        codings += 1
        latent = codec.quantise(y, levels(at))
        data = bitstream.write(codec.write(latent, width, height, model))
        if len(data) <= max_bytes and at > max(best, default=-1):
            best.clear()  # only the best so far is worth its memory
            best[at] = latent, data
        return len(data)

    # Up to `extra` beyond the top: there the painted part has all it can get, and the rest takes what is left.
    start += round(extra * (1 - share.mean()))
    q = rate.largest_q(size_at, max_bytes, exponential, BYTE_MAX + extra, start)
    if q is None:
        raise CodecError(f"The picture does not fit into {max_bytes:,} bytes; allow it a larger stream.")
    latent, data = best[q]
    return Painted(data, levels(q), latent, codings)


def exponential(q: int) -> float:
    """The logarithm of the size of an average photograph at q, but for a constant."""
    return q * math.log(12) / BYTE_MAX


def psnr_in_and_out(rgb: np.ndarray, decoded: np.ndarray, painted: np.ndarray) -> tuple[float, float | None]:
    """PSNR in dB over the painted pixels and over the others, None where there are no others."""
    outside = None if painted.all() else psnr(rgb[~painted], decoded[~painted])
    return psnr(rgb[painted], decoded[painted]), outside


def share_inside(blocks: np.ndarray, painted: np.ndarray) -> float:
    """The share of the bits of `block_bits` that lies in blocks whose centre is painted."""
    rows, columns = (
        [min(16 * i + 8, n - 1) for i in range(count)] for n, count in zip(painted.shape, blocks.shape, strict=True)
    )
    return float(blocks[painted[rows][:, columns]].sum() / blocks.sum())
