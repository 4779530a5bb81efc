"""A compressive autoencoder of 2017 (Theis et al., ICLR 2017; as Meynard et al. 2018 built it), narrowed to be small.

    x (B, 3, H, W) --g_a--> y (B, 32, H/8, W/8) --round--> y_hat --g_s--> x_hat (B, 3, H, W)

Convolutions of stride 2 go down, three residual blocks think, sub-pixel convolutions (Shi et al. 2016) go up. Rounding
and clipping have no useful gradient, so it is passed straight through both.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS = 32  # half a symbol per pixel
WIDTH = 48
STRIDE = 8
TOP = 31  # symbols are clipped to ±TOP


class _Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx, y: Tensor) -> Tensor:
        return y.clamp(-TOP, TOP).round()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient


class Residual(nn.Module):
    """x + conv(relu(conv(x))), (B, C, h, w) -> the same (He et al. 2015)."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(x)))


def up(inputs: int, outputs: int, kernel: int = 3) -> nn.Sequential:
    """(B, inputs, h, w) -> (B, outputs, 2h, 2w): a convolution whose channels become pixels."""
    return nn.Sequential(nn.Conv2d(inputs, 4 * outputs, kernel, padding=kernel // 2), nn.PixelShuffle(2))


class AutoEncoder(nn.Module):
    """g_a and g_s; pictures are in [0, 1] outside, centred and scaled inside."""

    def __init__(self):
        super().__init__()
        self.g_a = nn.Sequential(
            nn.Conv2d(3, 32, 5, stride=2, padding=2),
            nn.LeakyReLU(0.2),
            nn.Conv2d(32, WIDTH, 5, stride=2, padding=2),
            nn.LeakyReLU(0.2),
            *(Residual(WIDTH) for _ in range(3)),
            nn.Conv2d(WIDTH, CHANNELS, 5, stride=2, padding=2),
        )
        self.g_s = nn.Sequential(
            up(CHANNELS, WIDTH),
            *(Residual(WIDTH) for _ in range(3)),
            up(WIDTH, 32),
            nn.LeakyReLU(0.2),
            up(32, 3),
        )

    def analyse(self, x: Tensor) -> Tensor:
        """x (B, 3, H, W) in [0, 1] -> y (B, 32, H/8, W/8), not rounded; H and W multiples of 8."""
        return self.g_a((x - 0.45) / 0.25).float()

    def quantise(self, y: Tensor) -> Tensor:
        """Whole numbers in ±31."""
        return _Round.apply(y)

    def synthesise(self, y_hat: Tensor) -> Tensor:
        """y_hat (B, 32, h, w) -> x_hat (B, 3, 8h, 8w), not clipped."""
        return self.g_s(y_hat).float() * 0.25 + 0.45

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x -> x_hat, not clipped, and y before rounding."""
        y = self.analyse(x)
        return self.synthesise(self.quantise(y)), y


def soft_entropy(y: Tensor) -> Tensor:
    """Entropy in bits per symbol of y, any shape, with a gradient.

    Every value is shared out between the two whole numbers next to it, so the histogram moves when the value does.
    """
    flat = y.clamp(-TOP, TOP).flatten()
    low = flat.detach().floor()
    share = flat - low
    bins = (low + TOP).long()
    counts = torch.zeros(2 * TOP + 2).scatter_add(0, bins, 1 - share).scatter_add(0, bins + 1, share)
    p = counts / flat.numel()
    return -(p * (p + 1e-9).log2()).sum()
