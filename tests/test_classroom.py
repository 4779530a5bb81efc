"""The classroom: the codec for digits, the autoencoder of 2017, and their weights."""

import contextlib
import hashlib
import itertools
import json

import numpy as np
import pytest
import torch
from conftest import picture
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file

from codec import results
from codec.classroom import autoencoder, cae, coarse, digits, huffman, narrow, packing, prior, store
from codec.classroom.mnist import DigitNet
from codec.errors import StreamError, WeightsError
from codec.networks.storage import to_float

SYMBOLS = st.lists(st.integers(-40, 40), min_size=1, max_size=60).map(np.array)


def shipped(kind: str) -> list[str]:
    path = store.folder() / "manifest.json"
    return list(json.loads(path.read_text()).get(kind, {})) if path.exists() else []


# --- the prior and its strings -------------------------------------------------------------------------------------


def test_tables_are_the_same_integers_everywhere():
    flat = np.concatenate([prior.table(s, int(u)) for s in (1, 77, 1000, 4321) for u in (0, *prior.STEPS)])
    digest = hashlib.sha256(flat.astype("<i4").tobytes()).hexdigest()
    assert digest.startswith("c942a74c8da38efc")


@pytest.mark.parametrize("scale", [30, 1000, 5000])
@pytest.mark.parametrize("step", [-15, 0, 7])
def test_a_table_is_the_logistic_between_two_edges(scale, step):
    counts = prior.table(scale, step)
    limit = len(counts) // 2 - 1
    edges = (np.arange(-limit, limit + 2) - 0.5 + step / 32) / (scale / 1000)
    wanted = np.diff(1 / (1 + np.exp(-edges)))
    assert np.abs(counts[:-1] / prior.TOTAL - wanted).max() < 1e-4 and counts.sum() == prior.TOTAL


@given(SYMBOLS, st.integers(1, 6000), st.sampled_from([0, *prior.STEPS.tolist()]))
def test_a_string_decodes_and_is_near_its_information(q, scale, step):
    tables = prior.tables_of(np.full(len(q), scale), np.full(len(q), step))
    text = prior.encode(q, tables)
    assert (prior.decode(text, tables) == q).all()
    if (np.abs(q) <= tables.limits[0]).all():
        assert 8 * len(text) <= prior.bits(q, tables) + 9 + len(q) * 0.01


def test_strings_are_as_long_as_the_estimate_on_average():
    rng, scales = np.random.default_rng(0), np.full(10, 1500)
    draws = np.round(1.5 * rng.logistic(size=(300, 10))).astype(int)
    tables = prior.tables_of(scales)
    real = 8 * np.mean([len(prior.encode(q, tables)) for q in draws])
    assert 0 <= real - np.mean([prior.bits(q, tables) for q in draws]) < 6


def test_the_untrained_codec_costs_what_the_report_says():
    """Latents near 0 under ten logistics of scale 1 and noise: 10·log2(1/0.245) = 20.3 bits."""
    net = DigitNet(10).initialise(0)
    with torch.no_grad():
        assert 20.2 < float(net.bits(torch.zeros(1, 10)).sum()) < 20.4


def test_dither_is_shared_by_seed_and_fills_its_interval():
    a = np.concatenate([prior.dither_steps(3, i, 50) for i in range(200)])
    assert (a == np.concatenate([prior.dither_steps(3, i, 50) for i in range(200)])).all()
    assert set(a) == set(prior.STEPS) and abs(a.mean()) < 1


def test_the_rate_of_the_networks_prior_is_that_of_the_tables():
    net = DigitNet(4)
    with torch.no_grad():
        net.log_scale.copy_(torch.tensor([0.1, 0.5, 1.0, 2.0]).log())
        q = torch.tensor([[0.0, 1, -2, 3]])
        wanted = float(net.bits(q).sum())
    assert prior.bits(q[0].numpy(), prior.tables_of(digits.scales_of(net.log_scale))) == pytest.approx(wanted, abs=0.01)


# --- Huffman -------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from([0] * 8 + list(range(-31, 32))), min_size=1, max_size=400).map(np.array))
def test_huffman_gives_back_what_it_was_given(values):
    for mode in (huffman.PLAIN, huffman.RUNS):
        data = huffman.write_as(values, mode)
        assert (huffman.read(data, len(values)) == values).all()


@pytest.mark.parametrize("count", [1, 2, 3, 8, 100])
def test_runs_of_zeros(count):
    values = np.zeros(count, int)
    data = huffman.write(values)
    assert (huffman.read(data, count) == values).all() and len(data) <= 12


