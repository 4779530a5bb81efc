"""The first screen: a static page of pictures and numbers that were made beforehand.

JPEG and the generative decoder stand there at the same few kilobytes. `python -m codec.evaluation first-screen` makes
the pictures and `results/first-screen.json`; nothing is computed for whoever only looks.
"""

import functools
import hashlib
import json
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import urlencode

from codec import results
from codec.ui import address, examples
from codec.ui.tables import kilobytes
from codec.ui.texts import ENGLISH, LANGUAGE, LANGUAGES, t, written

HERE = Path(__file__).parent
PICTURES = HERE / "pictures"
PREVIEW, SMALL = "preview.jpg", "-small.avif"  # of a link; of a scene, after its name
ROUTE = "first/"  # of the pictures, relative to the page
#: The tabs that the first screen has a door to.
DOORS = ("compare", "course", "history", "curves", "bits", "latents", "vote", "about")
#: Where a picture is cut that is taller than the screen, percent from above.
FOCUS = {"portrait": "18%", "coffee": "32%"}
MEASURES = (("psnr", ".1f"), ("ms_ssim", ".3f"), ("lpips", ".3f"), ("dists", ".3f"))
ACCEPT = "image/*,.heic,.heif,.avif,.tif,.tiff"


@functools.cache
def points() -> list[dict]:
    """What was measured, without scenes whose image is not installed; empty where it was not measured."""
    here = examples.sources()
    return [
        p for p in results.read("first-screen").get("points", []) if p["image"] in here and pictures(p) <= {*files()}
    ]


def pictures(point: dict) -> set[str]:
    """The files that one size shows."""
    return {point["jpeg"]["file"], point["hific"]["file"], point["original"]["file"], point["image"] + SMALL, PREVIEW}


@functools.cache
def files() -> dict[str, bytes]:
    """The pictures by name; there are no others below ROUTE."""
    return {path.name: path.read_bytes() for path in PICTURES.iterdir()} if PICTURES.is_dir() else {}


@functools.cache
def located(name: str) -> str:
    """Where a picture lies, relative to the page; a changed picture has another address."""
    return f"{ROUTE}{name}?{hashlib.sha256(files()[name]).hexdigest()[:10]}"


def poster() -> str:
    """The script that shows the original of an example until the page of the codec is drawn."""
    given = originals(), next(iter(examples.sources())), t("front.poster")
    values = ", ".join(json.dumps(value, ensure_ascii=False) for value in given).replace("<", "\\u003c")
    return f"<script>{(HERE / 'poster.js').read_text(encoding='utf-8').rstrip()}({values})</script>"


@functools.cache
def originals() -> dict[str, str]:
    """Where the original of each scene lies, by the name of its example."""
    return {point["image"]: located(point["original"]["file"]) for point in points()}


def link(point: dict, **more: str) -> str:
    """The same state in the page of the codec."""
    state = {"tab": "compare", "example": point["image"], "model": "hific-lo", "bpp": point["target_bpp"]}
    return relative(state | {"left": "jpeg", "right": "ours"} | more)


def relative(state: dict) -> str:
    """The address of a state relative to the page, in the language of the request."""
    language = {} if LANGUAGE.get() == ENGLISH else {"lang": LANGUAGE.get()}
    return f"./?{urlencode(address.query(state | language))}"


def door(tab: str) -> str:
    return relative({"tab": tab})


def claim(point: dict) -> str:
    """What JPEG needs to look as close, by DISTS."""
    jpeg = point["jpeg_as_close"]
    if jpeg is None:
        return t("front.never_as_close")
    times = jpeg["bytes"] / point["bytes"]
    key = "front.as_close" if times >= 1.05 else "front.as_close_with_less"
    return t(key, size=kilobytes(jpeg["bytes"]), times=written(times, ".1f"))


def rows(point: dict) -> str:
    """The numbers of one size as table rows."""
    ours = {"bytes": point["bytes"]}
    lines = []
    for key, row in (("jpeg", point["jpeg"]), ("hific", point["hific"] | ours), ("mse", point["mse"] | ours)):
        rate = 8 * row["bytes"] / (point["width"] * point["height"])
        cells = [
            written(row["bytes"], ","),
            written(rate, ".3f"),
            *(written(row[name], form) for name, form in MEASURES),
        ]
        lines.append(f"<tr><th scope='row'>{t(f'front.row_{key}')}</th>{''.join(f'<td>{c}</td>' for c in cells)}</tr>")
    return "".join(lines)


def texts(point: dict) -> dict[str, str]:
    """The texts of one size, as HTML, by the id of their element."""
    size, jpeg = kilobytes(point["bytes"]), kilobytes(point["jpeg"]["bytes"])
    same = point["jpeg"]["fits"]
    return {
        "lead": escape(t("front.lead", size=size) if same else t("front.lead_jpeg_larger", size=size, jpeg=jpeg)),
        "left-caption": escape(t("front.caption_jpeg", size=jpeg)),
        "right-caption": escape(t("front.caption_generative", size=size)),
        "hold": escape(t("front.original", size=kilobytes(point["original_bytes"]))),
        "claim": escape(claim(point)),
        "remark": escape(t(f"front.remark_{point['image']}")),
        "size-value": escape(t("front.size_value", size=size, bpp=point["bpp"])),
        "rows": rows(point),
    }


