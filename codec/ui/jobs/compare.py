"""The work of the first tab: an image into bytes and back, and what others make of as many bytes."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from html import escape
from pathlib import Path

import gradio as gr

from codec import bitstream
from codec.errors import CodecError
from codec.metrics import bpp
from codec.pictures.files import declared_pixels
from codec.pictures.load import DRAFT_PIXELS
from codec.pictures.sandbox import read_picture
from codec.spec import REFINEMENTS
from codec.ui import viewer
from codec.ui.jobs import common, renditions
from codec.ui.jobs.renditions import CACHE, MEASURED_PIXELS, SUFFIXES, Job, digest, encoding, historical, networks
from codec.ui.names import (
    BASELINES,
    BY_BYTES,
    BY_LAMBDA,
    BY_RATE,
    BY_SIZE,
    CAE,
    DECODERS,
    HISTORICAL,
    MODELS,
    ORIGINAL,
    OURS,
)
from codec.ui.tables import Row, facts, headline, kilobytes, remark, table, verdict
from codec.ui.texts import t, written
from codec.weights import default

#: Of a photo, unless all pixels are asked for: a JPEG of the same size exists then, and all measures come soon.
PAGE_PIXELS = 2_000_000


def installed() -> tuple[list[str], list[str], list[str]]:
    """The models, decoders and experiments of 2017 whose weights are here, which only PyTorch can tell."""
    with common.said_plainly():
        return [m for m in MODELS if m in default().models()], networks(), historical()


def file_stem(path: str) -> str:
    """A harmless name for downloads, made from an upload's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(path).stem).strip("-.")[:60] or "picture"


def run(
    path: str | None,
    rate: tuple,
    model: str,
    sides: tuple[str, str, str],
    progress,
    full: bool = False,
    refine: bool = False,
):
    """Yields what the tab shows of an image: see `tabs.compare.compress`.

    rate: mode, λ, bits per pixel and kB; sides: left and right of the divider, and the baseline. full: all pixels.
    refine: search for fewer bytes, with the model for MSE; it does not see the images by the others.
    """
    if not path:
        common.refuse("errors.no_upload")
    with common.workplace() as folder:
        yield from results(folder, path, rate, model, sides, progress, full, refine)


def results(
    folder: Path,
    path: str,
    rate: tuple,
    model: str,
    sides: tuple,
    progress,
    full: bool = False,
    refine: bool = False,
):
    """The work of `run`, with a folder to write to: the original at once, everything else when it is there."""
    progress = common.sparing(progress)
    progress(0.0, desc=t("compare.reading"))
    image = read_picture(path, most=None if full else PAGE_PIXELS)
    name = file_stem(path)
    mode, lmbda, rate_bpp, kb = rate
    wanted = {"lmbda": lmbda}
    if mode == BY_RATE:
        wanted = {"bpp": rate_bpp}
    elif mode == BY_SIZE:
        if not kb or kb <= 0:
            raise CodecError(t("errors.size_not_positive"))
        wanted = {"max_bytes": int(kb * 1000)}
    small = image.rgb.shape[0] * image.rgb.shape[1] <= PAGE_PIXELS
    wanted["refine"] = REFINEMENTS if refine and small and model == "mse" else 0

    stream, decoded, original = (folder / f"{name}{s}" for s in (".lic", ".decoded.png", ".original.png"))
    size = Path(path).stat().st_size
    entry = viewer.entry(ORIGINAL, t("compare.original"), kilobytes(size), original)
    crops, step = [ORIGINAL, OURS, sides[2]], t("compare.encoding")
    with ThreadPoolExecutor(1) as pool:  # of what the codec does, part keeps one core only
        here = copy_context()  # which tells `progress` whose it is
        coding = pool.submit(
            here.run, encoding, image.rgb, model, wanted, lambda s: progress(0.05 + 0.45 * s, desc=step)
        )
        png = renditions.png_of(image.rgb)
        original.write_bytes(png)
        id_ = digest(png)
        value = viewer.value(id_, image.rgb, [entry], *sides[:2], crops)
        yield gr.skip(), value, *[gr.skip()] * 6
        coded = coding.result()
    CACHE.put(("encode_ms", digest(coded.data)), coded.encode_ms)
    notes = list(image.notes)
    if declared_pixels(Path(path).read_bytes(), DRAFT_PIXELS) > image.rgb.shape[0] * image.rgb.shape[1]:
        notes.append(t("compare.scaled", width=image.rgb.shape[1], height=image.rgb.shape[0]))
    if refine and model != "mse":
        notes.append(t("compare.not_for_model"))
    elif refine and not small:
        notes.append(t("compare.not_refined"))
    if overlay := bitstream.read(coded.data).overlay:
        notes.append(t("compare.overlay", size=len(overlay)))
    if not coded.reached:
        notes.append(t("compare.out_of_reach", asked=asked(rate)))
    elif coded.at_top:
        notes.append(t("compare.at_top"))
    elif coded.q < 0:
        notes.append(t("compare.below"))

    step = t("compare.decoding")
    progress(0.5, desc=step)
    stream.write_bytes(coded.data)
    job = Job(coded.data, original, image.rgb)
    ours = renditions.rendition(job, OURS, progress=lambda s: progress(0.55 + 0.4 * s, desc=step))
    decoded.write_bytes(ours.png)
    source = row_of(job, ORIGINAL, t("compare.original_format", format=image.format), size)
    row = row_of(job, OURS, t("compare.ours_by", decoder=ours.name), ours.size, ours)
    row.pending = True
    pictures = [entry, viewer.entry(OURS, row.name, remark(row), decoded)]
    CACHE.put(("source", id_), source)
    yield (
        headline(row, coded.q, lmbda if mode == BY_LAMBDA else None, notes),
        viewer.value(id_, image.rgb, pictures, *sides[:2], crops),
        facts([row, source]),
        table([row, source]),
        str(stream),
        str(decoded),
        str(original),
        f"<div class='big'>{awaited(sides[2])}</div>",
    )


