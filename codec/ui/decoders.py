"""The tab that decodes one stream by every decoder there is: the same bytes, other pictures."""

import tempfile
from html import escape
from pathlib import Path

import gradio as gr
import numpy as np

from codec.inside import heatmap
from codec.ui import parts, rd_plot, viewer
from codec.ui.compare_work import file_stem, remark, row_of, source_of
from codec.ui.figures import Row, facts, kilobytes, table
from codec.ui.renditions import CACHE, DECODERS, ORIGINAL, Job, digest, measure, networks, pixels, rendition

REALISM, INVENTED, DIFFERENCE = "realism", "invented", "difference"
AMPLIFIED = 4
LETTER, LINE, POINT = 0.021, 0.055, 0.035  # width of a letter, height of a line and a point's size as shares of a plot


def run(stream: str | None, original: str | None, realism: float, progress=gr.Progress()):  # noqa: B008
    """Decode a stream by every decoder that is installed.

    stream: a .lic file; original: the picture it was made of. realism: 0…1, how far to go from the decoder that was
    trained for fidelity to the GAN's. Gives the pictures (PNG), the perception–distortion plane as a plot, and the
    measurements as a table and as JSON; pictures first, MS-SSIM and LPIPS after them.
    """
    parts.need(stream, original)
    with parts.said_plainly(), tempfile.TemporaryDirectory() as folder:
        job = Job(Path(stream).read_bytes(), original)
        yield from results(Path(folder), job, min(1.0, max(0.0, realism)), progress)


def results(folder: Path, job: Job, realism: float, progress):
    """The work of `run`, with a folder to write to."""
    names, gan = networks(), generative()
    plan = [*names, REALISM] if gan else names
    order = [ORIGINAL, *plan, *([INVENTED, DIFFERENCE] if gan else [])]
    shown = {ORIGINAL: viewer.entry(ORIGINAL, "Original", kilobytes(source_of(job).bytes), job.original)}
    made, rows = {}, {}

    def put(key: str, name: str, said: str, png: bytes) -> None:
        path = folder / f"{file_stem(str(job.original)).removesuffix('.original')}.{key}.png"
        path.write_bytes(png)
        shown[key] = viewer.entry(key, name, said, path)

    def now():
        entries = [shown[k] for k in order if k in shown]
        right = gan if gan in shown else list(made)[-1]
        value = viewer.value(digest(job.stream), job.rgb, entries, ORIGINAL, right, order, pick=True)
        lines = list(rows.values())
        return value, plane(lines, gan), table(lines, f"The same {len(job.stream):,} bytes"), facts(lines)

    for i, key in enumerate(plan):
        progress(i / len(plan) / 2, desc=f"Decoding: {DECODERS.get(key, 'between')}")
        m = made[key] = rendition(job, gan, realism) if key == REALISM else rendition(job, key)
        rows[key] = row_of(job, key, m.name, m.size, m)
        rows[key].pending = True
        put(key, m.name, f"{m.psnr:.1f} dB", m.png)
        yield now()
    if gan:
        pngs = made[gan].png, made["mse"].png
        over, difference, top = CACHE.made(
            (*job.id, INVENTED), lambda: invented(*pngs), lambda v: len(v[0]) + len(v[1])
        )
        said = f"its distance from MSE, dark 0 to bright {top:.0f} levels"
        put(INVENTED, "What the GAN invented", said, over)
        put(DIFFERENCE, f"{DECODERS[gan]} minus MSE", f"{AMPLIFIED} times, grey is none", difference)
        yield now()
    for i, key in enumerate(plan):
        progress(0.5 + i / len(plan) / 2, desc="MS-SSIM and LPIPS")
        slow = measure(job, made[key])
        rows[key].ms_ssim, rows[key].lpips, rows[key].pending = slow.ms_ssim, slow.lpips, False
        shown[key] |= {"remark": remark(rows[key]).split(", ", 1)[1]}
        shown[key]["alt"] = f"{shown[key]['name']}: {remark(rows[key])}"
        yield now()


