"""The losses against values computed by hand or by another route."""

import math
import warnings

import lpips
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import VGG_BLOCKS

from codec.metrics import alexnet
from codec.training import losses
from codec.training.discriminator import Discriminator
from codec.training.recipes import RECIPES, Networks, Recipe, View, adjusted, formula, total
from codec.training.vgg import load_vgg, load_vgg_lpips


def test_mse_on_the_8_bit_scale_is_per_picture():
    x = torch.zeros(2, 3, 4, 4)
    x_hat = x.clone()
    x_hat[1, 0, 0, 0] = 0.2  # one of 48 values
    assert losses.mse255(x_hat, x).tolist() == pytest.approx([0, 255**2 * 0.04 / 48], rel=1e-5)


def test_what_repeats_in_neighbouring_blocks_counts_as_lattice():
    x = torch.full((4, 3, 256, 270), 0.5)  # the last 14 columns, half a block, do not count
    x_hat = x.clone()
    x_hat[0] += 0.1  # another brightness is no pattern
    x_hat[1, :, ::16, 3:256:16] += 0.2  # a dot in every block
    x_hat[2, :, :16, :16] += 0.2 * torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(0))  # in one only
    x_hat[3, :, :, 256:] += 0.2
    found = losses.lattice(x_hat, x).tolist()
    dot = 255**2 * 0.04 * (1 / 256 - 1 / 256**2)  # the mean square of what sticks out of the mean
    assert found[0] == pytest.approx(0, abs=1e-4) and found[3] == 0
    assert found[1] == pytest.approx(dot, rel=1e-4)
    assert found[2] == pytest.approx(255**2 * 0.04 / 64**2 / 4, rel=0.1)  # 1/64 of it in one of four squares
    with pytest.raises(ValueError, match="96×256"):
        losses.lattice(x_hat[..., :96], x[..., :96])


def test_spectrum_by_loops():
    x, x_hat = np.random.default_rng(0).random((2, 2, 3, 13, 20), dtype=np.float32)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(8) / 8)
    window, noise = np.outer(hann, hann), (1 / 255) ** 2 * (hann**2).sum() ** 2  # Σ window²·σ²
    found = np.zeros(2)
    for n in range(2):
        logs = []
        for picture in (x_hat[n], x[n]):
            tiles = [c[i : i + 8, j : j + 8] for c in picture for i in (0, 4) for j in (0, 4, 8, 12)]
            amplitudes = [np.abs(np.fft.fft2((tile - tile.mean()) * window))[:, :5] for tile in tiles]
            logs.append(np.log(np.array(amplitudes) / noise**0.5 + 1))
        found[n] = np.square(logs[0] - logs[1]).mean()
    values = losses.spectrum(torch.from_numpy(x_hat), torch.from_numpy(x), side=8).tolist()
    assert values == pytest.approx(found, rel=1e-4)


def test_spectrum_asks_for_the_texture_and_not_for_its_place():
    generator = torch.Generator().manual_seed(0)
    x, other, third = (torch.randn(1, 3, 128, 128, generator=generator) * 0.04 + 0.5 for _ in range(3))
    weave = other[..., :4, :4].tile(32, 32)  # of the same power, but the same every 4 pixels
    moved, flat = x.roll(5, 3), torch.full_like(x, 0.5)
    places, same, woven, none = (losses.spectrum(x_hat, x).item() for x_hat in (moved, third, weave, flat))
    assert places < same < woven / 3 < none
    x_hat = flat.clone().requires_grad_()
    losses.spectrum(x_hat, flat).sum().backward()
    assert (x_hat.grad == 0).all()  # not nan
    with pytest.raises(ValueError, match="128×31"):
        losses.spectrum(x[..., :31, :], x[..., :31, :])


def test_a_shown_picture_is_clipped_and_has_8_bits():
    x = torch.tensor([-0.3, 0.0, 0.1003, 0.5, 1.0, 1.7])
    assert (255 * losses.as_shown(x)).tolist() == pytest.approx([0, 0, 26, 128, 255, 255])


@pytest.mark.parametrize(
    "value,gradient,passes", [(0.5, 2, 2), (1.2, 2, 2), (1.2, -2, 0), (-0.1, -2, -2), (-0.1, 2, 0)]
)
def test_beyond_the_range_only_the_gradient_that_leads_back_passes(value, gradient, passes):
    x = torch.tensor([value], requires_grad=True)
    losses.as_shown(x).backward(torch.tensor([float(gradient)]))
    assert x.grad.item() == passes


