"""Refines the latent of one image: its decoder's error becomes smaller, and its bits fewer. The format stays as it is.

g_a serves all images. A search for each one gains more (Campos et al., "Content adaptive optimization for neural image
compression", CVPRW 2019; Yang et al., "Improving inference for neural image compression", NeurIPS 2020). What is
searched for is the least J = R + λ·D of v = y·gain, with the squared error as D:

    v ─ RDOQ ─► y_hat ─ g_s ─► x_hat       g = ∂(λ·D + bits of the symbols whose prediction y_hat changes) / ∂y_hat
    v ◄─ v + RATE·(y_hat - g / 2w - v)     w = bits that a squared error is worth, `trunk.rdo_weight`

If g_s were the transposed KLT, J would be a parabola with 2w as its curvature, and y_hat - g / 2w its lowest point.
RDOQ takes zeros more readily here than without refinement, since the other symbols make up for them.

Tuned for MS-SSIM, D is 1 - MS-SSIM, times a factor that makes its gradient as long as that of the squared error on
average over the image. Where it is longer or shorter, errors are dearer or cheaper there, in w and in RDOQ. Structure
in still places then costs more, and contrast and colour in lively places less.

The search looks through the decoder for MSE. What others draw of their own, it does not see.
"""

import functools
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from pytorch_msssim import ms_ssim
from torch import Tensor

from codec.device import has_bfloat16
from codec.entropy.integer import upsample
from codec.errors import CodecError
from codec.networks.hyperprior import gaussian_bits, rdoq, step_masks
from codec.networks.restored import entropy_model
from codec.networks.trunk import Trunk, byte_lambdas, rdo_weight
from codec.pipeline import Codec, Progress, by_q
from codec.spec import BYTE_MAX, COARSER, LOWEST, MAX_REFINE, MS_SSIM, PSNR, REGION, TUNES

RATE = 0.2  # how far v goes at each iteration
READILY = 0.5  # of what an error counts in RDOQ otherwise
DEARER = 4.0  # how many times as long as on average a gradient of MS-SSIM counts at most, and as short at least
LEAST = 176  # pixels per side that MS-SSIM's five scales need
STEP, REACH = 1.0, 2.0  # in quantiser steps: how far v goes towards a point at most, and away from g_a's in all
WHOLE, TILE, MARGIN = 14 * 14, 12, 1  # in regions of 64×64: an image in one piece; else tiles, and what they see around


class Refined(NamedTuple):
    """What `Codec.quantise` takes: y float32 (1, C, h, w), z (1, 64, h/4, w/4), and a factor on RDOQ's weights."""

    y: Tensor
    z: Tensor
    rdo: Tensor  # (1, 1, h, w)


def check(refine: int, tune: str = PSNR) -> None:
    """Raises CodecError for a number of iterations or a measure that there is not."""
    if not (isinstance(refine, int) and 0 <= refine <= MAX_REFINE):
        raise CodecError(f"A latent can be refined 0 to {MAX_REFINE} times, not {refine} times.")
    if tune not in TUNES:
        raise CodecError(f"A search cannot be tuned for '{tune}'; it can for: {', '.join(TUNES)}.")
    if tune != PSNR and not refine:
        raise CodecError("Without refinement there is no search to tune; refine the latent 8 times, say.")


def lambdas(trunk: Trunk) -> Tensor:
    """λ of every quality index from LOWEST on, (384, 1); below the ladder it goes with the square of the gains."""
    below = byte_lambdas(trunk.anchors)[0] * COARSER ** (-2.0 * torch.arange(LOWEST, 0))
    return torch.cat([below, byte_lambdas(trunk.anchors)])[:, None]


