"""Measuring: one picture in one codec, as pure functions that a process pool and a cluster run alike; and a folder of
them, going on from what a results file holds.

A picture arrives as its name and the bytes of its file, so that no worker has to see the folder it lies in.
"""

import functools
import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from codec import baselines, bitstream
from codec.api import encode, load
from codec.classroom.history import systems
from codec.device import Timer, threads
from codec.evaluation import perception
from codec.inside import bits
from codec.metrics import bpp, lpips, ms_ssim, psnr
from codec.pictures import pool
from codec.pictures.load import load_image
from codec.provenance import codec_versions, data_set, folder_digest, machine, pictures_in, versions
from codec.results import OURS, decoder_of, is_ours, read_json, realism_of, refinements_of, tune_of, write_json
from codec.spec import HISTORY, PSNR
from codec.weights import default

METRICS = ("psnr", "ms_ssim", "lpips")
SAVE_EVERY = 30  # seconds
KEYS = ("bytes", "bpp", *METRICS, "encode_ms", "decode_ms")  # without all of them a point is measured again


def rd_points(name: str, data: bytes, codec: str, settings: list[float]) -> list[dict]:
    """The points of a picture for a codec at some settings: λ's for "ours" and "ours:DECODER", else qualities, or the
    settings of a system of history."""
    rgb = load_image(data).rgb
    with threads(1):
        if codec in HISTORY:
            return [_of_history(name, rgb, codec, result) for result in systems.points(rgb, codec, tuple(settings))]
        return [(_ours if is_ours(codec) else _classical)(name, rgb, codec, setting) for setting in settings]


def _ours(name: str, rgb: np.ndarray, codec: str, lmbda: float) -> dict:
    """From a stream that was really written and decoded."""
    decoder, model, timer = decoder_of(codec), load(), Timer()
    coded, _ = encode(rgb, model=decoder, lmbda=lmbda, refine=refinements_of(codec), tune=tune_of(codec), codec=model)
    decoded = model.decode(bitstream.read(coded.data), decoder, timer=timer)
    times = (sum(coded.timer.ms.values()), sum(timer.ms.values()))
    return point(name, codec, lmbda, rgb, coded.data, decoded, *times) | {
        "weights": model.trunk.id,
        "model": model_digest(codec),
        "estimate_bytes": round(bits.estimate_bytes(coded.latent), 1),
        "payload": bits.payload_bytes(coded.stream),
    }


def _of_history(name: str, rgb: np.ndarray, codec: str, result: systems.Point) -> dict:
    row = point(name, codec, result.setting, rgb, result.data, result.rgb, result.encode_ms, result.decode_ms)
    return row | {"model": model_digest(codec)}


def _classical(name: str, rgb: np.ndarray, codec: str, quality: float) -> dict:
    """For JPEG the size of this quality at 4:2:0 goes to the better of 4:2:0 and 4:4:4 by PSNR."""
    start = time.perf_counter()
    data = baselines.encode(rgb, codec, quality)
    encoded = time.perf_counter()
    decoded = baselines.decode(data)
    finished = time.perf_counter()
    if codec == "jpeg":
        best = baselines.encode_at_most(rgb, codec, len(data))
        data, decoded = best.data, best.rgb
    return point(name, codec, quality, rgb, data, decoded, 1e3 * (encoded - start), 1e3 * (finished - encoded))


@functools.lru_cache(maxsize=1)
def features_of(data: bytes, backbones: str) -> dict:
    """`perception.features` of an image file, kept for the other targets of the same picture."""
    return perception.features(load_image(data).rgb, backbones)


def iso_points(name: str, data: bytes, target: float, codecs: list[str], backbones: str = "") -> list[dict]:
    """Every codec at the largest size that is not above what ours comes to at `target` bpp.

    fits: whether the codec has an encoding as small as that; where not, its smallest one is measured. All decoders
    of ours read the same stream, or the same refined one. With a folder of backbones, a point has the distances of
    `perception`, too, and the arrays "regions" and, in the first point, "original_regions" for a Fréchet distance.
    """
    rgb = load_image(data).rgb
    rows = []
    original = features_of(data, backbones) if backbones else None
    with threads(1):
        model = load()

        @functools.cache
        def stream_of(refinements: int, tune: str):
            start = time.perf_counter()
            coded, search = encode(rgb, bpp=target, refine=refinements, tune=tune, codec=model)
            return coded, search, 1e3 * (time.perf_counter() - start)

        limit = len(stream_of(0, PSNR)[0].data)
        for codec in codecs:
            start = time.perf_counter()
            if is_ours(codec):
                timer, (coded, search, encode_ms) = Timer(), stream_of(refinements_of(codec), tune_of(codec))
                decoded = model.decode(bitstream.read(coded.data), decoder_of(codec), realism_of(codec), timer=timer)
                row = point(name, codec, target, rgb, coded.data, decoded, encode_ms, sum(timer.ms.values()))
                row |= {"fits": search.reached, "weights": model.trunk.id}
            elif codec in HISTORY:
                setting, stream = systems.at_most(rgb, codec, limit)
                searched = time.perf_counter()
                decoded = systems.decompress(stream)
                times = (1e3 * (searched - start), 1e3 * (time.perf_counter() - searched))
                row = point(name, codec, target, rgb, stream, decoded, *times)
                row |= {"fits": len(stream) <= limit, "with": setting}
            else:
                best = baselines.encode_at_most(rgb, codec, limit)
                searched = time.perf_counter()
                baselines.decode(best.data)
                decode_ms = 1e3 * (time.perf_counter() - searched)
                decoded = best.rgb
                row = point(name, codec, target, rgb, best.data, decoded, 1e3 * (searched - start), decode_ms)
                row |= {"fits": best.fits, "with": best.setting}
            if original is not None:
                seen = perception.features(decoded, backbones)
                terms = {k: float(f"{v:.5g}") for k, v in perception.distances(seen, original).items()}
                row |= terms | {"regions": perception.regions(seen)}
            # What the limit came from: other weights mean another limit for every codec.
            rows.append(row | {"limit": limit, "model": iso_digest(codec)})
    if original is not None and rows:
        rows[0]["original_regions"] = perception.regions(original)
    return rows


