"""Every codec at equal sizes: what a picture looks like for the same bytes, the comparison HiFiC argues with.

Ours is coded to the target rates of HiFiC lo, mi and hi; every other codec then gets the largest size that is
not above ours on that picture (Mentzer et al., "High-Fidelity Generative Image Compression", NeurIPS 2020).
"""

from pathlib import Path

from codec.evaluation.curves import complete_pictures, mean
from codec.evaluation.points import METRICS, iso_points
from codec.evaluation.rd import measure
from codec.evaluation.results import OURS

TARGETS = (0.14, 0.30, 0.45)  # bpp


def evaluate(folder: Path, out: Path, codecs: list[str], workers: int | None, engine="pool", address=None) -> dict:
    """Measures what `out` does not hold yet, and writes it there. Returns the whole contents."""
    codecs = [OURS, *(c for c in codecs if c != OURS)]

    def jobs(paths: list[Path], rows: list[dict]) -> list[tuple]:
        done = {(r["image"], r["codec"], r["setting"]) for r in rows}
        found = []
        for path in paths:
            for target in TARGETS:
                wanted = [c for c in codecs if (path.name, c, target) not in done]
                if wanted:
                    found.append((str(path), target, wanted))
        return found

    return measure(folder, out, codecs, iso_points, jobs, summarize, workers, engine, address)


def summarize(result: dict) -> dict:
    """Adds, for every target and codec, the means over the pictures on which the codec gets so small.

    Where that is not all of them, `ours_on_the_same` has our means over just these: the pictures that are
    missing are the hard ones, so the codec's own means flatter it.
    """
    complete = complete_pictures(result["points"])
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
        result["equal_size"].append({"target_bpp": target, "codecs": rows})
    if points:
        result["weights"] = next(p["weights"] for p in points if p["codec"] == OURS)
    return result


def means(points: list[dict]) -> dict:
    digits = {"bytes": 0, "psnr": 3, "ms_ssim": 5}
    found = {key: mean(points, key) for key in ("bytes", "bpp", *METRICS)}
    return {key: value if value is None else round(value, digits.get(key, 4)) for key, value in found.items()}
