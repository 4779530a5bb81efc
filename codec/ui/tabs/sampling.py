"""The tab where the decoder shows samples of its own prior, and what lies between two images."""

import gradio as gr

from codec import results
from codec.spec import ANCHORS, quality_index
from codec.ui import jobs
from codec.ui.names import CHANNELS, CROP_SIZES, DECODERS, EVERYTHING, SAMPLE_SIZES, SIDE
from codec.ui.texts import t, written
from codec.ui.widgets import PRIVATE, QUICK, Coded, Door, hint, picture, strip


def sample(mode: str, seed: float, temperature: float, level: float, size: str, channels: float, stream: str | None,
           decoder: str = "mse"):  # fmt: skip
    """Decode latents that are sampled, not coded.

    mode: one of the three of the page. seed: any whole number. temperature: 0 (the likeliest) to 1.5. level: 0…255,
    the rate it is sampled at. size: "256×256", "512×512" or "768×512". channels: how many are kept, 1…320. stream: the
    .lic file of an image, for the second and third mode. decoder: the one to decode by. Gives the image (PNG) and a
    sentence.
    """
    for sentence, gallery in jobs.sampling.run([decoder], mode, seed, temperature, level, size, channels, stream):
        yield gallery[0][0], f"<p data-alt-for='drawn'>{sentence}</p>"


def sample_all(mode: str, seed: float, temperature: float, level: float, size: str, channels: float,
               stream: str | None):  # fmt: skip
    """The same latents as of `sample`, by every decoder there is. Gives the images (PNG), each with its decoder."""
    for _, gallery in jobs.sampling.run(results.decoders(), mode, seed, temperature, level, size, channels, stream):
        yield gallery


def between(original: str | None, second: str | None, side: str, steps: float, level: float, decoder: str = "mse"):
    """Images on the straight line between two latents.

    original, second: two images; without the second, one that Gradio ships. side: "128×128", "256×256" or
    "512×512", cut from the centre of both. steps: 3…9 images. level: 0…255. decoder: the one to decode by. Gives the
    strip (PNG), each with its real size in bytes, and a sentence.
    """
    yield from jobs.sampling.between(original, second, side, steps, level, decoder)


def show_controls(mode: str):
    everything, channels = mode == EVERYTHING, mode == CHANNELS
    return [gr.update(visible=v) for v in (not channels, not channels, everything, everything, channels)]


def decoder_choice() -> gr.Radio:
    names = [(DECODERS.get(name, name), name) for name in results.decoders()]
    return gr.Radio(names, value="mse", label=t("sampling.decoder"), visible=len(names) > 1)


def rate_choice(lmbda: float, **options) -> gr.Dropdown:
    """A choice of λ whose value is a quality index, as the endpoints take it; they take any other, too."""
    choices = [(f"λ = {written(v, 'g')}", quality_index(v)) for v in ANCHORS]
    return gr.Dropdown(
        choices,
        value=quality_index(lmbda),
        label=t("sampling.level"),
        allow_custom_value=True,
        **options,
    )


def build_samples(door: Door, coded: Coded) -> None:
    """Samples of the prior: at first those given the image's own hyper-latent, which look like something."""
    hint(t("sampling.intro"))
    several = len(results.decoders()) > 1
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            drawn = picture(t("sampling.alt"), elem_id="drawn", height=520, buttons=["download", "fullscreen"])
            sentence = gr.HTML(elem_id="drawn-said", padding=False)
        with gr.Column(scale=1, min_width=280):
            labels = {SIDE: t("sampling.side"), EVERYTHING: t("sampling.everything"), CHANNELS: t("sampling.channels")}
            mode = gr.Radio([(label, key) for key, label in labels.items()], value=SIDE, label=t("sampling.mode"))
            decoder = decoder_choice()
            seed = gr.Number(1, label=t("sampling.seed"), precision=0)
            temperature = gr.Slider(0, 1.5, 1.0, step=0.05, label=t("sampling.temperature"))
            level = rate_choice(0.0035, visible=False)
            size = gr.Radio(list(SAMPLE_SIZES), value="512×512", label=t("sampling.size"), visible=False)
            channels = gr.Slider(1, 320, 16, step=1, label=t("sampling.kept"), visible=False)
            button = gr.Button(t("sampling.button"), variant="primary", elem_id="draw")
            every = gr.Button(t("sampling.button_all"), elem_id="draw-all", visible=several)
    gallery = strip("drawn-all", 3, label=t("sampling.all"), show_label=None, visible=False, buttons=["fullscreen"])
    inputs = [mode, seed, temperature, level, size, channels, coded.stream, decoder]
    how = {"concurrency_id": "codec", "trigger_mode": "always_last", "show_progress_on": drawn}
    button.click(sample, inputs, [drawn, sentence], api_name="sample", **how)
    every.click(lambda: gr.update(visible=True), None, gallery, **QUICK).then(
        sample_all, inputs[:-1], gallery, api_name="sample_all", concurrency_id="codec"
    )
    events = (mode.change, temperature.release, level.input, size.change, channels.release, seed.submit)
    for event in (*events, decoder.change, door.opened):
        event(sample, inputs, [drawn, sentence], **PRIVATE, **how)
    mode.change(show_controls, mode, [seed, temperature, level, size, channels], **QUICK)


def build_strip(coded: Coded) -> None:
    """From one image to another."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=280):
            second = gr.File(label=t("sampling.second"), type="filepath", height=130, elem_id="second-picture")
        with gr.Column(scale=2, min_width=280), gr.Row():
            side = gr.Radio(list(CROP_SIZES), value="256×256", label=t("sampling.crop"))
            decoder = decoder_choice()
        with gr.Column(scale=1, min_width=280):
            steps = gr.Slider(3, 9, 5, step=1, label=t("sampling.steps"))
            level = rate_choice(0.0067)
            button = gr.Button(t("sampling.button_between"), variant="primary", elem_id="draw-strip")
    gallery = strip("between", 5)
    sentence = gr.HTML(elem_id="between-said", padding=False)
    steps.change(lambda n: gr.update(columns=int(n)), steps, gallery, **QUICK)
    button.click(
        between,
        [coded.original, second, side, steps, level, decoder],
        [gallery, sentence],
        api_name="between",
        concurrency_id="codec",
        trigger_mode="always_last",
        show_progress_on=gallery,
    )
