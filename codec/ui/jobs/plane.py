"""The perception–distortion plane: every decoder as a point, its name where there is room for it."""

from html import escape

import plotly.graph_objects as go

from codec.spec import DECODERS
from codec.ui.jobs.rd_plot import on_any_page
from codec.ui.tables import Row
from codec.ui.texts import t

REALISM = "realism"  # the key of what lies between the decoder trained for fidelity and the generative one
LETTER, LINE, POINT = 0.021, 0.055, 0.035  # width of a letter, height of a line and a point's size as shares of a plot


def plane(rows: list[Row], gan: str | None):
    """Every decoder as a point: PSNR to the right, LPIPS upwards the better, as Blau and Michaeli (2018) have it."""
    plot = go.Figure()
    measured = [r for r in rows if r.lpips is not None and r.psnr != float("inf")]
    path = [r for r in measured if gan and r.key in (REALISM, gan)]
    if len(path) == 2:
        plot.add_scatter(
            x=[r.psnr for r in path], y=[r.lpips for r in path], mode="lines", hoverinfo="skip",
            line={"color": DECODERS[gan].colour, "dash": "dot", "width": 1.5},
        )  # fmt: skip
    across, upwards = reach([r.psnr for r in measured], 0.2), reach([r.lpips for r in measured], 0.01, True)
    sides = places([(share(r.psnr, across), share(r.lpips, upwards), r.name) for r in measured])
    for row, side in zip(measured, sides, strict=True):
        plot.add_scatter(
            x=[row.psnr],
            y=[row.lpips],
            mode="markers+text",
            text=[row.name],
            textposition=side,
            cliponaxis=False,
            marker={
                "color": DECODERS[gan if row.key == REALISM else row.key].colour,
                "size": 12,
                "symbol": "diamond-open" if row.key == REALISM else "circle",
            },
            hovertemplate=f"{escape(row.name)}<br>%{{x:.2f}} dB, LPIPS %{{y:.4f}}<extra></extra>",
        )
    on_any_page(plot)
    plot.update_layout(
        height=400,
        margin={"l": 70, "r": 20, "t": 30, "b": 50},
        xaxis={**across, "title": {"text": t("decoders.axis_psnr")}},
        yaxis={**upwards, "title": {"text": t("decoders.axis_lpips")}},
        showlegend=False,
    )
    return plot


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
