"""The tab that sweeps λ over the visitor's picture and draws its rate–distortion curve as it grows."""

import csv
import tempfile
from html import escape
from pathlib import Path

import gradio as gr

from codec import results
from codec.ui import parts, rd_plot, renditions
from codec.ui.rd_plot import AXES, KODAK, PSNR, PUBLISHED, Points

BASELINES = {
    "jpeg": (5, 10, 20, 35, 50, 70, 85),
    "webp": (5, 20, 40, 60, 80, 92),
    "avif": (20, 40, 55, 70, 82),
    "heic": (10, 22, 34, 46, 58),
    "jpeg2000": (26, 29, 32, 35, 38),
}
COLUMNS = ("codec", "setting", "bytes", "bpp", "psnr_db", "mse", "ms_ssim", "lpips")
PNG_JS = """() => {
    const plot = document.querySelector('#curves .js-plotly-plot');
    if (!plot || !window.Plotly) return;
    const layout = {...plot.layout, width: 1200, height: 700,
        paper_bgcolor: '#fff', plot_bgcolor: '#fff', font: {...plot.layout.font, color: '#222'}};
    window.Plotly.downloadImage({data: plot.data, layout},
        {format: 'png', width: 1200, height: 700, scale: 2, filename: 'rate-distortion'});
}"""


def run(original: str | None, names: list[str], axis: str, also: list[str] | None = None, progress=gr.Progress()):  # noqa: B008
    """Sweep the codecs over a picture. original: the picture. names: of "jpeg", "webp", "avif", "heic", "jpeg2000",
    and "ours:NAME" for another decoder of the same streams.

    axis: "PSNR, dB", "MS-SSIM, dB", "LPIPS" or "mean squared error". also: "Kodak means" and "published for Kodak".
    Gives the plot as it grows, the points, BD-rates as HTML, and at the end a CSV file.
    """
    parts.need(original)
    points: Points = []
    with parts.said_plainly():
        for points, total in parts.where_it_fits(lambda device: sweep(original, names or [], device)):
            progress(len(points) / total, desc=f"{len(points)} of {total} encodings")
            yield rd_plot.figure(points, axis, None, also), points, gr.skip(), gr.skip()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rate-distortion.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(points)
        yield rd_plot.figure(points, axis, None, also), points, bd_rates(points), str(path)


def sweep(original: str, names: list[str], device: str):
    """Yields (the points so far, of how many), ours first, every point from bytes that were really decoded."""
    from codec.api import encode, load
    from codec.baselines import decode as decode_baseline
    from codec.baselines import encode as encode_baseline
    from codec.pictures.sandbox import read_picture
    from codec.spec import ANCHORS

    rgb, codec = read_picture(original).rgb, load(device=device)
    baselines = [n for n in BASELINES if n in names]
    decoders = ["mse", *(n.partition(":")[2] for n in names if n.startswith("ours:"))]
    total = len(ANCHORS) * len(decoders) + sum(len(BASELINES[b]) for b in baselines)
    y, points = codec.analyse(rgb), []
    for lmbda in ANCHORS:
        coded = encode(rgb, lmbda=lmbda, codec=codec, y=y)[0]
        for decoder in decoders:  # the same bytes for all of them
            name = "ours" if decoder == "mse" else f"ours:{decoder}"
            points = [*points, point(rgb, name, lmbda, coded.data, codec.decode(coded.stream, decoder))]
            yield points, total
    for name in baselines:
        for quality in BASELINES[name]:
            data = encode_baseline(rgb, name, quality)
            points = [*points, point(rgb, name, quality, data, decode_baseline(data))]
            yield points, total


def point(rgb, name: str, setting: float, data: bytes, decoded) -> tuple:
    """One line of COLUMNS; without the slow measures where the page leaves them out."""
    from codec.metrics import bpp, lpips, ms_ssim, psnr

    quality = psnr(rgb, decoded)
    error = 255**2 / 10 ** (quality / 10)
    rate = round(bpp(len(data), rgb.shape[1], rgb.shape[0]), 5)
    small = rgb.shape[0] * rgb.shape[1] <= renditions.MEASURED_PIXELS
    seen = (ms_ssim(rgb, decoded), lpips(rgb, decoded)) if small else (None, None)
    slow = (None if v is None else round(v, 6) for v in seen)
    return name, setting, len(data), rate, round(quality, 3), round(error, 3), *slow


def show(original: str | None, key: str):
    """The picture of one point beside the original. original: the picture. key: "CODEC|SETTING", as "jpeg|50",
    "ours|0.0067" or "ours:texture|0.0067".

    Gives both (PNG), and a sentence with its numbers.
    """
    name, _, setting = (key or "").partition("|")
    if not original or not setting:
        raise gr.Error("Choose a point of the curves first.", print_exception=False)
    from codec import baselines
    from codec.device import where_it_fits
    from codec.pictures.load import save_png
    from codec.pictures.sandbox import read_picture

    try:
        with parts.said_plainly():
            value = float(setting)
            rgb = read_picture(original).rgb
            if name.partition(":")[0] == "ours":
                data, decoded = where_it_fits(lambda device: ours(rgb, value, name.partition(":")[2] or "mse", device))
            else:
                data = baselines.encode(rgb, name, value)
                decoded = baselines.decode(data)
    except ValueError:
        raise gr.Error(f"'{key}' is not a point of a curve.", print_exception=False) from None
    said = rd_plot.sentence(point(rgb, name, value, data, decoded))
    with tempfile.TemporaryDirectory() as folder:
        pair = [str(Path(folder) / f"{n}.png") for n in ("original", "point")]
        save_png(rgb, pair[0])
        save_png(decoded, pair[1])
        yield tuple(pair), f"<p data-alt-for='point-picture'>Left the original, right {escape(said)}</p>"


