"""Convolutions in exact integer arithmetic (Ballé et al., "Integer networks for data compression", ICLR 2019).

A value is a fixed-point number with FRACTION bits after the point, held as an integer in a float64 tensor.
Weights are 16-bit integers. Every product and every partial sum of a layer is an integer below 2^53, so a
float64 matrix product is exact in any order, on any device, with any number of threads; `floor` of a division by
a power of two is exact as well. What comes out is therefore the same, bit for bit, on every machine.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from codec.spec import BYTE_MAX, N_SCALES, SLOPE, step_pattern

FRACTION = 12
ONE = 1 << FRACTION
LIMIT = float(1 << 23)  # activations are clipped to ±LIMIT, which is ±2048 as a number
WEIGHT_MAX = 32767
MAX_COLUMNS = 1 << 12  # locations per matrix product: what they hold stays in the cache


def to_fixed(x: Tensor) -> Tensor:
    """A float tensor, to the nearest fixed-point number."""
    return torch.round(x.double() * ONE)


def act(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 1/8."""
    return torch.maximum(x, torch.floor(x * SLOPE))


@dataclass
class IntegerConv:
    """A k×k convolution of stride 1 and zero padding: floor((W·x + b) / 2^shift), clipped.

    weight (k·k, out, in), a matrix for each place of the kernel, bias (out, 1) and scale = 2^-shift (out, 1), all
    integers (scale: powers of two) held as float64.
    """

    weight: Tensor
    bias: Tensor
    scale: Tensor
    kernel: int

    @staticmethod
    def quantize(weight: Tensor, bias: Tensor, in_scale=None, out_scale=None) -> dict[str, Tensor]:
        """float weight (out, in, k, k) and bias (out,) -> tensors to store: int16, int64, int8.

        `in_scale` (in,) and `out_scale` (out,) are factors on input and output channels, folded in.
        """
        w, b = weight.detach().double().cpu(), bias.detach().double().cpu()
        if in_scale is not None:
            w = w * in_scale.double().cpu()[None, :, None, None]
        if out_scale is not None:
            w, b = w * out_scale.double().cpu()[:, None, None, None], b * out_scale.double().cpu()
        largest = torch.maximum(w.flatten(1).abs().amax(1), torch.tensor(1e-9, dtype=torch.float64))
        shift = torch.floor(torch.log2(WEIGHT_MAX / largest)).clamp(0, 24)
        q = torch.round(w * torch.exp2(shift)[:, None, None, None])
        bias_int = torch.round(b * ONE * torch.exp2(shift))
        bound = q.flatten(1).abs().sum(1) * LIMIT + bias_int.abs()
        if q.abs().max() > WEIGHT_MAX or bound.max() >= 2**53:
            raise ValueError("The weights are too large for exact integer arithmetic in float64.")
        return {"weight": q.to(torch.int16), "bias": bias_int.to(torch.int64), "shift": shift.to(torch.int8)}

    @classmethod
    def load(cls, stored: dict[str, Tensor], device="cpu") -> "IntegerConv":
        weight = stored["weight"].to(device).double()
        return cls(
            weight.flatten(2).permute(2, 0, 1).contiguous(),
            stored["bias"].to(device).double()[:, None],
            torch.exp2(-stored["shift"].to(device).double())[:, None],
            weight.shape[-1],
        )

    def columns(self, x: Tensor, rows: slice) -> Tensor:
        """For a kernel of 1×1: some output channels of columns x (B, in, n) within ±LIMIT -> (B, rows, n)."""
        product = self.weight[0, rows] @ x
        return product.add_(self.bias[rows]).mul_(self.scale[rows]).floor_().clamp_(-LIMIT, LIMIT)

    def __call__(self, x: Tensor) -> Tensor:
        """x (B, in, h, w) -> (B, out, h, w), as one matrix product for each place of the kernel.

        In a padded picture laid out row after row, what a place of the kernel sees is a run of columns: nothing is
        copied, as `unfold` would k·k times over. The last columns of each row run into the next, and are left out.
        """
        batch, channels, height, width = x.shape
        out = x.new_empty(batch, len(self.bias), height, width)
        pad = self.kernel // 2
        long = width + 2 * pad
        padded = x.new_zeros(batch, channels, (height + 2 * pad) * long + 2 * pad)
        inner = padded[:, :, : (height + 2 * pad) * long].view(batch, channels, -1, long)
        # Without the clip a hostile latent could push sums past 2^53, where machines begin to differ.
        torch.clamp(x, -LIMIT, LIMIT, out=inner[:, :, pad : pad + height, pad : pad + width])
        step = max(1, MAX_COLUMNS // long)
        for top in range(0, height, step):
            bottom = min(top + step, height)
            total = self.bias.repeat(batch, 1, (bottom - top) * long)
            for place, weight in enumerate(self.weight):
                start = (top + place // self.kernel) * long + place % self.kernel
                columns = padded[:, :, start : start + total.shape[2]]
                total.baddbmm_(weight.expand(batch, -1, -1), columns)
            total.mul_(self.scale).floor_().clamp_(-LIMIT, LIMIT)
            out[:, :, top:bottom] = total.view(batch, -1, bottom - top, long)[..., :width]
        return out


def level_fixed(level: Tensor) -> Tensor:
    """Byte-valued levels -> the level input of the networks, [0, 1], in fixed point."""
    return torch.round(level.double() * ONE / BYTE_MAX)


def upsample(level: Tensor) -> Tensor:
    """Nearest-neighbour, from 1/64 to 1/16 of the picture."""
    return level.repeat_interleave(4, -2).repeat_interleave(4, -1)


class IntegerEntropyModel:
    """Holds the integer layers; all tensors float64 with integer values, batch first."""

    def __init__(self, stored: dict[str, Tensor], device="cpu"):
        names = {name.split(".")[0] for name in stored}
        self.layers = {
            n: IntegerConv.load({k: stored[f"{n}.{k}"] for k in ("weight", "bias", "shift")}, device) for n in names
        }
        self.channels = len(self.layers["head0b"].bias) // 2

    def psi(self, z_hat: Tensor, level: Tensor) -> Tensor:
        """z_hat (B, 64, h, w) integers and level (B, 1, h, w) bytes -> psi (B, 128, 4h, 4w)."""
        h = torch.cat([z_hat.double() * ONE, level_fixed(level)], 1)
        h = torch.nn.functional.pixel_shuffle(self.layers["up1"](h), 2)
        return torch.nn.functional.pixel_shuffle(self.layers["up2"](act(h)), 2)

    def step(self, step: int, psi: Tensor, level: Tensor, y_hat: Tensor) -> tuple[Tensor, Tensor]:
        """mu (fixed point) and scale index of the symbols of one step, in the order of `gather`.

        psi (B, 128, h, w); level (B, 1, h, w) bytes; y_hat (B, C, h, w) fixed point, 0 where unknown.
        Returns float64 and uint8, both (B, 4, C/4, h/2·w/2).
        """
        h = psi if step == 0 else self.layers[f"ctx{step}"](y_hat).add_(psi)
        parts = []
        rows = max(2, MAX_COLUMNS // h.shape[3] // 2 * 2)  # a few at a time: what they hold stays in the cache
        for top in range(0, h.shape[2], rows):
            part = self.layers[f"head{step}a"](act(h[:, :, top : top + rows]))
            parts.append(self.last(step, act(part), level[:, :, top : top + rows]))
        mu, index = zip(*parts, strict=True)
        return torch.cat(mu, 3), torch.cat(index, 3)

    def last(self, step: int, h: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """The end of `step`, for some of its rows."""
        h = torch.cat([h, level_fixed(level)], 1)
        last = self.layers[f"head{step}b"]
        mu, t = [], []
        for group, phase in step_pattern(step):
            columns = phase_of(h, phase).flatten(2)
            mu.append(last.columns(columns, slice(group, self.channels, 4)))
            t.append(last.columns(columns, slice(self.channels + group, None, 4)))
        index = torch.stack(t, 1).add_(ONE / 2).div_(ONE).floor_().clamp_(0, N_SCALES - 1)
        return torch.stack(mu, 1), index.to(torch.uint8)


def phase_of(x: Tensor, phase: int) -> Tensor:
    """The locations of one phase: (B, C, h, w) -> view (B, C, h/2, w/2)."""
    return x[:, :, phase // 2 :: 2, phase % 2 :: 2]


def gather(x: Tensor, step: int) -> Tensor:
    """The symbols of a step: (B, C, h, w) -> (B, 4, C/4, h/2·w/2)."""
    return torch.stack([phase_of(x[:, g::4], p).flatten(2) for g, p in step_pattern(step)], 1)


def scatter(x: Tensor, step: int, values: Tensor) -> None:
    """The inverse of `gather`: writes values (B, 4, C/4, h/2·w/2) into x in place."""
    for i, (group, phase) in enumerate(step_pattern(step)):
        view = phase_of(x[:, group::4], phase)
        view.copy_(values[:, i].reshape(view.shape))
