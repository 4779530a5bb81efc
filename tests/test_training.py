"""The training of the trunk on a few small pictures: it learns, resumes, and what it exports codes and decodes."""

import importlib
import json
import math
from unittest.mock import create_autospec

import numpy as np
import pytest
import torch
from conftest import picture, with_pictures

from codec.networks.gain import lambda_map
from codec.networks.model import CodecModel, Output
from codec.pipeline import Codec
from codec.spec import ANCHORS
from codec.training import __main__ as command_line
from codec.training import data, export, muon
from codec.training.data import Crops, random_levels
from codec.training.losses import REFERENCE_LAMBDA, rate_distortion
from codec.training.muon import Muon, orthogonalize
from codec.training.trunk import Settings, train
from codec.weights import Weights


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return with_pictures(tmp_path_factory.mktemp("data"), 5, 2, lambda i: picture(200, 192, seed=i))


@pytest.fixture(scope="module")
def trained(folders):
    common = {"data": str(folders / "train"), "validation": str(folders / "held-out"), "run": str(folders / "run")}
    common |= {"batch": 2, "crop": 128, "validate_minutes": 99.0}
    train(Settings(**common, steps=3))
    first = [json.loads(line) for line in (folders / "run" / "log.jsonl").read_text().splitlines()]
    train(Settings(**common, steps=6))
    return folders / "run", first


def test_training_resumes_where_it_left_off(trained):
    run, first = trained
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in first] == [3, 3] and "loss" in first[0]
    assert [row["step"] for row in lines if "validation" in row] == [3, 6]
    assert lines[-1]["minutes"] > first[-1]["minutes"]


def test_exported_weights_code_and_restore(trained, folders, monkeypatch):
    run, _ = trained
    monkeypatch.setattr(export, "RDO_CANDIDATES", (8.0,))
    out = folders / "weights"
    export.export(str(run / "best.pt"), str(out), str(folders / "train"), str(folders / "held-out"), crops=2)
    known = json.loads((out / "manifest.json").read_text())
    entry = known["trunks"][known["trunk"]]
    assert entry["steps"] > 0 and math.isfinite(entry["validation"]["score"])

    codec, rgb = Codec(weights=Weights(out)), picture(150, 90)
    assert codec.decode(codec.write(codec.quantise(codec.analyse(rgb), 128), 150, 90)).shape == rgb.shape

    # A run that starts from shipped weights starts from the same model.
    ema = torch.load(run / "best.pt", weights_only=True)["ema"]
    state = export.shipped_state(out)
    assert state.keys() == CodecModel().state_dict().keys()
    for name, value in state.items():
        assert torch.allclose(value, ema[name], rtol=2e-3, atol=2e-3 * float(ema[name].abs().max())), name


def test_an_untrained_codec_is_a_working_transform_codec(folders):
    torch.manual_seed(0)
    model = CodecModel()
    model.init_linear(Crops(folders / "train").patches(2000, 16))
    x = torch.from_numpy(picture(128, 128).transpose(2, 0, 1).copy())[None].float() / 255
    with torch.no_grad():
        output = model.eval()(x, torch.full((1, 1, 2, 2), 7.0))
    assert ((output.x_hat - x) ** 2).mean() < 1e-3  # above 30 dB before the first step


def test_the_loss_is_the_formula():
    x = torch.zeros(1, 3, 64, 128)
    x_hat = x.clone()
    x_hat[:, :, :, :64] = 0.1  # MSE 0.01 in the left region, 0 in the right
    y_bits, z_bits = torch.zeros(1, 2, 4, 8), torch.zeros(1, 1, 1, 2)
    y_bits[0, 0, 0, 0], z_bits[0, 0, 0, 1] = 100.0, 40.0
    level = torch.tensor([2.0, 5.0]).view(1, 1, 1, 2)
    got = rate_distortion(Output(x_hat, y_bits, z_bits), x, level)
    left = 100 / 4096 + ANCHORS[2] * 255**2 * 0.01
    right = 40 / 4096
    weights = [(ANCHORS[i] / REFERENCE_LAMBDA) ** -0.5 for i in (2, 5)]
    assert got["loss"].item() == pytest.approx((weights[0] * left + weights[1] * right) / 2, rel=1e-4)
    assert got["bpp"].item() == pytest.approx(140 / 8192, rel=1e-5)
    assert got["mse"].item() == pytest.approx(255**2 * 0.005, rel=1e-4)


