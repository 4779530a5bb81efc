"""Region of interest: paint what matters, and the same number of bytes is spent there."""

import tempfile
from pathlib import Path

import gradio as gr

from codec.errors import CodecError
from codec.inside import heatmap
from codec.ui import painting, parts

FACTORS = [("2×", 2), ("4×", 4), ("8×", 8), ("16×", 16), ("32×", 32), ("64×", 64)]
PAINT = "#ff8c00a0"  # orange, apart from most pictures and for every kind of colour vision
SHOWN_SIDE = 960  # pixels of the longer side of what is painted on
UNIFORM, REGION = "Uniform", "Region of interest"
BRUSH, MIDDLE = PARTS = ("What I paint", "The middle of the picture")


def run(stream: str | None, original: str | None, painting: dict | None, factor: float, part: str = BRUSH):
    """Code a picture again in as many bytes, a painted part of it better.

    stream: the .lic file that is to be matched in size. original: the picture it was made from. painting: a dict
    {"background", "layers", "composite"} of image files, where the first layer is opaque where it matters, of any size.
    factor: how many times λ is as high where it is painted, 2…64. part: "What I paint", or "The middle of the picture",
    which needs no painting. Gives the two decoded pictures (PNG), a table
    as HTML, both heat maps (PNG), and the new stream.
    """
    parts.need(stream, original)
    with parts.said_plainly(), tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder), Path(stream).read_bytes(), original, painting, factor, part
        yield from parts.where_it_fits(lambda device: results(*inputs, device))


def results(folder: Path, data: bytes, original: str, painting: dict | None, factor: float, part: str, device: str):
    """The work of `run`, with a folder to write to."""
    import numpy as np

    from codec import bitstream
    from codec.api import load
    from codec.inside import bits, roi
    from codec.metrics import psnr
    from codec.pictures.load import save_png
    from codec.pictures.sandbox import read_picture

    uniform = bitstream.read(data)
    rgb = read_picture(original).rgb
    if rgb.shape[:2] != (uniform.height, uniform.width):
        raise CodecError("The stream was made from another picture: compress this one first, in the tab 'Compare'.")
    size = (uniform.width, uniform.height)
    painted = middle(*size) if part == MIDDLE else mask(painting, *size)
    codec = load(uniform.trunk, device)
    start = int(np.median(uniform.q_map()))
    found = roi.encode_painted(codec, codec.analyse(rgb), painted, float(factor), len(data), uniform.decoder, start)
    files = {UNIFORM: data, REGION: found.data}
    decoded, maps = {}, {}
    for name, bytes_ in files.items():
        stream = bitstream.read(bytes_)
        decoded[name] = codec.decode(stream)
        latent = found.latent if name == REGION else codec.read(stream)
        maps[name] = bits.block_bits(codec, latent, len(stream.z) + len(stream.y))
    top = float(np.quantile(np.stack(list(maps.values())), 0.995))
    rows, shown = [], []
    for name in files:
        inside, outside = roi.psnr_in_and_out(rgb, decoded[name], painted)
        rows.append((name, len(files[name]), inside, outside, psnr(rgb, decoded[name])))
        share = 100 * roi.share_inside(maps[name], painted)
        save_png(decoded[name], folder / f"{name}.png")
        path = folder / f"{name} map.png"
        save_png(outlined(heatmap.over(rgb, maps[name], top), painted), path)
        shown.append((str(path), f"{name}: {share:.0f} % of the bits in the painted part"))
    out = folder / "region-of-interest.lic"
    out.write_bytes(found.data)
    pair = tuple(str(folder / f"{name}.png") for name in files)
    yield pair, table(rows, painted.mean(), found), shown, str(out)


def mask(painting: dict | None, width: int, height: int):
    """bool (height, width): where any layer of the painting is opaque; all False for no painting."""
    import numpy as np
    from PIL import Image

    from codec.pictures.sandbox import read_opacity

    painted = np.zeros((height, width), bool)
    for layer in (painting or {}).get("layers") or []:
        opacity = Image.fromarray(read_opacity(layer)).resize((width, height), Image.Resampling.NEAREST)
        painted |= np.asarray(opacity) > 0
    return painted


def outlined(rgb, painted):
    """The picture with a white line, dark beside it, round what is painted."""
    import numpy as np

    def grown(region):
        out = region.copy()
        out[1:] |= region[:-1]
        out[:-1] |= region[1:]
        out[:, 1:] |= region[:, :-1]
        out[:, :-1] |= region[:, 1:]
        return out

    once = grown(painted)
    twice = grown(once)
    rgb = rgb.copy()
    rgb[twice & ~painted] = 255
    rgb[grown(twice) & ~twice] = np.uint8(20)
    return rgb


