"""Every codec at equal sizes: what a picture looks like for the same bytes, the comparison HiFiC argues with.

Ours is coded to the target rates of HiFiC lo, mi and hi; every other codec then gets the largest size that is
not above ours on that picture (Mentzer et al., "High-Fidelity Generative Image Compression", NeurIPS 2020). All
decoders of ours read the same streams. Given VGG-16, the distances of `perception` are measured as well.
"""

import functools
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from codec.evaluation import curves, perception
from codec.evaluation.measure import METRICS, iso_points, over_folder
from codec.results import OURS, WITH_GAN, WITHOUT_GAN, read_json
from codec.weights import default

TARGETS = (0.14, 0.30, 0.45)  # bpp
REALISM = (0.25, 0.5, 0.75)  # 0 and 1 are decoders of their own


def decoders_of_ours() -> list[str]:
    """Every decoder that has its own weights, and the steps between a generative one and its fidelity decoder."""
    weights = default()
    entries = {name: weights.resolve(name)[1] for name in weights.networks()}
    own = [OURS, *(f"{OURS}:{name}" for name in sorted(entries) if name != "mse")]
    return own + [f"{OURS}:{name}@{t:g}" for name in sorted(entries) if entries[name].get("partner") for t in REALISM]


def evaluate(
    folder: Path, out: Path, codecs: list[str], workers: int | None, engine="pool", address=None, backbones=""
) -> dict:
    """Measures what `out` does not hold yet, and writes it there. Returns the whole contents.

    backbones: the folder with VGG-16, for the distances of `perception`; "" leaves them out. What the Fréchet
    distance is made of, a few hundred kB a point, is kept in a folder beside `out`; where that is gone, codecs that are
    not measured again keep the distance that `out` has.
    """
    codecs = [OURS, *(c for c in codecs if c != OURS)]
    kept = out.with_suffix(".regions")

    def is_done(row: dict) -> bool:
        return not backbones or ("vgg2" in row and region_file(kept, row).exists())

    def jobs(paths: list[Path], rows: list[dict]) -> list[tuple]:
        done = {(r["image"], r["codec"], r["setting"]) for r in rows if is_done(r)}
        rows[:] = [r for r in rows if is_done(r) or r["codec"] not in codecs]
        pending = []
        for path in paths:
            for target in TARGETS:
                wanted = [c for c in codecs if (path.name, c, target) not in done]
                if wanted:
                    pending.append((str(path), target, wanted, os.path.abspath(backbones) if backbones else ""))
        return pending

    def receive(rows: list[dict]) -> list[dict]:
        kept.mkdir(parents=True, exist_ok=True) if backbones else None
        for row in rows:
            for key, codec in (("regions", row["codec"]), ("original_regions", "original")):
                if key in row:
                    np.save(region_file(kept, row | {"codec": codec}), row.pop(key).astype(np.float16))
        return rows

    summary = functools.partial(summarize, regions=kept, before=read_json(out).get("equal_size", []))
    return over_folder(folder, out, codecs, iso_points, jobs, summary, workers, engine, address, receive)


def region_file(folder: Path, row: dict) -> Path:
    at = "" if row["codec"] == "original" else f"-{row['setting']:g}"
    return folder / f"{row['image']}-{row['codec'].replace(':', '-')}{at}.npy"


