"""Region of interest: as many bytes again, more of them where it was painted."""

from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image

from codec import api, bitstream
from codec.errors import CodecError
from codec.inside import bits, heatmap, roi
from codec.metrics import psnr
from codec.pictures.sandbox import read_opacity, read_picture
from codec.ui.jobs import common
from codec.ui.jobs.gpu import each_where_it_fits
from codec.ui.names import MIDDLE
from codec.ui.tables import plain_table
from codec.ui.texts import t

SHOWN_SIDE = 960  # pixels of the longer side of what is painted on


def run(stream: str | None, original: str | None, painting: dict | None, factor: float, part: str):
    """Yields the uniform stream beside the new one: see `tabs.region.region`."""
    common.need(stream, original)
    with common.workplace() as folder:
        inputs = folder, Path(stream).read_bytes(), original, painting, factor, part
        yield from each_where_it_fits(lambda device: results(*inputs, device))


def results(folder: Path, data: bytes, original: str, painting: dict | None, factor: float, part: str, device: str):
    """The work of `run`, with a folder to write to."""
    uniform = bitstream.read(data)
    rgb = read_picture(original).rgb
    if rgb.shape[:2] != (uniform.height, uniform.width):
        raise CodecError(t("region.other_image"))
    size = (uniform.width, uniform.height)
    painted = middle(*size) if part == MIDDLE else mask(painting, *size)
    codec = api.load(uniform.trunk, device)
    start = int(np.median(uniform.q_map()))
    result = roi.encode_painted(codec, codec.analyse(rgb), painted, float(factor), len(data), uniform.decoder, start)
    region = bitstream.read(result.data)
    named = {t("region.uniform"): (uniform, codec.read(uniform)), t("region.region"): (region, result.latent)}
    decoded, maps = {}, {}
    for name, (coded, latent) in named.items():
        g_s = codec.decoder(coded.decoder)
        decoded[name] = codec.synthesise(latent, g_s, coded.width, coded.height)
        maps[name] = bits.block_bits(codec, latent, len(coded.z) + len(coded.y))
    top = float(np.quantile(np.stack(list(maps.values())), 0.995))
    rows, shares, pictures = [], [], [(t("compare.original"), "", rgb)]
    for name, bytes_ in zip(named, (data, result.data), strict=True):
        inside, outside = roi.psnr_in_and_out(rgb, decoded[name], painted)
        rows.append((name, len(bytes_), inside, outside, psnr(rgb, decoded[name])))
        share = 100 * roi.share_inside(maps[name], painted)
        over = outlined(heatmap.over(rgb, maps[name], top), painted)
        caption = t("region.share", name=name, percent=share)
        shares.append((common.saved(folder / f"map-{len(rows)}.png", over), caption))
        pictures.append((name, t("region.remark", size=len(bytes_), psnr=inside), decoded[name]))
    out = folder / "region-of-interest.lic"
    out.write_bytes(result.data)
    pair = common.side_by_side(folder, rgb, *pictures[1:], pictures[0])
    yield pair, table(rows, painted.mean(), result), shares, str(out)


def mask(painting: dict | None, width: int, height: int) -> np.ndarray:
    """bool (height, width): where any layer of the painting is opaque; all False for no painting."""
    painted = np.zeros((height, width), bool)
    for layer in (painting or {}).get("layers") or []:
        opacity = Image.fromarray(read_opacity(layer)).resize((width, height), Image.Resampling.NEAREST)
        painted |= np.asarray(opacity) > 0
    return painted


def outlined(rgb: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """The picture with a white line, dark beside it, round what is painted."""

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


def table(rows: list[tuple], share: float, result) -> str:
    """Sizes and PSNR as HTML, the better of each pair in bold, and a sentence."""
    uniform, region = rows

    def line(label: str, k: int, form: str) -> list[str]:
        pair = (uniform[k], region[k])
        best = max((v for v in pair if v is not None), default=None) if k > 1 else None
        return [label, *("–" if v is None else f"<b>{v:{form}}</b>" if v == best else f"{v:{form}}" for v in pair)]

    gained = t("region.gain_inside", gain=region[2] - uniform[2])
    if uniform[3] is not None:
        gained += t("region.gain_outside", gain=region[3] - uniform[3])
    headline = t("region.result", uniform=uniform[1], region=region[1], gained=gained.replace("-", "−"))
    lines = [line(t("table.bytes"), 1, ",")]
    lines += [line(t(f"region.psnr_{where}"), k, ".2f") for where, k in (("inside", 2), ("outside", 3), ("all", 4))]
    rows, columns = result.levels.shape
    remark = t(
        "region.map", percent=100 * share, rows=rows, columns=columns, low=result.levels.min(),
        high=result.levels.max(), codings=result.codings,
    )  # fmt: skip
    heads = ("", t("region.uniform_short"), t("region.region_short"))
    return f"<div class='big'>{headline}</div>{plain_table(heads, lines)}<p>{remark}</p>"


def middle(width: int, height: int) -> np.ndarray:
    """bool (height, width): an ellipse in the middle of the picture, for those who have no pointer to paint with."""
    v, u = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.hypot(u, v) < 0.5


def canvas(original: str | None, before: str | None):
    """A fresh canvas for a picture, unless it is the one that lies there already; and which picture it is."""
    if not original or original == before:
        return gr.skip(), before
    with common.said_plainly():
        image = Image.fromarray(read_picture(original).rgb)
    image.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    return {"background": np.asarray(image.convert("RGB")), "layers": [], "composite": None}, original