def test_feature_mse_by_hand():
    f = torch.arange(8.0).view(1, 2, 2, 2)
    f_hat = f.clone()
    f_hat[0, 1, 1, 1] += 4
    assert losses.feature_mse(f_hat, f).item() == 16 / 8


def test_gram_by_hand():
    # Two channels, one patch of 1×2 would be (1 2; 3 -1): its Gram matrix is (5 1; 1 10)/2. Here 2×2, with zeros.
    f_hat = torch.tensor([[[1.0, 2.0], [0, 0]], [[3.0, -1.0], [0, 0]]])[None]
    f = torch.zeros_like(f_hat)
    expected = (5**2 + 1 + 1 + 10**2) / 4**2 / 4  # over n² = 16, mean over the four entries
    assert losses.gram_mse(f_hat, f, 2).item() == pytest.approx(expected)


@pytest.mark.parametrize("patch", [1, 2, 3, 5])
def test_gram_matrices_on_patches_by_loops(patch):
    """With 5 channels, patches of 1 and 4 places take the one way to the norm and 9 and 25 the other."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 5, 7, 6)), rng.normal(size=(2, 5, 7, 6))
    expected = []
    for one, other in zip(a, b, strict=True):
        values = []
        for top in range(0, 7 - patch + 1, patch):
            for left in range(0, 6 - patch + 1, patch):
                grams = []
                for f in (one, other):
                    columns = f[:, top : top + patch, left : left + patch].reshape(5, -1)
                    grams.append(columns @ columns.T / columns.shape[1])
                values.append(((grams[0] - grams[1]) ** 2).mean())
        expected.append(np.mean(values))
    a_hat = torch.tensor(a, dtype=torch.float32, requires_grad=True)
    got = losses.gram_mse(a_hat, torch.tensor(b, dtype=torch.float32), patch)
    assert got.tolist() == pytest.approx(expected, rel=1e-4)
    got.sum().backward()
    step = 1e-3  # the gradient, by a difference
    moved = a.copy()
    moved[0, 2, 1, 1] += step
    more = losses.gram_mse(torch.tensor(moved), torch.tensor(b), patch)
    less = losses.gram_mse(torch.tensor(a), torch.tensor(b), patch)
    assert a_hat.grad[0, 2, 1, 1].item() == pytest.approx(float((more - less).sum()) / step, rel=0.05, abs=2e-4)


def test_a_patch_that_does_not_fit_is_an_error():
    with pytest.raises(ValueError, match="does not fit"):
        losses.gram_mse(torch.zeros(1, 2, 3, 9), torch.zeros(1, 2, 3, 9), 4)


def test_gan_losses_by_hand():
    def sigmoid(v):
        return 1 / (1 + math.exp(-v))

    fake = torch.tensor([0.0, 2.0, -1.0, 3.0]).view(2, 1, 1, 2)
    real = torch.tensor([1.0, 0.5, -2.0, 0.0]).view(2, 1, 1, 2)
    generator = [-(math.log(sigmoid(a)) + math.log(sigmoid(b))) / 2 for a, b in ((0, 2), (-1, 3))]
    assert losses.generator_loss([fake]).tolist() == pytest.approx(generator, rel=1e-5)
    # Another part of the discriminator, undecided and with more places, counts as much as the first.
    even = torch.zeros(2, 1, 3, 3)
    halfway = [(g + math.log(2)) / 2 for g in generator]
    assert losses.generator_loss([fake, even]).tolist() == pytest.approx(halfway, rel=1e-5)
    pairs = (((1, 0), (0.5, 2)), ((-2, -1), (0, 3)))
    judged = [-sum(math.log(sigmoid(r)) + math.log(1 - sigmoid(f)) for r, f in two) / 2 for two in pairs]
    assert losses.discriminator_loss([real], [fake]).tolist() == pytest.approx(judged, rel=1e-5)
    halfway = [(j + 2 * math.log(2)) / 2 for j in judged]
    assert losses.discriminator_loss([real, even], [fake, even]).tolist() == pytest.approx(halfway, rel=1e-5)


@pytest.fixture(scope="module")
def discriminator():
    torch.manual_seed(0)
    return Discriminator(channels=8).eval()


def features(x: torch.Tensor) -> dict[int, torch.Tensor]:
    """Positive numbers in the shapes of VGG's blocks, made of x alone."""
    heads = Discriminator.HEADS
    shades = {block: F.avg_pool2d(x.mean(1, keepdim=True), 2 ** (block - 1)) for block, *_ in heads}
    return {block: shades[block] * torch.linspace(0, 3, n).view(1, -1, 1, 1) for block, n, _ in heads}


