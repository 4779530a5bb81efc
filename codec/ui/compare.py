"""The first tab: a picture, our bytes, and what others make of as many. How it looks; `compare_work` does the work."""

import math
from html import escape

import gradio as gr

from codec.ui import examples, parts, viewer
from codec.ui.compare_work import BY_LAMBDA, BY_RATE, MODES, measure, run
from codec.ui.renditions import BASELINES, DECODERS, HISTORICAL, ORIGINAL, OURS, historical, networks

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
    from codec.weights import default

    with parts.said_plainly():
        models = [m for m in MODELS if m in default().models()]
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
            parts.hint(examples.credit())
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
