"""LPIPS (Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018), version
0.1 on AlexNet: the `lpips` package's network with the weights that are shipped. No download.

Importing this takes torchvision's second and more: import it where the first LPIPS is computed.
"""

import functools
import warnings

import lpips
import torch
from torch import Tensor

from codec.networks.storage import read
from codec.weights import default

FILE = "lpips-alex.safetensors"  # made by `python -m codec.evaluation.make_lpips_weights`
SHA256 = "960d813d6abc8b37402063e019917772b6f0baf1feac356cec07fab97c0b922a"


class LPIPS(lpips.LPIPS):
    """Distance of two batches (B, 3, H, W) of RGB in [-1, 1], H and W at least 31 -> (B,), 0 for equal ones.

    The networks are the package's. Its `forward` is not used, for two reasons. Its gradient is not a number where all
    features of a place are zero, as they are in flat pictures. And a training shows the activations to a discriminator
    as well, or compares them with many pictures: `activations` and `distance` are the two halves.
    """

    def __init__(self):
        # The random AlexNet, its classifier of 55 million weights included, would take a second and is replaced.
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the package uses an argument that torchvision has deprecated
            super().__init__(net="alex", pnet_rand=True, pretrained=False, use_dropout=False, verbose=False)
        self.requires_grad_(False)

    def activations(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [-1, 1] -> the outputs of the five ReLUs, at 1/4, 1/8 and three times 1/16."""
        return list(self.net(self.scaling_layer(x)))

    def distance(self, a0: list[Tensor], a1: list[Tensor]) -> Tensor:
        """LPIPS (B,) of two results of `activations`."""
        terms = [lin((unit(a) - unit(b)).square()).mean((1, 2, 3)) for lin, a, b in zip(self.lins, a0, a1, strict=True)]
        return torch.stack(terms).sum(0)

    def forward(self, x0: Tensor, x1: Tensor) -> Tensor:
        return self.distance(self.activations(x0), self.activations(x1))


def unit(activations: Tensor) -> Tensor:
    """Divided by their length over the channels."""
    # The package adds 1e-10 to the root; inside it, too, so that the gradient at zero is finite.
    length = (activations.square().sum(1, keepdim=True) + 1e-20).sqrt()
    return activations / (length + 1e-10)


@functools.cache
@torch.inference_mode(False)  # whoever asks first: the same network may serve as a loss later
@torch.no_grad()
def load(device: str = "cpu") -> LPIPS:
    """The metric with the weights that are shipped, loaded once.

    Raises WeightsError where they are missing or damaged.
    """
    tensors = {k: v.float() for k, v in read(default().read_file(FILE, SHA256)).items()}
    net = LPIPS()
    state = {f"scaling_layer.{k}": v for k, v in net.scaling_layer.state_dict().items()}
    for i, n in enumerate((0, 3, 6, 8, 10)):  # where torchvision's AlexNet has its convolutions
        state |= {f"net.slice{i + 1}.{n}.{kind}": tensors[f"features.{n}.{kind}"] for kind in ("weight", "bias")}
        weights = tensors[f"lin{i}.weight"].view(1, -1, 1, 1)
        state |= {f"{name}.model.0.weight": weights for name in (f"lin{i}", f"lins.{i}")}
    net.load_state_dict(state, assign=True)
    return net.requires_grad_(False).eval().to(device)
