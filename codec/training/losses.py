"""The losses, each beside its formula.

The trunk learns by `rate_distortion`; what decoders learn by is below it, one value per picture, of pictures
x_hat and x (B, 3, H, W) in [0, 1] and of what networks make of them.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from codec.networks.gain import lambda_map
from codec.networks.model import Output
from codec.networks.transforms import PATCH

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
        return F.avg_pool2d(values.sum(1, keepdim=True), cell) * cell**2

    z_bits, y_bits = per_region(output.z_bits), per_region(output.y_bits)
    squared = per_region((output.x_hat - x) ** 2) / 3 * 255**2
    loss = (weight * (y_bits + z_bits + lmbda * squared)).sum() / pixels
    return {
        "loss": loss,
        "bpp": (y_bits.sum() + z_bits.sum()).detach() / pixels,
        "z_bpp": z_bits.sum().detach() / pixels,
        "mse": squared.sum().detach() / pixels,
    }


class _Shown(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x.clamp(0, 1) * 255).round() / 255

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        # Descent goes against the gradient: beyond an end of the range only what leads back counts.
        outwards = ((x > 1) & (gradient < 0)) | ((x < 0) & (gradient > 0))
        return gradient.masked_fill(outwards, 0)


def as_shown(x_hat: Tensor) -> Tensor:
    """The picture as a screen shows it: clipped to [0, 1] and rounded to 8 bits, of the same shape.

    Every loss of a decoder looks at this, so none is spent on what clipping takes away, and a discriminator cannot
    tell pictures apart by their rounding. The gradient passes straight through, but not further out of the range.
    """
    return _Shown.apply(x_hat)


def mse255(x_hat: Tensor, x: Tensor) -> Tensor:
    """255²·mean (x_hat - x)², per picture (B,)."""
    return 255**2 * (x_hat - x).square().flatten(1).mean(1)


def lattice(x_hat: Tensor, x: Tensor, period: int = PATCH, repeats: int = 8) -> Tensor:
    """255²·mean ē², ē = the mean of x_hat - x over `repeats`² blocks in a square, less its own mean; per picture (B,).

    What of the error is the same in neighbouring blocks, as the decoder's own pattern is where the latents tell it
    nothing: an error without such a pattern leaves 1/repeats² of its power here. What is beyond a multiple of
    repeats·period pixels does not count. Raises ValueError where there are fewer.
    """
    side = repeats * period
    height, width = (n - n % side for n in x.shape[2:])
    if not height * width:
        raise ValueError(f"For its lattice a picture of {x.shape[3]}×{x.shape[2]} pixels must have {side} each way.")
    error = (x_hat - x)[..., :height, :width]
    squares = error.unflatten(3, (width // side, repeats, period)).unflatten(2, (height // side, repeats, period))
    pattern = squares.mean((3, 6))  # (B, 3, rows, period, columns, period)
    return 255**2 * (pattern - pattern.mean((3, 5), keepdim=True)).square().flatten(1).mean(1)


def spectrum(x_hat: Tensor, x: Tensor, side: int = 32) -> Tensor:
    """mean (log(A_hat + 1) - log(A + 1))², per picture (B,).

    A is the amplitude of a frequency of a colour in one of the windows (Hann) of side × side pixels that overlap by
    half, less its mean, scaled such that white noise of standard deviation 1/255 has A² = 1 on average. This is
    texture without its place; a pattern where the original is rough and has none is seen by its peaks, and by what is
    missing between them. Raises ValueError for a picture with no room for a window.
    """
    if min(x.shape[2:]) < side:
        raise ValueError(f"For windows of {side} pixels a picture of {x.shape[3]}×{x.shape[2]} pixels is too small.")
    hann = torch.hann_window(side, device=x.device)
    window = 255 * hann[:, None] * hann / hann.square().sum()

    def logarithms(x: Tensor) -> Tensor:
        windows = x.float().unfold(2, side, side // 2).unfold(3, side, side // 2)
        f = torch.fft.rfft2((windows - windows.mean((4, 5), keepdim=True)) * window)
        return (f.real.square() + f.imag.square() + 1e-6).sqrt().log1p()  # at 0 the root has no gradient

    return (logarithms(x_hat) - logarithms(x)).square().flatten(1).mean(1)


def feature_mse(f_hat: Tensor, f: Tensor) -> Tensor:
    """mean (φ(x_hat) - φ(x))² over channels and places of one layer, per picture (B,); f (B, C, h, w).

    Johnson et al., "Perceptual losses for real-time style transfer and super-resolution", ECCV 2016.
    """
    return (f_hat.float() - f.float()).square().flatten(1).mean(1)


def gram_mse(f_hat: Tensor, f: Tensor, patch: int) -> Tensor:
    """mean over patches of mean (G_hat - G)² over the C² entries, per picture (B,); G = F·Fᵀ/n (Gatys et al. 2015).

    F (C, n) are the features in one of the disjoint patches of patch × patch places into which f (B, C, h, w) is
    cut; what is left at the right and the bottom is left out (Sajjadi et al., "EnhanceNet", ICCV 2017, for texture
    that is matched where it is). Raises ValueError for a patch that does not fit.
    """
    if not 1 <= patch <= min(f.shape[2:]):
        raise ValueError(f"A patch of {patch} does not fit into features of {f.shape[2]}×{f.shape[3]}.")
    channels, places = f.shape[1], patch * patch

    def patches(f: Tensor) -> Tensor:  # (B, patches, C, n)
        f = f[:, :, : f.shape[2] // patch * patch, : f.shape[3] // patch * patch].float()
        f = f.unflatten(3, (-1, patch)).unflatten(2, (-1, patch))  # (B, C, rows, patch, columns, patch)
        return f.permute(0, 2, 4, 1, 3, 5).flatten(4).flatten(1, 2)

    a, b = patches(f_hat), patches(f)
    if places < channels:
        # With d = a - b and s = a + b, aaᵀ - bbᵀ = (dsᵀ + sdᵀ)/2, whose squared norm needs n×n products only.
        d, s = a - b, a + b
        inner = (d.mT @ d) * (s.mT @ s) + (s.mT @ d) * (d.mT @ s)
        squared = inner.sum((2, 3)) / 2
    else:
        squared = (a @ a.mT - b @ b.mT).square().sum((2, 3))
    return squared.mean(1) / (channels * places) ** 2


def generator_loss(fake: list[Tensor]) -> Tensor:
    """mean -log D(x_hat, y), non-saturating (Goodfellow et al. 2014), per picture (B,).

    `fake` are the logits of the decoder's pictures by each part of the discriminator, (B, 1, h, w), which count
    the same; D = sigmoid of them.
    """
    return torch.stack([F.softplus(-logits).flatten(1).mean(1) for logits in fake]).mean(0)


def discriminator_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """mean -log D(x, y) - log(1 - D(x_hat, y)), per picture (B,); logits as above."""
    terms = [
        F.softplus(-r).flatten(1).mean(1) + F.softplus(f).flatten(1).mean(1) for r, f in zip(real, fake, strict=True)
    ]
    return torch.stack(terms).mean(0)
