"""The pictures to start with: which there are, whose they are, and that no lossy file has touched them."""

import importlib.util

import numpy as np
import pytest
from PIL import Image

from codec.ui import deep_link, drawings, examples


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
    assert set(examples.DRAWN) == set(drawings.DRAWINGS)
    for path in examples.files():
        with Image.open(path) as image:
            assert image.format == "PNG" and image.mode == "RGB" and min(image.size) >= 400
    assert [name for _, name in examples.thumbnails()] == names
    assert all(whose in examples.credit() for _, whose in examples.PHOTOGRAPHS.values())


def test_no_photograph_has_the_blocks_of_a_jpeg_file():
    sources = examples.sources()
    assert all(jpeg_grid(sources[name]) < 1.1 for name in examples.PHOTOGRAPHS)
    assert jpeg_grid(sources["portrait"].with_name("chelsea.png")) > 1.3  # what the test is able to see


def test_without_scikit_image_there_are_the_drawings(without_scikit_image):
    assert tuple(examples.sources()) == examples.DRAWN == tuple(name for _, name in examples.thumbnails())
    assert "scikit-image" not in examples.credit() and "CC0" in examples.credit()
    assert deep_link.parse({"example": "portrait"}, (), 8) == {}
    assert deep_link.parse({"example": "night"}, (), 8) == {"example": examples.DRAWN.index("night")}


@pytest.mark.parametrize("name", ["chart", "comic", "night"])
def test_the_drawings_are_what_their_code_draws(name):
    drawn = drawings.DRAWINGS[name]().astype(int)
    shipped = np.asarray(Image.open(examples.FOLDER / f"{name}.png")).astype(int)
    # Another processor may round a sine otherwise, another Pillow draw an edge otherwise.
    assert drawn.shape == shipped.shape and np.abs(drawn - shipped).mean() < 2
