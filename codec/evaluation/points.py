"""The work on one picture, as pure functions of their arguments: a process pool and a cluster run them alike.

A picture arrives as its name and the bytes of its file, so that no worker has to see the folder it lies in.
"""

import contextlib
import functools
import time
from collections.abc import Iterator

import numpy as np
import torch

from codec import baselines, bitstream
from codec.api import encode, load
from codec.device import Timer
from codec.evaluation import perception
from codec.evaluation.results import decoder_of, is_ours, model_digest, realism_of
from codec.metrics import bpp, lpips, ms_ssim, psnr
from codec.pictures.load import load_image

METRICS = ("psnr", "ms_ssim", "lpips")
KEYS = ("bytes", "bpp", *METRICS, "encode_ms", "decode_ms")  # without all of them a point is measured again


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """One thread for torch: the cores are filled with pictures."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def rd_points(name: str, data: bytes, codec: str, settings: list[float]) -> list[dict]:
    """The points of a picture for a codec at some settings: λ's for "ours" and "ours:DECODER", else qualities."""
    rgb = load_image(data).rgb
    with one_thread():
        return [(_ours if is_ours(codec) else _classical)(name, rgb, codec, setting) for setting in settings]


def _ours(name: str, rgb: np.ndarray, codec: str, lmbda: float) -> dict:
    """From a stream that was really written and decoded."""
    decoder, model, timer = decoder_of(codec), load(), Timer()
    coded, _ = encode(rgb, model=decoder, lmbda=lmbda, codec=model)
    decoded = model.decode(bitstream.read(coded.data), decoder, timer=timer)
    times = (sum(coded.timer.ms.values()), sum(timer.ms.values()))
    return point(name, codec, lmbda, rgb, coded.data, decoded, *times) | {
        "weights": model.trunk.id,
        "model": model_digest(codec),
        "estimate_bytes": round(coded.estimate_bytes, 1),
        "payload": coded.payload_bytes,
    }


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
    of ours read the same stream. With a folder of backbones, a point has the distances of `perception`, too, and the
    arrays "regions" and, in the first point, "original_regions" for a Fréchet distance.
    """
    rgb = load_image(data).rgb
    rows = []
    original = features_of(data, backbones) if backbones else None
    with one_thread():
        model, start = load(), time.perf_counter()
        coded, found = encode(rgb, bpp=target, codec=model)
        encode_ms = 1e3 * (time.perf_counter() - start)
        limit = len(coded.data)
        for codec in codecs:
            start = time.perf_counter()
            if is_ours(codec):
                timer = Timer()
                decoded = model.decode(bitstream.read(coded.data), decoder_of(codec), realism_of(codec), timer=timer)
                row = point(name, codec, target, rgb, coded.data, decoded, encode_ms, sum(timer.ms.values()))
                row |= {"fits": found.reached, "weights": model.trunk.id}
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
            rows.append(row | {"limit": limit, "model": model_digest(codec)})
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
