"""The work of the first tab: a picture into bytes and back, and what others make of as many bytes."""

import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from html import escape
from pathlib import Path

import gradio as gr

from codec.errors import CodecError
from codec.ui import parts, viewer
from codec.ui.figures import Row, facts, kilobytes, table
from codec.ui.renditions import (
    BASELINES,
    CACHE,
    DECODERS,
    HISTORICAL,
    MEASURED_PIXELS,
    ORIGINAL,
    OURS,
    SUFFIXES,
    Job,
    digest,
    encoding,
    historical,
    networks,
    trained,
)
from codec.ui.renditions import measure as measure_slowly
from codec.ui.renditions import rendition as picture_of

BY_LAMBDA, BY_RATE, BY_SIZE = MODES = "Quality (λ)", "Size (bpp)", "Size (kB)"


def file_stem(path: str) -> str:
    """A harmless name for downloads, made from an upload's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(path).stem).strip("-.")[:60] or "picture"


def headline(ours: Row, level: int, lmbda: float | None, notes: list[str]) -> str:
    """The result in one line, how it came about in another. lmbda: what was asked for; level: the byte coded at."""
    from codec.spec import lambda_of

    exact = lambda_of(level)
    said = f"λ = {exact:.3g}" if lmbda is None else f"λ = {lmbda:g} (coded at {exact:.4g}, level {level} of 255)"
    small = " ".join(escape(n) for n in [f"{said}, {ours.bpp:.3f} bits per pixel.", *notes])
    big = f"{kilobytes(ours.bytes)}, {ours.ratio:.0f}× smaller than raw pixels, {ours.psnr:.1f} dB"
    return f"<div class='big'>{big}</div><div class='small'>{small}</div>"


def verdict(ours: Row, other: Row, name: str, note: str) -> str:
    """Ours against the chosen codec in one line."""
    if note:
        return f"<div class='big'>{escape(note)}</div>"
    parts = [f"{other.psnr:.1f} dB against our {ours.psnr:.1f}"]
    if ours.lpips is not None and other.lpips is not None:
        parts.append(f"LPIPS {other.lpips:.3f} against our {ours.lpips:.3f}")
    size = f" of {kilobytes(other.bytes)}"
    if other.own_rate:
        size = f", {kilobytes(other.bytes)} against our {kilobytes(ours.bytes)}"
    return f"<div class='big'>{escape(name)}{size}: {'; '.join(parts)}</div>"


def run(path: str | None, mode: str, lmbda: float, bpp: float, model: str, kb: float, left: str, right: str,
        baseline: str, progress=gr.Progress()):  # fmt: skip  # noqa: B008
    """Compress a picture and decode the bytes again.

    path: the picture. mode: "Quality (λ)", "Size (bpp)" or "Size (kB)"; lmbda: 0.0005…0.0483, bpp: bits per pixel,
    kb: thousands of bytes; the mode says which of them counts. model: "mse", "perceptual", "texture", "hific-lo",
    "hific-mi" or "hific-hi". left, right, baseline: what will be compared, see /measure. Gives the headline, the
    pictures to compare, the measurements as JSON and as a table, and files: the stream, the decoded picture as PNG,
    the original as PNG; last, a sentence on what follows.
    """
    if not path:
        raise gr.Error("Choose a picture first: drop one, or pick an example.", print_exception=False)
    # What a `with` removes has been copied to Gradio's own cache by then, where it expires.
    with parts.said_plainly(), tempfile.TemporaryDirectory() as folder:
        yield results(Path(folder), path, (mode, lmbda, bpp, kb), model, (left, right, baseline), progress)


def results(folder: Path, path: str, rate: tuple, model: str, sides: tuple, progress):
    """The work of `run`, with a folder to write to."""
    from codec.pictures.load import png_bytes
    from codec.pictures.sandbox import read_picture

    progress = parts.sparing(progress)
    progress(0.0, desc="Reading the picture")
    image = read_picture(path)
    name = file_stem(path)
    mode, lmbda, bpp, kb = rate
    wanted = {"lmbda": lmbda}
    if mode == BY_RATE:
        wanted = {"bpp": bpp}
    elif mode == BY_SIZE:
        if not kb or kb <= 0:
            raise CodecError("The size in kB must be a positive number.")
        wanted = {"max_bytes": int(kb * 1000)}

    with ThreadPoolExecutor(1) as pool:  # of what the codec does, part keeps one core only
        shown = pool.submit(png_bytes, image.rgb)
        coded = encoding(image.rgb, model, wanted, progress=lambda s: progress(0.05 + 0.45 * s, desc="Encoding"))
    CACHE.put(("encode_ms", digest(coded.data)), coded.encode_ms)
    notes = list(image.notes)
    if not coded.reached:
        notes.append(f"{asked(rate)} is below what the model can reach; this is the smallest it can do.")
    elif coded.at_top:
        notes.append("This is the best quality the model has.")

    progress(0.5, desc="Decoding the bytes")
    stream, decoded, original = (folder / f"{name}{s}" for s in (".lic", ".decoded.png", ".original.png"))
    stream.write_bytes(coded.data)
    original.write_bytes(shown.result())
    job = Job(coded.data, original, image.rgb)
    ours = picture_of(job, OURS, progress=lambda s: progress(0.55 + 0.4 * s, desc="Decoding the bytes"))
    decoded.write_bytes(ours.png)
    source = row_of(job, ORIGINAL, f"Original ({image.format})", Path(path).stat().st_size)
    row = row_of(job, OURS, f"Ours ({ours.name})", ours.size, ours)
    row.pending = True
    pictures = [
        viewer.entry(ORIGINAL, "Original", kilobytes(source.bytes), original),
        viewer.entry(OURS, f"Ours ({ours.name})", remark(row), decoded),
    ]
    CACHE.put(("source", job.id[1]), source)
    return (
        headline(row, coded.level, lmbda if mode == BY_LAMBDA else None, notes),
        viewer.value(job.id[1], image.rgb, pictures, *sides[:2], [ORIGINAL, OURS, sides[2]]),
        facts([row, source]),
        table([row, source]),
        str(stream),
        str(decoded),
        str(original),
        f"<div class='big'>{awaited(sides[2])}</div>",
    )


def awaited(baseline: str) -> str:
    return f"Looking for the {BASELINES[baseline]} of this size …" if baseline in BASELINES else "…"


def asked(rate: tuple) -> str:
    mode, _, bpp, kb = rate
    return f"{kb:g} kB" if mode == BY_SIZE else f"{bpp:g} bpp"


def row_of(job: Job, key: str, name: str, size: int, made=None) -> Row:
    from codec.metrics import bpp

    height, width = job.rgb.shape[:2]
    row = Row(key, name, size, bpp(size, width, height), 3 * width * height / size, own_rate=key in HISTORICAL)
    if made is not None:
        row.psnr, row.encode_ms, row.decode_ms = made.psnr, made.encode_ms, made.decode_ms
        if made.data is None:  # whichever decoder: the stream was encoded once
            row.encode_ms = CACHE.get(("encode_ms", job.id[0]))
    return row


def source_of(job: Job) -> Row:
    """The original's own line: the size of the file that was uploaded, where that was seen."""
    return CACHE.get(("source", job.id[1])) or row_of(job, ORIGINAL, "Original", job.original.stat().st_size)


