"""How fast each part of a network learns, and the average of its weights that is kept."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from codec.networks.model import CodecModel
from codec.training.muon import Muon

LEARNING_RATES = {"adam": 2e-4, "muon": 3e-3}
TYPICAL_WEIGHT = 0.08  # root mean square of the kernels' weights
SCALES_RATE = 12  # how much faster the kernel that reads the scales learns by Muon
NEW_RATE = 4  # how much faster kernels learn by Muon that the weights to start from lacked


class Optimizers:
    """Optimizers of one network that step together, each at its own learning rate.

    A gradient that is not finite counts as zero. That is done on the device: a look at it would make a GPU wait.
    """

    def __init__(self, *optimizers: torch.optim.Optimizer, clip: float = 2.0):
        self.all, self.clip = optimizers, clip
        self.parameters: list[Tensor] = [p for o in optimizers for group in o.param_groups for p in group["params"]]
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["base_lr"] = group["lr"]

    def step(self, factor: float = 1.0) -> Tensor:
        """A step with the learning rates times `factor`, the gradient cut to a norm of `clip`; returns its norm."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        # Under a norm of `clip` the factor is 1; where the norm is not finite it is 0, and 0·nan is made 0 below.
        torch._foreach_mul_(gradients, torch.where(norm.isfinite(), (self.clip / norm).clamp(max=1.0), 0.0))
        for gradient in gradients:
            gradient.nan_to_num_(0.0, 0.0, 0.0)
        for optimizer in self.all:
            for group in optimizer.param_groups:
                group["lr"] = group["base_lr"] * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return norm

    def state_dict(self) -> list[dict]:
        return [optimizer.state_dict() for optimizer in self.all]

    def load_state_dict(self, states: Iterable[dict]) -> None:
        for optimizer, state in zip(self.all, states, strict=True):
            optimizer.load_state_dict(state)


def averaged(net: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of a network's weights, with a short memory at first; it is `.module`."""

    def blend(means: list[Tensor], weights: list[Tensor], count: Tensor) -> None:
        new = 1 - ((1 + count) / (10 + count)).clamp(max=decay)  # on the device, which is not waited for
        torch._foreach_mul_(means, 1 - new)
        torch._foreach_add_(means, torch._foreach_mul(weights, new))

    return AveragedModel(net, multi_avg_fn=torch.no_grad()(blend)).requires_grad_(False).eval()


def trunk_optimizers(model: CodecModel, lr: float, adam_lr: float) -> Optimizers:
    """Muon for the kernels of the networks; Adam for the rest, and for the linear paths by their own scale."""
    klt = [model.g_a.klt.weight, model.g_s.klt.weight]
    kernels = [p for p in model.parameters() if p.ndim == 4 and all(p is not k for k in klt)]
    groups = [{"params": [p for p in model.parameters() if p.ndim != 4], "lr": adam_lr}]
    groups += [{"params": [k], "lr": 0.5 * adam_lr * k.detach().square().mean().sqrt().item()} for k in klt]
    return Optimizers(Muon(kernels, lr=lr), torch.optim.Adam(groups, betas=(0.9, 0.98), fused=True))


def decoder_optimizers(
    decoder: nn.Module, kind: str, lr: float, new: frozenset[str] = frozenset(), clip: float = 2.0
) -> Optimizers:
    """Adam for everything, or Muon for the networks' kernels and Adam for the rest; lr 0: as LEARNING_RATES has it.

    Adam moves every weight by about lr. The weights of the linear path are ten times smaller than the others, so
    they get a rate by their own scale; with that of the others a hundred steps at 1e-4 cost 1.2 dB at 0.6 bpp, not 0.1.
    Muon moves every kernel by as much: those that read the scales, which start from nothing and whose input is a tenth
    of that of the others, would take thousands of steps. So would `new` ones, kernels that the weights to start from
    lacked.
    """
    lr, adam_lr = lr or LEARNING_RATES[kind], lr if lr and kind == "adam" else LEARNING_RATES["adam"]
    klt = decoder.klt.weight
    kernels = {name: p for name, p in decoder.named_parameters() if p.ndim == 4 and p is not klt}
    vectors = [p for p in decoder.parameters() if p.ndim < 4]

    def rate(name: str) -> float:
        return lr * (SCALES_RATE if name.startswith("scales.") else NEW_RATE if name in new else 1)

    groups = [
        {"params": vectors if kind == "muon" else [*kernels.values(), *vectors]},
        {"params": [klt], "lr": adam_lr * klt.detach().square().mean().sqrt().item() / TYPICAL_WEIGHT},
    ]
    adam = torch.optim.Adam(groups, lr=adam_lr, betas=(0.9, 0.99), fused=True)
    if kind != "muon":
        return Optimizers(adam, clip=clip)
    rates = sorted({rate(name) for name in kernels})  # one group a rate: Muon takes kernels of one shape together
    muon = [{"params": [p for name, p in kernels.items() if rate(name) == r], "lr": r} for r in rates]
    return Optimizers(Muon(muon, lr=lr), adam, clip=clip)
