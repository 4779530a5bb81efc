"""The first tab: a picture, our bytes, and a JPEG of the same size."""

import re
import tempfile
from dataclasses import dataclass
from html import escape
from pathlib import Path

import gradio as gr

from codec.errors import CodecError
from codec.ui import closeups, examples

BY_LAMBDA, BY_RATE = "Quality (λ)", "Size (bpp)"
ORIGINAL, OURS, JPEG = SIDES = "Original", "Ours", "JPEG"
TYPES = ["image", ".heic", ".heif", ".avif", ".tif", ".tiff"]
LAMBDA_MIN, LAMBDA_MAX, LAMBDA_START = 0.0005, 0.0483, 0.0035  # as codec.rate has them; torch stays unloaded here
QUALITY_JS = f"q => Number(({LAMBDA_MIN} * Math.pow({LAMBDA_MAX / LAMBDA_MIN}, q / 100)).toPrecision(3))"


@dataclass
class Row:
    """One line of the table."""

    name: str
    size: int
    bpp: float
    ratio: float
    psnr: float | None = None
    encode_ms: float | None = None
    decode_ms: float | None = None


def file_stem(path: str) -> str:
    """A harmless name for downloads, made from an upload's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(path).stem).strip("-.")[:60] or "picture"


def kilobytes(size: int) -> str:
    return f"{size:,} bytes" if size < 1000 else f"{size / 1000:,.1f} kB"


def table(rows: list[Row]) -> str:
    """The rows as HTML, the best PSNR in bold."""
    best = max((r.psnr for r in rows if r.psnr is not None), default=None)

    def cell(value: float | None, form: str) -> str:
        return "<td>–</td>" if value is None else f"<td>{value:{form}}</td>"

    lines = []
    for r in rows:
        psnr = cell(r.psnr, ".2f")
        if r.psnr is not None and r.psnr == best:
            psnr = f"<td><b>{r.psnr:.2f}</b></td>"
        lines.append(
            f"<tr><td>{escape(r.name)}</td><td>{r.size:,}</td>{cell(r.bpp, '.3f')}{cell(r.ratio, '.0f')}"
            f"{psnr}{cell(r.encode_ms, '.0f')}{cell(r.decode_ms, '.0f')}</tr>"
        )
    head = "".join(f"<th>{h}</th>" for h in ("", "bytes", "bpp", "ratio", "PSNR, dB", "encode, ms", "decode, ms"))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def headline(ours: Row, lmbda: float, notes: list[str], jpeg: str) -> str:
    """The result in one line, how it came about in another."""
    small = " ".join(escape(n) for n in [f"λ = {lmbda:.3g}, {ours.bpp:.3f} bits per pixel.", *notes])
    big = f"{kilobytes(ours.size)}, {ours.ratio:.0f}× smaller, {ours.psnr:.1f} dB. {escape(jpeg)}"
    return f"<div class='big'>{big}</div><div class='small'>{small}</div>"


def run(path: str | None, mode: str, lmbda: float, bpp: float, model: str, progress=gr.Progress()):  # noqa: B008
    """Compress a picture and decode the bytes again; then find the JPEG of the same size.

    path: the picture. mode: "Quality (λ)" or "Size (bpp)". lmbda: 0.0005…0.0483, bpp: bits per pixel.
    model: the decoder. Yields the headline, the pair to compare, close-ups, the table, and files: the stream, the
    decoded picture, the JPEG, the original as PNG, and the decoded JPEG as PNG.
    """
    if not path:
        raise gr.Error("Choose a picture first: drop one, or pick an example.", print_exception=False)
    try:
        # What a `with` removes has been copied to Gradio's own cache by then, where it expires.
        with tempfile.TemporaryDirectory() as folder:
            yield from results(Path(folder), path, mode, lmbda, bpp, model, progress)
    except CodecError as error:
        raise gr.Error(str(error), duration=None, print_exception=False) from None
    except MemoryError:
        message = "There is not enough memory for this picture; scale it down first."
        raise gr.Error(message, duration=None, print_exception=False) from None


def results(folder: Path, path: str, mode: str, lmbda: float, bpp: float, model: str, progress):
    """The work of `run`, with a folder to write to."""
    from codec import rate
    from codec.api import encode, load
    from codec.baselines import encode_at_most
    from codec.images import load_image, save_png
    from codec.metrics import bpp as rate_of
    from codec.metrics import psnr
    from codec.pipeline import Timer

    progress(0.0, desc="Reading the picture")
    image = load_image(path)
    height, width = image.rgb.shape[:2]
    name = file_stem(path)

    def tick(share: float) -> None:
        progress(0.1 + 0.4 * share, desc="Analysis")

    wanted = {"bpp": bpp} if mode == BY_RATE else {"lmbda": lmbda}
    coded, found = encode(image.rgb, model=model, tick=tick, **wanted)
    timer = Timer()
    progress(0.6, desc="Decoding the bytes")
    decoded = load().decode(coded.data, timer=timer)

    def row(label: str, size: int, *rest: float | None) -> Row:
        return Row(label, size, rate_of(size, width, height), 3 * width * height / size, *rest)

    times = (sum(coded.timer.ms.values()), sum(timer.ms.values()))
    ours = row(f"{OURS} ({model})", len(coded.data), psnr(image.rgb, decoded), *times)
    notes = list(image.notes)
    if not found.reached:
        notes.append(f"{bpp:g} bpp is below what the model can reach; this is the smallest it can do.")
    elif found.at_top:
        notes.append("This is the best quality the model has.")
    originals = [row(f"{ORIGINAL} ({image.format})", Path(path).stat().st_size)]

    files = {k: folder / f"{name}{k}" for k in (".lic", ".decoded.png", ".jpg", ".original.png", ".jpg.png")}
    files[".lic"].write_bytes(coded.data)
    save_png(decoded, files[".decoded.png"])
    save_png(image.rgb, files[".original.png"])
    pair = (str(files[".original.png"]), str(files[".decoded.png"]))
    ours_said = f"{kilobytes(ours.size)}, {ours.psnr:.1f} dB"

    def details(jpeg_rgb, jpeg_said: str) -> str:
        size = kilobytes(originals[0].size)
        return closeups.html(
            [(ORIGINAL, size, image.rgb), (OURS, ours_said, decoded), (JPEG, jpeg_said, jpeg_rgb)],
        )

    used = rate.lambda_of_byte(coded.level)
    # The picture first; the JPEG of the same size takes a search, and follows.
    yield (
        headline(ours, used, notes, "A JPEG of this size: …"),
        pair,
        details(None, ""),
        table([ours, *originals]),
        str(files[".lic"]),
        str(files[".decoded.png"]),
        None,
        str(files[".original.png"]),
        None,
    )
    jpeg = encode_at_most(image.rgb, "jpeg", len(coded.data))
    files[".jpg"].write_bytes(jpeg.data)
    save_png(jpeg.rgb, files[".jpg.png"])
    jpeg_row = row(f"{JPEG} ({jpeg.setting})", len(jpeg.data), psnr(image.rgb, jpeg.rgb))
    said = f"A JPEG of this size: {jpeg_row.psnr:.1f} dB."
    if not jpeg.fits:
        said = f"No JPEG is this small; the smallest: {kilobytes(jpeg_row.size)}, {jpeg_row.psnr:.1f} dB."
    yield (
        headline(ours, used, notes, said),
        pair,
        details(jpeg.rgb, f"{kilobytes(jpeg_row.size)}, {jpeg_row.psnr:.1f} dB"),
        table([ours, jpeg_row, *originals]),
        *(str(files[k]) for k in (".lic", ".decoded.png", ".jpg", ".original.png", ".jpg.png")),
    )


def sides(left: str, right: str, original: str | None, ours: str | None, jpeg: str | None):
    """The pair of files to show."""
    files = {ORIGINAL: original, OURS: ours, JPEG: jpeg}
    if not (files[left] and files[right]):
        return gr.skip()
    return files[left], files[right]


def hint(text: str) -> gr.HTML:
    return gr.HTML(text, elem_classes="hint", padding=False)


def build(demo: gr.Blocks) -> tuple[gr.DownloadButton, gr.File, gr.Number]:
    """Lays out the tab inside the current one and connects it. Returns what holds the stream, the original and λ."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            headline_box = gr.HTML(elem_id="headline", padding=False)
            slider = gr.ImageSlider(
                label="Two pictures and a divider",
                show_label=False,
                elem_id="comparison",
                format="png",
                type="filepath",
                interactive=False,
                max_height=470,
                buttons=["fullscreen"],
            )
            with gr.Row(elem_id="sides"):
                left = gr.Radio(list(SIDES), value=ORIGINAL, label="Left of the divider", min_width=230, scale=5)
                right = gr.Radio(list(SIDES), value=OURS, label="Right of the divider", min_width=230, scale=5)
                position = gr.Slider(
                    0, 100, 50, step=1, label="Divider", min_width=130, scale=4, buttons=[], elem_id="position"
                )
            hint("Drag the divider, zoom with the wheel. Below: the busiest detail of the picture, enlarged.")
            details = gr.HTML(elem_id="details", padding=False)
            figures = gr.HTML(elem_id="figures", padding=False)
            with gr.Row():
                stream_file = gr.DownloadButton("Stream (.lic)", elem_id="get-stream", min_width=120)
                png_file = gr.DownloadButton("Decoded (.png)", elem_id="get-png", min_width=120)
                jpeg_file = gr.DownloadButton("The JPEG (.jpg)", elem_id="get-jpeg", min_width=120)
            original_file, jpeg_png = gr.File(visible=False), gr.File(visible=False)
        with gr.Column(scale=1, min_width=300):
            upload = gr.File(label="Your picture", file_types=TYPES, type="filepath", height=130, elem_id="upload")
            hint("Or one of these: two JPEG photographs, three lossless drawings.")
            gallery = gr.Gallery(
                value=examples.files(),
                label="Examples",
                show_label=False,
                columns=5,
                height=78,
                allow_preview=False,
                object_fit="cover",
                format="png",
                elem_id="examples",
                interactive=False,
                buttons=[],
            )
            model = gr.Radio([("MSE: the least error", "mse")], value="mse", label="Model")
            mode = gr.Radio([BY_LAMBDA, BY_RATE], value=BY_LAMBDA, label="Aim for")
            with gr.Group() as lambda_group:
                quality = gr.Slider(
                    0, 100, 42.5, step=0.5, label="Smaller file ⟷ better picture", buttons=[], elem_id="quality"
                )
                lmbda = gr.Number(LAMBDA_START, label="λ, the price of distortion in R + λ·D", minimum=0, step=0.0001)
            bpp = gr.Slider(0.05, 2, 0.3, step=0.01, label="At most so many bits per pixel", visible=False)
            button = gr.Button("Compress", variant="primary", elem_id="compress")

    inputs = [upload, mode, lmbda, bpp, model]
    outputs = [headline_box, slider, details, figures, stream_file, png_file, jpeg_file, original_file, jpeg_png]
    how = {"concurrency_id": "codec", "concurrency_limit": 2, "trigger_mode": "always_last", "show_progress_on": slider}
    private = {"api_visibility": "private"}
    pick = gallery.select(pick_example, None, upload, queue=False, **private)
    first = demo.load(lambda: examples.files()[0], None, upload, queue=False, **private)
    runs = [button.click(run, inputs, outputs, api_name="compress", **how)]
    for event in (upload.upload, quality.release, bpp.release, mode.change, lmbda.submit, pick.then, first.then):
        runs.append(event(run, inputs, outputs, **how, **private))
    shown = ([left, right, original_file, png_file, jpeg_png], slider)
    for done in runs:  # `run` shows the original and ours; this, what the radios ask for
        done.then(sides, *shown, queue=False, **private)
    for side in (left, right):
        side.change(sides, *shown, queue=False, **private)
    quality.input(None, quality, lmbda, js=QUALITY_JS, **private)
    mode.change(
        lambda m: (gr.update(visible=m == BY_LAMBDA), gr.update(visible=m == BY_RATE)),
        mode,
        [lambda_group, bpp],
        queue=False,
        **private,
    )
    position.input(lambda p: gr.ImageSlider(slider_position=p), position, slider, queue=False, **private)
    return stream_file, original_file, lmbda


def pick_example(event: gr.SelectData) -> str:
    """The file behind the thumbnail that was clicked."""
    return examples.files()[event.index]
