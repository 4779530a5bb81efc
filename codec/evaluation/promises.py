"""What the codec promises, measured: rate targets, honest estimates, exactness, speed, memory, the page."""

import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from codec import bitstream
from codec.api import encode, load
from codec.device import Timer, has_bfloat16
from codec.evaluation import page_speed
from codec.inside import bits
from codec.metrics import bpp, psnr
from codec.pictures.load import load_image
from codec.pipeline import Codec
from codec.provenance import machine, versions
from codec.results import read_json, write_json
from codec.spec import ANCHORS, REFINEMENTS
from codec.weights import default

TARGETS = (0.06, 0.08, 0.10, 0.14, 0.20, 0.30, 0.45, 0.70)
RANDOM_SIZES = 200
RUNS = 9  # the median is taken


def pictures(folder: Path) -> dict[str, np.ndarray]:
    images = {p.name: load_image(p).rgb for p in sorted(folder.iterdir()) if p.suffix.lower() == ".png"}
    if not images:
        raise FileNotFoundError(f"There is no PNG in '{folder}'.")
    return images


def check_rate(images: dict[str, np.ndarray]) -> dict:
    """At every target: the largest excess (must not exist), the largest shortfall, and who is out of range."""
    rows = []
    for target in TARGETS:
        shortfalls, below_range, at_top, codings = [], [], [], []
        for name, rgb in tqdm(images.items(), desc=f"{target} bpp", leave=False):
            coded, search = encode(rgb, bpp=target)
            rate = bpp(len(coded.data), rgb.shape[1], rgb.shape[0])
            codings.append(search.codings)
            if not search.reached:
                below_range.append({"image": name, "least_bpp": round(rate, 4)})
            elif search.at_top:
                at_top.append({"image": name, "most_bpp": round(rate, 4)})
            else:
                shortfalls.append(100 * (1 - rate / target))
        rows.append(
            {
                "target_bpp": target,
                "pictures": len(images),
                "in_range": len(shortfalls),
                "above_target": sum(s < 0 for s in shortfalls),
                "largest_shortfall_percent": round(max(shortfalls, default=0), 3),
                "mean_shortfall_percent": round(float(np.mean(shortfalls or [0])), 3),
                "below_range": below_range,
                "at_top": at_top,
                "codings_mean": round(float(np.mean(codings)), 2),
            }
        )
    return {"targets": rows}


def check_estimate(images: dict[str, np.ndarray]) -> dict:
    """Real payload against the probability tables' own estimate, in excess of 1 % + 64 bytes."""
    codec, worst, failures, count = load(), None, 0, 0
    for name, rgb in tqdm(images.items(), desc="estimate", leave=False):
        for lmbda in ANCHORS:
            coded, _ = encode(rgb, lmbda=lmbda, codec=codec)
            payload, estimate = bits.payload_bytes(coded.stream), bits.estimate_bytes(coded.latent)
            difference = abs(payload - estimate)
            failures += difference > 0.01 * estimate + 64
            count += 1
            row = (difference / estimate, name, lmbda, payload, round(estimate, 1))
            worst = max(worst or row, row)
    keys = ("relative", "image", "lambda", "payload_bytes", "estimate_bytes")
    return {"streams": count, "outside_1_percent_plus_64_bytes": failures, "worst": dict(zip(keys, worst, strict=True))}


def decoded_ways(data: bytes, partner: bytes | None) -> dict[str, torch.Tensor]:
    """y_hat of a stream, decoded with 1 and 2 threads, alone and in a batch, and on CUDA where there is one."""
    codec, stream, y_hats = load(), bitstream.read(data), {}
    threads = torch.get_num_threads()
    for n in (1, 2):
        torch.set_num_threads(n)
        y_hats[f"{n} threads"] = codec.read(stream).y_hat
    torch.set_num_threads(threads)
    mates = [stream, bitstream.read(partner)] if partner else [stream, stream]
    y_hats["in a batch"] = codec.read_batch([*mates[::-1], stream])[2].y_hat
    if torch.cuda.is_available():
        y_hats["cuda"] = Codec(default().trunk(device="cuda")).read(stream).y_hat.cpu()
    return y_hats