def summarize(result: dict, regions: Path | None = None, before: Sequence[dict] = ()) -> dict:
    """Adds, for every target and codec, the means over the pictures on which the codec gets so small.

    Where that is not all of them, `ours_on_the_same` has our means over just these: the pictures that are
    missing are the hard ones, so the codec's own means flatter it. The Fréchet distance needs `regions`, the folder
    with features of every picture, and is given where a codec reaches all pictures. before: an earlier "equal_size";
    its distances are taken where features are gone and all else is still the same.
    """
    earlier_rows = {(at["target_bpp"], name): row for at in before for name, row in at["codecs"].items()}
    complete = curves.complete_pictures(result["points"])
    points = [p for p in result["points"] if p["image"] in complete]
    result["pictures_in_means"] = len(complete)
    names = [OURS, *sorted({p["codec"] for p in points} - {OURS})]
    result["equal_size"] = []
    for target in sorted({p["setting"] for p in points}):
        at = [p for p in points if p["setting"] == target]
        rows = {}
        for name in names:
            own = [p for p in at if p["codec"] == name]
            reached = [p for p in own if p["fits"]]
            rows[name] = means(reached) | {"pictures": len(reached), "not_reached": len(own) - len(reached)}
            if reached and len(reached) < len(own):
                same = {p["image"] for p in reached}
                rows[name]["ours_on_the_same"] = means([p for p in at if p["codec"] == OURS and p["image"] in same])
            elif reached and regions is not None:
                rows[name] |= frechet(reached, regions) or earlier(rows[name], earlier_rows.get((target, name), {}))
        if regions is not None and {WITH_GAN, WITHOUT_GAN} <= set(rows):
            rows[WITH_GAN] |= effect_of_the_gan([p for p in at if p["fits"]], regions)
        result["equal_size"].append({"target_bpp": target, "codecs": rows})
    if points:
        result["weights"] = next(p["weights"] for p in points if p["codec"] == OURS)
    return result


def means(points: list[dict]) -> dict:
    """Of every measure over these points, rounded; None where one has none."""
    digits, keys = {"bytes": 0, "psnr": 3, "ms_ssim": 5}, ("bytes", "bpp", *METRICS)
    if points and all("vgg2" in p for p in points):
        points = [p | {name: perception.summed(p, name) for name in perception.SUMS} for p in points]
        keys = (*keys, *perception.SUMS)
    averages = curves.means([p | {"all": 0} for p in points], keys, "all").get(0, dict.fromkeys(keys))
    return {key: value if value is None else round(value, digits.get(key, 4)) for key, value in averages.items()}


def features(points: list[dict], folder: Path, codec: str = "") -> list[np.ndarray]:
    """Of every picture, as `codec` made it or the point's own; [] where one is not at hand."""
    files = [region_file(folder, p | ({"codec": codec} if codec else {})) for p in points]
    return [np.load(file) for file in files] if all(file.exists() for file in files) else []


def distance(decoded: list[np.ndarray], originals: list[np.ndarray]) -> float | None:
    """The Fréchet distance over all these pictures; None where there are too few regions for it."""
    if sum(map(len, decoded)) <= decoded[0].shape[1]:
        return None
    return perception.frechet(np.concatenate(decoded), np.concatenate(originals))


def frechet(points: list[dict], folder: Path) -> dict:
    """{"frechet": distance} of one codec's pictures to their originals, {} where their features are not at hand."""
    decoded, originals = features(points, folder), features(points, folder, "original")
    value = distance(decoded, originals) if decoded and originals else None
    return {} if value is None else {"frechet": round(value, 3)}


def earlier(row: dict, rows: dict) -> dict:
    """The distance that is known of these very pictures, {} where they are not the same."""
    same = row.items() == {k: v for k, v in rows.items() if not k.startswith("frechet")}.items()
    return {"frechet": rows["frechet"]} if same and "frechet" in rows else {}


def effect_of_the_gan(points: list[dict], folder: Path) -> dict:
    """{"frechet_over_nogan": [difference, standard error]}: negative where the GAN brings the pictures nearer.

    The standard error is the jackknife's over pictures (Efron and Tibshirani, 1993): two decoders of the same
    streams differ by less than two choices of pictures do. {} where the features are not at hand, or are too few.
    """
    points = [p for p in points if p["codec"] == WITH_GAN]
    sets = [features(points, folder, codec) for codec in (WITH_GAN, WITHOUT_GAN, "original")]
    n = len(points)
    if n < 2 or not all(sets):
        return {}

    def difference(left_out: int | None = None) -> float | None:
        gan, without, originals = ([f for i, f in enumerate(s) if i != left_out] for s in sets)
        a, b = distance(gan, originals), distance(without, originals)
        return None if a is None or b is None else a - b

    whole, without_each = difference(), [difference(i) for i in range(n)]
    if whole is None or None in without_each:
        return {}
    error = np.sqrt((n - 1) / n * np.square(np.array(without_each) - np.mean(without_each)).sum())
    return {"frechet_over_nogan": [round(whole, 3), round(float(error), 3)]}
