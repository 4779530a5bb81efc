"""The systems of history on a visitor's image: each with its own instrument, and all of them on one plot."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import gradio as gr
import numpy as np

from codec import baselines, results
from codec.classroom.history import attention_2021, container, importance_2018, rnn_2018
from codec.device import Timer
from codec.errors import CodecError
from codec.inside import bits, heatmap
from codec.metrics import bpp, ms_ssim, psnr
from codec.pictures.load import png_bytes
from codec.pictures.sandbox import read_picture
from codec.ui import viewer
from codec.ui.jobs import common, curves, rd_plot, renditions
from codec.ui.jobs.gpu import each_where_it_fits, where_it_fits
from codec.ui.jobs.inside import gray
from codec.ui.jobs.renditions import CACHE, ENTRY_BYTES, digest
from codec.ui.names import KODAK
from codec.ui.tables import plain_table
from codec.ui.texts import t, written

BESIDE = ("jpeg", "webp", "heic")  # on the plot of all
STEPS = rnn_2018.TRAINED
CHANNELS = 6  # of importance-2018, that are drawn


class Run(NamedTuple):
    """What one run of a system gave. Maps: their captions and pictures, uint8 (H, W, 3)."""

    png: bytes
    size: int
    encode_ms: float
    decode_ms: float
    maps: list[tuple[str, np.ndarray]]
    channels: list[tuple[str, np.ndarray]]


def weight(run: Run) -> int:
    return len(run.png) + sum(rgb.nbytes for _, rgb in (*run.maps, *run.channels)) + ENTRY_BYTES


def overview(axis: str):
    """The plot before anything was run: means over Kodak."""
    return rd_plot.figure([], axis, None, [KODAK], ("ours", *BESIDE, *results.systems()))


def run_all(original: str | None, axis: str, progress):
    """Yields the plot as it grows: see `tabs.history.history`."""
    common.need(original)
    with common.workplace():
        refuse_large(read_picture(original).rgb, t("tabs.history"))
        names = [*BESIDE, *results.systems()]
        for points, total in each_where_it_fits(lambda device: curves.sweep(original, names, device)):
            progress(len(points) / total, desc=t("curves.progress", done=len(points), total=total))
            yield rd_plot.figure(points, axis, None, [KODAK], ("ours",)), points


def redraw(points: list | None, axis: str):
    return rd_plot.figure(points, axis, None, [KODAK], ("ours",)) if points else overview(axis)


def refuse_large(rgb: np.ndarray, name: str) -> None:
    """Raises CodecError for an image that takes a system of history too long."""
    if rgb.shape[0] * rgb.shape[1] > renditions.HISTORICAL_PIXELS:
        raise CodecError(t("history.too_large", key=name, most=renditions.HISTORICAL_PIXELS / 1e6))


# --- each by itself -----------------------------------------------------------------------------------------------


def recurrent(original: str | None, step: float, variant: str, target: float | None, progress):
    """Yields what rnn-2018 shows after a step: see `tabs.history.rnn`. Later steps are not run for it."""
    common.need(original)
    if variant not in rnn_2018.VARIANTS:
        common.refuse("history.no_network", names=", ".join(rnn_2018.VARIANTS))
    with common.workplace() as folder:
        rgb = read_picture(original).rgb
        refuse_large(rgb, rnn_2018.NAME)
        number = min(max(int(step or 1), 1), STEPS)
        steps = after_steps(rgb, variant, target or None, number, common.sparing(progress))
        name = t("history.rnn.after", step=len(steps), variant=t(f"history.rnn.{variant}"))
        yield from beside(folder, rgb, rnn_2018.NAME, name, steps[-1])


def all_steps(original: str | None, variant: str, target: float | None) -> None:
    """Runs every step, so that the slider finds them made. Where that cannot be, the step that is asked for says so."""
    with contextlib.suppress(CodecError, MemoryError):
        if original and variant in rnn_2018.VARIANTS:
            rgb = read_picture(original).rgb
            refuse_large(rgb, rnn_2018.NAME)
            after_steps(rgb, variant, target or None, STEPS, common.sparing(lambda *_, **__: None))


def after_steps(rgb: np.ndarray, variant: str, target: float | None, number: int, progress) -> list[Run]:
    """What has arrived after each of the first `number` steps, or of fewer where all tiles have sent enough."""
    key = (rnn_2018.NAME, digest(rgb.tobytes()), variant, target)
    every = CACHE.get((*key, STEPS)) or CACHE.get_or_make(
        (*key, number),
        lambda: list(steps_of(rgb, variant, target, number, progress)),
        lambda steps: sum(map(weight, steps)),
    )
    return every[:number]


def steps_of(rgb: np.ndarray, variant: str, target: float | None, number: int, progress) -> Iterator[Run]:
    """What arrives after each step; the map shows how many steps each tile has sent."""
    net, timer, segments = rnn_2018.load(variant), Timer(), []
    with timer.stage("encode"):
        for segment, _ in rnn_2018.encode(rgb, net, number, target):
            segments.append(segment)
            progress(0.5 * len(segments) / number, desc=t("compare.encoding"))
    stream = container.Container(
        rnn_2018.NAME, [*rnn_2018.VARIANTS].index(variant), rgb.shape[1], rgb.shape[0], segments
    )
    size, sent, decoder = container.HEADER, 0, rnn_2018.pictures(stream)
    for step, segment in enumerate(segments, 1):
        with timer.stage("decode"):
            decoded, active = next(decoder)
        progress(0.5 + 0.5 * step / len(segments), desc=t("compare.decoding"))
        size, sent = size + len(container.framed(segment)), sent + active.astype(int)
        maps = []
        if target is not None:
            caption = t("history.rnn.map", percent=100 * float(active.mean()), target=target)
            maps = [(caption, heatmap.over(rgb, sent, STEPS, rnn_2018.TILE))]
        encode_ms = timer.ms["encode"] * step / len(segments)
        yield Run(png_bytes(decoded), size, encode_ms, timer.ms["decode"], maps, [])


def importance(original: str | None, variant: str):
    """Yields what importance-2018 shows: see `tabs.history.importance`."""
    yield from by_network(original, importance_2018, variant, with_map)


def attention(original: str | None, variant: str):
    """Yields what attention-2021 shows: see `tabs.history.attention`."""
    yield from by_network(original, attention_2021, variant, with_masks)


def by_network(original: str | None, module: ModuleType, variant: str, make: Callable[[np.ndarray, str], Run]):
    """Yields what a system shows that has a network for each rate."""
    common.need(original)
    if variant not in module.VARIANTS:
        common.refuse("history.no_network", names=", ".join(module.VARIANTS))
    with common.workplace() as folder:
        rgb = read_picture(original).rgb
        refuse_large(rgb, module.NAME)
        run = CACHE.get_or_make((module.NAME, digest(rgb.tobytes()), variant), lambda: make(rgb, variant), weight)
        yield from beside(folder, rgb, module.NAME, t(f"history.{module.NAME.partition('-')[0]}.{variant}"), run)


def with_map(rgb: np.ndarray, variant: str) -> Run:
    """The picture, how many channels each place keeps, what each place costs, and some channels."""
    net, timer = importance_2018.load(variant), Timer()
    symbols, kept = importance_2018.latents(rgb, net)
    with timer.stage("encode"):
        data = importance_2018.compress(rgb, variant=variant)
    with timer.stage("decode"):
        decoded = importance_2018.decompress(data)
    cost = importance_2018.costs(symbols, net).sum(0)
    size = importance_2018.STRIDE
    maps = []
    if net.importance:
        caption = t("history.importance.map", mean=float(kept.mean()), of=importance_2018.CHANNELS)
        maps.append((caption, heatmap.over(rgb, kept, importance_2018.CHANNELS, size)))
    caption = t("history.importance.cost", top=float(np.quantile(cost, 0.995)))
    maps.append((caption, heatmap.over(rgb, cost, float(np.quantile(cost, 0.995)), size)))
    each = np.linspace(0, importance_2018.CHANNELS - 1, CHANNELS).round().astype(int)
    centres = net.centres.numpy()
    channels = [
        (t("history.importance.channel", number=k + 1), gray(centres[symbols[k]], 0.0, float(np.abs(centres).max())))
        for k in each
    ]
    return Run(png_bytes(decoded), len(data), timer.ms["encode"], timer.ms["decode"], maps, channels)


def with_masks(rgb: np.ndarray, variant: str) -> Run:
    """The picture, and where each attention module looks."""
    timer = Timer()
    with timer.stage("encode"):
        data = attention_2021.compress(rgb, variant=variant)
    with timer.stage("decode"):
        decoded = attention_2021.decompress(data)
    maps = []
    for number, mask in enumerate(attention_2021.masks(rgb, variant), 1):
        low, high = (float(np.quantile(mask, share)) for share in (0.01, 0.99))
        caption = t(f"history.attention.mask_{number}", low=low, high=high)
        size = -(-rgb.shape[0] // mask.shape[0])
        maps.append((caption, heatmap.over(rgb, (mask - low).clip(0), high - low, size)))
    return Run(png_bytes(decoded), len(data), timer.ms["encode"], timer.ms["decode"], maps, [])


class SideBySide:
    """Pictures side by side and a line of figures for each; every picture is written and measured once."""

    def __init__(self, folder: Path, rgb: np.ndarray):
        self.folder, self.rgb, self.entries, self.cells = folder, rgb, [], []
        self.entries.append(self.entry("original", t("compare.original"), "", rgb))

    def entry(self, key: str, name: str, remark: str, rgb: np.ndarray) -> dict:
        return viewer.entry(key, name, remark, common.saved(self.folder / f"{key}.png", rgb))

    def add(self, key: str, name: str, rgb: np.ndarray, size: int, *milliseconds: float) -> None:
        """Another picture, uint8 of the original's shape; milliseconds: of encoding and decoding, where measured."""
        quality, similar = psnr(self.rgb, rgb), ms_ssim(self.rgb, rgb)
        rate = bpp(size, rgb.shape[1], rgb.shape[0])
        times = [written(ms, ",.0f") for ms in milliseconds] or 2 * [t("history.unmeasured")]
        structure = t("history.unmeasured") if similar is None else written(similar, ".4f")
        self.cells.append([name, written(size, ","), written(rate, ".3f"), written(quality, ".2f"), structure, *times])
        self.entries.append(self.entry(key, name, t("history.remark", size=size, psnr=quality), rgb))

    def values(self) -> tuple[dict, str]:
        """For the viewer, the original and the first picture at its divider; and the table as HTML."""
        keys = [entry["key"] for entry in self.entries]
        heads = [t(f"table.{key}") for key in ("image", "bytes", "bpp", "psnr", "ms_ssim", "encode_ms", "decode_ms")]
        value = viewer.value(
            digest(self.rgb.tobytes()), self.rgb, self.entries, keys[0], keys[1], keys, columns=len(keys)
        )
        return value, plain_table(heads, self.cells)


