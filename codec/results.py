"""What was measured, what others have published, and what the weights were made from: as the page reads it.

Files only, no torch; nothing here measures anything. `python -m codec.evaluation` writes the results.
"""

import functools
import json
from pathlib import Path

from codec import weights
from codec.errors import WeightsError
from codec.metrics import ms_ssim_db

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
PUBLISHED = Path(__file__).with_name("evaluation") / "published.json"
START, END = "<!-- results -->", "<!-- /results -->"  # of the tables that `evaluation readme` writes


def read(name: str) -> dict:
    """A results file by name ("kodak"), empty where it is not there or not readable yet."""
    try:
        return json.loads((RESULTS / f"{name}.json").read_text())
    except (OSError, ValueError):
        return {}


def kodak() -> dict[str, list[dict]]:
    """Mean curves over Kodak by codec, measured here; empty where that was not done yet."""
    return read("kodak").get("curves", {})


@functools.cache
def published() -> list[dict]:
    """Curves that others have published for Kodak: name, label, source, note, and points by rising rate."""
    curves = json.loads(PUBLISHED.read_text())["curves"]
    for point in (p for entry in curves for p in entry["points"] if "ms_ssim" in p):
        point["ms_ssim_db"] = ms_ssim_db(point["ms_ssim"])
    return curves


def citation(entry: dict) -> str:
    """Where a published curve was read from."""
    source = entry["source"]
    return f"{source['repository']}: {source['path']} at {source['commit'][:7]}"


def tables() -> str:
    """The measured tables as Markdown, as the README has them; empty where it is not there."""
    try:
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        return text[text.index(START) + len(START) : text.index(END)].strip()
    except (OSError, ValueError):
        return ""


def manifest() -> dict:
    """The manifest of the weights, {} where it is missing or damaged; that loading them fails is said elsewhere."""
    try:
        return weights.default().manifest
    except WeightsError:
        return {}


def loss(entry: dict) -> str:
    """What an entry of the manifest was trained for, or else its network; and of which runs it is a mixture."""
    mixed = f". Shipped: {entry['mixture']}" if entry.get("mixture") else ""
    return entry.get("loss", entry.get("architecture", "")) + mixed


def decoders() -> tuple[str, ...]:
    """The decoders that have weights of their own here; at least "mse"."""
    return weights.default().networks() if manifest() else ("mse",)
