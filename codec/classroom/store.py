"""The classroom's own weights: weights/classroom/manifest.json and the files it names, checked by their SHA-256."""

import functools
import hashlib
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from codec import weights
from codec.classroom import coarse
from codec.errors import WeightsError
from codec.networks.storage import to_float
from codec.writing import atomic_write

CLASSES, EACH = 10, 20  # of the digits that are shipped


def folder() -> Path:
    return weights.default().folder / "classroom"


@functools.cache
def manifest() -> dict:
    """The parsed manifest. Raises WeightsError where it is missing or not JSON."""
    path = folder() / "manifest.json"
    try:
        parsed = json.loads(path.read_text())
        if not (isinstance(parsed, dict) and all(isinstance(section, dict) for section in parsed.values())):
            raise ValueError
        return parsed
    except (OSError, ValueError):
        raise WeightsError(f"The file '{path}' is missing or damaged; restore the weights folder.") from None


def entry(kind: str, name: str) -> dict:
    """What the manifest says of a model of this kind, "mnist" or "cae". Raises WeightsError where there is none."""
    entries = manifest().get(kind, {})
    if name not in entries:
        raise WeightsError(f"There is no model '{name}' in the classroom; there are: {', '.join(entries) or 'none'}.")
    return entries[name]


def read(file: str, sha256: str) -> bytes:
    """The bytes of a file of the folder. Raises WeightsError where it is missing or another."""
    return weights.Weights(folder()).read_file(file, sha256)


def tensors(kind: str, name: str) -> dict[str, Tensor]:
    """The state dict of a model, float32."""
    return to_float(stored(kind, name))


def stored(kind: str, name: str) -> dict[str, Tensor]:
    """The tensors of a model as `coarse` stores them. The file of one with a "base" holds the differences from that."""
    described = entry(kind, name)
    contents = coarse.read(read(described["file"], described["sha256"]))
    return coarse.restored(contents, stored(kind, described["base"])) if "base" in described else contents


@functools.cache
def shipped_digits() -> np.ndarray:
    """uint8 (200, 28, 28): twenty test digits of each class, 0 first."""
    described = manifest()["digits"]
    sheet = np.asarray(Image.open(io.BytesIO(read(described["file"], described["sha256"]))).convert("L"))
    side = sheet.shape[0] // CLASSES
    return sheet.reshape(CLASSES, side, EACH, side).swapaxes(1, 2).reshape(-1, side, side)


def sheet_of(digits: np.ndarray) -> np.ndarray:
    """The inverse: (200, 28, 28) -> one picture, a row for each class."""
    side = digits.shape[1]
    return digits.reshape(CLASSES, EACH, side, side).swapaxes(1, 2).reshape(CLASSES * side, EACH * side)


def update(out: Path, kind: str, entries: dict) -> None:
    """Puts a section into the manifest in folder `out`, and leaves the others."""
    path = out / "manifest.json"
    parsed = json.loads(path.read_text()) if path.exists() else {}
    parsed[kind] = entries
    atomic_write(path, (json.dumps(parsed, indent=1, ensure_ascii=False) + "\n").encode())


def add_file(out: Path, name: str, data: bytes) -> dict:
    """Writes a file beside the manifest; returns how the manifest names it."""
    out.mkdir(parents=True, exist_ok=True)
    atomic_write(out / name, data)
    return {"file": name, "sha256": hashlib.sha256(data).hexdigest()}
