"""Features of VGG-16 for the perceptual and texture losses (Simonyan & Zisserman 2014), with ImageNet weights.

The layers are torchvision's. Block 2 is what leaves the second ReLU of the second block (relu2_2, 128 channels at 1/2),
block 5 what leaves the third ReLU of the fifth (relu5_3, 512 channels at 1/16); both before the pooling that ends the
block.
"""

from collections.abc import Collection
from pathlib import Path

import lpips
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models.vgg import cfgs, make_layers

from codec.metrics.alexnet import unit
from codec.networks import storage

FILE = "vgg16_features_fp16.safetensors"  # torchvision's names and layout: features.N.weight (O, I, 3, 3) and .bias
ENDS = {1: 4, 2: 9, 3: 16, 4: 23, 5: 30}  # of each block: how many of torchvision's layers there are up to its end
STRIDES = {2: 2, 5: 16}  # pixels per place of the features of the blocks that the decoders of 2019 match


class Vgg16(nn.Module):
    """x (B, 3, H, W) in [0, 1], H and W at least 16 -> {2: (B, 128, H/2, W/2), 5: (B, 512, H/16, W/16)}.

    Differentiable in x; its own weights are fixed. Under autocast the first layer stays in float32: pixels have 8
    bits, and bfloat16 would round away half of the differences that are to be measured.
    """

    def __init__(self):
        super().__init__()
        self.features = make_layers(cfgs["D"])[: ENDS[5]]
        for name, values in (("mean", (0.485, 0.456, 0.406)), ("std", (0.229, 0.224, 0.225))):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor, blocks: Collection[int] = tuple(STRIDES)) -> dict[int, Tensor]:
        with torch.autocast(x.device.type, enabled=False):
            h = self.features[0]((x.float() - self.mean) / self.std)
        features, start = {}, 1
        for block, end in ENDS.items():
            h = self.features[start:end](h)
            start = end
            if block in blocks:
                features[block] = h
        return features


class VggLPIPS(nn.Module):
    """LPIPS v0.1 on VGG-16, of features that other losses need as well: {1…5: (B, C, h, w)}, twice -> (B,)."""

    def __init__(self, weights: list[Tensor]):
        super().__init__()
        self.lins = nn.ParameterList(w.flatten() for w in weights)
        self.requires_grad_(False)

    def forward(self, f_hat: dict[int, Tensor], f: dict[int, Tensor]) -> Tensor:
        terms = []
        for block, weights in enumerate(self.lins, 1):
            difference = unit(f_hat[block].float()) - unit(f[block].float())
            terms.append(torch.einsum("bchw,c->bhw", difference.square(), weights).mean((1, 2)))
        return torch.stack(terms).sum(0)


def load_vgg(folder: str | Path) -> Vgg16:
    """The network with the weights in `folder`. Raises FileNotFoundError where they are not."""
    path = Path(folder) / FILE
    if not folder or not path.exists():
        raise FileNotFoundError(
            f"The perceptual losses need '{FILE}', which is not in '{folder}'; name its folder with --backbones."
        )
    net = Vgg16()
    net.load_state_dict(storage.to_float(load_file(path)))  # fp16, or 8 bits as `pack` can have them
    return net


def load_vgg_lpips() -> VggLPIPS:
    """The distance with the linear layers that the `lpips` package brings."""
    file = Path(lpips.__file__).parent / "weights/v0.1/vgg.pth"
    weights = torch.load(file, map_location="cpu", weights_only=True)
    return VggLPIPS([weights[f"lin{i}.model.1.weight"] for i in range(5)])
