"""The few building blocks that every transform is made of."""

import torch
from torch import Tensor, nn

SLOPE = 0.125  # of the leaky ReLU; a power of two, so that integer networks can apply it with a shift


def conv(in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size (stride 1) or divides it by `stride`."""
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2)


def act(x: Tensor) -> Tensor:
    return nn.functional.leaky_relu(x, SLOPE)


class ResidualBlock(nn.Module):
    """x + conv(act(conv(act(x)))), shapes unchanged."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = conv(channels, channels)
        self.conv2 = conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(act(self.conv1(act(x))))


def round_ste(x: Tensor) -> Tensor:
    """Rounds to the nearest integer; the gradient passes straight through (Theis et al. 2017)."""
    return x + (torch.round(x) - x).detach()
