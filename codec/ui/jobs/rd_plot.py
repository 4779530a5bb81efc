"""Rate–distortion curves as a plotly figure: this picture's in full lines, Kodak's thin, published ones dashed."""

import math

import plotly.graph_objects as go

from codec import results
from codec.metrics import ms_ssim_db
from codec.plots import OTHER, PUBLISHED_COLOURS, colour
from codec.ui.names import KODAK, LPIPS, MSE, PSNR, PUBLISHED, SSIM
from codec.ui.names import curve_title as title
from codec.ui.texts import t

GRID = "rgba(128,128,128,0.25)"  # on a light page and on a dark one
#: The shapes tell curves apart where colours do not.
MARKERS = {
    "ours": "circle",
    "jpeg": "square",
    "webp": "diamond",
    "avif": "triangle-up",
    "heic": "triangle-down",
    "jpeg2000": "cross",
    "ours:perceptual": "star",
    "ours:texture": "hexagon",
    "ours:hific": "pentagon",
    "ours:hific-nogan": "x",
}
#: Points (codec, setting, bytes, bpp, psnr, mse, ms_ssim, lpips) in the order in which they were measured.
Points = list[tuple]


def on_any_page(plot) -> None:
    """Gives a plotly figure the page's letters, and a grid and a background for a light page and for a dark one."""
    plot.update_xaxes(gridcolor=GRID, zeroline=False)
    plot.update_yaxes(gridcolor=GRID, zeroline=False)
    clear = "rgba(0,0,0,0)"
    plot.update_layout(plot_bgcolor=clear, paper_bgcolor=clear, font_family="system-ui, sans-serif")


def sentence(point: tuple) -> str:
    """A point in words, for reading out."""
    name, setting, size, rate, psnr, _, ssim, lpips = point
    measures = [f"PSNR {psnr:.2f} dB"]
    measures += [] if ssim is None else [f"MS-SSIM {ssim:.4f}"]
    measures += [] if lpips is None else [f"LPIPS {lpips:.3f}"]
    at = t("curves.point_at", name=title(name), setting=word(name), value=setting)
    return t("curves.point", at=at, size=size, bpp=rate, measures=", ".join(measures))


def word(name: str) -> str:
    """What a codec's setting is called."""
    return "λ" if name.startswith("ours") else t("curves.quality_setting")


def quality(point: tuple, axis: str) -> float | None:
    """The value of a point on an axis."""
    if axis == SSIM:
        return None if point[6] is None else ms_ssim_db(point[6])
    return point[{PSNR: 4, MSE: 5, LPIPS: 7}[axis]]


def as_curves(points: Points) -> dict[str, list[dict]]:
    """The points by codec and rising rate, as `codec.metrics.bd_rate` takes them."""
    curves: dict[str, list[dict]] = {}
    for p in sorted(points, key=lambda p: p[3]):
        row = {"bpp": p[3], "psnr": p[4], "ms_ssim_db": quality(p, SSIM), "lpips": p[7]}
        curves.setdefault(p[0], []).append({k: v for k, v in row.items() if v is not None})
    return {n: curves[n] for n in sorted(curves, key=lambda n: (not n.startswith("ours"), n))}


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


def behind(axis: str, also: list[str] | None) -> list[dict]:
    """The curves of other pictures: {name, x, y, colour, dash, width, said} of Kodak's means and published ones."""
    key = {PSNR: "psnr", SSIM: "ms_ssim_db", LPIPS: "lpips"}.get(axis)
    found = []
    if key and KODAK in (also or []):
        for name, curve in results.kodak().items():
            rows = [p for p in curve if p.get(key) is not None]
            said = t("curves.kodak_said", name=title(name))
            label = t("curves.kodak_label", name=title(name))
            found.append({"name": label, "rows": rows, "color": colour(name), "width": 1, "said": said})
    if key and PUBLISHED in (also or []):
        for entry in (e for e in results.published() if e["name"] != "jpeg"):
            rows = [p for p in entry["points"] if p.get(key) is not None]
            label = t("curves.published_label", name=entry["label"])
            said = f"{label}<br>{results.citation(entry)}"
            style = {"color": PUBLISHED_COLOURS.get(entry["name"], OTHER), "width": 1.2, "dash": "dash"}
            found.append({"name": label, "rows": rows, "said": said, **style})
    return [
        {**c, "x": [p["bpp"] for p in c["rows"]], "y": [p[key] for p in c["rows"]]} for c in found if len(c["rows"]) > 0
    ]


def figure(points: Points, axis: str, lmbda: float | None, also: list[str] | None = None):
    """The points as curves; where λ is given and ours are there, the line of equal cost through its point."""
    plot = go.Figure()
    rates, shown = [p[3] for p in points if p[0].startswith("ours")], []
    right = 1.1 * max(rates, default=1.0)
    for curve in behind(axis, also):
        style = {k: curve[k] for k in ("color", "width", "dash") if k in curve}
        plot.add_scatter(
            x=curve["x"],
            y=curve["y"],
            name=curve["name"],
            mode="lines",
            line=style,
            opacity=0.75,
            hovertemplate=f"{curve['said']}<br>%{{x:.3f}} bpp, %{{y:.3f}}<extra></extra>",
        )
        if not points:  # else they may reach out of the picture's own range
            shown += [v for r, v in zip(curve["x"], curve["y"], strict=True) if r <= right]
    for name in dict.fromkeys(p[0] for p in points):
        curve = sorted((p for p in points if p[0] == name and quality(p, axis) is not None), key=lambda p: p[3])
        if not curve:
            continue
        values = [quality(p, axis) for p in curve]
        plot.add_scatter(
            x=[p[3] for p in curve],
            y=values,
            name=title(name),
            mode="lines+markers",
            line={"color": colour(name), "width": 3.5 if name == "ours" else 2},
            marker={"symbol": MARKERS.get(name, "circle-open"), "size": 9},
            customdata=[(p[1], p[2], f"{name}|{p[1]:g}") for p in curve],
            hovertemplate=t("curves.hover", setting=word(name)),
        )
        shown += [v for p, v in zip(curve, values, strict=True) if p[3] <= right]
    if lmbda and axis in (PSNR, MSE) and any(p[0] == "ours" for p in points):
        rates, values, cost = iso_cost(points, lmbda, axis)
        plot.add_scatter(
            x=rates,
            y=values,
            name=f"R + λ·D = {cost:.2f}",
            mode="lines",
            line={"color": "#dc2626", "dash": "dot", "width": 1.5},
            hoverinfo="skip",
        )
    margin = 0.05 * (max(shown) - min(shown) or 1) if shown else 0
    on_any_page(plot)
    plot.update_layout(
        height=520,
        margin={"l": 60, "r": 10, "t": 10, "b": 50},
        xaxis={"title": {"text": t("curves.axis_rate")}, "range": [0, right]},
        yaxis={"title": {"text": t("curves.lower_is_better", axis=axis) if axis in (LPIPS, MSE) else axis}},
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "font": {"size": 11}},
        hovermode="closest",
        modebar={"remove": ["lasso2d", "select2d", "autoScale2d", "toImage"]},
        uirevision=axis,
    )
    if shown:
        plot.update_yaxes(range=[min(shown) - margin, max(shown) + margin])
    return plot
