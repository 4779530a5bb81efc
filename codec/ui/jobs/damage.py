"""A stream that is corrupted, and what becomes of its picture."""

from html import escape
from pathlib import Path

import numpy as np
import torch

from codec import api, bitstream
from codec.entropy.integer import ONE
from codec.entropy.range_coder import Decoder
from codec.errors import CodecError, StreamError
from codec.inside import bits, prior
from codec.metrics import psnr
from codec.pipeline import z_index
from codec.ui.jobs import common
from codec.ui.jobs.gpu import each_where_it_fits
from codec.ui.jobs.inside import by_rank
from codec.ui.names import BYTE, CHANNEL
from codec.ui.texts import t


def run(stream: str | None, position: float, override: bool, target: str, rank: float):
    """Yields what the codec says, and the picture: see `tabs.inside.damage`."""
    common.need(stream)
    with common.workplace() as folder:
        data = Path(stream).read_bytes()
        if target == BYTE:
            yield from each_where_it_fits(lambda device: of_byte(folder, data, position, override, device))
        else:
            whole = target == CHANNEL
            yield from each_where_it_fits(lambda device: of_latent(folder, data, position, whole, rank, device))


def described(sentence: str) -> str:
    """A sentence that also is the alternative text of the picture."""
    return f"<p data-alt-for='broken'>{escape(sentence)}</p>"


def of_latent(folder: Path, data: bytes, position: float, whole: bool, rank: float, device: str):
    """A value of the decoded latent pushed far off, or a channel of it lost."""
    parsed, codec, symbols = common.read(data, device)
    g_s = codec.decoder(parsed.decoder)
    cost = bits.symbol_bits(codec, symbols)
    channel = by_rank(cost, rank)
    if whole:
        wrong = prior.spoil(symbols, channel)
        share = 100 * float(cost[0, channel].sum() / cost.sum())
        sentence = t("damage.channel", channel=channel, percent=share)
    else:
        row, column = (parsed.height // 2) // 16, min(int(position * parsed.width), parsed.width - 1) // 16
        by = 4 * max(float(symbols.y_hat[0, channel].abs().max()) / ONE, 1.0)
        wrong = prior.spoil(symbols, channel, row, column, by)
        sentence = t("damage.value", channel=channel, by=by, column=column)
    before, after = (codec.synthesise(s, g_s, parsed.width, parsed.height) for s in (symbols, wrong))
    touched = 100 * float((before != after).any(2).mean())
    sentence += " " + t("damage.change", percent=touched, psnr=psnr(before, after))
    yield described(sentence), common.saved(folder / "damaged.png", after)


def of_byte(folder: Path, data: bytes, position: float, override: bool, device: str):
    """A byte of the file flipped; see `run`."""
    data = bytearray(data)
    where = min(int(position * len(data)), len(data) - 1)
    data[where] ^= 0x55
    try:
        bitstream.read(bytes(data))
        refusal = t("damage.unnoticed")
    except CodecError as error:
        refusal = str(error)
    report = f"<p>{t('damage.byte', where=where, size=len(data), refusal=escape(refusal))}</p>"
    if not override:
        yield report, None
        return
    try:
        parsed = bitstream.read(bytes(data), check_crc=False)
        codec = api.load(parsed.trunk, device)
        symbols, lost = read_leniently(codec, parsed)
        rgb = codec.synthesise(symbols, codec.decoder(parsed.decoder), parsed.width, parsed.height)
    except CodecError as error:
        yield report + f"<p>{t('damage.not_even', refusal=escape(str(error)))}</p>", None
        return
    more = t("damage.lost", count=lost) if lost else t("damage.shifted")
    yield report + described(t("damage.decoded", more=more)), common.saved(folder / "damaged.png", rgb)


def read_leniently(codec, stream):
    """The symbols of a damaged payload, and how many of its parts (z, four steps of y) did not decode: those are 0."""
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

    return prior.rebuild(codec, z, stream.q_map(), choose), lost
