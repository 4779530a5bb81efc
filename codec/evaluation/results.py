"""Results files: what the numbers in them depend on, and JSON that stays small and reads well in a diff."""

import hashlib
import json
import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from PIL import features

from codec.device import has_bfloat16
from codec.paths import atomic_write
from codec.pictures.files import register_heif
from codec.pictures.load import load_image
from codec.weights import default

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
PACKAGES = ("torch", "numpy", "pillow", "pillow-heif", "pillow-jxl-plugin", "constriction", "pytorch-msssim",
            "bjontegaard", "scipy")  # fmt: skip
#: The libraries inside Pillow that a codec's bytes come from, by the names that Pillow gives them.
INSIDE_PILLOW = {"jpeg": "libjpeg_turbo", "webp": "webp", "jpeg2000": "jpg_2000", "avif": "avif"}
#: By `pixel_digest`.
DATA_SETS = {"9d2fddc339cb4424": "Kodak", "5712f486345078a2": "CID22 validation"}
OURS = "ours"
WITH_GAN, WITHOUT_GAN = f"{OURS}:hific", f"{OURS}:hific-nogan"


def pictures_in(folder: Path) -> list[Path]:
    """The picture files of a folder, by name. Raises FileNotFoundError where there are none."""
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise FileNotFoundError(f"There is no picture in '{folder}'.")
    return paths


def folder_digest(paths: Iterable[Path]) -> str:
    """A short hash of the pictures' bytes, so that a results file says what it was measured on."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def pixel_digest(paths: Iterable[Path]) -> str:
    """A short hash of what the pictures show, whatever their names, their order and their files' compression."""
    each = []
    for path in paths:
        rgb = load_image(path).rgb
        each.append(hashlib.sha256(repr(rgb.shape).encode() + rgb.tobytes()).hexdigest())
    return hashlib.sha256("".join(sorted(each)).encode()).hexdigest()[:16]


def data_set(paths: list[Path]) -> str:
    """The name of the data set that these pictures are, "" for one that is not known."""
    return DATA_SETS.get(pixel_digest(paths), "") if len(paths) in (24, 41) else ""


def machine() -> str:
    """What this machine is, in words; processors of one name may have bfloat16 or lack it."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    units = torch.backends.cpu.get_cpu_capability() + (" with bfloat16" if has_bfloat16() else "")
    return f"{platform.machine()}, {os.cpu_count()} cores, {model}, {units}"


def versions() -> dict[str, str]:
    """Versions of everything that a number depends on."""
    found = {"python": platform.python_version(), "machine": machine()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found | codec_versions()


def codec_versions() -> dict[str, str]:
    """The version of the library behind every classical codec, under "codec NAME"."""
    found = {name: features.version(library) or "not at hand" for name, library in INSIDE_PILLOW.items()}
    try:
        import pillow_heif

        register_heif()
        info = pillow_heif.libheif_info()
        found["heic"] = f"libheif {info['libheif']}, {info['encoders'].get('x265', 'another encoder')}"
    except (ImportError, KeyError):
        found["heic"] = "not at hand"
    try:
        found["jxl"] = "pillow-jxl-plugin " + version("pillow-jxl-plugin")
    except PackageNotFoundError:
        found["jxl"] = "not at hand"
    return {f"codec {name}": value for name, value in found.items()}


def decoder_of(codec: str) -> str:
    """The decoder of one of our own codecs: "mse" for "ours", NAME for "ours:NAME" and "ours:NAME@REALISM"."""
    return codec.partition(":")[2].partition("@")[0] or "mse"


def realism_of(codec: str) -> float | None:
    """The realism of "ours:NAME@REALISM", None where none is named."""
    return float(codec.partition("@")[2]) if "@" in codec else None


def is_ours(codec: str) -> bool:
    return codec.partition(":")[0] == OURS


def model_digest(codec: str) -> str:
    """Eight digits of a hash over every weights file that a codec's bytes and pictures depend on.

    Of "ours[:NAME]" those are the trunk's and the decoder's, of a classical codec, which gets as many bytes as ours,
    the trunk's. The trunk's id is that of its entropy files alone: analysis and decoder can change without it.
    """
    weights = default()
    entries = [weights.trunk_entry()]
    if is_ours(codec):
        decoder = decoder_of(codec)
        entries.append(weights.resolve(decoder)[1])
        if realism_of(codec) is not None:
            entries.append(weights.resolve(weights.partner(decoder))[1])
    hashes = sorted(sha256 for entry in entries for sha256 in entry["files"].values())
    return hashlib.sha256("".join([*hashes, str(entries[0].get("rdo"))]).encode()).hexdigest()[:8]


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
