"""The discriminator of the generative decoders; needed for training only, never shipped.

    y_hat ─ 3×3 12 ─ nearest ─┬──────────────────────────────────────────────────────────────┐
    x or x_hat ───────────────┴─ 4×4 32 s2 ─ 4×4 64 s2 ─ 4×4 128 s2 ─ 4×4 1 ─► logits at 1/8 │
         └─ AlexNet, frozen ─ ReLU 1, 2, 3 ─ each with y_hat: 3×3 ─ 3×3 ─ 1×1 ─► logits at 1/4, 1/8 and 1/16

Leaky ReLU 0.2 in between, spectral norm throughout (Miyato et al. 2018). The first row is HiFiC's conditional patch
discriminator (Mentzer et al. 2020), narrower. Alone it was still guessing after 350 steps on two cores; the heads on
features that know pictures already (Sauer et al., "Projected GANs converge faster", NeurIPS 2021) tell the two apart
within a hundred, and cost little where LPIPS has computed the features anyway.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from codec.networks.transforms import PATCH, Y_CHANNELS

CONDITION = 12  # channels of the latent that each branch sees


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Module:
    return spectral_norm(nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2 if kernel % 2 else 1))


class Discriminator(nn.Module):
    """Logits, one tensor (B, 1, h, w) for the pixels and one for each head.

    x (B, 3, H, W) in [0, 1], y_hat (B, 320, H/16, W/16), activations as `LPIPS.activations` has them of x, which
    may be moved by a few pixels. A logit above 0 says: an original.
    """

    WIDTHS, STRIDES = (32, 64, 128, 1), (2, 2, 2, 1)
    HEADS = ((64, 64), (192, 128), (384, 128))  # channels of AlexNet's layers, and of the head

    def __init__(self, channels: int = Y_CHANNELS):
        super().__init__()
        self.condition = conv(channels, CONDITION, 3)
        inputs = (3 + CONDITION, *self.WIDTHS)
        self.pixels = nn.ModuleList(
            conv(i, o, 4, stride) for i, o, stride in zip(inputs, self.WIDTHS, self.STRIDES, strict=False)
        )
        self.heads = nn.ModuleList(
            nn.ModuleList((conv(n + CONDITION, width, 3), conv(width, width, 3), conv(width, 1, 1)))
            for n, width in self.HEADS
        )

    def forward(self, x: Tensor, activations: list[Tensor], y_hat: Tensor) -> list[Tensor]:
        """Picture i is judged as the decoding of latent i; where there are twice as many pictures as latents, the
        second half is judged with the same latents as the first. No gradient reaches y_hat."""
        # asinh, as the decoders have it: the first coefficients are two orders of magnitude above the last.
        c = F.leaky_relu(self.condition(torch.asinh(y_hat.detach())), 0.2)
        if len(x) != len(c):
            c = torch.cat([c, c])  # not interleaved: real pictures come first, then the decoded ones
        logits = [self._judge(self.pixels, 2 * x - 1, F.interpolate(c, scale_factor=PATCH, mode="nearest"))]
        for head, a in zip(self.heads, activations, strict=False):  # what AlexNet has beyond them stays unseen
            # The logarithm brings the layers, whose activations differ by an order of magnitude, to one scale.
            logits.append(self._judge(head, torch.log1p(a), F.interpolate(c, a.shape[2:], mode="nearest")))
        return logits

    @staticmethod
    def _judge(convs: nn.ModuleList, h: Tensor, c: Tensor) -> Tensor:
        h = torch.cat([h, c], 1)
        for layer in convs[:-1]:
            h = F.leaky_relu(layer(h), 0.2)
        return convs[-1](h).float()
