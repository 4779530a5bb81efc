"""From checkpoints of decoders to the weights that are shipped: export, mixtures, a new trunk, realism."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import batch, picture
from PIL import Image
from safetensors.torch import save

from codec import api, spec
from codec.cli import main
from codec.errors import CodecError, WeightsError
from codec.evaluation import report
from codec.networks.architecture import build
from codec.results import mixture
from codec.training import decoders, latents, storing
from codec.training.export_decoder import export_decoder, follow
from codec.training.mixture import mix
from codec.training.recipes import RECIPES
from codec.ui.tabs import about
from codec.weights import BETWEEN, Weights, default


@pytest.fixture
def exported(settings, folders, tmp_path, use_weights):
    """A weights folder of its own with a barely trained `hific` beside what is shipped."""
    out = tmp_path / "weights"
    shutil.copytree(default().folder, out)
    trainer = decoders.Trainer(settings("hific", lr=2e-3))
    for _ in range(2):
        trainer.learn(*batch(trainer, level=0))
    trainer.loop.step = 2
    trainer.save()
    before = json.loads((out / "manifest.json").read_text())
    export_decoder(str(trainer.folder / "best.pt"), str(out), str(folders / "held-out"))
    use_weights(out)
    return out, before, trainer


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

    weights = default()
    net = weights.decoder("hific")
    assert weights.decoder("hific-mi") is net  # in memory once
    for name, value in net.state_dict().items():  # what was averaged, up to rounding
        average = trainer.learner.average.module.state_dict()[name]
        assert (value - average).abs().max() <= average.abs().max() / 100, name
    assert {"mse", "hific-lo", "hific-mi", "hific-hi"} <= set(weights.models()) and "hific" not in weights.models()
    assert "hific" in weights.decoders(trunk)

    data = api.compress(Image.fromarray(picture(100, 80)), "hific-lo", lmbda=0.003)
    pictures = {t: np.asarray(api.decompress(data, "hific", t)).astype(int) for t in (0, 0.5, 1)}
    assert (pictures[0] == np.asarray(api.decompress(data, "mse"))).all()
    assert (pictures[1] == np.asarray(api.decompress(data))).all()  # as the stream suggests
    apart = [np.abs(pictures[t] - pictures[0]).mean() for t in (0.5, 1)]
    assert 0 < apart[0] < apart[1]

    photo = picture(256, 192, grain=8)  # at its operating point, or as near to it as can be
    coded, found = api.encode(photo, model="hific-lo")
    assert found.reached and 0.08 < 8 * len(coded.data) / (256 * 192) <= 0.14
    coded, found = api.encode(photo[:8, :8], model="hific-lo")
    assert found.reached and found.q == spec.LOWEST

    for t in np.linspace(0.1, 0.9, 9):
        weights.decoder("hific", float(t))
    assert weights._between.cache_info().currsize == BETWEEN
    with pytest.raises(CodecError, match="between 0 and 1"):
        api.decompress(data, "hific", float("nan"))
    with pytest.raises(CodecError, match="no realism to choose for the decoder 'mse'; there is for: hific"):
        api.decompress(data, "mse", 0.5)
    with pytest.raises(CodecError, match="no decoder 'jpeg'"):
        api.decompress(data, "jpeg")
    with pytest.raises(WeightsError, match="no 'texture2' decoder"):
        weights.decoder("texture2")

    stream, back = tmp_path / "a.lic", tmp_path / "a.png"
    stream.write_bytes(data)
    command = ["decompress", str(stream), "-o", str(back), "--force"]
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


def replaced(folder: Path, name: str, tensors: dict) -> None:
    """Gives a decoder other weights."""
    weights = Weights(folder)
    entry = weights.resolve(name)[1]
    storing.write_entry(weights, name, entry | {"files": storing.write_file(weights, *entry["files"], save(tensors))})


def test_decoders_follow_a_trunk_by_what_its_synthesis_has_changed(folders, loaded, tmp_path):
    before, out, checkpoint = tmp_path / "before", tmp_path / "after", tmp_path / "best.pt"
    shutil.copytree(default().folder, before)
    shutil.copytree(default().folder, out)
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
    replaced(out, "mse", storing.to_int8(trained_on))
    follow(str(checkpoint), str(before), str(out), str(folders / "held-out"))

    after = json.loads((out / "manifest.json").read_text())["decoders"]
    entry, was = after[f"{trunk}/texture"], known["decoders"][f"{trunk}/texture"]
    assert entry["trained_on"] == trunk and entry["validation"] != was["validation"]
    assert {k: entry[k] for k in ("loss", "weights", "steps", "start")} == {
        k: was[k] for k in ("loss", "weights", "steps", "start")
    }
    for name, value in latents.read_decoder(out, "texture").items():
        wanted = texture[name] + moves.get(name, 0)  # what the mse decoder lacks stays
        apart = wanted - trained_on[name] if name in trained_on else wanted  # what is stored, in 4 or 8 bits
        assert (value - wanted).norm() <= (0.25 if name in trained_on else 0.02) * apart.norm(), name
    replaced(before, "texture", {"other": torch.zeros(1)})
    with pytest.raises(ValueError, match="is of another shape"):
        follow(str(checkpoint), str(before), str(out), str(folders / "held-out"))


def test_a_mixture_is_the_mean_of_its_parts_and_says_so(exported, folders, tmp_path):
    out, _, trainer = exported
    checkpoint, mixed = str(trainer.folder / "best.pt"), tmp_path / "mixed.pt"
    said = mix([f"{checkpoint}=1.25", "mse=-0.25"], str(mixed), str(out))
    steps = json.loads((out / "manifest.json").read_text())
    steps = steps["decoders"][f"{steps['trunk']}/mse"]["steps"]
    assert said == f"1.25·hific after 2 steps - 0.25·mse after {steps:,} steps"

    entry = export_decoder(str(mixed), str(out), str(folders / "held-out"))
    assert mixture(entry["mixture"]) == said and entry["steps"] == 2
    mse, stored = (latents.read_decoder(out, name) for name in ("mse", "hific"))
    for name, value in trainer.learner.average.module.state_dict().items():
        wanted = 1.25 * value - 0.25 * mse.get(name, torch.zeros(()))  # what reads the scales is zero where it lacks
        assert (stored[name] - wanted).abs().max() <= wanted.abs().max() / 80 + 1e-6, name
    default.cache_clear()  # read the manifest again
    assert said in report.card(out) and said in about.trained()

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

    # What is shipped is a source like any other, here and in another folder, and its own mixture is not forgotten.
    stored, known = latents.read_decoder(out, "hific"), json.loads((out / "manifest.json").read_text())
    nogan = known["decoders"][f"{trainer.trunk.name}/hific-nogan"]
    nogan["mixture"] = [
        {"decoder": "hific-nogan", "steps": 1234, "share": 0.75},
        {"decoder": "mse", "steps": 5, "share": 0.25},
    ]
    (out / "manifest.json").write_text(json.dumps(known))
    again = mix(["hific=1", f"{out}/hific-nogan=0.5", "hific-nogan=-0.25", "mse=-0.25"], str(mixed), str(out))
    added = " + 0.1875·hific-nogan after 1,234 steps + 0.0625·mse after 5 steps"
    assert again == said.replace("- 0.25", "- 0.5") + added
    both, other = torch.load(mixed, weights_only=True)["ema"], latents.read_decoder(out, "hific-nogan")
    for name, value in stored.items():
        assert torch.allclose(both[name], value + 0.25 * (other[name] - mse.get(name, 0.0)), atol=1e-5), name
    entry = export_decoder(str(mixed), str(out), str(folders / "held-out"))
    assert entry["steps"] == 2 and mixture(entry["mixture"]) == again and entry["batch"] == [2, 64]

    torch.save(larger | {"trunk": "00000000"}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="different trunks: 00000000, "):
        mix([f"{checkpoint}=0.5", f"{tmp_path / 'other.pt'}=0.5"], str(mixed), str(out))
    for parts, why in ((["mse=0.5", f"{checkpoint}=0.5"], "must be first"), ([f"{checkpoint}=0.5"], "add up")):
        with pytest.raises(ValueError, match=why):
            mix(parts, str(mixed), str(out))