def ours(rgb, lmbda: float, decoder: str, device: str):
    """The bytes of a picture at a λ, and what a decoder makes of them."""
    from codec.api import encode, load

    codec = load(device=device)
    coded = encode(rgb, lmbda=lmbda, codec=codec)[0]
    return coded.data, codec.decode(coded.stream, decoder)


def bd_rates(points: Points) -> str:
    """Ours against every other codec on this picture, in every metric, as an HTML table."""
    from codec.metrics.bd_rate import SCALES, bd_rate_of_curves

    curves = rd_plot.as_curves(points)
    others = [n for n in curves if n != "ours"]
    if not others:
        return ""

    def cell(anchor: str, test: str, metric: str) -> str:
        found = bd_rate_of_curves(curves[anchor], curves[test], metric)
        if found["percent"] is None:
            return f"<td title='{escape(found['reason'])}'>–</td>"
        low, high = found[f"{metric}_from"], found[f"{metric}_to"]
        return f"<td title='between {low} and {high}'>{found['percent']:+.1f} %</td>"

    rows = ""
    try:
        for name in others:
            anchor, test = ("ours", name) if name.startswith("ours:") else (name, "ours")
            said = f"{rd_plot.title(test)} against {rd_plot.title(anchor)}"
            rows += f"<tr><th scope='row'>{escape(said)}</th>{''.join(cell(anchor, test, m) for m in SCALES)}</tr>"
    except ImportError:
        return (
            "<p>BD-rates need the package <code>bjontegaard</code>, which is not installed here: "
            "<code>pip install bjontegaard</code>.</p>"
        )
    heads = "".join(f"<th scope='col'>in {s.label}</th>" for s in SCALES.values())
    return (
        f"<div class='figures'><table><thead><tr><th scope='col'>BD-rate on this picture</th>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div><p>Mean difference in rate at equal quality, over the quality that both "
        "reach (point at a number for it); below zero: fewer bytes.</p>"
    )


def redraw(points: Points | None, axis: str, lmbda: float, also: list[str]):
    """The same points on other axes, with another λ, or beside other curves."""
    return rd_plot.figure(points or [], axis, lmbda, also)


def choices(points: Points | None):
    """The points of the curves as a list to choose from, for those who do not click."""
    named = [(f"{rd_plot.title(p[0])}, {p[1]:g}: {p[3]:.3f} bpp, {p[4]:.2f} dB", f"{p[0]}|{p[1]:g}") for p in points]
    return gr.update(choices=named, value=None)


def build(tab: gr.Tab, original: gr.File, lmbda: gr.Number) -> None:
    """Lays out the tab inside the current one and connects it."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            plot = gr.Plot(show_label=False, elem_id="curves")
            parts.hint(
                "Every point is a file that was written and decoded; click one to see its picture. The encoder makes "
                "R + λ·D as small as it can: the dotted line joins all points that cost as much as ours at your λ, so "
                "no point of our curve should lie on its cheaper side. In squared error it is straight, with the slope "
                "−1/λ."
            )
            rates = gr.HTML(elem_id="bd-rates", padding=False)
        with gr.Column(scale=1, min_width=280):
            others = (*BASELINES, *(f"ours:{n}" for n in results.decoders() if n != "mse"))
            names = gr.CheckboxGroup(
                [(rd_plot.title(n), n) for n in others],
                value=["jpeg", "webp"],
                label="Beside ours",
                elem_id="beside-ours",
            )
            axis = gr.Radio(list(AXES), value=PSNR, label="Against")
            also = gr.CheckboxGroup([KODAK, PUBLISHED], value=[KODAK, PUBLISHED], label="And behind it")
            button = gr.Button("Sweep", variant="primary", elem_id="sweep")
            stop = gr.Button("Stop", elem_id="stop-sweep")
            with gr.Row():
                table = gr.DownloadButton("Points (.csv)", elem_id="get-csv", min_width=110)
                png = gr.Button("Plot (.png)", elem_id="get-plot", min_width=110)
            chosen = gr.Dropdown([], label="Show the picture of a point", elem_id="choose-point")
    picked = gr.Textbox(visible="hidden", elem_id="picked-point", label="Point")
    said = gr.HTML(elem_id="point-said", padding=False)
    pair = parts.pair("The original and the point", "point-picture", visible=False)
    points = gr.State([])
    quick = {"queue": False, "api_visibility": "private"}
    sweep_event = button.click(
        run,
        [original, names, axis, also],
        [plot, points, rates, table],
        api_name="sweep",
        concurrency_id="codec",
        show_progress_on=plot,
    )
    drawn = ([points, axis, lmbda, also], plot)
    sweep_event.then(redraw, *drawn, **quick).then(choices, points, chosen, **quick)
    stop.click(None, cancels=[sweep_event], **quick).then(redraw, *drawn, **quick).then(
        choices, points, chosen, **quick
    )
    for event in (tab.select, axis.change, also.change):
        event(redraw, *drawn, **quick)
    png.click(None, js=PNG_JS, **quick)
    chosen.input(None, chosen, picked, js="v => v", **quick)
    picked.change(lambda: gr.update(visible=True), None, pair, **quick).then(
        show, [original, picked], [pair, said], api_name="point", concurrency_id="codec", show_progress_on=pair
    )
