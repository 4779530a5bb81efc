"""The tab where the decoder draws what its own prior thinks of, and what lies between two pictures."""

import tempfile
from html import escape
from pathlib import Path

import gradio as gr

from codec import results
from codec.ui import parts

EVERYTHING, SIDE, CHANNELS = MODES = (
    "Everything from the prior",
    "My picture's side information, the rest drawn",
    "Only the dearest channels of my picture",
)
SIZES = {"256×256": (4, 4), "512×512": (8, 8), "768×512": (8, 12)}
SIDES = {"128×128": 128, "256×256": 256, "512×512": 512}


def run(
    mode: str,
    seed: float,
    temperature: float,
    level: float,
    size: str,
    channels: float,
    stream: str | None,
    decoder: str = "mse",
):
    """Decode latents that are drawn, not coded.

    mode: one of the three of the page. seed: any whole number. temperature: 0 (the likeliest) to 1.5. level: 0…255,
    the rate it is drawn at. size: "256×256", "512×512" or "768×512". channels: how many are kept, 1…320. stream: the
    .lic file of a picture, for the second and third mode. decoder: which one draws. Gives the picture (PNG) and a
    sentence.
    """
    for said, shown in drawn(mode, seed, temperature, level, size, channels, stream, [decoder]):
        yield shown[0][0], f"<p data-alt-for='drawn'>{said}</p>"


def run_all(mode: str, seed: float, temperature: float, level: float, size: str, channels: float, stream: str | None):
    """The same latents as of `run`, by every decoder there is. Gives the pictures (PNG), each with its decoder."""
    for _, shown in drawn(mode, seed, temperature, level, size, channels, stream, results.decoders()):
        yield shown


def drawn(mode, seed, temperature, level, size, channels, stream, decoders):
    """Yields (a sentence, [(path of a PNG, its caption), …]), a decoder more each time; the files go with the last."""
    if mode != EVERYTHING:
        parts.need(stream)
    asked = mode, int(seed), temperature, int(level), size, int(channels), stream
    with parts.said_plainly(), tempfile.TemporaryDirectory() as folder:
        # Within a generator, so that the files exist while Gradio copies them.
        yield from parts.where_it_fits(lambda device: pictures(Path(folder), latents(*asked, device), decoders))


def pictures(folder: Path, found: tuple, decoders):
    """The work of `drawn`, with a folder to write to; found: what `latents` gives."""
    from codec.pictures.load import save_png

    codec, symbols, (width, height), said = found
    shown = []
    for decoder in decoders:
        path = folder / f"drawn-{decoder}.png"
        save_png(codec.synthesise(symbols, codec.decoder(decoder), width, height), path)
        shown = [*shown, (str(path), f"by the {decoder} decoder")]
        yield said, shown


def latents(mode, seed: int, temperature: float, level: int, size: str, channels: int, stream, device: str) -> tuple:
    """(codec, symbols, (width, height), a sentence) for `drawn`."""
    from codec import bitstream
    from codec.api import load
    from codec.inside import bits, prior
    from codec.spec import lambda_of

    codec = load(device=device)
    seed = abs(seed) % 2**32
    if mode == EVERYTHING:
        rows, columns = SIZES.get(size, SIZES["256×256"])
        symbols = prior.sample(codec, rows, columns, level, seed, temperature)
        width, height = 64 * columns, 64 * rows
        at = f"at the rate of λ = {lambda_of(level):.2g}"
    else:
        data = Path(stream).read_bytes()
        parsed = bitstream.read(data)
        codec = load(parsed.trunk, device)
        width, height, real = parsed.width, parsed.height, codec.read(parsed)
        if mode == SIDE:
            symbols = prior.sample(codec, *real.z.shape[1:], int(parsed.q_map().flat[0]), seed, temperature, z=real.z)
            at = f"with the picture's own z, {len(parsed.z):,} of its {len(data):,} bytes"
        else:
            symbols, share = prior.keep_channels(codec, real, channels)
            at = f"from {channels} of {real.y_hat.shape[1]} channels, which hold {100 * share:.0f} % of y's bits"
    bits = float(bits.symbol_bits(codec, symbols).sum()) + float(bits.hyper_bits(codec, symbols).sum())
    said = f"{width}×{height}, {at}. As a stream these latents would take about {bits / 8:,.0f} bytes."
    return codec, symbols, (width, height), said


def between(original: str | None, second: str | None, side: str, steps: float, level: float, decoder: str = "mse"):
    """Pictures on the straight line between two latents.

    original, second: two pictures; without the second, one that Gradio ships. side: "128×128", "256×256" or
    "512×512", cut from the middle of both. steps: 3…9 pictures. level: 0…255. decoder: which one draws. Gives the
    strip (PNG), each with its real size in bytes, and a sentence.
    """
    parts.need(original)
    from codec.device import where_it_fits

    with parts.said_plainly(), tempfile.TemporaryDirectory() as folder:
        second = second or gr.get_image("lion.jpg")
        asked = Path(folder), original, second, SIDES.get(side, 256), int(steps), int(level), decoder
        yield where_it_fits(lambda device: strip(*asked, device))


