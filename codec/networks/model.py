"""The trunk in training, with its fidelity decoder: x -> (x_hat, bits). `networks.trunk` is the trunk in use."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec.networks.gain import Gain, lambda_map
from codec.networks.hyperprior import EntropyModel
from codec.networks.transforms import PATCH, Y_CHANNELS, Y_UNIT, Analysis, Synthesis
from codec.networks.trunk import rdo_weight
from codec.spec import NEXT_ANCHORS

DEPTHS = (1, 2, 2)  # residual blocks at 1/4, 1/8 and 1/16 of g_a and g_s in training
CAUTION = 2.0  # of the rounding in training: how much more than linear theory says an error is taken to cost


class Output(NamedTuple):
    """All float32."""

    x_hat: Tensor  # (B, 3, H, W), not clipped
    y_bits: Tensor  # (B, 320, H/16, W/16)
    z_bits: Tensor  # (B, 64, H/64, W/64)


class CodecModel(nn.Module):
    """g_a, gain, entropy model and g_s. H and W must be multiples of 64."""

    def __init__(self, anchors: tuple[float, ...] = NEXT_ANCHORS, depths: tuple[int, int, int] = DEPTHS):
        super().__init__()
        self.anchors, self.top = anchors, len(anchors) - 1
        self.g_a = Analysis(depths=depths)
        self.gain = Gain(Y_CHANNELS, anchors)
        self.entropy = EntropyModel(Y_CHANNELS)
        self.g_s = Synthesis(depths=depths)

    def init_linear(self, patches: Tensor) -> None:
        """Turns the untrained model into a linear transform codec; patches (n, 3, 16, 16) in [0, 1]."""
        std = init_klt(self.g_a, self.g_s, patches)
        # At high rate R + λ·D is least for a step of about 4.9/sqrt(λ) on 0…255 coefficients.
        gain = torch.tensor([Y_UNIT * math.sqrt(lmbda) / 4.9 for lmbda in self.anchors])
        with torch.no_grad():
            self.gain.log_gain.copy_(gain.log()[:, None].expand_as(self.gain.log_gain))
        self.entropy.init_scales(std * gain[0], math.log(gain[-1] / gain[0]))

    def forward(self, x: Tensor, level: Tensor) -> Output:
        """x (B, 3, H, W) in [0, 1]; level (B, 1, H/64, W/64) in [0, top]."""
        y = self.g_a(x)
        level16 = level.repeat_interleave(4, 2).repeat_interleave(4, 3)
        gain = self.gain(level16)
        weight = CAUTION * rdo_weight(gain.detach(), lambda_map(level16, self.anchors))
        prediction, y_bits, z_bits = self.entropy(y * gain, level / self.top, weight)
        return Output(self.g_s(prediction.y_hat / gain, level16 / self.top), y_bits, z_bits)


def framed(kernels: Tensor, size: int) -> Tensor:
    """Kernels (C, 3, k, k) -> (C, 3, size, size), with zeros around them."""
    border = (size - kernels.shape[-1]) // 2
    return F.pad(kernels, [border] * 4)


@torch.no_grad()
def init_klt(g_a: Analysis, g_s: Synthesis, patches: Tensor) -> Tensor:
    """Sets the linear paths to the KLT of `patches` (n, 3, 16, 16) in [0, 1].

    Returns the standard deviation of each of the coefficients, (C,), in the units of y.
    """
    channels = g_a.klt.out_channels
    flat = patches.flatten(1).double()
    mean = flat.mean(0)
    variance, basis = torch.linalg.eigh((flat - mean).T @ (flat - mean) / len(flat))
    variance, basis = variance.flip(0)[:channels], basis.flip(1)[:, :channels].T
    scale = 255 / Y_UNIT
    g_a.klt.weight.copy_((basis * scale).view(channels, 3, PATCH, PATCH))
    g_a.klt.bias.copy_(-(basis * scale) @ mean)
    g_s.klt.weight.copy_(framed((basis / scale).view(channels, 3, PATCH, PATCH), g_s.klt.kernel_size[0]))
    # Patches average to a smooth mean picture: its mean per colour is all that a bias can carry.
    g_s.klt.bias.copy_(mean.view(3, -1).mean(1))
    for last in (g_a.tail, g_s.tail):
        last.weight.mul_(0.05)
        last.bias.zero_()
    return (variance.clamp(min=0).sqrt() * scale).float()
