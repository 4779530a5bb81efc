"""Decoders beside mse: how they are trained, exported and mixed. All on the shipped trunk."""

import copy
import json
import shutil

import numpy as np
import pytest
import torch
from conftest import picture
from PIL import Image
from safetensors.torch import save_file

from codec import api, lpips
from codec.cli import main
from codec.errors import CodecError, WeightsError
from codec.evaluation import card
from codec.models import registry, storage
from codec.models.gain import lambda_from_level
from codec.models.generator import build
from codec.models.trunk import Codec as TrainedCodec
from codec.training import check, decoders, latents, pack, vgg
from codec.training.data import Crops
from codec.training.export_decoder import export_decoder, follow
from codec.training.mixture import mix
from codec.training.recipes import RECIPES
from codec.ui import method

CACHES = (registry.load_trunk, registry.load_decoder, registry._between, api.load)


@pytest.fixture(scope="module")
def loaded(codec):
    """The shipped trunk for training, read once."""
    if not (lpips.WEIGHTS / lpips.FILE).exists():
        pytest.skip("there are no weights of LPIPS")
    return latents.load_trunk(str(registry.WEIGHTS))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    for name, count in (("train", 4), ("held-out", 1)):
        (root / name).mkdir()
        for i in range(count):
            Image.fromarray(picture(140, 128, seed=i, grain=8)).save(root / name / f"{i}.png")
    return root


@pytest.fixture
def settings(loaded, folders, vgg_folder, tmp_path, monkeypatch):
    """Settings of a tiny training whose trunk need not be read again."""
    monkeypatch.setattr(decoders, "load_trunk", lambda *_: (loaded[0], {k: v.clone() for k, v in loaded[1].items()}))
    monkeypatch.setattr(decoders, "read_decoder", lambda *_: {k: v.clone() for k, v in loaded[1].items()})

    def make(decoder: str, **changes) -> decoders.Settings:
        common = {"init": str(registry.WEIGHTS), "data": str(folders / "train"), "run": str(tmp_path / decoder)}
        common |= {"validation": str(folders / "held-out"), "backbones": str(vgg_folder[0])}
        common |= {"batch": 2, "crop": 64, "warmup": 1, "gan_ramp": 1, "minutes": 1e6, "validate_minutes": 1e6}
        return decoders.Settings(decoder, **(common | changes))

    return make


def batch(trainer, level=60):
    """What a step of a training takes: two pictures in [0, 1] and their latents at a byte-valued level."""
    crops = Crops(trainer.settings.data).sample(np.random.default_rng(0), 2, 64)
    return crops.float() / 255, trainer.trunk.encode(crops, torch.full((2, 1, 1, 1), level, dtype=torch.uint8))


# Training


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
    for folder in (registry.WEIGHTS, tmp_path / "best.pt"):
        with pytest.raises(ValueError, match="no decoder 'nobody'"):
            latents.read_decoder(folder, "nobody")


def test_a_checkpoint_of_the_trunk_can_be_trained_on(folders, tmp_path):
    torch.manual_seed(0)
    model = TrainedCodec()
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
    levels = latents.byte_levels(64, 3, (1.0, 5.0), 0.2, [0, 5])
    assert levels.dtype == torch.uint8 and levels.shape == (64, 1, 3, 3)
    assert levels.min() >= 36 and levels.max() <= 183  # 1/7 and 5/7 of 255
    varying = (levels.flatten(1).float().std(1) > 0.5).sum()
    assert 3 <= varying <= 26
    assert torch.equal(levels, latents.byte_levels(64, 3, (1.0, 5.0), 0.2, [0, 5]))