def beside(folder: Path, rgb: np.ndarray, system: str, name: str, run: Run):
    """Yields the viewer, a table and the maps of a run: at once, and again with this codec at the same size."""
    jpeg = baselines.encode_at_most(rgb, "jpeg", run.size)
    pictures = SideBySide(folder, rgb)
    pictures.add(system, name, renditions.pixels(run.png), run.size, run.encode_ms, run.decode_ms)
    pictures.add("jpeg", t("history.jpeg") if jpeg.fits else t("history.jpeg_larger"), jpeg.rgb, len(jpeg.data))
    maps, channels = saved(folder, "map", run.maps), saved(folder, "channel", run.channels)
    yield *pictures.values(), gallery(maps), gallery(channels)
    timer = Timer()
    coded = renditions.encoding(rgb, "mse", {"max_bytes": run.size})

    def draw(device: str):
        with timer.stage("decode"):
            stream, codec, symbols = common.read(coded.data, device)
            ours = codec.synthesise(symbols, codec.decoder("mse"), rgb.shape[1], rgb.shape[0])
        return ours, bits.block_bits(codec, symbols, len(stream.z) + len(stream.y))

    ours, blocks = where_it_fits(draw)
    pictures.add("ours", t("history.ours"), ours, len(coded.data), coded.encode_ms, timer.ms["decode"])
    if run.maps:
        top = float(np.quantile(blocks, 0.995))
        maps = maps + saved(folder, "ours", [(t("history.our_map", top=top), heatmap.over(rgb, blocks, top))])
    yield *pictures.values(), gallery(maps), gallery(channels)


def gallery(pictures: list[tuple[str, str]]):
    """An empty one is not shown."""
    return gr.update(value=pictures, visible=bool(pictures))


def saved(folder: Path, stem: str, pictures: list[tuple[str, np.ndarray]]) -> list[tuple[str, str]]:
    """(path, caption) of each, for a gallery."""
    return [(common.saved(folder / f"{stem}-{i}.png", rgb), caption) for i, (caption, rgb) in enumerate(pictures)]
