"""What each decoder is trained for: the table of losses, and what computes them."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from codec.metrics import alexnet
from codec.spec import SYNTHESIS, TOP
from codec.training import losses
from codec.training.vgg import ENDS, STRIDES, load_vgg, load_vgg_lpips


@dataclass(frozen=True)
class Recipe:
    """A decoder's loss is Σ weight·term; see `losses` for the terms."""

    weights: dict[str, float]  # of the losses in NAMES
    start: str = "mse"  # the decoder that it is fine-tuned from
    levels: tuple[float, float] = (0.0, float(TOP))  # of the range of rates it is trained for
    architecture: str = SYNTHESIS
    partner: str = ""  # the fidelity decoder that it can be interpolated with
    #: A picture's loss counts (λ/0.0067)^balance: with 1/2 a relative gain in MSE is worth the same at every rate.
    balance: float = 0.0
    unit: float = 1.0  # the loss is divided by this, which brings it to order one for clipping gradients
    patches: tuple[int, ...] = field(default=(16, 32))  # pixels per side of the Gram matrices' patches, averaged


#: Meynard et al. choose weights that bring every term close to, but below, the MSE. Theirs (1e-4 for block 2, 0.1 for
#: block 5, 1e-6 for texture) are for other scales of features; these do the same on ours, measured from
#: 0.1 to 0.9 bpp. Mentzer et al.: k_M = 0.075·2^-5, k_P = 1, β = 0.15. Their entropy terms have no gradient
#: here: the trunk is frozen.
_PERCEPTUAL = {"mse": 1.0, "vgg2": 20.0, "vgg5": 150.0}
_HIFIC = {"mse": 0.075 * 2**-5, "lpips": 1.0}
_ALL_RATES = {"balance": 0.5, "unit": 100.0}
# Level 6 is 0.8 bpp on an average photograph; one that is easy to code needs it for 0.45 bpp.
_LOW_RATES = {"levels": (0.0, 6.0)}

RECIPES = {
    "mse": Recipe({"mse": 1.0}, **_ALL_RATES),
    "perceptual": Recipe(_PERCEPTUAL, **_ALL_RATES),
    "texture": Recipe(_PERCEPTUAL | {"gram2": 12.0, "gram5": 80.0}, **_ALL_RATES),
    "hific-nogan": Recipe(_HIFIC, **_LOW_RATES),
    "hific": Recipe(_HIFIC | {"gan": 0.15}, start="hific-nogan", partner="mse", **_LOW_RATES),
}
for _point in ("hific-lo", "hific-mi", "hific-hi"):  # for a rate that measures better with a decoder of its own
    RECIPES[_point] = replace(RECIPES["hific"], start="hific")

#: Losses of pixels: what each is called, and its function of x_hat and x, (B, 3, H, W) in [0, 1] -> (B,).
PIXEL_LOSSES = {
    "mse": ("MSE", losses.mse255),
    "lattice": ("MSE of what repeats every 16 pixels", losses.lattice),
    "spectrum": ("MSE of log spectra in windows of 32 pixels", losses.spectrum),
}
NAMES = {name: title for name, (title, _) in PIXEL_LOSSES.items()} | {
    "vgg2": "MSE of VGG-16 block 2",
    "vgg5": "MSE of VGG-16 block 5",
    "gram2": "MSE of Gram matrices of block 2",
    "gram5": "MSE of Gram matrices of block 5",
    "lpips": "LPIPS(AlexNet)",
    "lpips-vgg": "LPIPS(VGG-16)",
    "gan": "(−log D(x_hat, y_hat))",
}


def adjusted(name: str, weights: str = "", levels: str = "", architecture: str = "") -> Recipe:
    """The recipe of this name with changes: weights "vgg5=80,gan=0.1", levels "0:5". Raises ValueError."""
    if name not in RECIPES:
        raise ValueError(f"There is no recipe '{name}'; there are: {', '.join(RECIPES)}.")
    recipe = RECIPES[name]
    changes = {k: float(v) for k, v in (part.split("=") for part in weights.split(",") if part)}
    if unknown := sorted(changes.keys() - NAMES.keys()):
        raise ValueError(f"There is no loss '{', '.join(unknown)}'; there are: {', '.join(NAMES)}.")
    both = {k: v for k, v in (recipe.weights | changes).items() if v}
    span = tuple(map(float, levels.split(":"))) if levels else recipe.levels
    if len(span) != 2 or not 0 <= span[0] < span[1] <= TOP:
        raise ValueError(f"The levels '{levels}' are not two numbers in order between 0 and {TOP}.")
    return replace(recipe, weights=both, levels=span, architecture=architecture or recipe.architecture)


def formula(recipe: Recipe) -> str:
    """The loss in a line, as the manifest says it."""
    terms = [f"{'' if w == 1 else f'{w:.4g}·'}{NAMES[k]}" for k, w in recipe.weights.items()]
    text = " + ".join(terms)
    if recipe.balance:
        text = f"({text})·(λ/{losses.REFERENCE_LAMBDA})^{recipe.balance:g}"
    patches = " and ".join(map(str, recipe.patches)) if any(k.startswith("gram") for k in recipe.weights) else ""
    return text + f"; MSE on 0…255{f', patches of {patches} pixels' if patches else ''}"


