"""docs/adding_a_decoder.md, done as it says, in a copy of the package."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from conftest import picture, with_pictures
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
#: Where each of the document's additions goes: the file, and what it is put in front of.
PLACES = (
    ("codec/spec.py", r' +Decoder\(\s*"mse"'),
    ("codec/training/losses.py", r"def mse255\("),
    ("codec/training/recipes.py", r' +"mse": \("MSE",'),
    ("codec/training/recipes.py", r' +"mse": Recipe\('),
)


def test_the_document_adds_a_decoder(tmp_path):
    text = (ROOT / "docs" / "adding_a_decoder.md").read_text()
    added = re.findall(r"```diff\n(.*?)```", text, re.DOTALL)
    blocks = [re.sub(r"^\+", "", block, flags=re.MULTILINE) for block in added]
    (commands,) = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    shutil.copytree(ROOT / "codec", tmp_path / "codec", ignore=shutil.ignore_patterns("ui", "__pycache__"))
    shutil.copytree(ROOT / "weights", tmp_path / "weights")
    for block, (name, before) in zip(blocks, PLACES, strict=True):
        source = (tmp_path / name).read_text()
        (place,) = re.finditer(before, source)
        gap = "\n\n" if block.startswith("def") else ""
        (tmp_path / name).write_text(source[: place.start()] + block + gap + source[place.start() :])
    assert len({name for name, _ in PLACES} - {"codec/training/losses.py"}) <= 2
    data = with_pictures(tmp_path, 2, 1, lambda i: picture(140, 128, seed=i, grain=8))
    (data / "held-out").rename(data / "cid22-validation")
    Image.fromarray(picture(96, 128, grain=8)).save(tmp_path / "photo.png")
    environment = {k: v for k, v in os.environ.items() if k != "CODEC_WEIGHTS"}
    environment |= {"CODEC_DATA": str(data), "PYTHONPATH": str(tmp_path)}
    short = "--steps 2 --batch 2 --crop 128 --validation-images 1"
    for command in commands.replace("--minutes 60", short).splitlines():
        program = [sys.executable, *command.split()[1:]]
        done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    info = subprocess.run(
        [sys.executable, "-m", "codec", "info", "photo.lic"], cwd=tmp_path, env=environment, capture_output=True
    )
    assert b'"decoder": "sharp"' in info.stdout
    original, decoded = (np.asarray(Image.open(tmp_path / name)).astype(float) for name in ("photo.png", "sharp.png"))
    assert decoded.shape == original.shape and np.square(decoded - original).mean() < 500
