"""The discriminator of the generative decoders; needed for training only, never shipped.

    y_hat ─ 3×3 12 ─ nearest ─┬───────────────────────────────────────────────────────────────┐
    x or x_hat ───────────────┴─ 4×4 32 s2 ─ 4×4 64 s2 ─ 4×4 128 s2 ─ 4×4 1 ─► logits at 1/8  │
         └─ VGG-16, frozen ─ blocks 2, 3, 4, 5 ─ each with y_hat: 3×3 ─ 3×3 ─ 1×1 ─► logits at 1/2 to 1/16

Leaky ReLU 0.2 in between, spectral norm throughout (Miyato et al. 2018). The first row is HiFiC's conditional patch
discriminator (Mentzer et al. 2020), narrower. Alone it was still guessing after 350 steps on two cores. Heads on
features that know images already (Sauer et al., "Projected GANs converge faster", NeurIPS 2021) tell the two apart
within a hundred steps, and cost little where a loss has computed the features anyway.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from codec.networks.transforms import PATCH, Y_CHANNELS

CONDITION = 12  # channels of the latent that each branch sees
WIDTHS, STRIDES = (32, 64, 128, 1), (2, 2, 2, 1)  # of the convolutions on pixels


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Module:
    return spectral_norm(nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2 if kernel % 2 else 1))


class Discriminator(nn.Module):
    """Logits, one tensor (B, 1, h, w) for the pixels and one for each head; above 0 says: an original.

    x (B, 3, n, n) in [0, 1] is a window of a crop. `cut` cuts the same window out of a map on the crop's pixels.
    f holds the features of the window at any scale. y_hat (B, 320, H/16, W/16) is the crop's; it gets no gradient.
    """

    HEADS = ((2, 128, 48), (3, 256, 64), (4, 512, 96), (5, 512, 96))  # block, its channels, those of the head

    def __init__(self, channels: int = Y_CHANNELS):
        super().__init__()
        self.condition = conv(channels, CONDITION, 3)
        inputs = (3 + CONDITION, *WIDTHS)
        self.pixels = nn.ModuleList(
            conv(i, o, 4, stride) for i, o, stride in zip(inputs, WIDTHS, STRIDES, strict=False)
        )
        self.heads = nn.ModuleDict(
            {
                str(block): nn.ModuleList((conv(n + CONDITION, width, 3), conv(width, width, 3), conv(width, 1, 1)))
                for block, n, width in self.HEADS
            }
        )

    def forward(self, x: Tensor, f: dict[int, Tensor], y_hat: Tensor, cut: Callable[[Tensor], Tensor]) -> list[Tensor]:
        # asinh, as the decoders have it: the first coefficients are two orders of magnitude above the last.
        c = F.leaky_relu(self.condition(torch.asinh(y_hat.detach())), 0.2)
        c = cut(F.interpolate(c, scale_factor=PATCH, mode="nearest"))
        logits = [self._judge(self.pixels, 2 * x - 1, c)]
        for block, head in self.heads.items():
            # The logarithm brings the blocks, whose features differ by an order of magnitude, to one scale.
            a = torch.log1p(f[int(block)])
            logits.append(self._judge(head, a, F.interpolate(c, a.shape[2:], mode="nearest")))
        return logits

    @staticmethod
    def _judge(convs: nn.ModuleList, h: Tensor, c: Tensor) -> Tensor:
        h = torch.cat([h, c], 1)
        for layer in convs[:-1]:
            h = F.leaky_relu(layer(h), 0.2)
        return convs[-1](h).float()
