"""This version beside another revision of this repository, timed in one run and by turns, by the public functions.

Each version runs in a process of its own, in a folder with its own code and weights. What is timed is what a user
calls: `codec.compress` at a λ and `codec.decompress` by a decoder, or the command line on a folder. Times of one round
stand beside each other, so that a machine that is busy for a while slows both.
"""

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
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


@contextlib.contextmanager
def checked_out(revision: str) -> Iterator[tuple[Path, Path]]:
    """The folder of this version, and one with the other revision. Raises RuntimeError where there is none."""
    here = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory() as folder:
        old = Path(folder) / "old"
        added = subprocess.run(
            ["git", "-C", str(here), "worktree", "add", "-q", "--detach", str(old), revision],
            capture_output=True,
            text=True,
        )
        if added.returncode:
            raise RuntimeError(f"There is no revision '{revision}' to compare with: {added.stderr.strip()}")
        try:
            yield here, old
        finally:
            subprocess.run(["git", "-C", str(here), "worktree", "remove", "--force", str(old)], check=False)


def compare(revision: str, rgb: np.ndarray, threads: int, runs: int) -> dict:
    """Medians in ms of both versions, and the median of the rounds' ratios, new / old; less than 1 is faster.

    Raises RuntimeError where there is no such revision, or a version cannot code the picture.
    """
    with checked_out(revision) as folders, tempfile.NamedTemporaryFile(suffix=".png") as picture:
        Image.fromarray(rgb).save(picture.name)
        rounds = by_turns(folders, [picture.name, str(threads), str(DEFAULT_LAMBDA), *DECODERS], runs)
    rounds = [tuple(row | {"total": row["encode"] + row["decode mse"]} for row in pair) for pair in rounds[WARM_UP:]]
    return {
        "revision": revision,
        "size": f"{rgb.shape[1]}×{rgb.shape[0]}",
        "threads": threads,
        "rounds": len(rounds),
        "stages": {name: medians([(new[name], was[name]) for new, was in rounds]) for name in rounds[0][0]},
    }


def medians(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """Of pairs of (new, old) in ms."""
    return {
        "new_ms": round(statistics.median(new for new, _ in pairs), 1),
        "old_ms": round(statistics.median(was for _, was in pairs), 1),
        "ratio": round(statistics.median(new / was for new, was in pairs), 3),
    }


def compare_folders(revision: str, images: Path, jobs: int, runs: int) -> dict:
    """The command `compress` on a folder of images, from its start to its end: `jobs` processes here, one there.

    Raises RuntimeError where there is no such revision, or a version cannot code the folder.
    """
    pairs = []
    with checked_out(revision) as (here, old):
        for _ in range(runs):
            pairs.append((of_a_folder(here, images, ["--jobs", str(jobs)]), of_a_folder(old, images, [])))
    count = sum(path.is_file() for path in images.iterdir())
    return {"revision": revision, "files": count, "jobs": jobs, "rounds": runs} | medians(pairs)


def of_a_folder(version: Path, images: Path, options: list[str]) -> float:
    """Milliseconds that a version takes for the folder."""
    out = tempfile.mkdtemp()
    command = [sys.executable, "-m", "codec", "compress", str(images), "-o", out, "--lambda", str(DEFAULT_LAMBDA)]
    environment = {k: v for k, v in os.environ.items() if k != "CODEC_WEIGHTS"}
    start = time.perf_counter()
    done = subprocess.run([*command, *options], cwd=version, env=environment, capture_output=True, text=True)
    taken = 1e3 * (time.perf_counter() - start)
    shutil.rmtree(out)
    if done.returncode:
        raise RuntimeError(f"The version in '{version}' cannot code the folder: {done.stderr.strip()[-300:]}")
    return taken


def by_turns(folders: tuple[Path, ...], arguments: list[str], runs: int) -> list[tuple[dict, ...]]:
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