def check_exactness(images: dict[str, np.ndarray]) -> dict:
    """Is every decoded y_hat that of the encoder, whichever way either of them ran?"""
    rng = np.random.default_rng(7)
    sources = list(images.values())
    cases = [(name, rgb) for name, rgb in images.items()]
    for i in range(RANDOM_SIZES):
        height, width = (int(n) for n in rng.integers(1, 301, 2)) if i else (1, 1)
        source = sources[i % len(sources)]
        top, left = (int(rng.integers(0, n - m + 1)) for n, m in zip(source.shape, (height, width), strict=False))
        cases.append((f"{width}×{height}", source[top : top + height, left : left + width]))
    trunk = default().trunk()
    encoders = {
        "float32": Codec(trunk),
        "bfloat16": Codec(trunk, precision="bfloat16"),
        "tiled": Codec(trunk, strip=128),
    }
    if torch.cuda.is_available():
        encoders["cuda"] = Codec(default().trunk(device="cuda"))
    compared, unequal = 0, []
    partners: dict[tuple[int, int], bytes] = {}
    for name, rgb in tqdm(cases, desc="exactness", leave=False):
        for how, codec in encoders.items():
            coded, _ = encode(rgb, q=int(rng.integers(0, 256)), codec=codec)
            want = coded.latent.y_hat.cpu()
            regions = coded.stream.regions
            for way, y_hat in decoded_ways(coded.data, partners.get(regions)).items():
                compared += 1
                if not torch.equal(want, y_hat):
                    unequal.append(f"{name}, encoded {how}, decoded with {way}")
            partners[regions] = coded.data
    return {
        "pictures": len(images),
        "random_sizes": RANDOM_SIZES,
        "encoded": list(encoders),
        "decoded": ["1 thread", "2 threads", "in a batch", *(["cuda"] if torch.cuda.is_available() else [])],
        "compared": compared,
        "unequal": unequal,
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else "not at hand",
    }


def check_speed(images: dict[str, np.ndarray]) -> dict:
    """Median milliseconds per stage on a 768×512 picture, after warm-up."""
    rgb = next(r for r in images.values() if r.shape[:2] in ((512, 768), (768, 512)))
    codec = load()
    result = {"size": f"{rgb.shape[1]}×{rgb.shape[0]}", "threads": torch.get_num_threads(), "runs": RUNS}
    result["machine"] = machine()
    for precision in ("float32", "bfloat16") if has_bfloat16() else ("float32",):
        fast = Codec(codec.trunk, precision=precision)
        totals, stages, targeted = [], [], []
        for _ in range(RUNS + 2):
            start = time.perf_counter()
            coded, _ = encode(rgb, codec=fast)
            timer = Timer()
            with timer.stage("container"):
                stream = bitstream.read(coded.data)
            fast.decode(stream, timer=timer)
            totals.append(1e3 * (time.perf_counter() - start))
            stages.append(coded.timer.ms | timer.ms)
            start = time.perf_counter()
            encode(rgb, bpp=0.45, codec=fast)
            targeted.append(1e3 * (time.perf_counter() - start))
        result[precision] = {
            "stages_ms": {k: round(statistics.median(s[k] for s in stages[2:]), 1) for k in stages[0]},
            "compress_and_decompress_ms": round(statistics.median(totals[2:]), 1),
            "rate_targeted_compress_ms": round(statistics.median(targeted[2:]), 1),
        }
    result["refined_compress_ms"] = {str(REFINEMENTS): refined_ms(rgb)}
    result["decode_ms"] = {name: decode_ms(coded.data, name) for name in default().networks()}
    return result


def refined_ms(rgb: np.ndarray) -> float:
    """Median milliseconds to a stream whose latent is refined, after warm-up."""
    taken = [encode(rgb, refine=REFINEMENTS)[0].timer.ms for _ in range(4)]
    return round(statistics.median(sum(ms.values()) for ms in taken[1:]), 1)


