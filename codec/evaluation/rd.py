"""Rate–distortion points of our codec and of classical ones on every picture of a folder.

A point is one picture at one setting. Classical codecs run over qualities, ours over the anchor λ's. For
JPEG a setting is a quality at 4:2:0, whose size then goes to the better of 4:2:0 and 4:4:4 by PSNR. For
JPEG 2000 it is a PSNR to aim at, so that hard pictures get more bits, as they do from a quality. It is an even
harsher rule than that, and costs it a little in means over pictures; at equal sizes it is not so (see `iso`).
"""

import time
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from codec.evaluation import engine as engines
from codec.evaluation.curves import summarize
from codec.evaluation.points import KEYS, rd_points
from codec.evaluation.results import (
    codec_versions,
    data_set,
    folder_digest,
    is_ours,
    machine,
    model_digest,
    pictures_in,
    read_json,
    versions,
    write_json,
)
from codec.spec import ANCHORS

QUALITIES = {
    "jpeg": (5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90),
    "webp": (1, 10, 25, 40, 55, 70, 80, 88, 94),
    "jpeg2000": (24, 26, 28, 30, 32, 34, 36, 38),
    "avif": (20, 30, 40, 50, 60, 70, 80, 88),
    "heic": (8, 15, 22, 30, 38, 46, 54, 64),
    "jxl": (0, 8, 15, 25, 40, 55, 70, 80, 90),
}
SAVE_EVERY = 30  # seconds


def settings_of(codec: str) -> tuple[float, ...]:
    return ANCHORS if is_ours(codec) else QUALITIES[codec]


def evaluate(folder: Path, out: Path, codecs: list[str], workers: int | None, engine="pool", address=None) -> dict:
    """Measures what `out` does not hold yet, and writes it there. Returns the whole contents."""

    def jobs(paths: list[Path], rows: list[dict]) -> list[tuple]:
        done = {(r["image"], r["codec"], r["setting"]) for r in rows}
        found = []
        for path in paths:
            for codec in codecs:
                wanted = [s for s in settings_of(codec) if (path.name, codec, s) not in done]
                if wanted:
                    found.append((str(path), codec, wanted))
        return found

    return measure(folder, out, codecs, rd_points, jobs, summarize, workers, engine, address)


def measure(
    folder: Path,
    out: Path,
    codecs: list[str],
    function: Callable[..., list[dict]],
    jobs_for: Callable[[list[Path], list[dict]], list[tuple]],
    summary: Callable[[dict], dict],
    workers: int | None,
    engine: str,
    address: str | None,
    receive: Callable[[list[dict]], list[dict]] = list,
) -> dict:
    """Runs `function` on the pictures of a folder, going on from what `out` holds.

    `receive` gets what `function` returned, before it is put into the file.

    Points of other pictures, of other weights or versions of a codec, and points that lack a metric are
    measured again. What there is gets written every half minute, so that an interruption loses no more.
    """
    paths = pictures_in(folder)
    digest, name = folder_digest(paths), data_set(paths)
    old = read_json(out)
    rows = keep(old, codecs) if old.get("pictures_sha256") == digest else []
    jobs = jobs_for(paths, rows)
    print(f"{len(paths)} pictures; {len(rows)} points at hand, {len(jobs)} jobs to do", flush=True)
    machines = [*old.get("machines", [])] if rows else []
    here = {f"codec {codec}" for codec in codecs}
    elsewhere = {k: v for k, v in old.get("versions", {}).items() if rows and k.startswith("codec ") and k not in here}
    failures: list[str] = []

    def result() -> dict:
        rows.sort(key=lambda r: (r["codec"], r["image"], r["setting"]))
        return {
            "data_set": name,
            "pictures": len(paths),
            "pictures_sha256": digest,
            "versions": versions() | elsewhere,
            "machines": sorted({*machines, machine()}) if jobs else machines or [machine()],
            "failures": failures,
            "points": rows,
        }

    saved = time.monotonic()
    try:
        outcomes = engines.run(function, jobs, engine, workers, address)
        for job, found, error in tqdm(outcomes, total=len(jobs), unit="job", smoothing=0.05):
            if error is not None:
                what = " ".join(str(a) for a in job[1:2])
                failures.append(f"{Path(job[0]).name} ({what}): {type(error).__name__}: {error}")
                tqdm.write(f"FAILED {failures[-1]}")
            else:
                rows += receive(found)
            if time.monotonic() - saved > SAVE_EVERY:
                write_json(out, result() | {"unfinished": True})
                saved = time.monotonic()
    except BaseException:  # an interruption from the keyboard, above all
        write_json(out, result() | {"unfinished": True})
        raise
    finished = summary(result())
    write_json(out, finished)
    return finished


def keep(old: dict, codecs: list[str]) -> list[dict]:
    """The points of a results file that still hold, and of other codecs all of them."""
    before, now = old.get("versions", {}), codec_versions()
    current = {codec: model_digest(codec) for codec in codecs}

    def holds(r: dict) -> bool:
        codec = r["codec"]
        if codec not in codecs:
            return True
        library = f"codec {codec}"
        if is_ours(codec):
            fresh = r.get("model") == current[codec]
        else:  # its points on a curve depend on no model
            fresh = before.get(library) == now[library] and r.get("model", current[codec]) == current[codec]
        return fresh and all(key in r for key in KEYS)

    return [r for r in old.get("points", []) if holds(r)]
