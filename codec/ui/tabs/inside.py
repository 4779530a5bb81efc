"""What opens the stream up: the channels of the latent, the entropy ladder, and what corruption does."""

import gradio as gr

from codec.ui import jobs
from codec.ui.names import BYTE, CHANNEL, TARGETS
from codec.ui.texts import t
from codec.ui.widgets import PRIVATE, QUICK, Coded, Door, hint, picture, slides, strip

HOW = {"concurrency_id": "codec", "trigger_mode": "always_last"}


def inside(stream: str | None):
    """Look inside a stream (.lic). Gives the entropy ladder as HTML, and channels of the latent as PNG."""
    yield from jobs.inside.run(stream)


def ladder(stream: str | None):
    for rungs, _ in jobs.inside.run(stream):
        yield rungs


def channel(stream: str | None, rank: float):
    """What the model expected of one channel of y. stream: a .lic file. rank: of the channel by its bits, 1 the most.

    Gives maps of the latent, its predicted mean and scale, the integers that were coded, and their bits (PNG), and
    the histogram of the integers against the model's probabilities.
    """
    yield from jobs.inside.look(stream, rank)


def inside_2017(stream: str | None, original: str | None):
    """The same image by the autoencoder of 2017 (cae-2017), whose Huffman code has its table in the file.

    stream: a .lic file; original: the image it was made of. Gives both files as bars with their PSNR, as HTML.
    """
    return jobs.inside.beside_2017(stream, original)


def damage(stream: str | None, position: float, override: bool, target: str = BYTE, rank: float = 1):
    """Corrupt a stream and decode it.

    target: "A byte of the file", "One value of the latent" or "A whole channel of it". position: 0…1 along the file,
    or, for a value, across the image from left to right at half its height. override: decode in spite of the
    checksum. rank: of the channel by its bits, 1 the most. Gives what the codec says, and, where it still
    decodes, the image (PNG).
    """
    yield from jobs.damage.run(stream, position, override, target, rank)


def show_controls(target: str):
    where = t("damage.where_file") if target == BYTE else t("damage.where_image")
    position = gr.update(visible=target != CHANNEL, label=where)
    return position, gr.update(visible=target == BYTE), gr.update(visible=target != BYTE)


def build_latents(door: Door, coded: Coded) -> None:
    """The channels of the latent by their bits, then one of them with what the model predicted of it."""
    gr.Markdown(f"## {t('inside.channels')}")
    channels = strip("channels", 6)
    slides("channels", "channels", t("inside.channels"))
    rungs = gr.HTML(visible=False)
    filled = door.opened(inside, coded.stream, [rungs, channels], api_name="inside", **HOW)
    gr.Markdown(f"## {t('inside.one_channel')}")
    rank = gr.Slider(1, 60, 1, step=1, label=t("inside.rank"), elem_id="channel-rank")
    maps = strip("channel-maps", 5)
    slides("channel-maps", "channel", t("inside.one_channel"))
    plot = gr.Plot(show_label=False, elem_id="channel-histogram")
    slides("channel-histogram", "histogram", t("inside.one_channel"))
    hint(t("inside.histogram"))
    inputs, outputs = [coded.stream, rank], [maps, plot]
    filled.then(channel, inputs, outputs, api_name="channel", concurrency_id="codec")
    rank.release(channel, inputs, outputs, **PRIVATE, **HOW)


def build_ladder(door: Door, coded: Coded) -> None:
    """The entropy ladder, and the autoencoder of 2017 beside it."""
    gr.Markdown(f"## {t('inside.ladder')}")
    rungs = gr.HTML(elem_id="ladder", padding=False)
    slides("ladder", "entropy-ladder", t("inside.ladder"))
    gr.Markdown(f"### {t('inside.beside_2017')}")
    past = gr.HTML(elem_id="ladder-2017", padding=False)
    filled = door.opened(ladder, coded.stream, rungs, **HOW, **PRIVATE)
    files = [coded.stream, coded.original]
    filled.success(inside_2017, files, past, api_name="inside_2017", concurrency_id="codec")


def build_damage(coded: Coded) -> None:
    """A stream to corrupt."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=280):
            labels = (t("damage.target_byte"), t("damage.target_value"), t("damage.target_channel"))
            choices = list(zip(labels, TARGETS, strict=True))
            target = gr.Radio(choices, value=BYTE, label=t("damage.target"), elem_id="break-what")
            position = gr.Slider(0, 1, 0.6, step=0.01, label=t("damage.where_file"))
            rank = gr.Slider(1, 60, 1, step=1, label=t("inside.rank"), visible=False)
            override = gr.Checkbox(True, label=t("damage.override"))
            button = gr.Button(t("damage.button"), variant="primary", elem_id="break")
            report = gr.HTML(elem_id="broken-said", padding=False)
        with gr.Column(scale=2, min_width=320):
            broken = picture(t("damage.alt"), elem_id="broken", height=360)
    inputs = [coded.stream, position, override, target, rank]
    button.click(damage, inputs, [report, broken], api_name="damage", **HOW)
    target.change(show_controls, target, [position, override, rank], **QUICK)