@pytest.mark.parametrize("decoder", [n for n in RECIPES if n not in ("hific-lo", "hific-mi", "hific-hi")])
def test_steps_lower_the_loss_and_change_the_decoder_only(settings, loaded, decoder):
    trainer = decoders.Trainer(settings(decoder, precision="float32", optimizer="adam", lr=1e-4))
    trunk = loaded[0].codec.trunk
    frozen = copy.deepcopy([trunk.g_a.state_dict(), trunk.h_a.state_dict()])
    start = copy.deepcopy(trainer.decoder.state_dict())
    judge = copy.deepcopy(trainer.discriminator.state_dict()) if trainer.discriminator else {}
    x, latent = batch(trainer)
    rows = [trainer.step(x, latent) for _ in range(8)]
    own = [sum(w * r[k].item() for k, w in trainer.recipe.weights.items() if k != "gan") for r in rows]
    assert min(own[1:]) < own[0]  # the last may be above: the adversary moves as well
    assert any(not torch.equal(v, start[k]) for k, v in trainer.decoder.state_dict().items())
    for net, before in zip((trunk.g_a, trunk.h_a), frozen, strict=True):
        assert all(torch.equal(v, before[k]) and not v.requires_grad for k, v in net.state_dict().items())
    assert (decoder == "hific") == bool(judge)
    if judge:
        assert rows[-1]["d_loss"] < rows[0]["d_loss"] and rows[0]["gan"].item() == pytest.approx(0.7, abs=0.3)
        assert any(not torch.equal(v, judge[k]) for k, v in trainer.discriminator.state_dict().items())


def test_the_adversary_pulls_the_decoder(settings, tmp_path):
    """Two decoders after one step, which differ only in that one was judged."""
    states = []
    for weights in ("", "gan=0"):
        run = str(tmp_path / f"run{weights}")
        trainer = decoders.Trainer(settings("hific", weights=weights, precision="float32", run=run))
        trainer.step(*batch(trainer))
        states.append(trainer.decoder.state_dict())
    assert any(not torch.equal(v, states[1][k]) for k, v in states[0].items())


