"""Where the bits went, and where they ought to go.

The cost of every symbol of a stream, its sums over blocks and channels, and what the model expected of each; then
region-of-interest maps: a painted part of a picture gets more of the same number of bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from codec import bitstream, rate
from codec.entropy.integer import ONE
from codec.entropy.network import gather, scatter
from codec.errors import CodecError
from codec.metrics import psnr
from codec.models.entropy_model import LOG_STEP, SIGMA_MIN
from codec.models.gain import BYTE_MAX
from codec.pipeline import Codec, Symbols


def placed(symbols: Symbols, steps: list[np.ndarray]) -> Tensor:
    """What there is of each symbol of y, step by step in coding order, where it belongs: float32 (1, C, h, w)."""
    out = torch.zeros(symbols.y_hat.shape, dtype=torch.float32)
    for step, values in enumerate(steps):
        scatter(out, step, torch.from_numpy(values).float().view(gather(out, step).shape))
    return out


def symbol_bits(codec: Codec, symbols: Symbols) -> Tensor:
    """-log2 of the probability that the range coder gave each symbol of y: float32 (1, C, h, w)."""
    costs = codec.trunk.y_costs.cpu().numpy()
    widest = costs.shape[1] // 2
    pairs = zip(symbols.index, symbols.y, strict=True)
    return placed(symbols, [costs[index, np.clip(q, -widest, widest) + widest] for index, q in pairs])


def hyper_bits(codec: Codec, symbols: Symbols) -> np.ndarray:
    """The same of the hyper-latent: float32 (64, h/4, w/4)."""
    costs = codec.trunk.z_costs
    centre = costs.shape[1] // 2
    column = np.clip(symbols.z + centre, 0, 2 * centre)
    return np.take_along_axis(costs[:, None], column.reshape(len(column), 1, -1), 2).reshape(column.shape)


def block_bits(codec: Codec, symbols: Symbols, payload_bytes: int) -> np.ndarray:
    """Bits of every 16×16 block, float64 (h, w), that sum to 8 × payload_bytes.

    A hyper-latent's bits are shared by the 64×64 pixels that it stands for. What the range coder adds to the
    sum of the symbols' costs (well below 1 %) is shared in proportion.
    """
    y = symbol_bits(codec, symbols).sum(1)[0].double().numpy()
    z = hyper_bits(codec, symbols).sum(0).astype(np.float64).repeat(4, 0).repeat(4, 1) / 16
    total = y + z
    return total * (8 * payload_bytes / total.sum())


def ledger(data: bytes) -> dict[str, int]:
    """The bytes of a stream by what they are for; their sum is the length of the file."""
    stream = bitstream.read(data)
    payload = len(stream.z) + len(stream.y)
    return {"header": len(data) - payload, "hyper-latent z": len(stream.z), "latent y": len(stream.y)}


MAX_FACTOR = 64.0


@dataclass(frozen=True)
class Painted:
    """A stream whose painted part was given more weight. levels: uint8 (rows, columns), one per 64×64 pixels."""

    data: bytes
    levels: np.ndarray
    symbols: Symbols
    codings: int


def coverage(painted: np.ndarray) -> np.ndarray:
    """Which share of every 64×64 region is painted: bool (H, W) -> float64 (rows, columns) in [0, 1].

    A region that the picture's edge cuts is measured by the pixels that it has.
    """
    size = bitstream.REGION
    height, width = painted.shape
    sums = np.add.reduceat(
        np.add.reduceat(painted.astype(np.float64), range(0, height, size), 0), range(0, width, size), 1
    )
    rows, columns = (np.minimum(size, n - np.arange(0, n, size)) for n in (height, width))
    return sums / np.outer(rows, columns)


def steps_of(factor: float) -> int:
    """How many byte-valued levels lie between a λ and one `factor` times as high, on the average of the range."""
    return round(BYTE_MAX * math.log(factor) / math.log(rate.LAMBDA_MAX / rate.LAMBDA_MIN))


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
    made: dict[int, tuple[Symbols, bytes]] = {}
    codings = 0

    def levels(at: int) -> np.ndarray:
        # `at` is the level of a painted region; one that is half painted lies half way, so the edge is soft.
        return np.clip(np.round(at - extra * (1 - share)), 0, BYTE_MAX).astype(np.uint8)

    def size_at(at: int) -> int:
        nonlocal codings
        codings += 1
        symbols = codec.quantise(y, levels(at))
        data = codec.write(symbols, width, height, model)
        if len(data) <= max_bytes and at > max(made, default=-1):
            made.clear()  # only the best so far is worth its memory
            made[at] = symbols, data
        return len(data)

    # Up to `extra` beyond the top: there the painted part has all it can get, and the rest takes what is left.
    found = rate.largest_level(size_at, max_bytes, BYTE_MAX + extra, start + round(extra * (1 - share.mean())))
    if found is None:
        raise CodecError(f"The picture does not fit into {max_bytes:,} bytes; allow it a larger stream.")
    symbols, data = made[found]
    return Painted(data, levels(found), symbols, codings)


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


@dataclass(frozen=True)
class Expectation:
    """What was said of one channel of y. All float32 (h, w), on the quantiser's scale, where a step is 1.

    y_hat = mu + q, with q the integers in the stream; sigma is the scale that they were expected to have.
    """

    y_hat: np.ndarray
    mu: np.ndarray
    sigma: np.ndarray
    q: np.ndarray
    bits: np.ndarray


def expectation(codec: Codec, symbols: Symbols, channel: int) -> Expectation:
    """What the entropy model predicted of a channel, what it turned out to be, and what the difference cost."""
    y_hat = (symbols.y_hat[0, channel].cpu() / ONE).float()
    q, index = (placed(symbols, steps)[0, channel] for steps in (symbols.y, symbols.index))
    sigma = SIGMA_MIN * torch.exp(LOG_STEP * index)
    parts = (y_hat, y_hat - q, sigma, q, symbol_bits(codec, symbols)[0, channel])
    return Expectation(*(part.numpy() for part in parts))


def histogram(codec: Codec, symbols: Symbols, channel: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How often each integer occurs in a channel of y, and how often the model's probabilities say it should.

    Values int (n,), counts int (n,), and expected counts float64 (n,): the sum over the channel's symbols of the
    probability that the range coder's table gave each value. Both sum to the channel's h·w, the expected ones but
    for what lies beyond the values shown.
    """
    q, index = (placed(symbols, steps)[0, channel].numpy().astype(int) for steps in (symbols.y, symbols.index))
    seen = q.ravel()
    reach = int(np.abs(seen).max()) + 1
    values = np.arange(-reach, reach + 1)
    expected = np.zeros(len(values))
    for i, times in zip(*np.unique(index, return_counts=True), strict=True):
        table = codec.trunk.y_tables.tables[i]
        limit = len(table) // 2 - 1
        inside = np.abs(values) <= limit
        expected[inside] += times * table[values[inside] + limit] / table.sum()
    return values, np.bincount(seen + reach, minlength=len(values)), expected