def scenes() -> list[dict]:
    """What the script shows: every scene with its sizes."""
    by_name: dict[str, dict] = {}
    for point in points():
        name, title = point["image"], t(f"front.scene_{point['image']}")
        scene = {"name": name, "title": title, "original": located(point["original"]["file"]), "sizes": []}
        scene = by_name.setdefault(name, scene | {"focus": FOCUS.get(name, "50%")})
        scene["sizes"].append(
            {
                "percent": round(100 * point["target_bpp"]),
                "left": located(point["jpeg"]["file"]),
                "right": located(point["hific"]["file"]),
                "left_alt": f"{title}: {t('front.caption_jpeg', size=kilobytes(point['jpeg']['bytes']))}",
                "right_alt": f"{title}: {t('front.caption_generative', size=kilobytes(point['bytes']))}",
                "texts": texts(point),
                "links": {"compare": link(point), "present": link(point, lecture="1")},
            }
        )
    return list(by_name.values())


def html(name: str, origin: str) -> str:
    """The page in a language. origin: the address of the page, for previews of links."""
    token = LANGUAGE.set(name)
    try:
        return page(origin)
    finally:
        LANGUAGE.reset(token)


def page(origin: str) -> str:
    point, all_scenes = points()[0], scenes()
    first = all_scenes[0]["sizes"][0]
    script = "".join((HERE / f"{name}.js").read_text(encoding="utf-8") for name in ("handover", "compose", "front"))
    data = {
        "scenes": all_scenes,
        "language": LANGUAGE.get(),
        "own": relative({"tab": "compare", "own": 1}),
        "words": {key: t(f"front.{key}") for key in ("shared", "shared_by_hand", "original_alt")},
    }
    heads = ["image", "bytes", "bpp", "psnr", "ms_ssim", "lpips"]
    values = {f"text_{key.replace('-', '_')}": text for key, text in texts(point).items()}
    values |= {
        key: escape(t(f"front.{key}"))
        for key in (
            "languages_label", "present", "divider", "measure", "own", "how", "tell", "share", "examples_label", "size",
            "numbers_title", "numbers_note", "settings", "doors_label", "privacy", "description",
        )
    }  # fmt: skip
    values |= {
        "language": LANGUAGE.get(),
        "title": escape(t("page.title")),
        "origin": escape(origin),
        "preview": located(PREVIEW),
        "css": (HERE / "front.css").read_text(encoding="utf-8"),
        "script": script,
        "data": json.dumps(data, ensure_ascii=False).replace("<", "\\u003c"),
        "languages": languages(),
        "present_link": escape(first["links"]["present"]),
        "compare_link": escape(first["links"]["compare"]),
        "course_link": escape(door("course")),
        "tell_link": "vote/me" + ("" if LANGUAGE.get() == ENGLISH else f"?lang={LANGUAGE.get()}"),
        "left": first["left"],
        "right": first["right"],
        "left_alt": escape(first["left_alt"]),
        "right_alt": escape(first["right_alt"]),
        "width": str(point["width"]),
        "height": str(point["height"]),
        "focus": all_scenes[0]["focus"],
        "accept": ACCEPT,
        "thumbs": "".join(thumb(scene, scene is all_scenes[0]) for scene in all_scenes),
        "last_size": str(max(len(scene["sizes"]) for scene in all_scenes) - 1),
        "heads": "".join(f"<th scope='col'>{t(f'table.{name}')}</th>" for name in heads) + "<th scope='col'>DISTS</th>",
        "doors": "".join(
            f"<a href='{escape(door(tab))}'><b>{escape(t(f'tabs.{tab}'))}</b>"
            f"<span>{escape(t(f'front.door_{tab}'))}</span></a>"
            for tab in DOORS
        ),
        "strip": "".join(f"<a href='{escape(door(tab))}'>{escape(t(f'tabs.{tab}'))}</a>" for tab in DOORS),
        "credit": escape(t("front.credit")),
    }
    return Template((HERE / "front.html").read_text(encoding="utf-8")).substitute(values)


def thumb(scene: dict, pressed: bool) -> str:
    """A button that shows a scene."""
    return (
        f"<button type='button' data-scene='{scene['name']}' aria-pressed='{str(pressed).lower()}'>"
        f"<img src='{located(scene['name'] + SMALL)}' alt='' width='42' height='42'>{escape(scene['title'])}</button>"
    )


def languages() -> str:
    """The switch of languages; each is named in itself."""
    labels = {"en": "EN", "fr": "FR", "zh": "中文"}
    items = []
    for name in LANGUAGES:
        here = " aria-current='true'" if name == LANGUAGE.get() else ""
        items.append(f"<a href='./?lang={name}' lang='{name}' hreflang='{name}'{here}>{labels[name]}</a>")
    return "".join(items)
