"""The first tab: an image, its bytes, and what other codecs make of as many."""

import math
from html import escape
from typing import NamedTuple

import gradio as gr

from codec import spec
from codec.spec import LAMBDA_MAX, LAMBDA_MIN, OPERATING_POINTS, STREAM_SUFFIX
from codec.ui import examples, jobs, ready, viewer
from codec.ui.hosting import queue
from codec.ui.names import (
    BASELINES,
    BY_BYTES,
    BY_RATE,
    CAE,
    DECODERS,
    EQUALS,
    HISTORICAL,
    MODELS,
    MODES,
    ORIGINAL,
    OURS,
)
from codec.ui.texts import section, t
from codec.ui.widgets import PRIVATE, QUICK, Coded, hint

TYPES = ["image", ".heic", ".heif", ".avif", ".tif", ".tiff", STREAM_SUFFIX]
FULL = 9  # the input that asks for all pixels
LAMBDA_START = 0.0035
QUALITY_JS = f"q => Number(({LAMBDA_MIN} * Math.pow({LAMBDA_MAX / LAMBDA_MIN}, q / 100)).toPrecision(3))"
MODEL_START, BPP_START, SIDES_START = "hific-lo", 0.14, ("jpeg", OURS, "jpeg")  # as on the first screen
#: What a link may set.
START = (
    "upload", "example", "pictures", "headline", "verdict", "figures", "model", "about", "mode", "quality", "lmbda",
    "bpp", "kb", "left", "right", "baseline", "equal",
)  # fmt: skip
SIDES = [name for name in DECODERS if name not in OPERATING_POINTS]  # each network once


def compress(path: str | None, mode: str, lmbda: float, bpp: float, model: str, kb: float, left: str, right: str,
             baseline: str, full: bool = False, refine: bool = False, progress=gr.Progress()):  # fmt: skip  # noqa: B008
    """Compress an image and decode the bytes again.

    path: the image, or a .lic file, which is decoded. mode: "Quality (λ)", "Size (bpp)" or "Size (kB)"; lmbda:
    0.0005…0.0483, bpp: bits per pixel, kb: thousands of bytes; the mode says which of them counts. model: "mse",
    "perceptual", "texture", "hific-lo", "hific-mi" or "hific-hi". left, right, baseline: what will be compared, see
    /measure.
    full: encode all pixels; else an image of more than 2 megapixels is scaled down to that. refine: search for fewer
    bytes, for some seconds a megapixel. Gives the headline, the images to compare, the measurements as JSON and as a
    table, and files: the stream, the decoded image as PNG, the original as PNG; last, a sentence on what follows.
    """
    if path and path.lower().endswith(STREAM_SUFFIX):
        yield from jobs.open_stream.in_compare(path)
        return
    yield from jobs.compare.run(path, (mode, lmbda, bpp, kb), model, (left, right, baseline), progress, full, refine)


def compress_first(path: str | None, mode: str, lmbda: float, bpp: float, model: str, kb: float, left: str, right: str,
                   baseline: str, full: bool = False, refine: bool = False, progress=gr.Progress()):  # fmt: skip  # noqa: B008
    """What the page does when it is opened: a photo of the visitor's own is still on its way."""
    if path:
        yield from compress(path, mode, lmbda, bpp, model, kb, left, right, baseline, full, refine, progress)
    else:
        yield [gr.skip()] * 8


def measure(stream: str | None, original: str | None, left: str, right: str, baseline: str, everything: bool,
            equal: str = BY_BYTES, progress=gr.Progress()):  # fmt: skip  # noqa: B008
    """Compare a stream with other decoders of its bytes, with classical codecs of the same size, and with cae-2017.

    stream: a .lic file; original: the image it was made of. left, right: what to show, "original", "ours", a
    decoder ("mse", "perceptual", "texture", "hific"), a codec ("jpeg", "webp", "avif", "jpeg2000", "heic"), or
    "cae-2017", an autoencoder that has one rate, its own. baseline: the codec to compare with. everything: measure
    all of them. equal: what the classical codecs have in common with the stream: "size", or "psnr", "ms_ssim" or
    "lpips"; then each gets the bytes that it needs for that. Gives a sentence, the images, the measurements as JSON
    and as a table, and the baseline's file; fast numbers first, MS-SSIM and LPIPS after them.
    """
    yield from jobs.compare.measure(stream, original, (left, right, baseline), everything, progress, equal)


