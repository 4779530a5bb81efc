"""Components that several tabs have: hints, and pictures shown as lossless PNG."""

from collections.abc import Callable
from typing import NamedTuple

import gradio as gr

MADE_JS = "async () => { await window.codecPage.made(); }"
PRIVATE = {"api_visibility": "private"}
QUICK = {"queue": False, **PRIVATE}


def opening(tab: gr.Tab) -> Callable:
    """The event to connect to a tab that shows the picture: its opening, once the first tab is done with that."""
    return tab.select(None, js=MADE_JS, **QUICK).then


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


class Coded(NamedTuple):
    """What the first tab has made, and the others show: the stream, the original, and the λ that is set."""

    stream: gr.DownloadButton
    original: gr.File
    lmbda: gr.Number
