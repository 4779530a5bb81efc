"""What the decoder draws when latents come from the model's own prior instead of from a picture.

z is drawn from its factorized prior, then y step by step given z and what has been drawn of y, with the very
probability tables that the range coder uses. So a sample is what a random string of bits would decode to.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from codec.entropy.integer import ONE, gather
from codec.entropy.range_coder import TableSet
from codec.errors import CodecError
from codec.inside.bits import symbol_bits
from codec.pipeline import Choose, Codec, Latent
from codec.spec import BYTE_MAX, LOWEST

MAX_REGIONS = 256  # of 64×64 pixels: a megapixel


def draw(tables: TableSet, index: np.ndarray, rng: np.random.Generator, temperature: float) -> np.ndarray:
    """One symbol for each entry of index (n,), from the table that it names: int32 (n,).

    Probabilities are raised to 1/temperature: 0 takes the likeliest symbol, 1 the model's own distribution.
    Escapes are never drawn.
    """
    symbols = np.zeros(len(index), dtype=np.int32)
    for i in np.unique(index):
        table = tables.tables[i][:-1].astype(np.float64)
        where = np.flatnonzero(index == i)
        if temperature <= 0:
            symbols[where] = int(table.argmax()) - len(table) // 2
            continue
        weights = np.exp((np.log(table) - np.log(table.max())) / temperature)
        edges = np.cumsum(weights / weights.sum())
        drawn = np.searchsorted(edges, rng.random(len(where)), side="right")
        symbols[where] = np.minimum(drawn, len(table) - 1) - len(table) // 2
    return symbols


def rebuild(codec: Codec, z: np.ndarray, q: np.ndarray, choose: Choose) -> Latent:
    """`Codec.steps` of one picture: z int32 (64, h/4, w/4) and q int16 (h/4, w/4)."""
    z_batch, q64 = (torch.from_numpy(np.array(a)).to(codec.device)[None] for a in (z, q[None]))
    return codec.steps(z_batch, q64, choose).picture(0)


def sample(
    codec: Codec, rows: int, columns: int, q: int, seed: int, temperature: float = 1.0, z: np.ndarray | None = None
) -> Latent:
    """Latents drawn from the prior, for rows × columns regions of 64×64 pixels at a quality index q.

    With `z` given only y is drawn: what the side information alone says of a picture. Raises CodecError for
    sizes, indices and temperatures that make no sense.
    """
    if not (rows >= 1 and columns >= 1 and rows * columns <= MAX_REGIONS):
        raise CodecError(f"A sample has 1 to {MAX_REGIONS} regions of 64×64 pixels, not {rows}×{columns}.")
    if not LOWEST <= q <= BYTE_MAX:
        raise CodecError(f"The level is {q}; it must lie between {LOWEST} and {BYTE_MAX}.")
    if not 0 <= temperature <= 2:
        raise CodecError(f"The temperature is {temperature}; it must lie between 0 and 2.")
    rng = np.random.default_rng(seed)
    z_tables = codec.trunk.z_tables
    if z is None:
        index = np.repeat(np.arange(len(z_tables)), rows * columns)
        z = draw(z_tables, index, rng, temperature).reshape(len(z_tables), rows, columns)

    def choose(step: int, mu: Tensor, index: Tensor) -> Tensor:
        return torch.from_numpy(draw(codec.trunk.y_tables, index.flatten().cpu().numpy(), rng, temperature))

    return rebuild(codec, z, np.full((rows, columns), q, np.int16), choose)


def keep_channels(codec: Codec, latent: Latent, count: int) -> tuple[Latent, float]:
    """The picture from its `count` most expensive channels of y alone, the others as their means predict them.

    Returns the symbols and the share of y's bits that those channels have.
    """
    bits = symbol_bits(codec, latent)[0].sum((1, 2))
    kept = torch.zeros(len(bits), dtype=torch.bool)
    kept[bits.argsort(descending=True)[:count]] = True
    y_hat = torch.zeros(latent.y_hat.shape)

    def choose(step: int, mu: Tensor, index: Tensor) -> Tensor:
        mask = gather(kept[None, :, None, None].expand_as(y_hat), step)
        return torch.from_numpy(latent.y[step]).where(mask.flatten(), 0)

    return rebuild(codec, latent.z, latent.q, choose), float(bits[kept].sum() / bits.sum().clamp(min=1e-9))


MAX_STEPS = 9


def interpolate(codec: Codec, first: np.ndarray, second: np.ndarray, q: int, steps: int) -> list[Latent]:
    """Quantised latents on the straight line between those of two pictures, uint8 (H, W, 3) of one size.

    `steps` of them, both ends included; every one is a stream like any other. Raises CodecError for pictures of two
    sizes, and for numbers out of range.
    """
    if first.shape != second.shape:
        raise CodecError(f"Two pictures of one size are needed, not {first.shape[:2]} and {second.shape[:2]}.")
    if not 2 <= steps <= MAX_STEPS:
        raise CodecError(f"A strip has 2 to {MAX_STEPS} pictures, not {steps}.")
    if not LOWEST <= q <= BYTE_MAX:
        raise CodecError(f"The level is {q}; it must lie between {LOWEST} and {BYTE_MAX}.")
    ends = [codec.analyse(rgb) for rgb in (first, second)]
    weights = [i / (steps - 1) for i in range(steps)]
    return [codec.quantise((1 - w) * ends[0] + w * ends[1], q) for w in weights]


def crop(rgb: np.ndarray, side: int) -> np.ndarray:
    """The middle of a picture, uint8 (side, side, 3). Raises CodecError where it is smaller than that."""
    height, width = rgb.shape[:2]
    if min(height, width) < side:
        raise CodecError(f"The picture has {width}×{height} pixels; both sides must have at least {side}.")
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(rgb[top : top + side, left : left + side])


def spoil(latent: Latent, channel: int, row: int | None = None, column: int | None = None, by: float = 0) -> Latent:
    """The same symbols with y_hat made wrong, as a decoder would have it that read them right and then lost its mind.

    With a row and a column, this one value is changed by that many quantiser steps; without, the whole channel is 0.
    """
    y_hat = latent.y_hat.clone()
    if row is None or column is None:
        y_hat[0, channel] = 0
    else:
        y_hat[0, channel, row, column] += round(by * ONE)
    return replace(latent, y_hat=y_hat)
