"""What each system of history claims, measured on a folder of pictures with the networks that are shipped.

rnn-2018         extra runs of the network gain quality at the first steps; an SSIM in the loss gains MS-SSIM; tiles
                 that stop early save rate at equal quality; a model of the bits saves bits
importance-2018  a learned map saves rate at equal MS-SSIM; a model of three dimensions saves bits against static codes
attention-2021   three measures in the loss gain LPIPS against the MSE alone

A row is a picture by one system, "setting" what was done: "NETWORK/STEPS", "sabr/PSNR", "NETWORK", or, with as many
bytes as a stream of the system, a classical codec: "jpeg/BPP".
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from codec import baselines
from codec.classroom.history import attention_2021, container, exact, importance_2018, rnn_2018, systems
from codec.device import Timer, threads
from codec.evaluation.measure import KEYS, METRICS, model_digest, over_folder, point
from codec.metrics import ms_ssim_db
from codec.pictures.load import load_image

STEPS = rnn_2018.TRAINED
COMPARED = (1, 2, 4)  # after which its networks are compared; the usual one is measured after each
SABR = (25.0, 29.0)  # dB at which a tile sends no more
AGAINST_JPEG = (0.25, 0.5)  # bpp, of rnn-2018
SYSTEMS = (rnn_2018.NAME, importance_2018.NAME, attention_2021.NAME)


def points(name: str, data: bytes, system: str) -> list[dict]:
    """Every row of a picture by a system."""
    rgb = load_image(data).rgb
    measured = {rnn_2018.NAME: recurrent, importance_2018.NAME: importance, attention_2021.NAME: attention}[system]
    rows = []
    with threads(1):
        for setting, stream, decoded, times, more in measured(rgb):
            row = point(name, system, setting, rgb, stream, decoded, *times) | {"model": model_digest(system)}
            rows.append(row | {k: round(float(v), 1) for k, v in more.items()})
    return rows


def recurrent(rgb: np.ndarray) -> Iterator[tuple]:
    """(setting, stream, picture, times, {"bits": the model's, "sent": how many}) of each network after each step."""
    height, width = rgb.shape[:2]

    def stream(variant: str, segments: list[bytes]) -> bytes:
        return container.write(rnn_2018.NAME, [*rnn_2018.VARIANTS].index(variant), width, height, segments)

    prefixes: list[tuple[bytes, np.ndarray]] = []  # of the usual network
    runs = [(v, None) for v in rnn_2018.VARIANTS] + [(systems.DEFAULTS[rnn_2018.NAME], target) for target in SABR]
    for variant, target in runs:
        timer, net = Timer(), rnn_2018.load(variant)
        with timer.stage("encode"):
            coded = list(rnn_2018.encode(rgb, net, STEPS, target))
        segments, costs = [s for s, _ in coded], np.cumsum([bits for _, bits in coded])
        decoder, sent = rnn_2018.pictures(container.read(stream(variant, segments))), 0
        for step in range(len(segments)):
            with timer.stage("decode"):
                decoded, active = next(decoder)
            sent += rnn_2018.BITS * active.sum()
            usual = variant == systems.DEFAULTS[rnn_2018.NAME]
            wanted = step == len(segments) - 1 if target else usual or step + 1 in COMPARED
            part = stream(variant, segments[: step + 1])
            if usual and target is None:
                prefixes.append((part, decoded))
            if wanted:
                setting = f"{variant}/{step + 1}" if target is None else f"sabr/{target:g}"
                times = timer.ms["encode"] * (step + 1) / len(segments), timer.ms["decode"]
                yield setting, part, decoded, times, {"bits": costs[step], "sent": sent}
    for rate in AGAINST_JPEG:
        fitting = [(data, decoded) for data, decoded in prefixes if 8 * len(data) <= rate * width * height]
        data, decoded = (fitting or prefixes[:1])[-1]
        yield f"at/{rate:g}", data, decoded, (0, 0), {}
        yield as_large("jpeg", f"jpeg/{rate:g}", rgb, len(data))


def as_large(codec: str, setting: str, rgb: np.ndarray, size: int) -> tuple:
    best = baselines.encode_at_most(rgb, codec, size)
    return setting, best.data, best.rgb, (0, 0), {"fits": best.fits}


def importance(rgb: np.ndarray) -> Iterator[tuple]:
    """Of each network; more: "bits" by its model, "static" by the shares of each channel's symbols in this picture, for
    which no table is counted, and "kept", the percentage of symbols under the mask."""
    for variant in importance_2018.VARIANTS:
        net, timer = importance_2018.load(variant), Timer()
        symbols, kept = importance_2018.latents(rgb, net)
        coder = exact.Coder()
        importance_2018.code(net, symbols.shape[1:], lambda p, at, s=symbols, c=coder: c.put(s[at], p))
        with timer.stage("encode"):
            stream = importance_2018.compress(rgb, variant=variant)
        with timer.stage("decode"):
            decoded = importance_2018.decompress(stream)
        static = sum(entropy(channel) for channel in symbols)
        more = {"bits": coder.bits, "static": static, "kept": 100 * kept.mean() / importance_2018.CHANNELS}
        yield variant, stream, decoded, (timer.ms["encode"], timer.ms["decode"]), more
        if variant == systems.DEFAULTS[importance_2018.NAME]:
            yield as_large("jpeg2000", f"jpeg2000/{variant}", rgb, len(stream))


def entropy(symbols: np.ndarray) -> float:
    """Bits of symbols under their own shares."""
    _, counts = np.unique(symbols, return_counts=True)
    return float(-(counts * np.log2(counts / symbols.size)).sum())


def attention(rgb: np.ndarray) -> Iterator[tuple]:
    """Of each network; more: "bits" by its tables."""
    for variant in attention_2021.VARIANTS:
        timer, (net, tables) = Timer(), attention_2021.load(variant)
        bits = attention_2021.bits(attention_2021.latents(rgb, net), tables)
        with timer.stage("encode"):
            stream = attention_2021.compress(rgb, variant=variant)
        with timer.stage("decode"):
            decoded = attention_2021.decompress(stream)
        yield variant, stream, decoded, (timer.ms["encode"], timer.ms["decode"]), {"bits": bits}
        if variant == systems.DEFAULTS[attention_2021.NAME]:
            yield as_large("jpeg2000", f"jpeg2000/{variant}", rgb, len(stream))


def evaluate(folder: Path, out: Path, workers: int | None = None) -> dict:
    """Measures what `out` does not hold yet, and writes it there. Returns the whole contents."""
    names = [name for name in SYSTEMS if name in systems.here()]

    def jobs(paths: list[Path], rows: list[dict]) -> list[tuple]:
        done = {(r["image"], r["codec"]) for r in rows}
        return [(str(path), name) for path in paths for name in names if (path.name, name) not in done]

    return over_folder(folder, out, names, points, jobs, summarize, workers, "pool", None)


def summarize(result: dict) -> dict:
    """Adds "means", by system and setting, and "claims"."""
    frame = pd.DataFrame(result["points"])
    # A share of the pictures, not a mean of the truth.
    keys = [k for k in (*KEYS, "bits", "sent", "static", "kept", "fits") if k in frame]
    means = frame.groupby(["codec", "setting"], sort=False)[keys].mean()
    means["ms_ssim_db"] = means["ms_ssim"].map(ms_ssim_db)
    rows: dict[str, dict[str, dict]] = {}
    for (system, setting), row in means.iterrows():
        rows.setdefault(system, {})[setting] = {k: round(float(v), 5) for k, v in row.items() if not math.isnan(v)}
    result["means"] = rows
    result["claims"] = {
        name: claims(rows[name], frame[frame["codec"] == name])
        for name, claims in ((SYSTEMS[0], of_rnn), (SYSTEMS[1], of_importance), (SYSTEMS[2], of_attention))
        if name in rows
    }
    return result


def percent(new: float, old: float) -> float:
    return round(100 * (new / old - 1), 2)


def difference(rows: dict, new: str, old: str) -> dict[str, float]:
    """How much better, or worse, one setting is than another, by each measure."""
    return {k: round(rows[new][k] - rows[old][k], 4) for k in (*METRICS, "ms_ssim_db")}


def coding(frame: pd.DataFrame) -> dict:
    """How far real bytes are from the model's bits at worst, beyond 64 bytes, in percent; and the longest times."""
    coded = frame.dropna(subset=["bits"])
    beyond = 100 * (8 * (coded["bytes"] - 64) / coded["bits"] - 1)
    return {
        "bytes_over_bits_percent": round(float(beyond.max()), 2),
        "encode_ms_at_most": round(float(coded["encode_ms"].max())),
        "decode_ms_at_most": round(float(coded["decode_ms"].max())),
    }


def of_rnn(rows: dict, frame: pd.DataFrame) -> dict:
    usual = systems.DEFAULTS[rnn_2018.NAME]
    cut = [rows[f"{usual}/{step}"] for step in range(1, STEPS + 1)]
    stopped = [rows[f"sabr/{target:g}"] for target in SABR]
    first, last = rows[f"{usual}/1"], rows[f"{usual}/{STEPS}"]
    return {
        "priming": {str(step): difference(rows, f"primed/{step}", f"plain/{step}") for step in (1, 2, 4)},
        "diffusion": {str(step): difference(rows, f"diffused/{step}", f"primed/{step}") for step in (1, 2, 4)},
        "ssim_in_the_loss": {str(step): difference(rows, f"ssim/{step}", f"primed/{step}") for step in (1, 2, 4)},
        "sabr_costs_percent": {k: saving(stopped, cut, k) for k in ("psnr", "ms_ssim_db")},
        "bits_after_the_model_percent": {
            "first step": percent(first["bits"], first["sent"]),
            "all steps": percent(last["bits"], last["sent"]),
        },
        "against_jpeg": {
            f"{rate:g}": difference(rows, f"at/{rate:g}", f"jpeg/{rate:g}") | {"fits": rows[f"jpeg/{rate:g}"]["fits"]}
            for rate in AGAINST_JPEG
        },
        "coding": coding(frame),
    }  # fmt: skip


def of_importance(rows: dict, frame: pd.DataFrame) -> dict:
    with_map, fixed = [rows[rate] for rate in ("low", "middle", "high")], [rows["fixed-middle"], rows["fixed-high"]]
    middle = rows["middle"]
    return {
        "fixed_costs_percent": {k: saving(fixed, with_map, k) for k in ("ms_ssim_db", "psnr")},
        "li_costs_percent": {k: saving([rows["li"]], with_map, k) for k in ("ms_ssim_db", "psnr")},
        "context_saves_percent": percent(middle["bits"], middle["static"]),
        "against_jpeg2000": difference(rows, "middle", "jpeg2000/middle") | {"bpp": middle["bpp"]},
        "coding": coding(frame),
    }


def of_attention(rows: dict, frame: pd.DataFrame) -> dict:
    three = [rows[rate] for rate in ("low", "middle", "high")]
    mse, middle = rows["mse"], rows["middle"]
    return {
        "three_terms_at_the_rate_of_mse": {
            k: round(at_rate(three, k, mse["bpp"]) - mse[k], 4) for k in (*METRICS, "ms_ssim_db")
        },
        "against_jpeg2000": difference(rows, "middle", "jpeg2000/middle") | {"bpp": middle["bpp"]},
        "coding": coding(frame),
    }


def saving(curve: list[dict], anchor: list[dict], key: str) -> float | None:
    """How much more rate a curve takes than another at equal quality, in percent: the mean over its own points, the
    other interpolated in between; None where their qualities do not meet."""
    anchor = sorted(anchor, key=lambda p: p[key])
    qualities, rates = [p[key] for p in anchor], [math.log(p["bpp"]) for p in anchor]
    inside = [p for p in curve if qualities[0] <= p[key] <= qualities[-1]]
    if not inside:
        return None
    logs = [math.log(p["bpp"]) - np.interp(p[key], qualities, rates) for p in inside]
    return round(100 * (math.exp(float(np.mean(logs))) - 1), 2)


def at_rate(curve: list[dict], key: str, bpp: float) -> float:
    """A measure of a curve at a rate, over the logarithm of the rate; that of its end beyond it."""
    curve = sorted(curve, key=lambda p: p["bpp"])
    return float(np.interp(math.log(bpp), [math.log(p["bpp"]) for p in curve], [p[key] for p in curve]))
