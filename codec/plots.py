"""Figures of rate–distortion results: quality over rate in every metric, and perception over distortion; one palette.

Every figure becomes a page (plotly HTML) and a PNG. The pages take plotly.js from one file beside them: they have to
work without network, and inside each of them it would be 5 MB. The PNGs are screenshots by a headless Chromium.

What was measured is drawn in full lines, what others have published for Kodak dashed, and only beside Kodak.
"""

import math
import shutil
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from PIL import Image
from plotly.offline import get_plotlyjs

from codec.metrics.bd_rate import SCALES
from codec.results import NAMES, citation, is_ours, published, read_json, refinements_of, title, tune_of
from codec.spec import DECODERS, PSNR

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
SIZE = (1000, 560)  # pixels
HIFIC_RATES = {0.14: "circle", 0.30: "square", 0.45: "diamond"}  # bpp, as marked in the perception–distortion plane
OTHER = "#6b7280"
SECOND = "#d55e00"  # of two: what was predicted, beside what was measured
#: For series that are no codecs.
SERIES = ("#0d9488", "#d97706", "#7c3aed", "#db2777", "#2563eb", "#65a30d", "#dc2626", "#0891b2", "#a16207", "#64748b")
#: One colour a codec in every figure, after Okabe and Ito; the decoders' are in `spec`.
COLOURS = {
    "jpeg": "#64748b",
    "webp": "#e69f00",
    "jpeg2000": "#8c564b",
    "avif": "#0072b2",
    "heic": "#cc79a7",
    "jxl": "#999933",
    "cae-2017": "#a16207",
    "rnn-2018": "#0f766e",
    "importance-2018": "#4d7c0f",
    "attention-2021": "#6d28d9",
}
PUBLISHED_COLOURS = {
    "bpg": "#cc79a7",  # x265, as HEIC
    "vtm": "#dc2626",
    "bmshj2018-hyperprior": "#a78bfa",
    "mbt2018-mean": "#8b5cf6",
    "cheng2020-attn": "#5b21b6",
    "elic": "#65a30d",
    "hific": "#f472b6",
}


def colour(codec: str) -> str:
    """Of a codec, or of one of our decoders ("ours:NAME")."""
    if is_ours(codec):
        name = codec.partition(":")[2].partition("@")[0] or "mse"
        return DECODERS[name].colour if name in DECODERS else OTHER
    return COLOURS.get(codec, OTHER)


def dash(codec: str) -> str | None:
    """How the line of a codec is broken: one of ours with refined latents has its colour, but dots."""
    if not (is_ours(codec) and refinements_of(codec)):
        return None
    return "dot" if tune_of(codec) == PSNR else "dashdot"


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
    measured, others = result["curves"], {}
    if result.get("data_set") == "Kodak":
        # JPEG is measured here: the published curve is for `python -m codec.evaluation jpeg`.
        others = {entry["name"]: entry for entry in published() if entry["name"] != "jpeg"}
    count = result.get("pictures_in_means", result["pictures"])
    data = f"{result.get('data_set') or 'means'} ({count} images)"
    drawn = {}
    for metric, scale in SCALES.items():
        has = {n: c for n, c in measured.items() if all(scale.key in p for p in c)}
        if has:
            also = {n: e for n, e in others.items() if all(scale.key in p for p in e["points"])}
            drawn[f"rd-{metric.replace('_', '-')}"] = rate_figure(has, also, scale, f"{scale.label} over rate, {data}")
    has = {n: c for n, c in measured.items() if all("lpips" in p for p in c)}
    if has:
        also = {n: e for n, e in others.items() if all("lpips" in p for p in e["points"])}
        drawn["perception-distortion"] = plane(has, also, f"Perception and distortion, {data}")
    return drawn


def rightmost(measured: dict[str, list]) -> float:
    """The rate, in bpp, up to which curves are shown: what ours covers and a quarter more."""
    ours = [p["bpp"] for name, points in measured.items() if is_ours(name) for p in points]
    return 1.25 * max(ours or [p["bpp"] for points in measured.values() for p in points])


