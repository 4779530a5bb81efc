"""Muon (Jordan et al. 2024) for convolution kernels: momentum, orthogonalised.

torch.optim.Muon takes matrices only; a kernel is used here as the matrix (out, in·k·k).
"""

import torch
from torch import Tensor

from codec.device import has_bfloat16

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalize(g: Tensor, steps: int = 5) -> Tensor:
    """Nearest semi-orthogonal matrix to g (m, n), roughly, by a quintic Newton–Schulz iteration."""
    x = g.bfloat16() if has_bfloat16(g.device) else g.float()  # imitated, bfloat16 takes ten times as long
    transposed = x.shape[0] > x.shape[1]
    if transposed:
        x = x.T
    x = x / (x.norm() + 1e-7)
    x = _iterate(x, steps) if x.dtype == torch.bfloat16 else _iterate_gram(x, steps)
    return (x.T if transposed else x).to(g.dtype)


def _iterate(x: Tensor, steps: int) -> Tensor:
    """x ← (a + b·xxᵀ + c·(xxᵀ)²)·x, `steps` times."""
    a, b, c = COEFFICIENTS
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x


def _iterate_gram(x: Tensor, steps: int) -> Tensor:
    """The same in half the time, on xxᵀ alone, which is small: the products of all factors meet x at the end.

    For float32: what xxᵀ keeps in bfloat16 of the small singular values is not enough.
    """
    a, b, c = COEFFICIENTS
    gram, factors = x @ x.T, None
    for step in range(steps):
        p = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        p.diagonal().add_(a)
        factors = p if factors is None else p @ factors
        if step < steps - 1:
            gram = p @ gram @ p  # they commute
    return factors @ x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum whose update is orthogonalised; a step changes the spectral norm by about lr."""

    def __init__(self, params, lr: float = 0.02, momentum: float = 0.95):
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                buffer = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
                buffer.lerp_(p.grad, 1 - group["momentum"])
                update = p.grad.lerp(buffer, group["momentum"]).flatten(1)
                scale = max(1.0, update.shape[0] / update.shape[1]) ** 0.5
                p.add_(orthogonalize(update).view_as(p), alpha=-group["lr"] * scale)
