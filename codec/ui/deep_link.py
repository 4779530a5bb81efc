"""Deep links, for lecture slides: ?tab=bits&example=night&model=texture&bpp=0.3&lecture=1 opens that state."""

import math
from pathlib import Path

import gradio as gr

from codec.bitstream import DECODERS
from codec.ui import compare, examples

HERE = Path(__file__).parent
HEAD = f"<script>{(HERE / 'page.js').read_text(encoding='utf-8')}</script>"
CSS = (HERE / "page.css").read_text(encoding="utf-8")
ASKS = ("example", "model", "lambda", "bpp")
WAIT_JS = "async () => { if (location.search.length > 1) await window.codecPage.settled(); }"
DONE_JS = "() => { window.codecPage.opened = true; }"


def parse(query: dict[str, str], tabs: tuple[str, ...], pictures: int) -> dict:
    """The state that a query asks for: "tab", "example" (from 0), "model", and "lambda" or "bpp".

    What is unknown, out of range or not a number is left out: a link that was mistyped still opens the page.
    """
    state: dict = {}
    if query.get("tab") in tabs:
        state["tab"] = query["tab"]
    if query.get("model") in DECODERS:
        state["model"] = query["model"]
    number = query.get("example", "")
    if number in examples.NAMES:
        number = str(examples.NAMES.index(number) + 1)
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


def endpoint(demo: gr.Blocks, name: str):
    """An endpoint of the first tab. The inputs of /compress are what a link may set."""
    return next(fn for fn in demo.fns.values() if fn.api_name == name)


def controls_of(inputs: list) -> dict:
    """The controls that a link may set, among the inputs of the first tab's endpoint."""
    wanted = {
        "upload": lambda c: c.elem_id == "upload",
        "model": lambda c: isinstance(c, gr.Radio | gr.Dropdown) and c.label == "Model",
        "mode": lambda c: isinstance(c, gr.Radio | gr.Dropdown) and compare.BY_LAMBDA in str(c.choices),
        "lambda": lambda c: isinstance(c, gr.Number) and c.label.startswith("λ"),
        "bpp": lambda c: isinstance(c, gr.Slider | gr.Number) and "bits per pixel" in c.label,
    }
    return {key: c for key, fits in wanted.items() for c in inputs if fits(c)}


def connect(demo: gr.Blocks, tabs: gr.Tabs, names: tuple[str, ...]) -> None:
    """Follows the link when the page loads: sets the controls, compresses, and opens the tab when that is done."""
    first, slow = endpoint(demo, "compress"), endpoint(demo, "measure")
    controls = controls_of(first.inputs)

    def opening(request: gr.Request) -> list:
        state = parse(dict(request.query_params), names, len(examples.files()))
        values = {key: state[key] for key in ("model", "lambda", "bpp") if key in state}
        if "model" in values and values["model"] not in [v for _, v in controls["model"].choices]:
            del values["model"]
        if "example" in state:
            values["upload"] = examples.files()[state["example"]]
        if "lambda" in values or "bpp" in values:
            values["mode"] = compare.BY_RATE if "bpp" in values else compare.BY_LAMBDA
        return [values.get(key, gr.skip()) for key in controls]

    def where_asked(work, outputs: list):
        def follow(request: gr.Request, *inputs):
            if not any(key in request.query_params for key in ASKS):
                yield tuple(gr.skip() for _ in outputs)
                return
            yield from work(*inputs)

        return follow

    def tab(request: gr.Request):
        state = parse(dict(request.query_params), names, 0)
        return gr.Tabs(selected=state["tab"]) if "tab" in state else gr.skip()

    quick = {"queue": False, "api_visibility": "private"}
    loaded = demo.load(None, js=WAIT_JS, **quick).then(opening, None, [*controls.values()], **quick)
    private = {"api_visibility": "private", "show_progress": "hidden"}
    run = where_asked(compare.run, first.outputs)
    followed = loaded.then(run, first.inputs, first.outputs, concurrency_id="codec", **private)
    measure = where_asked(compare.measure, slow.outputs)
    followed.success(measure, slow.inputs, slow.outputs, concurrency_id="measure", **private)
    followed.then(tab, None, tabs, **quick).then(None, js=DONE_JS, **quick)


def masthead(title: str, intro: str) -> None:
    """The page's name, and the button for large type."""
    with gr.Row(elem_id="masthead"):
        gr.Markdown(f"# {title}\n{intro}", elem_id="title")
        button = gr.Button("Lecture mode", size="sm", min_width=110, elem_id="lecture", scale=0)
    button.click(None, js="() => window.codecPage.lecture()", queue=False, api_visibility="private")
