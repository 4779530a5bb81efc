"""The first tab: a picture, our bytes, and what others make of as many."""

import math
import re
import tempfile
from html import escape
from pathlib import Path

import gradio as gr

from codec.errors import CodecError
from codec.ui import examples, parts, viewer
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
    historical,
    networks,
    trained,
)
from codec.ui.renditions import measure as measure_slowly
from codec.ui.renditions import rendition as picture_of

BY_LAMBDA, BY_RATE, BY_SIZE = MODES = "Quality (λ)", "Size (bpp)", "Size (kB)"
TYPES = ["image", ".heic", ".heif", ".avif", ".tif", ".tiff"]
LAMBDA_MIN, LAMBDA_MAX, LAMBDA_START = 0.0005, 0.0483, 0.0035  # as codec.rate has them; torch stays unloaded here
POINTS = {"hific-lo": 0.14, "hific-mi": 0.30, "hific-hi": 0.45}  # as codec.rate has them
QUALITY_JS = f"q => Number(({LAMBDA_MIN} * Math.pow({LAMBDA_MAX / LAMBDA_MIN}, q / 100)).toPrecision(3))"
START = ("upload", "model", "about", "mode", "quality", "lmbda", "bpp")  # what a link may set
#: Models and what each is for, in a sentence.
MODELS = {
    "mse": "The least squared error. It never lies, but where it is unsure it averages: fine texture goes soft.",
    "perceptual": "Close in what a vision network sees, not in pixels alone: crisper edges for a little less PSNR.",
    "texture": "Keeps the statistics of textures: grass looks like grass, if not blade by blade the same.",
    "hific-lo": "A GAN that aims at a real-looking picture at 0.14 bits per pixel; it paints detail nobody sent.",
    "hific-mi": "A GAN that aims at a real-looking picture at 0.30 bits per pixel; it paints detail nobody sent.",
    "hific-hi": "A GAN that aims at a real-looking picture at 0.45 bits per pixel, where little is left to invent.",
}
PASTE_JS = """() => {
  if (window.codecPaste) return;
  window.codecPaste = (e) => {
    const file = Array.from(e.clipboardData?.files ?? []).find((f) => f.type.startsWith("image/"));
    if (!file) return;
    document.querySelector("#upload button[aria-label='Clear'], #upload button[title='Clear']")?.click();
    setTimeout(() => {
      const input = document.querySelector("#upload input[type=file]"), files = new DataTransfer();
      if (!input) return;
      files.items.add(file);
      input.files = files.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    }, 100);
  };
  document.addEventListener("paste", window.codecPaste);
}"""


