"""A linear path beside the networks: patches to their principal components and back (the Karhunen–Loève transform).

The papers have none. A network that adds to it begins as a transform codec and not as noise, so that minutes of
training on two cores show what days showed the papers. It is fitted to the training pictures once and then stays.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Linear(nn.Module):
    """Patches of size×size pixels <-> `channels` components, without overlap."""

    def __init__(self, size: int, channels: int):
        super().__init__()
        self.size = size
        self.down = nn.Conv2d(3, channels, size, size)
        self.up = nn.ConvTranspose2d(channels, 3, size, size)
        self.requires_grad_(False)

    def analyse(self, x: Tensor) -> Tensor:
        """x (B, 3, H, W) -> (B, C, H/size, W/size)."""
        return self.down(x)

    def synthesise(self, y: Tensor) -> Tensor:
        """The inverse, as far as C components go."""
        return self.up(y)

    @torch.no_grad()
    def fit(self, x: Tensor, scale: float = 0.0) -> None:
        """Takes the components of crops x (B, 3, H, W). scale: what they are multiplied by; 0: each to deviation 1."""
        patches = F.unfold(x, self.size, stride=self.size).transpose(1, 2).flatten(0, 1).double()
        mean = patches.view(-1, 3, self.size**2).mean((0, 2)).repeat_interleave(self.size**2)
        values, vectors = torch.linalg.eigh((patches - mean).T @ (patches - mean) / len(patches))
        channels = self.down.out_channels
        vectors = vectors.flip(1)[:, :channels].T
        factors = torch.full((channels,), scale).double() if scale else values.flip(0)[:channels].rsqrt()
        shape = (channels, 3, self.size, self.size)
        self.down.weight.copy_((factors[:, None] * vectors).view(shape))
        self.down.bias.copy_(-self.down.weight.flatten(1).double() @ mean)
        self.up.weight.copy_((vectors / factors[:, None]).view(shape))
        self.up.bias.copy_(mean[:: self.size**2])
