"""Variable rate by gain vectors (Cui et al., "Asymmetric gained deep image compression", CVPR 2021).

See `codec.spec` for levels and quality indices.
"""

import torch
from torch import Tensor, nn

from codec.networks.transforms import Y_UNIT
from codec.spec import ANCHORS, BYTE_MAX, TOP, lambda_from_level


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


def rdo_weight(gain: Tensor, lmbda: Tensor) -> Tensor:
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
