"""The tab of the systems that came before: a time line with all of them on one plot, and a place for each."""

import gradio as gr

from codec.ui import jobs, viewer
from codec.ui.names import AXES, PSNR, SSIM
from codec.ui.texts import t
from codec.ui.widgets import PRIVATE, QUICK, Coded, Door, hint, strip

#: The networks of each system that can be chosen, and the one that is at first.
NETWORKS = {
    "rnn": ("plain", "primed", "diffused", "ssim"),
    "importance": ("middle", "low", "high", "fixed-middle", "fixed-high", "li"),
    "attention": ("middle", "low", "high", "mse"),
}
TARGETS = (26, 28, 30, 32)  # dB
LINE = ("2016", "2017", "2018a", "2018b", "2018c", "2020", "2021", "here")
STEPS = 8
HOW = {"concurrency_id": "classroom", "concurrency_limit": 2}


def history(original: str | None, axis: str, progress=gr.Progress()):  # noqa: B008
    """Run every system of history over an image, beside this codec, JPEG, WebP and HEIC.

    original: the image. axis: "PSNR, dB" or "MS-SSIM, dB". Gives the plot as it grows, and the points.
    """
    yield from jobs.history.run_all(original, axis, progress)


def rnn(original: str | None, step: float, network: str, target: float = 0, progress=gr.Progress()):  # noqa: B008
    """Send an image step by step with rnn-2018, 32 bits for each 16×16 pixels a step.

    original: the image. step: 1…8. network: "primed", "plain", "diffused" or "ssim". target: the PSNR in dB at which a
    tile sends no more, or 0. Gives the images (PNG): the original, what has arrived, JPEG and this codec in as many
    bytes; a table as HTML; the map of steps; and nothing.
    """
    yield from jobs.history.recurrent(original, step, network, target, progress)


def all_steps(original: str | None, network: str, target: float) -> None:
    jobs.history.all_steps(original, network, target)


def importance(original: str | None, network: str):
    """Code an image with importance-2018.

    original: the image. network: "low", "middle" or "high", "fixed-middle" or "fixed-high" without a map,
    or "li", with the other paper's. Gives the images (PNG), a table as HTML, the maps, and some channels.
    """
    yield from jobs.history.importance(original, network)


def attention(original: str | None, network: str):
    """Code an image with attention-2021.

    original: the image. network: "low", "middle", "high", or "mse", which was trained on the MSE alone. Gives the
    images (PNG), a table as HTML, the masks of attention, and nothing.
    """
    yield from jobs.history.attention(original, network)


def overview(points: list | None, axis: str):
    return jobs.history.redraw(points, axis)


def build_all(door: Door, coded: Coded) -> None:
    """The time line, and all systems on one plot: means over Kodak until the button runs them on the image."""
    entries = "".join(f"<li><b>{t(f'history.year_{year}')}</b> {t(f'history.line_{year}')}</li>" for year in LINE)
    gr.HTML(f"<ol class='time-line'>{entries}</ol>", elem_id="time-line", padding=False)
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            plot = gr.Plot(show_label=False, elem_id="history-curves")
        with gr.Column(scale=1, min_width=280):
            hint(t("history.plot"))
            axis = gr.Radio([a for a in AXES if a in (PSNR, SSIM)], value=SSIM, label=t("curves.metric"))
            button = gr.Button(t("history.run"), variant="primary", elem_id="run-history")
    points = gr.State([])
    button.click(
        history,
        [coded.original, axis],
        [plot, points],
        api_name="history",
        concurrency_id="classroom",
        show_progress_on=plot,
    )
    for event in (door.opened, axis.change):
        event(overview, [points, axis], plot, **QUICK)


def build_rnn(door: Door, coded: Coded) -> None:
    """The slider over steps."""
    pair, controls = laid_out("rnn")
    with controls:
        step = gr.Slider(1, STEPS, 2, step=1, label=t("history.rnn.step"), buttons=[], elem_id="rnn-step")
        network = networks("rnn")
        targets = [(t("history.rnn.everywhere"), 0), *((t("history.rnn.at", value=dB), dB) for dB in TARGETS)]
        target = gr.Radio(targets, value=0, label=t("history.rnn.target"), elem_id="rnn-target")
    figures, maps, channels = results("rnn", 2)
    settings = [step, network, target]
    events = connect(rnn, "history_rnn", door, coded, settings, [step.release, network.change, target.change],
                     [pair, figures, maps, channels])  # fmt: skip
    for event in events:
        event.success(all_steps, [coded.original, network, target], None, **HOW, **PRIVATE)


def build_importance(door: Door, coded: Coded) -> None:
    """The learned map beside what each place costs."""
    build_by_network("importance", importance, door, coded)


def build_attention(door: Door, coded: Coded) -> None:
    """The masks of attention."""
    build_by_network("attention", attention, door, coded)


def build_by_network(name: str, run, door: Door, coded: Coded) -> None:
    """The place of a system that has a network for each rate."""
    pair, controls = laid_out(name)
    with controls:
        network = networks(name)
    connect(run, f"history_{name}", door, coded, [network], [network.change], [pair, *results(name, 3)])


#: What lays out the place of each system.
BUILD = {"rnn": build_rnn, "importance": build_importance, "attention": build_attention}


def laid_out(name: str) -> tuple[gr.HTML, gr.Column]:
    """Three sentences, the pictures, and the column for the controls."""
    hint(t(f"history.{name}.intro"))
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            pair = viewer.component(elem_id=f"history-{name}")
        with gr.Column(scale=1, min_width=280) as controls:
            pass
    return pair, controls


def networks(name: str) -> gr.Radio:
    choices = [(t(f"history.{name}.{network}"), network) for network in NETWORKS[name]]
    return gr.Radio(choices, value=choices[0][1], label=t("history.network"), elem_id=f"{name}-network")


def results(name: str, columns: int) -> tuple[gr.HTML, gr.Gallery, gr.Gallery]:
    """The table, the maps and the channels."""
    figures = gr.HTML(elem_id=f"{name}-said", padding=False)
    hint(t(f"history.{name}.maps"))
    maps, channels = strip(f"{name}-maps", columns, visible=False), strip(f"{name}-channels", 6, visible=False)
    return figures, maps, channels


def connect(run, api_name: str, door: Door, coded: Coded, settings: list, changes: list, outputs: list) -> list:
    """Runs whenever the place is opened or something in it is changed. Returns these events."""
    how = {**HOW, "trigger_mode": "always_last", "show_progress_on": outputs[0]}
    inputs = [coded.original, *settings]
    opened = door.opened(run, inputs, outputs, api_name=api_name, **how)
    return [opened, *(change(run, inputs, outputs, **how, **PRIVATE) for change in changes)]