def strip(folder: Path, original: str, second: str, side: int, steps: int, level: int, decoder: str, device: str):
    """The work of `between`, with a folder to write to."""
    from codec import bitstream
    from codec.api import load
    from codec.inside import prior
    from codec.metrics import psnr
    from codec.pictures.load import save_png
    from codec.pictures.sandbox import read_picture

    codec = load(device=device)
    ends = [prior.crop(read_picture(path).rgb, side) for path in (original, second)]
    g_s, shown, sizes, halfway = codec.decoder(decoder), [], [], ""
    for i, symbols in enumerate(prior.interpolate(codec, *ends, level, steps)):
        rgb = codec.synthesise(symbols, g_s, side, side)
        sizes.append(len(bitstream.write(codec.write(symbols, side, side))))
        path = folder / f"between-{i}.png"
        save_png(rgb, path)
        shown.append((str(path), f"{100 * i / (steps - 1):.0f} %: {sizes[-1]:,} bytes"))
        if 2 * i == steps - 1:
            blend = (ends[0].astype("uint16") + ends[1] + 1) // 2
            halfway = f" The one half way is {psnr(blend.astype('uint8'), rgb):.1f} dB from a plain mix of the pixels:"
            halfway += " this latent space is nearly linear, so it mixes pictures, as a slide projector would."
    more = max(sizes[1:-1], default=0) / max(sizes[0], sizes[-1]) - 1
    said = "No picture between them takes more bytes than the dearer end."
    if more > 0:
        said = f"A picture between them takes up to {100 * more:.0f} % more bytes than the dearer end: it holds both."
    return shown, f"<p>{escape(said + halfway)}</p>"


def build(tab: gr.Tab, stream: gr.DownloadButton, original: gr.File) -> None:
    """Lays out the tab inside the current one and connects it; it draws once when it is opened."""
    parts.hint(
        "A codec's entropy model is a model of pictures: it can be asked what it expects. Where it expects little, the "
        "codec has to say much."
    )
    names = list(results.decoders())
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            picture = parts.picture("What was drawn", elem_id="drawn", height=520, buttons=["download", "fullscreen"])
            said = gr.HTML(elem_id="drawn-said", padding=False)
        with gr.Column(scale=1, min_width=280):
            mode = gr.Radio(list(MODES), value=EVERYTHING, label="Draw")
            decoder = gr.Radio(names, value="mse", label="Decoder", visible=len(names) > 1)
            seed = gr.Number(1, label="Seed", precision=0)
            temperature = gr.Slider(0, 1.5, 1.0, step=0.05, label="Temperature")
            level = gr.Slider(0, 255, 120, step=1, label="Rate, 0 the lowest")
            size = gr.Radio(list(SIZES), value="512×512", label="Size")
            channels = gr.Slider(1, 320, 16, step=1, label="Channels kept, the dearest first", visible=False)
            button = gr.Button("Draw", variant="primary", elem_id="draw")
            every = gr.Button("By every decoder", elem_id="draw-all", visible=len(names) > 1)
    label = "The same latents by every decoder"
    gallery = parts.strip("drawn-all", 3, label=label, show_label=None, visible=False, buttons=["fullscreen"])
    inputs = [mode, seed, temperature, level, size, channels, stream, decoder]
    how = {"concurrency_id": "codec", "trigger_mode": "always_last", "show_progress_on": picture}
    quick = {"queue": False, "api_visibility": "private"}
    button.click(run, inputs, [picture, said], api_name="sample", **how)
    every.click(lambda: gr.update(visible=True), None, gallery, **quick).then(
        run_all, inputs[:-1], gallery, api_name="sample_all", concurrency_id="codec"
    )
    events = (mode.change, temperature.release, level.release, size.change, channels.release, seed.submit)
    for event in (*events, decoder.change, tab.select):
        event(run, inputs, [picture, said], api_visibility="private", **how)
    mode.change(
        lambda m: (
            [gr.update(visible=v) for v in (m != CHANNELS, m != CHANNELS, m == EVERYTHING, m == EVERYTHING)]
            + [gr.update(visible=m == CHANNELS)]
        ),
        mode,
        [seed, temperature, level, size, channels],
        **quick,
    )
    build_strip(original, names)


def build_strip(original: gr.File, names: list[str]) -> None:
    """The part of the tab that goes from one picture to another."""
    gr.Markdown("## Between two pictures")
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=280):
            second = gr.File(
                label="The other picture (without one: a lion)", type="filepath", height=130, elem_id="second-picture"
            )
        with gr.Column(scale=2, min_width=280), gr.Row():
            side = gr.Radio(list(SIDES), value="256×256", label="The middle of both")
            decoder = gr.Radio(names, value="mse", label="Decoder", visible=len(names) > 1)
        with gr.Column(scale=1, min_width=280):
            steps = gr.Slider(3, 9, 5, step=1, label="Pictures")
            level = gr.Slider(0, 255, 150, step=1, label="Rate, 0 the lowest")
            button = gr.Button("Draw the strip", variant="primary", elem_id="draw-strip")
    shown = parts.strip("between", 5)
    said = gr.HTML(elem_id="between-said", padding=False)
    steps.change(lambda n: gr.update(columns=int(n)), steps, shown, queue=False, api_visibility="private")
    button.click(
        between,
        [original, second, side, steps, level, decoder],
        [shown, said],
        api_name="between",
        concurrency_id="codec",
        trigger_mode="always_last",
        show_progress_on=shown,
    )
