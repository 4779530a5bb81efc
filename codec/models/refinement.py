"""The last stage of the synthesis: a small network at 1/4 of the resolution that sees the decoded picture itself.

The networks before it see latents only, so they cannot tell where the linear path rings or breaks at its blocks. As
the learned post-filters of video coding do (Dai, Liu & Wu, MMM 2017), this one looks at the picture, and at the
features it was made of, and puts out what to add.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec.models.layers import ResidualBlock, act, conv

UNSHUFFLE = 4  # pixels: a position of the network sees so many each way
WIDTH, DEPTH = 48, 2
REACH = UNSHUFFLE * (2 + 2 * DEPTH)  # pixels on each side that can influence one


class Refinement(nn.Module):
    """x_hat (B, 3, 4h, 4w) about [0, 1] and features (B, features, h, w) -> what to add, (B, 3, 4h, 4w).

    A new one adds nothing.
    """

    def __init__(self, features: int):
        super().__init__()
        pixels = 3 * UNSHUFFLE**2
        self.head = conv(pixels + features, WIDTH)
        self.res = nn.Sequential(*(ResidualBlock(WIDTH) for _ in range(DEPTH)))
        self.tail = conv(WIDTH, pixels)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)

    def forward(self, x_hat: Tensor, features: Tensor) -> Tensor:
        seen = F.pixel_unshuffle(2 * x_hat.float() - 1, UNSHUFFLE).contiguous(memory_format=torch.channels_last)
        with torch.autocast(x_hat.device.type, enabled=False):  # 8 bits would lose the edges of faint blocks
            h = self.head(torch.cat([seen, features.float()], 1))
        return F.pixel_shuffle(self.tail(act(self.res(h))), UNSHUFFLE).float()
