"""The tab that sweeps λ over the visitor's picture and draws its rate–distortion curve as it grows."""

import csv
import math
import tempfile
from pathlib import Path

import gradio as gr

from codec.errors import CodecError

PSNR, MSE = AXES = ("PSNR, dB", "mean squared error")
BASELINES = {
    "jpeg": (5, 10, 20, 35, 50, 70, 85),
    "webp": (5, 20, 40, 60, 80, 92),
    "avif": (20, 40, 55, 70, 82),
    "heic": (10, 22, 34, 46, 58),
}
COLOURS = {"ours": "#0d9488", "jpeg": "#64748b", "webp": "#d97706", "avif": "#7c3aed", "heic": "#db2777"}
#: Points (codec, setting, bytes, bpp, psnr, mse) in the order in which they were measured.
Points = list[tuple[str, float, int, float, float, float]]


def run(original: str | None, names: list[str], axis: str, progress=gr.Progress()):  # noqa: B008
    """Sweep the codecs over a picture. original: the picture. names: of "jpeg", "webp", "avif", "heic".

    axis: "PSNR, dB" or "mean squared error". Gives the plot as it grows, the points, and at the end a CSV file.
    """
    if not original:
        raise gr.Error("Compress a picture first, in the tab 'Compare'.", print_exception=False)
    points: Points = []
    try:
        for done, total, point in sweep(original, [n for n in BASELINES if n in names]):
            points = [*points, point]
            progress(done / total, desc=f"{done} of {total} encodings")
            yield figure(points, axis, None), points, gr.skip()
    except CodecError as error:
        raise gr.Error(str(error), duration=None, print_exception=False) from None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rate-distortion.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["codec", "setting", "bytes", "bpp", "psnr_db", "mse"])
            writer.writerows(points)
        yield figure(points, axis, None), points, str(path)


def sweep(original: str, baselines: list[str]):
    """Yields (number, of how many, point), ours first, every point from bytes that were really decoded."""
    from codec.api import encode, load
    from codec.baselines import decode as decode_baseline
    from codec.baselines import encode as encode_baseline
    from codec.images import load_image
    from codec.metrics import bpp, psnr
    from codec.models.gain import ANCHORS

    rgb, codec = load_image(original).rgb, load()
    height, width = rgb.shape[:2]
    total = len(ANCHORS) + sum(len(BASELINES[b]) for b in baselines)

    def point(name: str, setting: float, data: bytes, decoded):
        quality = psnr(rgb, decoded)
        error = 255**2 / 10 ** (quality / 10)
        return name, setting, len(data), round(bpp(len(data), width, height), 5), round(quality, 3), round(error, 3)

    y, done = codec.analyse(rgb), 0
    for lmbda in ANCHORS:
        data = encode(rgb, lmbda=lmbda, codec=codec, y=y)[0].data
        done += 1
        yield done, total, point("ours", lmbda, data, codec.decode(data))
    for name in baselines:
        for quality in BASELINES[name]:
            data = encode_baseline(rgb, name, quality)
            done += 1
            yield done, total, point(name, quality, data, decode_baseline(data))


def iso_cost(points: Points, lmbda: float, axis: str) -> tuple[list[float], list[float], float]:
    """The line of all points that cost R + λ·D as much as ours at this λ: where it is drawn, and that cost.

    In squared error it is straight, of slope -1/λ; nothing of our curve lies below it, or λ was not obeyed.
    """
    ours = [p for p in points if p[0] == "ours"]
    nearest = min(ours, key=lambda p: abs(math.log(p[1] / lmbda)))
    cost = nearest[3] + nearest[1] * nearest[5]
    highest = max(p[3] for p in ours)
    rates = [highest * i / 200 for i in range(201)]
    pairs = [(r, (cost - r) / nearest[1]) for r in rates if cost - r > 0]
    low, high = min(p[5] for p in ours), max(p[5] for p in ours)
    pairs = [(r, d) for r, d in pairs if 0.7 * low <= d <= 1.2 * high]
    values = [d if axis == MSE else 10 * math.log10(255**2 / d) for _, d in pairs]
    return [r for r, _ in pairs], values, cost


def figure(points: Points, axis: str, lmbda: float | None):
    """The points as curves, and, where λ is given and ours are there, the line of equal cost through its point."""
    import plotly.graph_objects as go

    from codec.baselines import NAMES

    column = 4 if axis == PSNR else 5
    plot = go.Figure()
    for name, colour in COLOURS.items():
        curve = sorted((p for p in points if p[0] == name), key=lambda p: p[3])
        if not curve:
            continue
        word = "λ" if name == "ours" else "quality"
        plot.add_scatter(
            x=[p[3] for p in curve],
            y=[p[column] for p in curve],
            name="ours" if name == "ours" else NAMES[name],
            mode="lines+markers",
            line={"color": colour, "width": 3 if name == "ours" else 1.5},
            customdata=[(p[1], p[2]) for p in curve],
            hovertemplate=f"{word} %{{customdata[0]}}<br>%{{customdata[1]:,}} bytes, %{{x:.3f}} bpp<br>%{{y:.2f}}",
        )
    if lmbda and any(p[0] == "ours" for p in points):
        rates, values, cost = iso_cost(points, lmbda, axis)
        plot.add_scatter(
            x=rates,
            y=values,
            name=f"R + λ·D = {cost:.2f}",
            mode="lines",
            line={"color": "#dc2626", "dash": "dot", "width": 1.5},
            hoverinfo="skip",
        )
    plot.update_layout(
        height=460,
        margin={"l": 60, "r": 10, "t": 10, "b": 50},
        xaxis={"title": {"text": "bits per pixel (the whole file)"}, "rangemode": "tozero"},
        yaxis={"title": {"text": axis}},
        legend={"orientation": "h", "y": 1.08},
        hovermode="closest",
        uirevision="same",
    )
    return plot


def redraw(points: Points | None, axis: str, lmbda: float):
    """The same points on other axes or with another λ."""
    return figure(points, axis, lmbda) if points else gr.skip()


def build(original: gr.File, lmbda: gr.Number) -> None:
    """Lays out the tab inside the current one and connects it."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            plot = gr.Plot(show_label=False, elem_id="curves")
            gr.HTML(
                "Every point is a file that was written and decoded. The encoder makes R + λ·D as small as it can: the "
                "dotted line joins all points that cost as much as ours at your λ, so no point of our curve should "
                "lie on its cheaper side. In squared error it is straight, with the slope −1/λ.",
                elem_classes="hint",
            )
        with gr.Column(scale=1, min_width=280):
            names = gr.CheckboxGroup(
                [("JPEG", "jpeg"), ("WebP", "webp"), ("AVIF", "avif"), ("HEIC", "heic")],
                value=["jpeg", "webp"],
                label="Beside ours",
            )
            axis = gr.Radio(list(AXES), value=PSNR, label="Against")
            button = gr.Button("Sweep", variant="primary", elem_id="sweep")
            stop = gr.Button("Stop")
            table = gr.DownloadButton("Points (.csv)", elem_id="get-csv")
    points = gr.State([])
    sweep_event = button.click(
        run, [original, names, axis], [plot, points, table], api_name="sweep", concurrency_id="codec"
    )
    quick = {"queue": False, "api_visibility": "private"}
    sweep_event.then(redraw, [points, axis, lmbda], plot, **quick)
    stop.click(None, cancels=[sweep_event], **quick)
    axis.change(redraw, [points, axis, lmbda], plot, **quick)
