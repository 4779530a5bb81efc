"""Convolutions in exact integer arithmetic (Ballé et al., "Integer networks for data compression", ICLR 2019).

A value is a fixed-point number with FRACTION bits after the point, held as an integer in a float64 tensor.
Weights are 16-bit integers. Every product and every partial sum of a layer is an integer below 2^53, so a
float64 matrix product is exact in any order, on any device, with any number of threads; `floor` of a division by
a power of two is exact as well. What comes out is therefore the same, bit for bit, on every machine.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from codec.models.layers import SLOPE

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
