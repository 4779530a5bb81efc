"""Components that several tabs have: hints, and pictures shown as lossless PNG."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import NamedTuple

import gradio as gr

from codec.ui.texts import t

PRIVATE = {"api_visibility": "private"}
QUICK = {"queue": False, **PRIVATE}


class Door(NamedTuple):
    """A place of the page that is filled when it comes to be seen: a tab, or a tab below a tab."""

    name: str
    tabs: tuple[gr.Tab, ...]  # whose opening may show it

    @property
    def opened(self) -> Callable:
        """The event to connect: it is to be seen now, or the image that it shows has changed.

        The script (page.js) lets it pass once the Compare tab has made the image. To be used within the place.
        """
        again = gr.Button(visible="hidden", elem_id=f"again-{self.name}")
        events = [*(tab.select for tab in self.tabs), again.click]
        js = f"() => window.codecPage.open('{self.name}')"
        return gr.on(events, None, js=js, trigger_mode="multiple", **QUICK).then


@contextmanager
def place(name: str, title: str, *above: gr.Tab) -> Iterator[Door]:
    """A tab, or within `above` a tab below that; what is built within it is connected to `Door.opened`."""
    with gr.Tab(title, id=name, elem_id=f"door-{name}") as tab:
        yield Door(name, (*above, tab))


def tabs(name: str) -> gr.Tabs:
    """A strip of tabs that never reorders itself; a narrow one scrolls."""
    return gr.Tabs(elem_id=name, elem_classes="strip-of-tabs", overflow_behavior="wrap")


def hint(text: str) -> gr.HTML:
    """A sentence or two in small type."""
    return gr.HTML(text, elem_classes="hint", padding=False)


def picture(alt_text: str, **options) -> gr.Image:
    """One picture to look at; `alt_text` names it, and the button around it, for screen readers."""
    usual = {"show_label": False, "format": "png", "type": "filepath", "interactive": False}
    return gr.Image(alt_text=alt_text, **usual | options)


def strip(elem_id: str, columns: int, **options) -> gr.Gallery:
    """Pictures side by side, each with its caption."""
    return gr.Gallery(
        **{"show_label": False, "buttons": []} | options,
        columns=columns,
        height="auto",
        object_fit="contain",
        format="png",
        elem_id=elem_id,
        elem_classes="strip",
    )


def slides(figure: str, name: str, title: str) -> gr.HTML:
    """Two buttons that save a figure as SVG and PNG for slides, with its title and the page's address (slides.js).

    figure: the elem_id of a plot, or of what is to stand one below the other, separated by commas. name: of the files.
    """
    selectors = ",".join(f"#{part}" for part in figure.split(","))
    buttons = " ".join(
        f"<button data-format='{kind}' aria-label='{escape(t('slides.as', title=title, kind=t(f'slides.{kind}')))}'>"
        f"{t(f'slides.{kind}')}</button>"
        for kind in ("svg", "png")
    )
    attributes = f"data-figure='{selectors}' data-name='{name}' data-title='{escape(title)}'"
    return gr.HTML(f"<div class='slides' {attributes}>{t('slides.save')} {buttons}</div>", padding=False)


class Coded(NamedTuple):
    """What the first tab has made, and the others show: the stream, the original, and the λ that is set."""

    stream: gr.DownloadButton
    original: gr.File
    lmbda: gr.Number
