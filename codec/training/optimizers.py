"""How fast each part of a decoder learns."""

import torch
from torch import nn

from codec.training.muon import Muon

LEARNING_RATES = {"adam": 2e-4, "muon": 3e-3}
TYPICAL_WEIGHT = 0.08  # root mean square of the kernels' weights
SCALES_RATE = 12  # how much faster the kernel that reads the scales learns by Muon
NEW_RATE = 4  # how much faster kernels learn by Muon that the weights to start from lacked


def optimizers_of(
    decoder: nn.Module, kind: str, lr: float, new: frozenset[str] = frozenset()
) -> list[torch.optim.Optimizer]:
    """Adam for everything, or Muon for the networks' kernels and Adam for the rest.

    Adam moves every weight by about lr. The weights of the linear path are ten times smaller than the others, so
    they get a rate by their own scale; with that of the others a hundred steps at 1e-4 cost 1.2 dB at 0.6 bpp, not 0.1.
    Muon moves every kernel by as much: those that read the scales, which start from nothing and whose input is a tenth
    of that of the others, would take thousands of steps. So would `new` ones, kernels that the weights to start from
    lacked.
    """
    lr, adam_lr = lr or LEARNING_RATES[kind], lr if lr and kind == "adam" else LEARNING_RATES["adam"]
    klt = decoder.klt.weight
    rates = {name: NEW_RATE if name in new else 1 for name, p in decoder.named_parameters() if p.ndim == 4}
    rates |= {name: SCALES_RATE for name in rates if name.startswith("scales.")}
    kernels = {name: p for name, p in decoder.named_parameters() if name in rates and p is not klt}
    vectors = [p for p in decoder.parameters() if p.ndim < 4]
    groups = [
        {"params": vectors if kind == "muon" else [*kernels.values(), *vectors]},
        {"params": [klt], "lr": adam_lr * klt.detach().square().mean().sqrt().item() / TYPICAL_WEIGHT},
    ]
    adam = torch.optim.Adam(groups, lr=adam_lr, betas=(0.9, 0.99), fused=True)
    if kind != "muon":
        return [adam]
    return [Muon([{"params": [p], "lr": rates[name] * lr} for name, p in kernels.items()], lr=lr), adam]
