"""The tab where the decoder draws what its own prior thinks of."""

import tempfile
from pathlib import Path

import gradio as gr

from codec.errors import CodecError

EVERYTHING, SIDE, CHANNELS = MODES = (
    "Everything from the prior",
    "My picture's side information, the rest drawn",
    "Only the dearest channels of my picture",
)
SIZES = {"256×256": (4, 4), "512×512": (8, 8), "768×512": (8, 12)}


def run(mode: str, seed: float, temperature: float, level: float, size: str, channels: float, stream: str | None):
    """Decode latents that are drawn, not coded.

    mode: one of the three of the page. seed: any whole number. temperature: 0 (the likeliest) to 1.5. level: 0…255,
    the rate it is drawn at. size: "256×256", "512×512" or "768×512". channels: how many are kept, 1…320. stream: the
    .lic file of a picture, for the second and third mode. Gives the picture (PNG) and a sentence.
    """
    if mode != EVERYTHING and not stream:
        raise gr.Error("Compress a picture first, in the tab 'Compare'.", print_exception=False)
    try:
        rgb, said = picture(mode, int(seed), temperature, int(level), size, int(channels), stream)
    except CodecError as error:
        raise gr.Error(str(error), duration=None, print_exception=False) from None
    from codec.images import save_png

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "drawn.png"
        save_png(rgb, path)
        yield str(path), said  # a generator, so that the file still exists while Gradio copies it


def picture(mode: str, seed: int, temperature: float, level: int, size: str, channels: int, stream: str | None):
    """(uint8 (H, W, 3), a sentence) for `run`."""
    from codec import bitstream, generative, importance
    from codec.api import load
    from codec.models.registry import load_decoder
    from codec.rate import lambda_of_byte

    codec = load()
    seed = abs(seed) % 2**32
    if mode == EVERYTHING:
        rows, columns = SIZES.get(size, SIZES["256×256"])
        symbols = generative.sample(codec, rows, columns, level, seed, temperature)
        width, height = 64 * columns, 64 * rows
        at = f"at the rate of λ = {lambda_of_byte(level):.2g}"
    else:
        data = Path(stream).read_bytes()
        parsed = bitstream.read(data)
        codec = load(parsed.trunk)
        width, height, real = parsed.width, parsed.height, codec.read(parsed)
        if mode == SIDE:
            symbols = generative.sample(
                codec, *real.z.shape[1:], int(parsed.level_map().flat[0]), seed, temperature, z=real.z
            )
            at = f"with the picture's own z, {len(parsed.z):,} of its {len(data):,} bytes"
        else:
            symbols, share = generative.keep_channels(codec, real, channels)
            at = f"from {channels} of {real.y_hat.shape[1]} channels, which hold {100 * share:.0f} % of y's bits"
    bits = float(importance.symbol_bits(codec, symbols).sum()) + float(importance.hyper_bits(codec, symbols).sum())
    rgb = codec.synthesise(symbols, load_decoder(codec.trunk.id), width, height)
    return rgb, f"<p>{width}×{height}, {at}. As a stream these latents would take about {bits / 8:,.0f} bytes.</p>"


def build(stream: gr.DownloadButton) -> None:
    """Lays out the tab inside the current one and connects it."""
    gr.HTML(
        "A codec's entropy model is a model of pictures: it can be asked what it expects. Where it expects little, the "
        "codec has to say much.",
        elem_classes="hint",
    )
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            drawn = gr.Image(
                show_label=False,
                format="png",
                type="filepath",
                interactive=False,
                elem_id="drawn",
                height=520,
                buttons=["download", "fullscreen"],
            )
            said = gr.HTML(elem_id="drawn-said", padding=False)
        with gr.Column(scale=1, min_width=280):
            mode = gr.Radio(list(MODES), value=EVERYTHING, label="Draw")
            seed = gr.Number(1, label="Seed", precision=0)
            temperature = gr.Slider(0, 1.5, 1.0, step=0.05, label="Temperature")
            level = gr.Slider(0, 255, 120, step=1, label="Rate, 0 the lowest")
            size = gr.Radio(list(SIZES), value="512×512", label="Size")
            channels = gr.Slider(1, 320, 16, step=1, label="Channels kept", visible=False)
            button = gr.Button("Draw", variant="primary", elem_id="draw")
    inputs = [mode, seed, temperature, level, size, channels, stream]
    how = {"concurrency_id": "codec", "trigger_mode": "always_last"}
    button.click(run, inputs, [drawn, said], api_name="sample", **how)
    for event in (mode.change, temperature.release, level.release, size.change, channels.release, seed.submit):
        event(run, inputs, [drawn, said], api_visibility="private", **how)
    mode.change(
        lambda m: (
            [gr.update(visible=v) for v in (m != CHANNELS, m != CHANNELS, m == EVERYTHING, m == EVERYTHING)]
            + [gr.update(visible=m == CHANNELS)]
        ),
        mode,
        [seed, temperature, level, size, channels],
        queue=False,
        api_visibility="private",
    )
