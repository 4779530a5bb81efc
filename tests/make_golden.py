"""Writes tests/golden: streams of the current trunk, and what they decode to. Run it when the trunk changes."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from conftest import picture

from codec import api
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
        "noise": (np.random.default_rng(4).integers(0, 256, (64, 64, 3), dtype=np.uint8), {"lmbda": 0.02}),
    }
    expected = {}
    for name, (rgb, how) in cases.items():
        coded, _ = api.encode(rgb, **how)
        (folder / f"{name}.lic").write_bytes(coded.data)
        save_png(api.load().decode(coded.stream), folder / f"{name}.png")
        digest = hashlib.sha256(coded.latent.y_hat.numpy().astype("<i8").tobytes()).hexdigest()
        expected[name] = {"y_hat_sha256": digest, "bytes": len(coded.data)}
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
