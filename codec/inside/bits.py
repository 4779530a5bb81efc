"""Where the bits went: the cost of every symbol of a stream, its sums, and what the model expected of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from codec import bitstream
from codec.bitstream import Stream
from codec.entropy.integer import ONE, gather, scatter
from codec.networks.hyperprior import LOG_STEP, SIGMA_MIN
from codec.pictures import overlay
from codec.pipeline import Codec, Latent


def placed(latent: Latent, steps: list[np.ndarray]) -> Tensor:
    """What there is of each symbol of y, step by step in coding order, where it belongs: float32 (1, C, h, w)."""
    out = torch.zeros(latent.y_hat.shape, dtype=torch.float32)
    for step, values in enumerate(steps):
        scatter(out, step, torch.from_numpy(values).float().view(gather(out, step).shape))
    return out


def symbol_bits(codec: Codec, latent: Latent) -> Tensor:
    """-log2 of the probability that the range coder gave each symbol of y: float32 (1, C, h, w)."""
    costs = codec.trunk.y_costs.cpu().numpy()
    widest = costs.shape[1] // 2
    pairs = zip(latent.index, latent.y, strict=True)
    return placed(latent, [costs[index, np.clip(q, -widest, widest) + widest] for index, q in pairs])


def hyper_bits(codec: Codec, latent: Latent) -> np.ndarray:
    """The same of the hyper-latent: float32 (64, h/4, w/4)."""
    costs = codec.trunk.z_costs
    centre = costs.shape[1] // 2
    column = np.clip(latent.z + centre, 0, 2 * centre)
    return np.take_along_axis(costs[:, None], column.reshape(len(column), 1, -1), 2).reshape(column.shape)


def payload_bytes(stream: Stream) -> int:
    """Bytes of a stream's latents: of what is neither header nor overlay."""
    return len(stream.z) + len(stream.y)


def estimate_bytes(latent: Latent) -> float:
    """The payload's bytes by the probability tables."""
    return (latent.y_bits + latent.z_bits) / 8


def block_bits(codec: Codec, latent: Latent, n_bytes: int) -> np.ndarray:
    """Bits of every 16×16 block, float64 (h, w), that sum to the 8·n_bytes of a payload of latents, and an overlay's.

    A hyper-latent's bits are shared by the 64×64 pixels that it stands for. What the range coder adds to the
    sum of the symbols' costs (well below 1 %) is shared in proportion.
    """
    y = symbol_bits(codec, latent).sum(1)[0].double().numpy()
    z = hyper_bits(codec, latent).sum(0).astype(np.float64).repeat(4, 0).repeat(4, 1) / 16
    total = y + z
    total *= 8 * n_bytes / total.sum()
    return total + overlay_bits(latent.overlay, total.shape) if latent.overlay else total


def overlay_bits(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """The bits of an overlay by 16×16 block, float64 of this shape: they are shared by where its colours change."""
    rgb, inside = overlay.read(data, (shape[0] // 4, shape[1] // 4))
    count = overlay.changes(rgb) * inside
    share = count.reshape(shape[0], 16, shape[1], 16).sum((1, 3), dtype=np.float64)
    return share * (8 * len(data) / max(share.sum(), 1))


def ledger(stream: Stream) -> dict[str, int]:
    """The bytes of a stream by their purpose; their sum is the length of the file."""
    header = len(bitstream.write(stream)) - payload_bytes(stream) - len(stream.overlay)
    sizes = {"header": header, "hyper-latent z": len(stream.z), "latent y": len(stream.y)}
    return sizes | ({"overlay": len(stream.overlay)} if stream.overlay else {})


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


def expectation(codec: Codec, latent: Latent, channel: int) -> Expectation:
    """What the entropy model predicted of a channel, what it turned out to be, and what the difference cost."""
    y_hat = (latent.y_hat[0, channel].cpu() / ONE).float()
    q, index = (placed(latent, steps)[0, channel] for steps in (latent.y, latent.index))
    sigma = SIGMA_MIN * torch.exp(LOG_STEP * index)
    maps = (y_hat, y_hat - q, sigma, q, symbol_bits(codec, latent)[0, channel])
    return Expectation(*(values.numpy() for values in maps))


def histogram(codec: Codec, latent: Latent, channel: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How often each integer occurs in a channel of y, and how often the model's probabilities say it should.

    Values int (n,), counts int (n,), and expected counts float64 (n,): the sum over the channel's symbols of the
    probability that the range coder's table gave each value. Both sum to the channel's h·w, the expected ones but
    for what lies beyond the values shown.
    """
    q, index = (placed(latent, steps)[0, channel].numpy().astype(int) for steps in (latent.y, latent.index))
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
