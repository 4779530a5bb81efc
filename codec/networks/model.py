"""The trunk as trained, together with its fidelity decoder: x -> (x_hat, bits). `networks.trunk` is the same in use."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from codec.networks.gain import Gain, lambda_map, rdo_weight
from codec.networks.hyperprior import EntropyModel
from codec.networks.transforms import Y_CHANNELS, Y_UNIT, Analysis, Synthesis, init_klt
from codec.spec import ANCHORS, TOP

CAUTION = 2.0  # of the rounding in training: how much more than linear theory says an error is taken to cost


class Output(NamedTuple):
    x_hat: Tensor  # (B, 3, H, W), not clipped
    y_bits: Tensor  # (B, 320, H/16, W/16)
    z_bits: Tensor  # (B, 64, H/64, W/64)


class CodecModel(nn.Module):
    """g_a, gain, entropy model and g_s. H and W must be multiples of 64."""

    def __init__(self):
        super().__init__()
        self.g_a = Analysis()
        self.gain = Gain(Y_CHANNELS)
        self.entropy = EntropyModel(Y_CHANNELS)
        self.g_s = Synthesis()

    def init_linear(self, patches: Tensor) -> None:
        """Makes the untrained model a linear transform codec; patches (n, 3, 16, 16) in [0, 1]."""
        std = init_klt(self.g_a, self.g_s, patches)
        # At high rate R + λ·D is least for a step of about 4.9/sqrt(λ) on 0…255 coefficients.
        gain = torch.tensor([Y_UNIT * math.sqrt(lmbda) / 4.9 for lmbda in ANCHORS])
        with torch.no_grad():
            self.gain.log_gain.copy_(gain.log()[:, None].expand_as(self.gain.log_gain))
        self.entropy.init_scales(std * gain[0], math.log(gain[-1] / gain[0]))

    def forward(self, x: Tensor, level: Tensor) -> Output:
        """x (B, 3, H, W) in [0, 1]; level (B, 1, H/64, W/64) in [0, TOP]."""
        y = self.g_a(x)
        level16 = level.repeat_interleave(4, 2).repeat_interleave(4, 3)
        gain = self.gain(level16)
        weight = CAUTION * rdo_weight(gain.detach(), lambda_map(level16))
        prediction, y_bits, z_bits = self.entropy(y * gain, level / TOP, weight)
        return Output(self.g_s(prediction.y_hat / gain, level16 / TOP), y_bits, z_bits)