def test_an_interrupted_run_goes_on_exactly(settings, tmp_path, monkeypatch):
    # Fresh batches serve two steps each, so what is left of the pool has to come back as well.
    changes = {"steps": 4, "save_minutes": 0.0, "reuse": 2, "pool": 2}
    whole = decoders.Trainer(settings("hific", run=str(tmp_path / "whole"), **changes))
    whole.run()
    step = decoders.Trainer.step

    def interrupted(self, *batch):
        if self.step_number == 3:
            raise KeyboardInterrupt
        return step(self, *batch)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(decoders.Trainer, "step", interrupted)
        decoders.Trainer(settings("hific", run=str(tmp_path / "two"), **changes)).run()
    again = decoders.Trainer(settings("hific", run=str(tmp_path / "two"), **changes))
    assert again.step_number == 3
    again.run(log_every=1)
    for one, other in ((whole.decoder, again.decoder), (whole.discriminator, again.discriminator)):
        for (name, a), b in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
            assert torch.equal(a, b), name
    assert all(torch.equal(v, again.ema.values[k]) for k, v in whole.ema.values.items())
    rows = [json.loads(line) for line in (tmp_path / "two" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [4, 4]
    assert {"loss", "mse", "lpips", "gan", "d_loss", "bpp", "lr", "skipped"} <= rows[0].keys()
    assert len(rows[1]["validation"]["psnr"]) == len(rows[1]["validation"]["lpips"]) == 3


def test_steps_without_a_finite_gradient_are_left_out(settings):
    trainer = decoders.Trainer(settings("hific-nogan", precision="float32"))
    x, latent = batch(trainer)
    broken = latent._replace(y_hat=latent.y_hat * float("nan"))
    before = copy.deepcopy(trainer.decoder.state_dict())
    assert trainer.step(x, broken) == {}
    assert all(torch.equal(v, before[k]) for k, v in trainer.decoder.state_dict().items())
    with torch.no_grad():
        trainer.decoder.head.weight.fill_(float("nan"))  # as an optimizer that went astray might leave it
    for _ in range(decoders.PATIENCE):
        trainer.step(x, latent)
    assert torch.isfinite(trainer.decoder.head.weight).all()
    assert trainer.step(x, latent)["loss"] > 0


def test_a_run_can_start_from_the_best_of_another(settings, tmp_path):
    first = decoders.Trainer(settings("hific"))
    first.step(*batch(first))
    first.step_number, first.elapsed = 7, 60.0
    first.save("best.pt")
    best = str(first.folder / "best.pt")
    again = decoders.Trainer(settings("hific", start=best, run=str(tmp_path / "again")))
    for name, value in again.decoder.state_dict().items():
        assert torch.equal(value, first.ema.values[name].half().float()), name
    for name, value in again.discriminator.state_dict().items():
        assert torch.equal(value, first.discriminator.state_dict()[name].half().float()), name
    assert again.before == {"steps": 7, "seconds": 60.0, "start": "hific-nogan"}
    other = decoders.Trainer(settings("hific-lo", start=best, run=str(tmp_path / "other")))
    assert other.before == {"steps": 0, "seconds": 0.0, "start": "hific"}
    assert again.best == float("inf") and again.step_number == 0


def test_kernels_that_the_start_lacked_learn_faster(settings, tmp_path):
    def rates(start: str) -> dict[str, float]:
        run = str(tmp_path / ("again" if start else "first"))
        changes = {"architecture": "synthesis-0-0-1+scales", "optimizer": "muon", "lr": 1e-3, "run": run}
        trainer = decoders.Trainer(settings("hific-nogan", start=start, **changes))
        trainer.step(*batch(trainer))
        trainer.save("best.pt")
        names = {id(p): name for name, p in trainer.decoder.named_parameters()}
        return {names[id(p)]: g["base_lr"] for g in trainer.optimizers[0].param_groups for p in g["params"]}

    first = rates("")
    assert {name for name, rate in first.items() if rate == pytest.approx(4e-3)} == {
        "res4.1.conv1.weight",
        "res4.1.conv2.weight",
    }
    assert first["scales.weight"] == pytest.approx(12e-3) and first["res4.0.conv1.weight"] == pytest.approx(1e-3)
    again = rates(str(tmp_path / "first" / "best.pt"))  # where nothing is new any more
    assert again == first | {name: pytest.approx(1e-3) for name in first if name.startswith("res4.1.")}


def test_a_run_that_starts_from_the_shipped_decoder_counts_its_steps(settings, monkeypatch):
    entry = {"steps": 40, "wall_minutes": 2.0, "start": "mse"}
    monkeypatch.setattr(decoders, "decoder_entry", lambda folder, name: entry)
    trainer = decoders.Trainer(settings("perceptual", start="perceptual"))
    assert trainer.before == {"steps": 40, "seconds": 120.0, "start": "mse"}


# Export, realism


@pytest.fixture
def exported(settings, folders, tmp_path, monkeypatch):
    """A weights folder of its own with a barely trained `hific` beside what is shipped."""
    out = tmp_path / "weights"
    shutil.copytree(registry.WEIGHTS, out)
    trainer = decoders.Trainer(settings("hific", lr=2e-3))
    for _ in range(2):
        trainer.step(*batch(trainer, level=0))
    trainer.step_number = 2
    trainer.save("best.pt")
    before = json.loads((out / "manifest.json").read_text())
    export_decoder(str(trainer.folder / "best.pt"), str(out), str(folders / "held-out"))
    monkeypatch.setattr(registry, "WEIGHTS", out)
    for cached in CACHES:
        cached.cache_clear()
    yield out, before, trainer
    for cached in CACHES:
        cached.cache_clear()


def test_an_exported_decoder_is_loaded_mixed_and_offered(exported, tmp_path, capsys):
    out, before, trainer = exported
    known = json.loads((out / "manifest.json").read_text())
    trunk = known["trunk"]
    entry = known["decoders"].pop(f"{trunk}/hific")
    before["decoders"].pop(f"{trunk}/hific", None)
    assert known == before  # nothing else was touched
    assert entry["steps"] == 2 and entry["partner"] == "mse" and entry["weights"] == RECIPES["hific"].weights
    assert set(entry["validation"]) == {"set", "level_bytes", "bpp", "psnr", "lpips"}
    (file,) = entry["files"]
    assert (out / file).stat().st_size < 7_000_000
    assert not list(out.glob("*.part"))

    net = registry.load_decoder(trunk, "hific", "cpu")
    assert registry.load_decoder(trunk, "hific-mi", "cpu") is net  # in memory once
    for name, value in net.state_dict().items():  # what was averaged, up to rounding
        assert (value - trainer.ema.values[name]).abs().max() <= trainer.ema.values[name].abs().max() / 100, name
    assert {"mse", "hific-lo", "hific-mi", "hific-hi"} <= set(registry.models()) and "hific" not in registry.models()
    assert "hific" in registry.decoders(trunk)

    data = api.compress(Image.fromarray(picture(100, 80)), "hific-lo", lmbda=0.003)
    pictures = {t: np.asarray(api.decompress(data, "hific", t)).astype(int) for t in (0, 0.5, 1)}
    assert (pictures[0] == np.asarray(api.decompress(data, "mse"))).all()
    assert (pictures[1] == np.asarray(api.decompress(data))).all()  # as the stream suggests
    apart = [np.abs(pictures[t] - pictures[0]).mean() for t in (0.5, 1)]
    assert 0 < apart[0] < apart[1]

    photo = picture(256, 192, grain=8)  # at its operating point, and nowhere below what can be reached
    coded, found = api.encode(photo, model="hific-lo")
    assert found.reached and 0.08 < 8 * len(coded.data) / (256 * 192) <= 0.14
    coded, found = api.encode(photo[:8, :8], model="hific-lo")
    assert found.reached and found.level == 0

    for t in np.linspace(0.1, 0.9, 9):
        registry.load_between(trunk, "hific", float(t))
    assert registry._between.cache_info().currsize == registry.BETWEEN
    with pytest.raises(CodecError, match="between 0 and 1"):
        api.decompress(data, "hific", float("nan"))
    with pytest.raises(CodecError, match="no realism to choose for the decoder 'mse'; there is for: hific"):
        api.decompress(data, "mse", 0.5)
    with pytest.raises(CodecError, match="no decoder 'jpeg'"):
        api.decompress(data, "jpeg")
    with pytest.raises(WeightsError, match="no 'texture2' decoder"):
        registry.load_decoder(trunk, "texture2")

    stream, back = tmp_path / "a.lic", tmp_path / "a.png"
    stream.write_bytes(data)
    command = ["decompress", str(stream), "-o", str(back)]
    assert main([*command, "--realism", "0.5"]) == 0  # of the decoder that the stream suggests
    assert (np.asarray(Image.open(back)) == pictures[0.5]).all()
    for wrong in (["--realism", "2"], ["--decoder", "mse", "--realism", "0.5"], ["--decoder", "best"]):
        assert main([*command, *wrong]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_decoder_is_not_exported_beside_another_trunk(exported, folders):
    out, _, trainer = exported
    path = trainer.folder / "best.pt"
    saved = torch.load(path, weights_only=True)
    torch.save(saved | {"trunk": "00000000"}, path)
    with pytest.raises(ValueError, match="00000000"):
        export_decoder(str(path), str(out), str(folders / "held-out"))


def test_decoders_follow_a_trunk_by_what_its_synthesis_has_changed(folders, loaded, tmp_path):
    before, out, checkpoint = tmp_path / "before", tmp_path / "after", tmp_path / "best.pt"
    shutil.copytree(registry.WEIGHTS, before)
    shutil.copytree(registry.WEIGHTS, out)
    known = json.loads((before / "manifest.json").read_text())
    trunk = known["trunk"]
    known["decoders"] = {k: v for k, v in known["decoders"].items() if k.split("/")[1] in ("mse", "texture")}
    known["decoders"][f"{trunk}/texture"].pop("trained_on", None)  # as if it were its first move
    (before / "manifest.json").write_text(json.dumps(known))
    mse, texture = (latents.read_decoder(before, name) for name in ("mse", "texture"))
    generator = torch.Generator().manual_seed(0)
    moves = {k: 0.1 * v.std() * torch.randn(v.shape, generator=generator) for k, v in mse.items()}
    trained_on = {k: v + moves[k] for k, v in mse.items()}
    torch.save({"ema": {f"g_s.{k}": v for k, v in trained_on.items()}}, checkpoint)
    with pytest.raises(ValueError, match="was not exported from"):  # before the new trunk is there
        follow(str(checkpoint), str(before), str(out), str(folders / "held-out"))
    save_file(storage.to_int8(trained_on), out / f"mse-{trunk}.safetensors")
    follow(str(checkpoint), str(before), str(out), str(folders / "held-out"))

    after = json.loads((out / "manifest.json").read_text())["decoders"]
    entry, was = after[f"{trunk}/texture"], known["decoders"][f"{trunk}/texture"]
    assert entry["trained_on"] == trunk and entry["validation"] != was["validation"]
    assert {k: entry[k] for k in ("loss", "weights", "steps", "start")} == {
        k: was[k] for k in ("loss", "weights", "steps", "start")
    }
    for name, value in latents.read_decoder(out, "texture").items():
        wanted = texture[name] + moves.get(name, 0)  # what the mse decoder lacks stays
        apart = (wanted - trained_on[name]).abs().max() if name in trained_on else torch.tensor(0.0)
        assert (value - wanted).abs().max() <= max(wanted.abs().max() / 100, apart / 7), name  # rounding to 8 or 4 bits
    save_file({"other": torch.zeros(1)}, before / f"texture-{trunk}.safetensors")
    with pytest.raises(ValueError, match="is of another shape"):
        follow(str(checkpoint), str(before), str(out), str(folders / "held-out"))


def test_a_mixture_is_the_mean_of_its_parts_and_says_so(exported, folders, tmp_path, monkeypatch):
    out, _, trainer = exported
    checkpoint, mixed = str(trainer.folder / "best.pt"), tmp_path / "mixed.pt"
    said = mix([f"{checkpoint}=1.25", "mse=-0.25"], str(mixed), str(out))
    steps = json.loads((out / "manifest.json").read_text())
    steps = steps["decoders"][f"{steps['trunk']}/mse"]["steps"]
    assert said == f"1.25·hific after 2 steps - 0.25·mse after {steps:,} steps"

    entry = export_decoder(str(mixed), str(out), str(folders / "held-out"))
    assert entry["mixture"] == said and entry["steps"] == 2
    mse, stored = (latents.read_decoder(out, name) for name in ("mse", "hific"))
    for name, value in trainer.ema.values.items():
        wanted = 1.25 * value - 0.25 * mse.get(name, torch.zeros(()))  # what reads the scales is zero where it lacks
        assert (stored[name] - wanted).abs().max() <= wanted.abs().max() / 80 + 1e-6, name
    monkeypatch.setenv("CODEC_WEIGHTS", str(out))
    assert said in card.section(out) and said in method.trained()

    larger = torch.load(checkpoint, weights_only=True)  # with a block that the others lack, which is left half open
    state = build("synthesis-0-0-1").state_dict() | larger["ema"]
    larger["recipe"]["architecture"] = "synthesis-0-0-1"
    torch.save(larger | {"ema": state}, tmp_path / "larger.pt")
    mix([f"{checkpoint}=0.5", f"{tmp_path / 'larger.pt'}=0.5"], str(mixed), str(out))
    both = torch.load(mixed, weights_only=True)
    assert both["recipe"]["architecture"] == "synthesis-0-0-1"
    for layer, share in (("conv1", 1.0), ("conv2", 0.5)):
        name = f"res4.1.{layer}.weight"
        assert torch.allclose(both["ema"][name], share * state[name])

    torch.save(larger | {"trunk": "00000000"}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="different trunks: 00000000, "):
        mix([f"{checkpoint}=0.5", f"{tmp_path / 'other.pt'}=0.5"], str(mixed), str(out))
    for parts, why in ((["mse=0.5", f"{checkpoint}=0.5"], "must be a checkpoint"), ([f"{checkpoint}=0.5"], "add up")):
        with pytest.raises(ValueError, match=why):
            mix(parts, str(mixed), str(out))


# Another machine


def test_a_pack_keeps_to_its_size_and_can_be_trained_on(folders, vgg_folder, tmp_path):
    out = tmp_path / "pack"
    where = (str(folders / "train"), str(folders / "held-out"), str(out), str(vgg_folder[0]))
    sizes = pack.pack(*where, mib=0.1, tile=96, images=1)
    assert 0.05 * pack.MIB < sizes["train"] < 0.1 * pack.MIB and sizes["backbones"] > 20 * pack.MIB
    full = vgg.load_vgg(out / "backbones").state_dict()
    pack.pack(*where, mib=0.1, tile=96, images=1, eight_bit=True)
    assert (out / "backbones" / vgg.FILE).stat().st_size < sizes["backbones"] * 0.52
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
