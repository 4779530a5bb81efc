"""Makes what is shipped of what was trained: small files, and the manifest that names them."""

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.torch import load_file

from codec.classroom import coarse, digits, store

CREDIT = (
    "MNIST (Y. LeCun, C. Cortes, C. J. C. Burges), Creative Commons Attribution-Share Alike 3.0: twenty test digits "
    "of each class, 0 first, the first of each class in the order of the test set, arranged in one picture"
)


def trained(run: str) -> dict[str, tuple[dict, dict]]:
    """What a run holds to be shipped, by name: the stored tensors of each network, and what its log says of it."""
    log = json.loads((Path(run) / "log.json").read_text())
    return {
        name: (load_file(Path(run) / f"{name}.safetensors"), {k: v for k, v in entry.items() if k != "progress"})
        for name, entry in log.items()
        if name != coarse.WHOLE
    }


def pack(out: Path, kind: str, models: dict[str, tuple[dict, dict]], base: str = "") -> None:
    """Writes each model's tensors as a file, and the section of the manifest that names them; old files go.

    base: the model from which the others are differences.
    """
    entries = {}
    for name, (stored, described) in models.items():
        if base and name != base:
            stored, described = coarse.difference(stored, models[base][0]), described | {"base": base}
        entries[name] = store.add_file(out, f"{kind}-{name}.safetensors.xz", coarse.write(stored)) | described
    for path in set(out.glob(f"{kind}-*")) - {out / entry["file"] for entry in entries.values()}:
        path.unlink()
    store.update(out, kind, entries)


def pack_mnist(data: str, run: str, out: str) -> None:
    """Stores every small codec for digits, and 200 test digits."""
    models = trained(run)
    for stored, entry in models.values():
        entry["scales"] = digits.scales_of(stored.pop("log_scale")).tolist()
    pack(Path(out), "mnist", models)
    store.update(Path(out), "digits", pack_digits(Path(out), data))


def pack_digits(folder: Path, data: str) -> dict:
    """The digits that are shipped, as one PNG."""
    with np.load(data) as arrays:
        images, labels = arrays["test_images"], arrays["test_labels"]
    places = np.concatenate([np.flatnonzero(labels == label)[: store.EACH] for label in range(store.CLASSES)])
    buffer = io.BytesIO()
    Image.fromarray(store.sheet_of(images[places])).save(buffer, "PNG", optimize=True)
    return store.add_file(folder, "digits.png", buffer.getvalue()) | {"credit": CREDIT}


def pack_history(run: str, out: str) -> None:
    """Stores every network of the systems of history that a run holds."""
    for folder in sorted(path for path in Path(run).iterdir() if (path / "log.json").exists()):
        models = trained(str(folder))
        pack(Path(out), folder.name, models, next(iter(models)))


def pack_cae(run: str, out: str) -> None:
    """Stores every experiment of the autoencoder."""
    pack(Path(out), "cae", trained(run))
