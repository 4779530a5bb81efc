"""The tab of the smallest codec: handwritten digits in a latent of a few numbers."""

import base64
from html import escape

import gradio as gr

from codec import results
from codec.ui import parts
from codec.ui.figures import plain_table
from codec.ui.rd_plot import on_any_page

RESULTS = "classroom-mnist"  # of results/
START, PLANE, UNTRAINED = "l2000-d10", "l2000-d2", "untrained"
SLIDERS = 10
COLUMNS = 20  # shipped digits of each class
COLOURS = ("#0d9488", "#d97706", "#7c3aed", "#db2777", "#2563eb", "#65a30d", "#dc2626", "#0891b2", "#a16207", "#475569")
CSS = """
.digits { display: grid; grid-template-columns: repeat(10, 1fr); gap: 0.5rem; }
.digits figure { margin: 0; min-width: 0; text-align: center; }
.digits img { width: 100%; height: auto; image-rendering: pixelated; display: block; margin: 0 0 2px; }
.digits figcaption { font-size: 0.8rem; line-height: 1.35; overflow-wrap: anywhere; }
.digits code { font-size: 0.75rem; padding: 0; }
#one-digit img, #prior-digits img { image-rendering: pixelated; width: 100%; height: auto; margin: 0; }
#one-digit img { max-width: 280px; }
@media (max-width: 640px) {
  .digits { grid-template-columns: repeat(5, 1fr); }
}
"""


def label(found: dict) -> str:
    return f"λ = {found['lambda']:g}, {found['d']} numbers"


def choices() -> list[tuple[str, str]]:
    """The models as the menu shows them: (label, name). Reads the manifest only, no weights."""
    from codec.classroom import store

    known = sorted(store.manifest()["mnist"].items(), key=lambda e: (e[1]["d"] != 10, e[1]["d"], e[1]["lambda"]))
    return [(label(found), name) for name, found in known] + [("untrained, 10 numbers", UNTRAINED)]


def data_uri(pixels) -> str:
    """uint8 (h, w) as a PNG inside a URL: lossless, and nothing to fetch."""
    from codec.images import png_bytes

    return "data:image/png;base64," + base64.b64encode(png_bytes(pixels[..., None].repeat(3, 2))).decode()


def image(pixels, alt: str) -> str:
    """uint8 (h, w) as an <img>."""
    return f"<img src='{data_uri(pixels)}' alt='{escape(alt)}'>"


@parts.said_plainly()
def row(model: str, column: float, dithered: bool, seed: float) -> str:
    """Code ten test digits, one of each kind. model: "l2000-d10", …; column: 0…19, which ten.

    dithered: round with a dither that both sides draw from `seed`. Gives HTML: each digit, what its bytes decode to,
    its bits, its bytes in hexadecimal, and its PSNR.
    """
    from codec.classroom import digits, store
    from codec.metrics import psnr

    codec = digits.load(model)
    x = store.shipped_digits().reshape(10, COLUMNS, 28, 28)[:, int(column) % COLUMNS]
    shared = abs(int(seed or 0)) if dithered else None
    cells, y, total = [], codec.analyse(x), 0
    for k in range(10):
        text = codec.compress(y[k], shared, k)
        y_hat = codec.decompress(text, shared, k)
        x_hat = codec.synthesise(y_hat[None])[0]
        content = codec.estimate(codec.quantise(y[k], shared, k), shared, k)
        total += len(text)
        cells.append(
            f"<figure>{image(x[k], f'the digit {k}')}{image(x_hat, f'the digit {k}, decoded')}<figcaption>"
            f"<b>{8 * len(text)} bits</b><br>of {content:.1f}<br><code>{text.hex(' ') or '(none)'}</code><br>"
            f"{psnr(x[k], x_hat):.1f} dB</figcaption></figure>"
        )
    return (
        f"<div class='digits'>{''.join(cells)}</div><p>{total} bytes for ten digits, which as pixels are "
        f"{x.size:,}. The second number of each is its information content under the prior; a file has whole bytes, so "
        "it mostly takes a few bits more.</p>"
    )


@parts.said_plainly()
def start_from(digit: float, column: float) -> list:
    """The rounded latent of a shipped digit under the model of the sliders. digit: 0…9; column: 0…19."""
    from codec.classroom import digits, store

    codec = digits.load(START)
    x = store.shipped_digits().reshape(10, COLUMNS, 28, 28)[int(digit) % 10, int(column) % COLUMNS]
    return [float(v) for v in codec.quantise(codec.analyse(x[None])[0])]


