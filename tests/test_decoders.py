"""Decoders beside mse: how they are trained, on the shipped trunk. How they are shipped is in test_shipping."""

import copy
import json

import numpy as np
import pytest
import torch
from conftest import batch, picture
from PIL import Image

from codec.networks.model import CodecModel
from codec.spec import LOWEST, lambda_from_level
from codec.training import check, decoders, latents, pack, vgg
from codec.training.data import Crops
from codec.training.recipes import RECIPES
from codec.weights import default


def test_the_frozen_trunk_quantises_exactly_as_the_encoder_does(codec, loaded):
    trunk, pictures = loaded[0], [picture(192, 128, seed=i, grain=10) for i in (3, 4)]
    x = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    levels = np.array([[[30, 30, 30], [30, 30, 30]], [[0, 90, 120], [200, 220, 255]]], np.uint8)
    got = trunk.encode(x, torch.from_numpy(levels)[:, None])
    for i, rgb in enumerate(pictures):
        symbols = codec.quantise(codec.analyse(rgb), levels[i])
        (y_hat, level), scales = codec.latent(symbols), codec.scales(symbols)
        assert torch.equal(got.level[i], level[0])
        assert (got.scales[i] == scales[0]).float().mean() > 0.999
        # The analysis of a batch may round otherwise in the last bit, which can tip a symbol here and there.
        assert ((got.y_hat[i] - y_hat[0]).abs() < 1e-3).float().mean() > 0.999
        assert got.bpp[i].item() == pytest.approx((symbols.y_bits + symbols.z_bits) / (192 * 128), rel=0.005)
        mean = np.mean([lambda_from_level(n / 255 * 7) for n in levels[i].ravel()])
        assert got.lmbda[i].item() == pytest.approx(mean, rel=1e-4)
    assert not got.y_hat.is_inference()


def test_a_decoder_that_is_not_there_is_named(tmp_path):
    for folder in (default().folder, tmp_path / "best.pt"):
        with pytest.raises(ValueError, match="no decoder 'nobody'"):
            latents.read_decoder(folder, "nobody")


def test_a_checkpoint_of_the_trunk_can_be_trained_on(folders, tmp_path):
    torch.manual_seed(0)
    model = CodecModel()
    crops = Crops(folders / "train")
    model.init_linear(crops.patches(1000, 16))
    torch.save({"ema": model.state_dict()}, tmp_path / "best.pt")
    trunk, mse = latents.load_trunk(str(tmp_path / "best.pt"))
    assert trunk.name.startswith("checkpoint ") and mse.keys() == model.g_s.state_dict().keys()
    x = crops.sample(np.random.default_rng(0), 1, 64)
    latent = trunk.encode(x, torch.full((1, 1, 1, 1), 200, dtype=torch.uint8))
    with torch.no_grad():
        assert (model.g_s(latent.y_hat, latent.level) - x / 255).square().mean() < 3e-3


def test_levels_of_a_batch_stay_in_range_and_most_are_uniform():
    levels = latents.byte_levels(64, 3, [0, 5], (1.0, 5.0), 0.2)
    assert levels.dtype == torch.int16 and levels.shape == (64, 1, 3, 3)
    assert levels.min() >= 36 and levels.max() <= 183  # 1/7 and 5/7 of 255
    varying = (levels.flatten(1).float().std(1) > 0.5).sum()
    assert 3 <= varying <= 26
    assert torch.equal(levels, latents.byte_levels(64, 3, [0, 5], (1.0, 5.0), 0.2))
    skewed = latents.byte_levels(64, 3, [0, 5], (1.0, 5.0), 0.2, skew=2.0)
    assert skewed.min() >= 36 and (skewed <= levels).all() and (skewed < 73).float().mean() > 0.4  # level 2, a quarter
    coarse = latents.byte_levels(64, 3, [0, 5], (1.0, 5.0), 0.2, below=0.3)
    below = (coarse < 0).flatten(1)
    assert (below.any(1) == below.all(1)).all() and 8 <= below.all(1).sum() <= 32 and coarse.min() >= LOWEST


