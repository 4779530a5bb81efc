"""Contact sheets: crops of pictures beside what every decoder makes of them, and other codecs of the same size.

One row a crop, all of it at one rate but for the columns of HiFiC mi and hi, which have their own. Nothing is scaled.
"""

import importlib.util
import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from codec.api import encode, load
from codec.baselines import encode_at_most
from codec.paths import PACKAGE
from codec.pictures.load import load_image
from codec.results import NAMES
from codec.spec import OPERATING_POINTS
from codec.weights import default

SIDE, GAP, HEAD = 160, 4, 40  # pixels
TARGET = 0.14  # bpp
#: Picture numbers, and the left upper corner of the crop: a face, lettering, water, a fence, feathers, a painted wall.
CROPS = {4: (180, 200), 8: (500, 250), 13: (250, 250), 19: (20, 560), 23: (400, 40), 24: (300, 120)}
#: What the decoders are bad at, of the page's examples: lettering, a face, line art, a chart.
WEAK = {"text": (36, 236), "portrait": (150, 60), "comic": (430, 150), "chart": (20, 340)}
OTHERS = ("jpeg", "heic")


def columns() -> list[tuple[str, str, float]]:
    """(title, decoder, target in bpp) of every column that is ours."""
    names = [name for name in default().models() if name != "hific-nogan"]
    return [(name, name, OPERATING_POINTS.get(name, TARGET)) for name in names]


def kodak(folder: Path) -> dict[Path, tuple[int, int]]:
    """The left upper corners of crops by file. Raises FileNotFoundError where a picture is not in the folder."""
    files = {int(n.group()): p for p in folder.iterdir() if (n := re.search(r"\d+", p.stem))}
    if missing := CROPS.keys() - files.keys():
        raise FileNotFoundError(f"The pictures {sorted(missing)} of Kodak are not in '{folder}'.")
    return {files[number]: corner for number, corner in CROPS.items()}


def weak() -> dict[Path, tuple[int, int]]:
    """The same of what the decoders are bad at. Raises FileNotFoundError without scikit-image, whose the face is."""
    files = example_files()
    if missing := WEAK.keys() - files.keys():
        raise FileNotFoundError(f"There is no example {sorted(missing)}: pip install scikit-image.")
    return {files[name]: corner for name, corner in WEAK.items()}


def example_files() -> dict[str, Path]:
    """Those of the page's examples, and the portrait that scikit-image brings along where it is installed."""
    files = {path.stem: path for path in (PACKAGE / "ui" / "pictures").glob("*.png")}
    if package := importlib.util.find_spec("skimage"):  # which imports nothing
        files["portrait"] = Path(package.origin).with_name("data") / "astronaut.png"
    return files


def draw(crops: dict[Path, tuple[int, int]], out: Path) -> None:
    """Writes the sheet as lossless WebP."""
    rows, heads = [], []
    for file, corner in crops.items():
        cells = row(load_image(file).rgb, corner)
        heads = [title for title, _ in cells]
        rows.append([crop for _, crop in cells])
    width, height = (len(heads) * (SIDE + GAP) - GAP, HEAD + len(rows) * (SIDE + GAP) - GAP)
    sheet = Image.new("RGB", (width, height), "white")
    write, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for i, head in enumerate(heads):
        write.multiline_text((i * (SIDE + GAP) + 2, 2), head, "black", font, spacing=2)
        for j, crops in enumerate(rows):
            sheet.paste(Image.fromarray(crops[i]), (i * (SIDE + GAP), HEAD + j * (SIDE + GAP)))
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(out, lossless=True, method=6)


def row(rgb: np.ndarray, corner: tuple[int, int]) -> list[tuple[str, np.ndarray]]:
    """(title, crop) of the original, of every decoder and of the other codecs."""
    codec, streams = load(), {}
    y = codec.analyse(rgb)
    cells = [("original\n", rgb)]
    for title, decoder, target in columns():
        if target not in streams:
            streams[target] = encode(rgb, bpp=target, codec=codec, y=y, screen=False)[0]  # what the networks do
        cells.append((f"{title}\n{target:.2f} bpp", codec.decode(streams[target].stream, decoder)))
    for name in OTHERS:
        best = encode_at_most(rgb, name, len(streams[TARGET].data))
        rate = f"{TARGET:.2f} bpp" if best.fits else "its smallest"
        cells.append((f"{NAMES[name].partition(' ')[0]}\n{rate}", best.rgb))
    left, top = corner
    return [(title, picture[top : top + SIDE, left : left + SIDE]) for title, picture in cells]
