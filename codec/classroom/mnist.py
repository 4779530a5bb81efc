"""A codec for handwritten digits, small enough to be understood whole (after P. G. Basile, 2024).

    x (B, 1, 28, 28) --g_a--> y (B, d) --round--> y_hat (B, d) --g_s--> x_hat (B, 1, 28, 28)

It learns R + λ·D, R in bits per digit under a logistic prior, D the mean absolute error of pixels in [0, 1]. In
training uniform noise stands for the rounding (Ballé et al., "End-to-end optimized image compression", ICLR 2017).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 28
SLOPE = 0.2  # of the leaky ReLU


def dense(inputs: int, outputs: int, rank: int | None) -> nn.Module:
    """A dense layer, or, with a rank, the product of two: that is how the large ones are shipped."""
    if rank is None:
        return nn.Linear(inputs, outputs)
    return nn.Sequential(nn.Linear(inputs, rank, bias=False), nn.Linear(rank, outputs))


def analysis(d: int, rank: int | None = None) -> nn.Sequential:
    """g_a: x (B, 1, 28, 28) in [0, 1] -> y (B, d)."""
    return nn.Sequential(
        nn.Conv2d(1, 20, 5, stride=2, padding=2),
        nn.LeakyReLU(SLOPE),
        nn.Conv2d(20, 50, 5, stride=2, padding=2),
        nn.LeakyReLU(SLOPE),
        nn.Flatten(),
        dense(2450, 500, rank),
        nn.LeakyReLU(SLOPE),
        nn.Linear(500, d),
    )


def synthesis(d: int, rank: int | None = None) -> nn.Sequential:
    """g_s: y_hat (B, d) -> x_hat (B, 1, 28, 28), not clipped."""
    return nn.Sequential(
        nn.Linear(d, 500),
        nn.LeakyReLU(SLOPE),
        dense(500, 2450, rank),
        nn.LeakyReLU(SLOPE),
        nn.Unflatten(1, (50, 7, 7)),
        nn.ConvTranspose2d(50, 20, 5, stride=2, padding=2, output_padding=1),
        nn.LeakyReLU(SLOPE),
        nn.ConvTranspose2d(20, 1, 5, stride=2, padding=2, output_padding=1),
        nn.LeakyReLU(SLOPE),
    )


class DigitNet(nn.Module):
    """Both transforms and the prior, a logistic of learned scale around 0 for each of the d latents."""

    def __init__(self, d: int, rank: int | None = None):
        super().__init__()
        self.g_a, self.g_s = analysis(d, rank), synthesis(d, rank)
        self.log_scale = nn.Parameter(torch.zeros(d))

    def initialise(self, seed: int) -> "DigitNet":
        """Random weights as the report's framework draws them: uniform after Glorot, biases 0."""
        generator = torch.Generator().manual_seed(seed)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                nn.init.xavier_uniform_(layer.weight, generator=generator)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        return self

    def bits(self, y: Tensor) -> Tensor:
        """-log2 p(y) of each latent, (B, d): the logistic prior convolved with noise uniform in ±1/2.

        With u, l = (y ± 1/2)/s: σ(u) - σ(l) = σ(u)·σ(-l)·(1 - exp(-1/s)), which is never lost to cancellation.
        """
        scale = self.log_scale.exp()
        upper, lower = (y + 0.5) / scale, (y - 0.5) / scale
        log_p = F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(-1 / scale))
        return -log_p / math.log(2)

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, 1, 28, 28), noise (B, d) in ±1/2 -> x_hat (B, 1, 28, 28) and bits per digit (B,)."""
        y_tilde = self.g_a(x).float() + noise
        return self.g_s(y_tilde), self.bits(y_tilde).sum(1)


def distortion(x_hat: Tensor, x: Tensor) -> Tensor:
    """Mean absolute error per digit (B,)."""
    return (x_hat.float() - x).abs().flatten(1).mean(1)
