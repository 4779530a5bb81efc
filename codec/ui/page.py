"""Puts the tabs together and sets what holds for the whole page."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware

from codec import results
from codec.pictures import sandbox
from codec.ui import address, jobs, links, viewer
from codec.ui.hosting import cleanup, first_screen, gradio_private, guard, languages, queue, sessions
from codec.ui.tabs import (
    about,
    bits,
    cae,
    compare,
    curves,
    decoders,
    digits,
    history,
    inside,
    lesson,
    open_stream,
    sampling,
    vote,
)
from codec.ui.texts import t
from codec.ui.vote.routes import Votes
from codec.ui.widgets import Coded, place, tabs

KEEP = (300, 1800)  # seconds: how often files are looked through, and how old they become
CSS = Path(__file__).with_name("page.css").read_text(encoding="utf-8")


def theme() -> gr.themes.Base:
    """System fonts only: a web font would be a request to another origin."""
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    base = gr.themes.Default(primary_hue="teal", secondary_hue="teal", neutral_hue="slate", **fonts)
    dark_enough = {  # for white text on it, or for it on white (WCAG AA)
        "button_primary_background_fill": "*primary_700",
        "button_primary_background_fill_dark": "*primary_700",
        "button_primary_background_fill_hover": "*primary_800",
        "button_primary_background_fill_hover_dark": "*primary_800",
        "link_text_color": "*primary_700",
        "checkbox_border_color_dark": "*neutral_400",  # else what is not chosen can hardly be seen
    }
    return base.set(**dark_enough)


def warm_up() -> None:
    """Loads the weights and runs the codec once, so that the first visitor does not wait for it."""
    jobs.warm_up.run()
    sandbox.READERS.start()


def build() -> gr.Blocks:
    """The page as Gradio blocks, ready to `launch(**launch_options())`."""
    gradio_private.check()
    sessions.share_arenas()  # before there are threads
    demo = languages.build(layout, links.head)
    cleanup.start(demo, *KEEP)
    threading.Thread(target=warm_up, daemon=True).start()
    ranks = {compare.compress: 1, compare.compress_first: 1, compare.measure: 0, compare.measure_coded: 0}
    return queue.make_fair(demo, ranks, {compare.compress: compare.FULL, compare.compress_first: compare.FULL})


def layout() -> languages.Page:
    """The page in the language of `texts.LANGUAGE`."""
    with languages.Page(title=t("page.title"), delete_cache=KEEP, analytics_enabled=False) as demo:
        links.masthead()
        bar = compare.build_bar()
        with tabs("tabs") as strip:
            coded, components = build_compare(demo, bar)
            build_course(demo, coded)
            build_history(coded)
            with place("curves", t("tabs.curves")) as door:
                curves.build(door, coded)
            build_bits(coded)
            build_latents(coded)
            with place("vote", t("tabs.vote")):
                vote.build()
            with place("about", t("tabs.about")):
                about.build(demo, tuple(address.PLACES))
        links.connect(demo, strip, components["realism"])
        links.follow(components)
    return demo


def build_compare(demo: gr.Blocks, bar: compare.Bar) -> tuple[Coded, dict]:
    """One stream by one decoder, by all of them, and anybody's stream; and what of it the address says, by its key."""
    with below("compare") as tab:
        with place("one", t("places.one"), tab):
            coded, sides = compare.build(demo, bar, links.opening)
        with place("decoders", t("places.decoders"), tab) as door:
            realism = decoders.build(demo, door, coded)
        with place("open", t("places.open"), tab):
            open_stream.build()
    rates = {"mode": bar.mode, "lambda": bar.lmbda, "bpp": bar.bpp, "kb": bar.kb}
    return coded, {"example": bar.example, "model": bar.model, **rates, **sides, "realism": realism}


def build_course(demo: gr.Blocks, coded: Coded) -> None:
    """The lesson, and a small codec to understand the large one by."""
    with below("course") as tab:
        with place("lesson", t("places.lesson"), tab) as door:
            lesson.build(demo, door, coded)
        with place("digits", t("places.digits"), tab) as door:
            digits.build(door)


def build_history(coded: Coded) -> None:
    """The systems that came before, all on one plot, and each by itself."""
    with below("history") as tab:
        with place("all", t("places.all"), tab) as door:
            history.build_all(door, coded)
        for name in results.systems():
            key = name.partition("-")[0]
            build = {"cae": cae.build, **history.BUILD}[key]
            with place(key, t(f"places.{key}"), tab) as door:
                build(door, coded)


def build_bits(coded: Coded) -> None:
    """Where the bits went, and how to move them."""
    with below("bits") as tab:
        with place("map", t("places.map"), tab) as door:
            bits.build_map(door, coded)
        with place("region", t("places.region"), tab) as door:
            bits.build_region(door, coded)


def build_latents(coded: Coded) -> None:
    """From the latent to its probabilities, to what these cost, and to what else they allow."""
    with below("latents") as tab:
        with place("channels", t("places.channels"), tab) as door:
            inside.build_latents(door, coded)
        with place("ladder", t("places.ladder"), tab) as door:
            inside.build_ladder(door, coded)
        with place("sampling", t("places.sampling"), tab) as door:
            sampling.build_samples(door, coded)
        with place("between", t("places.between"), tab):
            sampling.build_strip(coded)
        with place("corrupt", t("places.corrupt"), tab):
            inside.build_damage(coded)


@contextmanager
def below(name: str) -> Iterator[gr.Tab]:
    """A tab with a strip of its own for what is built within it."""
    with gr.Tab(t(f"tabs.{name}"), id=name, elem_id=f"door-{name}") as tab, tabs(f"{name}-places"):
        yield tab


def launch_options() -> dict:
    """What to pass to `launch`; in Gradio 6 looks belong there as well."""
    return {
        "theme": theme(),
        "css": CSS + viewer.CSS,
        "head": links.head(),
        "max_file_size": guard.MAX_UPLOAD,
        "app_kwargs": {
            "middleware": [
                Middleware(guard.Guard),
                Middleware(first_screen.FirstScreen, keys=address.KEYS, style=CSS + viewer.CSS),
            ],
            "lifespan": sessions.lifespan,
            "routes": Votes().routes(),
        },
        "ssr_mode": False,  # a Space would else render the page in Node, before `first_screen` sees the request
        "show_error": False,
        "run_history": False,
        "state_session_capacity": 200,
        "footer_links": ["api", "settings"],
        "_frontend": False,  # spares a check that gives up where a busy machine needs 3 s for its first answer
    }