def test_a_huffman_code_is_within_a_bit_of_the_entropy():
    values = np.round(np.random.default_rng(0).laplace(0, 2, 20000)).astype(int).clip(-31, 31)
    _, counts = np.unique(values, return_counts=True)
    entropy = -(counts * np.log2(counts / len(values))).sum()
    data = huffman.write_as(values, huffman.PLAIN)
    assert entropy <= 8 * (len(data) - huffman.table_bytes(data)) + 8 < entropy + len(values)


def test_no_code_is_longer_than_its_half_byte():
    counts = np.array([1, 1] + [2**k for k in range(1, 30)])
    lengths = huffman.code_lengths(counts)
    assert lengths.max() <= huffman.LONGEST and (2.0**-lengths).sum() <= 1


@given(st.binary(max_size=80))
def test_nonsense_never_decodes_by_accident_or_crashes(data):
    with contextlib.suppress(StreamError):
        assert len(huffman.read(data, 64)) == 64


def test_a_cut_stream_is_refused():
    data = huffman.write(np.random.default_rng(0).integers(-20, 20, 500))
    for length in (0, 2, 5, len(data) // 2, len(data) - 1):
        with pytest.raises(StreamError):
            huffman.read(data[:length], 500)


# --- the autoencoder -----------------------------------------------------------------------------------------------


def test_rounding_and_clipping_pass_the_gradient_straight_through():
    net, y = cae.AutoEncoder(), torch.tensor([0.2, 1.7, 40.0], requires_grad=True)
    rounded = net.quantise(y)
    assert rounded.tolist() == [0, 2, 31]
    rounded.sum().backward()
    assert y.grad.tolist() == [1, 1, 1]


def test_the_soft_entropy_is_that_of_whole_numbers_and_falls_when_they_gather():
    y = torch.tensor([0.0] * 6 + [1.0] * 2)
    assert float(cae.soft_entropy(y)) == pytest.approx(0.8113, abs=1e-3)
    spread = torch.linspace(-3, 3, 200, requires_grad=True)
    before = cae.soft_entropy(spread)
    before.backward()
    assert float(cae.soft_entropy(spread.detach() - 5 * spread.grad)) < float(before)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (50, 37)])
def test_the_autoencoder_codes_any_size(size, monkeypatch):
    torch.manual_seed(0)
    net = cae.AutoEncoder().eval().requires_grad_(False)
    monkeypatch.setattr(autoencoder, "load", lambda name: net)
    rgb = picture(*size)
    data = autoencoder.compress(rgb, "2")
    assert autoencoder.read(data)[3] == "2" and autoencoder.decompress(data).shape == rgb.shape
    assert (autoencoder.read(data)[0] == autoencoder.latents(rgb, "2")).all()
    sizes = autoencoder.ladder(autoencoder.latents(rgb, "2"))
    assert len(data) == autoencoder.HEADER + min(r.total for r in sizes.rungs[1:])
    for cut in (3, 8, len(data) - 1):
        with pytest.raises(StreamError):
            autoencoder.read(data[:cut])


def test_a_stream_that_names_a_huge_picture_is_refused_before_anything_is_made_of_it():
    with pytest.raises(StreamError, match="size"):
        autoencoder.read(b"CAE1\x00\xff\xff\xff\xff" + bytes(40))


# --- weights of few bits -------------------------------------------------------------------------------------------


def layers() -> torch.nn.Sequential:
    torch.manual_seed(0)
    kernels = torch.nn.Conv2d(3, 40, 5), torch.nn.ReLU(), torch.nn.Conv2d(40, 40, 3)
    return torch.nn.Sequential(*kernels, torch.nn.Flatten(), torch.nn.Linear(1000, 50), torch.nn.Linear(50, 2))


def test_a_network_is_trained_stored_and_read_as_the_same_multiples():
    net, x = layers(), torch.rand(4, 3, 11, 11)
    before = net[4].weight.detach().clone()
    coarse.constrain(net, 0.1, 0.25)
    step = net[4].parametrizations.weight[0].step
    assert step == pytest.approx(0.25 * float(before.std()))
    optimizer = torch.optim.SGD(net.parameters(), 0.5)
    net(x).square().mean().backward()
    assert all(float(p.grad.abs().max()) > 0 for p in net.parameters())
    optimizer.step()
    trained = net(x)
    stored = coarse.settle(net)
    assert stored["4.weight"].dtype == torch.int8 and stored["5.weight"].dtype == torch.float16  # 100 weights
    assert (net[4].weight / step - (net[4].weight / step).round()).abs().max() < 1e-4
    assert torch.allclose(net(x), trained, atol=2e-3)  # the small tensors became float16
    found = to_float(coarse.read(coarse.write(stored)))
    assert found.keys() == net.state_dict().keys()
    assert all((found[name] == value).all() for name, value in net.state_dict().items())


