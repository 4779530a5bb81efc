"""Curves that others have published for Kodak, each with the repository, path and commit it was read from."""

import functools
import json
from pathlib import Path

from codec.metrics import ms_ssim_db

FILE = Path(__file__).with_name("published.json")


@functools.cache
def curves() -> dict[str, dict]:
    """By name: label, source, note, and points by rising rate: bpp, psnr, and ms_ssim (as ms_ssim_db, too) and lpips
    where they were published."""
    found = {}
    for entry in json.loads(FILE.read_text())["curves"]:
        for p in entry["points"]:
            if "ms_ssim" in p:
                p["ms_ssim_db"] = ms_ssim_db(p["ms_ssim"])
        found[entry["name"]] = entry
    return found


def citation(entry: dict) -> str:
    source = entry["source"]
    return f"{source['repository']}: {source['path']} at {source['commit'][:7]}"
