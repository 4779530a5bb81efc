"""The canvas to paint on, without what Gradio's own does with strangers' bytes.

Gradio's opens the background, every layer and the picture of both with Pillow, in whatever format they are and in the
page's own process; and it keeps what a browser sends after each stroke until somebody presses a button, or for ever.
Here only layers are kept, up to a number of bytes, and they are handed on unopened.
"""

import functools
import threading

import gradio as gr

from codec.ui.hosting.gradio_private import AcceptBlobs, EditorData, server_function
from codec.ui.texts import t

KEPT_BYTES = 32_000_000  # of strokes that are not used yet, of all visitors together
ENTRY_BYTES = 100  # of what keeps a layer
MAX_LAYERS = 8


class Strokes:
    """The latest layers by the name that a browser gave them, those painted on longest ago dropped first."""

    def __init__(self, limit: int = KEPT_BYTES):
        self.limit, self.total, self.lock = limit, 0, threading.Lock()
        self.kept: dict[str, dict[int, bytes]] = {}

    def add(self, name: str, index: int, data: bytes) -> None:
        with self.lock:
            layers = self._pop(name) | {index: data}
            self.kept[name] = layers
            self.total += size(layers)
            while self.total > self.limit:
                self._pop(next(iter(self.kept)))

    def take(self, name: str) -> list[bytes]:
        with self.lock:
            return [data for _, data in sorted(self._pop(name).items())]

    def _pop(self, name: str) -> dict[int, bytes]:
        layers = self.kept.pop(name, {})
        self.total -= size(layers)
        return layers


def size(layers: dict[int, bytes]) -> int:
    return sum(len(data) + ENTRY_BYTES for data in layers.values())


def canvas(**options) -> gr.ImageMask:
    """`gr.ImageMask`, whose value is {"layers": [a path or bytes, …]} for the function that takes it."""
    editor, strokes = gr.ImageMask(**options), Strokes()
    editor.preprocess = functools.partial(unopened, strokes)
    editor.accept_blobs = server_function(functools.partial(accept, strokes))
    return editor


def unopened(strokes: Strokes, payload: EditorData | None) -> dict | None:
    if payload is None:
        return None
    layers = [file.path for file in payload.layers] if payload.id is None else strokes.take(payload.id)
    if len(layers) > MAX_LAYERS:
        raise gr.Error(t("region.too_many_layers", count=MAX_LAYERS), print_exception=False)
    return {"background": None, "layers": layers, "composite": None}


def accept(strokes: Strokes, data: AcceptBlobs) -> None:
    """What a browser sends after a stroke: the background, the layers and both as one, each in a request."""
    index, name = str(data.data["index"]), str(data.data["id"])
    if data.data["type"] == "layer" and index.isdecimal() and int(index) < MAX_LAYERS and len(name) < 100:
        strokes.add(name, int(index), data.files[0][1])
