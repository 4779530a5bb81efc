"""Milliseconds of every stage of the codec, on the CPU and on CUDA where there is one, at three sizes."""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from codec import bitstream
from codec.device import Timer
from codec.evaluation import against, peers
from codec.evaluation.measure import model_digest
from codec.evaluation.promises import large_picture
from codec.metrics import bpp
from codec.pictures.load import load_image
from codec.pipeline import Codec
from codec.provenance import versions
from codec.results import decoder_of, read_json, write_json
from codec.spec import DEFAULT_LAMBDA, quality_index
from codec.weights import default

SIZES = ((768, 512), (1920, 1080), (4000, 3000))
WARM_UP = 2
LARGE_RUNS = 3  # of an image of 12 megapixels or of a folder
ENCODING = ("analysis", "hyperprior and quantisation", "range coding")
DECODING = ("container", "entropy decoding", "synthesis")


def synthetic(width: int, height: int, seed: int = 0) -> np.ndarray:
    """uint8 (height, width, 3) with the spectrum of photographs, amplitude falling as 1/f (Field 1987)."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.rfftfreq(width), np.fft.fftfreq(height)))
    frequency[0, 0] = 1 / max(width, height)
    planes = [np.fft.irfft2(np.fft.rfft2(rng.normal(size=(height, width))) / frequency, (height, width))]
    for _ in range(2):  # colours differ less than brightness does
        colour = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(height, width))) / frequency, (height, width))
        planes.append(planes[0] + 0.3 * colour)
    return np.stack([(127 + 45 * p / p.std()).clip(0, 255).astype(np.uint8) for p in planes], 2)


def once(codec: Codec, rgb: np.ndarray, q: int, settle: Callable[[], None]) -> tuple[Timer, int]:
    """One encoding and decoding, the device brought to rest after every stage: milliseconds, and the size in bytes."""
    timer, (height, width) = Timer(), rgb.shape[:2]

    def stage(name: str, function: Callable, *arguments):
        with timer.stage(name):
            result = function(*arguments)
            settle()
        return result

    y = stage("analysis", codec.analyse, rgb)
    latent = stage("hyperprior and quantisation", codec.quantise, y, q)

    def write() -> bytes:
        return bitstream.write(codec.write(latent, width, height, decoder_of("ours")))

    data = stage("range coding", write)
    stream = stage("container", bitstream.read, data)
    latent = stage("entropy decoding", codec.read, stream)
    stage("synthesis", codec.synthesise, latent, codec.decoder(stream.decoder), width, height)
    return timer, len(data)


def time_stages(codec: Codec, rgb: np.ndarray, runs: int) -> dict:
    """Medians over `runs` after WARM_UP."""
    settle = torch.cuda.synchronize if codec.device.type == "cuda" else lambda: None
    q, taken = quality_index(DEFAULT_LAMBDA), []
    for _ in tqdm(range(WARM_UP + runs), unit="run", leave=False):
        start = time.perf_counter()
        timer, size = once(codec, rgb, q, settle)
        taken.append(timer.ms | {"total": 1e3 * (time.perf_counter() - start)})
    taken = taken[WARM_UP:]

    def median(*names: str) -> float:
        return round(statistics.median(sum(t[n] for n in names) for t in taken), 1)

    return {
        "stages_ms": {name: median(name) for name in (*ENCODING, *DECODING)},
        "encode_ms": median(*ENCODING),
        "decode_ms": median(*DECODING),
        "total_ms": median("total"),
        "bpp": round(bpp(size, rgb.shape[1], rgb.shape[0]), 4),
    }


def pictures(paths: list[Path]) -> Iterator[tuple[str, np.ndarray]]:
    """(name, picture): those at the paths, and synthetic ones for the SIZES that they leave out."""
    left = list(SIZES)
    for path in paths:
        rgb = load_image(path).rgb
        size = rgb.shape[1::-1]
        left = [s for s in left if s != size and s != size[::-1]]
        yield path.name, rgb
    for size in left:
        yield "synthetic", synthetic(*size)


def devices() -> list[tuple[str, str]]:
    """(device, precision) of everything there is to time."""
    names = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    return [(device, precision) for device in names for precision in ("float32", "bfloat16")]


def measure(args: argparse.Namespace) -> dict:
    """Times what `args.out` does not hold yet for these weights, threads and runs; then, if asked to, the peers."""
    if args.threads:
        torch.set_num_threads(args.threads)
    setting = {"weights": default().current, "model": model_digest("ours"), "threads": torch.get_num_threads()}
    setting |= {"runs": args.runs, "lambda": DEFAULT_LAMBDA}
    libraries = versions()
    old = read_json(args.out)
    before = old.get("versions", {}).get("machine")
    same = all(old.get(k) == v for k, v in setting.items()) and before == libraries["machine"]
    result = setting | {
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else "not at hand",
        "versions": libraries,
        "points": old.get("points", []) if same else [],
    }
    if same:
        result |= {key: old[key] for key in ("against", "against_large", "against_folder", "peers") if key in old}
    for source, rgb in pictures(args.pictures):
        name = f"{rgb.shape[1]}×{rgb.shape[0]}"
        for device, precision in devices():
            key = {"size": name, "source": source, "device": device, "precision": precision}
            if any(key.items() <= p.items() for p in result["points"]):
                continue
            print(f"{name} on {device} in {precision} …", flush=True)
            codec = Codec(default().trunk(device=device), precision=precision)
            result["points"].append(key | time_stages(codec, rgb, args.runs))
            print(f"  encode {result['points'][-1]['encode_ms']} ms, decode {result['points'][-1]['decode_ms']} ms")
            write_json(args.out, result)
    if args.against:
        source, rgb = next(pictures(args.pictures))
        large = large_picture({source: rgb})[: SIZES[-1][1], : SIZES[-1][0]]
        for key, image, runs in (("against", rgb, args.runs), ("against_large", large, LARGE_RUNS)):
            compared = against.compare(args.against, image, torch.get_num_threads(), runs)
            result[key] = compared | {"source": source}
            write_json(args.out, result)
            for name, row in compared["stages"].items():
                print(f"  {name:14} {row['new_ms']} ms, {args.against} {row['old_ms']} ms, ratio {row['ratio']}")
    if args.against and args.folder:
        row = against.compare_folders(args.against, args.folder, args.jobs, LARGE_RUNS)
        result["against_folder"] = row
        write_json(args.out, result)
        print(f"  folder         {row['new_ms']} ms, {args.against} {row['old_ms']} ms, ratio {row['ratio']}")
    if args.peers:
        source, rgb = next(pictures(args.pictures))
        result["peers"] = with_peers(args, rgb) | {"source": source}
        write_json(args.out, result)
        for name, row in result["peers"]["codecs"].items():
            ratio = f", {row['times_ours']} times ours" if "times_ours" in row else ""
            print(f"  {name:22} encode {row['encode_ms']} ms, decode {row['decode_ms']} ms{ratio}")
    write_json(args.out, result)
    return result


def with_peers(args: argparse.Namespace, rgb: np.ndarray) -> dict:
    """Installs CompressAI unless an interpreter is given, and times its models."""
    threads = torch.get_num_threads()
    if args.peer_python:
        return peers.compare(rgb, args.peer_python, threads, args.runs)
    with tempfile.TemporaryDirectory() as folder:
        where = args.peer_venv or Path(folder)
        print(f"installing CompressAI in '{where}' …", flush=True)
        return peers.compare(rgb, peers.install(where, args.peer_share_torch), threads, args.runs)
