"""The tab of the smallest codec: handwritten digits in a latent of a few numbers."""

from html import escape

import gradio as gr

from codec import results
from codec.ui import parts
from codec.ui.digit_plots import UNTRAINED, curves, data_uri, learned_priors, plane, reported_priors
from codec.ui.figures import plain_table

RESULTS = "classroom-mnist"  # of results/
START = "l2000-d10"
SLIDERS = 10
COLUMNS = 20  # shipped digits of each class
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
    rows = [("untrained, as reported", f"{said['distortion']:.3f}", f"{said['bits']:.1f}", "–", "–", "–")]
    for name, title in ((UNTRAINED, "untrained, measured"), (START, "trained, measured")):
        p = points[name]
        noisy, rounded, dithered = p["in_training"], p["rounded"], p["dithered"]
        cells = (f"{noisy['distortion']:.3f}", f"{noisy['bits']:.1f}", f"{rounded['bits_real']:.1f}")
        rows.append((title, *cells, f"{dithered['bits_real']:.1f}", f"{rounded['psnr']:.1f}"))
    heads = ("λ = 2000, 10 numbers", "error", "bits, estimated", "bits, real", "dithered", "dB")
    trained = found["trained"][START]
    return (
        f"{plain_table(heads, rows)}<p>The error is the mean absolute one of pixels in 0…1. It and the estimated "
        f"bits are taken as in training, with noise instead of rounding, on {points[START]['digits']:,} test digits. "
        "The real bits are those of whole bytes, rounded plainly (so is what the dB are of) and dithered. Ours was "
        f"trained for {trained['epochs']:g} epochs in the small form that is shipped, after {trained['start']}.</p>"
    )


def costs(found: dict) -> str:
    """R + λ·D of every size of the latent at λ = 2000, in a sentence."""
    line = [p for p in found.get("points", []) if p["lambda"] == 2000 and p["name"] != UNTRAINED]
    if not line:
        return ""
    cost = {p["d"]: p["rounded"]["bits_estimated"] + 2000 * p["rounded"]["distortion"] for p in line}
    said = ", ".join(f"{cost[d]:.0f} with {d}" for d in sorted(cost))
    return (
        f"R + λ·D, the sum that training makes small, is {said} numbers at λ = 2000: least with "
        f"{min(cost, key=cost.get)}. A larger latent can do all that a smaller one can, but in so short a training it "
        "does not learn to leave numbers out. Dithered means that both sides add the same noise, as in training."
    )


@parts.said_plainly()
def redraw(model: str):
    return learned_priors(model)


@parts.said_plainly()
def opened(model: str, column: float, dithered: bool, seed: float, draw_seed: float, temperature: float, *y: float):
    """What the tab shows when it is opened, as its controls stand: the models, ten digits, one digit, a sheet, the
    table and the plots."""
    found, latent = results.read(RESULTS), y if any(y) else start_from(3, 0)
    return (
        gr.update(choices=choices()),
        row(model, column, dithered, seed),
        *latent,
        decode(*latent),
        sample(model, draw_seed, temperature),
        pair(found),
        curves(found),
        costs(found),
        reported_priors(),
        learned_priors(model),
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
    cost = parts.hint("")
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
    parts.hint(
        "Each number has a logistic prior of its own scale, widened by the noise of rounding: at a whole number, the "
        "height of its curve is the probability that the range coder reckons with. On the left ten scales from 0.01 "
        "to 2, as the report illustrates it; on the right those that the model above learned. Below, digits that are "
        "drawn from it."
    )
    with gr.Row():
        with gr.Column(min_width=320):
            reported_plot = gr.Plot(label="Ten scales, as the report draws them", elem_id="prior-reported")
        with gr.Column(min_width=320):
            learned_plot = gr.Plot(label="The scales that the model learned", elem_id="prior-learned")
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
    plots = [rate_plot, cost, reported_plot, learned_plot, map_plot]
    controls = [model, column, dithered, seed, draw_seed, temperature, *sliders]
    tab.select(opened, controls, [model, strip, *sliders, shown, sheet, table, *plots], **private)
    model.change(row, [model, column, dithered, seed], strip, api_name="digits", **how)
    model.change(redraw, model, learned_plot, **private)
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
