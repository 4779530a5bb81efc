"""The tab of the compressive autoencoder of 2017: a picture through it, its table of experiments, its training."""

import tempfile
from html import escape
from pathlib import Path

import gradio as gr

from codec import results
from codec.ui import parts
from codec.ui.figures import plain_table, rungs_html
from codec.ui.rd_plot import on_any_page

RESULTS = "classroom-cae"  # of results/
EXPERIMENTS = {
    "1": "1: MSE alone",
    "2": "2: with entropy and features",
    "3": "3: with less MSE",
    "4": "4: with texture",
}
CROPS = {64: "64²", 128: "128²"}  # on which each was trained
TERMS = {
    "mse": "MSE",
    "entropy": "entropy, bits per pixel",
    "vgg2": "features, block 2",
    "vgg5": "features, block 5",
    "gram2": "texture, block 2",
    "gram5": "texture, block 5",
}
AROUND = 9  # batches, of which the plot shows the median
CSS = """
#cae-pair img { image-rendering: pixelated; }
#cae-said { overflow-x: auto; }
"""


def run(original: str | None, experiment: str, crop: int = 64):
    """Compress a picture with the autoencoder of 2017 and decode the file again. original: the picture.

    experiment: "1", "2", "3" or "4"; crop: 64 or 128, on crops of which it was trained. Gives the pair (PNG), figures
    and entropy ladder as HTML, and the file.
    """
    parts.need(original)
    from codec.classroom import autoencoder
    from codec.metrics import psnr
    from codec.pictures.load import save_png
    from codec.pictures.sandbox import read_picture

    with parts.said_plainly():
        name = autoencoder.name_of(experiment, crop)
        rgb = read_picture(original).rgb
        data = autoencoder.compress(rgb, name)
        decoded = autoencoder.decompress(data)
        sizes = autoencoder.ladder(autoencoder.read(data)[0])
    said = (
        f"<p><b>{len(data):,} bytes</b>, {8 * len(data) / (rgb.shape[0] * rgb.shape[1]):.3f} bits per pixel, "
        f"{psnr(rgb, decoded):.1f} dB.</p>{bars(sizes)}"
    )
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        save_png(rgb, folder / "original.png")
        save_png(decoded, folder / "decoded.png")
        (folder / f"picture-{name}.cae").write_bytes(data)
        pair = (str(folder / "original.png"), str(folder / "decoded.png"))
        yield pair, said, str(folder / f"picture-{name}.cae")  # the files exist while Gradio copies them


def decode(path: str | None):
    """Decode a file of the autoencoder (.cae). Gives the picture as a PNG."""
    if not path:
        raise gr.Error("Choose a file first: a .cae file that was downloaded here.", print_exception=False)
    from codec.classroom import autoencoder
    from codec.pictures.load import save_png

    with parts.said_plainly():
        decoded = autoencoder.decompress(Path(path).read_bytes())
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "decoded.png"
        save_png(decoded, target)
        yield str(target)


def bars(sizes) -> str:
    """The entropy ladder of this codec's latents, as bars whose lengths are bytes."""
    return (
        f"{rungs_html(sizes.rungs)}<p>The entropy of these numbers, each taken alone, is {sizes.entropy:,.0f} "
        "bytes. The file holds the shorter of the two Huffman codes and a header of 9 bytes.</p>"
    )


def table(found: dict) -> str:
    """The experiments: the report's figures and ours, as HTML."""
    if not found.get("points"):
        return "<p>The measurements are not at hand; `python -m codec.classroom cae-results` makes them.</p>"
    rows = []
    for p in sorted(found["points"], key=lambda p: (p["experiment"], p["crop"])):
        ours = [f"{p['mse']:.1f}", f"{p['psnr']:.1f}", f"{p['bpp']:.3f}", f"{p['bpp_plain_huffman']:.3f}"]
        first = p["crop"] == min(CROPS)
        theirs = reported(found["report"][p["experiment"]]) if first else ["–"] * 3
        rows.append([f"{EXPERIMENTS[p['experiment']] if first else 'the same'}, {CROPS[p['crop']]}", *ours, *theirs])
    heads = ("experiment", "MSE", "PSNR", "bpp", "plain Huffman", "report: MSE", "PSNR", "bpp")
    start, differs = found["trained"]["1"]["start"], "".join(f"<li>{escape(d)}</li>" for d in found["differences"])
    steps = [said["steps"] for said in found["trained"].values()]
    usual = max(set(steps), key=steps.count)
    others = [f"{name}: {said['steps']:,}" for name, said in found["trained"].items() if said["steps"] != usual]
    batches = " or ".join(sorted({f"{e['batch']} crops of {CROPS[e['crop']]}" for e in found["trained"].values()}))
    return (
        f"{plain_table(heads, rows)}<p>Ours: means over {found['points'][0]['crops']} crops of photographs that no "
        "training saw, coded by what was trained on crops of their size; bpp is that of whole files. The report's are "
        f"of faces at 64². Each experiment goes on from {start} for {usual:,} more"
        f"{' (' + '; '.join(others) + ')' if others else ''}, of {batches}.</p>"
        f"<details><summary>What else differs</summary><ul>{differs}</ul></details>"
    )


