import math

import numpy as np
import pytest

from codec.metrics import bpp, psnr


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
