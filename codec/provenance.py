"""What a measured number depends on: the pictures, the machine, the versions of every library."""

import hashlib
import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pillow_heif
import torch
from PIL import features

from codec.device import has_bfloat16
from codec.pictures.files import register_heif
from codec.pictures.load import load_image

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
PACKAGES = ("torch", "numpy", "pillow", "pillow-heif", "pillow-jxl-plugin", "constriction", "pytorch-msssim",
            "bjontegaard", "scipy")  # fmt: skip
#: The libraries inside Pillow that a codec's bytes come from, by the names that Pillow gives them.
INSIDE_PILLOW = {"jpeg": "libjpeg_turbo", "webp": "webp", "jpeg2000": "jpg_2000", "avif": "avif"}
#: By `pixel_digest`.
DATA_SETS = {"9d2fddc339cb4424": "Kodak", "5712f486345078a2": "CID22 validation"}


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


def version_of(package: str, missing: str = "not installed") -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return missing


def versions() -> dict[str, str]:
    """Versions of everything that a number depends on."""
    names = {"python": platform.python_version(), "machine": machine()}
    return names | {name: version_of(name) for name in PACKAGES} | codec_versions()


def codec_versions() -> dict[str, str]:
    """The version of the library behind every classical codec, under "codec NAME"."""
    register_heif()
    heif, jxl = pillow_heif.libheif_info(), version_of("pillow-jxl-plugin", "")
    names = {name: features.version(library) or "not at hand" for name, library in INSIDE_PILLOW.items()}
    names["heic"] = f"libheif {heif['libheif']}, {heif['encoders'].get('x265', 'another encoder')}"
    names["jxl"] = f"pillow-jxl-plugin {jxl}" if jxl else "not at hand"
    return {f"codec {name}": value for name, value in names.items()}
