"""Shared pieces: the shipped codec, a natural-looking picture, and quick tests before slow ones."""

import os

import numpy as np
import pytest
from hypothesis import settings

# The same examples in every run, so that a failure is of the change that was made; and no clock in a test.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

SLOW = ("test_training", "test_page", "test_page_compare")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.module.__name__.split(".")[-1] in SLOW)  # stable: the rest keeps its order


@pytest.fixture(scope="session")
def codec():
    """The codec with the weights that are shipped."""
    from codec import api
    from codec.models.registry import WEIGHTS

    if not (WEIGHTS / "manifest.json").exists():
        pytest.skip(f"there are no weights in {WEIGHTS}")
    return api.load()


def picture(width: int, height: int, seed: int = 0, grain: float = 3.0) -> np.ndarray:
    """uint8 (height, width, 3) with smooth shades, edges and some grain, as photographs have."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[0:height, 0:width].astype(np.float64)
    channels = []
    for _ in range(3):
        a, b, c, d = rng.uniform(0.004, 0.03, 4)
        shade = 110 + 50 * np.sin(a * u + b * v + c) + 35 * np.cos(d * u - a * v)
        edge = 40.0 * (np.hypot(u - width * rng.random(), v - height * rng.random()) < min(width, height) / 3)
        channels.append(shade + edge + rng.normal(0, grain, (height, width)))
    return np.stack(channels, 2).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def data_folder():
    """The folder of test data named by CODEC_DATA."""
    root = os.environ.get("CODEC_DATA")
    if not root:
        pytest.skip("CODEC_DATA does not name a folder of pictures")
    return root
