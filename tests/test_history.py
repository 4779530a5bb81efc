"""The systems of history: files and back with networks of random weights, hostile files, trainings in miniature."""

import itertools
import json

import numpy as np
import pytest
import torch
from conftest import picture, with_pictures
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import codec
from codec.classroom import packing, store
from codec.classroom.history import attention_2021, container, exact, importance_2018, rnn_2018, training
from codec.cli import main
from codec.device import threads
from codec.entropy.range_coder import TableSet
from codec.errors import CodecError, StreamError

MODULES = {module.NAME: module for module in (rnn_2018, importance_2018, attention_2021)}


@pytest.fixture(scope="module")
def networks():
    """A network of each system, its weights random but such that symbols are of all kinds."""
    torch.manual_seed(4)
    rnn, importance, attention = rnn_2018.Network((3, 1)), importance_2018.Network(), attention_2021.Network()
    with torch.no_grad():
        for net in (importance, attention):
            net.begin(torch.rand(40, 3, 96, 96))
        for layer, std in ((importance.to_z, 0.05), (attention.g_a[-1], 0.3)):
            torch.nn.init.normal_(layer.weight, std=std)
        for layer in (rnn.model.last, importance.p.layers[-1]):
            layer.weight.mul_(6)
    return {
        rnn_2018.NAME: rnn.eval().requires_grad_(False),
        importance_2018.NAME: importance.eval().requires_grad_(False),
        attention_2021.NAME: attention.eval().requires_grad_(False),
    }


@pytest.fixture
def loaded(networks, monkeypatch):
    """The modules as if these networks were shipped."""
    tables = TableSet([*attention_2021.tables_of(networks[attention_2021.NAME].prior)])
    monkeypatch.setattr(rnn_2018, "load", lambda variant="": networks[rnn_2018.NAME])
    monkeypatch.setattr(importance_2018, "load", lambda variant="": networks[importance_2018.NAME])
    monkeypatch.setattr(attention_2021, "load", lambda variant="": (networks[attention_2021.NAME], tables))
    return networks


# --- exactness ----------------------------------------------------------------------------------------------------


def test_probabilities_are_integers_that_every_machine_computes_alike():
    table = exact.exponentials()
    assert table[0] == 1 << 24 and table[exact.ONE] == 6_171_993 and table[-1] == 103  # 2^24 times 1, 1/e and e^-12
    assert (np.diff(table) <= 0).all()
    logits = np.random.default_rng(0).integers(-5000, 5000, (200, 6)).astype(np.float64)
    p = exact.probabilities(logits)
    counts = p.astype(np.float64) * exact.TOTAL
    assert (counts == counts.round()).all() and (counts.sum(1) == exact.TOTAL).all() and counts.min() >= 1
    softmax = np.exp((logits - logits.max(1, keepdims=True)) / exact.ONE)
    assert np.abs(p - softmax / softmax.sum(1, keepdims=True)).max() < 1e-3


def test_the_integer_models_say_what_the_networks_say(networks):
    rng = np.random.default_rng(1)
    bits = networks[rnn_2018.NAME].model
    x = rng.integers(-1, 2, (50, bits.INPUTS)).astype(np.int8)
    wanted = torch.sigmoid(bits(torch.from_numpy(x).float())).numpy().ravel()
    assert np.abs(bits.p(x)[:, 1] - wanted).max() < 0.02

    net = networks[importance_2018.NAME]
    symbols = rng.integers(0, importance_2018.CENTRES, (importance_2018.CHANNELS, 5, 7))
    logits = net.p(net.centres[torch.from_numpy(symbols)][None])
    wanted, ours = (
        torch.softmax(logits, 1)[0].permute(1, 2, 3, 0).numpy(),
        np.zeros((*symbols.shape, importance_2018.CENTRES)),
    )

    def take(p, at):
        ours[at] = p
        return symbols[at]

    importance_2018.code(net, (5, 7), take)
    assert np.abs(ours - wanted).max() < 0.05
    symbols[12, 2, 3] = (
        symbols[12, 2, 3] + 1
    ) % importance_2018.CENTRES  # what comes later says nothing about what was before
    changed = torch.softmax(net.p(net.centres[torch.from_numpy(symbols)][None]), 1)[0].permute(1, 2, 3, 0).numpy()
    before = np.ravel_multi_index(np.indices((24, 5, 7)), (24, 5, 7)) <= np.ravel_multi_index((12, 2, 3), (24, 5, 7))
    assert np.allclose(changed[before], wanted[before], atol=1e-6) and not np.allclose(changed, wanted, atol=1e-4)