def test_lambda_map_meets_the_anchors():
    level = torch.arange(8.0).view(1, 1, 1, 8)
    assert torch.allclose(lambda_map(level).flatten(), torch.tensor(ANCHORS), rtol=1e-5)


def test_level_maps_are_in_range_and_some_vary():
    levels = random_levels(64, 3, 3, 7.0)
    assert levels.shape == (64, 1, 3, 3) and levels.min() >= 0 and levels.max() <= 7
    spread = levels.flatten(1).amax(1) - levels.flatten(1).amin(1)
    assert 5 < (spread > 0.01).sum() < 59


def test_muon_steps_are_orthogonal_matrices():
    torch.manual_seed(0)
    update = orthogonalize(torch.randn(6, 40))
    singular = torch.linalg.svdvals(update.float())
    assert singular.min() > 0.6 and singular.max() < 1.3
    uneven = torch.randn(6, 40) * torch.logspace(0, -3, 6)[:, None]
    unit = uneven / uneven.norm()
    assert torch.allclose(muon._iterate(unit, 5), muon._iterate_gram(unit, 5), atol=1e-4)
    p = torch.nn.Parameter(torch.zeros(6, 10, 2, 2))
    p.grad = torch.randn_like(p)
    Muon([p], lr=0.5).step()
    assert 0.25 < torch.linalg.svdvals(p.detach().flatten(1)).max() < 0.7


def test_crops_come_in_every_orientation_and_size(folders):
    crops = Crops(folders / "train").sample(np.random.default_rng(0), 6, 256)  # larger than the pictures
    assert crops.shape == (6, 3, 256, 256) and crops.dtype == torch.uint8


def test_varied_crops_are_the_pictures_in_another_size_and_light(folders):
    plain, varied = (
        Crops(folders / "train", varied=share).sample(np.random.default_rng(0), 24, 64) for share in (0, 1)
    )
    assert varied.shape == plain.shape and varied.dtype == torch.uint8 and not torch.equal(varied, plain)
    assert abs(varied.float().mean() - plain.float().mean()) < 25
    slope = np.repeat(np.linspace(0, 255, 96, dtype=np.uint8)[None, :, None], 96, 0).repeat(3, 2)
    small = data.shrunk(slope, 64)
    assert small.shape == (64, 64, 3) and small.min() < 3 and small.max() > 252  # all of it, not a part
    lit = data.recoloured(slope, np.random.default_rng(0)).astype(int)
    assert (lit[:, 1:] >= lit[:, :-1]).all() and not np.array_equal(lit, slope)  # in another light, dark stays dark
    again = Crops(folders / "train", varied=1).sample(np.random.default_rng(0), 24, 64)
    assert torch.equal(varied, again)


@pytest.mark.parametrize(
    "line, function",
    [
        ("export --data d --validation v", "export.export"),
        ("export-decoder --validation v --checkpoint c", "export_decoder.export_decoder"),
        ("follow --validation v --before b", "export_decoder.follow"),
        ("mix a.pt=0.5 b.pt=0.5 --out c.pt", "mixture.mix"),
        ("pack --data d --validation v --backbones b", "pack.pack"),
        ("pages --out o", "pages.pages"),
        ("plot", "plot.plot"),
    ],
)
def test_every_command_gives_its_function_what_it_takes(monkeypatch, line, function):
    module, name = function.split(".")
    owner = importlib.import_module(f"codec.training.{module}")
    called = create_autospec(getattr(owner, name))
    monkeypatch.setattr(owner, name, called)
    monkeypatch.setattr("sys.argv", ["codec.training", *line.split()])
    assert command_line.main() == 0 and called.call_count == 1
