"""What happens where weights are damaged, missing or of another version; and that none is ever unpickled."""

import argparse
import ast
import shutil
from pathlib import Path

import pytest

from codec.errors import WeightsError
from codec.training import decoders, storing
from codec.training.__main__ import recipe
from codec.training.recipes import adjusted
from codec.weights import Weights, default

ROOT = Path(__file__).parents[1]
OFFLINE = ("training", "evaluation")  # folders of the package that the page and the command line never import


@pytest.fixture
def folder(codec, tmp_path):
    """A copy of the weights to do harm to."""
    return shutil.copytree(codec.weights.folder, tmp_path / "weights")


def load_all(folder: Path):
    weights = Weights(folder)
    weights.trunk()
    for name in weights.decoders():
        weights.decoder(name)


def said(words: str, path: Path | str, folder: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        load_all(folder)
    message = str(caught.value)
    assert words in message and str(path) in message
    assert message.endswith("restore the weights folder.") and "\n" not in message


def test_every_file_that_is_needed_is_missed_and_its_damage_noticed(folder):
    load_all(folder)
    manifest = Weights(folder).manifest
    entries = [*manifest["trunks"].values(), *manifest["decoders"].values()]
    for i, name in enumerate(name for entry in entries for name in entry["files"]):
        path = folder / name
        data = path.read_bytes()
        flipped = data[:99] + bytes([data[99] ^ 1]) + data[100:]
        for damaged in (None, data[:-1], b"", flipped) if i == 0 else (None, flipped):
            path.unlink() if damaged is None else path.write_bytes(damaged)
            said("missing" if damaged is None else "damaged (wrong SHA-256)", path, folder)
        path.write_bytes(data)
    load_all(folder)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"trunk": 3}', '{"trunk": "a", "trunks": {}, "decoders": {}}', "7"]
)
def test_a_damaged_manifest_is_named(folder, text):
    (folder / "manifest.json").write_text(text)
    said("is damaged", folder / "manifest.json", folder)


def test_a_missing_manifest_is_named(folder):
    (folder / "manifest.json").unlink()
    said("is missing", folder / "manifest.json", folder)


def test_whole_files_of_another_architecture_are_named(folder):
    weights = Weights(folder)
    weights.trunk_entry()["files"] = next(iter(weights.manifest["decoders"].values()))["files"]
    storing.write_manifest(weights, weights.manifest)
    said("another version of this program", weights.current, folder)


def imports_and_calls(tree: ast.AST):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            yield "allow_pickle"


def reached(*starts: Path) -> dict[Path, list[str]]:
    """Every file of ours that running these can import, wherever in them it does, with what it names."""
    found, rest = {}, list(starts)
    while rest:
        path = rest.pop()
        if path in found:
            continue
        found[path] = names = list(imports_and_calls(ast.parse(path.read_text())))
        for name in names:
            base = ROOT.joinpath(*name.split("."))
            rest += [
                p for p in (base.with_suffix(".py"), base / "__init__.py") if name.startswith("codec") and p.exists()
            ]
    return found


def test_nothing_that_runs_for_users_unpickles():
    """Who can put a pickle where it is loaded can run any program. Safetensors hold numbers only."""
    unwanted = ("pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "torch.load", "jit.load", "allow_pickle")
    files = reached(ROOT / "app.py", ROOT / "codec" / "__main__.py")
    assert len(files) > 30 and ROOT / "codec" / "weights.py" in files
    for path, names in files.items():
        for name in names:
            assert not any(name == u or name.startswith(u + ".") for u in unwanted), f"{path} uses {name}"
        assert path.parent.name not in OFFLINE, f"{path} is imported by the page or the command line"


def test_whatever_training_loads_is_tensors_only():
    for path in (ROOT / "codec").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and "torch.load" in imports_and_calls(node.func):
                assert any(k.arg == "weights_only" and k.value.value is True for k in node.keywords), path


def test_every_decoder_can_be_trained_again_from_its_file():
    weights = default()
    for name in set(weights.networks()) - {"mse"}:
        options, (_, entry) = recipe(str(weights.folder / "recipes" / f"{name}.toml")), weights.resolve(name)
        made = adjusted(*(options[key] for key in ("decoder", "weights", "levels", "architecture")))
        assert (made.weights, list(made.levels), made.architecture) == tuple(
            entry[key] for key in ("weights", "levels", "architecture")
        )
        assert [options["batch"], options["crop"]] == entry["batch"] and options["start"] == entry["start"]
        assert decoders.Settings(**options, init="", data="", validation="").skew == entry.get("skew", 1.0)


@pytest.mark.parametrize("text", ["decoder = ", 'decoder = "hific"\nstep = 3'])
def test_a_recipe_that_cannot_be_used_is_refused(tmp_path, text):
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(argparse.ArgumentTypeError, match="recipe"):
        recipe(str(tmp_path / "recipe.toml"))
