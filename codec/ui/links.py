"""What the page does with its address: it opens the state there, and keeps it there; see `address`."""

import json
from pathlib import Path

import gradio as gr

from codec.errors import CodecError
from codec.ui import address, examples, front, ready
from codec.ui.names import BY_BYTES, BY_LAMBDA, BY_RATE, BY_SIZE, MODES
from codec.ui.tabs import compare
from codec.ui.texts import section, t
from codec.ui.widgets import QUICK
from codec.weights import default

SIDES = ("left", "right", "baseline")
WAIT_JS = """async () => {
    if (location.search.length > 1) await window.codecPage.made();
    if (window.codecPage.chosen) await new Promise(() => {}); // for ever
}"""
DONE_JS = "() => { window.codecPage.opened = true; }"


def head() -> str:
    """What the page's head has of ours: the script, and the texts that it and the viewer show."""
    here = Path(__file__)
    paths = (
        here.with_name("page.js"),
        here.with_name("slides.js"),
        *(front.HERE / f"{name}.js" for name in ("handover", "compose")),
    )
    script = "".join(path.read_text(encoding="utf-8") for path in paths)
    texts = json.dumps(section("script"), ensure_ascii=False).replace("<", "\\u003c")
    start = {"example": next(iter(examples.sources())), "model": compare.MODEL_START, "bpp": compare.BPP_START}
    start |= dict(zip(SIDES, compare.SIDES_START, strict=True))
    given = f"window.codecStart = {json.dumps(address.query(start))}; window.codecTexts = {texts};"
    return f"<script>{given}\n{script}</script>"


def opening(request: gr.Request) -> dict:
    """What a page starts with, by the names of `compare.START`: the first example, or what its link asks for.

    A rate without a model is meant for the one of least error, as it was before the page opened on another.
    """
    state = address.parse(dict(request.query_params))
    names = list(examples.sources())
    name = state.get("example", names[0])
    model = state.get("model", "mse" if state.keys() & address.RATES else compare.MODEL_START)
    model = model if is_here(model) else "mse"
    sides = tuple(state.get(key, start) for key, start in zip(SIDES, compare.SIDES_START, strict=True))
    values: dict = {"upload": examples.files()[names.index(name)], "example": name, "model": model}
    values |= dict(zip(SIDES, sides, strict=True))
    values["about"], values["mode"], values["bpp"] = compare.choose_model(model, BY_LAMBDA, compare.BPP_START)
    if "lambda" in state:
        values |= {"mode": BY_LAMBDA, "lmbda": state["lambda"], "quality": compare.quality_of(state["lambda"])}
    elif "bpp" in state:
        values |= {"mode": BY_RATE, "bpp": state["bpp"]}
    elif "kb" in state:
        values |= {"mode": BY_SIZE, "kb": state["kb"]}
    if request.query_params.get("own"):  # the browser brings the photo itself
        waiting = {"headline": f"<div class='big'>{t('script.own')}</div>", "verdict": "", "figures": ""}
        return values | waiting | {"upload": None, "example": None, "pictures": {}}
    values["equal"] = state.get("equal", BY_BYTES)
    rate = values["bpp"] if values["mode"] == BY_RATE else None
    return values | ready.ready(names.index(name), rate, model, sides)


def is_here(model: str) -> bool:
    try:
        return model in default().models()
    except CodecError:
        return False


def connect(demo: gr.Blocks, tabs: gr.Tabs, realism: gr.Slider) -> None:
    """Opens the tab that the link asks for, once the page's first picture is there, and what is below it."""
    strips = dict(strips_of(tabs))

    def tab(request: gr.Request):
        state = address.parse(dict(request.query_params))
        selected = [gr.Tabs(selected=state["tab"]) if "tab" in state else gr.skip()]
        for name in strips:
            here = state.get("tab") == name and "sub" in state
            selected.append(gr.Tabs(selected=state["sub"]) if here else gr.skip())
        return [*selected, state.get("realism", gr.skip())]

    outputs = [tabs, *strips.values(), realism]
    demo.load(None, js=WAIT_JS, **QUICK).then(tab, None, outputs, **QUICK).then(None, js=DONE_JS, **QUICK)


def follow(components: dict) -> None:
    """Lets the address follow what is set. components: by key of the address, and "mode"."""
    names = list(components)
    modes = dict(zip(MODES, address.RATES, strict=True))
    js = f"(...values) => window.codecPage.state({json.dumps(names)}, values, {json.dumps(modes, ensure_ascii=False)})"
    changes = [component.change for component in components.values()]
    gr.on(changes, None, list(components.values()), None, js=js, **QUICK)


def strips_of(tabs: gr.Tabs):
    """(tab, the strip below it) of every tab that has one."""
    for tab in tabs.children:
        for block in tab.children:
            if isinstance(block, gr.Tabs):
                yield tab.id, block


def masthead() -> None:
    """The page's name, and the button for large type."""
    with gr.Row(elem_id="masthead"):
        gr.Markdown(f"# [{t('page.title')}](./)\n{t('page.intro')}", elem_id="title")
        gr.HTML(front.languages(), elem_id="languages", padding=False)
        button = gr.Button(t("page.lecture"), size="sm", min_width=110, elem_id="lecture", scale=0)
    button.click(None, js="() => window.codecPage.lecture()", **QUICK)
