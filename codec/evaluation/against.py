"""This version beside another revision of this repository, timed in one run and by turns, by the public functions.

Each version runs in a process of its own, in a folder with its own code and weights. What is timed is what a user
calls: `codec.compress` at a λ and `codec.decompress` by a decoder. Times of one round stand beside each other, so that
a machine that is busy for a while slows both.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from codec.spec import DEFAULT_LAMBDA

DECODERS = ("mse", "hific")
WARM_UP = 2
#: Reads a picture's path, then times a round for every line of its input.
WORKER = """
import json, sys, time
import numpy as np, torch
from PIL import Image
import codec
torch.set_num_threads(int(sys.argv[2]))
rgb = np.asarray(Image.open(sys.argv[1]).convert("RGB"))
def timed(work):
    start = time.perf_counter()
    result = work()
    return 1e3 * (time.perf_counter() - start), result
for line in sys.stdin:
    ms, data = timed(lambda: codec.compress(rgb, lmbda=float(sys.argv[3])))
    row = {"encode": ms}
    for name in sys.argv[4:]:
        row["decode " + name], _ = timed(lambda: codec.decompress(data, name))
    print(json.dumps(row), flush=True)
"""


def compare(revision: str, rgb: np.ndarray, threads: int, runs: int) -> dict:
    """Medians in ms of both versions, and the median of the rounds' ratios, new / old; less than 1 is faster.

    Raises RuntimeError where there is no such revision, or a version cannot code the picture.
    """
    here = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory() as folder:
        old, picture = Path(folder) / "old", Path(folder) / "picture.png"
        Image.fromarray(rgb).save(picture)
        added = subprocess.run(
            ["git", "-C", str(here), "worktree", "add", "-q", "--detach", str(old), revision],
            capture_output=True,
            text=True,
        )
        if added.returncode:
            raise RuntimeError(f"There is no revision '{revision}' to compare with: {added.stderr.strip()}")
        try:
            rounds = by_turns([here, old], [str(picture), str(threads), str(DEFAULT_LAMBDA), *DECODERS], runs)
        finally:
            subprocess.run(["git", "-C", str(here), "worktree", "remove", "--force", str(old)], check=False)
    rounds = [(new | {"total": new["encode"] + new["decode mse"]}, was | {"total": was["encode"] + was["decode mse"]})
              for new, was in rounds[WARM_UP:]]  # fmt: skip
    return {
        "revision": revision,
        "threads": threads,
        "rounds": len(rounds),
        "stages": {
            name: {
                "new_ms": round(statistics.median(new[name] for new, _ in rounds), 1),
                "old_ms": round(statistics.median(was[name] for _, was in rounds), 1),
                "ratio": round(statistics.median(new[name] / was[name] for new, was in rounds), 3),
            }
            for name in rounds[0][0]
        },
    }


def by_turns(folders: list[Path], arguments: list[str], runs: int) -> list[tuple[dict, ...]]:
    """Rounds of the worker in each of the folders."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", WORKER, *arguments]
    environment = {k: v for k, v in os.environ.items() if k != "CODEC_WEIGHTS"}  # each has its own
    workers = [subprocess.Popen(command, cwd=folder, env=environment, **pipes) for folder in folders]
    try:
        rounds = []
        for _ in range(WARM_UP + runs):
            row = []
            for worker, folder in zip(workers, folders, strict=True):
                worker.stdin.write("\n")
                worker.stdin.flush()
                answer = worker.stdout.readline()
                if not answer:
                    raise RuntimeError(f"The version in '{folder}' cannot code the picture.")
                row.append(json.loads(answer))
            rounds.append(tuple(row))
        return rounds
    finally:
        for worker in workers:
            worker.stdin.close()
            worker.wait(30)
