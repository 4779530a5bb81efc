"""The discriminator of HiFiC (Mentzer et al. 2020); needed for training only, never shipped.

    y_hat ─ 3×3 12 ─ nearest ×16 ─┐
    x or x_hat ───────────────────┴─ 4×4 64 s2 ─ 4×4 128 s2 ─ 4×4 256 s2 ─ 4×4 512 ─ 4×4 1 ─► logits at 1/8

Leaky ReLU 0.2 in between, spectral norm throughout (Miyato et al. 2018).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from codec.models.transforms import PATCH, Y_CHANNELS


class Discriminator(nn.Module):
    """x (B, 3, H, W) in [0, 1] and y_hat (B, 320, H/16, W/16) -> logits (B, 1, about H/8, about W/8)."""

    WIDTHS, STRIDES = (64, 128, 256, 512, 1), (2, 2, 2, 1, 1)

    def __init__(self, channels: int = Y_CHANNELS, condition: int = 12):
        super().__init__()
        self.condition = spectral_norm(nn.Conv2d(channels, condition, 3, padding=1))
        inputs = (3 + condition, *self.WIDTHS)
        self.convs = nn.ModuleList(
            spectral_norm(nn.Conv2d(i, o, 4, stride, padding=1))
            for i, o, stride in zip(inputs, self.WIDTHS, self.STRIDES, strict=False)
        )

    def forward(self, x: Tensor, y_hat: Tensor) -> Tensor:
        """Picture i is judged as the decoding of latent i; where there are twice as many pictures as latents, the
        second half is judged with the same latents as the first. No gradient reaches y_hat."""
        # asinh, as the decoders have it: the first coefficients are two orders of magnitude above the last.
        c = F.leaky_relu(self.condition(torch.asinh(y_hat.detach())), 0.2)
        c = F.interpolate(c, scale_factor=PATCH, mode="nearest")
        if len(x) != len(c):
            c = torch.cat([c, c])  # not interleaved: real pictures come first, then the decoded ones
        h = torch.cat([2 * x - 1, c], 1)
        for conv in self.convs[:-1]:
            h = F.leaky_relu(conv(h), 0.2)
        return self.convs[-1](h).float()
