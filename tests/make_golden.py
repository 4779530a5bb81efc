"""Writes tests/golden: streams of the current trunk and of the systems of history, and what they decode to.

Run it when the weights change."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from conftest import picture

from codec import api
from codec.classroom.history import container, systems
from codec.pictures.load import save_png


def main() -> None:
    folder = Path(__file__).parent / "golden"
    folder.mkdir(exist_ok=True)
    level_map = np.array([[20, 200, 90], [255, 0, 130]], dtype=np.uint8)
    cases = {
        "one-pixel": (picture(1, 1), {"lmbda": 0.0067}),
        "odd-size": (picture(101, 67, seed=1), {"lmbda": 0.0018}),
        "high-rate": (picture(96, 64, seed=2), {"lmbda": 0.0483}),
        "level-map": (picture(170, 100, seed=3), {"q": level_map}),
        "below-the-ladder": (picture(90, 130, seed=6, grain=60), {"q": -40}),
        "noise": (np.random.default_rng(4).integers(0, 256, (64, 64, 3), dtype=np.uint8), {"lmbda": 0.02}),
    }
    expected = {}
    for name, (rgb, how) in cases.items():
        coded, _ = api.encode(rgb, **how)
        (folder / f"{name}.lic").write_bytes(coded.data)
        save_png(api.load().decode(coded.stream), folder / f"{name}.png")
        digest = hashlib.sha256(coded.latent.y_hat.numpy().astype("<i8").tobytes()).hexdigest()
        expected[name] = {"y_hat_sha256": digest, "bytes": len(coded.data)}
    for name, module in systems.MODULES.items():
        rgb = picture(130, 90, seed=5, grain=12)
        data = module.compress(rgb, target=27.0) if module is systems.rnn_2018 else module.compress(rgb)
        (folder / f"{name}.lih").write_bytes(data)
        symbols = module.symbols_of(container.read(data))
        last = symbols if isinstance(symbols, np.ndarray) else [codes for codes, _ in symbols][-1]
        expected[name] = {"y_hat_sha256": hashlib.sha256(last.astype("<i8").tobytes()).hexdigest(), "bytes": len(data)}
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