def file_stem(path: str) -> str:
    """A harmless name for downloads, made from an upload's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(path).stem).strip("-.")[:60] or "picture"


def headline(ours: Row, level: int, lmbda: float | None, notes: list[str]) -> str:
    """The result in one line, how it came about in another. lmbda: what was asked for; level: the byte coded at."""
    from codec.rate import lambda_of_byte

    exact = lambda_of_byte(level)
    said = f"λ = {exact:.3g}" if lmbda is None else f"λ = {lmbda:g} (coded at {exact:.4g}, level {level} of 255)"
    small = " ".join(escape(n) for n in [f"{said}, {ours.bpp:.3f} bits per pixel.", *notes])
    big = f"{kilobytes(ours.bytes)}, {ours.ratio:.0f}× smaller, {ours.psnr:.1f} dB"
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
    from codec.api import encode, load, where_it_fits
    from codec.images import png_bytes
    from codec.reading import read_picture

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

    def code(device: str):
        wanted["codec"] = load(device=device)
        return encode(image.rgb, model=model, tick=lambda s: progress(0.05 + 0.45 * s, desc="Encoding"), **wanted)

    coded, found = where_it_fits(code)
    CACHE.put(("encode_ms", digest(coded.data)), sum(coded.timer.ms.values()))
    notes = list(image.notes)
    if not found.reached:
        notes.append(f"{asked(rate)} is below what the model can reach; this is the smallest it can do.")
    elif found.at_top:
        notes.append("This is the best quality the model has.")

    progress(0.5, desc="Decoding the bytes")
    stream, decoded, original = (folder / f"{name}{s}" for s in (".lic", ".decoded.png", ".original.png"))
    stream.write_bytes(coded.data)
    original.write_bytes(png_bytes(image.rgb))
    job = Job(coded.data, original, image.rgb)
    ours = picture_of(job, OURS, tick=lambda s: progress(0.55 + 0.4 * s, desc="Decoding the bytes"))
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


def side_choices(names: list[str], past: list[str]) -> list[tuple[str, str]]:
    """What either side of the divider can be: (label, key). names: decoders; past: experiments of 2017."""
    decoders = [(f"{DECODERS[n]} decoder, same bytes", n) for n in names]
    codecs = [(f"{name}, same size", key) for key, name in BASELINES.items()]
    return [("Original", ORIGINAL), ("Ours", OURS), *decoders, *codecs, *past_choices(past)]


def baseline_choices(past: list[str]) -> list[tuple[str, str]]:
    """What ours can be compared with: (label, key)."""
    return [*((name, key) for key, name in BASELINES.items()), *past_choices(past)]


def past_choices(past: list[str]) -> list[tuple[str, str]]:
    return [(f"{key.replace('2017-', '2017, experiment ')}, its own size", key) for key in past]


def model_choices(names: list[str] | tuple[str, ...]) -> list[tuple[str, str]]:
    return [(DECODERS[n], n) for n in names]


def what_is_here():
    """The models and sides of the weights that are installed, which only torch can tell."""
    from codec.models import registry

    with parts.said_plainly():
        models = [m for m in MODELS if m in registry.models()]
        past = historical()
        sides = gr.update(choices=side_choices(networks(), past))
    return gr.update(choices=model_choices(models)), sides, sides, gr.update(choices=baseline_choices(past))


def quality_of(lmbda: float) -> float:
    """Where the slider stands for a λ: the inverse of QUALITY_JS."""
    return round(200 * math.log(lmbda / LAMBDA_MIN) / math.log(LAMBDA_MAX / LAMBDA_MIN)) / 2


def choose_model(model: str, mode: str, bpp: float):
    """What a model is for; HiFiC's points set the rate they are meant for."""
    said = explained(model)
    return (said, BY_RATE, POINTS[model]) if model in POINTS else (said, mode, bpp)


def explained(model: str) -> str:
    return f"<span class='hint'>{escape(MODELS[model])}</span>"


def show_target(mode: str):
    return [gr.update(visible=mode == m) for m in MODES]


