"""How the weights of a decoder are stored: as integers with a scale per channel.

    w[i, j] ≈ row[i] · column[j] · q[i, j],               q in -127…127, a byte each
    w[i, j] ≈ base[i, j] + row[i] · column[j] · q[i, j],  q in -7…7, half a byte each

The second is for a decoder that was fine-tuned from another, its base: the two are so near each other that four bits
of their difference tell more than eight of the weight itself, in half the bytes.

i counts the output channels of a convolution, j its input channels, whose weights differ in size as much as what
comes in by them does; with a scale for each output only an LPIPS decoder lost 0.13 dB at 33 dB, and 15 % of LPIPS. The
pictures of the KLT have a scale for each colour. The first of them, whose coefficients are in the thousands, are
float16, without which 0.008 dB are lost at 34 dB; with it 0.0004 dB are. Vectors are float32.

Kernels are rounded so that their sums stay: what comes in is smooth and of one sign, so each output would be shifted by
the sum of the errors. Rounded to nearest, an LPIPS decoder lost 2 % of LPIPS at 0.1 bpp; with this it loses 0.4 %.

With half a byte, the few largest weights of an output are cut off where that lets the others be nearer: of what an
LPIPS decoder differs by from its base, 1.5 % of the energy is lost, without it 2.4 %.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import load as read  # the tensors of a file, of its bytes
from torch import Tensor

__all__ = ["read", "to_difference", "to_float", "to_int8"]

ROW, COLUMN, FIRST = ".scale", ".columns", ".first"  # follow the name of the tensor they belong to
DIFFERENCE = ".difference"  # as do these integers, in uint8 two to a byte
KLT = "klt.weight"
FILE_BYTES = 10_000_000  # at most of a weights file: a Space takes no larger one without LFS
KLT_FIRST = 16  # of its pictures, in float16
FEW = 7  # the largest integer of half a byte
CUTS = tuple(1 - i / 20 for i in range(11))  # of an output's largest weight: what is tried as its integers' range


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
            q, scales = integers(name, w, 127)
            stored |= {name: q, **scales}
    return stored


def to_difference(state: dict[str, Tensor], base: dict[str, Tensor]) -> dict[str, Tensor]:
    """Float tensors -> what to store of them beside `base`: kernels that both have as their difference in half bytes.

    The KLT's difference takes a byte: it lies closest to the picture. What `base` lacks, or has in another shape, is
    stored as `to_int8` does.
    """
    stored = {}
    for name, value in state.items():
        w = value.detach().float().cpu()
        if w.ndim < 2 or name not in base or base[name].shape != w.shape:
            stored |= to_int8({name: w})
            continue
        w = w - base[name]
        q, scales = integers(name, w, 127 if name == KLT else FEW)
        stored |= {name + DIFFERENCE: q if name == KLT else packed(q), **scales}
    return stored


def integers(name: str, w: Tensor, limit: int) -> tuple[Tensor, dict[str, Tensor]]:
    """w (out, in, ...) as int8 in ±limit, and the scales of its output and its input channels."""
    column = largest(w.transpose(0, 1)).sqrt()
    w = w / along(column, w, 1)
    tried = [whole(w, largest(w) * cut / limit, limit) for cut in (CUTS if limit == FEW else (1.0,))]
    errors = [(q * along(row, q, 0) - w) * along(column, q, 1) for row, q in tried]
    best = torch.stack([e.flatten(1).square().sum(1) for e in errors]).argmin(0)
    row, q = (torch.stack(found)[best, torch.arange(len(w))] for found in zip(*tried, strict=True))
    return q.to(torch.int8).contiguous(), {name + ROW: row, name + COLUMN: column}


def whole(w: Tensor, row: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """`row`, and w in whole numbers of it."""
    return row, rounded(w / along(row, w, 0)).clamp(-limit, limit)


def packed(q: Tensor) -> Tensor:
    """Integers in -8…7, two to a byte: the first in the lower half."""
    flat = F.pad(q.flatten() + 8, (0, q.numel() % 2)).to(torch.uint8)
    return flat[::2] | flat[1::2] << 4


def unpacked(halves: Tensor, shape: torch.Size) -> Tensor:
    """What `packed` was given. Raises RuntimeError where there are fewer than the shape has."""
    both = torch.stack([halves & 15, halves >> 4], 1).flatten()[: shape.numel()]
    return both.to(torch.int8).view(shape) - 8


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


def to_float(stored: dict[str, Tensor], base: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The float32 state dict of what `to_int8` made, or with the same `base` as there, `to_difference`.

    Float16 and float32 tensors are taken as they are. Raises KeyError, TypeError or RuntimeError where `base` lacks
    what the differences are of.
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
    """q times its scales, where there are such, in float32."""
    w = q.float() * along(stored[name + ROW], q, 0)
    return w * along(stored[name + COLUMN], q, 1) if name + COLUMN in stored else w
