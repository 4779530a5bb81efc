"""What the decoders' own losses see, and whether pictures as a whole look like pictures.

The distances are those of `codec.training.losses`, on whole pictures. The Fréchet distance is between Gaussians
fitted to VGG-16 features of regions of 64×64 pixels, of all originals and of all reconstructions: the idea of FID
(Heusel et al., NeurIPS 2017), on patches as HiFiC has it, since a data set has few pictures. It is not FID: another
network, other features, and numbers that compare only within one data set.
"""

import functools

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from codec.device import has_bfloat16
from codec.training import losses
from codec.training.recipes import RECIPES
from codec.training.vgg import STRIDES, Vgg16, load_vgg

REGION, STEP = 64, 32  # pixels
TERMS = ("vgg2", "vgg5", "gram2", "gram5")
#: The two sums that decoders are trained for, by the weights in their recipes.
SUMS = {"vgg": ("vgg2", "vgg5"), "gram": ("gram2", "gram5")}


@functools.cache
def network(folder: str) -> Vgg16:
    """VGG-16 from a folder of backbones, loaded once a process. Raises FileNotFoundError where it is not there."""
    return load_vgg(folder).to(memory_format=torch.channels_last)


@torch.inference_mode()
def features(rgb: np.ndarray, folder: str) -> dict[int, Tensor]:
    """uint8 (H, W, 3), sides at least 64 -> features of blocks 2 and 5, float32.

    In bfloat16 but for the first layer, where the processor has it: against float32 that changed the distances by at
    most 0.02 % where it was measured, for half of the time.
    """
    x = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float() / 255
    with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16()):
        maps = network(folder)(x.contiguous(memory_format=torch.channels_last))
    return {block: f.float() for block, f in maps.items()}


@torch.inference_mode()
def distances(f_hat: dict[int, Tensor], f: dict[int, Tensor]) -> dict[str, float]:
    """The four terms of the perceptual and the texture loss, as in training."""
    values, sizes = {}, RECIPES["texture"].patches
    for block, stride in STRIDES.items():
        values[f"vgg{block}"] = losses.feature_mse(f_hat[block], f[block]).item()
        grams = [losses.gram_mse(f_hat[block], f[block], max(1, size // stride)).item() for size in sizes]
        values[f"gram{block}"] = sum(grams) / len(grams)
    return values


def summed(terms: dict[str, float], name: str) -> float:
    """`vgg`, the perceptual loss without its MSE, or `gram`, what the texture loss adds to that."""
    weights = RECIPES["texture"].weights
    return sum(weights[k] * terms[k] for k in SUMS[name])


def regions(f: dict[int, Tensor]) -> np.ndarray:
    """Features of block 5 averaged over regions of 64×64 pixels, every 32 pixels, float32 (n, 512)."""
    stride = STRIDES[5]
    pooled = F.avg_pool2d(f[5], REGION // stride, STEP // stride)
    return pooled[0].flatten(1).T.contiguous().numpy()


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """|μ_a - μ_b|² + tr(Σ_a + Σ_b - 2·(Σ_a·Σ_b)^½) of two sets of features, (n, C) and (m, C)."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    # The eigenvalues of a product of two positive semidefinite matrices are real and not negative.
    roots = np.sqrt(np.linalg.eigvals(cov_a @ cov_b).real.clip(min=0))
    return float(np.square(a.mean(0) - b.mean(0)).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * roots.sum())