def refine(
    codec: Codec,
    rgb: np.ndarray,
    y: Tensor,
    q: int | np.ndarray,
    iterations: int,
    tune: str = PSNR,
    progress: Progress = None,
) -> Refined:
    """rgb uint8 (H, W, 3) and its y float32 (1, C, h, w), at a quality index or a map (h/4, w/4) of them."""
    rows, columns = y.shape[2] // 4, y.shape[3] // 4
    q64 = torch.from_numpy(np.broadcast_to(np.asarray(q, dtype=np.int16), (rows, columns)).copy())[None, None]
    edges = [(0, -rgb.shape[0] % REGION), (0, -rgb.shape[1] % REGION), (0, 0)]
    x = torch.from_numpy(np.pad(rgb, edges, mode="edge")).permute(2, 0, 1)[None]
    inside = torch.zeros(1, 1, *x.shape[2:])
    inside[:, :, : rgb.shape[0], : rgb.shape[1]] = 1
    search = search_of(codec)
    whole = Refined(y.clone(), y.new_empty(1, search.z_channels, rows, columns), y.new_empty(1, 1, *y.shape[2:]))
    size = max(rows, columns) if rows * columns <= WHOLE else TILE
    tiles = [(top, left) for top in range(0, rows, size) for left in range(0, columns, size)]
    for number, (top, left) in enumerate(tiles):
        first, last = (max(0, top - MARGIN), max(0, left - MARGIN)), (top + size + MARGIN, left + size + MARGIN)

        def cut(tensor: Tensor, scale: int, first=first, last=last) -> Tensor:
            return tensor[:, :, scale * first[0] : scale * last[0], scale * first[1] : scale * last[1]]

        def told(share: float, number=number) -> None:
            if progress:
                progress((number + share) / len(tiles))

        part = search.run(cut(x, REGION), cut(inside, REGION), cut(y, 4), cut(q64, 1), iterations, tune, told)
        for target, source, scale in zip(whole, part, (4, 1, 4), strict=True):
            down, across = scale * (top - first[0]), scale * (left - first[1])
            piece = target[:, :, scale * top : scale * (top + size), scale * left : scale * (left + size)]
            piece.copy_(source[:, :, down : down + piece.shape[2], across : across + piece.shape[3]])
    return whole


def by_region(values: Tensor, cell: int) -> Tensor:
    """Sums over channels and over squares of cell×cell: (1, n, h, w) -> (1, 1, h/cell, w/cell)."""
    return F.avg_pool2d(values.sum(1, keepdim=True), cell) * cell**2


