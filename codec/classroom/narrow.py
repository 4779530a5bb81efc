"""The codec for digits with its two large dense layers as products of low rank: 1.2 million weights each become a few
ten thousand."""

import torch
from torch import Tensor, nn

from codec.classroom.mnist import DigitNet


def components(outputs: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """The mean (out,) of a layer's outputs (n, out), and their largest principal components (out, rank)."""
    torch.manual_seed(0)  # the method is a random one
    mean = outputs.mean(0)
    return mean, torch.pca_lowrank(outputs - mean, rank, center=False, niter=4)[2]


def low_rank(layer: nn.Linear, outputs: Tensor, rank: int) -> nn.Sequential:
    """W·x + b as a product of two: projected on principal components of `outputs` (n, out), what it puts out.

    That spans far fewer dimensions than it has, since digits are few among all pictures.
    """
    mean, basis = components(outputs, rank)
    first, second = nn.Linear(layer.in_features, rank, bias=False), nn.Linear(rank, layer.out_features)
    with torch.no_grad():
        first.weight.copy_(basis.T @ layer.weight)
        second.weight.copy_(basis)
        second.bias.copy_(mean + basis @ (basis.T @ (layer.bias - mean)))
    return nn.Sequential(first, second)


@torch.no_grad()
def narrowed(net: DigitNet, x: Tensor, rank: int) -> DigitNet:
    """A copy of a whole codec with its two large layers of this rank, as digits x (n, 1, 28, 28) need them."""
    small = DigitNet(len(net.log_scale), rank)
    small.load_state_dict({k: v for k, v in net.state_dict().items() if k in small.state_dict()}, strict=False)
    dense = net.g_a[:6](x)
    small.g_a[5] = low_rank(net.g_a[5], dense, rank)
    small.g_s[2] = low_rank(net.g_s[2], net.g_s[:3](net.g_a[6:](dense).round()), rank)
    return small
