"""LPIPS: how far two pictures are apart for the eye (Zhang et al., "The Unreasonable Effectiveness of Deep
Features as a Perceptual Metric", CVPR 2018), version 0.1 on AlexNet. Torch only: no torchvision, no download.

x0, x1 ─ scale ─► 5 × (conv, ReLU) ─► unit length over channels ─► (f0 - f1)² ─► weights ≥ 0 ─► mean ─► Σ over layers
"""

import functools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec.networks.storage import read
from codec.weights import default

FILE = "lpips-alex.safetensors"  # made by `python -m codec.evaluation.make_lpips_weights`
SHA256 = "960d813d6abc8b37402063e019917772b6f0baf1feac356cec07fab97c0b922a"
MIN_SIDE = 31  # pixels; anything smaller leaves nothing after AlexNet's second pooling


class LPIPS(nn.Module):
    """Distance of two batches (B, 3, H, W) of RGB in [-1, 1], H and W at least MIN_SIDE -> (B,), 0 for equal ones.

    Differentiable in both arguments; its own weights are fixed. What a training wants to compare with many
    pictures, or to show to others as well, can keep `activations` and call `distance`.
    """

    #: AlexNet's convolutions: (in, out, kernel, stride, padding); a 3×3 max pooling of stride 2 comes before 2 and 3.
    LAYERS = ((3, 64, 11, 4, 2), (64, 192, 5, 1, 2), (192, 384, 3, 1, 1), (384, 256, 3, 1, 1), (256, 256, 3, 1, 1))

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(*layer) for layer in self.LAYERS)
        self.lins = nn.ParameterList(torch.zeros(layer[1]) for layer in self.LAYERS)
        # From [-1, 1] to zero mean and unit deviation over ImageNet, rounded as the reference has them.
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1))
        self.requires_grad_(False)

    def activations(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [-1, 1] -> the outputs of the five ReLUs, at 1/4, 1/8 and three times 1/16."""
        x, found = (x - self.shift) / self.scale, []
        for i, conv in enumerate(self.convs):
            x = F.relu(conv(F.max_pool2d(x, 3, 2) if i in (1, 2) else x))
            found.append(x)
        return found

    def distance(self, a0: list[Tensor], a1: list[Tensor]) -> Tensor:
        """LPIPS (B,) of two results of `activations`."""
        terms = []
        for a, b, weights in zip(a0, a1, self.lins, strict=True):
            terms.append(torch.einsum("bchw,c->bhw", (unit(a) - unit(b)).square(), weights).mean((1, 2)))
        return torch.stack(terms).sum(0)

    def forward(self, x0: Tensor, x1: Tensor) -> Tensor:
        return self.distance(self.activations(x0), self.activations(x1))


def unit(activations: Tensor) -> Tensor:
    """Divided by their length over the channels."""
    # The reference adds 1e-10 to the root; inside it, too, so that the gradient at zero is finite.
    length = (activations.square().sum(1, keepdim=True) + 1e-20).sqrt()
    return activations / (length + 1e-10)


@functools.cache
@torch.inference_mode(False)  # whoever asks first: the same network may serve as a loss later
@torch.no_grad()
def load(device: str = "cpu") -> LPIPS:
    """The metric with the weights that are shipped, loaded once.

    Raises WeightsError where they are missing or damaged.
    """
    tensors = read(default().read_file(FILE, SHA256))
    net = LPIPS()
    for i, n in enumerate((0, 3, 6, 8, 10)):  # where torchvision's AlexNet has its convolutions
        net.convs[i].weight.copy_(tensors[f"features.{n}.weight"])
        net.convs[i].bias.copy_(tensors[f"features.{n}.bias"])
        net.lins[i].copy_(tensors[f"lin{i}.weight"])
    return net.eval().to(device)
