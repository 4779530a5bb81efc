"""What was measured, what others have published, and what the weights were made from.

Files only, no torch; nothing here measures anything. `python -m codec.evaluation` writes the results. A codec is named
"jpeg", "webp" …, and ours "ours", "ours:DECODER" or "ours:DECODER@REALISM"; "ours+N" is ours with N refinements of the
latent, "ours+N/ms-ssim" with a search tuned for that, and "ours+N:DECODER" another decoder of the same stream.
"""

import functools
import json
from pathlib import Path

from codec import weights
from codec.errors import WeightsError
from codec.metrics import ms_ssim_db
from codec.paths import PACKAGE, shipped
from codec.spec import HISTORY, MS_SSIM, PSNR
from codec.writing import atomic_write

OURS = "ours"
WITH_GAN, WITHOUT_GAN = f"{OURS}:hific", f"{OURS}:hific-nogan"
NAMES = {
    "ours": "this codec",
    "jpeg": "JPEG",
    "webp": "WebP",
    "jpeg2000": "JPEG 2000",
    "avif": "AVIF",
    "heic": "HEIC (x265 intra)",
    "jxl": "JPEG XL",
} | {name: name for name in HISTORY}


def is_ours(codec: str) -> bool:
    return codec.partition(":")[0].partition("+")[0] == OURS


def refinements_of(codec: str) -> int:
    """How often the latent of one of our own codecs is refined. Raises ValueError for a name that says no number."""
    return int(refinement_of(codec)[0] or 0)


def tune_of(codec: str) -> str:
    """What the search of one of our own codecs is tuned for."""
    return refinement_of(codec)[2] or PSNR


def refinement_of(codec: str) -> tuple[str, str, str]:
    """Of "ours+N/TUNE:DECODER" N and, after a slash, TUNE."""
    return codec.partition(":")[0].partition("+")[2].partition("/")


def decoder_of(codec: str) -> str:
    """The decoder of one of our own codecs, "mse" for "ours"."""
    return codec.partition(":")[2].partition("@")[0] or "mse"


def realism_of(codec: str) -> float | None:
    """The realism of "ours:NAME@REALISM", None where none is named."""
    return float(codec.partition("@")[2]) if "@" in codec else None


def title(codec: str) -> str:
    """What a codec is called in tables and plots."""
    if codec in NAMES:
        return NAMES[codec]
    times, name = refinements_of(codec), codec.partition(":")[2]
    tuned = " for MS-SSIM" if tune_of(codec) == MS_SSIM else ""
    return NAMES[OURS] + (f", refined {times} times{tuned}" if times else "") + (f", {name} decoder" if name else "")


def read_json(path: Path) -> dict:
    """The contents of a results file, empty where there is none yet."""
    return json.loads(path.read_text()) if path.exists() else {}


def write_json(path: Path, result: dict) -> None:
    """One line per point, so that the file stays small and differences stay readable."""
    points = result.get("points", [])
    head = json.dumps({k: v for k, v in result.items() if k != "points"}, indent=1, ensure_ascii=False)
    body = ",\n".join("  " + json.dumps(p, ensure_ascii=False) for p in points)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = head[:-2] + (',\n "points": [\n' + body + "\n ]\n}\n" if points else "\n}\n")
    atomic_write(path, text.encode())


def read(name: str) -> dict:
    """A shipped results file by name ("kodak"), empty where it is not there or not readable yet."""
    try:
        return read_json(shipped(f"results/{name}.json"))
    except (OSError, ValueError):
        return {}


def kodak() -> dict[str, list[dict]]:
    """Mean curves over Kodak by codec, measured here; empty where that was not done yet."""
    return read("kodak").get("curves", {})


@functools.cache
def published() -> list[dict]:
    """Curves that others have published for Kodak: name, label, source, note, and points by rising rate with bpp, psnr,
    and ms_ssim (as ms_ssim_db, too) and lpips where they were published."""
    curves = json.loads((PACKAGE / "published.json").read_text())["curves"]
    for point in (p for entry in curves for p in entry["points"] if "ms_ssim" in p):
        point["ms_ssim_db"] = ms_ssim_db(point["ms_ssim"])
    return curves


def published_by(name: str) -> dict:
    """One of the published curves."""
    return next(entry for entry in published() if entry["name"] == name)


def citation(entry: dict) -> str:
    """Where a published curve was read from."""
    source = entry["source"]
    return f"{source['repository']}: {source['path']} at {source['commit'][:7]}"


def tables() -> str:
    """docs/results.md without its title, its figures and its commands; empty where it is not there."""
    try:
        text = shipped("docs/results.md").read_text(encoding="utf-8").partition("\n## How to measure")[0]
    except OSError:
        return ""
    paragraphs = text.split("\n\n")[1:]
    return "\n\n".join(p for p in paragraphs if "](plots/" not in p and not p.startswith("<!--")).strip()


def manifest() -> dict:
    """The manifest of the weights, {} where it is missing or damaged; that loading them fails is said elsewhere."""
    try:
        return weights.default().manifest
    except WeightsError:
        return {}


def systems() -> tuple[str, ...]:
    """The systems of history that have weights here."""
    try:
        classroom = json.loads((weights.default().folder / "classroom" / "manifest.json").read_text())
    except (OSError, ValueError):
        return ()
    return tuple(name for name in HISTORY if name in classroom or (name == "cae-2017" and "cae" in classroom))


def loss(entry: dict) -> str:
    """An entry's loss, or else its network; and the runs that it is an average of."""
    mixed = f". Shipped: {mixture(entry['mixture'])}" if entry.get("mixture") else ""
    return entry.get("loss", entry.get("architecture", "")) + mixed


def mixture(sources: list[dict]) -> str:
    """The runs that a decoder is an average of, in a line."""
    terms = (
        f"{'-' if p['share'] < 0 else '+'} {abs(p['share']):.4g}·{p['decoder']} after {p['steps']:,} steps"
        for p in sources
    )
    return " ".join(terms).removeprefix("+ ")


def decoders() -> tuple[str, ...]:
    """The decoders that have weights of their own here; at least "mse"."""
    return weights.default().networks() if manifest() else ("mse",)
