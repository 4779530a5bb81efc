"""Writes what the manifest says of every network into the model card, weights/README.md."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from codec.evaluation.report import table
from codec.networks.generator import SYNTHESIS
from codec.results import loss

START, END = "<!-- manifest -->", "<!-- /manifest -->"
TOTAL_BYTES = 45_000_000  # of the whole folder, the classroom's weights among them


def section(weights: Path) -> str:
    """The table between the markers."""
    known = json.loads((weights / "manifest.json").read_text())
    trunk = known["trunk"]
    entry = known["trunks"][trunk]
    rows = [
        [
            f"trunk `{trunk}`",
            f"R + λ·255²·MSE, λ {entry['lambda'][0]:g}…{entry['lambda'][1]:g}",
            f"{entry['steps']:,} in {entry['wall_minutes']:.0f} min on {entry['device'].upper()}",
            megabytes(weights, entry),
        ]
    ]
    for key, decoder in known["decoders"].items():
        if key.split("/")[0] == trunk:
            start = f", from {decoder['start']}" if decoder.get("start") else ""
            on = f", on trunk `{decoder['trained_on']}`" if decoder.get("trained_on") else ""
            steps = f"{decoder['steps']:,} in {decoder['wall_minutes']:.0f} min{start}{on}"
            kind = decoder.get("architecture", SYNTHESIS)
            more = sum(map(int, re.findall(r"-(\d)", kind)))
            reads = (f", {more} more blocks" if more else "") + (", reads σ" if "+scales" in kind else "")
            reads += ", reads noise" if "+noise" in kind else ""
            rows.append([f"`{key.split('/')[1]}`{reads}", loss(decoder), steps, megabytes(weights, decoder)])
    lines = [
        table(["network", "loss", "steps", "MB"], rows),
        f"All files together, with the classroom's: {total(weights.rglob('*.*')) / 1e6:.1f} MB (at most "
        f"{TOTAL_BYTES / 1e6:.0f}). Validation scores, seeds and revisions are in `manifest.json`.",
    ]
    return "\n\n".join([START, *lines, END])


def total(files: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in files)


def megabytes(weights: Path, entry: dict) -> str:
    return f"{total(weights / name for name in entry['files']) / 1e6:.1f}"


def update(weights: Path) -> bool:
    """Puts the current table into the card; whether that changed it."""
    card = weights / "README.md"
    text = card.read_text()
    new = text[: text.index(START)] + section(weights) + text[text.index(END) + len(END) :]
    card.write_text(new)
    return new != text
