import hashlib
import math
import sys
import types

import numpy as np
import pytest
import torch
from conftest import picture
from torch import nn

from codec.errors import WeightsError
from codec.metrics import LPIPS_MIN_SIDE, MS_SSIM_MIN_SIDE, bpp, lpips, ms_ssim, ms_ssim_db, psnr
from codec.metrics import alexnet as codec_lpips


def damaged(rgb, kind):
    """A reconstruction as bad ones look: with noise, in blocks, or dull."""
    rng = np.random.default_rng(1)
    if kind == "noise":
        return (rgb + rng.normal(0, 20, rgb.shape)).clip(0, 255).astype(np.uint8)
    if kind == "blocks":
        return np.kron(rgb[::8, ::8], np.ones((8, 8, 1), np.uint8))
    return (0.6 * rgb + 60).astype(np.uint8)


PAIRS = [(picture(192, 192, i, grain=8), damaged(picture(192, 192, i, grain=8), kind)) for i, kind in
         enumerate(("noise", "blocks", "dull"))]  # fmt: skip


def test_psnr_of_a_known_error():
    a = np.full((5, 7, 3), 100, np.uint8)
    b = a.copy()
    b[2, 3, 1] = 121
    expected = 10 * math.log10(255**2 / (21**2 / a.size))
    assert psnr(a, b) == pytest.approx(expected, abs=1e-12)
    assert psnr(b, a) == psnr(a, b)  # uint8 differences must not wrap


def test_psnr_extremes():
    black, white = np.zeros((3, 3, 3), np.uint8), np.full((3, 3, 3), 255, np.uint8)
    assert psnr(black, black) == math.inf
    assert psnr(black, white) == 0


def test_psnr_of_a_picture_of_several_blocks_and_of_a_view():
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (900, 700, 3), dtype=np.uint8) for _ in range(2))
    expected = 10 * math.log10(255**2 / np.mean((a.astype(float) - b) ** 2))
    assert psnr(a, b) == pytest.approx(expected, rel=1e-12)
    assert psnr(a[::2, ::-1], b[::2, ::-1]) == pytest.approx(
        10 * math.log10(255**2 / np.mean((a[::2].astype(float) - b[::2]) ** 2)), rel=1e-12
    )


@pytest.mark.parametrize(
    "a, b",
    [
        (np.zeros((2, 3, 3), np.uint8), np.zeros((3, 2, 3), np.uint8)),
        (np.zeros((2, 3, 3), np.uint8), np.zeros((2, 3, 3), np.float32)),
        (np.zeros((2, 3, 3), np.uint8), [[0]]),
        (np.zeros((0, 3, 3), np.uint8), np.zeros((0, 3, 3), np.uint8)),
    ],
)
def test_psnr_refuses_what_it_is_not_defined_for(a, b):
    with pytest.raises(ValueError):
        psnr(a, b)


def test_bpp():
    assert bpp(49152, 768, 512) == 1.0
    assert bpp(0, 1, 1) == 0
    with pytest.raises(ValueError):
        bpp(10, 0, 5)


def test_psnr_agrees_with_scikit_image():
    metrics = pytest.importorskip("skimage.metrics", reason="scikit-image is not installed")
    for a, b in PAIRS:
        assert psnr(a, b) == pytest.approx(metrics.peak_signal_noise_ratio(a, b, data_range=255), abs=1e-9)


def windowed(x):
    """x (H, W) seen through a Gaussian window of 11×11, deviation 1.5, wherever it fits."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets**2) / (2 * 1.5**2))
    window /= window.sum()
    for axis in (0, 1):
        x = np.apply_along_axis(np.convolve, axis, x, window, "valid")
    return x


def ms_ssim_of_the_paper(a, b):
    """Wang, Simoncelli and Bovik (2003), equation 7, in float64, for one channel whose sides 16 divides."""
    a, b, product = a.astype(float), b.astype(float), 1.0
    for i, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        mean_a, mean_b = windowed(a), windowed(b)
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        variances = windowed(a * a) - mean_a**2 + windowed(b * b) - mean_b**2
        measure = (2 * (windowed(a * b) - mean_a * mean_b) + c2) / (variances + c2)
        if i == 4:
            measure *= (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
        product *= measure.mean() ** weight
        a, b = (x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2).mean((1, 3)) for x in (a, b))
    return product


def test_ms_ssim_agrees_with_the_paper():
    for a, b in PAIRS:
        expected = np.mean([ms_ssim_of_the_paper(a[..., c], b[..., c]) for c in range(3)])
        assert ms_ssim(a, b) == pytest.approx(expected, abs=1e-4)
        assert ms_ssim_db(ms_ssim(a, b)) == pytest.approx(-10 * math.log10(1 - expected), abs=0.01)


def alexnet_features():
    """The layers of torchvision's AlexNet().features, as its paper and its weights have them."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, 1, 1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, 1, 1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(3, 2),
    )  # fmt: skip