def decode_ms(data: bytes, decoder: str) -> float:
    """Median milliseconds from bytes to a picture, in float32, after warm-up."""
    taken = []
    for _ in range(RUNS + 2):
        start = time.perf_counter()
        load().decode(bitstream.read(data), decoder)
        taken.append(1e3 * (time.perf_counter() - start))
    return round(statistics.median(taken[2:]), 1)


def check_page(images: dict[str, np.ndarray]) -> dict:
    """Click to picture in a real browser, on a picture of 768×512 and on one of 12 megapixels."""
    small = next(r for r in images.values() if r.shape[:2] == (512, 768))
    return page_speed.measure(small, large_picture(images)[:3000, :4000])


def large_picture(images: dict[str, np.ndarray]) -> np.ndarray:
    """A mosaic of the pictures, 24 megapixels as uint8 (4000, 6000, 3)."""
    width, height = 6000, 4000
    upright = [r if r.shape[0] <= r.shape[1] else np.rot90(r) for r in images.values()]
    tile_height, tile_width = (min(r.shape[i] for r in upright) for i in (0, 1))
    columns = -(-width // tile_width)
    rows = [
        np.concatenate(
            [upright[(i * columns + j) % len(upright)][:tile_height, :tile_width] for j in range(columns)], 1
        )
        for i in range(-(-height // tile_height))
    ]
    return np.ascontiguousarray(np.concatenate(rows)[:height, :width])


def peak_mb() -> int:
    """Peak resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def memory_child(folder: Path) -> dict:
    """Codes and decodes 24 megapixels in this process; then once more in one piece, to compare."""
    rgb = large_picture(pictures(folder))
    codec = load()
    times = [time.perf_counter()]
    coded, _ = encode(rgb, codec=codec)
    times.append(time.perf_counter())
    tiled = codec.decode(bitstream.read(coded.data))
    times.append(time.perf_counter())
    peak = peak_mb()
    stream = coded.stream
    whole_codec = Codec(codec.trunk, strip=1 << 20)
    symbols = whole_codec.read(stream)
    whole = whole_codec.synthesise(symbols, whole_codec.decoder("mse"), stream.width, stream.height)
    whole_symbols = encode(rgb, codec=whole_codec)[0].latent
    different = sum(int((a != b).sum()) for a, b in zip(whole_symbols.y, coded.latent.y, strict=True))
    return {
        "size": f"{rgb.shape[1]}×{rgb.shape[0]}",
        "bytes": len(coded.data),
        "peak_mb": peak,
        "encode_s": round(times[1] - times[0], 1),
        "decode_s": round(times[2] - times[1], 1),
        "psnr_of_tiled_against_whole": "identical" if (tiled == whole).all() else round(psnr(whole, tiled), 1),
        "symbols_changed_by_tiling": different,
        "symbols": sum(len(q) for q in coded.latent.y),
    }


def run(folder: Path, out: Path, only: list[str]) -> int:
    """Runs the checks, writes them to `out` beside what it holds, and says which failed. Exit status."""
    result = read_json(out)
    images = pictures(folder)
    result |= {"weights": default().current, "versions": versions()}
    checks = {
        "rate": check_rate,
        "estimate": check_estimate,
        "exactness": check_exactness,
        "speed": check_speed,
        "page": check_page,
    }
    for name in only:
        if name == "memory":  # in a process of its own, whose peak nothing else has raised
            command = [sys.executable, "-m", "codec.evaluation.promises", str(folder)]
            result[name] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        else:
            result[name] = checks[name](images)
        print(name, json.dumps(result[name], ensure_ascii=False)[:2000], flush=True)
        write_json(out, result)
    bad = [
        name
        for name, wrong in {
            "rate": any(t["above_target"] for t in result.get("rate", {}).get("targets", [])),
            "estimate": result.get("estimate", {}).get("outside_1_percent_plus_64_bytes"),
            "exactness": result.get("exactness", {}).get("unequal"),
        }.items()
        if wrong
    ]
    for name in bad:
        print(f"FAILED {name}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    print(json.dumps(memory_child(Path(sys.argv[1])), ensure_ascii=False))
