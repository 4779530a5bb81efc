"""The plots of the tab of digits: rate–distortion, the prior, and the latent of two numbers as a map."""

import base64

import numpy as np
import plotly.graph_objects as go

from codec.classroom import digits, prior
from codec.pictures.load import png_bytes
from codec.plots import SERIES
from codec.ui.jobs.rd_plot import on_any_page
from codec.ui.texts import t, written

PLANE, UNTRAINED = "l2000-d2", "untrained"
REPORTED = (0.01, 2, 10)  # the scales that the report draws: from, to, how many


def data_uri(pixels) -> str:
    """uint8 (h, w) as a PNG inside a URL: lossless, and nothing to fetch."""
    return "data:image/png;base64," + base64.b64encode(png_bytes(pixels[..., None].repeat(3, 2))).decode()


def curves(measured: dict):
    """Distortion over bits, along λ and along d, rounded and dithered, as a plotly figure."""
    plot = go.Figure()
    points = [p for p in measured.get("points", []) if p["name"] != UNTRAINED]
    lines = (
        (t("digits.along_lambda"), [p for p in points if p["d"] == 10], "lambda", SERIES[0]),
        (t("digits.along_size"), [p for p in points if p["lambda"] == 2000], "d", SERIES[1]),
    )
    for title, line, key, colour in lines:
        line = sorted(line, key=lambda p: p["rounded"]["bits_estimated"])
        plot.add_scatter(
            x=[p["rounded"]["bits_estimated"] for p in line],
            y=[p["rounded"]["distortion"] for p in line],
            text=[f"{'λ' if key == 'lambda' else 'd'} = {written(p[key], 'g')}" for p in line],
            customdata=[(p["rounded"]["bits_real"], p["rounded"]["psnr"]) for p in line],
            name=title,
            mode="lines+markers+text",
            # The other curve crosses the left side of the first point along λ.
            textposition=["middle right", *["bottom left"] * len(line)] if key == "lambda" else "top right",
            cliponaxis=False,
            line={"color": colour},
            hovertemplate=t("digits.hover"),
        )
        plot.add_scatter(
            x=[p["dithered"]["bits_estimated"] for p in line],
            y=[p["dithered"]["distortion"] for p in line],
            name=t("digits.head_dithered"),
            showlegend=key == "d",
            mode="lines+markers",
            line={"color": colour, "dash": "dot", "width": 1},
            marker={"symbol": "circle-open", "size": 9},
            hovertemplate=t("digits.hover_dithered"),
        )
    on_any_page(plot)
    plot.update_layout(
        height=460,
        margin={"l": 60, "r": 40, "t": 20, "b": 50},
        xaxis={"title": {"text": t("digits.axis_bits")}, "rangemode": "tozero"},
        yaxis={"title": {"text": t("digits.axis_error")}},
        legend={"orientation": "h", "y": -0.2, "yanchor": "top"},
    )
    return plot


def priors(scales):
    """Logistic densities of these scales (n,), widened by the noise of ±1/2, as a plotly figure.

    At a whole number the height is the probability that its symbol has.
    """
    plot = go.Figure()
    reach = float(np.clip(4 * np.max(scales), 4, 40))
    y = np.linspace(-reach, reach, 401)
    for k, scale in enumerate(scales):
        upper, lower = (1 / (1 + np.exp(np.clip(-(y + half) / scale, -600, 600))) for half in (0.5, -0.5))
        plot.add_scatter(
            x=y,
            y=upper - lower,
            name=written(scale, ".2f"),
            mode="lines",
            line={"color": SERIES[k % len(SERIES)], "width": 1.5},
            hovertemplate=t("digits.hover_prior", k=k, scale=scale),
        )
    on_any_page(plot)
    plot.update_layout(
        height=360,
        margin={"l": 50, "r": 10, "t": 40, "b": 50},
        xaxis={"title": {"text": t("digits.axis_latent")}},
        yaxis={"title": {"text": t("digits.axis_probability")}, "range": [0, 1.05]},
        legend={"title": {"text": t("digits.scale")}},
        showlegend=len(scales) <= 10,
    )
    return plot


def reported_priors():
    """The prior with the scales of the report's illustration."""
    return priors(np.linspace(*REPORTED))


def learned_priors(model: str):
    """The prior that a model learned."""
    return priors(digits.load(model).scales / prior.THOUSAND)


def plane(measured: dict):
    """The latent of two numbers as a map: what each place decodes to, and where the test digits fall."""

    plot, seen = go.Figure(), measured.get("plane") or {}
    if not seen:
        return plot
    y, labels = np.array(seen["y"]), np.array(seen["labels"])
    low, high = np.quantile(y, 0.005, axis=0) - 1, np.quantile(y, 0.995, axis=0) + 1
    codec, columns, rows = digits.load(PLANE), 26, 20
    u = low[0] + (np.arange(columns) + 0.5) / columns * (high[0] - low[0])
    v = high[1] - (np.arange(rows) + 0.5) / rows * (high[1] - low[1])
    tiles = codec.synthesise(np.stack(np.meshgrid(u, v), -1).reshape(-1, 2)).reshape(rows, columns, 28, 28)
    sheet = 255 - tiles.swapaxes(1, 2).reshape(rows * 28, columns * 28) // 2
    plot.add_layout_image(
        source=data_uri(sheet),
        xref="x",
        yref="y",
        x=low[0],
        y=high[1],
        sizex=high[0] - low[0],
        sizey=high[1] - low[1],
        sizing="stretch",
        layer="below",
    )
    for k in range(10):
        at = y[labels == k]
        plot.add_scatter(
            x=at[:, 0],
            y=at[:, 1],
            name=str(k),
            mode="markers",
            marker={"color": SERIES[k], "size": 6},
            hoverinfo="name",
        )
    on_any_page(plot)
    plot.update_layout(
        height=600,
        margin={"l": 40, "r": 10, "t": 10, "b": 40},
        xaxis={"range": [low[0], high[0]], "showgrid": False, "zeroline": False, "title": {"text": t("digits.first")}},
        yaxis={"range": [low[1], high[1]], "showgrid": False, "zeroline": False, "title": {"text": t("digits.second")}},
        legend={"orientation": "h", "y": -0.12, "yanchor": "top"},
    )
    return plot