def test_a_network_that_goes_on_from_another_is_stored_as_its_difference():
    torch.manual_seed(3)
    start = layers()
    files = []
    for shift in (0.0, 0.02):
        net = layers()
        net.load_state_dict({k: v + shift * torch.randn_like(v) for k, v in start.state_dict().items()})
        coarse.constrain(net, 0.25, 0.25, start.state_dict())
        files.append(coarse.settle(net))
    base, stored = files
    less = coarse.read(coarse.write(coarse.difference(stored, base)))
    back = coarse.restored(less, base)
    assert back.keys() == stored.keys() and all(torch.equal(back[k], stored[k]) for k in stored)
    assert len(coarse.write(coarse.difference(stored, base))) < 0.9 * len(coarse.write(stored))
    far = stored | {"0.weight": stored["0.weight"] * -1, "4.weight.scale": 2 * stored["4.weight.scale"]}
    back = coarse.restored(coarse.difference(far, base), base)
    assert all(torch.equal(back[k], far[k]) for k in far)


def test_a_file_of_weights_is_about_as_long_as_their_entropy():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(1000, 100))
    torch.nn.init.normal_(net[0].weight)
    coarse.constrain(net, 0.25, 0.25)
    stored = coarse.settle(net)
    _, counts = stored["0.weight"].unique(return_counts=True)
    entropy = float(-(counts / 1e5).log2() @ (counts / 1e5))
    assert 3.9 < entropy < 4.2
    assert 1e5 * entropy / 8 < len(coarse.write(stored)) < 1.05 * 1e5 * entropy / 8 + 500


def test_a_layer_of_low_rank_is_the_whole_one_where_the_rank_suffices():
    net, x = DigitNet(3).initialise(1), torch.rand(40, 1, 28, 28)
    with torch.no_grad():
        y, errors = net.g_a(x), []
        for rank in (2, 39):  # 40 pictures span 39 dimensions around their mean
            errors.append(float((narrow.narrowed(net, x, rank).g_a(x) - y).abs().mean()))
    assert errors[1] < 1e-5 < 1e-3 < errors[0]


# --- what is shipped -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped("mnist"))
def test_shipped_digits_come_back_from_their_bytes(name):
    codec, x = digits.load(name), store.shipped_digits()
    assert x.shape == (200, 28, 28)
    y = codec.analyse(x[::10])
    for seed in (None, 7):
        for i in range(len(y)):
            text = codec.compress(y[i], seed, i)
            assert (codec.decompress(text, seed, i) == codec.quantise(y[i], seed, i) + codec.steps(seed, i) / 32).all()
    x_hat = codec.synthesise(codec.quantise(y))
    error = np.abs(x_hat.astype(float) - x[::10]).mean() / 255
    assert error < 0.8 * x[::10].mean() / 255 and x_hat.dtype == np.uint8  # of what a black picture has


def test_a_higher_price_of_error_buys_less_of_it_for_more_bits():
    x, found = store.shipped_digits(), []
    for name in ("l100-d10", "l500-d10", "l1000-d10", "l2000-d10", "l5000-d10"):
        codec = digits.load(name)
        q = codec.quantise(codec.analyse(x))
        error = np.abs(codec.synthesise(q).astype(float) - x).mean()
        found.append((np.mean([codec.estimate(v) for v in q]), -error))
    assert found == sorted(found) and sorted(e for _, e in found) == [e for _, e in found]


def test_more_numbers_buy_less_error_for_more_bits():
    found = sorted(results.read("classroom-mnist")["points"], key=lambda p: p["d"])
    line = [p["dithered"] for p in found if p["lambda"] == 2000 and p["name"] != "untrained"]
    assert len(line) == 5
    for low, high in itertools.pairwise(line):
        assert low["bits_estimated"] < high["bits_estimated"] and low["distortion"] > high["distortion"]
    for p in found:
        assert 0 < p["rounded"]["bits_real_in_one_stream"] - p["rounded"]["bits_estimated"] < 0.5
        assert 0 < p["rounded"]["bits_real"] - p["rounded"]["bits_estimated"] < 8


@pytest.mark.parametrize("name", shipped("cae"))
def test_shipped_autoencoders_draw_the_picture(name):
    rgb = picture(96, 64)
    decoded = autoencoder.decompress(autoencoder.compress(rgb, name))
    share = 1 if name[0] == "3" else 0.25  # the third has a tenth of the MSE in its loss, and at 64² gets 18 dB
    assert ((decoded.astype(float) - rgb) ** 2).mean() < share * rgb.astype(float).var()


