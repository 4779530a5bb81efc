"""λ swept over an image: rate–distortion curves of real files, points to look at, and BD-rates."""

import csv
from html import escape

import gradio as gr

from codec import api, baselines
from codec.classroom.history import systems
from codec.metrics import bpp, lpips, ms_ssim, psnr
from codec.metrics.bd_rate import SCALES, bd_rate_of_curves
from codec.pictures.sandbox import read_picture
from codec.spec import ANCHORS, HISTORY
from codec.ui.jobs import common, rd_plot, renditions
from codec.ui.jobs.gpu import each_where_it_fits, where_it_fits
from codec.ui.jobs.rd_plot import Points
from codec.ui.names import QUALITIES, curve_title
from codec.ui.texts import t, written

COLUMNS = ("codec", "setting", "bytes", "bpp", "psnr_db", "mse", "ms_ssim", "lpips")


def run(original: str | None, names: list[str], axis: str, also: list[str] | None, progress):
    """Yields the plot as it grows: see `tabs.curves.sweep`."""
    common.need(original)
    points: Points = []
    with common.workplace() as folder:
        for points, total in each_where_it_fits(lambda device: sweep(original, names or [], device)):
            progress(len(points) / total, desc=t("curves.progress", done=len(points), total=total))
            yield rd_plot.figure(points, axis, None, also), points, gr.skip(), gr.skip()
        path = folder / "rate-distortion.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(points)
        yield rd_plot.figure(points, axis, None, also), points, bd_rates(points), str(path)


def sweep(original: str, names: list[str], device: str):
    """Yields (the points so far, of how many), ours first, every point from bytes that were really decoded."""
    rgb, codec = read_picture(original).rgb, api.load(device=device)
    others = [n for n in QUALITIES if n in names]
    decoders = ["mse", *(n.partition(":")[2] for n in names if n.startswith("ours:"))]
    total = len(ANCHORS) * len(decoders) + sum(len(QUALITIES[b]) for b in others)
    y, points = codec.analyse(rgb), []
    for lmbda in ANCHORS:
        coded = api.encode(rgb, lmbda=lmbda, codec=codec, y=y)[0]
        for decoder in decoders:  # the same bytes for all of them
            name = "ours" if decoder == "mse" else f"ours:{decoder}"
            points = [*points, point(rgb, name, lmbda, coded.data, codec.decode(coded.stream, decoder))]
            yield points, total
    for name in others:
        if name in HISTORY:
            for result in systems.points(rgb, name, QUALITIES[name]):
                points = [*points, point(rgb, name, result.setting, result.data, result.rgb)]
                yield points, total
            continue
        for quality in QUALITIES[name]:
            data = baselines.encode(rgb, name, quality)
            points = [*points, point(rgb, name, quality, data, baselines.decode(data))]
            yield points, total


def point(rgb, name: str, setting: float, data: bytes, decoded) -> tuple:
    """One line of COLUMNS; without the slow measures where the page leaves them out."""
    quality = psnr(rgb, decoded)
    error = 255**2 / 10 ** (quality / 10)
    rate = round(bpp(len(data), rgb.shape[1], rgb.shape[0]), 5)
    small = rgb.shape[0] * rgb.shape[1] <= renditions.MEASURED_PIXELS
    seen = (ms_ssim(rgb, decoded), lpips(rgb, decoded)) if small else (None, None)
    slow = (None if v is None else round(v, 6) for v in seen)
    return name, setting, len(data), rate, round(quality, 3), round(error, 3), *slow


def show(original: str | None, key: str):
    """Yields one point beside the original: see `tabs.curves.point`."""
    name, _, setting = (key or "").partition("|")
    if not original or not setting:
        common.refuse("curves.no_point")
    try:
        value = float(setting)
        with common.workplace() as folder:
            rgb = read_picture(original).rgb
            if name.partition(":")[0] == "ours":
                decoder = name.partition(":")[2] or "mse"
                data, decoded = where_it_fits(lambda device: ours(rgb, value, decoder, device))
            elif name in HISTORY:
                result = next(systems.points(rgb, name, (int(value),)))
                data, decoded = result.data, result.rgb
            else:
                data = baselines.encode(rgb, name, value)
                decoded = baselines.decode(data)
            values = point(rgb, name, value, data, decoded)
            remark = t("curves.point_remark", setting=rd_plot.word(name), value=value, bpp=values[3], psnr=values[4])
            pictures = (t("compare.original"), "", rgb), (curve_title(name), remark, decoded)
            pair = common.side_by_side(folder, rgb, *pictures)
            yield pair, f"<p>{escape(rd_plot.sentence(values))}</p>"
    except ValueError:
        common.refuse("curves.bad_point", key=key)


def ours(rgb, lmbda: float, decoder: str, device: str):
    """The bytes of an image at a λ, and what a decoder makes of them."""
    codec = api.load(device=device)
    coded = api.encode(rgb, lmbda=lmbda, codec=codec)[0]
    return coded.data, codec.decode(coded.stream, decoder)


def bd_rates(points: Points) -> str:
    """This codec against every other one on this image, in every metric, as an HTML table."""
    curves = rd_plot.as_curves(points)
    others = [n for n in curves if n != "ours"]
    if not others:
        return ""

    def cell(anchor: str, test: str, metric: str) -> str:
        rate = bd_rate_of_curves(curves[anchor], curves[test], metric)
        if rate["percent"] is None:
            return f"<td title='{escape(rate['reason'])}'>–</td>"
        between = t("curves.between", low=rate[f"{metric}_from"], high=rate[f"{metric}_to"])
        return f"<td title='{escape(between)}'>{written(rate['percent'], '+.1f')} %</td>"

    rows = ""
    try:
        for name in others:
            anchor, test = ("ours", name) if name.startswith("ours:") else (name, "ours")
            label = t("curves.against", test=curve_title(test), anchor=curve_title(anchor))
            rows += f"<tr><th scope='row'>{escape(label)}</th>{''.join(cell(anchor, test, m) for m in SCALES)}</tr>"
    except ImportError:
        return f"<p>{t('curves.no_bjontegaard')}</p>"
    heads = "".join(f"<th scope='col'>{t('curves.in_metric', metric=s.label)}</th>" for s in SCALES.values())
    return (
        f"<div class='figures'><table><thead><tr><th scope='col'>{t('curves.bd_rate')}</th>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div><p>{t('curves.bd_rate_said')}</p>"
    )


def choices(points: Points | None):
    """The points of the curves as a list to choose from, for those who do not click."""
    named = [
        (t("curves.choice", name=curve_title(p[0]), setting=p[1], bpp=p[3], psnr=p[4]), f"{p[0]}|{p[1]:g}")
        for p in points or []
    ]
    return gr.update(choices=named, value=None)