class View:
    """One random view of all images of a step: a window, mirrored or not, at another scale.

    The networks of the losses look at it in place of the crop. AlexNet looks at every fourth pixel only, and the
    decoder works in blocks of four: were the two always in step, a decoder would learn a checkerboard that LPIPS takes
    for texture.
    """

    SCALES = (0.77, 0.87, 1.0, 1.13, 1.23)

    def __init__(self, rng: np.random.Generator, crop: int, window: int = 0):
        """crop, window: pixels on a side; a window of 0 is 8 pixels smaller than the crop."""
        self.window = window or crop - 8
        self.top, self.left = rng.integers(0, crop - self.window + 1, 2).tolist()
        self.mirrored = bool(rng.random() < 0.5)
        self.side = round(self.window * rng.choice(self.SCALES) / 8) * 8

    def cut(self, x: Tensor) -> Tensor:
        """The window of a map on the crop's pixels, (B, C, crop, crop), at its own scale."""
        x = x[..., self.top : self.top + self.window, self.left : self.left + self.window]
        return x.flip(3) if self.mirrored else x

    def __call__(self, x: Tensor) -> Tensor:
        """(B, 3, crop, crop) -> (B, 3, side, side)."""
        x = self.cut(x)
        if self.side != self.window:
            x = F.interpolate(x, (self.side, self.side), mode="bilinear", antialias=True, align_corners=False)
        return x.contiguous(memory_format=torch.channels_last)


class Seen(NamedTuple):
    """Images (B, 3, h, w) in [0, 1], and what the networks make of them, where they are needed."""

    x: Tensor
    alex: list[Tensor]
    vgg: dict[int, Tensor]

    def part(self, index: slice) -> "Seen":
        """Some of the images."""
        return Seen(self.x[index], [a[index] for a in self.alex], {k: v[index] for k, v in self.vgg.items()})

    def detach(self) -> "Seen":
        return Seen(self.x.detach(), [a.detach() for a in self.alex], {k: v.detach() for k, v in self.vgg.items()})


def needs_vgg(recipe: Recipe) -> bool:
    return any(k.startswith(("vgg", "gram", "lpips-vgg", "gan")) for k in recipe.weights)


class Networks:
    """The frozen networks that some recipes look through. Raises FileNotFoundError where VGG-16 is not there."""

    def __init__(self, recipes: list[Recipe], backbones: str | Path, device: str | torch.device):
        used = {name for recipe in recipes for name in recipe.weights}
        self.alex = alexnet.load(str(device))
        self.sees_alex = "lpips" in used
        self.vgg = load_vgg(backbones) if any(map(needs_vgg, recipes)) else None
        self.vgg_lpips = load_vgg_lpips().to(device) if "lpips-vgg" in used else None
        if self.vgg:
            self.vgg.to(device, memory_format=torch.channels_last)

    def see(self, x: Tensor, alex: bool = False) -> Seen:
        """x (B, 3, h, w) in [0, 1]; alex: whether AlexNet looks at it even where no recipe asks for it."""
        activations = []
        if self.sees_alex or alex:
            with torch.autocast(x.device.type, enabled=False):  # under bfloat16 its gradient is off by a tenth
                activations = self.alex.activations(2 * x.float() - 1)
        return Seen(x, activations, self.vgg(x, tuple(ENDS)) if self.vgg else {})

    def terms(self, recipe: Recipe, x_hat: Tensor, x: Tensor, seen_hat: Seen, seen: Seen) -> dict[str, Tensor]:
        """Each term of a recipe but the GAN's, per image (B,), unweighted; x_hat as shown and x, in [0, 1].

        seen_hat, seen: what `see` gave for the two, or for the same view of them.
        """
        weights = recipe.weights
        terms = {k: loss(x_hat, x) for k, (_, loss) in PIXEL_LOSSES.items() if k in weights or k == "mse"}
        for block, stride in STRIDES.items():
            if f"vgg{block}" in weights:
                terms[f"vgg{block}"] = losses.feature_mse(seen_hat.vgg[block], seen.vgg[block])
            if f"gram{block}" in weights:
                sizes = [max(1, patch // stride) for patch in recipe.patches]
                grams = [losses.gram_mse(seen_hat.vgg[block], seen.vgg[block], n) for n in sizes]
                terms[f"gram{block}"] = torch.stack(grams).mean(0)
        if "lpips" in weights:
            terms["lpips"] = self.alex.distance(seen_hat.alex, seen.alex)
        if "lpips-vgg" in weights:
            terms["lpips-vgg"] = self.vgg_lpips(seen_hat.vgg, seen.vgg)
        return terms


def total(recipe: Recipe, terms: dict[str, Tensor], lmbda: Tensor, gan: float = 1.0) -> Tensor:
    """Σ weight·term, per image (B,), at the λ of each (B,); `gan` is a factor on the weight of that term."""
    loss = sum(w * (gan if k == "gan" else 1.0) * terms[k] for k, w in recipe.weights.items() if k in terms)
    return loss * (lmbda / losses.REFERENCE_LAMBDA) ** recipe.balance / recipe.unit
