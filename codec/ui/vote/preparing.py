"""Sets are made in the background: one at a time, by a thread of low priority that lets visitors' requests pass."""

import contextlib
import functools
import os
import queue
import secrets
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass, field

import numpy as np

from codec import vote as core
from codec.errors import CodecError
from codec.ui.texts import t
from codec.vote import sets
from codec.vote.presets import PRESETS, Preset, Stopped, fitted, steps
from codec.vote.sets import VoteSet
from codec.vote.store import Refused

WAITING = 4  # sets, of all hosts together
NICENESS = 10
GIVE_WAY = 15.0  # seconds that a step waits for the page's visitors at most
ASKED = 60.0  # seconds without a question by the host after which a set is given up
KEPT = 24  # images that hosts have uploaded, the oldest dropped first; 5 MB each
KEPT_FOR = 3600.0  # seconds that an uploaded image waits for a set to be made of it
JOBS = 50


@dataclass
class Job:
    """A set in the making. `ready` gets it; what that returns is `result`."""

    images: list[tuple[str, np.ndarray]]
    name: str
    preset: Preset
    ready: Callable[[VoteSet], dict]
    total: int
    done: int = 0
    error: str = ""
    result: dict | None = None
    context: Context = field(default_factory=copy_context)  # with the host's language
    asked: float = field(default_factory=time.monotonic)
    over: threading.Event = field(default_factory=threading.Event)


class Preparer:
    """busy: whether visitors of the page wait for an answer."""

    def __init__(self, busy: Callable[[], bool] = lambda: False):
        self.busy, self.lock = busy, threading.Lock()
        self.waiting: queue.Queue[Job] = queue.Queue(WAITING)
        self.jobs: OrderedDict[str, Job] = OrderedDict()
        self.uploads: OrderedDict[str, tuple[str, np.ndarray]] = OrderedDict()
        self.uploaded: dict[str, float] = {}  # when
        self.worker: threading.Thread | None = None

    def add_upload(self, name: str, rgb: np.ndarray) -> str:
        """Keeps an image, uint8 (H, W, 3), for sets to come; the name to ask for it by. Raises ImageError."""
        upload, rgb = secrets.token_hex(16), fitted(rgb, name)
        with self.lock:
            self.uploads[upload], self.uploaded[upload] = (name, rgb), time.monotonic()
            outdated = list(self.uploads)[:-KEPT]
        self.forget(outdated)
        return upload

    def forget(self, uploads: list[str]) -> None:
        """Drops images that hosts have uploaded."""
        with self.lock:
            for upload in uploads:
                self.uploads.pop(upload, None)
                self.uploaded.pop(upload, None)

    def forget_old(self) -> None:
        """Drops the images that nobody has put into a set within KEPT_FOR seconds."""
        until = time.monotonic() - KEPT_FOR
        self.forget([upload for upload, when in list(self.uploaded.items()) if when < until])

    def submit(self, images: list[tuple[str, np.ndarray]], name: str, ready: Callable[[VoteSet], dict]) -> str:
        """The job's name. Raises Refused where too many wait already."""
        preset = PRESETS[name]
        job = Job(images, name, preset, ready, steps(len(images), preset))
        with self.lock:
            if self.worker is None:
                self.worker = threading.Thread(target=self._work, daemon=True, name="vote sets")
                self.worker.start()
            try:
                self.waiting.put_nowait(job)
            except queue.Full:
                raise Refused(503, "busy") from None
            key = secrets.token_hex(16)
            self.jobs[key] = job
            while len(self.jobs) > JOBS:
                self.jobs.popitem(last=False)
        return key

    def state(self, key: str) -> dict:
        """How far a job is. Raises Refused for one that is not known."""
        job = self.jobs.get(key)
        if job is None:
            raise Refused(404, "no_job")
        job.asked = time.monotonic()
        return {"done": job.done, "total": job.total, "error": job.error, "result": job.result}

    def _work(self) -> None:
        with contextlib.suppress(AttributeError, OSError):  # of this thread alone, on Linux
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        while True:
            job = self.waiting.get()
            job.context.run(self._make, job)

    def _make(self, job: Job) -> None:
        try:
            job.result = job.ready(core.prepare.prepare(job.images, job.name, job.preset, lambda: self._advance(job)))
        except Stopped:
            job.error = t("vote.error.given_up")
        except CodecError as error:
            job.error = t(f"vote.error.{error.key}") if isinstance(error, Refused) else str(error)
        except MemoryError:
            job.error = t("errors.no_memory")
        except Exception:  # the thread has to live on for the next set
            traceback.print_exc()
            job.error = t("vote.error.failed")
        finally:
            job.images = []
            job.over.set()

    def _advance(self, job: Job) -> None:
        job.done += 1
        if time.monotonic() - job.asked > ASKED:
            raise Stopped
        until = time.monotonic() + GIVE_WAY
        while self.busy() and time.monotonic() < until:
            time.sleep(0.1)


@functools.cache
def shipped() -> tuple[VoteSet, dict[tuple[int, str], bytes]]:
    """The set that comes with the code, and its PNGs."""
    voted = sets.read(sets.SHIPPED.read_bytes())
    return voted, sets.pngs(voted)
