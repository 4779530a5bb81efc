"""Every tab computes on the GPU where there is one, and on the processor where its memory does not suffice."""

import functools
import math
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from conftest import picture
from PIL import Image
from pretend_gpu import OnGpu, pretended

import codec as package
from codec import api, results
from codec.networks import layers
from codec.ui import names
from codec.ui.jobs import (
    bits,
    compare,
    curves,
    damage,
    decoders,
    gpu,
    inside,
    open_stream,
    region,
    renditions,
    sampling,
)
from codec.ui.jobs.renditions import Cache
from codec.weights import default


@pytest.fixture(autouse=True)
def float32_only(monkeypatch):
    """The pretended GPU computes in float32. So does the processor here, for the pictures to be the same."""
    monkeypatch.setattr("codec.pipeline.has_bfloat16", lambda device="cpu": False)


def silent(*_, **__):
    """In place of gr.Progress."""


RATE, SIDES = (names.BY_LAMBDA, 0.0067, 0.3, 15.0), ("original", "ours", "jpeg")
EVERY = results.decoders()
#: What each tab computes of a stream and the picture that it was made of.
WORK = {
    "compress": lambda stream, photo: compare.run(photo, RATE, "mse", SIDES, silent),
    "decoders": lambda stream, photo: decoders.run(stream, photo, 0.5, silent),
    "sweep": lambda stream, photo: curves.run(photo, [], names.MSE, None, silent),
    "point": lambda stream, photo: curves.show(photo, "ours:texture|0.0067"),
    "bits": lambda stream, photo: bits.run(stream, photo),
    "region": lambda stream, photo: region.run(stream, photo, None, 8, names.MIDDLE),
    "prior": lambda stream, photo: sampling.run(["mse"], names.EVERYTHING, 1, 1.0, 100, "256×256", 16, None),
    "side information": lambda stream, photo: sampling.run(EVERY, names.SIDE, 1, 1.0, 100, "", 16, stream),
    "channels": lambda stream, photo: sampling.run(["mse"], names.CHANNELS, 1, 1.0, 100, "", 16, stream),
    "between": lambda stream, photo: sampling.between(photo, photo, "128×128", 3, 150, "mse"),
    "inside": lambda stream, photo: inside.run(stream),
    "channel": lambda stream, photo: inside.look(stream, 1),
    "damaged byte": lambda stream, photo: damage.run(stream, 0.9, True, names.BYTE, 1),
    "damaged value": lambda stream, photo: damage.run(stream, 0.5, True, names.LATENT, 1),
    "lost channel": lambda stream, photo: damage.run(stream, 0.5, True, names.CHANNEL, 1),
    "open": lambda stream, photo: open_stream.run(stream),
}


@pytest.fixture(scope="module")
def files(codec, tmp_path_factory):
    """A stream and its picture, as paths."""
    folder = tmp_path_factory.mktemp("files")
    photo, stream = folder / "photo.png", folder / "photo.lic"
    Image.fromarray(picture(160, 130, grain=8)).save(photo)
    stream.write_bytes(package.compress(photo, lmbda=0.0067))
    yield str(stream), str(photo)
    for cache in (api.load, default):
        cache.cache_clear()  # they hold what was on a GPU that is not there


class Immediately(ThreadPoolExecutor):
    """A pool that works in the thread that asks: no other one knows of the pretended GPU."""

    def submit(self, work, *inputs):
        done = Future()
        try:
            done.set_result(work(*inputs))
        except Exception as error:
            done.set_exception(error)
        return done


@pytest.fixture
def asked(monkeypatch):
    """The devices that codecs are asked for, as they come; what was drawn before is forgotten."""
    devices, load = [], api.load

    def listed(trunk="", device="cpu"):
        devices.append(device)
        return load(trunk, device)

    monkeypatch.setattr(api, "load", listed)
    monkeypatch.setattr(renditions, "CACHE", Cache(10**8))
    monkeypatch.setattr(compare, "ThreadPoolExecutor", Immediately)
    for module in (compare, decoders):
        monkeypatch.setattr(module, "CACHE", renditions.CACHE)
    return devices


def paths(value):
    """The paths of files among the values that a function of the page yields."""
    if isinstance(value, str):
        yield from [value] if len(value) < 500 and Path(value).is_file() else []
    elif isinstance(value, (list, tuple, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from paths(part)


def made(name: str, files) -> list[bytes]:
    """The files that the last value of a work names: pictures, streams, tables. What else there is has times in it."""
    for value in WORK[name](*files):
        found = [Path(path).read_bytes() for path in paths(value)]
    return found


@functools.cache
def made_by_the_processor(name: str, files) -> list[bytes]:
    before = gpu.has_gpu, layers.WIDE
    gpu.has_gpu, layers.WIDE = lambda: False, math.inf  # a GPU has the library's convolutions, which round otherwise
    try:
        return made(name, files)
    finally:
        gpu.has_gpu, layers.WIDE = before


@pytest.mark.parametrize("name", WORK)
def test_every_tab_computes_on_the_gpu(name, files, asked, monkeypatch):
    wanted = made_by_the_processor(name, files)
    asked.clear()
    renditions.CACHE.kept.clear()
    with pretended(monkeypatch):
        assert made(name, files) == wanted != []
    assert set(asked) == {"cuda"}


@pytest.mark.parametrize("name", WORK)
def test_a_gpu_without_enough_memory_leaves_the_work_to_the_processor(name, files, asked, monkeypatch):
    wanted = made_by_the_processor(name, files)
    listed = api.load

    def full(trunk="", device="cpu"):
        codec = listed(trunk, device)
        if device == "cuda":
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return codec

    monkeypatch.setattr(api, "load", full)
    asked.clear()
    renditions.CACHE.kept.clear()
    with pretended(monkeypatch):
        assert made(name, files) == wanted
    assert asked[0] == "cuda" and "cpu" in asked


def test_what_was_yielded_before_the_memory_ended_is_yielded_anew(monkeypatch):
    monkeypatch.setattr(gpu, "has_gpu", lambda: True)

    def work(device):
        yield device, 1
        if device == "cuda":
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        yield device, 2

    assert list(gpu.each_where_it_fits(work)) == [("cuda", 1), ("cpu", 1), ("cpu", 2)]
    assert gpu.where_it_fits(lambda device: next(work(device))) == ("cuda", 1)


def test_zerogpu_is_left_to_those_whose_work_can_be_forked(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert gpu.has_gpu()
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    assert not gpu.has_gpu()


def test_the_pretended_gpu_refuses_what_a_real_one_does(monkeypatch):
    with pretended(monkeypatch):
        there = torch.ones(3, device="cuda")
        assert isinstance(there, OnGpu) and there.device.type == "cuda"
        with pytest.raises(RuntimeError, match="same device"):
            there + torch.ones(3)
        with pytest.raises(RuntimeError, match="numpy"):
            there.numpy()
        assert (there + 1).cpu().numpy().tolist() == [2, 2, 2]