def point(
    name: str, codec: str, setting: float, rgb: np.ndarray, data: bytes, decoded: np.ndarray, *milliseconds: float
) -> dict:
    """One picture in one codec at one setting, with every metric. Metrics that are not defined for it are None."""
    values = {"psnr": psnr(rgb, decoded), "ms_ssim": ms_ssim(rgb, decoded), "lpips": lpips(rgb, decoded)}
    return {
        "image": name,
        "codec": codec,
        "setting": setting,
        "bytes": len(data),
        "bpp": round(bpp(len(data), rgb.shape[1], rgb.shape[0]), 6),
        **{k: v if v is None else round(v, 4 if k == "psnr" else 6) for k, v in values.items()},
        **dict(zip(("encode_ms", "decode_ms"), (round(t, 1) for t in milliseconds), strict=True)),
    }


def over_folder(
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
    keys: tuple[str, ...] = KEYS,
) -> dict:
    """Runs `function` on the pictures of a folder, going on from what `out` holds.

    `receive` gets what `function` returned, before it is put into the file. `keys`: what a point must have.

    Points of other pictures, of other weights or versions of a codec, and points that lack a metric are
    measured again. What there is gets written every half minute, so that an interruption loses no more.
    """
    paths = pictures_in(folder)
    digest, name = folder_digest(paths), data_set(paths)
    old = read_json(out)
    rows = keep(old, codecs, keys) if old.get("pictures_sha256") == digest else []
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
        outcomes = pool.run(function, jobs, engine, workers, address)
        for job, points, error in tqdm(outcomes, total=len(jobs), unit="job", smoothing=0.05):
            if error is not None:
                what = " ".join(str(a) for a in job[1:2])
                failures.append(f"{Path(job[0]).name} ({what}): {type(error).__name__}: {error}")
                tqdm.write(f"FAILED {failures[-1]}")
            else:
                rows += receive(points)
            if time.monotonic() - saved > SAVE_EVERY:
                write_json(out, result() | {"unfinished": True})
                saved = time.monotonic()
    except BaseException:  # an interruption from the keyboard, above all
        write_json(out, result() | {"unfinished": True})
        raise
    finished = summary(result())
    write_json(out, finished)
    return finished


def keep(old: dict, codecs: list[str], keys: tuple[str, ...] = KEYS) -> list[dict]:
    """The points of a results file that still hold, and of other codecs all of them."""
    before, now = old.get("versions", {}), codec_versions()
    current = {codec: {model_digest(codec), iso_digest(codec)} for codec in codecs}

    def holds(r: dict) -> bool:
        codec = r["codec"]
        if codec not in codecs:
            return True
        library = f"codec {codec}"
        if is_ours(codec) or codec in HISTORY:
            fresh = r.get("model") in current[codec]
        else:  # its points on a curve depend on no model
            fresh = before.get(library) == now[library] and r.get("model", model_digest(codec)) in current[codec]
        return fresh and all(key in r for key in keys)

    return [r for r in old.get("points", []) if holds(r)]


def model_digest(codec: str) -> str:
    """Eight digits of a hash over every weights file that a codec's bytes and pictures depend on.

    Of "ours[:NAME]" those are the trunk's and the decoder's, of a system of history its own, of a classical codec,
    which gets as many bytes as ours, the trunk's. The trunk's id is that of its entropy files alone: analysis and
    decoder can change without it.
    """
    if codec in HISTORY:
        return systems.model_digest(codec)
    weights = default()
    entries = [weights.trunk_entry()]
    if is_ours(codec):
        decoder = decoder_of(codec)
        entries.append(weights.resolve(decoder)[1])
        if realism_of(codec) is not None:
            entries.append(weights.resolve(weights.partner(decoder))[1])
    hashes = sorted(sha256 for entry in entries for sha256 in entry["files"].values())
    return hashlib.sha256("".join([*hashes, str(entries[0].get("rdo"))]).encode()).hexdigest()[:8]


def iso_digest(codec: str) -> str:
    """The same at equal sizes, where a system of history depends on the trunk, too: it sets the limit."""
    return f"{model_digest(codec)}-{model_digest(OURS)}" if codec in HISTORY else model_digest(codec)
