"""Draws the curves of a results file: quality over rate in every metric, and perception over distortion.

Every figure becomes a page (plotly HTML) and a PNG. The pages take plotly.js from one file beside them rather than
from a network, since they have to work with the network unplugged, and rather than from inside each of them, which
would be 5 MB a page. The PNGs are screenshots of the pages by a headless Chromium, as the tests of the page use it.

What was measured is drawn in full lines, what others have published for Kodak dashed, and only beside Kodak.
"""

import math
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from PIL import Image
from plotly.offline import get_plotlyjs

from codec.evaluation import published
from codec.evaluation.curves import NAMES, SCALES, title
from codec.evaluation.page_speed import browser_path
from codec.evaluation.results import is_ours, read_json

SIZE = (1000, 560)  # pixels
HIFIC_RATES = {0.14: "circle", 0.30: "square", 0.45: "diamond"}  # bpp, as marked in the perception–distortion plane
COLOURS = {
    "jpeg": "#7f7f7f",
    "webp": "#e69f00",
    "jpeg2000": "#8c564b",
    "avif": "#0072b2",
    "heic": "#009e73",
    "jxl": "#cc79a7",
}
OURS_COLOURS = ("#d62728", "#ff7f0e", "#9467bd", "#17becf", "#bcbd22")
PUBLISHED_COLOURS = {
    "bpg": "#009e73",
    "vtm": "#56b4e9",
    "bmshj2018-hyperprior": "#b39ddb",
    "mbt2018-mean": "#7e57c2",
    "cheng2020-attn": "#4527a0",
    "elic": "#111111",
    "hific": "#f06292",
}


