"""The tab that shows where the bits of a stream went, and lets the visitor move them."""

import gradio as gr

from codec.ui import jobs, viewer
from codec.ui.hosting import canvas
from codec.ui.names import BRUSH, MIDDLE
from codec.ui.texts import t
from codec.ui.widgets import PRIVATE, Coded, Door, hint, slides, strip

FACTORS = [("2×", 2), ("4×", 4), ("8×", 8), ("16×", 16), ("32×", 32), ("64×", 64)]
PAINT = "#ff8c00a0"  # orange, apart from most pictures and for every kind of colour vision


def bits(stream: str | None, original: str | None):
    """Map the bits of a stream. stream: a .lic file; original: the image it was made from, or nothing.

    Gives the decoded image beside the map (PNG), the ledger of bytes as HTML, and, where the original is given,
    the maps of the same image at three λ's (PNG).
    """
    yield from jobs.bits.run(stream, original)


def region(stream: str | None, original: str | None, painting: dict | None, factor: float, part: str = BRUSH):
    """Code an image again in as many bytes, a painted part of it better.

    stream: the .lic file that is to be matched in size. original: the image it was made from. painting: a dict
    {"background", "layers", "composite"} of image files, where the first layer is opaque where it matters, of any size.
    factor: how many times λ is as high where it is painted, 2…64. part: "What I paint", or "The middle of the picture",
    which needs no painting. Gives the two decoded images (PNG), a table as HTML, both heat maps (PNG), and the new
    stream.
    """
    yield from jobs.region.run(stream, original, painting, factor, part)


def fresh_canvas(original: str | None, before: str | None):
    return jobs.region.canvas(original, before)


def build_map(door: Door, coded: Coded) -> None:
    """The map of bits, its ledger, and the maps along λ; filled whenever it is opened."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            pair = viewer.component(elem_id="bit-map")
        with gr.Column(scale=1, min_width=280):
            sums = gr.HTML(elem_id="ledger", padding=False)
            slides("bit-map,ledger", "bit-map", t("places.map"))
    hint(t("bits.along_hint"))
    along = strip("along-lambda", 3, buttons=None)
    slides("along-lambda", "bit-maps", t("places.map"))
    inputs, outputs = [coded.stream, coded.original], [pair, sums, along]
    door.opened(bits, inputs, outputs, api_name="bits", concurrency_id="codec", show_progress_on=pair)


def build_region(door: Door, coded: Coded) -> None:
    """Region of interest: a canvas to paint on, and what came of it."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            editor = canvas.canvas(
                label=t("region.canvas"),
                show_label=False,
                sources=(),
                transforms=(),
                layers=False,
                format="png",
                brush=gr.Brush(default_size=60, colors=[PAINT], color_mode="fixed"),
                elem_id="painting",
                height=440,
                buttons=[],
            )
        with gr.Column(scale=1, min_width=280):
            hint(t("region.intro"))
            factor = gr.Radio(FACTORS, value=8, label=t("region.weight"))
            selections = [(t("region.brush"), BRUSH), (t("region.middle"), MIDDLE)]
            part = gr.Radio(selections, value=BRUSH, label=t("region.what"), elem_id="what-matters")
            button = gr.Button(t("region.button"), variant="primary", elem_id="code-region")
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            pair = viewer.component(elem_id="region-pair")
        with gr.Column(scale=1, min_width=280):
            result = gr.HTML(elem_id="region-said", padding=False)
            out = gr.DownloadButton(t("region.file"), elem_id="get-region")
    maps = strip("region-maps", 2)
    on_canvas = gr.State(None)
    # In the queue although nobody presses a button for it: it reads a picture.
    door.opened(
        fresh_canvas,
        [coded.original, on_canvas],
        [editor, on_canvas],
        concurrency_id="codec",
        show_progress="hidden",
        **PRIVATE,
    )
    button.click(
        region,
        [coded.stream, coded.original, editor, factor, part],
        [pair, result, maps, out],
        api_name="region",
        concurrency_id="codec",
        trigger_mode="always_last",
        show_progress_on=editor,
    )
