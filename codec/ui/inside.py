"""The tab that opens the stream up: the entropy ladder, the channels of the latent, and what damage does."""

import tempfile
from dataclasses import replace
from html import escape
from pathlib import Path

import gradio as gr
import numpy as np

from codec.errors import CodecError
from codec.inside import heatmap
from codec.ui import parts
from codec.ui.figures import rungs_html
from codec.ui.rd_plot import on_any_page

CHANNELS = 12
SIZE = 8  # pixels of the square that shows a value of the latent
BYTE, LATENT, CHANNEL = TARGETS = ("A byte of the file", "One value of the latent", "A whole channel of it")


def run(stream: str | None):
    """Look inside a stream (.lic). Gives the entropy ladder as HTML, and channels of the latent as PNG."""
    parts.need(stream)
    from codec.device import where_it_fits

    with parts.said_plainly(), tempfile.TemporaryDirectory() as folder:
        # A generator, so that the files still exist while Gradio copies them.
        yield where_it_fits(lambda device: results(Path(folder), stream, device))


def results(folder: Path, stream: str, device: str):
    """The work of `run`, with a folder to write to."""
    from codec.inside import bits
    from codec.inside.ladder import ladder
    from codec.pictures.load import save_png

    parsed, codec, symbols = read(stream, device)
    cost = bits.symbol_bits(codec, symbols)[0]
    estimate = (float(cost.sum()) + float(bits.hyper_bits(codec, symbols).sum())) / 8
    y_hat = codec.latent(symbols)[0].cpu().numpy()
    bits, shown = cost.sum((1, 2)), []
    for rank, c in enumerate(bits.argsort(descending=True)[:CHANNELS].tolist()):
        path = folder / f"channel-{rank}.png"
        save_png(gray(y_hat[0, c]), path)
        share = 100 * float(bits[c] / bits.sum())
        shown.append((str(path), f"{c}: {share:.1f} %"))
    return bars(ladder(symbols, parsed), estimate), shown


def read(path: str, device: str):
    """(stream, codec, symbols) of a .lic file. Raises CodecError."""
    from codec import bitstream
    from codec.api import load

    stream = bitstream.read(Path(path).read_bytes())
    codec = load(stream.trunk, device)
    return stream, codec, codec.read(stream)


def gray(values: np.ndarray, centre: float | None = None, scale: float | None = None) -> np.ndarray:
    """A channel (h, w) as uint8 (8h, 8w, 3), mid-grey being its median or another centre."""
    centre = np.median(values) if centre is None else centre
    scale = scale or max(float(np.quantile(np.abs(values - centre), 0.99)), 1e-6)
    levels = np.clip(128 + 110 * (values - centre) / scale, 0, 255).round().astype(np.uint8)
    return np.repeat(levels.repeat(SIZE, 0).repeat(SIZE, 1)[..., None], 3, axis=2)


