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
MAX_COLUMNS = 1 << 13  # locations per matrix product: bounds the memory of `unfold`


def to_fixed(x: Tensor) -> Tensor:
    """A float tensor, to the nearest fixed-point number."""
    return torch.round(x.double() * ONE)


def act(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 1/8."""
    return torch.where(x >= 0, x, torch.floor(x * SLOPE))


@dataclass
class IntegerConv:
    """A k×k convolution of stride 1 and zero padding: floor((W·x + b) / 2^shift), clipped.

    weight (out, in·k·k), bias (out, 1) and scale = 2^-shift (out, 1), all integers (scale: powers of two) held
    as float64.
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
            weight.flatten(1).contiguous(),
            stored["bias"].to(device).double()[:, None],
            torch.exp2(-stored["shift"].to(device).double())[:, None],
            weight.shape[-1],
        )

    def columns(self, x: Tensor, rows: slice | None = None) -> Tensor:
        """The matrix product for columns x (B, in·k·k, n) -> (B, out, n); `rows` picks output channels."""
        w, b, s = (t if rows is None else t[rows] for t in (self.weight, self.bias, self.scale))
        return torch.floor((w @ x + b) * s).clamp_(-LIMIT, LIMIT)

    def __call__(self, x: Tensor) -> Tensor:
        """x (B, in, h, w) -> (B, out, h, w)."""
        batch, _, height, width = x.shape
        out = x.new_empty(batch, len(self.bias), height, width)
        pad = self.kernel // 2
        # Without the clip a hostile latent could push sums past 2^53, where machines begin to differ.
        padded = torch.nn.functional.pad(x.clamp(-LIMIT, LIMIT), (pad,) * 4)
        step = max(1, MAX_COLUMNS // max(1, width))
        for top in range(0, height, step):
            bottom = min(top + step, height)
            part = padded[:, :, top : bottom + 2 * pad]
            cols = torch.nn.functional.unfold(part, self.kernel) if pad else part.flatten(2)
            out[:, :, top:bottom] = self.columns(cols).view(batch, -1, bottom - top, width)
        return out
