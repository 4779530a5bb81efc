"""What several tabs have: errors in plain words, hints, and components that show pictures as lossless PNG."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gradio as gr

from codec.errors import CodecError

NO_PICTURE = "Compress a picture first, in the tab 'Compare'."
MADE_JS = "async () => { await window.codecPage.made(); }"


@contextmanager
def said_plainly() -> Iterator[None]:
    """Turns what goes wrong into one sentence on the page. Around a block, or with @ before a function."""
    try:
        yield
    except CodecError as error:
        raise gr.Error(str(error), duration=None, print_exception=False) from None
    except MemoryError:
        message = "There is not enough memory for this picture; scale it down first."
        raise gr.Error(message, duration=None, print_exception=False) from None


def need(*files: str | None) -> None:
    """Says what to do first where one of the files of the first tab is not there yet."""
    if not all(files):
        raise gr.Error(NO_PICTURE, print_exception=False)


def opening(tab: gr.Tab) -> Callable:
    """The event to connect to a tab that shows the picture: its opening, once the first tab is done with that."""
    return tab.select(None, js=MADE_JS, queue=False, api_visibility="private").then


def where_it_fits(work: Callable[[str], Iterator]) -> Iterator:
    """Yields what work(device) does, on the GPU where there is one: see `codec.api.each_where_it_fits`."""
    from codec.device import each_where_it_fits  # torch, which the page is built without

    yield from each_where_it_fits(work)


def hint(text: str) -> gr.HTML:
    """A sentence or two in small type."""
    return gr.HTML(text, elem_classes="hint", padding=False)


def picture(alt_text: str, **options) -> gr.Image:
    """One picture to look at; `alt_text` names it, and the button around it, for screen readers."""
    usual = {"show_label": False, "format": "png", "type": "filepath", "interactive": False}
    return gr.Image(alt_text=alt_text, **usual | options)


def pair(label: str, elem_id: str, **options) -> gr.ImageSlider:
    """Two pictures and a divider; `label` names them for screen readers."""
    return gr.ImageSlider(
        label=label,
        show_label=False,
        elem_id=elem_id,
        format="png",
        type="filepath",
        interactive=False,
        max_height=520,
        buttons=["fullscreen"],
        **options,
    )


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


def sparing(progress: Callable, every: float = 0.5) -> Callable:
    """`progress(share, desc=…)` that passes on what has a new description, and else one call in `every` seconds.

    Each is a message to the browser, which draws the page anew for it, perhaps on the cores that do the work.
    """
    last: list = [None, 0.0]

    def say(share: float, desc: str) -> None:
        now = time.monotonic()
        if desc != last[0] or now - last[1] >= every:
            last[:] = desc, now
            progress(share, desc=desc)

    return say
