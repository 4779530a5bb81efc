"""The tab that opens anyone's stream."""

import gradio as gr

from codec.ui import jobs
from codec.ui.texts import t
from codec.ui.widgets import PRIVATE, QUICK, picture


def decompress(path: str | None):
    """Decode a stream. path: the .lic file. Gives the image as a PNG and the header as JSON."""
    yield from jobs.open_stream.run(path)


def build() -> None:
    """Lays out the tab inside the current one and connects it."""
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            upload = gr.File(label=t("open.file"), type="filepath", height=130, elem_id="stream-upload")
            button = gr.Button(t("open.button"), variant="primary")
            header = gr.JSON(label=t("open.header"), elem_id="stream-header")
        with gr.Column(scale=3, min_width=320):
            decoded = picture(t("open.alt"), label=t("open.decoded"), show_label=True, elem_id="stream-picture")
    outputs, how = [decoded, header], {"concurrency_id": "codec"}
    button.click(decompress, upload, outputs, api_name="decompress", **how)
    nothing = (lambda: (None, None)), None, outputs  # of the stream before, even where this one is refused
    upload.clear(*nothing, **QUICK)
    upload.upload(*nothing, **QUICK).then(decompress, upload, outputs, **how, **PRIVATE)
