"""Puts the tabs together and sets what holds for the whole page."""

import threading

import gradio as gr
from starlette.middleware import Middleware

from codec import reading
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
CSS = """
.gradio-container { max-width: 1320px !important; width: 100%; margin: 0 auto !important; }
.gradio-container { --body-text-color-subdued: color-mix(in srgb, var(--body-text-color) 72%, transparent); }
#title h1 { font-size: 1.6rem; margin: 0.2rem 0 0; }
#title p { margin: 0.1rem 0 0; color: var(--body-text-color-subdued); }
/* Gradio pads HTML though it was told not to, and keeps the page narrower than its window between two sizes. */
.html-container { padding: 0; }
.gradio-container .fillable { max-width: none !important; }
#verdict .big { color: var(--body-text-color-subdued); }
#headline .big { font-size: 1.35rem; font-weight: 650; line-height: 1.3; }
#headline .small, .hint { color: var(--body-text-color-subdued); font-size: 0.9rem; }
#bit-map img { image-rendering: pixelated; }
.ledger { display: flex; height: 1.4rem; border-radius: 4px; overflow: hidden; gap: 1px; }
.ledger span { min-width: 3px; }
.scale { height: 0.8rem; border-radius: 4px; margin-top: 1rem; }
.ends { display: flex; justify-content: space-between; font-size: 0.85rem; }
.rung { display: grid; grid-template-columns: 11rem 1fr 6rem; align-items: center; gap: 0.5rem; }
.rung .bar { display: flex; height: 1.1rem; }
.rung .bar i { background: var(--primary-500); }
.rung .bar i.table { background: #e35933; }
.rung .number { text-align: right; font-variant-numeric: tabular-nums; }
.rungs .remark { margin: 0 0 0.5rem 11.5rem; font-size: 0.85rem; color: var(--body-text-color-subdued); }
#channels .thumbnail-lg { aspect-ratio: auto; height: auto; }
#channels .thumbnail-lg img { height: auto; image-rendering: pixelated; }
#along-lambda .grid-wrap, #channels .grid-wrap { height: auto; min-height: 0; }
#along-lambda .grid-container, #channels .grid-container { grid-template-rows: auto !important; height: auto; }
#along-lambda .thumbnail-lg { aspect-ratio: auto; height: auto; }
#along-lambda .thumbnail-lg img { height: auto; image-rendering: pixelated; }
/* It says in words what the number in its box would: hide the box. */
#quality .tab-like-container { display: none; }
#quality .min_value, #quality .max_value { display: none; }
#examples .grid-wrap { height: auto; min-height: 0; }
#examples .grid-container { grid-template: auto / repeat(5, 1fr) !important; grid-auto-rows: auto !important;
  height: auto; padding: 0; gap: 0.4rem; }
body:not(.dark) [role=tab][aria-selected=true], body:not(.dark) .download-link { color: var(--primary-700) !important; }
#examples .caption-label { display: none; }
#examples .thumbnail-lg { aspect-ratio: 1; width: auto; height: auto; }
#plane svg text, #digit-curves .scatterlayer text { fill: var(--body-text-color) !important; }
@media (max-width: 640px) {
  #headline .big { font-size: 1.15rem; }
  .rung { grid-template-columns: 6rem 1fr 4rem; }
  .rungs .remark { margin-left: 0; }
}
"""


def theme() -> gr.themes.Base:
    """System fonts only: a web font would be a request to another origin."""
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    made = gr.themes.Default(primary_hue="teal", secondary_hue="teal", neutral_hue="slate", **fonts)
    dark_enough = {  # for white text on it, or for it on white (WCAG AA)
        "button_primary_background_fill": "*primary_700",
        "button_primary_background_fill_dark": "*primary_700",
        "button_primary_background_fill_hover": "*primary_800",
        "button_primary_background_fill_hover_dark": "*primary_600",
        "link_text_color": "*primary_700",
        "checkbox_border_color_dark": "*neutral_400",  # else what is not chosen can hardly be seen
    }
    return made.set(**dark_enough)


def warm_up() -> None:
    """Loads the weights and runs the codec once, so that the first visitor does not wait for it."""
    import numpy as np

    from codec.api import encode, load, where_it_fits
    from codec.errors import CodecError

    def once(device: str) -> None:
        codec = load(device=device)
        codec.decode(encode(np.zeros((512, 768, 3), np.uint8), codec=codec)[0].data)

    try:
        where_it_fits(once)
    except CodecError as error:  # missing weights: the page itself will say so at the first click
        print(error)
    reading.READERS.start()


def build() -> gr.Blocks:
    """The page as Gradio blocks, ready to `launch(**launch_options())`."""
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
        "css": CSS + viewer.CSS + deep_link.CSS + lesson.CSS + digits.CSS + cae.CSS,
        "head": deep_link.HEAD,
        "i18n": lesson.translated(),
        "max_file_size": guard.MAX_UPLOAD,
        "app_kwargs": {"middleware": [Middleware(guard.Guard)]},
        "show_error": False,
        "run_history": False,
        "state_session_capacity": 200,
        "footer_links": ["api", "settings"],
    }