def measure_coded(stream: str | None, original: str | None, left: str, right: str, baseline: str, everything: bool,
                  equal: str = BY_BYTES, progress=gr.Progress()):  # fmt: skip  # noqa: B008
    """What follows an encoding; nothing where there was none: a photo is still on its way, or a stream was opened."""
    if stream and original:
        yield from measure(stream, original, left, right, baseline, everything, equal, progress)
    else:
        yield [gr.skip()] * 5


def side_choices(names: list[str], past: list[str]) -> list[tuple[str, str]]:
    """What either side of the divider can be: (label, key). names: decoders; past: systems of history."""
    decoders = [(t("compare.side_decoder", name=DECODERS[n]), n) for n in names]
    codecs = [(name, key) for key, name in BASELINES.items()]
    ours = [(t("compare.original"), ORIGINAL), (t("compare.ours"), OURS)]
    return [*ours, *decoders, *codecs, *past_choices(past)]


def baseline_choices(past: list[str]) -> list[tuple[str, str]]:
    """What this codec can be compared with: (label, key)."""
    return [*((name, key) for key, name in BASELINES.items()), *past_choices(past)]


def past_choices(past: list[str]) -> list[tuple[str, str]]:
    return [(t("compare.past", experiment=CAE[key]) if key in CAE else key, key) for key in past]


def model_choices(names: list[str] | tuple[str, ...]) -> list[tuple[str, str]]:
    return [(DECODERS[n], n) for n in names]


def what_is_here():
    """The choices that the weights here allow."""
    models, decoders, past = jobs.compare.installed()
    sides = gr.update(choices=side_choices(decoders, past))
    return gr.update(choices=model_choices(models)), sides, sides, gr.update(choices=baseline_choices(past))


def quality_of(lmbda: float) -> float:
    """Where the slider stands for a λ: the inverse of QUALITY_JS."""
    return round(200 * math.log(lmbda / LAMBDA_MIN) / math.log(LAMBDA_MAX / LAMBDA_MIN)) / 2


def choose_model(model: str, mode: str, bpp: float):
    """What a model is for; HiFiC's points set the rate they are meant for."""
    return explained(model), BY_RATE if model in OPERATING_POINTS else mode, OPERATING_POINTS.get(model, bpp)


def explained(model: str) -> str:
    return f"<span class='hint'>{escape(section('models').get(model, spec.DECODERS[model].about))}</span>"


def show_target(mode: str):
    return [gr.update(visible=mode == m) for m in MODES]


def pick_example(event: gr.SelectData) -> tuple[str, str]:
    """The file behind the thumbnail that was clicked, and its name."""
    return examples.files()[event.index], list(examples.sources())[event.index]


def file_of(name: str | None):
    """The file of an example."""
    names = list(examples.sources())
    return examples.files()[names.index(name)] if name in names else gr.skip()


def dropdown(choices: list[tuple[str, str]], value: str, label: str, **options) -> gr.Dropdown:
    return gr.Dropdown(choices, value=value, label=t(label), filterable=False, **{"min_width": 150} | options)


class Bar(NamedTuple):
    """What is set for every tab: the image, its rate and the model."""

    upload: gr.File
    example: gr.Dropdown
    model: gr.Dropdown
    mode: gr.Radio
    by_lambda: gr.Group
    quality: gr.Slider
    lmbda: gr.Number
    bpp: gr.Slider
    kb: gr.Number
    button: gr.Button


