"""Every private name of Gradio that the page uses, in one place, and for which version they hold.

Gradio promises nothing about them: requirements.txt pins its minor version, and `check` says at the start, in one
sentence, what does not fit. Whoever moves to another version looks through the uses of this module.
"""

import gradio as gr

VERSION = "6.31"
MISFIT = "This page was made for Gradio {wanted}, and {found} is installed: run `pip install -r requirements.txt`."

try:
    from gradio.components.image_editor import AcceptBlobs, EditorData
    from gradio.context import LocalContext
    from gradio.queueing import Event, EventQueue, Queue
    from gradio.server_messages import ProcessCompletedMessage
    from gradio.state_holder import SessionState, StateHolder
    from gradio.utils import get_upload_folder
except ImportError:
    raise ImportError(MISFIT.format(wanted=VERSION, found=gr.__version__)) from None

__all__ = [
    "AcceptBlobs",
    "EditorData",
    "Event",
    "EventQueue",
    "ProcessCompletedMessage",
    "Queue",
    "SessionState",
    "StateHolder",
    "check",
    "current_blocks",
    "current_event",
    "files_of_the_page",
    "get_upload_folder",
    "lists_of_files",
    "queue_of",
    "server_function",
    "skipped",
]


def check() -> None:
    """Raises RuntimeError with one sentence where Gradio's minor version is another."""
    if gr.__version__.split(".")[:2] != VERSION.split("."):
        raise RuntimeError(MISFIT.format(wanted=VERSION, found=gr.__version__))


def queue_of(demo: gr.Blocks) -> Queue:
    return demo._queue


def current_blocks() -> gr.Blocks | None:
    """The page that this thread, or a copy of its context, works for."""
    return LocalContext.blocks.get(None)


def current_event() -> Event | None:
    """The event that this thread, or a copy of its context, works for."""
    blocks, number = current_blocks(), LocalContext.event_id.get(None)
    return queue_of(blocks).event_ids_to_events.get(number) if blocks and number else None


def skipped(fn) -> dict:
    """The answer of a function that changes none of its outputs."""
    nothing = {"is_generating": False, "duration": 0, "average_duration": 0, "render_config": None}
    return {"data": [{"__type__": "update"} for _ in fn.outputs], "changed_state_ids": [], **nothing}


def files_of_the_page(demo: gr.Blocks) -> set[str]:
    """The files that the page shows from the start, as Gradio has copied them."""
    return {str(path) for block in demo.blocks.values() for path in block.keep_in_cache}


def lists_of_files(demo: gr.Blocks) -> list[set[str]]:
    """Gradio's own lists of what it has made, to which it only adds."""
    return demo.temp_file_sets


def server_function(function):
    """Lets the browser's part of a component call a function, as Gradio's @server does."""
    function._is_server_fn = True
    return function
