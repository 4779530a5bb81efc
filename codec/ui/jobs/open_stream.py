"""Anyone's stream: its image and its header, or what is wrong with it."""

from html import escape
from pathlib import Path

import gradio as gr
import numpy as np

from codec import api, bitstream
from codec.classroom.history import systems
from codec.inside.header import info
from codec.spec import HISTORY_MAGIC
from codec.ui import viewer
from codec.ui.jobs import common
from codec.ui.jobs.compare import file_stem
from codec.ui.jobs.gpu import where_it_fits
from codec.ui.names import OURS
from codec.ui.tables import kilobytes
from codec.ui.texts import t


def run(path: str | None):
    """Yields the picture and the header of a stream: see `tabs.open_stream.decompress`."""
    if not path:
        common.refuse("open.no_file")
    with common.workplace() as folder:
        rgb, header = decoded(Path(path).read_bytes())
        yield common.saved(folder / f"{file_stem(path)}.png", rgb), header


def decoded(data: bytes) -> tuple[np.ndarray, dict]:
    """uint8 (H, W, 3) and the header fields of a stream of this codec or of a system of history. Raises StreamError."""
    if data[:3] in HISTORY_MAGIC:
        return systems.decompress(data), systems.info(data)
    header = info(data)
    return where_it_fits(lambda device: api.load(header["trunk"], device).decode(bitstream.read(data))), header


def in_compare(path: str):
    """Yields what the first tab shows of a stream that is chosen in place of an image: see `tabs.compare.compress`.

    There is no original, so nothing is compared with it.
    """
    with common.workplace() as folder:
        data = Path(path).read_bytes()
        rgb, header = decoded(data)
        png = folder / f"{file_stem(path)}.png"
        stream = folder / f"{file_stem(path)}.lic"
        stream.write_bytes(data)
        summary = t("open.size", width=rgb.shape[1], height=rgb.shape[0], bpp=header["bpp"])
        entry = viewer.entry(OURS, t("open.decoded"), kilobytes(len(data)), common.saved(png, rgb))
        value = viewer.value(folder.name, rgb, [entry], OURS, OURS, [OURS])
        headline = f"<div class='big'>{escape(kilobytes(len(data)))} · {escape(summary)}</div>"
        headline += f"<div class='small'>{escape(t('open.alone'))}</div>"
        ours = data[:3] not in HISTORY_MAGIC
        yield headline, value, [], "", str(stream) if ours else gr.skip(), str(png), None, ""