def look(stream: str | None, rank: float):
    """What the model expected of one channel of y. stream: a .lic file. rank: 1 is the dearest channel, 2 the next…

    Gives maps of the latent, its predicted mean and scale, the integers that were coded, and their bits (PNG), and
    the histogram of the integers against the model's probabilities.
    """
    parts.need(stream)
    from codec.device import where_it_fits
    from codec.inside import bits
    from codec.pictures.load import save_png

    with parts.said_plainly():
        parsed, codec, symbols = where_it_fits(lambda device: read(stream, device))
        channel = dearest(bits.symbol_bits(codec, symbols), rank)
        seen = bits.expectation(codec, symbols, channel)
        figure = histogram(*bits.histogram(codec, symbols, channel), channel)
    height, width = -(-parsed.height // 16), -(-parsed.width // 16)  # without what the picture was padded by
    centre, scale = float(np.median(seen.y_hat)), max(float(np.quantile(np.abs(seen.y_hat), 0.99)), 1e-6)
    bits = float(seen.bits.sum())
    pictures = [
        (gray(seen.y_hat, centre, scale), f"y, as it was sent: {seen.y_hat.min():.1f} to {seen.y_hat.max():.1f} steps"),
        (gray(seen.mu, centre, scale), f"μ, what was expected: {seen.mu.min():.1f} to {seen.mu.max():.1f}"),
        (warm(seen.sigma), f"σ, how sure it was: {seen.sigma.min():.2f} to {seen.sigma.max():.2f}"),
        (
            gray(seen.q, 0.0),
            f"y − μ, the integers in the file: {np.abs(seen.q).max():.0f} at most, {zeros(seen.q)} zero",
        ),
        (warm(seen.bits), f"what they cost: {bits / 8:,.0f} bytes, {seen.bits.max():.1f} bits at most"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        shown = []
        for i, (rgb, said) in enumerate(pictures):
            path = Path(folder) / f"channel-{channel}-{i}.png"
            save_png(rgb[: SIZE * height, : SIZE * width], path)
            shown.append((str(path), said))
        yield shown, figure


def dearest(bits, rank: float) -> int:
    """The channel of this rank by bits (1, C, h, w), 1 the dearest."""
    order = bits[0].sum((1, 2)).argsort(descending=True)
    return int(order[min(max(int(rank), 1), len(order)) - 1])


def zeros(q: np.ndarray) -> str:
    return f"{100 * float((q == 0).mean()):.0f} %"


def warm(values: np.ndarray) -> np.ndarray:
    """Values (h, w) from 0 up as uint8 (8h, 8w, 3), in the colours of the map of bits."""
    levels = heatmap.colours(values / max(float(np.quantile(values, 0.995)), 1e-6)).round().astype(np.uint8)
    return levels.repeat(SIZE, 0).repeat(SIZE, 1)


def histogram(values: np.ndarray, seen: np.ndarray, expected: np.ndarray, channel: int):
    """How often each integer was coded, as bars, and how often the model's probabilities say, as a line."""
    import plotly.graph_objects as go

    plot = go.Figure()
    plot.add_bar(x=values, y=seen, name="coded", marker={"color": "#0d9488"})
    plot.add_scatter(
        x=values,
        y=expected,
        name="expected",
        mode="lines+markers",
        line={"color": "#d55e00", "width": 2},
        marker={"symbol": "diamond", "size": 7},
    )
    on_any_page(plot)
    plot.update_layout(
        height=340,
        margin={"l": 60, "r": 10, "t": 10, "b": 45},
        xaxis={"title": {"text": f"integer coded in channel {channel}"}},
        yaxis={"title": {"text": "how often"}, "type": "log", "range": [-1, float(np.log10(seen.max())) + 0.2]},
        legend={"orientation": "h", "y": 1.12},
        modebar={"remove": ["lasso2d", "select2d", "autoScale2d"]},
    )
    return plot


def bars(rungs, estimate: float) -> str:
    """The ladder as bars whose lengths are bytes."""
    return (
        f"{rungs_html(rungs)}<p>The floor is the model's own entropy of these symbols, {estimate:,.0f} "
        "bytes: only a better prediction gets below it, not a better code.</p>"
    )


def beside_2017(stream: str | None, original: str | None):
    """The same picture by the autoencoder of 2017 (cae-2017), whose Huffman code has its table in the file.

    stream: a .lic file; original: the picture it was made of. Gives both files as bars with their PSNR, as HTML.
    """
    parts.need(stream, original)
    from codec.classroom import autoencoder
    from codec.inside.ladder import Rung
    from codec.ui import renditions

    with parts.said_plainly():
        job = renditions.Job(Path(stream).read_bytes(), original)
        key = next(iter(renditions.historical()), next(iter(renditions.HISTORICAL)))
        ours = renditions.rendition(job, renditions.OURS)
        try:
            theirs = renditions.rendition(job, key)
        except CodecError as error:  # the tab does without it
            return f"<p>{escape(str(error))}</p>"
    rung = autoencoder.rung(theirs.data)
    rung = replace(rung, remark=f"{theirs.psnr:.1f} dB; {rung.remark}")
    this = Rung("this codec", ours.size, 0, f"{ours.psnr:.1f} dB; the whole .lic file, its header included")
    return (
        f"{rungs_html([rung, this])}<p>Whole files, on a scale of their own. This is no rung of the ladder above: the "
        "autoencoder has other integers, and its picture another quality, at the one rate it was trained for. "
        f"{escape(renditions.trained(key))}</p>"
    )


def damage(stream: str | None, position: float, override: bool, target: str = BYTE, rank: float = 1):
    """Make something of a stream wrong and decode it.

    target: "A byte of the file", "One value of the latent" or "A whole channel of it". position: 0…1 along the file,
    or, for a value, across the picture from left to right at half its height. override: decode in spite of the
    checksum. rank: of the channel by its bits, 1 the dearest. Gives what the codec says, and, where it still
    decodes, the picture (PNG).
    """
    parts.need(stream)
    with parts.said_plainly():
        if target == BYTE:
            yield from parts.where_it_fits(lambda device: damage_byte(stream, position, override, device))
        else:
            yield from parts.where_it_fits(
                lambda device: damage_latent(stream, position, target == CHANNEL, rank, device)
            )


def damage_latent(stream: str, position: float, whole: bool, rank: float, device: str):
    """A value of the decoded latent pushed far off, or a channel of it lost."""
    from codec.entropy.integer import ONE
    from codec.inside import bits, prior
    from codec.metrics import psnr
    from codec.pictures.load import save_png

    parsed, codec, symbols = read(stream, device)
    g_s = codec.decoder(parsed.decoder)
    bits = bits.symbol_bits(codec, symbols)
    channel = dearest(bits, rank)
    share = 100 * float(bits[0, channel].sum() / bits.sum())
    if whole:
        wrong = prior.spoil(symbols, channel)
        said = f"Channel {channel}, which holds {share:.1f} % of y's bits, was set to 0 everywhere."
    else:
        row, column = (parsed.height // 2) // 16, min(int(position * parsed.width), parsed.width - 1) // 16
        by = 4 * max(float(symbols.y_hat[0, channel].abs().max()) / ONE, 1.0)
        wrong = prior.spoil(symbols, channel, row, column, by)
        said = f"One value of channel {channel}, at 16×16 block {column} from the left, was raised by {by:,.0f} steps."
    before, after = (codec.synthesise(s, g_s, parsed.width, parsed.height) for s in (symbols, wrong))
    touched = 100 * float((before != after).any(2).mean())
    said += f" The picture changes in {touched:.1f} % of its pixels; {psnr(before, after):.1f} dB from what it was."
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.png"
        save_png(after, path)
        yield f"<p data-alt-for='broken'>{escape(said)}</p>", str(path)


def damage_byte(stream: str, position: float, override: bool, device: str):
    """A byte of the file flipped; see `damage`."""
    from codec import bitstream
    from codec.api import load
    from codec.pictures.load import save_png

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
        codec = load(parsed.trunk, device)
        symbols, lost = read_leniently(codec, parsed)
        rgb = codec.synthesise(symbols, codec.decoder(parsed.decoder), parsed.width, parsed.height)
    except CodecError as error:
        yield said + f"<p>Even without the checksum: <b>{escape(str(error))}</b></p>", None
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.png"
        save_png(rgb, path)
        more = "From the damage on, every symbol is read from the wrong place."
        if lost:
            more = f"{lost} of the five parts of the payload made no sense at all, and were taken as predicted."
        yield f"{said}<p data-alt-for='broken'>Decoded all the same. {more}</p>", str(path)


def read_leniently(codec, stream):
    """The symbols of a damaged payload, and how many of its parts (z, four steps of y) did not decode: those are 0."""
    import torch

    from codec.entropy.range_coder import Decoder
    from codec.errors import StreamError
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

    def choose(step: int, mu, index):
        return torch.from_numpy(get(decoder, index.flatten().cpu().numpy(), trunk.y_tables))

    return codec.rebuild(z, stream.q_map(), choose), lost


def build(tab: gr.Tab, stream: gr.DownloadButton, original: gr.File) -> None:
    """Lays out the tab and fills it whenever it is opened."""
    gr.Markdown("## The entropy ladder: the same integers, written four ways")
    rungs = gr.HTML(elem_id="ladder", padding=False)
    gr.Markdown("### Beside it: the same picture by the autoencoder of 2017, in its own integers")
    past = gr.HTML(elem_id="ladder-2017", padding=False)
    gr.Markdown("## The latent: its dearest channels and their share of the bits; one value for each 16×16 pixels")
    channels = parts.strip("channels", 6)
    gr.Markdown("## One channel, and what the model expected of it")
    rank = gr.Slider(1, 60, 1, step=1, label="Channel by its bits, 1 the dearest", elem_id="channel-rank")
    maps = parts.strip("channel-maps", 5)
    plot = gr.Plot(show_label=False, elem_id="channel-histogram")
    parts.hint(
        "Each integer is coded under a bell curve of its own, of width σ round μ. The line adds up what all of them "
        "promised; where the bars follow it, the bits are well spent."
    )
    gr.Markdown("## Break it")
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=280):
            target = gr.Radio(list(TARGETS), value=BYTE, label="What is made wrong", elem_id="break-what")
            position = gr.Slider(0, 1, 0.6, step=0.01, label="Where in the file")
            channel = gr.Slider(1, 60, 1, step=1, label="Channel by its bits, 1 the dearest", visible=False)
            override = gr.Checkbox(True, label="Decode in spite of the checksum")
            button = gr.Button("Break it", variant="primary", elem_id="break")
            said = gr.HTML(elem_id="broken-said", padding=False)
        with gr.Column(scale=2, min_width=320):
            broken = parts.picture("The picture decoded from the broken stream", elem_id="broken", height=360)
    how = {"concurrency_id": "codec", "trigger_mode": "always_last"}
    private = {"api_visibility": "private"}
    opened = parts.opening(tab)(run, stream, [rungs, channels], api_name="inside", **how)
    seen = opened.then(look, [stream, rank], [maps, plot], api_name="channel", concurrency_id="codec")
    seen.success(beside_2017, [stream, original], past, api_name="inside_2017", concurrency_id="codec")
    rank.release(look, [stream, rank], [maps, plot], **private, **how)
    button.click(damage, [stream, position, override, target, channel], [said, broken], api_name="damage", **how)
    target.change(
        lambda t: (
            gr.update(
                visible=t != CHANNEL,
                label="Where in the file" if t == BYTE else "Where from left to right, half way up",
            ),
            gr.update(visible=t == BYTE),
            gr.update(visible=t != BYTE),
        ),
        target,
        [position, override, channel],
        queue=False,
        **private,
    )
