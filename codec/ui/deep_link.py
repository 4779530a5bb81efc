"""Deep links, for lecture slides: ?tab=bits&example=night&model=texture&bpp=0.3&lecture=1 opens that state."""

import math
from pathlib import Path

import gradio as gr

from codec.ui import compare, examples
from codec.ui.compare_work import BY_LAMBDA, BY_RATE

HEAD = f"<script>{Path(__file__).with_name('page.js').read_text(encoding='utf-8')}</script>"
WAIT_JS = "async () => { if (location.search.length > 1) await window.codecPage.made(); }"
DONE_JS = "() => { window.codecPage.opened = true; }"


def parse(query: dict[str, str], tabs: tuple[str, ...], pictures: int) -> dict:
    """The state that a query asks for: "tab", "example" (from 0), "model", and "lambda" or "bpp".

    What is unknown, out of range or not a number is left out: a link that was mistyped still opens the page.
    """
    state: dict = {}
    if query.get("tab") in tabs:
        state["tab"] = query["tab"]
    if query.get("model") in compare.MODELS:
        state["model"] = query["model"]
    number, names = query.get("example", ""), list(examples.sources())
    if number in names:
        number = str(names.index(number) + 1)
    if number.isdecimal() and 1 <= int(number) <= pictures:
        state["example"] = int(number) - 1
    limits = {"lambda": (compare.LAMBDA_MIN, compare.LAMBDA_MAX), "bpp": (0.05, 2.0)}
    for key, (low, high) in limits.items():
        try:
            value = float(query.get(key, "nan"))
        except ValueError:
            continue
        if math.isfinite(value):
            state[key] = min(max(value, low), high)
    return state


def opening(request: gr.Request) -> dict:
    """What a page starts with, by the names of `compare.START`: the first example, or what its link asks for."""
    state = parse(dict(request.query_params), (), len(examples.files()))
    found: dict = {"upload": examples.files()[state.get("example", 0)]}
    if "model" in state and is_here(state["model"]):
        model = found["model"] = state["model"]
        found["about"], found["mode"], found["bpp"] = compare.choose_model(model, BY_LAMBDA, gr.skip())
    if "lambda" in state:
        found |= {"mode": BY_LAMBDA, "lmbda": state["lambda"], "quality": compare.quality_of(state["lambda"])}
    if "bpp" in state:
        found |= {"mode": BY_RATE, "bpp": state["bpp"]}
    return found


def is_here(model: str) -> bool:
    from codec.errors import CodecError
    from codec.weights import default

    try:
        return model in default().models()
    except CodecError:
        return False


def connect(demo: gr.Blocks, tabs: gr.Tabs, names: tuple[str, ...]) -> None:
    """Opens the tab that the link asks for, once the page's first picture is there."""

    def tab(request: gr.Request):
        state = parse(dict(request.query_params), names, 0)
        return gr.Tabs(selected=state["tab"]) if "tab" in state else gr.skip()

    quick = {"queue": False, "api_visibility": "private"}
    demo.load(None, js=WAIT_JS, **quick).then(tab, None, tabs, **quick).then(None, js=DONE_JS, **quick)


def masthead(title: str, intro: str) -> None:
    """The page's name, and the button for large type."""
    with gr.Row(elem_id="masthead"):
        gr.Markdown(f"# {title}\n{intro}", elem_id="title")
        button = gr.Button("Lecture mode", size="sm", min_width=110, elem_id="lecture", scale=0)
    button.click(None, js="() => window.codecPage.lecture()", queue=False, api_visibility="private")
