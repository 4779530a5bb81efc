"""Handwritten digits in a latent of a few numbers: the smallest codec that has everything."""

from html import escape

import gradio as gr
import numpy as np

from codec import results
from codec.classroom import digits, store
from codec.metrics import psnr
from codec.ui.jobs import common
from codec.ui.jobs.digit_plots import UNTRAINED, curves, data_uri, learned_priors, plane, reported_priors
from codec.ui.names import DIGITS_EACH as COLUMNS
from codec.ui.names import DIGITS_START as START
from codec.ui.tables import plain_table
from codec.ui.texts import t, written

RESULTS = "classroom-mnist"  # of results/


def label(model: dict) -> str:
    return t("digits.model_label", value=model["lambda"], count=model["d"])


def choices() -> list[tuple[str, str]]:
    """The models as the menu shows them: (label, name). Reads the manifest only, no weights."""
    models = sorted(store.manifest()["mnist"].items(), key=lambda e: (e[1]["d"] != 10, e[1]["d"], e[1]["lambda"]))
    return [(label(model), name) for name, model in models] + [(t("digits.untrained_label"), UNTRAINED)]


def image(pixels, alt: str) -> str:
    """uint8 (h, w) as an <img>."""
    return f"<img src='{data_uri(pixels)}' alt='{escape(alt)}'>"


@common.said_plainly()
def row(model: str, column: float, dithered: bool, seed: float) -> str:
    """Ten test digits coded, as HTML: see `tabs.digits.digits`."""
    codec = digits.load(model)
    x = store.shipped_digits().reshape(10, COLUMNS, 28, 28)[:, int(column) % COLUMNS]
    shared = abs(int(seed or 0)) if dithered else None
    cells, y, total = [], codec.analyse(x), 0
    for k in range(10):
        text = codec.compress(y[k], shared, k)
        y_hat = codec.decompress(text, shared, k)
        x_hat = codec.synthesise(y_hat[None])[0]
        content = codec.estimate(codec.quantise(y[k], shared, k), shared, k)
        total += len(text)
        bits = t("digits.bits", bits=8 * len(text), content=content)
        cells.append(
            f"<figure>{image(x[k], t('digits.digit', digit=k))}{image(x_hat, t('digits.decoded', digit=k))}"
            f"<figcaption>{bits}<br><code>{text.hex(' ') or t('digits.no_bytes')}</code><br>"
            f"{written(psnr(x[k], x_hat), '.1f')} dB</figcaption></figure>"
        )
    return f"<div class='digits'>{''.join(cells)}</div><p>{t('digits.row_said', total=total, pixels=x.size)}</p>"


@common.said_plainly()
def start_from(digit: float, column: float) -> list:
    """The rounded latent of a shipped digit: see `tabs.digits.digit_latent`."""
    codec = digits.load(START)
    x = store.shipped_digits().reshape(10, COLUMNS, 28, 28)[int(digit) % 10, int(column) % COLUMNS]
    return [float(v) for v in codec.quantise(codec.analyse(x[None])[0])]


@common.said_plainly()
def decode(*y: float) -> str:
    """The digit of ten numbers as HTML: see `tabs.digits.decode_digit`."""
    codec, values = digits.load(START), np.clip(np.array([v or 0 for v in y], float), -60, 60)
    pixels = codec.synthesise(values[None])[0]
    cost = codec.estimate(np.round(values).astype(int))
    return f"{image(pixels, t('digits.decoded_latent'))}<p>{t('digits.cost', bits=cost)}</p>"


@common.said_plainly()
def sample(model: str, seed: float, temperature: float) -> str:
    """A sheet of 60 digits as HTML: see `tabs.digits.sample_digits`."""
    codec = digits.load(model)
    x_hat = codec.synthesise(codec.sample(60, abs(int(seed or 0)), float(temperature)))
    sheet = np.pad(x_hat, [(0, 0), (1, 1), (1, 1)], constant_values=40).reshape(5, 12, 30, 30)
    return image(sheet.swapaxes(1, 2).reshape(150, 360), t("digits.samples_alt"))


def pair(measured: dict) -> str:
    """The report's untrained pair, ours, and the trained codec at the same λ and d, as HTML."""
    points = {p["name"]: p for p in measured.get("points", [])}
    if UNTRAINED not in points or START not in points:
        return f"<p>{t('digits.not_measured')}</p>"
    reported = measured["report"]["untrained"]
    theirs = written(reported["distortion"], ".3f"), written(reported["bits"], ".1f")
    rows = [(t("digits.as_reported"), *theirs, "–", "–", "–")]
    for name, title in ((UNTRAINED, t("digits.untrained")), (START, t("digits.trained"))):
        p = points[name]
        noisy, rounded, dithered = p["in_training"], p["rounded"], p["dithered"]
        bits = noisy["bits"], rounded["bits_real"], dithered["bits_real"]
        cells = written(noisy["distortion"], ".3f"), *(written(b, ".1f") for b in (*bits, rounded["psnr"]))
        rows.append((title, *cells))
    heads = [t(f"digits.head_{k}") for k in ("model", "error", "estimated", "real", "dithered", "psnr")]
    trained = measured["trained"][START]
    remark = t("digits.pair_said", digits=points[START]["digits"], epochs=trained["epochs"], start=trained["start"])
    return f"{plain_table(heads, rows)}<p>{remark}</p>"


def costs(measured: dict) -> str:
    """R + λ·D of every size of the latent at λ = 2000, in a sentence."""
    line = [p for p in measured.get("points", []) if p["lambda"] == 2000 and p["name"] != UNTRAINED]
    if not line:
        return ""
    cost = {p["d"]: p["rounded"]["bits_estimated"] + 2000 * p["rounded"]["distortion"] for p in line}
    listed = ", ".join(t("digits.cost_of", cost=cost[d], count=d) for d in sorted(cost))
    return t("digits.costs", listed=listed, least=min(cost, key=cost.get))


@common.said_plainly()
def redraw(model: str):
    return learned_priors(model)


@common.said_plainly()
def opened(model: str, column: float, dithered: bool, seed: float, draw_seed: float, temperature: float, *y: float):
    """What the tab shows when it is opened, as its controls stand: the models, ten digits, one digit, a sheet, the
    table and the plots."""
    measured, latent = results.read(RESULTS), y if any(y) else start_from(3, 0)
    return (
        gr.update(choices=choices()),
        row(model, column, dithered, seed),
        *latent,
        decode(*latent),
        sample(model, draw_seed, temperature),
        pair(measured),
        curves(measured),
        costs(measured),
        reported_priors(),
        learned_priors(model),
        plane(measured),
    )
