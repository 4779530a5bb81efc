"""Puts the tabs together and sets what holds for the whole page."""

import threading
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware

from codec.pictures import sandbox
from codec.ui import (
    bits,
    cae,
    compare,
    crowd,
    curves,
    decoders,
    deep_link,
    digits,
    guard,
    inside,
    lesson,
    memory,
    method,
    open_stream,
    sampling,
    sweep,
    viewer,
)

KEEP = (300, 1800)  # seconds: how often files are looked through, and how old they become
TITLE = "A neural image codec you can watch working"
INTRO = (
    "Pick a picture. It is squeezed into real bytes by a small neural network, and drawn again from those bytes alone."
)
CSS = Path(__file__).with_name("page.css").read_text(encoding="utf-8")


def theme() -> gr.themes.Base:
    """System fonts only: a web font would be a request to another origin."""
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    made = gr.themes.Default(primary_hue="teal", secondary_hue="teal", neutral_hue="slate", **fonts)
    dark_enough = {  # for white text on it, or for it on white (WCAG AA)
        "button_primary_background_fill": "*primary_700",
        "button_primary_background_fill_dark": "*primary_700",
        "button_primary_background_fill_hover": "*primary_800",
        "button_primary_background_fill_hover_dark": "*primary_800",
        "link_text_color": "*primary_700",
        "checkbox_border_color_dark": "*neutral_400",  # else what is not chosen can hardly be seen
    }
    return made.set(**dark_enough)


def warm_up() -> None:
    """Loads the weights and runs the codec once, so that the first visitor does not wait for it."""
    import numpy as np

    from codec.api import encode, load
    from codec.device import where_it_fits
    from codec.errors import CodecError

    def once(device: str) -> None:
        codec = load(device=device)
        codec.decode(encode(np.zeros((512, 768, 3), np.uint8), codec=codec)[0].stream)

    try:
        where_it_fits(once)
    except CodecError as error:  # missing weights: the page itself will say so at the first click
        print(error)
    sandbox.READERS.start()


def build() -> gr.Blocks:
    """The page as Gradio blocks, ready to `launch(**launch_options())`."""
    memory.share_arenas()  # before there are threads
    threading.Thread(target=warm_up, daemon=True).start()
    with gr.Blocks(title=TITLE, delete_cache=KEEP, analytics_enabled=False) as demo:
        deep_link.masthead(TITLE, INTRO)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Compare", id="compare"):
                stream, original, lmbda = compare.build(demo, deep_link.opening)
            with gr.Tab("One bitstream, six pictures", id="decoders") as tab:
                decoders.build(demo, tab, stream, original)
            with gr.Tab("Rate–distortion", id="curves") as tab:
                curves.build(tab, original, lmbda)
            with gr.Tab("Where the bits go", id="bits") as tab:
                bits.build(tab, stream, original)
            with gr.Tab("Generative decoder", id="generative") as tab:
                sampling.build(tab, stream, original)
            with gr.Tab("Inside", id="inside") as tab:
                inside.build(tab, stream, original)
            with gr.Tab("Lesson", id="lesson", elem_id="lesson") as tab:
                lesson.build(demo, tab, original)
            with gr.Tab("Digits", id="digits") as tab:
                digits.build(tab)
            with gr.Tab("cae-2017", id="cae") as tab:
                cae.build(tab, original)
            with gr.Tab("Open a stream", id="open"):
                open_stream.build()
            with gr.Tab("Results and method", id="method"):
                method.build(demo, tuple(tab.id for tab in tabs.children))
        deep_link.connect(demo, tabs, tuple(tab.id for tab in tabs.children))
    sweep.start(demo, *KEEP)
    return crowd.make_fair(demo)


def launch_options() -> dict:
    """What to pass to `launch`; in Gradio 6 looks belong there as well."""
    return {
        "theme": theme(),
        "css": CSS + viewer.CSS + lesson.CSS + digits.CSS + cae.CSS,
        "head": deep_link.HEAD,
        "i18n": lesson.translated(),
        "max_file_size": guard.MAX_UPLOAD,
        "app_kwargs": {"middleware": [Middleware(guard.Guard)], "lifespan": memory.lifespan},
        "show_error": False,
        "run_history": False,
        "state_session_capacity": 200,
        "footer_links": ["api", "settings"],
        "_frontend": False,  # spares a check that gives up where a busy machine needs 3 s for its first answer
    }