@pytest.mark.parametrize("decoder", [n for n in RECIPES if n not in ("hific-lo", "hific-mi", "hific-hi")])
def test_steps_lower_the_loss_and_change_the_decoder_only(settings, loaded, decoder):
    trainer = decoders.Trainer(settings(decoder, precision="float32", optimizer="adam", lr=1e-4))
    trunk = loaded[0].codec.trunk
    frozen = copy.deepcopy([trunk.g_a.state_dict(), trunk.h_a.state_dict()])
    start = copy.deepcopy(trainer.learner.decoder.state_dict())
    judge = copy.deepcopy(trainer.learner.discriminator.state_dict()) if trainer.learner.discriminator else {}
    x, latent = batch(trainer)
    rows = [trainer.learn(x, latent) for _ in range(8)]
    own = [sum(w * r[k].item() for k, w in trainer.recipe.weights.items() if k != "gan") for r in rows]
    assert min(own[1:]) < own[0]  # the last may be above: the adversary moves as well
    assert any(not torch.equal(v, start[k]) for k, v in trainer.learner.decoder.state_dict().items())
    for net, before in zip((trunk.g_a, trunk.h_a), frozen, strict=True):
        assert all(torch.equal(v, before[k]) and not v.requires_grad for k, v in net.state_dict().items())
    assert (decoder == "hific") == bool(judge)
    if judge:
        assert rows[-1]["d_loss"] < rows[0]["d_loss"] and rows[0]["gan"].item() == pytest.approx(0.7, abs=0.3)
        assert any(not torch.equal(v, judge[k]) for k, v in trainer.learner.discriminator.state_dict().items())


def test_the_adversary_pulls_the_decoder(settings, tmp_path):
    """Two decoders after one step, which differ only in that one was judged."""
    states = []
    for weights in ("", "gan=0"):
        run = str(tmp_path / f"run{weights}")
        trainer = decoders.Trainer(settings("hific", weights=weights, precision="float32", run=run))
        trainer.learn(*batch(trainer))
        states.append(trainer.learner.decoder.state_dict())
    assert any(not torch.equal(v, states[1][k]) for k, v in states[0].items())