def remark(row: Row) -> str:
    """What is said beside a picture's name."""
    said = f"{kilobytes(row.bytes)}, {row.psnr:.1f} dB"
    return said if row.lpips is None else f"{said}, LPIPS {row.lpips:.3f}"


def measure(stream: str | None, original: str | None, left: str, right: str, baseline: str, everything: bool,
            progress=gr.Progress()):  # fmt: skip  # noqa: B008
    """Compare a stream with other decoders of its bytes, with classical codecs of the same size, and with cae-2017.

    stream: a .lic file; original: the picture it was made of. left, right: what to show, "original", "ours", a
    decoder ("mse", "perceptual", "texture", "hific"), a codec ("jpeg", "webp", "avif", "jpeg2000", "heic"), or
    "cae-2017", an autoencoder that has one rate, its own. baseline: the codec to compare with. everything: measure
    all of them. Gives a sentence, the pictures, the measurements as JSON and as a table, and the baseline's file; fast
    numbers first, MS-SSIM and LPIPS after them.
    """
    if not (stream and original):
        raise gr.Error("Compress a picture first.", print_exception=False)
    with parts.said_plainly(), tempfile.TemporaryDirectory() as folder:
        job = Job(Path(stream).read_bytes(), original)
        keys = [OURS, baseline, left, right]
        if everything:
            keys += [*networks(), *BASELINES, *historical()[:1]]
        keys = [k for k in dict.fromkeys(keys) if k != ORIGINAL]
        if job.decoder(OURS) in keys and not {left, right} & {job.decoder(OURS)}:
            keys.remove(job.decoder(OURS))  # it is "ours" already
        yield from comparison(Path(folder), job, keys, left, right, baseline, progress)


