import hashlib
import math

import lpips as package
import numpy as np
import pytest
import torch
from conftest import picture
from scipy.ndimage import convolve, gaussian_filter, uniform_filter

from codec.errors import WeightsError
from codec.metrics import LPIPS_MIN_SIDE, MS_SSIM_MIN_SIDE, bpp, gmsd, lpips, ms_ssim, ms_ssim_db, psnr, vif
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


def test_lpips_agrees_with_the_package():
    """Ours has halves of its own and a gradient at zero; the values are those of the package's own `forward`."""
    net = codec_lpips.load()
    for a, b in PAIRS:
        x, y = (torch.from_numpy(p).permute(2, 0, 1)[None].float() / 127.5 - 1 for p in (a, b))
        with torch.inference_mode():
            expected = float(package.LPIPS.forward(net, x, y))
        assert expected > 0.05
        assert lpips(a, b) == pytest.approx(expected, abs=1e-6)


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


def gmsd_of_the_paper(a: np.ndarray, b: np.ndarray) -> float:
    """Xue, Zhang, Mou and Bovik, IEEE TIP 2014, as their formulas have it."""
    prewitt = np.repeat([[1.0, 0.0, -1.0]], 3, axis=0) / 3

    def gradient(rgb: np.ndarray) -> np.ndarray:
        halved = uniform_filter(rgb.astype(np.float64) @ (0.299, 0.587, 0.114), 2, origin=-1)[::2, ::2]
        return np.hypot(convolve(halved, prewitt), convolve(halved, prewitt.T))

    x, y = gradient(a), gradient(b)
    return float(np.std((2 * x * y + 170) / (x * x + y * y + 170)))


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_gmsd_is_that_of_the_paper(a, b):
    assert gmsd(a, b) == pytest.approx(gmsd_of_the_paper(a, b), abs=0.004)  # the border is treated otherwise
    assert gmsd(a, a) == pytest.approx(0, abs=1e-4)


def test_vif_falls_with_blur_and_exceeds_one_where_contrast_is_raised():
    gray = np.repeat(picture(192, 192, 3, grain=8)[..., :1], 3, 2)  # of one colour, so that luma is the picture
    values = [vif(gray, gaussian_filter(gray, (sigma, sigma, 0))) for sigma in (0, 0.7, 1.5, 3)]
    assert values[0] == pytest.approx(1, abs=1e-4) and values == sorted(values, reverse=True) and values[-1] < 0.3
    # What sets VIF apart: more contrast without more noise is more information (Sheikh and Bovik, section IV).
    dull = (gray * 0.6 + 50).round().astype(np.uint8)
    assert vif(dull, (dull * 1.4 - 50).clip(0, 255).round().astype(np.uint8)) > 1.05


@pytest.mark.parametrize("measure", [gmsd, vif])
def test_measures_of_luma_need_two_pictures_of_one_size(measure):
    with pytest.raises(ValueError, match="of one size"):
        measure(np.zeros((64, 64, 3), np.uint8), np.zeros((64, 48, 3), np.uint8))
