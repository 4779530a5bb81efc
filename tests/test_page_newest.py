"""What a page has asked for last is what it shows: older requests are called off, in whatever lane they wait or run."""

import contextlib
import json
import random
import threading
import time

import httpx
import pytest
from conftest import picture, served
from PIL import Image

from codec.ui.hosting import queue
from codec.ui.jobs import compare
from codec.ui.names import BY_LAMBDA
from codec.ui.tabs.compare import FULL

SIZES = [(90, 60), (100, 70), (240, 180)]  # the last is a large picture here, and takes its time
LARGE = 240 * 170


class Page:
    """A browser's session: it asks as a click does, and keeps every message that comes."""

    def __init__(self, url: str, files: list):
        self.url, self.session, self.http = f"{url}gradio_api", random.randbytes(8).hex(), httpx.Client(timeout=60)
        self.messages, self.listening = [], True
        config = self.http.get(f"{url}config").json()
        self.compress = next(d for d in config["dependencies"] if d["api_name"] == "compress")
        self.clear = next(d for d in config["dependencies"] if [t[1] for t in d["targets"]] == ["clear"])
        values = {c["id"]: c["props"].get("value") for c in config["components"]}
        self.defaults = [values[i] for i in self.compress["inputs"]]
        self.files = [self.upload(path) for path in files]
        threading.Thread(target=self.listen, daemon=True).start()

    def upload(self, path) -> dict:
        answer = self.http.post(f"{self.url}/upload", files={"files": (path.name, path.read_bytes())})
        return {"path": answer.json()[0], "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}

    def ask(self, which: int, lmbda: float) -> str:
        """Asks for the picture of this number, as its upload does; gives the event's id."""
        data = [self.files[which], BY_LAMBDA, lmbda, *self.defaults[3:]]
        data[FULL] = True  # else no picture is a large one
        body = {"data": data, "fn_index": self.compress["id"], "session_hash": self.session, "trigger_id": 1}
        return self.http.post(f"{self.url}/queue/join", json=body).json()["event_id"]

    def take_away(self) -> None:
        """As a click on the cross beside the picture's name."""
        body = {"data": [], "fn_index": self.clear["id"], "session_hash": self.session, "trigger_id": 1}
        assert self.http.post(f"{self.url}/run/predict", json=body).status_code == 200

    def listen(self) -> None:
        while self.listening:
            # The server breaks a stream off that was opened as the session's last event ended; a browser opens another.
            with contextlib.suppress(httpx.TransportError):
                self.listen_once()

    def listen_once(self) -> None:
        where = {"url": f"{self.url}/queue/data", "params": {"session_hash": self.session}}
        with httpx.stream("GET", **where, timeout=60) as answer:
            for line in answer.iter_lines():
                if not self.listening:
                    return
                if line.startswith("data:"):
                    self.messages.append(json.loads(line[5:]))

    def ended(self, event: str, seconds: float = 180) -> dict:
        """The answer of an event."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for message in list(self.messages):
                if message.get("event_id") == event and message["msg"] == "process_completed":
                    return message
            time.sleep(0.02)
        raise TimeoutError(event)

    def shown(self) -> list[str]:
        """The events whose answers changed the page, in order."""
        changes = [m for m in list(self.messages) if m["msg"] in ("process_generating", "process_completed")]
        return [m["event_id"] for m in changes if any(v != SKIPPED for v in m["output"].get("data", []))]

    def close(self) -> None:
        self.listening = False


SKIPPED = {"__type__": "update"}


@pytest.fixture(scope="module")
def slow_url(codec, tmp_path_factory):
    """A page on which a large picture takes two seconds more, in steps; and its pictures."""
    folder, encoding = tmp_path_factory.mktemp("gradio"), compare.encoding
    paths = []
    for i, size in enumerate(SIZES):
        paths.append(folder / f"{i}.png")
        Image.fromarray(picture(*size, seed=i, grain=8)).save(paths[-1])

    def slowly(rgb, model, wanted, progress):
        for step in range(40 if rgb.size > 3 * LARGE else 2):
            time.sleep(0.05)
            progress(step / 100)
        return encoding(rgb, model, wanted, progress)

    patch = pytest.MonkeyPatch()
    patch.setattr(compare, "encoding", slowly)
    patch.setattr(queue, "LARGE_PIXELS", LARGE)
    with served(folder / "served") as demo:
        yield demo, paths
    patch.undo()


def test_a_quick_click_outruns_a_slow_picture(slow_url):
    demo, paths = slow_url
    page = Page(demo.local_url, paths)
    slow = page.ask(2, 0.0067)
    time.sleep(0.5)  # it is at work
    quick = page.ask(0, 0.0067)
    assert all(v == SKIPPED for v in page.ended(slow)["output"]["data"])
    assert freed(demo, 1.2)  # and not after the two seconds that it would have taken
    page.ended(quick)
    shown = page.shown()
    assert shown[-1] == quick and slow not in shown[shown.index(quick) :]
    page.close()


def test_a_picture_that_is_taken_away_frees_its_place(slow_url):
    demo, paths = slow_url
    page = Page(demo.local_url, paths)
    slow = page.ask(2, 0.0018)
    time.sleep(0.5)
    page.take_away()
    assert all(v == SKIPPED for v in page.ended(slow)["output"]["data"])
    assert freed(demo, 1.2)
    page.close()


def freed(demo, seconds: float) -> bool:
    """Whether the lane of large pictures is free within so many seconds."""
    lane, until = demo._queue.event_queue_per_concurrency_id[queue.LARGE], time.monotonic() + seconds
    while lane.current_concurrency and time.monotonic() < until:
        time.sleep(0.02)
    return not lane.current_concurrency


def test_what_the_page_shows_in_the_end_is_what_was_asked_for_last(slow_url):
    demo, paths = slow_url
    rng = random.Random(0)
    for _ in range(20):
        page, asked = Page(demo.local_url, paths), []
        for _ in range(rng.randint(2, 5)):
            last = page.ask(rng.randrange(3), rng.choice((0.0009, 0.0067, 0.025)))
            asked.append(last)
            time.sleep(rng.choice((0, 0.05, 0.3)))
        page.ended(last)
        shown = page.shown()  # once a newer answer has come, none of an older one does
        assert shown[-1] == last and shown == sorted(shown, key=asked.index)
        page.close()


def test_programs_may_ask_for_many_things_at_once(client, photo):
    from gradio_client import handle_file

    jobs = [
        client.submit(handle_file(photo), "Quality (λ)", lmbda, 0.3, "mse", api_name="/compress")
        for lmbda in (0.0018, 0.0067, 0.025)
    ]
    sizes = [job.result()[0] for job in jobs]
    assert len(set(sizes)) == 3 and all("smaller" in said for said in sizes)
