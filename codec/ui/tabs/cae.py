"""The tab of the compressive autoencoder of 2017."""

import gradio as gr

from codec.ui import jobs, viewer
from codec.ui.names import CAE_CROPS, CAE_EXPERIMENTS
from codec.ui.texts import t
from codec.ui.widgets import PRIVATE, Coded, Door, hint, picture


def cae(original: str | None, experiment: str, crop: int = 64):
    """Compress an image with the autoencoder of 2017 and decode the file again. original: the image.

    experiment: "1", "2", "3" or "4"; crop: 64 or 128, on crops of which it was trained. Gives the pair (PNG), figures
    and entropy ladder as HTML, and the file.
    """
    yield from jobs.cae.run(original, experiment, crop)


def run_if_any(original: str | None, experiment: str, crop: int):
    yield from jobs.cae.run_if_any(original, experiment, crop)


def cae_decode(path: str | None):
    """Decode a file of the autoencoder (.cae). Gives the image as a PNG."""
    yield from jobs.cae.decode(path)


def opened(experiment: str, crop: int):
    return jobs.cae.opened(experiment, crop)


def redraw(experiment: str, crop: int):
    return jobs.cae.redraw(experiment, crop)


def build(door: Door, coded: Coded) -> None:
    """Lays out the tab and fills it whenever it is opened, with the image of the first tab."""
    hint(t("cae.intro"))
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            pair = viewer.component(elem_id="cae-pair")
        with gr.Column(scale=2, min_width=300):
            experiments = [(t(f"cae.experiment_{name}"), name) for name in CAE_EXPERIMENTS]
            experiment = gr.Radio(experiments, value="1", label=t("cae.experiment"))
            crops = [(title, size) for size, title in CAE_CROPS.items()]
            crop = gr.Radio(crops, value=64, label=t("cae.crop"))
            figures = gr.HTML(elem_id="cae-said", padding=False)
            file = gr.DownloadButton(t("cae.file"), elem_id="get-cae")
    gr.Markdown(f"### {t('cae.table')}")
    table = gr.HTML(elem_id="cae-table", padding=False)
    gr.Markdown(f"### {t('cae.progress')}")
    hint(t("cae.progress_hint"))
    curves = gr.Plot(show_label=False, elem_id="cae-curves")
    with gr.Accordion(t("cae.open"), open=False), gr.Row():
        upload = gr.File(label=t("cae.open_file"), type="filepath", height=130, elem_id="cae-upload")
        opened_picture = picture(t("open.alt"), label=t("open.decoded"), show_label=True)
    how = {"concurrency_id": "classroom", "concurrency_limit": 2, "trigger_mode": "always_last"}
    private, drawn = how | PRIVATE, {"show_progress_on": pair}
    which, outputs = [experiment, crop], [pair, figures, file]
    inputs = [coded.original, *which]
    filled = door.opened(opened, which, [table, curves], show_progress_on=curves, **private)
    filled.then(run_if_any, inputs, outputs, **drawn, **private)
    experiment.change(cae, inputs, outputs, api_name="cae", **drawn, **how)
    crop.change(cae, inputs, outputs, **drawn, **private)
    gr.on([experiment.change, crop.change], redraw, which, curves, **private)
    upload.upload(cae_decode, upload, opened_picture, api_name="cae_decode", **how)
