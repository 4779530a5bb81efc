"""Weights of few bits: every large tensor is whole multiples of one step, in training and in the file.

    w = step · q,   q in ±127,   step = share · the deviation of w

In training w is rounded and its gradient passed straight through, so the network learns to live with it. The file
holds q, for which LZMA needs about their entropy: log2(4.1/share) bits each where they are normally distributed, four
bits at a share of 1/4. Small tensors are float16: there are few of them, and the last layers are sensitive.

Networks that went on from one and the same, with its steps, differ by few of them: the file of such a one can hold the
differences from another.
"""

import lzma

import torch
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn
from torch.nn.utils import parametrize

from codec.networks.storage import ROW, to_float

WHOLE = "whole"  # in a run, the network of ordinary weights that the others start from
TOP = 127
SMALL = 1000  # weights: a tensor of fewer is float16
#: Bytes are weights in no order: neither their place nor the one before says anything about one.
FILTERS = [{"id": lzma.FILTER_LZMA2, "lc": 0, "lp": 0, "pb": 0, "dict_size": 1 << 20}]


class Multiples(nn.Module):
    """w, any shape -> the nearest multiple of `step`, its gradient passed straight through."""

    def __init__(self, step: float):
        super().__init__()
        self.step = step

    def whole(self, w: Tensor) -> Tensor:
        return (w / self.step).round().clamp(-TOP, TOP)

    def forward(self, w: Tensor) -> Tensor:
        return w + (self.whole(w) * self.step - w).detach()


def constrain(net: nn.Module, kernels: float, matrices: float, like: dict[str, Tensor] | None = None) -> None:
    """From now on the large weights of `net` are multiples of these shares of their deviations.

    like: the weights whose deviations count, where they have one of that name; the network's own by default.
    """
    for name, layer in list(net.named_modules()):
        weight = getattr(layer, "weight", None)
        if isinstance(weight, Tensor) and weight.numel() >= SMALL:
            share = kernels if weight.ndim > 2 else matrices
            measured = (like or {}).get(f"{name}.weight", weight)
            step = share * max(float(measured.detach().std()), 1e-12)
            parametrize.register_parametrization(layer, "weight", Multiples(step))


@torch.no_grad()
def settle(net: nn.Module) -> dict[str, Tensor]:
    """Makes ordinary weights of constrained ones again. Returns what `codec.networks.storage.to_float` reads back."""
    stored = {}
    for name, layer in list(net.named_modules()):
        if parametrize.is_parametrized(layer, "weight"):
            grid = layer.parametrizations.weight[0]
            stored[f"{name}.weight"] = grid.whole(layer.parametrizations.weight.original).to(torch.int8).contiguous()
            stored[f"{name}.weight{ROW}"] = torch.tensor([grid.step])
            parametrize.remove_parametrizations(layer, "weight")
    stored |= {k: v.half().contiguous() for k, v in net.state_dict().items() if k not in stored}
    net.load_state_dict(to_float(stored))
    return stored


def differing(stored: dict[str, Tensor], base: dict[str, Tensor]) -> list[str]:
    """The integers that are of the same steps in both."""
    steps = [k for k in stored if k.endswith(ROW) and k in base and torch.equal(stored[k], base[k])]
    return [k for k in (step.removesuffix(ROW) for step in steps) if stored[k].shape == base[k].shape]


def difference(stored: dict[str, Tensor], base: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors with integers less those of `base`, modulo 256, where both are of the same steps."""
    return stored | {k: stored[k] - base[k] for k in differing(stored, base)}


def restored(less: dict[str, Tensor], base: dict[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `difference`."""
    return less | {k: less[k] + base[k] for k in differing(less, base)}


def write(stored: dict[str, Tensor]) -> bytes:
    """Tensors -> the bytes of a file: safetensors, packed as .xz."""
    return lzma.compress(save_safetensors(stored), filters=FILTERS)


def read(data: bytes) -> dict[str, Tensor]:
    """The inverse of `write`; `codec.networks.storage.to_float` makes a state dict of it."""
    return load_safetensors(lzma.decompress(data))
