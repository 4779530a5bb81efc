"""What stays in memory when a request is over: no more than the page needs.

Gradio (6.31) describes every component anew for each session and keeps that, with the last outputs, for links that
hold the state of a whole page (`gr.DeepLinkButton`). This page has none, and `guard` refuses their route. The
description of 350 components takes half a megabyte of each session, and tens of milliseconds of the event loop, in
which everybody waits.
"""

import contextlib
import ctypes
import types

from codec.ui.hosting.gradio_private import SessionState, StateHolder

ARENAS = 2
M_ARENA_MAX = -8  # malloc.h


class Session(SessionState):
    """Gradio's, with the components that were changed and the values of `gr.State`, but without descriptions."""

    def __init__(self, blocks):
        super().__init__(types.SimpleNamespace(default_config=blocks.default_config, blocks=()))  # describes none

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        self.config_values.clear()

    def _update_config(self, key):
        pass

    def _update_value_in_config(self, key, value):
        pass


class Sessions(StateHolder):
    """Gradio's, with sessions as above."""

    def __getitem__(self, session_id):
        if session_id not in self.session_data:
            self.session_data[session_id] = Session(self.blocks)
        return super().__getitem__(session_id)


@contextlib.asynccontextmanager
async def lifespan(app):
    """For `app_kwargs`: Gradio makes a holder of sessions itself, and takes another only once it has started."""
    app.state_holder = Sessions()
    app.state_holder.set_blocks(app.get_blocks())
    yield


def share_arenas() -> None:
    """Lets the threads share what they allocate from, where the C library is glibc.

    It gives up to eight threads a core an arena of their own, and each of those keeps what its busiest moment took.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)
