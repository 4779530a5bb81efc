"""How the weights of a decoder are stored: 8-bit integers with a scale per channel, a quarter of float32.

    w[i, j] ≈ row[i] · column[j] · q[i, j],   q integers in -127…127

i counts the output channels of a convolution, j its input channels, whose weights differ in size as much as what
comes in by them does; with a scale for each output only an LPIPS decoder lost 0.13 dB at 33 dB, and 15 % of LPIPS. The
pictures of the KLT have a scale for each colour. The first of them, whose coefficients are in the thousands, are
float16, without which 0.008 dB are lost at 34 dB; with it 0.0004 dB are. Vectors are float32.

Kernels are rounded so that their sums stay: what comes in is smooth and of one sign, so each output would be shifted by
the sum of the errors. Rounded to nearest, an LPIPS decoder lost 2 % of LPIPS at 0.1 bpp; with this it loses 0.4 %.
"""

import torch
from torch import Tensor

ROW, COLUMN, FIRST = ".scale", ".columns", ".first"  # follow the name of the tensor they belong to
KLT = "klt.weight"
FILE_BYTES = 10_000_000  # at most of a weights file: a Space takes no larger one without LFS
KLT_FIRST = 16  # of its pictures, in float16


def to_int8(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Float tensors -> what to store: int8 kernels, float32 scales (out,) and (in,) or those of the KLT, vectors."""
    stored = {}
    for name, value in state.items():
        w = value.detach().float().cpu()
        if w.ndim < 2:
            stored[name] = w.clone()
        elif name == KLT:
            first, rest = w[:KLT_FIRST], w[KLT_FIRST:].flatten(0, 1)
            stored[name + FIRST] = first.half().contiguous()
            row = largest(rest) / 127
            q = torch.round(rest / along(row, rest, 0)).to(torch.int8)
            stored |= {name: q.unflatten(0, (-1, w.shape[1])).contiguous(), name + ROW: row.view(-1, w.shape[1])}
        else:
            column = largest(w.transpose(0, 1)).sqrt()
            w = w / along(column, w, 1)
            row = largest(w) / 127
            q = rounded(w / along(row, w, 0)).clamp(-127, 127).to(torch.int8)
            stored |= {name: q.contiguous(), name + ROW: row, name + COLUMN: column}
    return stored


def rounded(w: Tensor) -> Tensor:
    """Integers near w (out, in, ...), each kernel's sum within 1/2 of what it was: those nearest to a tie give way."""
    q = torch.round(w)
    error = (w - q).reshape(*w.shape[:2], -1)
    missing = error.sum(2, keepdim=True).round()
    rank = (error * missing.sign()).argsort(dim=2, descending=True, stable=True).argsort(dim=2)
    return q + (missing.sign() * (rank < missing.abs())).reshape(q.shape)


def largest(w: Tensor) -> Tensor:
    """The largest magnitude for each place of the first axis, 1 where all are 0."""
    found = w.flatten(1).abs().amax(1)
    return torch.where(found > 0, found, 1.0)


def along(scale: Tensor, w: Tensor, axis: int) -> Tensor:
    """`scale` in a shape that multiplies `w` along this axis."""
    return scale.view([-1 if i == axis else 1 for i in range(w.ndim)])


def to_float(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """The float32 state dict of what `to_int8` made; float16 and float32 tensors are taken as they are."""
    state = {}
    for name, value in stored.items():
        if name + FIRST in stored:
            rest = value.float() * stored[name + ROW][:, :, None, None]
            state[name] = torch.cat([stored[name + FIRST].float(), rest])
        elif value.dtype == torch.int8:
            state[name] = value.float() * along(stored[name + ROW], value, 0)
            if name + COLUMN in stored:
                state[name] *= along(stored[name + COLUMN], value, 1)
        elif not name.endswith((ROW, COLUMN, FIRST)):
            state[name] = value.float()
    return state