def invented(gan: bytes, mse: bytes) -> tuple[bytes, bytes, float]:
    """Two PNGs, the size of the difference as colours over the GAN's picture and the difference itself about grey.

    Last, the mean difference in a block of 4×4, in levels of 0…255, that is drawn brightest.
    """
    from codec.pictures.load import png_bytes

    rgb = pixels(gan)
    difference = rgb.astype(np.int16) - pixels(mse)
    height, width = rgb.shape[:2]
    size = np.abs(difference).mean(2)
    padded = np.pad(size, ((0, -height % 4), (0, -width % 4)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // 4, 4, -1, 4).mean((1, 3))
    signed = np.clip(128 + AMPLIFIED * difference, 0, 255).astype(np.uint8)
    top = max(1.0, float(np.quantile(blocks, 0.995)))
    return png_bytes(heatmap.over(rgb, blocks, top, 4)), png_bytes(signed), top


def plane(rows: list[Row], gan: str | None):
    """Every decoder as a point: PSNR to the right, LPIPS upwards the better, as Blau and Michaeli (2018) have it."""
    import plotly.graph_objects as go

    plot = go.Figure()
    known = [r for r in rows if r.lpips is not None and r.psnr != float("inf")]
    path = [r for r in known if gan and r.key in (REALISM, gan)]
    if len(path) == 2:
        plot.add_scatter(
            x=[r.psnr for r in path], y=[r.lpips for r in path], mode="lines", hoverinfo="skip",
            line={"color": colour_of(gan), "dash": "dot", "width": 1.5},
        )  # fmt: skip
    across, upwards = reach([r.psnr for r in known], 0.2), reach([r.lpips for r in known], 0.01, True)
    sides = places([(share(r.psnr, across), share(r.lpips, upwards), r.name) for r in known])
    for row, side in zip(known, sides, strict=True):
        plot.add_scatter(
            x=[row.psnr],
            y=[row.lpips],
            mode="markers+text",
            text=[row.name],
            textposition=side,
            cliponaxis=False,
            marker={
                "color": colour_of(row.key),
                "size": 12,
                "symbol": "diamond-open" if row.key == REALISM else "circle",
            },
            hovertemplate=f"{escape(row.name)}<br>%{{x:.2f}} dB, LPIPS %{{y:.4f}}<extra></extra>",
        )
    rd_plot.on_any_page(plot)
    plot.update_layout(
        height=400,
        margin={"l": 70, "r": 20, "t": 30, "b": 50},
        xaxis={**across, "title": {"text": "PSNR, dB: closer to the original →"}},
        yaxis={**upwards, "title": {"text": "LPIPS: looks more alike →"}},
        showlegend=False,
    )
    return plot


def colour_of(key: str) -> str:
    """A decoder's colour in every plot of the page; what lies between two has that of the generative one."""
    return rd_plot.STYLES.get("ours" if key == "mse" else f"ours:{key}", rd_plot.STYLES["ours:hific"])[0]


def reach(values: list[float], least: float, downwards: bool = False) -> dict:
    """The range of an axis, with room for names beside the outermost points."""
    if not values:
        return {"visible": False}
    room = max(least, 0.3 * (max(values) - min(values)))
    ends = [min(values) - room, max(values) + room]
    return {"range": ends[::-1] if downwards else ends}


def share(value: float, axis: dict) -> float:
    """Where a value lies on an axis, 0 at its beginning and 1 at its end."""
    start, end = axis["range"]
    return (value - start) / (end - start)


def places(points: list[tuple[float, float, str]]) -> list[str]:
    """On which side of its point each name is written: the first on which it covers no point and no other name.

    points: x and y in [0, 1] of the plot, and the name.
    """
    taken = [box(x, y, POINT, POINT) for x, y, _ in points]
    chosen = []
    for x, y, name in points:
        width = LETTER * len(name)
        boxes = {
            "top center": box(x, y + 1.2 * LINE, width, LINE),
            "bottom center": box(x, y - 1.2 * LINE, width, LINE),
            "middle right": box(x + POINT + width / 2, y, width, LINE),
            "middle left": box(x - POINT - width / 2, y, width, LINE),
        }
        free = [side for side, b in boxes.items() if b[0] > 0 and b[1] < 1 and not any(meet(b, t) for t in taken)]
        chosen.append(free[0] if free else "top center")
        taken.append(boxes[chosen[-1]])
    return chosen


def box(x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
    """Left, right, bottom and top."""
    return x - width / 2, x + width / 2, y - height / 2, y + height / 2


def meet(a: tuple, b: tuple) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]


def losses() -> str:
    """What each decoder was trained for, as the manifest has it."""
    from codec.weights import default

    names = networks()
    items = "".join(
        f"<li><b>{escape(DECODERS[n])}</b>: {escape(default().resolve(n)[1].get('loss', 'not recorded'))}</li>"
        for n in names
    )
    if len(names) == 1:
        items += "<li>No other decoder is installed here.</li>"
    return f"<div class='hint'>What each decoder was trained to make small:<ul>{items}</ul></div>"


def generative() -> str | None:
    """The decoder here that was trained against a discriminator, if there is one."""
    return next((n for n in networks() if n.startswith("hific") and n != "hific-nogan"), None)


def what_is_here():
    """The losses of the decoders that are installed, and whether there is a realism to choose."""
    with parts.said_plainly():
        return losses(), gr.update(visible=generative() is not None)


def build(demo: gr.Blocks, tab: gr.Tab, stream: gr.DownloadButton, original: gr.File) -> None:
    """Lays out the tab inside the current one and fills it whenever it is opened."""
    parts.hint(
        "The bytes stay the same; only the network that draws them changes. Look at fine texture: the decoder trained "
        "for least error blurs what it does not know, the others guess. A click on a detail puts it into the big "
        "picture, a click into the big picture moves all details."
    )
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            pictures = viewer.component(elem_id="decoders")
        with gr.Column(scale=2, min_width=300):
            parts.hint(
                "<b>Perception against distortion</b>: up and to the right is better, and nothing has the best of both "
                "(Blau and Michaeli, 2018)."
            )
            plot = gr.Plot(show_label=False, elem_id="plane")
            realism = gr.Slider(
                0, 1, 0.5, step=0.05, label="Realism: 0 keeps to fidelity, 1 is the GAN", buttons=[],
                elem_id="realism",
            )  # fmt: skip
            about = gr.HTML(elem_id="losses", padding=False)
    figures = gr.HTML(elem_id="decoder-figures", elem_classes="figures", padding=False)
    numbers = gr.JSON(visible=False)
    how = {"concurrency_id": "codec", "trigger_mode": "always_last", "show_progress_on": plot}
    inputs, outputs = [stream, original, realism], [pictures, plot, figures, numbers]
    parts.opening(tab)(run, inputs, outputs, api_name="decoders", **how)
    realism.release(run, inputs, outputs, api_visibility="private", **how)
    demo.load(what_is_here, None, [about, realism], queue=False, show_progress="hidden", api_visibility="private")
