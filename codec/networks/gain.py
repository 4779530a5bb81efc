"""Variable rate by gain vectors, in training (Cui et al., "Asymmetric gained deep image compression", CVPR 2021).

`codec.spec` explains levels and quality indices. `networks.trunk` uses a table of the trained gains.
"""

import torch
from torch import Tensor, nn

from codec.spec import ANCHORS, BYTE_MAX


def lambda_map(level: Tensor, anchors: tuple[float, ...] = ANCHORS) -> Tensor:
    """λ of a map of levels (B, 1, h, w), same shape; `spec.lambda_from_level` for tensors."""
    return torch.exp(interpolate(torch.tensor(anchors, device=level.device).log()[:, None], level))


def interpolate(table: Tensor, level: Tensor) -> Tensor:
    """Linear interpolation of the rows of `table` (anchors, C) at `level` (B, 1, h, w) -> (B, C, h, w)."""
    anchors = torch.arange(table.shape[0], device=level.device, dtype=level.dtype).view(1, -1, 1, 1)
    hat = (1 - (level - anchors).abs()).clamp(min=0)
    return torch.einsum("bahw,ac->bchw", hat, table)


class Gain(nn.Module):
    """The gain of each channel as a function of the level at each location.

    y is multiplied by the gain before rounding, and y_hat is divided by it. So the quantiser's step in channel c is
    1 / gain[c].
    """

    def __init__(self, channels: int, anchors: tuple[float, ...] = ANCHORS):
        super().__init__()
        self.log_gain = nn.Parameter(torch.zeros(len(anchors), channels))

    def forward(self, level: Tensor) -> Tensor:
        """level (B, 1, h, w) in [0, TOP] -> gain (B, C, h, w)."""
        return torch.exp(interpolate(self.log_gain, level))

    @torch.no_grad()
    def table(self) -> Tensor:
        """The gain of every quality index, float16 (256, C), as it is stored."""
        level = torch.arange(BYTE_MAX + 1, dtype=torch.float32).view(1, 1, 1, -1) * (
            (len(self.log_gain) - 1) / BYTE_MAX
        )
        return self.forward(level)[0, :, 0].T.half().contiguous()
