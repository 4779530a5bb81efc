"""Rate–distortion curves as a plotly figure: this picture's in full lines, Kodak's thin, published ones dashed."""

import math

import plotly.graph_objects as go

from codec import results
from codec.metrics import ms_ssim_db
from codec.plots import OTHER, PUBLISHED_COLOURS, colour, dash
from codec.spec import HISTORY
from codec.ui.names import KODAK, LPIPS, MSE, PSNR, PUBLISHED, SSIM
from codec.ui.names import curve_title as title
from codec.ui.texts import LANGUAGE, SEPARATORS, t, written

GRID = "rgba(128,128,128,0.25)"  # on a light page and on a dark one
#: The shapes tell curves apart where colours do not.
MARKERS = {
    "ours": "circle",
    "jpeg": "square",
    "webp": "diamond",
    "avif": "triangle-up",
    "heic": "triangle-down",
    "jpeg2000": "cross",
    "cae-2017": "triangle-left",
    "rnn-2018": "triangle-right",
    "importance-2018": "bowtie",
    "attention-2021": "hourglass",
    "ours:perceptual": "star",
    "ours:texture": "hexagon",
    "ours:hific": "pentagon",
    "ours:hific-nogan": "x",
}
GROUPS = ("image", "kodak", "published")  # of the legend
SEEN = ("ours", "jpeg", "avif", "vtm")  # of the reference curves at first
#: Points (codec, setting, bytes, bpp, psnr, mse, ms_ssim, lpips) in the order in which they were measured.
Points = list[tuple]


def on_any_page(plot) -> None:
    """Gives a plotly figure the page's letters, and a grid and a background for a light page and for a dark one."""
    plot.update_xaxes(gridcolor=GRID, zeroline=False)
    plot.update_yaxes(gridcolor=GRID, zeroline=False)
    clear = "rgba(0,0,0,0)"
    plot.update_layout(plot_bgcolor=clear, paper_bgcolor=clear, font_family="system-ui, sans-serif")
    plot.update_layout(separators=SEPARATORS[LANGUAGE.get()])


def sentence(point: tuple) -> str:
    """A point in words, for reading out."""
    name, setting, size, rate, psnr, _, ssim, lpips = point
    measures = [f"PSNR {written(psnr, '.2f')} dB"]
    measures += [] if ssim is None else [f"MS-SSIM {written(ssim, '.4f')}"]
    measures += [] if lpips is None else [f"LPIPS {written(lpips, '.3f')}"]
    at = t("curves.point_at", name=title(name), setting=word(name), value=setting)
    return t("curves.point", at=at, size=size, bpp=rate, measures=", ".join(measures))


def word(name: str) -> str:
    """What a codec's setting is called."""
    if name in HISTORY:
        return t("curves.history_setting")
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


def value_of(row: dict, axis: str) -> float | None:
    """The value on an axis of a point of a reference curve; the squared error of a mean PSNR."""
    if axis == MSE:
        return None if row.get("psnr") is None else 255**2 / 10 ** (row["psnr"] / 10)
    return row.get({PSNR: "psnr", SSIM: "ms_ssim_db", LPIPS: "lpips"}[axis])


def behind(axis: str, also: list[str] | None, seen_at_first: tuple[str, ...] = SEEN) -> list[dict]:
    """Curves of other images: {name, group, x, y, color, dash, width, said, seen, first} of Kodak's means and published
    ones. Those that are not `seen` at first are a click into the legend away; systems of history are then left out."""
    lines = []
    if KODAK in (also or []):
        for name, curve in results.kodak().items():
            if name in HISTORY and name not in seen_at_first:
                continue
            style = {"color": colour(name), "width": 2 if name == "ours" else 1, "dash": dash(name)}
            label, seen = t("curves.kodak_said", name=title(name)), name in seen_at_first
            head = {"name": t("curves.name_kodak", name=title(name)), "group": "kodak"}
            lines.append({**head, "rows": curve, "said": label, "seen": seen, "first": name == "ours", **style})
    if PUBLISHED in (also or []) and axis != MSE:
        for entry in (e for e in results.published() if e["name"] != "jpeg"):
            label = f"{entry['label']}<br>{results.citation(entry)}"
            style = {"color": PUBLISHED_COLOURS.get(entry["name"], OTHER), "width": 1.2, "dash": "dash"}
            head = {"name": entry["label"], "group": "published", "said": label}
            lines.append(
                {**head, "rows": entry["points"], "seen": entry["name"] in seen_at_first, "first": False, **style}
            )
    for curve in lines:
        pairs = [(p["bpp"], value_of(p, axis)) for p in curve.pop("rows")]
        points = [pair for pair in pairs if pair[1] is not None]
        curve |= {"x": [x for x, _ in points], "y": [y for _, y in points]}
    return [curve for curve in lines if curve["x"]]


