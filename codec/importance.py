"""Where the bits went: the cost of every symbol of a stream, and its sums over blocks and channels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from codec import bitstream
from codec.entropy.network import gather, scatter
from codec.models.entropy_model import STEPS
from codec.pipeline import Codec, Symbols


def symbol_bits(codec: Codec, symbols: Symbols) -> Tensor:
    """-log2 of the probability that the range coder gave each symbol of y: float32 (1, C, h, w)."""
    costs = codec.trunk.y_costs
    widest = costs.shape[1] // 2
    bits = torch.zeros(symbols.y_hat.shape, dtype=torch.float32)
    for step in range(STEPS):
        q = torch.from_numpy(symbols.y[step]).long().clamp_(-widest, widest) + widest
        cost = costs.cpu()[torch.from_numpy(symbols.index[step]).long(), q]
        scatter(bits, step, cost.view(gather(bits, step).shape))
    return bits


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
