"""The same bytes by every decoder there is."""

from html import escape
from pathlib import Path

import numpy as np

from codec.inside import heatmap
from codec.pictures.load import png_bytes
from codec.ui import viewer
from codec.ui.jobs import common
from codec.ui.jobs.compare import file_stem, row_of, source_of
from codec.ui.jobs.plane import REALISM, plane
from codec.ui.jobs.renditions import CACHE, Job, digest, measure, networks, pixels, rendition
from codec.ui.names import DECODERS, ORIGINAL
from codec.ui.tables import facts, kilobytes, remark, table
from codec.ui.texts import t, written
from codec.weights import default

INVENTED, DIFFERENCE, SHARE = "invented", "difference", "gan-share"
AMPLIFIED = 4
WITHOUT = "hific-nogan"  # the same loss without the discriminator


def run(stream: str | None, original: str | None, realism: float, progress):
    """Yields the pictures and their measures as they come: see `tabs.decoders.decoders`."""
    common.need(stream, original)
    with common.workplace() as folder:
        job = Job(Path(stream).read_bytes(), original)
        yield from results(folder, job, min(1.0, max(0.0, realism)), progress)


def results(folder: Path, job: Job, realism: float, progress):
    """The work of `run`, with a folder to write to."""
    names, gan = networks(), generative()
    plan = [*names, REALISM] if gan else names
    order = [ORIGINAL, *plan, *([INVENTED, DIFFERENCE] if gan else []), *([SHARE] if gan and WITHOUT in names else [])]
    name = t("compare.original")
    entry_of = {ORIGINAL: viewer.entry(ORIGINAL, name, kilobytes(source_of(job).bytes), job.original)}
    decoded, rows = {}, {}

    def put(key: str, name: str, caption: str, png: bytes) -> None:
        path = folder / f"{file_stem(str(job.original)).removesuffix('.original')}.{key}.png"
        path.write_bytes(png)
        entry_of[key] = viewer.entry(key, name, caption, path)

    def now():
        entries = [entry_of[k] for k in order if k in entry_of]
        right = gan if gan in entry_of else list(decoded)[-1]
        value = viewer.value(digest(job.stream), job.rgb, entries, ORIGINAL, right, order, pick=True)
        lines = list(rows.values())
        caption = t("decoders.caption", size=len(job.stream))
        return value, plane(lines, gan), table(lines, caption), facts(lines)

    for i, key in enumerate(plan):
        step = t("decoders.decoding", name=DECODERS.get(key, t("decoders.between")))
        progress(i / len(plan) / 2, desc=step)
        m = decoded[key] = rendition(job, gan, realism) if key == REALISM else rendition(job, key)
        rows[key] = row_of(job, key, m.name, m.size, m)
        rows[key].pending = True
        put(key, m.name, f"{written(m.psnr, '.1f')} dB", m.png)
        yield now()
    if gan:
        pngs = decoded[gan].png, decoded["mse"].png
        over, difference, top = CACHE.get_or_make(
            (*job.id, INVENTED), lambda: invented(*pngs), lambda v: len(v[0]) + len(v[1])
        )
        name = DECODERS[gan]
        put(INVENTED, t("decoders.distance", name=name), t("decoders.distance_scale", top=top), over)
        put(DIFFERENCE, t("decoders.difference", name=name), t("decoders.amplified", times=AMPLIFIED), difference)
        if WITHOUT in decoded:  # what is left of it is the discriminator's own
            share = CACHE.get_or_make((*job.id, SHARE), lambda: signed(decoded[gan].png, decoded[WITHOUT].png), len)
            caption = t("decoders.share", name=name, other=DECODERS[WITHOUT])
            put(SHARE, caption, t("decoders.amplified", times=AMPLIFIED), share)
        yield now()
    for i, key in enumerate(plan):
        progress(0.5 + i / len(plan) / 2, desc=t("compare.measuring"))
        slow = measure(job, decoded[key])
        rows[key].ms_ssim, rows[key].lpips, rows[key].pending = slow.ms_ssim, slow.lpips, False
        entry_of[key] |= {"remark": remark(rows[key]).split(", ", 1)[1]}
        entry_of[key]["alt"] = f"{entry_of[key]['name']}: {remark(rows[key])}"
        yield now()


def invented(gan: bytes, mse: bytes) -> tuple[bytes, bytes, float]:
    """Two PNGs, the size of the difference as colours over the GAN's picture and the difference itself about grey.

    Last, the mean difference in a block of 4×4, in levels of 0…255, that is drawn brightest.
    """
    rgb = pixels(gan)
    height, width = rgb.shape[:2]
    size = np.abs(rgb.astype(np.int16) - pixels(mse)).mean(2)
    padded = np.pad(size, ((0, -height % 4), (0, -width % 4)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // 4, 4, -1, 4).mean((1, 3))
    top = max(1.0, float(np.quantile(blocks, 0.995)))
    return png_bytes(heatmap.over(rgb, blocks, top, 4)), signed(gan, mse), top


def signed(first: bytes, second: bytes) -> bytes:
    """The difference of two PNGs as a PNG, amplified, about grey."""
    difference = pixels(first).astype(np.int16) - pixels(second)
    return png_bytes(np.clip(128 + AMPLIFIED * difference, 0, 255).astype(np.uint8))


def losses() -> str:
    """What each decoder was trained for, as the manifest has it."""
    names = networks()
    items = [
        f"<b>{escape(DECODERS[n])}</b>: {escape(default().resolve(n)[1].get('loss', t('decoders.not_recorded')))}"
        for n in names
    ]
    if len(names) == 1:
        items.append(t("decoders.no_other"))
    return f"<div class='hint'>{t('decoders.losses')}<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul></div>"


def generative() -> str | None:
    """The decoder here that was trained against a discriminator, if there is one."""
    return next((n for n in networks() if n.startswith("hific") and n != "hific-nogan"), None)


def installed() -> tuple[str, bool]:
    """The losses of the decoders that are here, and whether there is a realism to choose."""
    with common.said_plainly():
        return losses(), generative() is not None