def ranges(points: Points, axis: str) -> tuple[list[float], list[float]]:
    """Rates and values that are shown: those of the means over Kodak, so that nothing jumps while points come in.

    An image beyond them makes room for its own curve of ours.
    """
    reference = results.kodak()
    rates = [1.1 * max((p["bpp"] for p in reference.get("ours", [])), default=1.0)]
    rates += [1.05 * p[3] for p in points if p[0].startswith("ours")]
    right = max(rates)
    qualities = [value_of(p, axis) for name in SEEN for p in reference.get(name, []) if p["bpp"] <= rates[0]]
    qualities += [quality(p, axis) for p in points if p[3] <= right]
    values = [v for v in qualities if v is not None] or [0.0, 1.0]
    margin = 0.05 * (max(values) - min(values) or 1)
    return [0, right], [max(0.0, min(values) - margin), max(values) + margin]


def figure(
    points: Points,
    axis: str,
    lmbda: float | None,
    also: list[str] | None = None,
    seen: tuple[str, ...] = SEEN,
):
    """The points as curves; where λ is given and ours are there, the line of equal cost through its point.

    The legend has this image first, then means over Kodak, then published curves; of the last two those that are `seen`
    are drawn at first.
    """
    plot = go.Figure()
    for curve in behind(axis, also, seen):
        plot.add_scatter(
            x=curve["x"],
            y=curve["y"],
            name=curve["name"],
            mode="lines",
            line={k: curve[k] for k in ("color", "width", "dash")},
            opacity=0.75,
            visible=True if curve["seen"] else "legendonly",
            hovertemplate=f"{curve['said']}<br>%{{x:.3f}} bpp, %{{y:.3f}}<extra></extra>",
            **legend(curve["group"], curve["first"]),
        )
    if lmbda and axis in (PSNR, MSE) and any(p[0] == "ours" for p in points):
        rates, values, cost = iso_cost(points, lmbda, axis)
        plot.add_scatter(
            x=rates,
            y=values,
            name=f"R + λ·D = {written(cost, '.2f')}",
            mode="lines",
            line={"color": OTHER, "dash": "dot", "width": 2},
            hoverinfo="skip",
            **legend("image"),
        )
    for name in sorted(dict.fromkeys(p[0] for p in points), key=lambda n: n == "ours"):  # ours above the others
        curve = sorted((p for p in points if p[0] == name and quality(p, axis) is not None), key=lambda p: p[3])
        if not curve:
            continue
        plot.add_scatter(
            x=[p[3] for p in curve],
            y=[quality(p, axis) for p in curve],
            name=title(name),
            mode="lines+markers",
            line={"color": colour(name), "width": 4.5 if name == "ours" else 2},
            marker={"symbol": MARKERS.get(name, "circle-open"), "size": 10 if name == "ours" else 8},
            customdata=[(p[1], p[2], f"{name}|{p[1]:g}") for p in curve],
            hovertemplate=t("curves.hover", setting=word(name)),
            **legend("image", name == "ours"),
        )
    on_any_page(plot)
    across, upwards = ranges(points, axis)
    plot.update_layout(
        height=560,
        margin={"l": 60, "r": 10, "t": 10, "b": 50},
        xaxis={"title": {"text": t("curves.axis_rate")}, "range": across},
        yaxis={
            "title": {"text": t("curves.lower_is_better", axis=axis) if axis in (LPIPS, MSE) else axis},
            "range": upwards,
        },
        legend={
            "orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "font": {"size": 11},
            "traceorder": "normal", "entrywidth": 145, "groupclick": "toggleitem",
        },
        hovermode="closest",
        modebar={"remove": ["lasso2d", "select2d", "autoScale2d", "toImage"]},
        uirevision=axis,
    )  # fmt: skip
    return plot


def legend(group: str, first: bool = False) -> dict:
    """The place of a curve in the legend."""
    rank = 100 * GROUPS.index(group) + (1 if first else 10)
    return {
        "legendgroup": group,
        "legendrank": rank,
        "showlegend": True,
    }