def test_lpips_agrees_with_the_package(monkeypatch):
    """The package takes only its AlexNet from torchvision, which is stood in for: the weights are ours anyway."""
    models = types.SimpleNamespace(alexnet=lambda pretrained: types.SimpleNamespace(features=alexnet_features()))
    monkeypatch.setitem(sys.modules, "torchvision", types.SimpleNamespace(models=models))
    package = pytest.importorskip("lpips", reason="lpips is not installed (pip install --no-deps lpips)")
    reference = package.LPIPS(net="alex", pnet_rand=True, verbose=False)
    ours = codec_lpips.load()
    convs = [m for m in reference.net.modules() if isinstance(m, nn.Conv2d)]
    for conv, own in zip(convs, ours.convs, strict=True):
        conv.load_state_dict(own.state_dict())
    for a, b in PAIRS:
        x, y = (torch.from_numpy(p).permute(2, 0, 1)[None].float() / 127.5 - 1 for p in (a, b))
        with torch.inference_mode():
            expected = float(reference(x, y))
        assert expected > 0.05
        assert lpips(a, b) == pytest.approx(expected, abs=1e-4)


def test_lpips_as_a_loss():
    """Batches in, one value a picture out; gradients are finite even where both pictures are equal and flat."""
    net = codec_lpips.load()
    x, y = (torch.stack([torch.from_numpy(p[i]) for p in PAIRS]).permute(0, 3, 1, 2) / 127.5 - 1 for i in (0, 1))
    values = net(x, y)
    assert values.shape == (3,)
    assert values.tolist() == pytest.approx([lpips(a, b) for a, b in PAIRS], abs=1e-5)
    for guess in (y.clone(), x.clone(), torch.zeros_like(x)):
        guess.requires_grad_()
        net(guess, x).sum().backward()
        assert guess.grad.isfinite().all()
    assert not any(p.requires_grad for p in net.parameters())


def test_small_pictures_have_no_ms_ssim_and_smaller_ones_no_lpips():
    assert LPIPS_MIN_SIDE == codec_lpips.MIN_SIDE
    for side, metric in ((MS_SSIM_MIN_SIDE, ms_ssim), (LPIPS_MIN_SIDE, lpips)):
        a, b = picture(side, side + 9, 0), picture(side, side + 9, 1)
        assert 0 < metric(a, b) < 1
        assert metric(a[:, : side - 1], b[:, : side - 1]) is None


def test_equal_pictures():
    a = picture(192, 192)
    assert ms_ssim(a, a) == 1 and ms_ssim_db(1.0) == math.inf and lpips(a, a) == 0


@pytest.mark.parametrize("metric", [ms_ssim, lpips])
def test_ms_ssim_and_lpips_refuse_what_they_are_not_defined_for(metric):
    a = picture(192, 192)
    for b in (a[:-1], a.astype(float), a[..., 0], None):
        with pytest.raises(ValueError):
            metric(a, b)
    with pytest.raises(ValueError):
        metric(a[..., 0], a[..., 0])


def test_weights_that_are_missing_or_damaged_are_told(codec, tmp_path, use_weights):
    data = (codec.weights.folder / codec_lpips.FILE).read_bytes()
    assert len(data) < 6e6 and hashlib.sha256(data).hexdigest() == codec_lpips.SHA256
    use_weights(tmp_path)
    with pytest.raises(WeightsError, match="is missing"):
        codec_lpips.load.__wrapped__()
    (tmp_path / codec_lpips.FILE).write_bytes(data[:-1] + b"?")
    with pytest.raises(WeightsError, match="damaged"):
        codec_lpips.load.__wrapped__()
