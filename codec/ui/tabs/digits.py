"""The tab of the smallest codec: handwritten digits in a latent of a few numbers."""

import gradio as gr

from codec.ui import jobs
from codec.ui.names import DIGITS_EACH, DIGITS_START
from codec.ui.texts import t
from codec.ui.widgets import Door, hint


def digits(model: str, column: float, dithered: bool, seed: float) -> str:
    """Code ten test digits, one of each kind. model: "l2000-d10", …; column: 0…19, which ten.

    dithered: round with a dither that both sides draw from `seed`. Gives HTML: each digit, what its bytes decode to,
    its bits, its bytes in hexadecimal, and its PSNR.
    """
    return jobs.digits.row(model, column, dithered, seed)


def digit_latent(digit: float, column: float) -> list:
    """The rounded latent of a shipped digit under the model of the sliders. digit: 0…9; column: 0…19."""
    return jobs.digits.start_from(digit, column)


def decode_digit(*y: float) -> str:
    """Decode ten numbers, which need not be whole. Gives the digit as HTML, and how many bits the numbers cost."""
    return jobs.digits.decode(*y)


def sample_digits(model: str, seed: float, temperature: float) -> str:
    """Sample 60 digits of a model's prior. seed: any whole number; temperature: 0 (the likeliest) to 1.5. HTML."""
    return jobs.digits.sample(model, seed, temperature)


def redraw(model: str):
    return jobs.digits.redraw(model)


def opened(model: str, column: float, dithered: bool, seed: float, draw_seed: float, temperature: float, *y: float):
    return jobs.digits.opened(model, column, dithered, seed, draw_seed, temperature, *y)


def build(door: Door) -> None:
    """Lays out the tab; nothing is loaded before it is opened."""
    hint(t("digits.intro"))
    with gr.Row():
        wide = {"scale": 2, "min_width": 200}
        start = [(t("digits.model_label", value=2000, count=10), DIGITS_START)]
        model = gr.Dropdown(start, value=DIGITS_START, label=t("digits.model"), **wide)
        column = gr.Slider(0, DIGITS_EACH - 1, 0, step=1, label=t("digits.column"), **wide)
        dithered = gr.Checkbox(False, label=t("digits.dithered"), elem_id="dithered", **wide)
        seed = gr.Number(1, label=t("digits.seed_of_noise"), precision=0, scale=1, min_width=120)
    strip = gr.HTML(elem_id="digit-row", padding=False)
    gr.Markdown(f"### {t('digits.before_and_after')}")
    table = gr.HTML(elem_id="digit-pair", padding=False)
    gr.Markdown(f"### {t('digits.rate_distortion')}")
    rate_plot = gr.Plot(show_label=False, elem_id="digit-curves")
    cost = hint("")
    gr.Markdown(f"### {t('digits.edit')}")
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=220):
            digit_html = gr.HTML(elem_id="one-digit", padding=False)
        with gr.Column(scale=3, min_width=320):
            sliders = []
            for start in (0, 5):
                with gr.Row():
                    for k in range(start, start + 5):
                        sliders.append(gr.Slider(-20, 20, 0, step=0.25, label=f"y{k}", min_width=110, buttons=[]))
            with gr.Row():
                digit = gr.Slider(0, 9, 3, step=1, label=t("digits.start_from"), scale=3, min_width=160)
                take = gr.Button(t("digits.load"), elem_id="take-digit", scale=1, min_width=100)
    gr.Markdown(f"### {t('digits.prior')}")
    hint(t("digits.prior_hint"))
    with gr.Row():
        with gr.Column(min_width=320):
            reported_plot = gr.Plot(label=t("digits.prior_reported"), elem_id="prior-reported")
        with gr.Column(min_width=320):
            learned_plot = gr.Plot(label=t("digits.prior_learned"), elem_id="prior-learned")
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            sheet = gr.HTML(elem_id="prior-digits", padding=False)
        with gr.Column(scale=1, min_width=220):
            draw_seed = gr.Number(1, label=t("sampling.seed"), precision=0)
            temperature = gr.Slider(0, 1.5, 1.0, step=0.05, label=t("sampling.temperature"))
            draw = gr.Button(t("sampling.button"), elem_id="draw-digits")
    gr.Markdown(f"### {t('digits.map')}")
    hint(t("digits.map_hint"))
    map_plot = gr.Plot(show_label=False, elem_id="digit-plane")
    hint(t("digits.credit"))

    how = {"concurrency_id": "classroom", "concurrency_limit": 2, "trigger_mode": "always_last"}
    private = how | {"api_visibility": "private", "show_progress": "hidden"}
    plots = [rate_plot, cost, reported_plot, learned_plot, map_plot]
    row, prior = [model, column, dithered, seed], [model, draw_seed, temperature]
    controls = [*row, draw_seed, temperature, *sliders]
    door.opened(opened, controls, [model, strip, *sliders, digit_html, sheet, table, *plots], **private)
    model.change(digits, row, strip, api_name="digits", **how)
    model.change(redraw, model, learned_plot, **private)
    for event in (column.release, dithered.change, seed.submit):
        event(digits, row, strip, **private)
    take.click(digit_latent, [digit, column], sliders, api_name="digit_latent", **how).then(
        decode_digit, sliders, digit_html, api_name="decode_digit", **how
    )
    for slider in sliders:
        slider.input(decode_digit, sliders, digit_html, **private)
    draw.click(sample_digits, prior, sheet, api_name="sample_digits", **how)
    for event in (temperature.release, draw_seed.submit, model.change):
        event(sample_digits, prior, sheet, **private)