def awaited(baseline: str) -> str:
    return t("compare.awaited", name=BASELINES[baseline]) if baseline in BASELINES else "…"


def asked(rate: tuple) -> str:
    mode, _, rate_bpp, kb = rate
    return f"{written(kb, 'g')} kB" if mode == BY_SIZE else f"{written(rate_bpp, 'g')} bpp"


def row_of(job: Job, key: str, name: str, size: int, rendition=None) -> Row:
    height, width = job.rgb.shape[:2]
    row = Row(key, name, size, bpp(size, width, height), 3 * width * height / size, own_rate=key in CAE)
    if rendition is not None:
        row.psnr, row.encode_ms, row.decode_ms = rendition.psnr, rendition.encode_ms, rendition.decode_ms
        if rendition.data is None:  # whichever decoder: the stream was encoded once
            row.encode_ms = CACHE.get(("encode_ms", job.id[0]))
    return row


def source_of(job: Job) -> Row:
    """The original's own line: the size of the file that was uploaded, where that was seen."""
    row = CACHE.get(("source", job.id[1]))
    return row or row_of(job, ORIGINAL, t("compare.original"), job.original.stat().st_size)


def measure(
    stream: str | None,
    original: str | None,
    sides: tuple[str, str, str],
    everything: bool,
    progress,
    equal: str = BY_BYTES,
):
    """Yields the comparison as it grows: see `tabs.compare.measure`."""
    if not (stream and original):
        common.refuse("errors.compress_first")
    left, right, baseline = sides
    with common.workplace() as folder:
        job = Job(Path(stream).read_bytes(), original)
        keys = [OURS, baseline, left, right]
        if everything:
            past = historical()
            keys += [*networks(), *BASELINES, *(k for k in past if k not in CAE or k == past[0])]
        keys = [k for k in dict.fromkeys(keys) if k != ORIGINAL]
        if job.decoder(OURS) in keys and not {left, right} & {job.decoder(OURS)}:
            keys.remove(job.decoder(OURS))  # it is "ours" already
        yield from comparison(folder, job, keys, left, right, baseline, progress, equal)


def comparison(
    folder: Path, job: Job, keys: list[str], left: str, right: str, baseline: str, progress, equal: str = BY_BYTES
):
    """The work of `measure`: every picture first, and then every slow number."""
    progress = common.sparing(progress)
    source = source_of(job)
    decoded, rows, missing, name = {}, {}, {}, file_stem(str(job.original)).removesuffix(".original")
    baseline_file = folder / f"{name}{SUFFIXES[baseline]}"

    def now():
        entries = [viewer.entry(ORIGINAL, t("compare.original"), kilobytes(source.bytes), job.original)]
        for key, m in decoded.items():
            same = "decoded" if key == OURS else key if equal == BY_BYTES else f"{key}-{equal}"
            path = folder / f"{name}.{same}.png"  # ours as `run` names it: the same URL
            if not path.exists():
                path.write_bytes(m.png)
            entries.append(viewer.entry(key, short(key, m.name), remark(rows[key]), path))
        sentence = "<div class='big'>…</div>"
        if baseline in decoded:
            name_ = short(baseline, decoded[baseline].name)
            sentence = verdict(rows[OURS], rows[baseline], name_, decoded[baseline].note, equal)
        if missing:
            sentence = sentence if baseline in decoded else ""
            sentence += "".join(f"<div class='big'>{escape(why)}</div>" for why in dict.fromkeys(missing.values()))
        lines, remarks = [*rows.values(), source], [renditions.trained(key) for key in decoded if key in HISTORICAL]
        if job.rgb.shape[0] * job.rgb.shape[1] > MEASURED_PIXELS:
            remarks.append(t("compare.too_large_to_measure", megapixels=MEASURED_PIXELS / 1e6))
        sides = (key if key not in missing else instead for key, instead in ((left, ORIGINAL), (right, OURS)))
        crops = [key for key in (ORIGINAL, OURS, baseline) if key not in missing]
        value = viewer.value(job.id[1], job.rgb, entries, *sides, crops)
        file = str(baseline_file) if baseline_file.exists() else None
        return sentence, value, facts(lines), table(lines, " ".join(remarks), equal), file

    for i, key in enumerate(keys):
        step = t("compare.at_same_size", name=BASELINES[key]) if key in BASELINES else t("compare.decoding")
        progress(i / len(keys) / 2, desc=step)
        try:
            m = decoded[key] = renditions.rendition(job, key, equal=equal)
        except CodecError as error:
            if key not in HISTORICAL:
                raise
            missing[key] = str(error)  # the others are shown without it
            yield now()
            continue
        label = short(key, m.name) if key == OURS else m.name
        label += t("compare.its_smallest") if m.note else t("compare.its_only_rate") if key in CAE else ""
        rows[key] = row_of(job, key, label, m.size, m)
        rows[key].pending = True
        rows[key].own_rate |= bool(m.note)
        if key == baseline:
            baseline_file.write_bytes(m.data)
        if key != OURS:
            yield now()
    for i, key in enumerate(decoded):
        progress(0.5 + i / len(decoded) / 2, desc=t("compare.measuring"))
        slow = renditions.measure(job, decoded[key])
        rows[key].ms_ssim, rows[key].lpips, rows[key].pending = slow.ms_ssim, slow.lpips, False
        yield now()


def short(key: str, name: str) -> str:
    """The name of a picture without its settings."""
    return t("compare.ours_by", decoder=name) if key == OURS else BASELINES.get(key) or DECODERS.get(key) or name
