"""The tab that opens anyone's stream: the picture and the header, or what is wrong with it."""

import tempfile
from pathlib import Path

import gradio as gr

from codec.ui import parts
from codec.ui.compare_work import file_stem


def run(path: str | None):
    """Decode a stream. path: the .lic file. Gives the picture as a PNG and the header as JSON."""
    if not path:
        raise gr.Error("Choose a stream first: a .lic file that was downloaded here.", print_exception=False)
    from codec import bitstream
    from codec.api import info, load
    from codec.device import where_it_fits
    from codec.pictures.load import save_png

    data = Path(path).read_bytes()
    with parts.said_plainly():
        header = info(data)
        decoded = where_it_fits(lambda device: load(header["trunk"], device).decode(bitstream.read(data)))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"{file_stem(path)}.png"
        save_png(decoded, target)
        # A generator, so that the file still exists while Gradio copies it.
        yield str(target), header


def build() -> None:
    """Lays out the tab inside the current one and connects it."""
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            upload = gr.File(label="A stream (.lic)", type="filepath", height=130, elem_id="stream-upload")
            button = gr.Button("Open", variant="primary")
            header = gr.JSON(label="Header")
        with gr.Column(scale=3, min_width=320):
            picture = parts.picture("The decoded picture", label="Decoded picture", show_label=True)
    button.click(run, upload, [picture, header], api_name="decompress", concurrency_id="codec")
    upload.upload(run, upload, [picture, header], api_visibility="private", concurrency_id="codec")