def test_an_interrupted_run_goes_on_exactly(settings, tmp_path, monkeypatch):
    # Fresh batches serve two steps each, so what is left of the pool has to come back as well.
    changes = {"steps": 4, "save_minutes": 0.0, "reuse": 2, "pool": 2}
    whole = decoders.Trainer(settings("hific", run=str(tmp_path / "whole"), **changes))
    whole.run()
    learn = decoders.Trainer.learn

    def interrupted(self, x, latent, number, factor):
        if number == 3:
            raise KeyboardInterrupt
        return learn(self, x, latent, number, factor)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(decoders.Trainer, "learn", interrupted)
        decoders.Trainer(settings("hific", run=str(tmp_path / "two"), **changes)).run()
    again = decoders.Trainer(settings("hific", run=str(tmp_path / "two"), **changes), log_every=1)
    assert again.loop.step == 3
    again.run()
    for part in ("decoder", "discriminator", "average"):
        one, other = (getattr(trainer.learner, part).state_dict() for trainer in (whole, again))
        assert all(torch.equal(value, other[name]) for name, value in one.items()), part
    rows = [json.loads(line) for line in (tmp_path / "two" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [4, 4]
    assert {"loss", "mse", "lpips", "gan", "d_loss", "bpp", "lr", "norm"} <= rows[0].keys()
    assert len(rows[1]["validation"]["psnr"]) == len(rows[1]["validation"]["lpips"]) == 3


def test_a_gradient_that_is_not_finite_counts_as_none(settings):
    trainer = decoders.Trainer(settings("hific-nogan", precision="float32"))
    x, latent = batch(trainer)
    broken = latent._replace(y_hat=latent.y_hat * float("nan"))
    before = copy.deepcopy(trainer.learner.decoder.state_dict())
    trainer.learn(x, broken)
    assert all(torch.equal(v, before[k]) for k, v in trainer.learner.decoder.state_dict().items())
    assert trainer.learn(x, latent)["loss"] > 0


def test_a_run_can_start_from_the_best_of_another(settings, tmp_path):
    first = decoders.Trainer(settings("hific"))
    first.learn(*batch(first))
    first.loop.step, first.loop.elapsed = 7, 60.0
    first.save()
    best = str(first.folder / "best.pt")
    again = decoders.Trainer(settings("hific", start=best, run=str(tmp_path / "again")))
    kept = first.learner.average.module.state_dict()
    for name, value in again.learner.decoder.state_dict().items():
        assert torch.equal(value, kept[name].half().float()), name
    for name, value in again.learner.discriminator.state_dict().items():
        assert torch.equal(value, first.learner.discriminator.state_dict()[name].half().float()), name
    assert again.before == {"steps": 7, "seconds": 60.0, "start": "hific-nogan"}
    other = decoders.Trainer(settings("hific-lo", start=best, run=str(tmp_path / "other")))
    assert other.before == {"steps": 0, "seconds": 0.0, "start": "hific"}
    assert again.best == float("inf") and again.loop.step == 0


def test_kernels_that_the_start_lacked_learn_faster(settings, tmp_path):
    def rates(start: str) -> dict[str, float]:
        run = str(tmp_path / ("again" if start else "first"))
        changes = {"architecture": "synthesis-0-0-1+scales+noise", "optimizer": "muon", "lr": 1e-3, "run": run}
        trainer = decoders.Trainer(settings("hific-nogan", start=start, **changes))
        trainer.learn(*batch(trainer))
        trainer.save()
        names = {id(p): name for name, p in trainer.learner.decoder.named_parameters()}
        muon = trainer.learner.optimizers.all[0]
        return {names[id(p)]: group["base_lr"] for group in muon.param_groups for p in group["params"]}

    first = rates("")
    assert {name for name, rate in first.items() if rate == pytest.approx(4e-3)} == {
        "res4.1.conv1.weight",
        "res4.1.conv2.weight",
        "noise.weight",
    }
    assert first["scales.weight"] == pytest.approx(12e-3) and first["res4.0.conv1.weight"] == pytest.approx(1e-3)
    again = rates(str(tmp_path / "first" / "best.pt"))  # where nothing is new any more
    assert again == first | {name: pytest.approx(1e-3) for name in first if name.startswith(("res4.1.", "noise."))}


def test_a_run_that_starts_from_the_shipped_decoder_counts_its_steps(settings, monkeypatch):
    entry = {"steps": 40, "wall_minutes": 2.0, "start": "mse"}
    monkeypatch.setattr(decoders, "decoder_entry", lambda folder, name: entry)
    trainer = decoders.Trainer(settings("perceptual", start="perceptual"))
    assert trainer.before == {"steps": 40, "seconds": 120.0, "start": "mse"}


# Another machine


def test_a_pack_keeps_to_its_size_and_can_be_trained_on(folders, vgg_folder, tmp_path):
    out = tmp_path / "pack"
    where = (str(folders / "train"), str(folders / "held-out"), str(out), str(vgg_folder[0]))
    limit = 1.5 * max(f.stat().st_size for f in (folders / "train").rglob("*.png")) / pack.MIB
    pack.pack(*where, mib=f"{limit},{limit}", images=1)
    first, *others = (sorted(f.name for f in (out / part / "train").rglob("*.png")) for part in "01")
    assert first and not {*first} & {*others[0]}
    assert sum(f.stat().st_size for f in (out / "0" / "train").rglob("*.png")) <= limit * pack.MIB
    out = out / "0"
    size = (out / "backbones" / vgg.FILE).stat().st_size
    full = vgg.load_vgg(out / "backbones").state_dict()
    pack.pack(*where, mib=f"{limit}", images=1, eight_bit=True)
    assert (out / "backbones" / vgg.FILE).stat().st_size < size * 0.52
    for name, weight in vgg.load_vgg(out / "backbones").state_dict().items():
        assert (weight - full[name]).abs().max() <= full[name].abs().max() / 125, name
    assert Crops(out / "train").sample(np.random.default_rng(0), 2, 64).shape == (2, 3, 64, 64)
    with Image.open(next((out / "validation").iterdir())) as packed, Image.open(folders / "held-out" / "0.png") as png:
        assert (np.asarray(packed.convert("RGB")) == np.asarray(png)).all()


def test_symbols_replayed_are_symbols_decoded(codec, capsys):
    assert check.equality(picture(100, 70), "cpu")
    assert "NOT" not in capsys.readouterr().out
    symbols = codec.quantise(codec.analyse(picture(100, 70)), 100)
    symbols.y[1][5] += 1  # what another device decoded differently must be seen
    same, y_hat = check.replay(codec, symbols)
    assert not same or not torch.equal(y_hat, symbols.y_hat)
