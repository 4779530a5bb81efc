"""Features of VGG-16 for the perceptual and texture losses (Simonyan & Zisserman 2014), with ImageNet weights.

Block 2 is what leaves the second ReLU of the second block (relu2_2, 128 channels at 1/2), block 5 what leaves the
third ReLU of the fifth (relu5_3, 512 channels at 1/16); both before the pooling that ends the block.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from codec.networks import storage

FILE = "vgg16_features_fp16.safetensors"  # torchvision's names and layout: features.N.weight (O, I, 3, 3) and .bias
#: Convolutions of each block: their places in torchvision's VGG-16.
BLOCKS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
WIDTHS = (64, 128, 256, 512, 512)
STRIDES = {2: 2, 5: 16}  # pixels per place of the features of each block that is used


class Vgg16(nn.Module):
    """x (B, 3, H, W) in [0, 1], H and W at least 16 -> {2: (B, 128, H/2, W/2), 5: (B, 512, H/16, W/16)}.

    Differentiable in x; its own weights are fixed. Under autocast the first layer stays in float32: pixels have 8
    bits, and bfloat16 would round away half of the differences that are to be measured.
    """

    def __init__(self):
        super().__init__()
        self.convs, channels = nn.ModuleDict(), 3
        for places, width in zip(BLOCKS, WIDTHS, strict=True):
            for place in places:
                self.convs[str(place)] = nn.Conv2d(channels, width, 3, padding=1)
                channels = width
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        found = {}
        with torch.autocast(x.device.type, enabled=False):
            h = self.convs["0"]((x.float() - self.mean) / self.std)
        for block, places in enumerate(BLOCKS, 1):
            if block > 1:
                h = F.max_pool2d(h, 2)
            for place in places:
                h = F.relu(h if place == 0 else self.convs[str(place)](h))
            if block in STRIDES:
                found[block] = h
        return found


def load_vgg(folder: str | Path) -> Vgg16:
    """The network with the weights in `folder`. Raises FileNotFoundError where they are not."""
    path = Path(folder) / FILE
    if not folder or not path.exists():
        raise FileNotFoundError(
            f"The perceptual losses need '{FILE}', which is not in '{folder}'; name its folder with --backbones."
        )
    tensors = storage.to_float(load_file(path))  # fp16, or 8 bits as `pack` can have them
    net = Vgg16()
    net.convs.load_state_dict({k.removeprefix("features."): v for k, v in tensors.items()})
    return net
