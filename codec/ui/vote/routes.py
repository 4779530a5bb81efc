"""The addresses of the vote and what they share. Each is a function of a module of its kind, by who asks:

`files` for any browser, `phones` for voters, `setting_up` for a host without a room, `host` for one with a room.
"""

from __future__ import annotations

import contextlib
import functools
import random
import sqlite3
import sys
import threading
import time
from pathlib import Path

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.routing import Route

from codec.errors import CodecError
from codec.ui import vote as pages
from codec.ui.hosting.gradio_private import queue_of
from codec.ui.vote import files, host, phones, setting_up
from codec.ui.vote.answers import LANES, Rates
from codec.ui.vote.preparing import Preparer
from codec.vote import store
from codec.vote.store import Store

SWEEP = 600  # seconds
SWITCH = 0.001  # seconds

# The one with a code is the last: the first that fits an address answers it.
PAGES = {"/vote": "phone", "/vote/host": "host", "/vote/me": "me", "/vote/{code}": "phone"}
GETS = {
    "/vote/static/{name}": files.static,
    "/vote/image/{name}.png": files.image,
    "/vote/thumbnail/{name}.png": files.thumbnail,
    "/vote/api/room/{code}": phones.room,
    "/vote/api/me": phones.solo_start,
    "/vote/api/setup": setting_up.setup,
}
POSTS = {
    "/vote/api/join": phones.join,
    "/vote/api/trials": phones.trials,
    "/vote/api/vote": phones.vote,
    "/vote/api/me": phones.solo_score,
    "/vote/api/prepare": setting_up.prepare,
    "/vote/api/job": setting_up.job,
    "/vote/api/image": setting_up.image_upload,
    "/vote/api/set": setting_up.load_set,
    "/vote/api/shipped": setting_up.use_shipped,
    "/vote/api/host": host.host,
    "/vote/api/export": host.export,
    "/vote/api/save": host.save_set,
    "/vote/api/earlier": host.earlier,
}


class Votes:
    """Everything that the addresses share. where: the folder of votes; by default what `store.folder` says."""

    def __init__(self, where: Path | None = None):
        self.where = where
        # A thread that codes gives the interpreter away after 1 ms instead of 5: a vote asks for it a few times.
        sys.setswitchinterval(SWITCH)
        self.rates = Rates()
        self.lanes = {name: CapacityLimiter(threads) for name, threads in LANES.items()}
        self.rng = random.SystemRandom()
        self.app = None
        self.preparer = Preparer(self.busy)
        self.opening = threading.Lock()
        threading.Thread(target=self.sweeping, daemon=True, name="vote sweep").start()

    @functools.cached_property
    def store(self) -> Store:
        return Store(self.where)

    @functools.cached_property
    def summaries(self) -> pages.reveal.Summaries:
        return pages.reveal.Summaries(self.opened())

    @property
    def is_opened(self) -> bool:
        return "store" in vars(self)

    def opened(self) -> Store:
        with self.opening:
            return self.store

    async def opened_meanwhile(self) -> Store:
        """The store for the event loop, which does not wait while the file is opened."""
        return self.store if self.is_opened else await run_sync(self.opened)

    def sweeping(self) -> None:
        """Deletes what is a day old, also where nobody opens the vote again after the page was started anew."""
        while True:
            with contextlib.suppress(sqlite3.Error, OSError, CodecError):  # the next turn may do better
                exists = self.is_opened or ((self.where or store.folder()) / store.FILE).exists()
                if exists and self.opened().sweep():
                    self.summaries.forget()
            self.preparer.forget_old()
            time.sleep(SWEEP)

    def busy(self) -> bool:
        """Whether visitors of the page wait in its queue."""
        if not hasattr(self.app, "get_blocks"):
            return False
        lanes = queue_of(self.app.get_blocks()).event_queue_per_concurrency_id
        return any(lane.queue for lane in list(lanes.values()))

    def routes(self) -> list[Route]:
        by_method = {"GET": GETS, "POST": POSTS}
        return [
            *(Route(path, functools.partial(files.page, self, name)) for path, name in PAGES.items()),
            *(
                Route(path, functools.partial(endpoint, self), methods=[method])
                for method, endpoints in by_method.items()
                for path, endpoint in endpoints.items()
            ),
        ]
