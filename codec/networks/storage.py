"""How the weights of a decoder are stored: as integers with a scale per channel.

    w[i, j] ≈ row[i] · column[j] · q[i, j],               q in -127…127, a byte each
    w[i, j] ≈ base[i, j] + row[i] · column[j] · q[i, j],  q in -7…7, half a byte each

The second is for a decoder that was fine-tuned from another, its base. The two are so near each other that four bits
of their difference tell more than eight of the weight itself, in half the bytes.

i counts the output channels of a convolution and j its input channels. Weights differ in size along both: with scales
for the outputs only, an LPIPS decoder lost 0.13 dB at 33 dB, and 15 % of LPIPS. The pictures of the KLT have a scale
for each colour. The first of them are float16, because their coefficients are in the thousands: that loses 0.0004 dB
at 34 dB instead of 0.008 dB. Vectors are float32. `codec.training.storing` writes this format.
"""

import torch
from safetensors.torch import load as read  # noqa: F401  bytes of a file -> its tensors
from torch import Tensor

ROW, COLUMN, FIRST = ".scale", ".columns", ".first"  # follow the name of the tensor they belong to
DIFFERENCE = ".difference"  # as do these integers, in uint8 two to a byte
KLT = "klt.weight"


def unpacked(halves: Tensor, shape: torch.Size) -> Tensor:
    """uint8 (n,), two integers a byte -> int8 of this shape. Raises RuntimeError where there are too few."""
    both = torch.stack([halves & 15, halves >> 4], 1).flatten()[: shape.numel()]
    return both.to(torch.int8).view(shape) - 8


def along(scale: Tensor, w: Tensor, axis: int) -> Tensor:
    """scale (n,) in a shape that multiplies w along this axis."""
    return scale.view([-1 if i == axis else 1 for i in range(w.ndim)])


def to_float(stored: dict[str, Tensor], base: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The float32 state dict of stored tensors, which are differences from those of `base` where there is one.

    Raises KeyError, TypeError or RuntimeError where `base` lacks a tensor or has another shape.
    """
    state = {}
    for name, value in stored.items():
        if name.endswith(DIFFERENCE):
            name = name.removesuffix(DIFFERENCE)
            value = value if value.dtype == torch.int8 else unpacked(value, base[name].shape)
            state[name] = base[name] + scaled(name, value, stored)
        elif name + FIRST in stored:
            rest = value.float() * stored[name + ROW][:, :, None, None]
            state[name] = torch.cat([stored[name + FIRST].float(), rest])
        elif value.dtype == torch.int8:
            state[name] = scaled(name, value, stored)
        elif not name.endswith((ROW, COLUMN, FIRST)):
            state[name] = value.float()
    return state


def scaled(name: str, q: Tensor, stored: dict[str, Tensor]) -> Tensor:
    """q times its scales by row and column, float32, same shape."""
    w = q.float() * along(stored[name + ROW], q, 0)
    return w * along(stored[name + COLUMN], q, 1) if name + COLUMN in stored else w
