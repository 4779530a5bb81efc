"""The analysis transform g_a, the synthesis transform g_s, and the hyper-analysis h_a.

    x  (B, 3, H, W) in [0, 1]
       │ g_a:  ┌─ KLT, a convolution of stride 16 ────────────────────┐
       │       └─ unshuffle 4 ─ C4 ─ ResBlock ─ s2 ─ C8 ─ … ─ s2 ─ C16 ┴─ + ─► y (B, 320, H/16, W/16)
    y_hat
       │ g_s:  the mirror image, with the transposed KLT beside it, and a filter against the edges of its blocks
       ▼
    x_hat

The linear path starts as the Karhunen–Loève transform of 16×16 patches and its transpose. So the codec is a linear
transform codec before its first training step, and the networks learn what that lacks. Most arithmetic is in dense 3×3
kernels at 1/4 to 1/16 of the resolution, where CPUs are quick.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec.networks.deblocking import Deblocking
from codec.networks.layers import Conv, ResidualBlock, act, asinh, conv
from codec.spec import Z_CHANNELS

PATCH = 16  # the latent's stride in pixels
#: Side of the linear path's kernels in the synthesis. They start as 16×16 blocks with zeros around them. They overlap
#: by four pixels on each side, so training can round off the edges between blocks, as lapped transforms do.
OVERLAPPED = 24
#: Of the 768 directions of a 16×16 patch. On Kodak, unquantised, the linear path alone reaches 41.4 dB with 320 of
#: them, and 34.3 dB with 192, which training hardly lifts.
Y_CHANNELS = 320
Y_UNIT = 16.0  # y counts orthonormal coefficients of a 0…255 image in units of this many
WIDTHS = (64, 128, 256)  # channels at 1/4, 1/8 and 1/16
GRAIN = 16  # numbers of noise for each latent: one for every 4×4 pixels
GRAIN_PERIOD = 64  # latents after which the noise repeats itself


def noise_field(height: int, width: int) -> Tensor:
    """Noise, the same in every decoder: float32 (1, GRAIN, height, width), uniform in [-1, 1]."""
    drawn = np.random.RandomState(0).uniform(-1, 1, (GRAIN, GRAIN_PERIOD, GRAIN_PERIOD))  # NumPy's frozen generator
    rows, columns = (np.arange(n) % GRAIN_PERIOD for n in (height, width))
    return torch.from_numpy(drawn[:, rows[:, None], columns]).float()[None]


def blocks(channels: int, count: int) -> nn.Sequential:
    """`count` residual blocks."""
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(count)))


def depths_of(state: dict[str, Tensor]) -> tuple[int, int, int]:
    """How many residual blocks a transform with this state dict has at 1/4, 1/8 and 1/16."""
    names = ("res4.", "res8.", "res16.")
    return tuple(len({k.split(".")[1] for k in state if k.startswith(name)}) for name in names)


class PatchConv(nn.Conv2d):
    """A convolution whose stride is its kernel, k, as one matrix product: (B, in, k·h, k·w) -> (B, out, h, w)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pixel_unshuffle(x, self.stride[0]), self.weight.flatten(1)[..., None, None], self.bias)


class Analysis(nn.Module):
    """g_a: x (B, 3, H, W) in [0, 1], H and W multiples of 16 -> y (B, 320, H/16, W/16)."""

    def __init__(self, depths=(1, 1, 1)):
        super().__init__()
        c4, c8, c16 = WIDTHS
        self.head = conv(3 * 16, c4)
        self.res4 = blocks(c4, depths[0])
        self.down8 = conv(c4, c8, stride=2)
        self.res8 = blocks(c8, depths[1])
        self.down16 = conv(c8, c16, stride=2)
        self.res16 = blocks(c16, depths[2])
        self.tail = conv(c16, Y_CHANNELS)
        self.klt = PatchConv(3, Y_CHANNELS, PATCH, PATCH)

    def forward(self, x: Tensor) -> Tensor:
        h = self.res4(self.head(F.pixel_unshuffle(2 * x - 1, 4)))
        h = self.res8(self.down8(act(h)))
        h = self.res16(self.down16(act(h)))
        with torch.autocast(x.device.type, enabled=False):  # large coefficients need more than 8 bits
            linear = self.klt(x.float())
        return linear + self.tail(act(h)).float()


