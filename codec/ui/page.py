"""Puts the tabs together and sets what holds for the whole page."""

import threading
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware

from codec.pictures import sandbox
from codec.ui import jobs, links, viewer
from codec.ui.hosting import cleanup, first_screen, gradio_private, guard, queue, sessions
from codec.ui.tabs import about, bits, cae, compare, curves, decoders, digits, inside, lesson, open_stream, sampling
from codec.ui.texts import t
from codec.ui.vote.routes import Votes

KEEP = (300, 1800)  # seconds: how often files are looked through, and how old they become
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
    jobs.warm_up.run()
    sandbox.READERS.start()


def build() -> gr.Blocks:
    """The page as Gradio blocks, ready to `launch(**launch_options())`."""
    gradio_private.check()
    sessions.share_arenas()  # before there are threads
    threading.Thread(target=warm_up, daemon=True).start()
    with gr.Blocks(title=t("page.title"), delete_cache=KEEP, analytics_enabled=False) as demo:
        links.masthead()
        with gr.Tabs(elem_id="tabs") as tabs:
            with tab("compare"):
                coded = compare.build(demo, links.opening)
            with tab("decoders") as opened:
                decoders.build(demo, opened, coded)
            with tab("curves") as opened:
                curves.build(opened, coded)
            with tab("bits") as opened:
                bits.build(opened, coded)
            with tab("generative") as opened:
                sampling.build(opened, coded)
            with tab("inside") as opened:
                inside.build(opened, coded)
            with tab("lesson", elem_id="lesson") as opened:
                lesson.build(demo, opened, coded)
            with tab("digits") as opened:
                digits.build(opened)
            with tab("cae") as opened:
                cae.build(opened, coded)
            with tab("open"):
                open_stream.build()
            with gr.Tab(t("vote.tab.name"), id="vote"):
                vote.build()
            with tab("method"):
                about.build(demo, tuple(tab.id for tab in tabs.children))
        links.connect(demo, tabs, tuple(tab.id for tab in tabs.children))
    cleanup.start(demo, *KEEP)
    return queue.make_fair(demo, {compare.compress: 1, compare.compress_first: 1, compare.measure: 0})


def tab(name: str, **options) -> gr.Tab:
    """A tab by the name that links give it."""
    return gr.Tab(t(f"tabs.{name}"), id=name, **options)


def launch_options() -> dict:
    """What to pass to `launch`; in Gradio 6 looks belong there as well."""
    return {
        "theme": theme(),
        "css": CSS + viewer.CSS,
        "head": links.head(),
        "i18n": lesson.translated(),
        "max_file_size": guard.MAX_UPLOAD,
        "app_kwargs": {
            "middleware": [Middleware(guard.Guard), Middleware(first_screen.FirstScreen, keys=links.KEYS)],
            "lifespan": sessions.lifespan,
        },
        "show_error": False,
        "run_history": False,
        "state_session_capacity": 200,
        "footer_links": ["api", "settings"],
        "_frontend": False,  # spares a check that gives up where a busy machine needs 3 s for its first answer
    }