def build_bar() -> Bar:
    """Lays out the thin bar above the tabs. On a phone it is a line at the foot of the screen that unfolds."""
    with gr.Row(elem_id="bar", equal_height=True):
        gr.HTML(
            f"<button type='button' id='bar-line' aria-expanded='false'>{t('bar.line')}</button>", elem_id="bar-head"
        )
        upload = gr.File(label=t("compare.upload"), file_types=TYPES, type="filepath", height=84, elem_id="upload")
        names = [(t(f"examples.name_{name}"), name) for name in examples.sources()]
        example = dropdown(names, names[0][1], "compare.example", elem_id="example", scale=1)
        model = dropdown(model_choices(MODELS), MODEL_START, "compare.model", elem_id="model", scale=1)
        targets = t("compare.by_lambda"), t("compare.by_rate"), t("compare.by_size")
        targets = list(zip(targets, MODES, strict=True))
        mode = gr.Radio(targets, value=BY_RATE, label=t("compare.target"), elem_id="mode", min_width=270, scale=0)
        with gr.Row(visible=False, elem_id="by-lambda") as by_lambda:
            quality = gr.Slider(
                0, 100, 42.5, step=0.5, label=t("compare.quality"), buttons=[], elem_id="quality", min_width=150
            )
            lmbda = gr.Number(
                LAMBDA_START, label=t("compare.lambda_label"), minimum=0, step=0.0001, elem_id="lambda", min_width=110
            )
        bpp = gr.Slider(
            0.05, 2, BPP_START, step=0.01, label=t("compare.bpp"), buttons=[], elem_id="bpp", min_width=240, scale=2
        )
        kb = gr.Number(
            15, label=t("compare.kb"), minimum=0.03, step=1, visible=False, elem_id="kilobytes", min_width=240, scale=2
        )
        button = gr.Button(t("compare.button"), variant="primary", elem_id="compress", min_width=110, scale=0)
    return Bar(upload, example, model, mode, by_lambda, quality, lmbda, bpp, kb, button)


