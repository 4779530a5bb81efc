"""The tab that opens the stream up: the entropy ladder, the channels of the latent, and what damage does."""

import tempfile
from html import escape
from pathlib import Path

import gradio as gr
import numpy as np

from codec.errors import CodecError

CHANNELS = 12


def run(stream: str | None):
    """Look inside a stream (.lic). Gives the entropy ladder as HTML, and channels of the latent as PNG."""
    if not stream:
        raise gr.Error("Compress a picture first, in the tab 'Compare'.", print_exception=False)
    from codec import bitstream, importance
    from codec.api import load
    from codec.images import save_png
    from codec.ladder import ladder

    try:
        parsed = bitstream.read(Path(stream).read_bytes())
        codec = load(parsed.trunk)
        symbols = codec.read(parsed)
        rungs = ladder(symbols, parsed)
        cost = importance.symbol_bits(codec, symbols)[0]
        estimate = (float(cost.sum()) + float(importance.hyper_bits(codec, symbols).sum())) / 8
        y_hat, _ = codec.latent(symbols)
    except CodecError as error:
        raise gr.Error(str(error), duration=None, print_exception=False) from None
    bits = cost.sum((1, 2))
    with tempfile.TemporaryDirectory() as folder:
        shown = []
        for rank, c in enumerate(bits.argsort(descending=True)[:CHANNELS].tolist()):
            path = Path(folder) / f"channel-{rank}.png"
            save_png(gray(y_hat[0, c].numpy()), path)
            share = 100 * float(bits[c] / bits.sum())
            shown.append((str(path), f"{c}: {share:.1f} %"))
        yield bars(rungs, estimate), shown  # a generator, so that the files still exist while Gradio copies them


def gray(values: np.ndarray, size: int = 8) -> np.ndarray:
    """A channel (h, w) as uint8 (8h, 8w, 3), mid-grey being zero."""
    scale = max(float(np.quantile(np.abs(values - np.median(values)), 0.99)), 1e-6)
    levels = np.clip(128 + 110 * (values - np.median(values)) / scale, 0, 255).round().astype(np.uint8)
    return np.repeat(levels.repeat(size, 0).repeat(size, 1)[..., None], 3, axis=2)


def bars(rungs, estimate: float) -> str:
    """The ladder as bars whose lengths are bytes."""
    widest = max(r.total for r in rungs)
    rows = "".join(
        f"<div class='rung'><span class='name'>{escape(r.name)}</span><span class='bar'>"
        f"<i style='width:{100 * r.symbols / widest:.2f}%'></i><i class='table' "
        f"style='width:{100 * r.table / widest:.2f}%'></i></span><span class='number'>{r.total:,}</span></div>"
        f"<div class='remark'>{escape(r.remark)}{f'; {r.table:,} bytes are its table' if r.table else ''}</div>"
        for r in rungs
    )
    return (
        f"<div class='rungs'>{rows}</div><p>The floor is the model's own entropy of these symbols, {estimate:,.0f} "
        "bytes: only a better prediction gets below it, not a better code.</p>"
    )


def damage(stream: str | None, position: float, override: bool):
    """Flip a byte of a stream. position: 0…1 along the file. override: decode in spite of the checksum.

    Gives what the codec says, and, where it is overridden and still decodes, the picture (PNG).
    """
    if not stream:
        raise gr.Error("Compress a picture first, in the tab 'Compare'.", print_exception=False)
    from codec import bitstream
    from codec.api import load
    from codec.images import save_png
    from codec.models.registry import load_decoder

    data = bytearray(Path(stream).read_bytes())
    where = min(int(position * len(data)), len(data) - 1)
    data[where] ^= 0x55
    said = f"<p>Byte {where:,} of {len(data):,} was changed. "
    try:
        bitstream.read(bytes(data))
        refusal = "Nothing noticed it."
    except CodecError as error:
        refusal = str(error)
    said += f"The decoder says: <b>{escape(refusal)}</b></p>"
    if not override:
        yield said, None
        return
    try:
        parsed = bitstream.read(bytes(data), check_crc=False)
        codec = load(parsed.trunk)
        symbols, lost = read_leniently(codec, parsed)
        rgb = codec.synthesise(symbols, load_decoder(parsed.trunk, parsed.decoder), parsed.width, parsed.height)
    except CodecError as error:
        yield said + f"<p>Even without the checksum: <b>{escape(str(error))}</b></p>", None
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.png"
        save_png(rgb, path)
        more = "From the damage on, every symbol is read from the wrong place."
        if lost:
            more = f"{lost} of the five parts of the payload made no sense at all, and were taken as predicted."
        yield f"{said}<p>Decoded all the same. {more}</p>", str(path)


def read_leniently(codec, stream):
    """The symbols of a damaged payload, and how many of its parts (z, four steps of y) did not decode: those are 0."""
    from codec.entropy.coder import Decoder
    from codec.errors import StreamError
    from codec.generative import rebuild
    from codec.pipeline import z_index

    lost = 0

    def get(decoder: Decoder, index: np.ndarray, tables) -> np.ndarray:
        nonlocal lost
        try:
            return decoder.get(index, tables)
        except StreamError:
            lost += 1
            return np.zeros(len(index), np.int32)

    trunk, decoder = codec.trunk, Decoder(stream.y)
    shape = (len(trunk.z_tables), *stream.regions)
    z = get(Decoder(stream.z), z_index(shape), trunk.z_tables).reshape(shape)
    symbols = rebuild(
        codec, z, stream.level_map(), lambda step, index: get(decoder, index.flatten().cpu().numpy(), trunk.y_tables)
    )
    return symbols, lost


def build(tab: gr.Tab, stream: gr.DownloadButton) -> None:
    """Lays out the tab and fills it whenever it is opened."""
    gr.Markdown("### The entropy ladder: the same integers, written four ways")
    rungs = gr.HTML(elem_id="ladder", padding=False)
    gr.Markdown("### The latent: its dearest channels and their share of the bits; one value for each 16×16 pixels")
    channels = gr.Gallery(
        show_label=False, columns=6, height="auto", object_fit="contain", format="png", elem_id="channels", buttons=[]
    )
    gr.Markdown("### Break it")
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=280):
            position = gr.Slider(0, 1, 0.6, step=0.01, label="Where in the file a byte is changed")
            override = gr.Checkbox(True, label="Decode in spite of the checksum")
            button = gr.Button("Change the byte", variant="primary", elem_id="break")
            said = gr.HTML(elem_id="broken-said", padding=False)
        with gr.Column(scale=2, min_width=320):
            broken = gr.Image(
                show_label=False, format="png", type="filepath", interactive=False, elem_id="broken", height=360
            )
    how = {"concurrency_id": "codec", "trigger_mode": "always_last"}
    tab.select(run, stream, [rungs, channels], api_name="inside", **how)
    button.click(damage, [stream, position, override], [said, broken], api_name="damage", **how)
