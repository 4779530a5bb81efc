"""Does our JPEG agree with the JPEG that others have measured on Kodak? And where it does not, why?

CompressAI's curve is of Pillow as it comes: sequential, with the standard's example Huffman tables, 4:2:0. With
the same settings we have to get the same; what our baseline does beyond that is then added one by one.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from codec import baselines
from codec.evaluation import curves
from codec.metrics import bpp, psnr
from codec.pictures.load import load_image
from codec.provenance import data_set, folder_digest, pictures_in, versions
from codec.results import citation, published_by, read_json, write_json

QUALITIES = tuple(range(5, 100, 5))  # those of the published curve
#: From what was published to what `baselines` does, a step at a time.
STEPS = {
    "as published": {},
    "+ optimised Huffman tables": {"optimize": True},
    "+ progressive": {"optimize": True, "progressive": True},
}
BEST = "+ the better of 4:2:0 and 4:4:4"
LIMIT = 0.3  # dB


def compare(folder: Path, out: Path) -> dict:
    """Measures every step on the pictures of `folder` (Kodak), writes `out` and prints what it found."""
    paths = pictures_in(folder)
    reference = published_by("jpeg")["points"]
    digest, old = folder_digest(paths), read_json(out)
    if old.get("pictures_sha256") != digest or old.get("versions", {}).get("pillow") != versions()["pillow"]:
        old = {}
    rows = old.get("points", [])
    for path in tqdm([p for p in paths if p.name not in {r["image"] for r in rows}], unit="picture"):
        rows += measure(path)
        write_json(out, {"pictures": len(paths), "pictures_sha256": digest, "versions": versions(), "points": rows})
    result = {
        "pictures": len(paths),
        "pictures_sha256": digest,
        "versions": versions(),
        "published": citation(published_by("jpeg")),
        "data_set": data_set(paths),
        "steps": [step(name, rows, reference) for name in [*STEPS, BEST]],
        "points": rows,
    }
    result["verdict"] = (
        verdict(result["steps"]) if result["data_set"] == "Kodak" else "These pictures are not Kodak: no verdict."
    )
    write_json(out, result)
    for s in result["steps"]:
        print(
            f"{s['step']:34} {s['psnr_off_db']:5.2f} dB at equal quality, {s['curve_off_db']:5.2f} dB at equal rate "
            f"(at {s['curve_off_at_bpp']} bpp), rate {s['rate_from_percent']:+.1f}…{s['rate_to_percent']:+.1f} %"
        )
    print(result["verdict"])
    return result


def measure(path: Path) -> list[dict]:
    """Every step at every quality, on one picture. The last one gets the size that the one before it came to."""
    rgb = load_image(path).rgb
    image, rows = Image.fromarray(rgb), []
    for quality in QUALITIES:
        for name, options in STEPS.items():
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=quality, **options)
            data = buffer.getvalue()
            rows.append(row(path, name, quality, rgb, data, baselines.decode(data)))
        best = baselines.encode_at_most(rgb, "jpeg", len(data))
        rows.append(row(path, BEST, quality, rgb, best.data, best.rgb))
    return rows


def row(path: Path, name: str, quality: int, rgb: np.ndarray, data: bytes, decoded: np.ndarray) -> dict:
    rate = round(bpp(len(data), rgb.shape[1], rgb.shape[0]), 6)
    return {"image": path.name, "step": name, "quality": quality, "bpp": rate, "psnr": round(psnr(rgb, decoded), 4)}


def step(name: str, rows: list[dict], reference: list[dict]) -> dict:
    """How far the mean curve of a step is from the published one, at equal qualities and at equal rates."""
    means = curves.means([r for r in rows if r["step"] == name], ("bpp", "psnr"), "quality").values()
    rates, psnrs = (np.array([row[k] for row in means]) for k in ("bpp", "psnr"))
    known_rates, known_psnrs = (np.array([p[k] for p in reference]) for k in ("bpp", "psnr"))
    both = (rates >= known_rates[0]) & (rates <= known_rates[-1])
    # Straight lines over the logarithm of the rate: the points lie close, and a curve could overshoot.
    off = psnrs[both] - np.interp(np.log(rates[both]), np.log(known_rates), known_psnrs)
    worst = int(np.abs(off).argmax())
    percent = 100 * (rates / known_rates - 1)
    return {
        "step": name,
        "psnr_off_db": round(float(np.abs(psnrs - known_psnrs).max()), 3),
        "rate_from_percent": round(float(percent.min()), 2),
        "rate_to_percent": round(float(percent.max()), 2),
        "curve_off_db": round(float(off[worst]), 3),
        "curve_off_at_bpp": round(float(rates[both][worst]), 3),
    }


def verdict(steps: list[dict]) -> str:
    """In one sentence: do they agree, and if not, is it for a reason?"""
    first, last = steps[0], steps[-1]
    same = f"with its settings the two are at most {abs(first['curve_off_db']):.2f} dB apart at equal rate"
    if abs(last["curve_off_db"]) <= LIMIT:
        return f"Our JPEG agrees with the published curve: at most {abs(last['curve_off_db']):.2f} dB apart."
    if abs(first["curve_off_db"]) > LIMIT:
        return f"Our JPEG differs from the published curve, for a reason unknown: {same}."
    gains = [f"{s['step'][2:]} ({s['curve_off_db']:+.2f} dB at most)" for s in steps[1:]]
    return f"Our JPEG differs from the published curve by what it does better: {same}; then come {', '.join(gains)}."