class HyperAnalysis(nn.Module):
    """h_a: y·gain (B, C, h, w) -> z float32 (B, 64, h/4, w/4)."""

    def __init__(self, channels: int, width: int = 128):
        super().__init__()
        self.conv1 = conv(channels, width)
        self.conv2 = conv(width, width, stride=2)
        self.conv3 = conv(width, Z_CHANNELS, stride=2)
        with torch.no_grad():  # start z near zero: an untrained hyper-latent is all cost and no use
            self.conv3.weight.mul_(0.3)

    def forward(self, v: Tensor) -> Tensor:
        h = act(self.conv1(torch.sign(v) * torch.log1p(v.abs())))
        return self.conv3(act(self.conv2(h))).float()


class OverlappedBlocks(nn.ConvTranspose2d):
    """A transposed convolution, (B, C, h, w) -> (B, 3, 16h, 16w): a 1×1 convolution, and a sum of overlapping blocks.

    The library's own takes four times as long with kernels of this size. Channels are last, as the sum likes them.
    """

    def forward(self, y: Tensor) -> Tensor:
        (size, _), (stride, _), (border, _) = self.kernel_size, self.stride, self.padding
        batch, _, h, w = y.shape
        unit = size - stride  # blocks are cut into squares that two neighbours share or not
        squares, step = size // unit, stride // unit
        weight = self.weight.flatten(1).T[..., None, None].contiguous(memory_format=torch.channels_last)
        pieces = F.conv2d(y.contiguous(memory_format=torch.channels_last), weight)
        pieces = pieces.permute(0, 2, 3, 1).reshape(batch, h, w, 3, squares, unit, squares, unit)
        x = y.new_zeros(batch, 3, step * (h - 1) + squares, unit, step * (w - 1) + squares, unit)
        for row in range(squares):
            for column in range(squares):
                place = x[:, :, row : row + step * h : step, :, column : column + step * w : step]
                place += pieces[:, :, :, :, row, :, column].permute(0, 3, 1, 4, 2, 5)
        x = x.flatten(4, 5).flatten(2, 3)
        x = x[:, :, border : x.shape[2] - border, border : x.shape[3] - border]
        return x + self.bias.view(1, -1, 1, 1)


class Synthesis(nn.Module):
    """g_s: y_hat (B, 320, h, w) and the level map (B, 1, h, w) in [0, 1] -> x_hat (B, 3, 16h, 16w).

    With `scales` it reads a third input, (B, 320, h, w) in [0, 1]: the entropy model's standard deviation of each
    latent, on a logarithmic ladder. Where a latent was rounded to its mean, the scale tells how much was lost: whether
    a surface was smooth, or too rough to be coded. With `noise` it reads `noise_field`, too: where the latents say
    nothing, a network without it can only repeat itself every 16 pixels. `depths` counts the residual blocks at 1/4,
    1/8 and 1/16.
    """

    def __init__(self, depths=(1, 1, 1), scales: bool = False, noise: bool = False):
        super().__init__()
        c4, c8, c16 = WIDTHS
        self.head = conv(Y_CHANNELS + 1, c16)
        self.scales = conv(Y_CHANNELS, c16) if scales else None
        self.res16 = blocks(c16, depths[2])
        self.up8 = conv(c16, c8 * 4)
        self.res8 = blocks(c8, depths[1])
        self.up4 = conv(c8, c4 * 4)
        self.res4 = blocks(c4, depths[0])
        self.tail = conv(c4, 3 * 16)
        self.klt = OverlappedBlocks(Y_CHANNELS, 3, OVERLAPPED, PATCH, padding=(OVERLAPPED - PATCH) // 2)
        self.deblocking = Deblocking()
        self.noise = Conv(GRAIN, c16, 3, padding=1, bias=False) if noise else None

    def forward(
        self, y_hat: Tensor, level: Tensor, scales: Tensor | None = None, noise: Tensor | None = None
    ) -> Tensor:
        # The first coefficients are two orders of magnitude above the last: asinh brings them into range. bfloat16
        # would lose their differences between neighbours, which deblocking needs.
        with torch.autocast(y_hat.device.type, enabled=False):
            h = self.head(torch.cat([asinh(y_hat.float()), level.float()], 1))
            if self.scales is not None:
                h = h + self.scales(scales.float())
            if self.noise is not None:
                h = h + self.noise(noise)
        h = F.pixel_shuffle(self.up8(act(self.res16(h))), 2)
        h = F.pixel_shuffle(self.up4(act(self.res8(h))), 2)
        detail = F.pixel_shuffle(self.tail(act(self.res4(h))), 4)
        with torch.autocast(y_hat.device.type, enabled=False):
            x_hat = self.klt(y_hat.float()) + detail.float() * (Y_UNIT / 255)
            return self.deblocking(x_hat, level.float())
