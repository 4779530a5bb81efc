"""The losses, each beside its formula."""

import torch
from torch import Tensor

from codec.models.gain import lambda_map
from codec.models.trunk import Output

#: The rate–distortion loss grows about as the square root of λ; dividing by it makes a relative gain count
#: the same at every rate, which is how BD-rate counts.
REFERENCE_LAMBDA = 0.0067


def rate_distortion(output: Output, x: Tensor, level: Tensor) -> dict[str, Tensor]:
    """R + λ·255²·MSE with λ given per location, weighted by (λ/0.0067)^-1/2.

    x (B, 3, H, W) in [0, 1]; level (B, 1, H/64, W/64). Returns scalars: loss, bpp, mse, z_bpp (bits per pixel).
    """
    pixels = x.shape[0] * x.shape[2] * x.shape[3]
    lmbda = lambda_map(level)
    weight = (lmbda / REFERENCE_LAMBDA) ** -0.5

    def per_region(values: Tensor) -> Tensor:  # sums over channels and over each 64×64 region
        cell = values.shape[2] // level.shape[2]
        return torch.nn.functional.avg_pool2d(values.sum(1, keepdim=True), cell) * cell**2

    z_bits, y_bits = per_region(output.z_bits), per_region(output.y_bits)
    squared = per_region((output.x_hat - x) ** 2) / 3 * 255**2
    loss = (weight * (y_bits + z_bits + lmbda * squared)).sum() / pixels
    return {
        "loss": loss,
        "bpp": (y_bits.sum() + z_bits.sum()).detach() / pixels,
        "z_bpp": z_bits.sum().detach() / pixels,
        "mse": squared.sum().detach() / pixels,
    }
