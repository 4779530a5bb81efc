"""The tab that shows where the bits of a stream went."""

import tempfile
from html import escape
from pathlib import Path

import gradio as gr

from codec.inside import heatmap
from codec.ui import parts, region

LAMBDAS = (0.0009, 0.0067, 0.0483)
SHARES = ("var(--neutral-500)", "#e35933", "var(--primary-500)")


def run(stream: str | None, original: str | None):
    """Map the bits of a stream. stream: a .lic file; original: the picture it was made from, or nothing.

    Gives the decoded picture beside the map (PNG), the ledger of bytes as HTML, and, where the original is given,
    the maps of the same picture at three λ's (PNG).
    """
    parts.need(stream)
    with parts.said_plainly(), tempfile.TemporaryDirectory() as folder:
        data = Path(stream).read_bytes()
        yield from parts.where_it_fits(lambda device: results(Path(folder), data, original, device))


def results(folder: Path, data: bytes, original: str | None, device: str):
    """The work of `run`, with a folder to write to: first the map of the stream, then those along λ."""
    import numpy as np

    from codec import bitstream
    from codec.api import encode, load
    from codec.inside import bits
    from codec.pictures.load import save_png
    from codec.pictures.sandbox import read_picture

    stream = bitstream.read(data)
    codec = load(stream.trunk, device)
    symbols = codec.read(stream)
    decoded = codec.synthesise(symbols, codec.decoder(stream.decoder), stream.width, stream.height)
    blocks = bits.block_bits(codec, symbols, len(stream.z) + len(stream.y))
    top = float(np.quantile(blocks, 0.995))
    save_png(decoded, folder / "decoded.png")
    save_png(heatmap.over(decoded, blocks, top), folder / "map.png")
    pair = (str(folder / "decoded.png"), str(folder / "map.png"))
    said = ledger(bits.ledger(stream), blocks, top)
    yield pair, said, gr.skip()
    if not original:
        return
    rgb, shown = read_picture(original).rgb, []
    y = codec.analyse(rgb)
    for lmbda in LAMBDAS:
        coded, _ = encode(rgb, lmbda=lmbda, codec=codec, y=y)
        blocks = bits.block_bits(codec, coded.latent, coded.payload_bytes)
        path = folder / f"lambda-{lmbda:g}.png"
        save_png(heatmap.over(rgb, blocks, float(np.quantile(blocks, 0.995))), path)
        shown.append((str(path), f"λ = {lmbda:g}: {len(coded.data):,} bytes, {100 * half_of(blocks):.0f} % hold half"))
    yield pair, said, shown


def half_of(blocks) -> float:
    """The share of blocks that together hold half of the bits, the dearest first."""
    import numpy as np

    total = np.cumsum(np.sort(blocks.ravel())[::-1])
    return float(np.searchsorted(total, total[-1] / 2) + 1) / total.size


def ledger(sizes: dict[str, int], blocks, top: float) -> str:
    """The bytes as a bar, the scale of the map, and a sentence."""
    total = sum(sizes.values())
    bar = "".join(
        f"<span style='flex:{n / total:.5f};background:{color}' title='{escape(name)}: {n:,} bytes'></span>"
        for (name, n), color in zip(sizes.items(), SHARES, strict=True)
    )
    names = " + ".join(
        f"<i class='swatch' style='background:{color}'></i><b>{n:,}</b> {escape(name)}"
        for (name, n), color in zip(sizes.items(), SHARES, strict=True)
    )
    return (
        f"<div class='ledger'>{bar}</div><p>{names} = <b>{total:,}</b> bytes, the whole file.</p>"
        f"<div class='scale' style='background:{heatmap.CSS_GRADIENT}'></div>"
        f"<div class='ends'><span>0</span><span>{top:.0f} bits and more in a block of 16×16</span></div>"
        f"<p data-alt-for='bit-map'>Half of the bits lie in {100 * half_of(blocks):.0f} % of the blocks. The map's "
        f"numbers sum to the payload of the file.</p>"
    )


def build(tab: gr.Tab, stream: gr.DownloadButton, original: gr.File) -> None:
    """Lays out the tab and fills it whenever it is opened, from what the first tab has made."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            pair = parts.pair("The decoded picture and its map", "bit-map")
        with gr.Column(scale=1, min_width=280):
            said = gr.HTML(elem_id="ledger", padding=False)
    parts.hint("The same picture at three prices of distortion, each map on its own scale:")
    along = parts.strip("along-lambda", 3, buttons=None)
    parts.opening(tab)(
        run, [stream, original], [pair, said, along], api_name="bits", concurrency_id="codec", show_progress_on=pair
    )
    region.build(tab, stream, original)
