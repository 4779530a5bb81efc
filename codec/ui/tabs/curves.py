"""The tab that sweeps λ over the visitor's image and draws its rate–distortion curve as it grows."""

import gradio as gr

from codec import results
from codec.spec import HISTORY
from codec.ui import jobs, viewer
from codec.ui.names import AXES, KODAK, PSNR, PUBLISHED, QUALITIES, curve_title
from codec.ui.texts import t
from codec.ui.widgets import QUICK, Coded, Door, hint


def sweep(original: str | None, names: list[str], axis: str, also: list[str] | None = None, progress=gr.Progress()):  # noqa: B008
    """Sweep the codecs over an image. original: the image. names: of "jpeg", "webp", "avif", "heic", "jpeg2000",
    and "ours:NAME" for another decoder of the same streams.

    axis: "PSNR, dB", "MS-SSIM, dB", "LPIPS" or "mean squared error". also: "Kodak means" and "published for Kodak".
    Gives the plot as it grows, the points, BD-rates as HTML, and at the end a CSV file.
    """
    yield from jobs.curves.run(original, names, axis, also, progress)


def point(original: str | None, key: str):
    """The decoded image of one point beside the original. original: the image. key: "CODEC|SETTING", as "jpeg|50",
    "ours|0.0067" or "ours:texture|0.0067".

    Gives both (PNG), and a sentence with its numbers.
    """
    yield from jobs.curves.show(original, key)


def redraw(points: list | None, axis: str, lmbda: float, also: list[str]):
    """The same points on other axes, with another λ, or beside other curves."""
    return jobs.rd_plot.figure(points or [], axis, lmbda, also)


def choices(points: list | None):
    return jobs.curves.choices(points)


def build(door: Door, coded: Coded) -> None:
    """Lays out the tab inside the current one and connects it."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            plot = gr.Plot(show_label=False, elem_id="curves")
            hint(t("curves.intro"))
            rates = gr.HTML(elem_id="bd-rates", padding=False)
        with gr.Column(scale=1, min_width=280):
            absent = set(HISTORY) - set(results.systems())
            keys = *(n for n in QUALITIES if n not in absent), *(f"ours:{n}" for n in results.decoders() if n != "mse")
            others = [(curve_title(key), key) for key in keys]
            names = gr.CheckboxGroup(others, value=["jpeg", "avif"], label=t("curves.codecs"), elem_id="beside-ours")
            axis = gr.Radio(list(AXES), value=PSNR, label=t("curves.metric"))
            behind = [(t("curves.kodak"), KODAK), (t("curves.published"), PUBLISHED)]
            also = gr.CheckboxGroup(behind, value=[KODAK, PUBLISHED], label=t("curves.reference"))
            button = gr.Button(t("curves.button"), variant="primary", elem_id="sweep")
            stop = gr.Button(t("curves.stop"), elem_id="stop-sweep")
            with gr.Row():
                table = gr.DownloadButton(t("curves.csv"), elem_id="get-csv", min_width=110, interactive=False)
                png = gr.Button(t("curves.png"), elem_id="get-plot", min_width=110)
                svg = gr.Button(t("curves.svg"), elem_id="get-svg", min_width=110)
            chosen = gr.Dropdown([], label=t("curves.choose"), elem_id="choose-point")
    picked = gr.Textbox(visible="hidden", elem_id="picked-point", label=t("curves.point_label"))
    text = gr.HTML(elem_id="point-said", padding=False)
    pair = viewer.component(elem_id="point-picture")
    points = gr.State([])
    sweeping = button.click(
        sweep,
        [coded.original, names, axis, also],
        [plot, points, rates, table],
        api_name="sweep",
        concurrency_id="codec",
        show_progress_on=plot,
    )
    # There is a table of these points at the end, and of no others before.
    button.click(lambda: gr.update(value=None, interactive=False), None, table, **QUICK)
    sweeping.success(lambda: gr.update(interactive=True), None, table, **QUICK)
    drawn = ([points, axis, coded.lmbda, also], plot)
    for done in (sweeping, stop.click(None, cancels=[sweeping], **QUICK)):
        done.then(redraw, *drawn, **QUICK).then(choices, points, chosen, **QUICK)
    for event in (door.opened, axis.change, also.change):
        event(redraw, *drawn, **QUICK)
    for kind, save in (("png", png), ("svg", svg)):
        save.click(None, js=f"() => window.codecPage.savePlot('#curves', 'rate-distortion', '{kind}')", **QUICK)
    chosen.input(None, chosen, picked, js="v => v", **QUICK)
    picked.change(
        point, [coded.original, picked], [pair, text], api_name="point", concurrency_id="codec", show_progress_on=text
    )