def judged(discriminator, x, y_hat):
    return discriminator(x, features(x), y_hat, lambda c: c)


def test_discriminator_judges_each_picture_with_its_own_latents(discriminator):
    x, y_hat = torch.rand(3, 3, 64, 64), 5 * torch.randn(3, 8, 4, 4)
    with torch.no_grad():
        together = judged(discriminator, x, y_hat)
        one_by_one = [judged(discriminator, x[i : i + 1], y_hat[i : i + 1]) for i in range(3)]
        other = judged(discriminator, x, y_hat.flip(0))
    assert [part.shape[2:] for part in together] == [(7, 7), (32, 32), (16, 16), (8, 8), (4, 4)]
    for i, part in enumerate(together):
        assert torch.allclose(part, torch.cat([single[i] for single in one_by_one]), atol=1e-5)
        assert not torch.allclose(part[:2], other[i][:2], atol=1e-4)  # each part does look at the latents


def test_every_part_of_the_discriminator_moves_the_picture_and_none_the_latent(discriminator):
    y_hat = torch.randn(1, 8, 4, 4, requires_grad=True)
    for part in range(5):
        x = torch.rand(1, 3, 64, 64, requires_grad=True)
        judged(discriminator, x, y_hat)[part].sum().backward()
        assert y_hat.grad is None and x.grad.abs().max() > 0
    discriminator.zero_grad()


def test_every_layer_of_the_discriminator_has_spectral_norm_one(discriminator):
    discriminator.train()
    with torch.no_grad():
        for _ in range(20):
            judged(discriminator, torch.rand(1, 3, 32, 32), torch.randn(1, 8, 2, 2))
    discriminator.eval()
    convs = [m for m in discriminator.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convs) == 1 + 4 + 4 * 3
    for conv in convs:
        assert torch.linalg.matrix_norm(conv.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.06)