# --- files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("size", [(70, 50), (16, 16), (1, 1), (33, 130)])
def test_a_file_decodes_to_what_was_coded(name, size, loaded):
    module, rgb = MODULES[name], picture(*size, grain=20)
    data = module.compress(rgb)
    assert module.decompress(data).shape == rgb.shape and container.read(data).system == name
    pictures = []
    for count in (1, 2):
        with threads(count):
            pictures.append(module.decompress(data).astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() <= 1  # the symbols are the same, sums of floats are not


def test_symbols_come_back_and_cost_what_the_models_say(loaded):
    rgb = picture(120, 90, grain=20)
    segments, costs = zip(*rnn_2018.encode(rgb, loaded[rnn_2018.NAME], 6, 22.0), strict=True)
    bits = sum(costs)
    assert abs(8 * sum(map(len, segments)) - bits) <= 0.02 * bits + 8 * 64
    stream = container.read(container.write(rnn_2018.NAME, 1, 120, 90, [*segments]))
    for (_, active), (_, wanted) in zip(
        rnn_2018.pictures(stream), rnn_2018.sent(rgb, loaded[rnn_2018.NAME], 6, 22.0), strict=True
    ):
        assert (active == wanted).all()

    net = loaded[importance_2018.NAME]
    symbols, kept = importance_2018.latents(rgb, net)
    coder, back = exact.Coder(), np.zeros_like(symbols)
    importance_2018.code(net, symbols.shape[1:], lambda p, at: coder.put(symbols[at], p))
    data = coder.finish()
    reader = exact.Reader(data)

    def read(p, at):
        back[at] = reader.get(p)
        return back[at]

    importance_2018.code(net, symbols.shape[1:], read)
    assert (back == symbols).all() and kept.shape == symbols.shape[1:] and kept.max() <= importance_2018.CHANNELS
    assert abs(8 * len(data) - coder.bits) <= 0.02 * coder.bits + 8 * 64

    net, tables = attention_2021.load()
    y_hat = attention_2021.latents(rgb, net)
    assert len(np.unique(y_hat)) > 10
    bits = attention_2021.bits(y_hat, tables)
    assert abs(8 * len(attention_2021.compress(rgb)) - bits) <= 0.02 * bits + 8 * 64


def test_a_recurrent_stream_decodes_after_every_step(loaded):
    rgb = picture(80, 60, grain=20)
    data = rnn_2018.compress(rgb, steps=5)
    whole = container.read(data)
    steps = [rgb for rgb, _ in rnn_2018.pictures(whole)]
    assert len(steps) == 5 and not whole.cut
    ends = container.HEADER + np.cumsum([4 + len(segment) for segment in whole.segments])
    for number, end in enumerate(ends):
        assert (rnn_2018.decompress(data[:end]) == steps[number]).all()
        if number < 4:
            assert (rnn_2018.decompress(data[: end + 3]) == steps[number]).all()  # a part of the next is left out
    with pytest.raises(StreamError, match="no whole step"):
        rnn_2018.decompress(data[: ends[0] - 1])


def test_tiles_that_are_good_enough_send_nothing_more(loaded):
    rgb = picture(160, 96, grain=20)
    everything, some = (rnn_2018.compress(rgb, steps=6, target=target) for target in (None, 16.0))
    maps = [active for _, active in rnn_2018.pictures(container.read(some))]
    assert maps[0].all() and 0 < maps[-1].sum() < maps[0].sum() and len(some) < len(everything)
    assert all((later <= earlier).all() for earlier, later in itertools.pairwise(maps))
    assert len(container.read(rnn_2018.compress(rgb, steps=6, target=-20.0)).segments) == 1


@pytest.mark.parametrize("name", MODULES)
def test_damaged_files_are_refused_or_decode(name, loaded):
    module, rng = MODULES[name], np.random.default_rng(5)
    data = module.compress(picture(48, 32, grain=20))
    for _ in range(25):
        damaged = bytearray(data)
        for place in rng.integers(0, len(damaged), rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        stream = container.read(data)
        # With the right checks, too, as whoever makes a file to mislead would write them.
        segments = [bytes(rng.permutation(np.frombuffer(s, np.uint8))) for s in stream.segments]
        forged = container.write(name, stream.variant, 48, 32, segments)
        for hostile in (bytes(damaged), bytes(damaged[: rng.integers(len(damaged))]), forged):
            try:
                assert module.decompress(hostile).ndim == 3
            except StreamError as error:
                assert str(error).endswith(".")


@given(st.binary(max_size=60))
def test_any_bytes_are_a_file_or_refused(data):
    for head in (b"", container.MAGIC):
        try:
            container.read(head + data)
        except StreamError as error:
            assert str(error).endswith(".")


def test_what_cannot_be_coded_is_refused(loaded):
    for module in MODULES.values():
        with pytest.raises(CodecError, match="megapixels"):
            module.compress(np.zeros((2001, 2000, 3), np.uint8))
        with pytest.raises(CodecError, match="networks"):
            module.compress(np.zeros((8, 8, 3), np.uint8), variant="best")
    with pytest.raises(CodecError, match="steps"):
        rnn_2018.compress(np.zeros((8, 8, 3), np.uint8), steps=17)


# --- by name ------------------------------------------------------------------------------------------------------


@pytest.fixture
def shipped(loaded, monkeypatch):
    """As if the manifest named the networks."""
    manifest = store.manifest() | {name: {variant: {} for variant in MODULES[name].VARIANTS} for name in MODULES}
    monkeypatch.setattr(store, "manifest", lambda: manifest)


@pytest.mark.parametrize("name", [*MODULES, "cae-2017"])
def test_a_system_is_a_model_like_another(name, shipped, tmp_path, capsys):
    rgb = picture(80, 64, grain=6)
    data = codec.compress(rgb, model=name)
    assert codec.decompress(data).size == (80, 64)
    photo, stream, back = tmp_path / "photo.png", tmp_path / "photo.lic", tmp_path / "back.png"
    Image.fromarray(rgb).save(photo)
    assert main(["compress", str(photo), "-o", str(stream), "--model", name]) == 0 and stream.read_bytes() == data
    assert main(["decompress", str(stream), "-o", str(back)]) == 0 and Image.open(back).size == (80, 64)
    capsys.readouterr()
    assert main(["info", str(stream)]) == 0
    described = json.loads(capsys.readouterr().out)
    assert (described["system"], described["width"], described["bytes"]) == (name, 80, len(data))
    assert main(["compress", str(photo), "-o", str(tmp_path / "b.lic"), "--model", name, "--lambda", "0.01"]) == 2
    assert "has no λ" in capsys.readouterr().err
    with pytest.raises(CodecError, match="cannot be reached"):
        codec.compress(rgb, model=name, bpp=0.001)


def test_a_recurrent_stream_is_cut_to_the_rate(shipped):
    rgb = picture(160, 128, grain=6)
    lengths = []
    for bpp in (0.5, 1.2):
        data = codec.compress(rgb, model="rnn-2018", bpp=bpp)
        assert 8 * len(data) <= bpp * 160 * 128
        lengths.append(len(container.read(data).segments))
    assert 1 <= lengths[0] < lengths[1]


def test_a_system_without_weights_says_so(monkeypatch):
    monkeypatch.setattr(store, "manifest", lambda: {})
    with pytest.raises(CodecError, match="no weights for 'rnn-2018'"):
        codec.compress(picture(20, 20), model="rnn-2018")


# --- training -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return with_pictures(tmp_path_factory.mktemp("pictures"), 2, 0, lambda i: picture(140, 128, seed=i, grain=8))


@pytest.mark.parametrize(
    "name,variant", [("rnn-2018", "ssim"), ("importance-2018", "middle"), ("importance-2018", "li"),
                     ("attention-2021", "middle"), ("attention-2021", "mse")],
)  # fmt: skip
def test_what_was_trained_is_packed_and_codes(name, variant, photographs, tmp_path, monkeypatch):
    settings = training.Settings(str(photographs / "train"), str(tmp_path / "run"), name, variant)
    changes = {"steps": 5, "coarse_steps": 5, "batch": 2, "crop": 64, "bit_crops": 2, "bit_steps": 20}
    training.train(training.Settings(**(vars(settings) | changes)))
    log = json.loads((tmp_path / "run" / name / "log.json").read_text())
    assert log[variant]["steps"] == 5 and np.isfinite(log[variant]["progress"][0]["loss"])
    packing.pack_history(str(tmp_path / "run"), str(tmp_path / "classroom"))
    assert sum(path.stat().st_size for path in (tmp_path / "classroom").glob("*.xz")) < 1_000_000
    module = MODULES[name]
    store.manifest.cache_clear()
    module.load.cache_clear()
    monkeypatch.setattr(store, "folder", lambda: tmp_path / "classroom")
    try:
        rgb = picture(64, 48)
        assert module.decompress(module.compress(rgb, variant=variant)).shape == rgb.shape
    finally:
        store.manifest.cache_clear()
        module.load.cache_clear()