def draw(results: Path, out: Path, png: bool = True) -> list[Path]:
    """Writes the figures of a results file of `rd` into a folder; the files it wrote.

    Raises FileNotFoundError for PNGs without a Chromium, and ValueError for results without curves.
    """
    result = read_json(results)
    if not result.get("curves"):
        raise ValueError(f"There are no finished curves in '{results}'.")
    out.mkdir(parents=True, exist_ok=True)
    (out / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
    pages = []
    for name, figure in figures(result).items():
        page = out / f"{results.stem}-{name}.html"
        page.write_text(figure.to_html(include_plotlyjs="directory", config={"displaylogo": False}), encoding="utf-8")
        pages.append(page)
        print(page, flush=True)
    pictures = photograph(pages) if png else []
    return pages + pictures


def figures(result: dict) -> dict[str, go.Figure]:
    """By name: one figure for every metric that was measured, and the perception–distortion plane."""
    measured = {name: points for name, points in result["curves"].items()}
    others = {}
    if result.get("data_set") == "Kodak":
        # JPEG is measured here: the published curve is for `python -m codec.evaluation jpeg`.
        others = {name: entry for name, entry in published.curves().items() if name != "jpeg"}
    count = result.get("pictures_in_means", result["pictures"])
    data = f"{result.get('data_set') or 'means'} ({count} pictures)"
    found = {}
    for metric, scale in SCALES.items():
        has = {n: c for n, c in measured.items() if all(scale.key in p for p in c)}
        if has:
            also = {n: e for n, e in others.items() if all(scale.key in p for p in e["points"])}
            found[f"rd-{metric.replace('_', '-')}"] = rate_figure(has, also, scale, f"{scale.label} over rate, {data}")
    has = {n: c for n, c in measured.items() if all("lpips" in p for p in c)}
    if has:
        also = {n: e for n, e in others.items() if all("lpips" in p for p in e["points"])}
        found["perception-distortion"] = plane(has, also, f"Perception and distortion, {data}")
    return found


def rightmost(measured: dict[str, list]) -> float:
    """The rate, in bpp, up to which curves are shown: what ours covers and a quarter more."""
    ours = [p["bpp"] for name, points in measured.items() if is_ours(name) for p in points]
    return 1.25 * max(ours or [p["bpp"] for points in measured.values() for p in points])


def line(name: str, order: int) -> dict:
    """Colour and width of a measured codec; ours stand out."""
    if is_ours(name):
        return {"color": OURS_COLOURS[order % len(OURS_COLOURS)], "width": 3.5}
    return {"color": COLOURS.get(name, "#444444"), "width": 2}


def ordered(measured: dict[str, list]) -> list[tuple[str, list, dict]]:
    """(name, curve, line), ours first, then in the order of NAMES."""
    names = sorted(measured, key=lambda n: (not is_ours(n), [*NAMES].index(n) if n in NAMES else len(NAMES), n))
    return [(n, measured[n], line(n, i)) for i, n in enumerate(names)]


def rate_figure(measured: dict[str, list], others: dict[str, dict], scale, heading: str) -> go.Figure:
    """A metric over the rate. The rates shown are those that ours covers, and a little more."""
    lower_is_better = scale.key == "lpips"
    figure = go.Figure()
    for name, points, style in ordered(measured):
        figure.add_scatter(
            x=[p["bpp"] for p in points],
            y=[p[scale.key] for p in points],
            name=title(name),
            mode="lines+markers",
            line=style,
            marker={"size": 6},
            hovertemplate=f"%{{x:.3f}} bpp, %{{y:.{scale.digits}f}}{scale.unit}",
        )
    for name, entry in others.items():
        figure.add_scatter(
            x=[p["bpp"] for p in entry["points"]],
            y=[p[scale.key] for p in entry["points"]],
            name=f"{entry['label']} (published)",
            mode="lines+markers",
            line={"color": PUBLISHED_COLOURS.get(name, "#444444"), "width": 1.5, "dash": "dash"},
            marker={"size": 4},
            hovertemplate=f"%{{x:.3f}} bpp, %{{y:.{scale.digits}f}}{scale.unit}<br>{published.citation(entry)}",
        )
    right = rightmost(measured)
    within = [
        p[scale.key]
        for points in [*measured.values(), *(e["points"] for e in others.values())]
        for p in points
        if p["bpp"] <= right
    ]
    margin = 0.05 * (max(within) - min(within) or 1)
    figure.update_xaxes(title="rate, bits per pixel", range=[0, right])
    figure.update_yaxes(
        title=f"{scale.label}{', dB' if scale.unit else ''}{' (lower is better)' if lower_is_better else ''}",
        range=[0 if lower_is_better else min(within) - margin, max(within) + margin],
    )
    return dressed(figure, heading)


def plane(measured: dict[str, list], others: dict[str, dict], heading: str) -> go.Figure:
    """LPIPS over PSNR, along every codec's curve; the rates of HiFiC lo, mi and hi are marked where it passes them.

    A marked place is interpolated along the curve, over the logarithm of the rate. Down and right is better.
    """
    figure = go.Figure()
    right = rightmost(measured)
    for name, points, style in ordered(measured):
        shown = [p for p in points if p["bpp"] <= right]
        figure.add_scatter(
            x=[p["psnr"] for p in shown],
            y=[p["lpips"] for p in shown],
            text=[f"{p['bpp']:.3f} bpp" for p in shown],
            name=title(name),
            legendgroup=name,
            mode="lines",
            line=style,
            hovertemplate="%{text}: %{x:.2f} dB, LPIPS %{y:.4f}",
        )
        marked = [(r, *at_rate(points, r)) for r in HIFIC_RATES if at_rate(points, r)]
        if marked:
            figure.add_scatter(
                x=[m[1] for m in marked],
                y=[m[2] for m in marked],
                text=[f"{m[0]:.2f} bpp, interpolated" for m in marked],
                name=title(name),
                legendgroup=name,
                showlegend=False,
                mode="markers",
                marker={"size": 10, "color": style["color"], "symbol": [HIFIC_RATES[m[0]] for m in marked]},
                hovertemplate="%{text}: %{x:.2f} dB, LPIPS %{y:.4f}",
            )
    for name, entry in others.items():
        figure.add_scatter(
            x=[p["psnr"] for p in entry["points"]],
            y=[p["lpips"] for p in entry["points"]],
            text=[f"{p['bpp']:.3f} bpp" for p in entry["points"]],
            name=f"{entry['label']} (published)",
            mode="lines+markers+text",
            textposition="bottom center",
            textfont={"size": 10},
            line={"color": PUBLISHED_COLOURS.get(name, "#444444"), "width": 1.5, "dash": "dash"},
            marker={"size": 6},
            hovertemplate=f"%{{text}}: %{{x:.2f}} dB, LPIPS %{{y:.4f}}<br>{published.citation(entry)}",
        )
    for rate, symbol in HIFIC_RATES.items():
        figure.add_scatter(
            x=[None], y=[None], mode="markers", name=f"at {rate:.2f} bpp",
            marker={"symbol": symbol, "size": 10, "color": "#444444"},
        )  # fmt: skip
    figure.update_xaxes(title="distortion: PSNR, dB (higher is better)")
    figure.update_yaxes(title="perception: LPIPS (lower is better)", rangemode="tozero")
    return dressed(figure, heading)


def at_rate(points: list[dict], rate: float) -> tuple[float, float] | None:
    """(PSNR, LPIPS) of a curve at a rate that it passes, else None."""
    rates = [math.log(p["bpp"]) for p in points]
    if not rates[0] <= math.log(rate) <= rates[-1]:
        return None
    return tuple(float(np.interp(math.log(rate), rates, [p[key] for p in points])) for key in ("psnr", "lpips"))


def dressed(figure: go.Figure, heading: str) -> go.Figure:
    figure.update_layout(
        title={"text": heading, "x": 0.5},
        template="plotly_white",
        width=SIZE[0],
        height=SIZE[1],
        margin={"l": 70, "r": 20, "t": 50, "b": 60},
        legend={"x": 1.01, "y": 1, "font": {"size": 11}},
        font={"family": "sans-serif", "size": 14},
    )
    figure.update_xaxes(showline=True, linecolor="#888888", ticks="outside")
    figure.update_yaxes(showline=True, linecolor="#888888", ticks="outside")
    return figure


def photograph(pages: list[Path]) -> list[Path]:
    """A PNG beside every page, drawn by a headless Chromium at 1.5 device pixels each."""
    from playwright.sync_api import sync_playwright

    pictures = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path(), args=["--no-sandbox", "--disable-gpu"], timeout=300_000
        )
        viewport = {"width": SIZE[0] + 40, "height": SIZE[1] + 40}
        page = browser.new_page(viewport=viewport, device_scale_factor=1.5)
        for path in pages:
            page.goto(path.resolve().as_uri(), timeout=300_000)
            page.locator(".plotly-graph-div .main-svg").first.wait_for(timeout=300_000)
            picture = path.with_suffix(".png")
            page.locator(".plotly-graph-div").screenshot(path=str(picture), timeout=300_000)
            with Image.open(picture) as image:  # few colours: a palette makes it a third of the size
                image.convert("RGB").quantize(128).save(picture, optimize=True)
            pictures.append(picture)
            print(picture, flush=True)
        browser.close()
    return pictures