def table(rows: list[tuple], share: float, found) -> str:
    """Sizes and PSNR as HTML, the better of each pair in bold, and a sentence."""
    uniform, region = rows

    def line(label: str, k: int, form: str) -> str:
        pair = (uniform[k], region[k])
        best = max((v for v in pair if v is not None), default=None) if k > 1 else None
        cells = ("–" if v is None else f"<b>{v:{form}}</b>" if v == best else f"{v:{form}}" for v in pair)
        return f"<tr><th scope='row'>{label}</th>{''.join(f'<td>{c}</td>' for c in cells)}</tr>"

    gained = f"{region[2] - uniform[2]:+.2f} dB where it is painted"
    gained += f", {region[3] - uniform[3]:+.2f} dB elsewhere" if uniform[3] is not None else ""
    body = line("bytes", 1, ",") + "".join(
        line(label, k, ".2f") for label, k in (("PSNR painted, dB", 2), ("PSNR elsewhere", 3), ("PSNR in all", 4))
    )
    heads = "<td></td><th scope='col'>uniform</th><th scope='col'>painted</th>"
    gained = gained.replace("-", "−")
    said = f"Left {uniform[1]:,} bytes, right {region[1]:,} bytes: {gained}."
    return (
        f"<div class='big' data-alt-for='region-pair'>{said}</div>"
        f"<div class='figures'><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
        f"<p>{100 * share:.0f} % of the picture is painted. The stream carries a map of "
        f"{found.levels.shape[0]}×{found.levels.shape[1]} levels, from {found.levels.min()} to {found.levels.max()}, "
        f"one for each 64×64 pixels; it was coded {found.codings} times to find the size that is nearest to and not "
        "above the uniform one.</p>"
    )


def middle(width: int, height: int):
    """bool (height, width): an ellipse in the middle of the picture, for those who have no pointer to paint with."""
    import numpy as np

    v, u = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.hypot(u, v) < 0.5


def canvas(original: str | None, before: str | None):
    """A fresh canvas for a picture, unless it is the one that lies there already; and which picture it is."""
    if not original or original == before:
        return gr.skip(), before
    import numpy as np
    from PIL import Image

    from codec.pictures.sandbox import read_picture

    with parts.said_plainly():
        image = Image.fromarray(read_picture(original).rgb)
    image.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    return {"background": np.asarray(image.convert("RGB")), "layers": [], "composite": None}, original


def build(tab: gr.Tab, stream: gr.DownloadButton, original: gr.File) -> None:
    """Lays out this part of the tab and connects it."""
    gr.Markdown("## Region of interest: paint what matters")
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            editor = painting.canvas(
                label="Paint over what matters",
                show_label=False,
                sources=(),
                transforms=(),
                layers=False,
                format="png",
                brush=gr.Brush(default_size=60, colors=[PAINT], color_mode="fixed"),
                elem_id="painting",
                height=440,
                buttons=[],
            )
        with gr.Column(scale=1, min_width=280):
            parts.hint(
                "Brush over a face, a sign, a product. The picture is coded again, with more weight on what you "
                "painted and less on the rest, in <b>no more bytes</b> than the uniform stream of the tab ‘Compare’."
            )
            factor = gr.Radio(FACTORS, value=8, label="What is painted weighs")
            part = gr.Radio(list(PARTS), value=BRUSH, label="What matters", elem_id="what-matters")
            button = gr.Button("Code it again", variant="primary", elem_id="code-region")
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            pair = parts.pair("Uniform and painted", "region-pair")
        with gr.Column(scale=1, min_width=280):
            said = gr.HTML(elem_id="region-said", padding=False)
            out = gr.DownloadButton("This stream (.lic)", elem_id="get-region")
    maps = parts.strip("region-maps", 2)
    shown = gr.State(None)
    # In the queue although nobody presses a button for it: it reads a picture.
    hidden = {"show_progress": "hidden", "api_visibility": "private"}
    parts.opening(tab)(canvas, [original, shown], [editor, shown], concurrency_id="codec", **hidden)
    button.click(
        run,
        [stream, original, editor, factor, part],
        [pair, said, maps, out],
        api_name="region",
        concurrency_id="codec",
        trigger_mode="always_last",
        show_progress_on=editor,
    )
