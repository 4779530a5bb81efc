"""What several jobs share: refusals in a sentence, a folder for their files, and a stream that is read."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import gradio as gr
import numpy as np

from codec import api, bitstream
from codec.errors import CodecError
from codec.pictures.load import save_png
from codec.ui import viewer
from codec.ui.hosting.queue import is_called_off
from codec.ui.texts import t


def refuse(key: str, **values):
    """Raises the sentence of this key, which the page shows until it is closed."""
    raise gr.Error(t(key, **values), print_exception=False)


def need(*files: str | None) -> None:
    """Says what to do first where one of the files of the first tab is not there yet."""
    if not all(files):
        refuse("errors.no_picture")


@contextmanager
def said_plainly() -> Iterator[None]:
    """Turns what goes wrong into one sentence on the page. Around a block, or with @ before a function."""
    try:
        yield
    except CodecError as error:
        raise gr.Error(str(error), duration=None, print_exception=False) from None
    except MemoryError:
        raise gr.Error(t("errors.no_memory"), duration=None, print_exception=False) from None


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder for files, within a generator: Gradio copies what is yielded before the folder goes."""
    with said_plainly(), tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def saved(path: Path, rgb: np.ndarray) -> str:
    """The path of a picture, uint8 (H, W, 3), once it is written as PNG."""
    save_png(rgb, path)
    return str(path)


def side_by_side(folder: Path, rgb: np.ndarray, *pictures: tuple[str, str, np.ndarray]) -> dict:
    """What a viewer shows of pictures (name, remark, uint8 (H, W, 3)), the first two at the divider, details of all.

    rgb: the original, whose busiest place the details show at first.
    """
    entries = [
        viewer.entry(str(i), name, remark, saved(folder / f"{i}.png", picture))
        for i, (name, remark, picture) in enumerate(pictures)
    ]
    keys = [entry["key"] for entry in entries]
    return viewer.value(folder.name, rgb, entries, *keys[:2], keys, columns=len(keys))


def read(data: bytes, device: str, progress=None):
    """(stream, codec, symbols) of the bytes of a .lic file. Raises CodecError."""
    stream = bitstream.read(data)
    codec = api.load(stream.trunk, device)
    return stream, codec, codec.read(stream, progress)


def sparing(progress: Callable, every: float = 0.5) -> Callable:
    """`progress(share, desc=…)` that passes on what has a new description, and else one call in `every` seconds.

    Each is a message to the browser, which draws the page anew for it, perhaps on the cores that do the work. Where
    nobody waits for the work any more, a call ends it.
    """
    last: list = [None, 0.0]

    def say(share: float, desc: str) -> None:
        if is_called_off():
            raise gr.Error(t("errors.called_off"), print_exception=False)
        now = time.monotonic()
        if desc != last[0] or now - last[1] >= every:
            last[:] = desc, now
            progress(share, desc=desc)

    return say
