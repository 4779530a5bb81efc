"""Where the bits of a stream went."""

from html import escape
from pathlib import Path

import gradio as gr
import numpy as np

from codec import api
from codec.inside import bits, heatmap
from codec.pictures.sandbox import read_picture
from codec.ui.jobs import common
from codec.ui.jobs.gpu import each_where_it_fits
from codec.ui.names import LAMBDAS
from codec.ui.texts import t, written

SHARES = ("var(--neutral-500)", "#e35933", "var(--primary-500)", "#6d5ff5")


def run(stream: str | None, original: str | None):
    """Yields the map of a stream and its ledger, then the maps along λ: see `tabs.bits.bits`."""
    common.need(stream)
    with common.workplace() as folder:
        data = Path(stream).read_bytes()
        yield from each_where_it_fits(lambda device: results(folder, data, original, device))


def results(folder: Path, data: bytes, original: str | None, device: str):
    """The work of `run`, with a folder to write to: first the map of the stream, then those along λ."""
    stream, codec, symbols = common.read(data, device)
    decoded = codec.synthesise(symbols, codec.decoder(stream.decoder), stream.width, stream.height)
    blocks = bits.block_bits(codec, symbols, len(stream.z) + len(stream.y))
    top = float(np.quantile(blocks, 0.995))
    half = t("bits.half", percent=100 * half_of(blocks))
    pictures = (t("bits.decoded"), "", decoded), (t("bits.map"), half, heatmap.over(decoded, blocks, top))
    pair = common.side_by_side(folder, decoded, *pictures)
    sums = ledger(bits.ledger(stream), top, half)
    yield pair, sums, gr.skip()
    if not original:
        return
    rgb, along = read_picture(original).rgb, []
    y = codec.analyse(rgb)
    for lmbda in LAMBDAS:
        coded, _ = api.encode(rgb, lmbda=lmbda, codec=codec, y=y)
        blocks = bits.block_bits(codec, coded.latent, bits.payload_bytes(coded.stream))
        over = heatmap.over(rgb, blocks, float(np.quantile(blocks, 0.995)))
        caption = t("bits.along", value=lmbda, size=len(coded.data), percent=100 * half_of(blocks))
        along.append((common.saved(folder / f"lambda-{lmbda:g}.png", over), caption))
    yield pair, sums, along


def half_of(blocks: np.ndarray) -> float:
    """The share of blocks that together hold half of the bits, those with the most bits first."""
    total = np.cumsum(np.sort(blocks.ravel())[::-1])
    return float(np.searchsorted(total, total[-1] / 2) + 1) / total.size


def ledger(sizes: dict[str, int], top: float, half: str) -> str:
    """The bytes as a bar, the scale of the map, and a sentence."""
    total = sum(sizes.values())
    bar = names = ""
    for (part, size), color in zip(sizes.items(), SHARES, strict=False):
        title = t("bits.part", name=escape(part), size=size)
        bar += f"<span style='flex:{size / total:.5f};background:{color}' title='{title}'></span>"
        names += " + " if names else ""
        names += f"<i class='swatch' style='background:{color}'></i><b>{written(size, ',')}</b> {escape(part)}"
    return (
        f"<div class='ledger'>{bar}</div><p>{t('bits.total', parts=names, total=total)}</p>"
        f"<div class='scale' style='background:{heatmap.CSS_GRADIENT}'></div>"
        f"<div class='ends'><span>0</span><span>{t('bits.scale', top=top)}</span></div>"
        f"<p>{half} {t('bits.sum')}</p>"
    )