def test_vgg_blocks_2_and_5_are_those_of_the_figure(vgg_folder):
    """Against the layers in torchvision's order: relu2_2 is number 8, relu5_3 number 29."""
    folder, tensors = vgg_folder
    layers, position = [], 0
    for block, places in enumerate(VGG_BLOCKS):
        for place in places:
            assert place == position
            weight, bias = (tensors[f"features.{place}.{k}"].float() for k in ("weight", "bias"))
            layers += [lambda h, w=weight, b=bias: torch.nn.functional.conv2d(h, w, b, padding=1), torch.relu]
            position += 2
        if block < 4:
            layers.append(lambda h: torch.nn.functional.max_pool2d(h, 2))
            position += 1
    assert len(layers) == 30
    x = torch.rand(1, 3, 32, 48)
    h = (x - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    expected = {}
    for number, layer in enumerate(layers):
        h = layer(h)
        expected[number] = h
    got = load_vgg(folder)(x)
    assert got[2].shape == (1, 128, 16, 24) and got[5].shape == (1, 512, 2, 3)
    for block, number in ((2, 8), (5, 29)):
        assert torch.allclose(got[block], expected[number], rtol=1e-3, atol=1e-4)


def test_missing_backbones_are_named():
    with pytest.raises(FileNotFoundError, match="--backbones"):
        load_vgg("")


def test_the_loss_is_the_recipes_sum(vgg_folder):
    vgg, distance = load_vgg(vgg_folder[0]), load_vgg_lpips()
    weights = {"mse": 2.0, "vgg2": 3.0, "vgg5": 5.0, "gram2": 7.0, "gram5": 11.0, "lpips": 13.0, "lpips-vgg": 17.0}
    recipe = Recipe(weights, balance=0.5, unit=10.0, patches=(8, 32))
    x, x_hat = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    networks = Networks([recipe], vgg_folder[0], "cpu")
    terms = networks.terms(recipe, x_hat, x, networks.see(x_hat), networks.see(x))
    assert torch.allclose(terms["lpips"], alexnet.load()(2 * x_hat - 1, 2 * x - 1))  # LPIPS takes [-1, 1]
    a, b = vgg(x_hat, range(1, 6)), vgg(x, range(1, 6))
    gram2 = (losses.gram_mse(a[2], b[2], 4) + losses.gram_mse(a[2], b[2], 16)) / 2  # block 2 is at half resolution
    gram5 = (losses.gram_mse(a[5], b[5], 1) + losses.gram_mse(a[5], b[5], 2)) / 2
    assert torch.allclose(terms["gram2"], gram2, rtol=1e-4) and torch.allclose(terms["gram5"], gram5, rtol=1e-4)
    assert torch.allclose(terms["lpips-vgg"], distance(a, b), rtol=1e-4)
    lmbda = torch.tensor([losses.REFERENCE_LAMBDA, 4 * losses.REFERENCE_LAMBDA])
    expected = sum(weights[k] * terms[k] for k in weights) / 10
    assert torch.allclose(total(recipe, terms, lmbda), expected * torch.tensor([1.0, 2.0]))


def test_lpips_on_vgg_is_that_of_the_package(vgg_folder):
    folder, tensors = vgg_folder
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package uses an argument that torchvision has deprecated
        package = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False).eval()
    distance, vgg = load_vgg_lpips(), load_vgg(folder)
    with torch.no_grad():
        for name, layer in package.net.named_modules():
            if isinstance(layer, torch.nn.Conv2d):
                place = name.rpartition(".")[2]  # as torchvision numbers it
                layer.weight.copy_(tensors[f"features.{place}.weight"])
                layer.bias.copy_(tensors[f"features.{place}.bias"])
        x, x_hat = torch.rand(2, 3, 48, 64), torch.rand(2, 3, 48, 64)
        expected = package(2 * x_hat - 1, 2 * x - 1).flatten()
        assert torch.allclose(distance(vgg(x_hat, range(1, 6)), vgg(x, range(1, 6))), expected, rtol=1e-3)


def test_the_networks_see_both_pictures_alike_from_every_place():
    x, x_hat = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64, requires_grad=True)
    views = [View(np.random.default_rng(step), 64, 48) for step in range(400)]
    assert {(view.top % 8, view.left % 8) for view in views} == {(i, j) for i in range(8) for j in range(8)}
    assert {view.side for view in views} == {40, 48, 56} and {view.mirrored for view in views} == {False, True}
    for view in views[:8]:
        assert view(x_hat).shape == (1, 3, view.side, view.side) and torch.equal(view(x), view(x.clone()))
    networks = Networks([RECIPES["hific-nogan"]], "", "cpu")
    with torch.no_grad():
        assert not any(a.requires_grad for a in networks.see(views[0](x)).alex)
    assert all(a.requires_grad for a in networks.see(views[0](x_hat)).alex)


def test_the_generative_recipe_is_that_of_the_paper():
    weights = RECIPES["hific"].weights
    assert weights == {"mse": 0.075 / 32, "lpips": 1.0, "gan": 0.15}
    assert RECIPES["hific-nogan"].weights == {k: v for k, v in weights.items() if k != "gan"}
    assert formula(RECIPES["hific"]) == "0.002344·MSE + LPIPS(AlexNet) + 0.15·(−log D(x_hat, y_hat)); MSE on 0…255"
    assert formula(RECIPES["mse"]) == "(MSE)·(λ/0.0067)^0.5; MSE on 0…255"
    assert formula(RECIPES["texture"]).endswith("patches of 16 and 32 pixels")


def test_recipes_can_be_adjusted_and_mistakes_are_named():
    recipe = adjusted("hific", "gan=0.3,lpips=0", "0.5:4", "synthesis-2-0-0")
    assert recipe.weights == {"mse": 0.075 / 32, "gan": 0.3} and recipe.levels == (0.5, 4.0)
    assert recipe.architecture == "synthesis-2-0-0"
    for arguments in (("best",), ("mse", "beauty=1"), ("mse", "", "5:2"), ("mse", "", "3")):
        with pytest.raises(ValueError):
            adjusted(*arguments)
