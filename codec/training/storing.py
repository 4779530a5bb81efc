"""From the float weights of a decoder to what is stored of them; `codec.networks.storage` has the format.

Kernels are rounded so that their sums stay: what comes in is smooth and of one sign, so each output would be shifted by
the sum of the errors. Rounded to nearest, an LPIPS decoder lost 2 % of LPIPS at 0.1 bpp; with this it loses 0.4 %.

With half a byte, the few largest weights of an output are cut off where that lets the others be nearer: of what an
LPIPS decoder differs by from its base, 1.5 % of the energy is lost, without it 2.4 %.
"""

import hashlib
import json

import torch
import torch.nn.functional as F
from torch import Tensor

from codec.networks.storage import COLUMN, DIFFERENCE, FIRST, KLT, ROW, along
from codec.weights import Weights
from codec.writing import atomic_write

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


def to_difference(state: dict[str, Tensor], base: dict[str, Tensor], limit: int = FEW) -> dict[str, Tensor]:
    """Float tensors -> what to store of them beside `base`: kernels that both have as their difference in half bytes.

    The KLT's difference takes a byte: it lies closest to the picture. What `base` lacks, or has in another shape, is
    stored as `to_int8` does. With a limit of 127 every difference takes a byte: near enough to train on from.
    """
    stored = {}
    for name, value in state.items():
        w = value.detach().float().cpu()
        if w.ndim < 2 or name not in base or base[name].shape != w.shape:
            stored |= to_int8({name: w})
            continue
        w = w - base[name]
        q, scales = integers(name, w, 127 if name == KLT else limit)
        stored |= {name + DIFFERENCE: packed(q) if name != KLT and limit == FEW else q, **scales}
    return stored


def integers(name: str, w: Tensor, limit: int) -> tuple[Tensor, dict[str, Tensor]]:
    """w (out, in, ...) as int8 in ±limit, and the scales of its output and its input channels."""
    column = largest(w.transpose(0, 1)).sqrt()
    w = w / along(column, w, 1)
    tried = [whole(w, largest(w) * cut / limit, limit) for cut in (CUTS if limit == FEW else (1.0,))]
    errors = [(q * along(row, q, 0) - w) * along(column, q, 1) for row, q in tried]
    best = torch.stack([e.flatten(1).square().sum(1) for e in errors]).argmin(0)
    row, q = (torch.stack(tried_values)[best, torch.arange(len(w))] for tried_values in zip(*tried, strict=True))
    return q.to(torch.int8).contiguous(), {name + ROW: row, name + COLUMN: column}


def whole(w: Tensor, row: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """`row`, and w in whole numbers of it."""
    return row, rounded(w / along(row, w, 0)).clamp(-limit, limit)


def packed(q: Tensor) -> Tensor:
    """Integers in -8…7, two to a byte: the first in the lower half."""
    flat = F.pad(q.flatten() + 8, (0, q.numel() % 2)).to(torch.uint8)
    return flat[::2] | flat[1::2] << 4


def rounded(w: Tensor) -> Tensor:
    """Integers near w (out, in, ...), each kernel's sum within 1/2 of what it was: those nearest to a tie give way."""
    q = torch.round(w)
    error = (w - q).reshape(*w.shape[:2], -1)
    missing = error.sum(2, keepdim=True).round()
    rank = (error * missing.sign()).argsort(dim=2, descending=True, stable=True).argsort(dim=2)
    return q + (missing.sign() * (rank < missing.abs())).reshape(q.shape)


def largest(w: Tensor) -> Tensor:
    """The largest magnitude for each place of the first axis, 1 where all are 0."""
    values = w.flatten(1).abs().amax(1)
    return torch.where(values > 0, values, 1.0)


def trunk_id(entropy_file: bytes) -> str:
    """The id that streams carry: eight hexadecimal digits of the SHA-256 of the file that decoding depends on.

    Another analysis transform makes other streams, but all of them decode; so it does not count.
    """
    return hashlib.sha256(entropy_file).hexdigest()[:8]


def write_file(weights: Weights, name: str, data: bytes) -> dict[str, str]:
    """Writes a file of weights; returns its name with its SHA-256, as an entry of the manifest has it."""
    weights.folder.mkdir(parents=True, exist_ok=True)
    atomic_write(weights.folder / name, data)
    return {name: hashlib.sha256(data).hexdigest()}


def write_entry(weights: Weights, decoder: str, entry: dict) -> None:
    """Puts the entry of a decoder of the current trunk into the manifest, and leaves the others."""
    manifest = Weights(weights.folder).manifest  # another may have been added since `weights` read it
    manifest["decoders"][f"{manifest['trunk']}/{decoder}"] = entry
    write_manifest(weights, manifest)


def write_manifest(weights: Weights, manifest: dict) -> None:
    """Replaces the manifest."""
    weights.manifest = manifest
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    atomic_write(weights.folder / "manifest.json", text.encode())