def ordered(measured: dict[str, list]) -> list[tuple[str, list, dict]]:
    """(name, curve, line), ours first and thick, then in the order of NAMES."""
    names = sorted(measured, key=lambda n: (not is_ours(n), [*NAMES].index(n) if n in NAMES else len(NAMES), n))

    def line(name: str) -> dict:
        thick = is_ours(name) and not refinements_of(name)
        return {"color": colour(name), "width": 3.5 if thick else 2, "dash": dash(name)}

    return [(n, measured[n], line(n)) for n in names]


def add_published(figure: go.Figure, others: dict[str, dict], x: str, y: str, hover: str, **style) -> None:
    """The published curves dashed, each with its source."""
    for name, entry in others.items():
        figure.add_scatter(
            x=[p[x] for p in entry["points"]],
            y=[p[y] for p in entry["points"]],
            text=[f"{p['bpp']:.3f} bpp" for p in entry["points"]],
            name=f"{entry['label']} (published)",
            line={"color": PUBLISHED_COLOURS.get(name, OTHER), "width": 1.5, "dash": "dash"},
            hovertemplate=f"{hover}<br>{citation(entry)}",
            **style,
        )


def rate_figure(measured: dict[str, list], others: dict[str, dict], scale, heading: str) -> go.Figure:
    """A metric over the rate. The rates shown are those that ours covers, and a little more."""
    lower_is_better = scale.key == "lpips"
    figure, hover = go.Figure(), f"%{{x:.3f}} bpp, %{{y:.{scale.digits}f}}{scale.unit}"
    for name, points, style in ordered(measured):
        figure.add_scatter(
            x=[p["bpp"] for p in points],
            y=[p[scale.key] for p in points],
            name=title(name),
            mode="lines+markers",
            line=style,
            marker={"size": 6},
            hovertemplate=hover,
        )
    add_published(figure, others, "bpp", scale.key, hover, mode="lines+markers", marker={"size": 4})
    right = rightmost(measured)
    curves = [*measured.values(), *(e["points"] for e in others.values())]
    within = [p[scale.key] for points in curves for p in points if p["bpp"] <= right]
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
    figure, hover = go.Figure(), "%{text}: %{x:.2f} dB, LPIPS %{y:.4f}"
    right = rightmost(measured)

    def add(name: str, points: list[tuple[float, float]], text: list[str], **style) -> None:
        x, y = ([p[i] for p in points] for i in (0, 1))
        names = {"name": title(name), "legendgroup": name}
        figure.add_scatter(x=x, y=y, text=text, hovertemplate=hover, **names, **style)

    for name, points, style in ordered(measured):
        near = [p for p in points if p["bpp"] <= right]
        text = [f"{p['bpp']:.3f} bpp" for p in near]
        add(name, [(p["psnr"], p["lpips"]) for p in near], text, mode="lines", line=style)
        marked = {rate: place for rate in HIFIC_RATES if (place := at_rate(points, rate))}
        if marked:
            marker = {"size": 10, "color": style["color"], "symbol": [HIFIC_RATES[rate] for rate in marked]}
            text = [f"{rate:.2f} bpp, interpolated" for rate in marked]
            add(name, [*marked.values()], text, mode="markers", marker=marker, showlegend=False)
    labels = {"mode": "lines+markers+text", "textposition": "bottom center", "textfont": {"size": 10}}
    add_published(figure, others, "psnr", "lpips", hover, marker={"size": 6}, **labels)
    for rate, symbol in HIFIC_RATES.items():
        marker = {"symbol": symbol, "size": 10, "color": OTHER}
        figure.add_scatter(x=[None], y=[None], mode="markers", name=f"at {rate:.2f} bpp", marker=marker)
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


def browser_path() -> str:
    """The Chromium of this machine. Raises FileNotFoundError where there is none."""
    path = next((p for n in CHROMIUM if (p := shutil.which(n))), None)
    if path is None:
        raise FileNotFoundError("There is no Chromium on this machine.")
    return path


def photograph(pages: list[Path]) -> list[Path]:
    """A PNG beside every page: a screenshot by a headless Chromium at 1.5 device pixels each."""
    from playwright.sync_api import sync_playwright  # of requirements-train.txt

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
