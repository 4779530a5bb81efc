"""The place that decodes one stream by every decoder there is: the same bytes, other images."""

import gradio as gr

from codec.ui import jobs, viewer
from codec.ui.texts import t
from codec.ui.widgets import PRIVATE, QUICK, Coded, Door, hint


def decoders(stream: str | None, original: str | None, realism: float, progress=gr.Progress()):  # noqa: B008
    """Decode a stream by every decoder that is installed.

    stream: a .lic file; original: the image it was made of. realism: 0…1, how far to go from the decoder that was
    trained for fidelity to the GAN's. Gives the images (PNG), the perception–distortion plane as a plot, and the
    measurements as a table and as JSON; images first, MS-SSIM and LPIPS after them.
    """
    yield from jobs.decoders.run(stream, original, realism, progress)


def what_is_here():
    losses, realism = jobs.decoders.installed()
    return losses, gr.update(visible=realism)


def build(demo: gr.Blocks, door: Door, coded: Coded) -> gr.Slider:
    """Lays out the place and fills it whenever it is opened. Returns the realism."""
    hint(t("decoders.intro"))
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            pictures = viewer.component(elem_id="decoders")
        with gr.Column(scale=2, min_width=300):
            hint(t("decoders.plane"))
            plot = gr.Plot(show_label=False, elem_id="plane")
            realism = gr.Slider(0, 1, 0.5, step=0.05, label=t("decoders.realism"), buttons=[], elem_id="realism")
            about = gr.HTML(elem_id="losses", padding=False)
    figures = gr.HTML(elem_id="decoder-figures", elem_classes="figures", padding=False)
    numbers = gr.JSON(visible=False)
    how = {"concurrency_id": "codec", "trigger_mode": "always_last", "show_progress_on": plot}
    inputs, outputs = [coded.stream, coded.original, realism], [pictures, plot, figures, numbers]
    door.opened(decoders, inputs, outputs, api_name="decoders", **how)
    realism.release(decoders, inputs, outputs, **PRIVATE, **how)
    demo.load(what_is_here, None, [about, realism], **QUICK, show_progress="hidden")
    return realism
