"""Variable rate by gain vectors (Cui et al., "Asymmetric gained deep image compression", CVPR 2021).

A *level* is a position on the ladder of anchor λ's: level 0 is ANCHORS[0], level 7 is ANCHORS[7], and
between two anchors λ and the gains are interpolated geometrically. In a stream a level is one byte.
"""

import math

import torch
from torch import Tensor, nn

from codec.models.transforms import Y_UNIT

#: λ on the scale of CompressAI, loss = R + λ·255²·MSE with R in bits per pixel and MSE on [0, 1]. The five lowest
#: reach below CompressAI's range: a rough photograph needs them for 0.06 bpp.
ANCHORS = (0.00006, 0.00012, 0.00025, 0.0005, 0.0009, 0.0018, 0.0035, 0.0067, 0.0130, 0.0250, 0.0483)
TOP = len(ANCHORS) - 1
BYTE_MAX = 255


def level_from_lambda(lmbda: float) -> float:
    """The level in [0, TOP] of a λ; values beyond the anchors are clipped."""
    if lmbda <= ANCHORS[0]:
        return 0.0
    for i in range(TOP):
        low, high = ANCHORS[i], ANCHORS[i + 1]
        if lmbda <= high:
            return i + math.log(lmbda / low) / math.log(high / low)
    return float(TOP)


def lambda_from_level(level: float) -> float:
    """The λ of a level in [0, TOP]."""
    i = min(int(level), TOP - 1)
    return ANCHORS[i] * (ANCHORS[i + 1] / ANCHORS[i]) ** (level - i)


def lambda_map(level: Tensor) -> Tensor:
    """λ at every location of a map of levels; the tensor twin of `lambda_from_level`."""
    return torch.exp(interpolate(torch.tensor(ANCHORS, device=level.device).log()[:, None], level))


def interpolate(table: Tensor, level: Tensor) -> Tensor:
    """Linear interpolation of the rows of `table` (anchors, C) at `level` (B, 1, h, w) -> (B, C, h, w)."""
    anchors = torch.arange(table.shape[0], device=level.device, dtype=level.dtype).view(1, -1, 1, 1)
    hat = (1 - (level - anchors).abs()).clamp(min=0)
    return torch.einsum("bahw,ac->bchw", hat, table)


def byte_lambdas() -> Tensor:
    """λ of every byte-valued level, float32 (256,)."""
    return torch.tensor([lambda_from_level(i / BYTE_MAX * TOP) for i in range(BYTE_MAX + 1)])


def error_worth(gain: Tensor, lmbda: Tensor) -> Tensor:
    """λ·255²·MSE per squared error in the gained latent, were g_s the transposed KLT; shape of gain.

    The KLT is orthonormal but for Y_UNIT, and the MSE is a mean over three colours.
    """
    return lmbda * Y_UNIT**2 / (3 * gain**2)


class Gain(nn.Module):
    """Per-channel quantiser gains as a function of the level at each location.

    The latent is multiplied by the gain before rounding and divided by it after; the quantiser's step in
    channel c is thus 1 / gain[c].
    """

    def __init__(self, channels: int):
        super().__init__()
        self.log_gain = nn.Parameter(torch.zeros(len(ANCHORS), channels))

    def forward(self, level: Tensor) -> Tensor:
        """level (B, 1, h, w) in [0, TOP] -> gain (B, C, h, w)."""
        return torch.exp(interpolate(self.log_gain, level))

    @torch.no_grad()
    def table(self) -> Tensor:
        """The gain of every byte-valued level, (256, C), rounded to float16 so that it stores exactly."""
        level = torch.arange(BYTE_MAX + 1, dtype=torch.float32).view(1, 1, 1, -1) * (TOP / BYTE_MAX)
        return self.forward(level)[0, :, 0].T.half().contiguous()
