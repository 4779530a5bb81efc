"""The pictures to start with: which there are, whose they are, and that no lossy file has touched them."""

import importlib.util

import numpy as np
import pytest
from PIL import Image

from codec.ui import address, examples
from codec.ui.texts import t


@pytest.fixture
def without_scikit_image(monkeypatch):
    """As if it were not installed."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "skimage" else find(name))
    caches = examples.sources, examples.files, examples.thumbnails
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def jpeg_grid(path) -> float:
    """How much more of the high frequencies is zero on the best grid of 8×8 blocks than on a middling one: 1 is none.

    Quantisation puts them there, on its own grid alone; to scale a picture down takes them away again.
    """
    from scipy.fft import dctn

    with Image.open(path) as image:
        y = np.asarray(image.convert("L"), np.float32)
    shares = []
    for top, left in np.ndindex(8, 8):
        rows, columns = ((n - o) // 8 for n, o in zip(y.shape, (top, left), strict=True))
        blocks = y[top : top + 8 * rows, left : left + 8 * columns].reshape(rows, 8, columns, 8)
        high = dctn(blocks, axes=(1, 3), norm="ortho")[:, 4:, :, 4:]
        shares.append((np.abs(high) < 0.5).mean())
    return max(shares) / np.median(shares)


def test_the_examples_are_many_and_a_photograph_comes_first():
    names = list(examples.sources())
    assert names == [*examples.PHOTOGRAPHS, *examples.DRAWN] and 8 <= len(names) <= 10
    assert {path.stem for path in examples.FOLDER.glob("*.png")} == set(examples.DRAWN)
    for path in examples.files():
        with Image.open(path) as image:
            assert image.format == "PNG" and image.mode == "RGB" and min(image.size) >= 400
    assert [name for _, name in examples.thumbnails()] == names
    assert all(t(f"examples.{name}") in examples.credit() for name in examples.PHOTOGRAPHS)


def test_no_photograph_has_the_blocks_of_a_jpeg_file():
    sources = examples.sources()
    assert all(jpeg_grid(sources[name]) < 1.1 for name in examples.PHOTOGRAPHS)
    assert jpeg_grid(sources["portrait"].with_name("chelsea.png")) > 1.3  # what the test is able to see


def test_without_scikit_image_there_are_the_drawings(without_scikit_image):
    assert tuple(examples.sources()) == examples.DRAWN == tuple(name for _, name in examples.thumbnails())
    assert "scikit-image" not in examples.credit() and "CC0" in examples.credit()
    assert address.parse({"example": "portrait"}) == {}
    assert address.parse({"example": "night"}) == {"example": "night"}
