"""Pictures to start with: drawn by `codec.ui.drawings`, shipped as PNG, and never in a lossy file."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from PIL import Image, ImageOps

NAMES = ("architecture", "portrait", "foliage", "night", "product", "landscape", "text", "comic", "chart")
FOLDER = Path(__file__).with_name("pictures")
CREDITS = "Or one of these: drawn by our own code, so never in a lossy file before; free for any use (CC0)."
THUMBNAIL = 160  # pixels, square


@functools.cache
def folder() -> Path:
    """A folder of this process's own: Gradio serves no other files than those. It goes with the process."""
    made = tempfile.mkdtemp(prefix="codec-examples-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


@functools.cache
def files() -> list[str]:
    """The path of every example."""
    return [shutil.copy(FOLDER / f"{name}.png", folder()) for name in NAMES]


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