def better(where: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """`new` in the regions of `where`, bool (1, 1, h/4, w/4), and `old` elsewhere: (1, n, h/4, w/4) or (1, n, h, w)."""
    return torch.where(where if new.shape[2] == where.shape[2] else upsample(where), new, old)


def similarity(x_hat: Tensor, x: Tensor) -> Tensor:
    """MS-SSIM of (1, 3, H, W) in [0, 1], enlarged by replication where that is too small for it."""
    border = (0, max(0, LEAST - x.shape[3]), 0, max(0, LEAST - x.shape[2]))
    return ms_ssim(*(F.pad(side, border, mode="replicate") for side in (x_hat, x)), data_range=1)


def length(loss: Tensor, v: Tensor) -> Tensor:
    """The root mean square of a gradient with respect to v around each place: (1, 1, h, w)."""
    (g,) = torch.autograd.grad(loss, v, retain_graph=True)
    return F.avg_pool2d(F.pad(g.square().mean(1, keepdim=True), [1] * 4, mode="replicate"), 3, 1).sqrt()


@functools.lru_cache(maxsize=2)
def search_of(codec: Codec) -> "Search":
    """The search of a codec, whose networks are read and built once."""
    return Search(codec)


class Search:
    """The search for one codec: its float networks, with gradients."""

    def __init__(self, codec: Codec):
        self.codec, self.trunk, self.g_s = codec, codec.trunk, codec.decoder("mse")
        self.entropy = entropy_model(codec.weights.trunk_tensors(codec.trunk.id), codec.device)
        self.z_channels = len(codec.trunk.z_tables)
        self.lambdas = lambdas(codec.trunk).to(codec.device)

    def run(
        self, x: Tensor, inside: Tensor, y: Tensor, q64: Tensor, iterations: int, tune: str, told: Progress
    ) -> Refined:
        """x uint8 (1, 3, H, W), where its pixels count (1, 1, H, W), y, and q64 int16 (1, 1, H/64, W/64)."""
        device = self.codec.device
        x, inside, q64 = x.to(device).float() / 255, inside.to(device), q64.to(device)
        q16 = upsample(q64)
        gain, usual = by_q(self.trunk.gain, q16), by_q(self.trunk.rdo, q16)
        lmbda, level = by_q(self.lambdas, q16), q64.float().clamp(min=0) / BYTE_MAX
        worth = rdo_weight(gain, lmbda)
        start = v = y * gain
        price, unit = torch.ones_like(lmbda), None  # of an error, relative to the squared one; and of 1 - MS-SSIM
        best: list[Tensor] = []
        for number in range(iterations + 1):
            told(number / (iterations + 1))
            factor = price * (READILY if number else 1.0)
            z = torch.round(self.trunk.h_a(v)).clamp_(-(2**20), 2**20)
            leaf = v.detach().requires_grad_(number < iterations)
            y_hat, bits = self.quantise(leaf, z, gain, factor * usual, level)
            x_hat = self.synthesise(y_hat / gain, level)
            error = by_region(255**2 * (x_hat - x).square().mean(1, keepdim=True) * inside, 16) * lmbda
            rate = by_region(bits, 4) + by_region(self.entropy.z_prior.bits(z), 1)
            loss, cost = error.sum(), rate + by_region(error, 4)
            if tune == MS_SSIM:
                structure = 1 - similarity(x + (x_hat - x) * inside, x)
                if number < iterations:
                    ratio = length(structure, leaf) / length(loss, leaf).clamp(min=1e-20)
                    unit = 1 / ratio.clamp(min=1e-20).log().mean().exp() if unit is None else unit
                    price = (ratio * unit).clamp(1 / DEARER, DEARER).sqrt()
                loss = structure * unit
                cost = (rate.sum() + loss).expand_as(rate)
            now = (cost.detach(), v, z, factor)
            best = [better(cost < best[0], *pair) for pair in zip(now, best, strict=True)] if best else [*now]
            if number < iterations:
                (g,) = torch.autograd.grad(bits.sum() + loss, leaf)
                v = v + RATE * (y_hat.detach() - g / (2 * worth * price) - v).clamp(-STEP, STEP)
                v = torch.maximum(torch.minimum(v, start + REACH), start - REACH)
        return Refined(best[1] / gain, best[2], best[3])

    def quantise(self, v: Tensor, z: Tensor, gain: Tensor, weight: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """y_hat, whose gradient passes straight to v, and bits, whose gradient is that of the prediction alone."""
        level16 = upsample(level)
        psi, y_hat, bits = self.entropy.h_s(z, level), torch.zeros_like(v), torch.zeros_like(v)
        for step, mask in enumerate(step_masks(*v.shape[1:], device=v.device)):
            mu, t = self.entropy.predict(step, psi, level16, y_hat)
            d = (v - mu).detach()
            symbols = torch.round(d) + rdoq(d, t, weight)
            y_hat = torch.where(mask, v + (symbols + mu - v).detach(), y_hat)
            bits = torch.where(mask, gaussian_bits(symbols + mu.detach() - mu, t), bits)
        return y_hat, bits

    def synthesise(self, y_hat: Tensor, level: Tensor) -> Tensor:
        """x_hat in [0, 1], float32 (1, 3, H, W)."""
        kind = self.codec.device.type
        with torch.autocast(kind, torch.bfloat16, enabled=has_bfloat16(kind)):
            return self.g_s(y_hat, upsample(level)).float().clamp(0, 1)
