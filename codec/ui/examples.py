"""Images to start with: photographs that come with scikit-image, where it is installed, and drawings of the project.

The drawings in `pictures/` were never in a lossy file; where they are from says `pictures/README.md`. The photographs
are PNG files in which no trace of JPEG's blocks is left; scikit-image's cat has such traces, and is not among them.
"""

import atexit
import functools
import hashlib
import importlib.util
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from codec.pictures.load import png_bytes
from codec.ui import viewer
from codec.ui.names import ORIGINAL, OURS
from codec.ui.tables import kilobytes
from codec.ui.texts import t

#: File below skimage/data; whose it is says the text "examples.NAME", as the documentation of skimage.data has it.
PHOTOGRAPHS = {"coffee": "coffee.png", "portrait": "astronaut.png"}
DRAWN = ("architecture", "foliage", "night", "product", "landscape", "text", "comic", "chart")
FOLDER = Path(__file__).with_name("pictures")
THUMBNAIL = 160  # pixels, square


@functools.cache
def sources() -> dict[str, Path]:
    """The file of every example by its name, in the order of the gallery."""
    package = importlib.util.find_spec("skimage")  # which imports nothing
    folders = package.submodule_search_locations if package else None
    photographs = {n: Path(folder) / "data" / file for n, file in PHOTOGRAPHS.items() for folder in folders or ()}
    return {n: p for n, p in photographs.items() if p.is_file()} | {n: FOLDER / f"{n}.png" for n in DRAWN}


def credit() -> str:
    """Whose the examples are."""
    photographs = t("examples.and").join(t(f"examples.{name}") for name in PHOTOGRAPHS if name in sources())
    return t("examples.credit", photographs=photographs) if photographs else t("examples.credit_drawn")


@functools.cache
def folder() -> Path:
    """A folder of this process's own: Gradio serves no other files than those. It goes with the process."""
    path = tempfile.mkdtemp(prefix="codec-examples-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return Path(path)


@functools.cache
def files() -> list[str]:
    """The path of every example."""
    return [str(shutil.copy(path, folder() / f"{name}.png")) for name, path in sources().items()]


@functools.cache
def thumbnails() -> list[tuple[str, str]]:
    """(path, name) of a small square of every example: the whole pictures would be megabytes to look at."""
    squares = []
    for path in files():
        name = Path(path).stem
        small = folder() / f"{name}-small.png"
        with Image.open(path) as image:
            ImageOps.fit(image, (THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS).save(small)
        squares.append((str(small), name))
    return squares


@functools.cache
def pixels(number: int) -> tuple[np.ndarray, str]:
    """An example as uint8 (H, W, 3), and the id by which the viewer knows that it is the same image."""
    with Image.open(files()[number]) as image:
        rgb = np.asarray(image.convert("RGB"))
    return rgb, hashlib.sha256(png_bytes(rgb)).hexdigest()


def first_view(number: int, left: str = ORIGINAL, right: str = OURS, more: tuple[dict, ...] = ()) -> dict:
    """What the viewer shows of an example before there is any stream: the original, what else is at hand, and places.

    more: entries of the viewer.
    """
    path, (rgb, id_) = files()[number], pixels(number)
    original = viewer.entry(ORIGINAL, t("compare.original"), kilobytes(Path(path).stat().st_size), path)
    return viewer.value(id_, rgb, [original, *more], left, right, [ORIGINAL, OURS, "jpeg"])
