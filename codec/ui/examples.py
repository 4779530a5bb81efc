"""Pictures to start with: photographs that come with scikit-image, where it is installed, and our own drawings.

What `codec.ui.drawings` drew was never in a lossy file. The photographs are PNG files in which no trace of JPEG's
blocks is left; scikit-image's cat has such traces, and is not among them.
"""

import atexit
import functools
import importlib.util
import shutil
import tempfile
from pathlib import Path

from PIL import Image, ImageOps

#: File below skimage/data, and whose picture it is, as the documentation of skimage.data has it.
PHOTOGRAPHS = {
    "portrait": ("astronaut.png", "Eileen Collins (NASA, public domain)"),
    "coffee": ("coffee.png", "a cup of coffee (Rachel Michetti, CC0)"),
}
DRAWN = ("architecture", "foliage", "night", "product", "landscape", "text", "comic", "chart")
FOLDER = Path(__file__).with_name("pictures")
THUMBNAIL = 160  # pixels, square


@functools.cache
def sources() -> dict[str, Path]:
    """The file of every example by its name, in the order of the gallery."""
    found = importlib.util.find_spec("skimage")  # which imports nothing
    folders = found.submodule_search_locations if found else None
    photographs = {n: Path(folder) / "data" / file for n, (file, _) in PHOTOGRAPHS.items() for folder in folders or ()}
    return {n: p for n, p in photographs.items() if p.is_file()} | {n: FOLDER / f"{n}.png" for n in DRAWN}


def credit() -> str:
    """Whose the examples are."""
    photographs = " and ".join(whose for name, (_, whose) in PHOTOGRAPHS.items() if name in sources())
    if not photographs:
        return "Or one of these: drawn by our own code, so never in a lossy file before; free for any use (CC0)."
    return (
        f"Or one of these: photographs of {photographs}, which come with scikit-image; and drawings by our own code, "
        "never in a lossy file before (CC0)."
    )


@functools.cache
def folder() -> Path:
    """A folder of this process's own: Gradio serves no other files than those. It goes with the process."""
    made = tempfile.mkdtemp(prefix="codec-examples-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


@functools.cache
def files() -> list[str]:
    """The path of every example."""
    return [str(shutil.copy(path, folder() / f"{name}.png")) for name, path in sources().items()]


@functools.cache
def thumbnails() -> list[tuple[str, str]]:
    """(path, name) of a small square of every example: the whole pictures would be megabytes to look at."""
    found = []
    for path in files():
        name = Path(path).stem
        small = folder() / f"{name}-small.png"
        with Image.open(path) as image:
            ImageOps.fit(image, (THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS).save(small)
        found.append((str(small), name))
    return found