def reported(said: dict) -> list[str]:
    """MSE, PSNR and bpp of an experiment as the report gives them."""
    return [f"{said['mse']:.1f}", f"{said['psnr']:.1f}", f"{said['bpp']:.3f}"]


def progress(found: dict, experiment: str, crop: int = 64):
    """All terms of the loss during training, each relative to its largest value, as a plotly figure.

    On the left of the dotted line is the network that all experiments start from. One batch differs much from the
    next: each point is the median of those around it.
    """
    import numpy as np
    import plotly.graph_objects as go

    from codec.classroom.autoencoder import name_of

    plot, known = go.Figure(), found.get("progress", {})
    before, own = known.get("whole", []), known.get(name_of(experiment, crop), [])
    offset = before[-1]["step"] if before else 0
    plot.add_vline(x=offset, line={"dash": "dot", "color": "#64748b"})
    for name, title in TERMS.items():
        values = np.concatenate([medians([s[name] for s in part]) for part in (before, own)])
        top = max(values, default=1)
        plot.add_scatter(
            x=[s["step"] for s in before] + [s["step"] + offset for s in own],
            y=values / top,
            customdata=values,
            name=f"{title} (1 = {top:,.0f})" if top >= 100 else f"{title} (1 = {top:.2g})",
            mode="lines",
            hovertemplate="step %{x}: %{customdata:.4g}",
        )
    on_any_page(plot)
    plot.update_layout(
        height=420,
        margin={"l": 60, "r": 10, "t": 10, "b": 50},
        xaxis={"title": {"text": "steps"}},
        yaxis={"title": {"text": "share of the largest value"}, "type": "log", "dtick": 1},
        legend={"orientation": "h", "y": -0.2},
    )
    return plot


@parts.said_plainly()
def opened(experiment: str, crop: int):
    """The table and the plot, from the results file."""
    found = results.read(RESULTS)
    return table(found), progress(found, experiment, crop)


def medians(values: list[float]):
    """Of nine values around each, fewer at the ends: float64 (n,)."""
    import numpy as np

    half = AROUND // 2
    return np.array([np.median(values[max(0, i - half) : i + half + 1]) for i in range(len(values))])


def redraw(experiment: str, crop: int):
    return progress(results.read(RESULTS), experiment, crop)


def build(tab: gr.Tab, original: gr.File) -> None:
    """Lays out the tab and fills it whenever it is opened, with the picture of the first tab."""
    parts.hint(
        "cae-2017, a historical model: convolutions of stride 2 down, three residual blocks, sub-pixel convolutions "
        "up, whole numbers in between, and one Huffman code for all of them with its table in the file (Theis et al. "
        "2017, as Meynard, des Déserts and Perret built it in 2018). Trained here for a short time only."
    )
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            pair = parts.pair("Original and decoded", "cae-pair")
        with gr.Column(scale=2, min_width=300):
            experiment = gr.Radio([(title, name) for name, title in EXPERIMENTS.items()], value="1", label="Experiment")
            crop = gr.Radio([(title, size) for size, title in CROPS.items()], value=64, label="Trained on crops of")
            said = gr.HTML(elem_id="cae-said", padding=False)
            file = gr.DownloadButton("File (.cae)", elem_id="get-cae")
    gr.Markdown("### The experiments of the report, trained again on photographs")
    experiments = gr.HTML(elem_id="cae-table", padding=False)
    gr.Markdown("### All terms of the loss during training")
    parts.hint(
        f"Each term beside its largest value, which the legend gives; medians of {AROUND} batches. On the left of the "
        "dotted line is the network that all experiments start from, trained on the MSE alone."
    )
    curves = gr.Plot(show_label=False, elem_id="cae-curves")
    with gr.Accordion("Open a file (.cae)", open=False), gr.Row():
        upload = gr.File(label="A file (.cae)", type="filepath", height=130, elem_id="cae-upload")
        opened_picture = parts.picture("The decoded picture", label="Decoded picture", show_label=True)
    how = {"concurrency_id": "classroom", "concurrency_limit": 2, "trigger_mode": "always_last"}
    private = how | {"api_visibility": "private"}
    drawn = {"show_progress_on": pair}
    which, made = [experiment, crop], [pair, said, file]
    tab.select(opened, which, [experiments, curves], show_progress_on=curves, **private)
    parts.opening(tab)(run_if_any, [original, *which], made, **drawn, **private)
    experiment.change(run, [original, *which], made, api_name="cae", **drawn, **how)
    crop.change(run, [original, *which], made, **drawn, **private)
    gr.on([experiment.change, crop.change], redraw, which, curves, **private)
    upload.upload(decode, upload, opened_picture, api_name="cae_decode", **how)


def run_if_any(original: str | None, experiment: str, crop: int):
    """As `run`; where there is no picture yet, nothing happens."""
    if original:
        yield from run(original, experiment, crop)
    else:
        yield gr.skip(), "<p>Choose a picture in the tab 'Compare' first.</p>", gr.skip()