@parts.said_plainly()
def decode(*y: float) -> str:
    """Decode ten numbers, which need not be whole. Gives the digit as HTML, and what the numbers would cost."""
    import numpy as np

    from codec.classroom import digits

    codec, values = digits.load(START), np.clip(np.array([v or 0 for v in y], float), -60, 60)
    pixels = codec.synthesise(values[None])[0]
    cost = codec.estimate(np.round(values).astype(int))
    return f"{image(pixels, 'what the ten numbers decode to')}<p>Rounded, these cost {cost:.1f} bits.</p>"


@parts.said_plainly()
def sample(model: str, seed: float, temperature: float) -> str:
    """Draw 60 digits from a model's prior. seed: any whole number; temperature: 0 (the likeliest) to 1.5. HTML."""
    import numpy as np

    from codec.classroom import digits

    codec = digits.load(model)
    x_hat = codec.synthesise(codec.sample(60, abs(int(seed or 0)), float(temperature)))
    sheet = np.pad(x_hat, [(0, 0), (1, 1), (1, 1)], constant_values=40).reshape(5, 12, 30, 30)
    return image(sheet.swapaxes(1, 2).reshape(150, 360), "digits drawn from the prior")


def pair(found: dict) -> str:
    """The report's untrained pair, ours, and the trained codec at the same λ and d, as HTML."""
    points = {p["name"]: p for p in found.get("points", [])}
    if UNTRAINED not in points or START not in points:
        return "<p>The measurements are not at hand; `python -m codec.classroom mnist-results` makes them.</p>"
    said = found["report"]["untrained"]
    rows = [("untrained, as reported", f"{said['distortion']:.3f}", f"{said['bits']:.1f}", "–", "–")]
    for name, title in ((UNTRAINED, "untrained, measured"), (START, "trained, measured")):
        p = points[name]
        noisy, rounded = p["in_training"], p["rounded"]
        cells = (f"{noisy['distortion']:.3f}", f"{noisy['bits']:.1f}", f"{rounded['bits_real']:.1f}")
        rows.append((title, *cells, f"{rounded['psnr']:.1f}"))
    heads = ("λ = 2000, 10 numbers", "distortion", "bits, estimated", "bits in bytes", "PSNR, dB")
    trained = found["trained"][START]
    return (
        f"{plain_table(heads, rows)}<p>Distortion is the mean absolute error of pixels in 0…1. It and the estimated "
        f"bits are taken as in training, with noise instead of rounding, on {points[START]['digits']:,} test digits. "
        f"Ours was trained for {trained['epochs']:g} epochs in the small form that is shipped, after "
        f"{trained['start']}.</p>"
    )


def curves(found: dict):
    """Distortion over bits, along λ and along d, as a plotly figure."""
    import plotly.graph_objects as go

    plot = go.Figure()
    points = [p for p in found.get("points", []) if p["name"] != UNTRAINED]
    lines = (
        ("along λ, 10 numbers", [p for p in points if p["d"] == 10], "lambda", COLOURS[0]),
        ("along the size of the latent, λ = 2000", [p for p in points if p["lambda"] == 2000], "d", COLOURS[1]),
    )
    for title, line, key, colour in lines:
        line = sorted(line, key=lambda p: p["rounded"]["bits_estimated"])
        plot.add_scatter(
            x=[p["rounded"]["bits_estimated"] for p in line],
            y=[p["rounded"]["distortion"] for p in line],
            text=[f"{'λ' if key == 'lambda' else 'd'} = {p[key]:g}" for p in line],
            customdata=[(p["rounded"]["bits_real"], p["rounded"]["psnr"]) for p in line],
            name=title,
            mode="lines+markers+text",
            textposition="bottom left" if key == "lambda" else "top right",
            line={"color": colour},
            hovertemplate="%{text}<br>%{x:.1f} bits of information<br>%{customdata[0]:.1f} bits in whole bytes<br>"
            "distortion %{y:.4f}, %{customdata[1]:.1f} dB",
        )
    on_any_page(plot)
    plot.update_layout(
        height=420,
        margin={"l": 60, "r": 20, "t": 10, "b": 50},
        xaxis={"title": {"text": "bits per digit"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "mean absolute error"}},
        legend={"orientation": "h", "y": 1.1},
    )
    return plot


def plane(found: dict):
    """The latent of two numbers as a map: what each place decodes to, and where the test digits fall."""
    import numpy as np
    import plotly.graph_objects as go

    from codec.classroom import digits

    plot, seen = go.Figure(), found.get("plane") or {}
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
            marker={"color": COLOURS[k], "size": 6},
            hoverinfo="name",
        )
    on_any_page(plot)
    plot.update_layout(
        height=560,
        margin={"l": 40, "r": 10, "t": 10, "b": 40},
        xaxis={"range": [low[0], high[0]], "showgrid": False, "zeroline": False, "title": {"text": "first number"}},
        yaxis={"range": [low[1], high[1]], "showgrid": False, "zeroline": False, "title": {"text": "second number"}},
        legend={"orientation": "h", "y": 1.08},
    )
    return plot