def comparison(folder: Path, job: Job, keys: list[str], left: str, right: str, baseline: str, progress):
    """The work of `measure`: every picture first, and then every slow number."""
    source = source_of(job)
    made, rows, missing, name = {}, {}, {}, file_stem(str(job.original)).removesuffix(".original")
    baseline_file = folder / f"{name}{SUFFIXES[baseline]}"
    spot_rgb = job.rgb

    def now():
        entries = [viewer.entry(ORIGINAL, "Original", kilobytes(source.bytes), job.original)]
        for key, m in made.items():
            path = folder / f"{name}.{'decoded' if key == OURS else key}.png"  # ours as `run` names it: the same URL
            if not path.exists():
                path.write_bytes(m.png)
            entries.append(viewer.entry(key, short(key, m.name), remark(rows[key]), path))
        said = "<div class='big'>…</div>"
        if baseline in made:
            said = verdict(rows[OURS], rows[baseline], short(baseline, made[baseline].name), made[baseline].note)
        if missing:
            said = said if baseline in made else ""
            said += "".join(f"<div class='big'>{escape(why)}</div>" for why in dict.fromkeys(missing.values()))
        lines, remarks = [*rows.values(), source], [trained(key) for key in made if key in HISTORICAL]
        if spot_rgb.shape[0] * spot_rgb.shape[1] > MEASURED_PIXELS:
            remarks.append(
                f"MS-SSIM and LPIPS are left out above {MEASURED_PIXELS / 1e6:g} megapixels: they need gigabytes."
            )
        sides = (key if key not in missing else instead for key, instead in ((left, ORIGINAL), (right, OURS)))
        crops = [key for key in (ORIGINAL, OURS, baseline) if key not in missing]
        value = viewer.value(job.id[1], spot_rgb, entries, *sides, crops)
        file = str(baseline_file) if baseline_file.exists() else None
        return said, value, facts(lines), table(lines, " ".join(remarks)), file

    for i, key in enumerate(keys):
        progress(i / len(keys) / 2, desc=f"{short(key, '')} at the same size" if key in BASELINES else "Decoding")
        try:
            m = made[key] = picture_of(job, key)
        except CodecError as error:
            if key not in HISTORICAL:
                raise
            missing[key] = str(error)  # the others are shown without it
            yield now()
            continue
        label = f"Ours ({m.name})" if key == OURS else m.name + (", its smallest" if m.note else "")
        if key in HISTORICAL:
            label += ", its only rate"
        rows[key] = row_of(job, key, label, m.size, m)
        rows[key].pending = True
        if key == baseline:
            baseline_file.write_bytes(m.data)
        if key != OURS:
            yield now()
    for i, key in enumerate(made):
        progress(0.5 + i / len(made) / 2, desc="MS-SSIM and LPIPS")
        slow = measure_slowly(job, made[key])
        rows[key].ms_ssim, rows[key].lpips, rows[key].pending = slow.ms_ssim, slow.lpips, False
        yield now()


def short(key: str, name: str) -> str:
    """The name of a picture without its settings."""
    return f"Ours ({name})" if key == OURS else BASELINES.get(key) or DECODERS.get(key) or name
