"""Shared pieces: the shipped codec, the page and a browser, a natural-looking picture; quick tests before slow ones."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from unittest import mock

# One process for each core: more threads in each would only wait for one another. Before PyTorch is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings as hypothesis_settings
from PIL import Image

# The same examples in every run, so that a failure is of the change that was made; and no clock in a test.
hypothesis_settings.register_profile("steady", derandomize=True, deadline=None)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

#: Convolutions of each block: their places in torchvision's VGG-16.
VGG_BLOCKS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
CHROMIUM = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SLOW = ("test_training", "test_page", "test_page_compare", "test_viewer", "test_page_accessible")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.module.__name__.split(".")[-1] in SLOW)  # stable: the rest keeps its order


@pytest.fixture(scope="session")
def codec():
    """The codec with the weights that are shipped."""
    from codec import api
    from codec.weights import default

    if not (default().folder / "manifest.json").exists():
        pytest.skip(f"there are no weights in {default().folder}")
    return api.load()


@pytest.fixture
def use_weights(codec, monkeypatch):
    """A function that makes another folder the default one, for this test only."""
    from codec import api, weights

    def forget():
        weights.default.cache_clear()
        api.load.cache_clear()

    def use(folder: Path) -> None:
        monkeypatch.setenv("CODEC_WEIGHTS", str(folder))
        forget()

    yield use
    monkeypatch.undo()
    forget()


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


@contextlib.contextmanager
def served(folder):
    """The page, running; `folder` takes its uploads, for this time only."""
    from codec.ui import build, launch_options

    with mock.patch.dict(os.environ, GRADIO_TEMP_DIR=str(folder), CODEC_VOTES=f"{folder}-votes"):
        demo = build()
        demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options())
        yield demo
        demo.close()


@pytest.fixture(scope="module")
def url(codec, tmp_path_factory):
    """The address of the page."""
    with served(tmp_path_factory.mktemp("gradio")) as demo:
        yield demo.local_url


@pytest.fixture(scope="module")
def client(url, tmp_path_factory):
    """It leaves an empty folder for every download in what it takes for the place of temporary files: here that is one
    of its own, while the page, in the same process, keeps the real one."""
    import gradio_client.client

    folder = str(tmp_path_factory.mktemp("client"))
    own = mock.Mock(wraps=tempfile, gettempdir=lambda: folder)
    with mock.patch.object(gradio_client.client, "tempfile", own):
        yield gradio_client.Client(url, verbose=False)


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """A picture of 300×200 as a file."""
    path = tmp_path_factory.mktemp("photos") / "my photo!.png"
    Image.fromarray(picture(300, 200, seed=8, grain=16)).save(path)
    return path


@pytest.fixture(scope="module")
def vgg_folder(tmp_path_factory):
    """A folder with random weights in the form of the real ones."""
    import torch
    from safetensors.torch import save_file

    from codec.training.vgg import FILE

    folder, inputs, tensors = tmp_path_factory.mktemp("backbones"), 3, {}
    generator = torch.Generator().manual_seed(0)
    for places, width in zip(VGG_BLOCKS, (64, 128, 256, 512, 512), strict=True):
        for place in places:
            kernel = torch.randn(width, inputs, 3, 3, generator=generator) * (2 / (9 * inputs)) ** 0.5
            tensors[f"features.{place}.weight"] = kernel.half()
            tensors[f"features.{place}.bias"] = 0.1 * torch.randn(width, generator=generator).half()
            inputs = width
    save_file(tensors, folder / FILE)
    return folder, tensors


@pytest.fixture(scope="session")
def given_data():
    """A function that finds a file or folder by name below CODEC_DATA, or skips the test where it is not there."""

    def find(name: str) -> Path:
        path = Path(os.environ.get("CODEC_DATA", "/nowhere")) / name
        if not path.exists():
            pytest.skip(f"CODEC_DATA names no folder that has {name} in it")
        return path

    return find


@pytest.fixture(scope="module")
def loaded(codec):
    """The shipped trunk for training with its mse decoder, read once."""
    from codec.metrics import alexnet
    from codec.training import latents
    from codec.weights import default

    if not (default().folder / alexnet.FILE).exists():
        pytest.skip("there are no weights of LPIPS")
    return latents.load_trunk(str(default().folder))


def with_pictures(root: Path, train: int, held_out: int, drawn) -> Path:
    """The folder root with so many pictures in train and in held-out: `drawn` of their numbers."""
    for name, count in (("train", train), ("held-out", held_out)):
        (root / name).mkdir()
        for i in range(count):
            Image.fromarray(drawn(i)).save(root / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder with a few small pictures in train and one in held-out."""
    return with_pictures(tmp_path_factory.mktemp("pictures"), 4, 1, lambda i: picture(140, 128, seed=i, grain=8))


@pytest.fixture
def settings(loaded, folders, vgg_folder, tmp_path, monkeypatch):
    """Settings of a tiny training of a decoder, whose trunk need not be read again."""
    from codec.training import decoders
    from codec.weights import default

    monkeypatch.setattr(decoders, "load_trunk", lambda *_: (loaded[0], {k: v.clone() for k, v in loaded[1].items()}))
    monkeypatch.setattr(decoders, "read_decoder", lambda *_: {k: v.clone() for k, v in loaded[1].items()})

    def make(decoder: str, **changes) -> decoders.Settings:
        common = {"init": str(default().folder), "data": str(folders / "train"), "run": str(tmp_path / decoder)}
        common |= {"validation": str(folders / "held-out"), "backbones": str(vgg_folder[0])}
        common |= {"batch": 2, "crop": 64, "warmup": 1, "gan_ramp": 1, "minutes": 1e6, "validate_minutes": 1e6}
        return decoders.Settings(decoder, **(common | changes))

    return make


def batch(trainer, level=60):
    """What a step of a training takes: two pictures in [0, 1] and their latents at a byte-valued level."""
    import torch

    from codec.training.data import Crops

    crops = Crops(trainer.settings.data).sample(np.random.default_rng(0), 2, 64)
    return crops.float() / 255, trainer.trunk.encode(crops, torch.full((2, 1, 1, 1), level, dtype=torch.uint8))


@pytest.fixture(scope="module")
def vote_site(tmp_path_factory):
    """(client, Votes): the vote's pages without Gradio, asked without a network."""
    from starlette.testclient import TestClient
    from voting import app

    application, votes = app(tmp_path_factory.mktemp("votes"))
    with TestClient(application) as http:
        yield http, votes
    votes.store.close()


@pytest.fixture
def http(vote_site):
    """Asks the vote's pages."""
    vote_site[1].rates.times.clear()  # the tests are one address, and in a hurry
    return vote_site[0]


@pytest.fixture
def votes(vote_site):
    """The store of the vote's pages."""
    return vote_site[1].store