@parts.said_plainly()
def opened(model: str, column: float, dithered: bool, seed: float, draw_seed: float, temperature: float, *y: float):
    """What the tab shows when it is opened, as its controls stand: the models, ten digits, one digit, a sheet, the
    table and both plots."""
    found, latent = results.read(RESULTS), y if any(y) else start_from(3, 0)
    return (
        gr.update(choices=choices()),
        row(model, column, dithered, seed),
        *latent,
        decode(*latent),
        sample(model, draw_seed, temperature),
        pair(found),
        curves(found),
        plane(found),
    )


def build(tab: gr.Tab) -> None:
    """Lays out the tab; nothing is loaded before it is opened."""
    parts.hint(
        "The smallest codec that has everything: two convolutions and two dense layers turn a digit of 784 pixels into "
        "ten numbers; these are rounded, and written with a range coder under a logistic prior that was learned with "
        "them. λ is the price of distortion against bits."
    )
    with gr.Row():
        model = gr.Dropdown([("λ = 2000, 10 numbers", START)], value=START, label="Model", scale=2, min_width=200)
        column = gr.Slider(0, COLUMNS - 1, 0, step=1, label="Which ten digits", scale=2, min_width=200)
        dithered = gr.Checkbox(False, label="Dithered: both sides add the same noise", scale=2, min_width=200)
        seed = gr.Number(1, label="Seed of the noise", precision=0, scale=1, min_width=120)
    strip = gr.HTML(elem_id="digit-row", padding=False)
    gr.Markdown("### Before and after training")
    table = gr.HTML(elem_id="digit-pair", padding=False)
    gr.Markdown("### What a bit buys: distortion over rate")
    rate_plot = gr.Plot(show_label=False, elem_id="digit-curves")
    gr.Markdown("### The ten numbers, in your hands")
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=220):
            shown = gr.HTML(elem_id="one-digit", padding=False)
        with gr.Column(scale=3, min_width=320):
            sliders = []
            for start in (0, 5):
                with gr.Row():
                    for k in range(start, start + 5):
                        sliders.append(gr.Slider(-20, 20, 0, step=0.25, label=f"y{k}", min_width=110, buttons=[]))
            with gr.Row():
                digit = gr.Slider(0, 9, 3, step=1, label="Start from the digit", scale=3, min_width=160)
                take = gr.Button("Take it", elem_id="take-digit", scale=1, min_width=100)
    gr.Markdown("### What the prior thinks a digit is")
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            sheet = gr.HTML(elem_id="prior-digits", padding=False)
        with gr.Column(scale=1, min_width=220):
            draw_seed = gr.Number(1, label="Seed", precision=0)
            temperature = gr.Slider(0, 1.5, 1.0, step=0.05, label="Temperature")
            draw = gr.Button("Draw", elem_id="draw-digits")
    gr.Markdown("### A latent of two numbers is a map")
    parts.hint(
        "With two numbers the whole latent can be seen. Each small picture is what its place decodes to; each dot is "
        "a test digit where the encoder puts it, before rounding."
    )
    map_plot = gr.Plot(show_label=False, elem_id="digit-plane")
    parts.hint(
        "Digits: MNIST (LeCun, Cortes, Burges), CC BY-SA 3.0. The codec is that of P. G. Basile's report (2024) after "
        "a tutorial of TensorFlow Compression."
    )
    how = {"concurrency_id": "classroom", "concurrency_limit": 2, "trigger_mode": "always_last"}
    private = how | {"api_visibility": "private", "show_progress": "hidden"}
    controls = [model, column, dithered, seed, draw_seed, temperature, *sliders]
    tab.select(opened, controls, [model, strip, *sliders, shown, sheet, table, rate_plot, map_plot], **private)
    model.change(row, [model, column, dithered, seed], strip, api_name="digits", **how)
    for event in (column.release, dithered.change, seed.submit):
        event(row, [model, column, dithered, seed], strip, **private)
    for slider in sliders:
        slider.input(decode, sliders, shown, **private)
    take.click(start_from, [digit, column], sliders, api_name="digit_latent", **how).then(
        decode, sliders, shown, api_name="decode_digit", **how
    )
    draw.click(sample, [model, draw_seed, temperature], sheet, api_name="sample_digits", **how)
    for event in (temperature.release, draw_seed.submit, model.change):
        event(sample, [model, draw_seed, temperature], sheet, **private)
