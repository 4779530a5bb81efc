"""Rate–distortion points of our codec and of classical ones on every picture of a folder.

A point is one picture at one setting. Classical codecs run over qualities, ours over the anchor λ's. For
JPEG a setting is a quality at 4:2:0, whose size then goes to the better of 4:2:0 and 4:4:4 by PSNR.
"""

import contextlib
import hashlib
import json
import multiprocessing
import os
import platform
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tqdm import tqdm

from codec import baselines
from codec.images import load_image
from codec.metrics import bpp, psnr
from codec.models.gain import ANCHORS

QUALITIES = {
    "jpeg": (5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90),
    "webp": (1, 10, 25, 40, 55, 70, 80, 88, 94),
    "avif": (20, 30, 40, 50, 60, 70, 80, 88),
    "heic": (8, 15, 22, 30, 38, 46, 54, 64),
}
OURS = "ours"
LIBRARIES = ("torch", "numpy", "pillow", "pillow-heif", "constriction", "bjontegaard")


def ours_points(path: str, wanted: list[float]) -> list[dict]:
    """The points of one picture at the λ's of `wanted`, from streams that were really written and decoded."""
    from codec.api import encode, load
    from codec.pipeline import Timer

    codec = load()
    rgb = load_image(path).rgb
    rows = []
    for lmbda in wanted:
        coded, _ = encode(rgb, lmbda=lmbda, codec=codec)
        timer = Timer()
        decoded = codec.decode(coded.data, timer=timer)
        rows.append(
            point(path, OURS, lmbda, rgb, coded.data, decoded, sum(coded.timer.ms.values()), sum(timer.ms.values()))
            | {
                "weights": codec.trunk.id,
                "estimate_bytes": round(coded.estimate_bytes, 1),
                "payload": coded.payload_bytes,
            }
        )
    return rows


def baseline_points(path: str, name: str, wanted: list[float]) -> list[dict]:
    """The points of one picture for a classical codec at the qualities of `wanted`."""
    rgb = load_image(path).rgb
    rows = []
    for quality in wanted:
        start = time.perf_counter()
        data = baselines.encode(rgb, name, quality)
        encoded = time.perf_counter()
        decoded = baselines.decode(data)
        finished = time.perf_counter()
        if name == "jpeg":
            best = baselines.encode_at_most(rgb, name, len(data))
            data, decoded = best.data, best.rgb
        times = (1e3 * (encoded - start), 1e3 * (finished - encoded))
        rows.append(point(path, name, quality, rgb, data, decoded, *times))
    return rows


def point(path, name, setting, rgb, data, decoded, encode_ms, decode_ms) -> dict:
    return {
        "image": Path(path).name,
        "codec": name,
        "setting": setting,
        "bytes": len(data),
        "bpp": round(bpp(len(data), rgb.shape[1], rgb.shape[0]), 6),
        "psnr": round(psnr(rgb, decoded), 4),
        "encode_ms": round(encode_ms, 1),
        "decode_ms": round(decode_ms, 1),
    }


def versions() -> dict[str, str]:
    """Versions of everything that a number depends on."""
    found = {"python": platform.python_version(), "machine": f"{platform.machine()}, {os.cpu_count()} cores"}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def folder_digest(paths: Iterable[Path]) -> str:
    """A short hash of the pictures' bytes, so that a results file says what it was measured on."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _run(task: tuple) -> list[dict]:
    path, name, wanted = task
    if name == OURS:
        import torch

        torch.set_num_threads(1)  # the pool is what fills the cores
        return ours_points(path, wanted)
    return baseline_points(path, name, wanted)


def evaluate(folder: Path, out: Path, codecs: list[str], workers: int) -> dict:
    """Measures what `out` does not hold yet, and writes it back. Returns the whole contents."""
    suffixes = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in suffixes)
    if not paths:
        raise FileNotFoundError(f"There is no picture in '{folder}'.")
    digest = folder_digest(paths)
    old = json.loads(out.read_text()) if out.exists() else {}
    rows = old.get("points", []) if old.get("pictures_sha256") == digest else []
    if OURS in codecs:
        from codec.models.registry import manifest

        current = manifest()["trunk"]
        rows = [r for r in rows if r["codec"] != OURS or r["weights"] == current]
    done = {(r["image"], r["codec"], r["setting"]) for r in rows}
    tasks = []
    for path in paths:
        for name in codecs:
            settings = ANCHORS if name == OURS else QUALITIES[name]
            wanted = [s for s in settings if (path.name, name, s) not in done]
            if wanted:
                tasks.append((str(path), name, wanted))
    failures = []
    # Forking a process whose thread pools have run can hang; spawned ones start clean.
    with contextlib.ExitStack() as stack:
        futures = {}
        if tasks:
            pool = stack.enter_context(ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")))
            futures = {pool.submit(_run, task): task for task in tasks}
        for future in tqdm(as_completed(futures), total=len(futures), unit="task"):
            try:
                rows += future.result()
            except Exception as error:  # whatever is wrong with one picture, the others are still measured
                failures.append(f"{futures[future][0]} ({futures[future][1]}): {error}")
    rows.sort(key=lambda r: (r["codec"], r["image"], r["setting"]))
    result = {
        "pictures": len(paths),
        "pictures_sha256": digest,
        "versions": versions(),
        "failures": failures,
        "points": rows,
    }
    return result


def curve(points: list[dict], name: str) -> list[dict]:
    """Means over the pictures at every setting of a codec, by rising rate."""
    settings = sorted({p["setting"] for p in points if p["codec"] == name})
    means = []
    for setting in settings:
        group = [p for p in points if p["codec"] == name and p["setting"] == setting]
        mean = {k: sum(p[k] for p in group) / len(group) for k in ("bpp", "psnr", "encode_ms", "decode_ms")}
        means.append({"setting": setting, **{k: round(v, 4) for k, v in mean.items()}})
    return sorted(means, key=lambda m: m["bpp"])


def bd_rate(points: list[dict], anchor: str, test: str = OURS) -> dict:
    """BD-rate in PSNR of `test` against `anchor` in percent, over the PSNR range that both curves cover."""
    import bjontegaard

    a, t = curve(points, anchor), curve(points, test)
    low = max(min(p["psnr"] for p in a), min(p["psnr"] for p in t))
    high = min(max(p["psnr"] for p in a), max(p["psnr"] for p in t))
    value = bjontegaard.bd_rate(
        [p["bpp"] for p in a],
        [p["psnr"] for p in a],
        [p["bpp"] for p in t],
        [p["psnr"] for p in t],
        method="akima",
        require_matching_points=False,
        min_overlap=0,
    )
    return {"percent": round(float(value), 2), "psnr_from": round(low, 2), "psnr_to": round(high, 2)}


def summarize(result: dict) -> dict:
    """Adds curves and BD-rates to the result of `evaluate`."""
    names = sorted({p["codec"] for p in result["points"]})
    result["curves"] = {n: curve(result["points"], n) for n in names}
    if OURS in names:
        result["bd_rate_psnr"] = {n: bd_rate(result["points"], n) for n in names if n != OURS}
        result["weights"] = result["points"][[p["codec"] for p in result["points"]].index(OURS)]["weights"]
    return result


def write_json(path: Path, result: dict) -> None:
    """One line per point, so that the file stays small and differences stay readable."""
    points = result.get("points", [])
    head = json.dumps({k: v for k, v in result.items() if k != "points"}, indent=1, ensure_ascii=False)
    body = ",\n".join("  " + json.dumps(p) for p in points)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(head[:-2] + (',\n "points": [\n' + body + "\n ]\n}\n" if points else "\n}\n"))
