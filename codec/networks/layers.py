"""The few building blocks that every transform is made of."""

import torch
from torch import Tensor, nn

from codec.spec import SLOPE


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


class ChannelNorm(nn.Module):
    """Zero mean and unit variance over the channels of every pixel, then a gain and a bias per channel.

    Mentzer et al., "High-Fidelity Generative Image Compression", NeurIPS 2020: statistics of one pixel do not
    depend on the size of the picture, nor, in tiles, on where it was cut.
    """

    def __init__(self, channels: int, eps: float = 1e-3):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x.float(), 1, correction=0, keepdim=True)
        scale = torch.rsqrt(variance + self.eps) * self.weight[:, None, None]
        return ((x - mean) * scale + self.bias[:, None, None]).to(x.dtype)


class NormBlock(nn.Module):
    """x + norm(conv(relu(norm(conv(x))))), the residual block of HiFiC's generator, shapes unchanged.

    The last gain and bias start at zero, so that a new block passes x on unchanged.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = conv(channels, channels)
        self.norm1 = ChannelNorm(channels)
        self.conv2 = conv(channels, channels)
        self.norm2 = ChannelNorm(channels)
        nn.init.zeros_(self.norm2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))


def round_ste(x: Tensor) -> Tensor:
    """Rounds to the nearest integer; the gradient passes straight through (Theis et al. 2017)."""
    return x + (torch.round(x) - x).detach()