def build(demo: gr.Blocks, opening) -> tuple[gr.DownloadButton, gr.File, gr.Number]:
    """Lays out the tab inside the current one and connects it. Returns what holds the stream, the original and λ.

    opening: a function of the request that gives what the page starts with, by the names of START.
    """
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            headline_box = gr.HTML(elem_id="headline", padding=False)
            said = gr.HTML(elem_id="verdict", padding=False)
            pictures = viewer.component(elem_id="comparison")
            with gr.Row(elem_id="sides"):
                names = [n for n in DECODERS if not n.startswith("hific-") or n == "hific-nogan"]
                sides = side_choices(names, list(HISTORICAL))
                left = gr.Dropdown(sides, value=ORIGINAL, label="Left of the divider", filterable=False, min_width=150)
                right = gr.Dropdown(sides, value=OURS, label="Right of the divider", filterable=False, min_width=150)
                baseline = gr.Dropdown(
                    baseline_choices(list(HISTORICAL)),
                    value="jpeg",
                    label="Compare with, at the same size",
                    filterable=False,
                    min_width=150,
                    elem_id="baseline",
                )
            figures = gr.HTML(elem_id="figures", elem_classes="figures", padding=False)
            everything = gr.Checkbox(False, label="Measure every decoder and every codec", elem_id="everything")
            with gr.Row():
                stream_file = gr.DownloadButton("Stream (.lic)", elem_id="get-stream", min_width=120)
                png_file = gr.DownloadButton("Decoded (.png)", elem_id="get-png", min_width=120)
                baseline_file = gr.DownloadButton("The other codec's file", elem_id="get-baseline", min_width=120)
            original_file, numbers = gr.File(visible=False), gr.JSON(visible=False)
        with gr.Column(scale=1, min_width=300):
            upload = gr.File(
                label="Your picture: drop, paste or choose it", file_types=TYPES, type="filepath", height=130,
                elem_id="upload",
            )  # fmt: skip
            parts.hint(examples.CREDITS)
            gallery = gr.Gallery(
                value=examples.thumbnails(),
                label="Examples",
                show_label=False,
                columns=5,
                height="auto",
                allow_preview=False,
                object_fit="cover",
                format="png",
                elem_id="examples",
                interactive=False,
                buttons=[],
            )
            model = gr.Radio(model_choices(list(MODELS)), value="mse", label="Model", elem_id="model")
            about = gr.HTML(explained("mse"), elem_id="about-model", padding=False)
            mode = gr.Radio(list(MODES), value=BY_LAMBDA, label="Aim for", elem_id="mode")
            with gr.Group() as lambda_group:
                quality = gr.Slider(
                    0, 100, 42.5, step=0.5, label="Smaller file ⟷ better picture", buttons=[], elem_id="quality"
                )
                lmbda = gr.Number(LAMBDA_START, label="λ, the price of distortion in R + λ·D", minimum=0, step=0.0001)
            bpp = gr.Slider(0.05, 2, 0.3, step=0.01, label="At most so many bits per pixel", visible=False)
            kb = gr.Number(15, label="At most so many kB (1,000 bytes)", minimum=0.03, step=1, visible=False,
                           elem_id="kilobytes")  # fmt: skip
            button = gr.Button("Compress", variant="primary", elem_id="compress")

    private = {"api_visibility": "private"}
    quick = {"queue": False, "show_progress": "hidden", **private}
    inputs = [upload, mode, lmbda, bpp, model, kb, left, right, baseline]
    outputs = [headline_box, pictures, numbers, figures, stream_file, png_file, original_file, said]
    how = {
        "concurrency_id": "codec",
        "concurrency_limit": 2,
        "trigger_mode": "always_last",
        "show_progress_on": pictures,
    }
    pick = gallery.select(pick_example, None, upload, **quick)

    def start(request: gr.Request) -> list:
        values = opening(request)
        return [values.get(name, gr.skip()) for name in START]

    first = demo.load(start, None, [upload, model, about, mode, quality, lmbda, bpp], **quick)
    demo.load(None, js=PASTE_JS, **private)
    demo.load(what_is_here, None, [model, left, right, baseline], **quick)
    chosen = model.input(choose_model, [model, mode, bpp], [about, mode, bpp], **quick)
    events = [button.click, upload.upload, quality.release, bpp.release, mode.input, lmbda.submit, kb.submit]
    events += [pick.then, first.then, chosen.then]
    runs = [button.click(run, inputs, outputs, api_name="compress", **how)]
    runs += [event(run, inputs, outputs, **how, **private) for event in events[1:]]
    # Slow numbers follow in a queue of their own, once the page has the files, and are called off by the next picture.
    compared = [stream_file, original_file, left, right, baseline, everything]
    shown = [said, pictures, numbers, figures, baseline_file]
    slowly = {
        "concurrency_id": "measure",
        "concurrency_limit": 1,
        "show_progress": "hidden",
        "trigger_mode": "multiple",
    }
    changes = [left.select, right.select, baseline.select, everything.input]
    slow = [gr.on(changes, measure, compared, shown, api_name="measure", **slowly)]
    slow += [done.success(measure, compared, shown, **slowly, **private) for done in runs]
    for event in events:
        event(None, cancels=slow, **private)
    quality.input(None, quality, lmbda, js=QUALITY_JS, **private)
    mode.change(show_target, mode, [lambda_group, bpp, kb], **quick)
    return stream_file, original_file, lmbda


def pick_example(event: gr.SelectData) -> str:
    """The file behind the thumbnail that was clicked."""
    return examples.files()[event.index]
