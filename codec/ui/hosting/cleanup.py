"""Removes temporary files that nobody has asked for in a while, and the folders they were in.

Gradio's own `delete_cache` leaves a folder for every file, and its task ends for good when a file is added while it
looks through them (6.31: "Set changed size during iteration"). What the page itself shows from the start stays.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import gradio as gr

from codec.ui.hosting.gradio_private import files_of_the_page, get_upload_folder, lists_of_files, queue_of


def sweep(root: Path, older_than: float, keep: set[str] = frozenset()) -> None:
    """Removes files below `root` older than `older_than` seconds, and folders left empty."""
    limit = time.time() - older_than
    for folder, _, names in os.walk(root, topdown=False):
        for path in (os.path.join(folder, name) for name in names):
            with contextlib.suppress(OSError):
                if os.lstat(path).st_ctime < limit and path not in keep:
                    os.unlink(path)
        with contextlib.suppress(OSError):  # not empty, or gone by now
            if folder != str(root) and os.stat(folder).st_ctime < limit:
                os.rmdir(folder)


def start(demo: gr.Blocks, every: float, older_than: float) -> None:
    """Does so again and again, in the background, for a page that is complete."""
    root = Path(get_upload_folder())
    keep = files_of_the_page(demo)

    def work() -> None:
        while True:
            time.sleep(every)
            for path in waiting(demo):
                touch(path)
            sweep(root, older_than, keep)
            forget(lists_of_files(demo))

    threading.Thread(target=work, daemon=True, name="sweep").start()


def forget(sets: list[set[str]]) -> None:
    """Takes files that are gone out of Gradio's lists of what it has made, which would grow for ever."""
    for names in sets:
        names -= {name for name in list(names) if not os.path.lexists(name)}


def waiting(demo: gr.Blocks) -> list[Path]:
    """The files of requests that are still in the queue, however long that is."""
    events = [e for lane in list(queue_of(demo).event_queue_per_concurrency_id.values()) for e in list(lane.queue)]
    root = Path(get_upload_folder()).resolve()
    return [Path(p) for e in events if e.data for p in paths_in(e.data.data) if is_within(p, root)]


def is_within(path: str, folder: Path) -> bool:
    try:
        return Path(path).resolve().is_relative_to(folder)
    except (OSError, ValueError):  # a NUL byte, a loop of links
        return False


def paths_in(data) -> Iterator[str]:
    """The paths of all files in the JSON of an event."""
    if isinstance(data, dict):
        if isinstance(data.get("path"), str):
            yield data["path"]
        data = list(data.values())
    if isinstance(data, list):
        for item in data:
            yield from paths_in(item)


def touch(path: Path) -> None:
    """Makes a file young again: somebody is working with it."""
    with contextlib.suppress(OSError):
        os.utime(path)
