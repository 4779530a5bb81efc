"""What each decoder is trained for: the table of losses, and the objective that computes them."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor

from codec.metrics.alexnet import LPIPS
from codec.networks.generator import SYNTHESIS
from codec.spec import TOP
from codec.training import losses
from codec.training.vgg import STRIDES, Vgg16


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
    parts = [f"{'' if w == 1 else f'{w:.4g}·'}{NAMES[k]}" for k, w in recipe.weights.items()]
    text = " + ".join(parts)
    if recipe.balance:
        text = f"({text})·(λ/{losses.REFERENCE_LAMBDA})^{recipe.balance:g}"
    patches = " and ".join(map(str, recipe.patches)) if any(k.startswith("gram") for k in recipe.weights) else ""
    return text + f"; MSE on 0…255{f', patches of {patches} pixels' if patches else ''}"


class Seen(NamedTuple):
    """`LPIPS.activations` of a batch of decoded pictures, and of their originals, for which no gradient is kept."""

    x_hat: list[Tensor]
    x: list[Tensor]


class Objective:
    """Computes the terms of a recipe but for the GAN's; `vgg` and `lpips` may be None where it has no use for them."""

    def __init__(self, recipe: Recipe, vgg: Vgg16 | None = None, lpips: LPIPS | None = None):
        self.recipe, self.vgg, self.lpips = recipe, vgg, lpips

    @staticmethod
    def needs_vgg(recipe: Recipe) -> bool:
        return any(k.startswith(("vgg", "gram")) for k in recipe.weights)

    def terms(self, x_hat: Tensor, x: Tensor, seen: Seen | None = None) -> dict[str, Tensor]:
        """x_hat as shown and x, (B, 3, H, W) in [0, 1] -> each term per picture, (B,), unweighted.

        seen: what AlexNet sees of them, where that has been computed.
        """
        weights = self.recipe.weights
        found = {k: loss(x_hat, x) for k, (_, loss) in PIXEL_LOSSES.items() if k in weights or k == "mse"}
        if self.needs_vgg(self.recipe):
            with torch.no_grad():
                target = self.vgg(x)
            features = self.vgg(x_hat)
            for block, stride in STRIDES.items():
                f_hat, f = features[block], target[block]
                if f"vgg{block}" in weights:
                    found[f"vgg{block}"] = losses.feature_mse(f_hat, f)
                if f"gram{block}" in weights:
                    sizes = [max(1, patch // stride) for patch in self.recipe.patches]
                    found[f"gram{block}"] = torch.stack([losses.gram_mse(f_hat, f, n) for n in sizes]).mean(0)
        if "lpips" in weights:
            found["lpips"] = self.distance(seen or self.see(x_hat, x))
        return found

    def see(self, x_hat: Tensor, x: Tensor, offset: tuple[int, int] = (0, 0)) -> Seen:
        """AlexNet's activations of both, without the first rows and columns of each, as many as `offset` says.

        AlexNet looks at every fourth pixel only, and the decoder works in blocks of four: were the two always in step,
        a decoder would learn a checkerboard that LPIPS takes for texture. In float32, since under bfloat16 the
        gradient of LPIPS is off by a tenth.
        """
        with torch.autocast(x.device.type, enabled=False):
            a_hat, a = (2 * p[..., offset[0] :, offset[1] :].float() - 1 for p in (x_hat, x))
            with torch.no_grad():
                target = self.lpips.activations(a)
            return Seen(self.lpips.activations(a_hat), target)

    def distance(self, seen: Seen) -> Tensor:
        """LPIPS, per picture."""
        return self.lpips.distance(*seen)

    def total(self, terms: dict[str, Tensor], lmbda: Tensor, gan: float = 1.0) -> Tensor:
        """Σ weight·term, per picture (B,), at the λ of each (B,); `gan` is a factor on the weight of that term."""
        weights = self.recipe.weights
        loss = sum(w * (gan if k == "gan" else 1.0) * terms[k] for k, w in weights.items() if k in terms)
        return loss * (lmbda / losses.REFERENCE_LAMBDA) ** self.recipe.balance / self.recipe.unit