def test_a_damaged_weights_file_is_noticed(tmp_path, monkeypatch):
    (tmp_path / "bad.safetensors").write_bytes(b"x")
    monkeypatch.setattr(store, "folder", lambda: tmp_path)
    with pytest.raises(WeightsError, match="SHA-256"):
        store.read("bad.safetensors", "0" * 64)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder for weights of the classroom instead of the shipped one."""
    caches = store.manifest, store.shipped_digits, digits.load, autoencoder.load
    for cache in caches:
        cache.cache_clear()
    monkeypatch.setattr(store, "folder", lambda: tmp_path / "classroom")
    yield tmp_path / "classroom"
    for cache in caches:
        cache.cache_clear()


def test_digits_train_and_are_packed_as_they_were_trained(tmp_path, elsewhere):
    from codec.classroom.mnist_training import RANK, Settings, load_digits, train

    rng, arrays = np.random.default_rng(0), {}
    for part, count in (("train", 256), ("test", 200)):
        arrays[f"{part}_images"] = rng.integers(0, 255, (count, 28, 28)).astype(np.uint8)
        arrays[f"{part}_labels"] = np.arange(count) % 10
    np.savez(tmp_path / "small.npz", **arrays)
    settings = Settings(str(tmp_path / "small.npz"), run=str(tmp_path / "run"), epochs=1, fork_epochs=0.5)
    train(settings)
    log = json.loads((tmp_path / "run" / "log.json").read_text())
    assert len(log) == 10 and log["whole"]["progress"][-1]["step"] == 2
    train(settings)  # finds everything done
    elsewhere.mkdir()
    (elsewhere / "mnist-of-old.safetensors.xz").write_bytes(b"x")
    packing.pack_mnist(settings.data, settings.run, str(elsewhere))
    assert len(list(elsewhere.glob("mnist-*"))) == 9 and (store.shipped_digits()[0] == arrays["test_images"][0]).all()
    codec, x = digits.load("l2000-d5"), load_digits(settings.data, "test")[0]
    assert codec.d == 5 and codec.net.g_a[5][0].out_features == RANK
    state = to_float(load_file(tmp_path / "run" / "l2000-d5.safetensors"))
    assert all((value == state[name]).all() for name, value in codec.net.g_s.state_dict(prefix="g_s.").items())
    assert codec.synthesise(codec.quantise(codec.analyse((x[:3, 0] * 255).numpy().astype(np.uint8)))).shape == (
        3,
        28,
        28,
    )


def test_a_larger_latent_begins_with_what_the_smaller_one_knows():
    from codec.classroom.mnist_training import RANK, fork

    base, x = DigitNet(5, RANK).initialise(1), torch.rand(3, 1, 28, 28)
    with torch.no_grad():
        base.log_scale += 0.3
        larger, smaller = fork(base, 8, 0), fork(base, 2, 0)
        assert torch.allclose(larger.g_a(x)[:, :5], base.g_a(x), atol=1e-5)
        assert torch.allclose(larger.g_s(torch.eye(8)[:5]), base.g_s(torch.eye(5)), atol=1e-5)
        assert larger.log_scale[:5].tolist() == base.log_scale.tolist() and not larger.log_scale[5:].any()
        assert torch.equal(smaller.g_a[:7](x), base.g_a[:7](x)) and not smaller.log_scale.any()


def test_the_autoencoders_train_and_are_packed_as_they_were_trained(tmp_path, elsewhere, monkeypatch):
    from codec.classroom import cae_training
    from codec.training.vgg import Vgg16

    (tmp_path / "photos").mkdir()
    Image.fromarray(picture(200, 160)).save(tmp_path / "photos" / "a.png")
    monkeypatch.setattr(cae_training, "load_vgg", lambda folder: Vgg16())
    settings = cae_training.Settings(
        str(tmp_path / "photos"), "", str(tmp_path / "run"), steps=2, fork_steps=2, batch=4
    )
    cae_training.train(settings)
    log = json.loads((tmp_path / "run" / "log.json").read_text())
    assert list(log) == ["whole", *autoencoder.NAMES] and log["4"]["start"] == "2 steps on the MSE alone"
    assert log["4"]["batch"] == 4 and (log["4-128"]["batch"], log["4-128"]["crop"]) == (1, 128)
    assert {"mse", "entropy", "vgg2", "vgg5", "gram2", "gram5", "step"} <= log["2"]["progress"][-1].keys()
    packing.pack_cae(settings.run, str(elsewhere))
    data = autoencoder.compress(picture(40, 30), "4-128")
    assert autoencoder.read(data)[3] == "4-128" and autoencoder.decompress(data).shape == (30, 40, 3)
    assert sum(path.stat().st_size for path in elsewhere.glob("cae-*")) < 2_400_000
