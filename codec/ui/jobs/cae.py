"""The compressive autoencoder of 2017: an image through it, its table of experiments, its training."""

from html import escape
from pathlib import Path

import gradio as gr
import numpy as np
import plotly.graph_objects as go

from codec import results
from codec.classroom import autoencoder
from codec.metrics import psnr
from codec.pictures.sandbox import read_picture
from codec.plots import OTHER
from codec.ui.jobs import common
from codec.ui.jobs.rd_plot import on_any_page
from codec.ui.names import CAE_CROPS
from codec.ui.tables import plain_table, rungs_html
from codec.ui.texts import t, written

RESULTS = "classroom-cae"  # of results/
TERMS = ("mse", "entropy", "vgg2", "vgg5", "gram2", "gram5")  # of the loss; the text "cae.term_NAME" says which
AROUND = 9  # batches; the plot shows their median


def run(original: str | None, experiment: str, crop: int):
    """Yields the image, its figures and its file: see `tabs.cae.cae`."""
    common.need(original)
    with common.workplace() as folder:
        name = autoencoder.name_of(experiment, crop)
        rgb = read_picture(original).rgb
        data = autoencoder.compress(rgb, name)
        decoded = autoencoder.decompress(data)
        sizes = autoencoder.ladder(autoencoder.read(data)[0])
        bpp, quality = 8 * len(data) / (rgb.shape[0] * rgb.shape[1]), psnr(rgb, decoded)
        remark = t("cae.remark", size=len(data), bpp=bpp, psnr=quality)
        pair = common.side_by_side(folder, rgb, (t("compare.original"), "", rgb), (t("cae.decoded"), remark, decoded))
        figures = t("cae.said", size=len(data), bpp=bpp, psnr=quality)
        floor = t("cae.entropy", size=sizes.entropy)
        file = folder / f"picture-{name}.cae"
        file.write_bytes(data)
        yield pair, f"<p>{figures}</p>{rungs_html(sizes.rungs)}<p>{floor}</p>", str(file)


def run_if_any(original: str | None, experiment: str, crop: int):
    """As `run`; where there is no picture yet, nothing happens."""
    if original:
        yield from run(original, experiment, crop)
    else:
        yield gr.skip(), f"<p>{t('errors.no_picture')}</p>", gr.skip()


def decode(path: str | None):
    """Yields the image of a file: see `tabs.cae.cae_decode`."""
    if not path:
        common.refuse("cae.no_file")
    with common.workplace() as folder:
        yield common.saved(folder / "decoded.png", autoencoder.decompress(Path(path).read_bytes()))


def table(measured: dict) -> str:
    """The experiments: the report's figures and ours, as HTML."""
    if not measured.get("points"):
        return f"<p>{t('cae.not_measured')}</p>"
    rows = []
    for p in sorted(measured["points"], key=lambda p: (p["experiment"], p["crop"])):
        ours = [*reported(p), written(p["bpp_plain_huffman"], ".3f")]
        first = p["crop"] == min(CAE_CROPS)
        theirs = reported(measured["report"][p["experiment"]]) if first else ["–"] * 3
        name = t(f"cae.experiment_{p['experiment']}") if first else t("cae.the_same")
        rows.append([f"{name}, {CAE_CROPS[p['crop']]}", *ours, *theirs])
    heads = [t(f"cae.head_{k}") for k in ("experiment", "mse", "psnr", "bpp", "plain", "report", "psnr", "bpp")]
    trained = measured["trained"]
    steps = {name: entry["steps"] for name, entry in trained.items()}
    usual = max(set(steps.values()), key=[*steps.values()].count)
    others = "; ".join(f"{name}: {written(count, ',')}" for name, count in steps.items() if count != usual)
    batches = sorted({t("cae.batch", count=e["batch"], crop=CAE_CROPS[e["crop"]]) for e in trained.values()})
    remark = t(
        "cae.table_said", crops=measured["points"][0]["crops"], start=trained["1"]["start"], steps=usual,
        others=f" ({others})" if others else "", batches=t("cae.or").join(batches),
    )  # fmt: skip
    differs = "".join(f"<li>{escape(d)}</li>" for d in measured["differences"])
    more = f"<details><summary>{t('cae.differences')}</summary><ul>{differs}</ul></details>"
    return f"{plain_table(heads, rows)}<p>{remark}</p>{more}"


def reported(point: dict) -> list[str]:
    """MSE, PSNR and bpp of an experiment."""
    return [written(point["mse"], ".1f"), written(point["psnr"], ".1f"), written(point["bpp"], ".3f")]


def progress(measured: dict, experiment: str, crop: int = 64):
    """All terms of the loss during training, each relative to its largest value, as a plotly figure.

    On the left of the dotted line is the network that all experiments start from. One batch differs much from the
    next: each point is the median of those around it.
    """
    plot, terms = go.Figure(), measured.get("progress", {})
    before, own = terms.get("whole", []), terms.get(autoencoder.name_of(experiment, crop), [])
    offset = before[-1]["step"] if before else 0
    plot.add_vline(x=offset, line={"dash": "dot", "color": OTHER})
    for name in TERMS:
        values = np.concatenate([medians([s[name] for s in part]) for part in (before, own)])
        top = max(values, default=1)
        largest = written(top, ",.0f") if top >= 100 else written(top, ".2g")
        plot.add_scatter(
            x=[s["step"] for s in before] + [s["step"] + offset for s in own],
            y=values / top,
            customdata=values,
            name=f"{t(f'cae.term_{name}')} (1 = {largest})",
            mode="lines",
            hovertemplate=t("cae.hover"),
        )
    on_any_page(plot)
    plot.update_layout(
        height=420,
        margin={"l": 60, "r": 10, "t": 10, "b": 50},
        xaxis={"title": {"text": t("cae.axis_steps")}},
        yaxis={"title": {"text": t("cae.axis_share")}, "type": "log", "dtick": 1},
        legend={"orientation": "h", "y": -0.2},
    )
    return plot


def medians(values: list[float]) -> np.ndarray:
    """Of nine values around each, fewer at the ends: float64 (n,)."""
    half = AROUND // 2
    return np.array([np.median(values[max(0, i - half) : i + half + 1]) for i in range(len(values))])


@common.said_plainly()
def opened(experiment: str, crop: int):
    """The table and the plot, from the results file."""
    measured = results.read(RESULTS)
    return table(measured), progress(measured, experiment, crop)


def redraw(experiment: str, crop: int):
    return progress(results.read(RESULTS), experiment, crop)