def build(demo: gr.Blocks, bar: Bar, opening) -> tuple[Coded, dict]:
    """Lays out the place inside the current one and connects it. Returns the sides by their names, too.

    opening: a function of the request that gives what the page starts with, by the names of START.
    """
    begun = ready.ready(0, BPP_START, MODEL_START, SIDES_START)
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            headline = gr.HTML(begun["headline"], elem_id="headline", padding=False)
            verdict = gr.HTML(begun["verdict"], elem_id="verdict", padding=False)
            pictures = viewer.component(value=begun["pictures"], elem_id="comparison")
            with gr.Row(elem_id="sides"):
                sides, past = side_choices(SIDES, list(HISTORICAL)), list(HISTORICAL)
                left = dropdown(sides, SIDES_START[0], "compare.left", elem_id="left-side")
                right = dropdown(sides, SIDES_START[1], "compare.right", elem_id="right-side")
                baseline = dropdown(baseline_choices(past), SIDES_START[2], "compare.baseline", elem_id="baseline")
                equals = [(t(f"compare.equal_{name}"), name) for name in EQUALS]
                equal = dropdown(equals, BY_BYTES, "compare.equal", elem_id="equal")
            figures = gr.HTML(begun["figures"], elem_id="figures", elem_classes="figures", padding=False)
        with gr.Column(scale=1, min_width=300, elem_id="beside"):
            gallery = gr.Gallery(
                value=examples.thumbnails(),
                label=t("compare.examples"),
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
            hint(examples.credit())
            hint(t("compare.privacy"))
            full = gr.Checkbox(False, label=t("compare.full"), elem_id="full-size")
            refine = gr.Checkbox(False, label=t("compare.refine"), elem_id="refine")
            about = gr.HTML(explained(MODEL_START), elem_id="about-model", padding=False)
            everything = gr.Checkbox(False, label=t("compare.everything"), elem_id="everything")
            share = gr.Button(t("compare.share"), elem_id="share-comparison")
            with gr.Row():
                stream_file = gr.DownloadButton(t("compare.stream_file"), elem_id="get-stream", min_width=120)
                png_file = gr.DownloadButton(t("compare.png_file"), elem_id="get-png", min_width=120)
                baseline_file = gr.DownloadButton(t("compare.baseline_file"), elem_id="get-baseline", min_width=120)
            original_file, numbers = gr.File(visible=False), gr.JSON(visible=False)

    quick = {**QUICK, "show_progress": "hidden"}
    inputs = [bar.upload, bar.mode, bar.lmbda, bar.bpp, bar.model, bar.kb, left, right, baseline, full, refine]
    outputs = [headline, pictures, numbers, figures, stream_file, png_file, original_file, verdict]
    how = {
        "concurrency_id": "codec",
        "concurrency_limit": 2,
        "trigger_mode": "multiple",  # the queue calls off older ones
        "show_progress_on": pictures,
    }

    def start(request: gr.Request) -> list:
        values = opening(request)
        return [values.get(name, gr.skip()) for name in START]

    components = {**bar._asdict(), "pictures": pictures, "headline": headline, "verdict": verdict, "figures": figures}
    components |= {"about": about, "left": left, "right": right, "baseline": baseline, "equal": equal}
    first = demo.load(start, None, [components[name] for name in START], **quick)
    first.then(None, js="() => window.codecPage.started()", **QUICK)
    demo.load(what_is_here, None, [bar.model, left, right, baseline], **quick)
    pick = gallery.select(pick_example, None, [bar.upload, bar.example], **quick)
    named = bar.example.input(file_of, bar.example, bar.upload, **quick)
    bar.upload.upload(lambda: None, None, bar.example, **quick)
    chosen = bar.model.input(choose_model, [bar.model, bar.mode, bar.bpp], [about, bar.mode, bar.bpp], **quick)
    # Another image takes away what is left of the one before: the browser does it, before it asks for the new.
    left_over = [headline, verdict, figures, stream_file, png_file, baseline_file]
    others = [bar.upload.upload, pick.then, named.then]
    another = [event(None, None, left_over, js="() => window.codecPage.another()", **quick).then for event in others]
    events = [
        bar.quality.release,
        bar.bpp.release,
        bar.mode.input,
        bar.lmbda.submit,
        bar.kb.submit,
        full.input,
        refine.input,
    ]
    events += [*another, chosen.then]
    runs = [bar.button.click(compress, inputs, outputs, api_name="compress", **how)]
    runs.append(first.then(compress_first, inputs, outputs, **how, **PRIVATE))
    runs += [event(compress, inputs, outputs, **how, **PRIVATE) for event in events]
    for run in runs:
        run.failure(None, headline, headline, js="said => window.codecPage.gaveUp(said)", **quick)
    # Slow numbers follow in a lane of their own, once the page has the files.
    compared = [stream_file, original_file, left, right, baseline, everything, equal]
    slow_outputs = [verdict, pictures, numbers, figures, baseline_file]
    slowly = {
        "concurrency_id": "measure",
        "concurrency_limit": 1,
        "show_progress": "hidden",
        "trigger_mode": "multiple",
    }
    changes = [left.select, right.select, baseline.select, everything.input, equal.select]
    gr.on(changes, measure, compared, slow_outputs, api_name="measure", **slowly)
    for done in runs:
        measured = done.success(measure_coded, compared, slow_outputs, **slowly, **PRIVATE)
        measured.success(None, None, baseline_file, js="() => window.codecPage.ready(1)", **QUICK)
        done.success(None, None, [stream_file, png_file], js="() => window.codecPage.ready(2)", **QUICK)
        done.success(None, js="() => window.codecPage.again()", **QUICK)
    share.click(None, js="() => window.codecPage.share()", **QUICK)
    bar.upload.clear(queue.call_off, **quick)
    bar.quality.input(None, bar.quality, bar.lmbda, js=QUALITY_JS, **PRIVATE)
    bar.mode.change(show_target, bar.mode, [bar.by_lambda, bar.bpp, bar.kb], **quick)
    return Coded(stream_file, original_file, bar.lmbda), {
        "left": left,
        "right": right,
        "baseline": baseline,
        "equal": equal,
    }
