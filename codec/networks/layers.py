"""The building blocks of all transforms."""

import torch
from torch import Tensor, nn

from codec.spec import SLOPE

#: The matrices of F(4×4, 3×3) (Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016).
_B = [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0]]
_B += [[0, 4, 0, -5, 0, 1]]
_G = [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6]]
_G += [[1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]]
_A = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
INPUTS, OUTPUTS = (torch.kron(m, m) for m in (torch.tensor(rows, dtype=torch.float32) for rows in (_B, _A)))
WIDE = 256  # input channels from which Winograd's algorithm is 1.7 to 2 times as fast as the library's convolution
TILES = 1 << 20  # numbers of transformed tiles at a time: they stay in the cache


class Conv(nn.Conv2d):
    """nn.Conv2d, (B, in, h, w) -> (B, out, h', w'), that uses Winograd's algorithm on a processor where it is faster.

    That is where it is 3×3 and has many input channels. A square of 4×4 outputs then takes 36 products for each pair
    of channels instead of 144. Sums differ from the library's by 4·10⁻⁵ of the output's scale.
    """

    kernels: Tensor | None = None  # transformed, (36, in, out), computed with the first picture
    version = (0, 0)  # of the weights of `kernels`: their place in memory, and how often it was written

    def forward(self, x: Tensor) -> Tensor:
        return self.padded(x, self.padding[0])

    def padded(self, x: Tensor, rows: int) -> Tensor:
        """The same with `rows` of zeros above and below x, 0 or 1, instead of the layer's own padding there."""
        wide = self.kernel_size == (3, 3) and self.stride == (1, 1) and self.in_channels >= WIDE
        plain = x.device.type == "cpu" and x.dtype == torch.float32 and len(x) == 1 and x.shape[2] + 2 * rows > 2
        if wide and plain and not (torch.is_grad_enabled() or torch.is_autocast_enabled("cpu")):
            return self._winograd(x, rows)
        return nn.functional.conv2d(x, self.weight, self.bias, self.stride, (rows, self.padding[1]))

    def _winograd(self, x: Tensor, rows: int) -> Tensor:
        version = (self.weight.data_ptr(), 0 if self.weight.is_inference() else self.weight._version)
        if self.kernels is None or self.version != version:
            g = torch.tensor(_G, dtype=torch.float64)
            kernels = torch.einsum("ai,bj,ocij->abco", g, g, self.weight.double())
            self.kernels, self.version = kernels.flatten(0, 1).float().contiguous(), version
        channels, outputs = self.in_channels, self.out_channels
        height, width = x.shape[2] + 2 * rows - 2, x.shape[3]
        down, across = -(-height // 4), -(-width // 4)
        padded = x.new_zeros(4 * down + 2, 4 * across + 2, channels)
        padded[rows : rows + x.shape[2], 1 : 1 + width] = x[0].permute(1, 2, 0)
        out = x.new_empty(4 * down, 4 * across, outputs)
        step = max(1, TILES // (36 * across * max(channels, outputs)))
        line, place, _ = padded.stride()
        for top in range(0, down, step):
            count = min(step, down - top)
            shape, strides = (6, 6, count, across, channels), (line, place, 4 * line, 4 * place, 1)
            tiles = padded.as_strided(shape, strides, 4 * top * line).reshape(36, -1)
            tiles = (INPUTS @ tiles).view(36, count * across, channels)
            tiles = (OUTPUTS @ torch.bmm(tiles, self.kernels).view(36, -1)).view(4, 4, count, across, outputs)
            target = out[4 * top : 4 * (top + count)].view(count, 4, across, 4, outputs)
            torch.add(tiles.permute(2, 0, 3, 1, 4), self.bias, out=target)
        return out[:height, :width].permute(2, 0, 1)[None]


def conv(in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1) -> Conv:
    """A convolution that keeps the size (stride 1) or divides it by `stride`."""
    return Conv(in_channels, out_channels, kernel, stride, padding=kernel // 2)


def act(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 1/8, same shape."""
    return nn.functional.leaky_relu(x, SLOPE)


def asinh(x: Tensor) -> Tensor:
    """asinh to within 5e-7, in a quarter of the library's time; same shape."""
    if x.requires_grad:  # this one's gradient at 0 would be 0, not 1
        return torch.asinh(x)
    a = x.abs()
    square = a * a
    return torch.copysign(torch.log1p(a + square / (1 + (square + 1).sqrt())), x)


class ResidualBlock(nn.Module):
    """x + conv(act(conv(act(x)))), (B, C, h, w) -> (B, C, h, w) (He et al., ECCV 2016)."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = conv(channels, channels)
        self.conv2 = conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(act(self.conv1(act(x))))
