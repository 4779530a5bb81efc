"""Permalinks, for lecture slides: ?tab=bits&example=night&model=texture&bpp=0.3&lecture=1 opens that state."""

import json
import math
from pathlib import Path

import gradio as gr

from codec.errors import CodecError
from codec.spec import LAMBDA_MAX, LAMBDA_MIN, OPERATING_POINTS
from codec.ui import examples, front, ready
from codec.ui.names import BASELINES, BY_LAMBDA, BY_RATE, DECODERS, HISTORICAL, MODELS, ORIGINAL, OURS
from codec.ui.tabs import compare
from codec.ui.texts import section, t
from codec.ui.widgets import QUICK
from codec.weights import default

SIDES = ("left", "right", "baseline")
AGAINST = {*BASELINES, *HISTORICAL}
SHOWN = {ORIGINAL, OURS, *(name for name in DECODERS if name not in OPERATING_POINTS)} | AGAINST
LIMITS = {"lambda": (LAMBDA_MIN, LAMBDA_MAX), "bpp": (0.05, 2.0)}
#: The tabs, and what each has below it; the first of these is what it opens on.
PLACES: dict[str, tuple[str, ...]] = {
    "compare": ("one", "decoders", "open"),
    "course": ("lesson", "digits", "cae"),
    "curves": (),
    "bits": ("map", "region"),
    "latents": ("channels", "ladder", "sampling", "between", "corrupt"),
    "about": (),
}
#: Names that tabs had before, and what took their content.
RETIRED = {
    "decoders": ("compare", "decoders"),
    "open": ("compare", "open"),
    "lesson": ("course", "lesson"),
    "digits": ("course", "digits"),
    "cae": ("course", "cae"),
    "generative": ("latents", "sampling"),
    "inside": ("latents", "channels"),
    "method": ("about", ""),
}
#: What a query has where it asks for the page of the codec, and not for the first screen.
KEYS = frozenset(
    ("tab", "sub", "example", "model", "lambda", "bpp", "step", "lecture", "left", "right", "baseline", "own", "view")
)
WAIT_JS = """async () => {
    if (location.search.length > 1) await window.codecPage.made();
    if (window.codecPage.chosen) await new Promise(() => {}); // for ever
}"""
DONE_JS = "() => { window.codecPage.opened = true; }"


def head() -> str:
    """What the page's head has of ours: the script, and the texts that it and the viewer show."""
    paths = Path(__file__).with_name("page.js"), *(front.HERE / f"{name}.js" for name in ("handover", "compose"))
    script = "".join(path.read_text(encoding="utf-8") for path in paths)
    texts = json.dumps(section("script"), ensure_ascii=False).replace("<", "\\u003c")
    return f"<script>window.codecTexts = {texts};\n{script}</script>"


def parse(query: dict[str, str], pictures: int) -> dict:
    """The state that a query asks for: "tab" and "sub", "example" (from 0), "model", "lambda" or "bpp", and SIDES.

    What is unknown, out of range or not a number is left out: a link that was mistyped still opens the page.
    """
    state: dict = {}
    tab, sub = RETIRED.get(query.get("tab", ""), (query.get("tab"), query.get("sub")))
    if tab is None and "step" in query:
        tab = "course"
    if tab in PLACES:
        state["tab"] = tab
        if sub in PLACES[tab]:
            state["sub"] = sub
    if query.get("model") in MODELS:
        state["model"] = query["model"]
    number, names = query.get("example", ""), list(examples.sources())
    if number in names:
        number = str(names.index(number) + 1)
    if number.isdecimal() and 1 <= int(number) <= pictures:
        state["example"] = int(number) - 1
    for key in SIDES:
        if query.get(key) in (SHOWN if key != "baseline" else AGAINST):
            state[key] = query[key]
    for key, (low, high) in LIMITS.items():
        try:
            value = float(query.get(key, "nan"))
        except ValueError:
            continue
        if math.isfinite(value):
            state[key] = min(max(value, low), high)
    return state


def opening(request: gr.Request) -> dict:
    """What a page starts with, by the names of `compare.START`: the first example, or what its link asks for.

    A rate without a model is meant for the one of least error, as it was before the page opened on another.
    """
    state = parse(dict(request.query_params), len(examples.files()))
    example = state.get("example", 0)
    model = state.get("model", "mse" if {"lambda", "bpp"} & state.keys() else compare.MODEL_START)
    model = model if is_here(model) else "mse"
    sides = tuple(state.get(key, start) for key, start in zip(SIDES, compare.SIDES_START, strict=True))
    name = list(examples.sources())[example]
    found: dict = {"upload": examples.files()[example], "example": name, "model": model} | dict(
        zip(SIDES, sides, strict=True)
    )
    found["about"], found["mode"], found["bpp"] = compare.choose_model(model, BY_LAMBDA, compare.BPP_START)
    if "lambda" in state:
        found |= {"mode": BY_LAMBDA, "lmbda": state["lambda"], "quality": compare.quality_of(state["lambda"])}
    if "bpp" in state:
        found |= {"mode": BY_RATE, "bpp": state["bpp"]}
    if request.query_params.get("own"):  # the browser brings the photo itself
        waiting = {"headline": f"<div class='big'>{t('compare.own_first')}</div>", "verdict": "", "figures": ""}
        return found | waiting | {"upload": None, "example": None, "pictures": {}}
    rate = found["bpp"] if found["mode"] == BY_RATE else None
    return found | ready.ready(example, rate, model, sides)


def is_here(model: str) -> bool:
    try:
        return model in default().models()
    except CodecError:
        return False


def connect(demo: gr.Blocks, tabs: gr.Tabs) -> None:
    """Opens the tab that the link asks for, once the page's first picture is there, and what is below it."""
    strips = {name: block for name, block in strips_of(tabs)}

    def tab(request: gr.Request):
        state = parse(dict(request.query_params), 0)
        selected = [gr.Tabs(selected=state["tab"]) if "tab" in state else gr.skip()]
        for name in strips:
            here = state.get("tab") == name and "sub" in state
            selected.append(gr.Tabs(selected=state["sub"]) if here else gr.skip())
        return selected

    outputs = [tabs, *strips.values()]
    demo.load(None, js=WAIT_JS, **QUICK).then(tab, None, outputs, **QUICK).then(None, js=DONE_JS, **QUICK)


def strips_of(tabs: gr.Tabs):
    """(tab, the strip below it) of every tab that has one."""
    for tab in tabs.children:
        for block in tab.children:
            if isinstance(block, gr.Tabs):
                yield tab.id, block


def masthead() -> None:
    """The page's name, and the button for large type."""
    with gr.Row(elem_id="masthead"):
        gr.Markdown(f"# {t('page.title')}\n{t('page.intro')}", elem_id="title")
        button = gr.Button(t("page.lecture"), size="sm", min_width=110, elem_id="lecture", scale=0)
    button.click(None, js="() => window.codecPage.lecture()", **QUICK)
