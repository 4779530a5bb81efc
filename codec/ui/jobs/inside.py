"""Inside a stream: the entropy ladder, the channels of the latent, and what the model expected of one."""

from html import escape
from pathlib import Path

import numpy as np
import plotly.graph_objects as go

from codec.classroom import autoencoder
from codec.errors import CodecError
from codec.inside import bits, heatmap
from codec.inside.ladder import Rung, ladder
from codec.plots import SECOND
from codec.spec import DECODERS
from codec.ui.jobs import common, renditions
from codec.ui.jobs.gpu import where_it_fits
from codec.ui.jobs.rd_plot import on_any_page
from codec.ui.names import CAE, OURS
from codec.ui.tables import rungs_html
from codec.ui.texts import t

CHANNELS = 12
SIZE = 8  # pixels of the square that shows a value of the latent


def run(stream: str | None):
    """Yields the entropy ladder and the channels of the latent: see `tabs.inside.inside`."""
    common.need(stream)
    with common.workplace() as folder:
        yield where_it_fits(lambda device: results(folder, Path(stream).read_bytes(), device))


def results(folder: Path, data: bytes, device: str):
    """The work of `run`, with a folder to write to."""
    parsed, codec, symbols = common.read(data, device)
    cost = bits.symbol_bits(codec, symbols)[0]
    estimate = (float(cost.sum()) + float(bits.hyper_bits(codec, symbols).sum())) / 8
    y_hat = codec.latent(symbols)[0].cpu().numpy()
    by_channel, channels = cost.sum((1, 2)), []
    for rank, c in enumerate(by_channel.argsort(descending=True)[:CHANNELS].tolist()):
        path = common.saved(folder / f"channel-{rank}.png", gray(y_hat[0, c]))
        channels.append(
            (path, t("inside.channel_share", channel=c, percent=100 * float(by_channel[c] / by_channel.sum())))
        )
    return rungs_html(ladder(symbols, parsed)) + f"<p>{t('inside.floor', size=estimate)}</p>", channels


def gray(values: np.ndarray, centre: float | None = None, scale: float | None = None) -> np.ndarray:
    """A channel (h, w) as uint8 (8h, 8w, 3), mid-grey being its median or another centre."""
    centre = np.median(values) if centre is None else centre
    scale = scale or max(float(np.quantile(np.abs(values - centre), 0.99)), 1e-6)
    levels = np.clip(128 + 110 * (values - centre) / scale, 0, 255).round().astype(np.uint8)
    return np.repeat(levels.repeat(SIZE, 0).repeat(SIZE, 1)[..., None], 3, axis=2)


def look(stream: str | None, rank: float):
    """Yields what the model expected of one channel of y: see `tabs.inside.channel`."""
    common.need(stream)
    with common.workplace() as folder:
        data = Path(stream).read_bytes()
        parsed, codec, symbols = where_it_fits(lambda device: common.read(data, device))
        channel = by_rank(bits.symbol_bits(codec, symbols), rank)
        seen = bits.expectation(codec, symbols, channel)
        figure = histogram(*bits.histogram(codec, symbols, channel), channel)
        height, width = -(-parsed.height // 16), -(-parsed.width // 16)  # without what the picture was padded by
        centre, scale = float(np.median(seen.y_hat)), max(float(np.quantile(np.abs(seen.y_hat), 0.99)), 1e-6)
        ends = {name: {"low": v.min(), "high": v.max()} for name, v in vars(seen).items()}
        zeros = 100 * float((seen.q == 0).mean())
        pictures = [
            (gray(seen.y_hat, centre, scale), t("inside.y_hat", **ends["y_hat"])),
            (gray(seen.mu, centre, scale), t("inside.mu", **ends["mu"])),
            (warm(seen.sigma), t("inside.sigma", **ends["sigma"])),
            (gray(seen.q, 0.0), t("inside.q", most=np.abs(seen.q).max(), percent=zeros)),
            (warm(seen.bits), t("inside.bits", size=seen.bits.sum() / 8, most=seen.bits.max())),
        ]
        maps = [
            (common.saved(folder / f"channel-{channel}-{i}.png", rgb[: SIZE * height, : SIZE * width]), caption)
            for i, (rgb, caption) in enumerate(pictures)
        ]
        yield maps, figure


def by_rank(bits, rank: float) -> int:
    """The channel of this rank by bits (1, C, h, w), 1 that with the most."""
    order = bits[0].sum((1, 2)).argsort(descending=True)
    return int(order[min(max(int(rank), 1), len(order)) - 1])


def warm(values: np.ndarray) -> np.ndarray:
    """Values (h, w) from 0 up as uint8 (8h, 8w, 3), in the colours of the map of bits."""
    levels = heatmap.colours(values / max(float(np.quantile(values, 0.995)), 1e-6)).round().astype(np.uint8)
    return levels.repeat(SIZE, 0).repeat(SIZE, 1)


def histogram(values: np.ndarray, seen: np.ndarray, expected: np.ndarray, channel: int):
    """How often each integer was coded, as bars, and how often the model's probabilities say, as a line."""
    plot = go.Figure()
    plot.add_bar(x=values, y=seen, name=t("inside.coded"), marker={"color": DECODERS["mse"].colour})
    plot.add_scatter(
        x=values,
        y=expected,
        name=t("inside.expected"),
        mode="lines+markers",
        line={"color": SECOND, "width": 2},
        marker={"symbol": "diamond", "size": 7},
    )
    on_any_page(plot)
    plot.update_layout(
        height=340,
        margin={"l": 60, "r": 10, "t": 10, "b": 45},
        xaxis={"title": {"text": t("inside.axis_integer", channel=channel)}},
        yaxis={
            "title": {"text": t("inside.count")},
            "type": "log",
            "dtick": 1,  # powers of ten only
            "range": [-1, float(np.log10(seen.max())) + 0.2],
        },
        legend={"orientation": "h", "y": 1.12},
        modebar={"remove": ["lasso2d", "select2d", "autoScale2d"]},
    )
    return plot


def beside_2017(stream: str | None, original: str | None) -> str:
    """The same picture by the autoencoder of 2017, as HTML: see `tabs.inside.inside_2017`."""
    common.need(stream, original)
    with common.said_plainly():
        job = renditions.Job(Path(stream).read_bytes(), original)
        key = next((k for k in renditions.historical() if k in CAE), next(iter(CAE)))
        ours = renditions.rendition(job, OURS)
        try:
            theirs = renditions.rendition(job, key)
        except CodecError as error:  # the tab does without it
            return f"<p>{escape(str(error))}</p>"
    rung = autoencoder.rung(theirs.data)
    rung.values["psnr"] = theirs.psnr
    this = Rung("whole", ours.size, values={"psnr": ours.psnr})
    return f"{rungs_html([rung, this])}<p>{t('inside.said_2017')} {escape(renditions.trained(key))}</p>"
