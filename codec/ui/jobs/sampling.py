"""Images from the codec's own prior, and what lies between two."""

from html import escape
from pathlib import Path

import gradio as gr

from codec import api, bitstream
from codec.inside import bits, prior
from codec.metrics import psnr
from codec.pictures.sandbox import read_picture
from codec.spec import lambda_of
from codec.ui.jobs import common
from codec.ui.jobs.gpu import each_where_it_fits, where_it_fits
from codec.ui.names import CROP_SIZES, DECODERS, EVERYTHING, SAMPLE_SIZES, SIDE
from codec.ui.texts import t


def run(decoders, mode: str, seed, temperature, level, size: str, channels, stream):
    """Yields (a sentence, [(path of a PNG, its caption), …]), a decoder more each time: see `tabs.sampling.sample`."""
    if mode != EVERYTHING:
        common.need(stream)
    asked = mode, int(seed), temperature, int(level), size, int(channels), stream
    with common.workplace() as folder:
        yield from each_where_it_fits(lambda device: pictures(folder, latents(*asked, device), decoders))


def pictures(folder: Path, sampled: tuple, decoders):
    """The work of `run`, with a folder to write to; sampled: what `latents` gives."""
    codec, symbols, (width, height), sentence = sampled
    gallery = []
    for decoder in decoders:
        rgb = codec.synthesise(symbols, codec.decoder(decoder), width, height)
        caption = t("sampling.by", decoder=DECODERS.get(decoder, decoder))
        gallery = [*gallery, (common.saved(folder / f"sample-{decoder}.png", rgb), caption)]
        yield sentence, gallery


def latents(mode, seed: int, temperature: float, level: int, size: str, channels: int, stream, device: str) -> tuple:
    """(codec, symbols, (width, height), a sentence) for `run`."""
    codec = api.load(device=device)
    seed = abs(seed) % 2**32
    if mode == EVERYTHING:
        rows, columns = SAMPLE_SIZES.get(size, SAMPLE_SIZES["256×256"])
        symbols = prior.sample(codec, rows, columns, level, seed, temperature)
        width, height = 64 * columns, 64 * rows
        at = t("sampling.at_lambda", value=lambda_of(level))
    else:
        data = Path(stream).read_bytes()
        parsed, codec, real = common.read(data, device)
        width, height = parsed.width, parsed.height
        if mode == SIDE:
            symbols = prior.sample(codec, *real.z.shape[1:], int(parsed.q_map().flat[0]), seed, temperature, z=real.z)
            at = t("sampling.with_z", size=len(parsed.z), total=len(data))
        else:
            symbols, share = prior.keep_channels(codec, real, channels)
            at = t("sampling.with_channels", kept=channels, total=real.y_hat.shape[1], percent=100 * share)
    cost = float(bits.symbol_bits(codec, symbols).sum()) + float(bits.hyper_bits(codec, symbols).sum())
    return codec, symbols, (width, height), t("sampling.said", width=width, height=height, at=at, size=cost / 8)


def between(original: str | None, second: str | None, side: str, steps: float, level: float, decoder: str):
    """Yields the strip from one image to another: see `tabs.sampling.between`."""
    common.need(original)
    with common.workplace() as folder:
        second = second or gr.get_image("lion.jpg")
        asked = folder, original, second, CROP_SIZES.get(side, 256), int(steps), int(level), decoder
        yield where_it_fits(lambda device: strip(*asked, device))


def strip(folder: Path, original: str, second: str, side: int, steps: int, level: int, decoder: str, device: str):
    """The work of `between`, with a folder to write to."""
    codec = api.load(device=device)
    ends = [prior.crop(read_picture(path).rgb, side) for path in (original, second)]
    g_s, gallery, sizes, halfway = codec.decoder(decoder), [], [], ""
    for i, symbols in enumerate(prior.interpolate(codec, *ends, level, steps)):
        rgb = codec.synthesise(symbols, g_s, side, side)
        sizes.append(len(bitstream.write(codec.write(symbols, side, side))))
        caption = t("sampling.step", percent=100 * i / (steps - 1), size=sizes[-1])
        gallery.append((common.saved(folder / f"between-{i}.png", rgb), caption))
        if 2 * i == steps - 1:
            blend = (ends[0].astype("uint16") + ends[1] + 1) // 2
            halfway = t("sampling.halfway", psnr=psnr(blend.astype("uint8"), rgb))
    more = max(sizes[1:-1], default=0) / max(sizes[0], sizes[-1]) - 1
    sentence = t("sampling.more", percent=100 * more) if more > 0 else t("sampling.no_more")
    return gallery, f"<p>{escape(f'{sentence} {halfway}')}</p>"
