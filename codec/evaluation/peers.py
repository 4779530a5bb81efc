"""How fast are we beside the models that everyone knows? CompressAI's, timed in an environment of their own.

Ours and theirs take turns on the same picture with the same number of threads, ours in this process, theirs in
`peer_worker`, which says how untrained weights are made to code at the published rate. What is compared is a
whole encoding and a whole decoding each, bytes included. As their entropy coder is the part that untrained weights
could be unfair to, the ratio is given without it, too: their four networks alone against all of ours.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from codec import bitstream
from codec.api import encode, load
from codec.metrics import bpp
from codec.results import published_by

MODELS = ("bmshj2018-hyperprior", "mbt2018-mean", "cheng2020-attn")
QUALITY = 3
WORKER = Path(__file__).with_name("peer_worker.py")
#: What CompressAI's image models import, besides torch.
LIGHT = ("scipy", "numpy", "tqdm", "einops", "pybind11", "tomli", "pytorch-msssim", "typing-extensions", "pandas",
         "matplotlib", "torch-geometric")  # fmt: skip


class Peer:
    """The worker process: `ask` sends a request and returns its answer. A context manager."""

    def __init__(self, python: Path, threads: int):
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([str(python), str(WORKER)], env=environment, **pipes)

    def ask(self, **request) -> dict:
        """Raises RuntimeError with what the worker says has gone wrong."""
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"The peer's interpreter has ended with status {self.process.wait()}.")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"CompressAI: {answer['error']}")
        return answer

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *exception) -> None:
        self.process.stdin.close()  # its loop ends with its input
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()


def install(folder: Path, share_torch: bool) -> Path:
    """A virtual environment with CompressAI in `folder`, made unless it is there; its interpreter.

    share_torch: uses the torch of this interpreter instead of downloading one, which on Linux would be the build
    for CUDA with several GB of libraries. torchvision, which has to fit torch, is then left out.
    """
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(python), "-m", "pip", "install", "-q"]
    if share_torch:
        where = subprocess.run(
            [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip
        Path(where, "torch-of-the-host.pth").write_text(str(Path(torch.__file__).parents[1]) + "\n")
        subprocess.run([*pip, "--no-deps", "compressai"], check=True)
        subprocess.run([*pip, *LIGHT], check=True)
    else:
        subprocess.run([*pip, "compressai"], check=True)
    return python


def compare(rgb: np.ndarray, python: Path, threads: int, runs: int) -> dict:
    """Medians over `runs` rounds, after one to warm up, and ratios: theirs over ours, above 1 where we are faster.

    Ours is coded at its default λ, theirs at quality 3; both are near 0.3…0.4 bpp on photographs.
    """
    height, width = rgb.shape[:2]
    targets = {name: published_by(name)["points"][QUALITY - 1]["bpp"] for name in MODELS}
    codec = load()
    torch.set_num_threads(threads)
    with Peer(python, threads) as peer, tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "picture.npy"
        np.save(picture, rgb)
        began = peer.ask(do="start", threads=threads, picture=str(picture), models=targets, quality=QUALITY)
        rounds = []
        for _ in tqdm(range(runs + 1), desc="rounds with peers", unit="round"):
            rounds.append({"ours": ours(codec, rgb)} | {name: peer.ask(do="run", model=name) for name in MODELS})
    rows = {}
    for name in ("ours", *MODELS):
        taken = [r[name] for r in rounds[1:]]
        medians = {key: round(statistics.median(t[key] for t in taken), 1) for key in ("encode_ms", "decode_ms")}
        total = statistics.median(t["encode_ms"] + t["decode_ms"] for t in taken)
        rows[name] = medians | {
            "total_ms": round(total, 1),
            "bpp": round(bpp(taken[0]["bytes"], width, height), 4),
            **began["models"].get(name, {}),
        }
    for name in MODELS:
        rows[name]["times_ours"] = round(rows[name]["total_ms"] / rows["ours"]["total_ms"], 2)
        # h_s runs on both sides.
        networks = rows[name]["transforms_ms"]
        without = sum(networks.values()) + networks["h_s"]
        rows[name]["networks_alone_times_ours"] = round(without / rows["ours"]["total_ms"], 2)
    return {
        "size": f"{width}×{height}",
        "threads": threads,
        "runs": runs,
        "quality": QUALITY,
        "weights": codec.trunk.id,
        "peer_versions": began["versions"],
        "peer_stood_in_for": began["stood_in"],
        "note": "Whole encodings and decodings in turns. The peers' weights are untrained; their latents are scaled "
        "so that their own tables give the rate published for the quality, and their entropy coding is timed on "
        "these. networks_alone_times_ours leaves their entropy coding out and ours in.",
        "codecs": rows,
    }


def ours(codec, rgb: np.ndarray) -> dict:
    """One picture through ours and back."""
    start = time.perf_counter()
    coded, _ = encode(rgb, codec=codec)
    encoded = time.perf_counter()
    codec.decode(bitstream.read(coded.data))
    decoded = time.perf_counter()
    return {"encode_ms": 1e3 * (encoded - start), "decode_ms": 1e3 * (decoded - encoded), "bytes": len(coded.data)}
