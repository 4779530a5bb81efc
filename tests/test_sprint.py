"""The rehearsal of what a lent GPU is to do, from the packed folder, where nothing of the page is installed."""

import json
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from codec.networks import storage
from codec.training.pack import pack
from codec.training.sprint import NEXT_RECIPES, load_trunk_files

ROOT = Path(__file__).parents[1]
#: Of the packages of the page; a machine that is lent has none of them.
ABSENT = ("constriction", "gradio", "pillow_heif", "plotly", "pytorch_msssim", "bjontegaard", "playwright")
PROGRAM = f"""
import sys
sys.modules |= dict.fromkeys({ABSENT!r})
from codec.training.__main__ import main
sys.exit(main())
"""


def sprint(*arguments: str) -> list[dict]:
    """Runs the command; gives what it logged."""
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        "sprint",
        "--device",
        "cpu",
        "--steps",
        "2",
        "--batch",
        "2",
        "--crop",
        "128",
    ]
    run = subprocess.run([*command, "--decoder-batch", "2", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    log = Path(arguments[arguments.index("--out") + 1]) / "log.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_a_lent_machine_checks_trains_and_goes_on(folders, vgg_folder, tmp_path):
    packs, out, keep = (tmp_path / name for name in ("packs", "out", "keep"))
    pack(str(folders / "train"), str(folders / "held-out"), str(packs), str(vgg_folder[0]), mib="1", images=1)
    where = ("--pack", str(packs / "0"), "--out", str(out), "--keep", str(keep))

    rows = sprint(*where, "--check", "--trunk-seconds", "600", "--decoder-seconds", "600")
    assert any(row.get("agreed") for row in rows)
    assert [row["step"] for row in rows if "loss" in row] == [2]
    checked = [row["validation"] for row in rows if row["stage"] == "decoders" and "validation" in row]
    assert checked and all({"loss", "psnr", "lpips-vgg"} <= row["hific"][0].keys() for row in checked)
    files = sorted(out.glob("*.safetensors"))
    assert {f.stem for f in files} >= {*NEXT_RECIPES, "trunk-0", "discriminator"} and len(files) <= 7
    assert all(f.stat().st_size < 16 << 20 for f in files)
    trunk = load_trunk_files(str(out / "trunk-0.safetensors"))
    base = {k.removeprefix("g_s."): v for k, v in trunk.items() if k.startswith("g_s.")}
    for name, recipe in NEXT_RECIPES.items():
        state = storage.to_float(load_file(out / f"{name}.safetensors"), base)
        assert ("scales.weight" in state) == ("+scales" in recipe.architecture) and torch.isfinite(
            state["head.weight"]
        ).all()

    rows = sprint(*where, "--decoder-seconds", "600", "--decoder-total", "1200")[len(rows) :]
    assert [row["step"] for row in rows if row.get("stage") == "decoders"] == [4, 4]  # goes on from the second step
