"""A filter that removes the edges of the linear path's 16×16 blocks where the decoded picture is smooth.

At 0.1 bpp most blocks of a sky or a cheek have only their mean, and one sees their edges first. As in VVC
(Karczewicz et al., "VVC in-loop filters", IEEE TCSVT 2021) a long filter turns a small step between two blocks into a
ramp. It spares a step beside which the picture moves so much that the step may be part of it. Unlike VVC's it is not
in the coding loop, and its limits are weights of the decoder, trained with the others.
"""

import math

import torch
from torch import Tensor, nn

BLOCK = 16
REACH = BLOCK // 2  # pixels on each side of an edge that are changed
LINES = 4  # along an edge that share a decision, against streaks


class Deblocking(nn.Module):
    """x_hat (B, 3, 16h, 16w), about [0, 1], and the level map (B, 1, h, w) in [0, 1] -> x_hat, filtered."""

    def __init__(self):
        super().__init__()
        # Logarithms by `math`: on the meta device `Tensor.log` would import all of torch._dynamo, in two seconds.
        # All values are as fitted to the decoder for MSE. Logarithms of the largest step, and of the most movement
        # beside it, in 0…255, that are filtered in full; twice as much is not. At level 0, and what level 1 adds.
        self.step = nn.Parameter(torch.tensor([math.log(24.0), math.log(0.2)]))
        self.movement = nn.Parameter(torch.tensor([math.log(32.0), math.log(0.26)]))
        # The share of the step that each pixel from the edge outwards takes, where they are still and where they move.
        self.still = nn.Parameter(torch.tensor([0.43, 0.34, 0.22, 0.15, 0.1, 0.05, 0.02, 0.0]))
        self.moving = nn.Parameter(torch.tensor([0.3, 0.07] + [0.0] * (REACH - 2)))

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        # Cut along rows both times: adding up along the innermost axis takes more than twice as long.
        x = self._down(x.mT.contiguous(), level.mT)
        return self._down(x.mT.contiguous(), level)

    def _down(self, x: Tensor, level: Tensor) -> Tensor:
        """Filters across the horizontal edges, in place."""
        blocks = x.unflatten(2, (-1, BLOCK))  # (B, 3, h, 16, W)
        step = blocks[:, :, 1:, 0] - blocks[:, :, :-1, -1]  # (B, 3, h - 1, W)
        above, below = (
            half.diff(dim=3).abs().sum(3).amax(1) for half in (blocks[:, :, :-1, REACH:], blocks[:, :, 1:, :REACH])
        )
        pair = (level[:, 0, 1:] + level[:, 0, :-1]) / 2  # (B, h - 1, w)
        small = share_below(self.step, step.abs().amax(1), pair)
        still = share_below(self.movement, torch.maximum(above, below), pair)[:, :, None]
        ramp = self.moving[:, None] + still * (self.still - self.moving)[:, None]  # (B, h - 1, 8, W)
        part = (small[:, None] * step)[:, :, :, None] * ramp[:, None]
        blocks[:, :, 1:, :REACH] -= part
        blocks[:, :, :-1, REACH:] += part.flip(3)
        return x


def share_below(limit: Tensor, values: Tensor, level: Tensor) -> Tensor:
    """How far values (B, n, W) are below a limit at level (B, n, w): (B, n, W) in [0, 1], means over LINES lines."""
    limit = torch.exp(limit[0] + limit[1] * level[..., None, None]) / 255  # (B, n, w, 1, 1)
    lines = values.unflatten(2, (level.shape[2], -1, LINES))  # (B, n, w, 4, 4)
    part = (2 - lines / limit).clamp(0, 1).mean(4, keepdim=True)
    return part.expand_as(lines).flatten(2)
