"""What the page refuses to strangers, asked of the real server; and who waits for whom in its queue."""

import asyncio
import http.client
import json
import os
import platform
import signal
import subprocess
import sys
import time
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from conftest import picture, served
from test_reading import MISCHIEF

from codec.pictures import sandbox
from codec.pictures.load import png_bytes
from codec.ui.hosting import cleanup, guard, sessions
from codec.ui.hosting import queue as fair

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gradio")


@pytest.fixture(scope="module")
def page(codec, folder):
    """The page's own server."""
    with served(folder) as demo, httpx.Client(base_url=demo.local_url, timeout=120) as http:
        yield types.SimpleNamespace(http=http, demo=demo)


def function(page, api_name):
    return next(d for d in page.http.get("/config").json()["dependencies"] if d["api_name"] == api_name)


def ask(page, api_name, *values):
    """The last event that a call of the API comes to: its kind and its data."""
    joined = page.http.post(f"/gradio_api/call/{api_name}", json={"data": list(values)})
    if joined.status_code != 200:
        return str(joined.status_code), joined.text
    text = page.http.get(f"/gradio_api/call/{api_name}/{joined.json()['event_id']}").text
    kind, data = [block for block in text.strip().split("\n\n") if block][-1].split("\n")[:2]
    return kind.removeprefix("event: "), data.removeprefix("data: ")


def file(path):
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


SECRETS = ("/etc/passwd", "/proc/self/environ", str(ROOT / "app.py"), str(ROOT / "weights" / "manifest.json"))
WAYS_ROUND = (
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "//etc/passwd",
    "file:///etc/passwd",
)


@pytest.mark.parametrize("path", [*SECRETS, *WAYS_ROUND, "app.py", "weights/manifest.json", "."])
def test_no_file_of_the_machine_is_served(page, folder, path):
    for start in ("", f"{folder}/"):
        answer = page.http.get(f"/gradio_api/file={start}{path}")
        assert answer.status_code in (403, 404), (start, path)
        assert "root:" not in answer.text and "trunk" not in answer.text


def test_routes_beside_the_files_lead_nowhere_else(page):
    for route in ("/static/", "/assets/", "/svelte/", "/gradio_api/custom_component/1/client/component/"):
        for path in ("../../../../../../etc/passwd", "..%2f..%2f..%2f..%2f..%2fetc%2fpasswd"):
            assert "root:" not in page.http.get(route + path).text


@pytest.mark.parametrize("path", SECRETS)
def test_no_file_of_the_machine_is_read_through_a_parameter(page, path):
    for api_name in ("decompress", "inside"):
        kind, said = ask(page, api_name, file(path))
        assert kind == "error" and "root:" not in said, (api_name, said)
    assert all("passwd" not in str(p) for p in Path(os.environ["GRADIO_TEMP_DIR"]).rglob("*"))


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/a.png", "https://example.org/a.png", "HTTP://example.org", "ftp://a/b"]
)
def test_nothing_is_fetched_for_anybody(page, address):
    assert ask(page, "decompress", file(address))[0] == "400"
    number = function(page, "decompress")["id"]
    for route in ("queue/join", "run/decompress", "api/decompress", "run/predict"):
        body = {"data": [[{"deep": file(address)}]], "fn_index": number, "session_hash": "s"}
        answer = page.http.post(f"/gradio_api/{route}", json=body)
        assert answer.status_code == 400 and "addresses are not fetched" in answer.text
    for route in (f"/gradio_api/file={address}", f"/gradio_api/proxy={address}"):
        assert page.http.get(route).status_code == 403


def test_nobody_passes_the_queue_by(page):
    for route in ("run", "api"):
        answer = page.http.post(f"/gradio_api/{route}/decompress", json={"data": [None]})
        assert answer.status_code == 404 and "join the queue" in answer.text


def test_uploads_are_limited_and_named_by_us(page, folder):
    path = page.http.post("/gradio_api/upload", files={"files": ("../../../evil/../x.png", b"hello")}).json()[0]
    assert Path(path).is_relative_to(folder) and Path(path).name == "x.png" and Path(path).read_bytes() == b"hello"
    name = "<img src=x onerror=alert(1)>;rm -rf ~.png"
    path = page.http.post("/gradio_api/upload", files={"files": (name, png_bytes(picture(40, 30)))}).json()[0]
    assert Path(path).is_relative_to(folder) and "/" not in Path(path).name and "<" not in Path(path).name


def test_requests_beyond_the_limits_are_refused_before_they_are_read(page):
    for route, most in (("upload", guard.MAX_UPLOAD), ("component_server", guard.MAX_STROKE), ("queue/join", 0)):
        raw = http.client.HTTPConnection(page.http.base_url.host, page.http.base_url.port, timeout=60)
        raw.putrequest("POST", f"/gradio_api/{route}")
        raw.putheader("Content-Type", "multipart/form-data; boundary=x")
        raw.putheader("Content-Length", str(most + guard.MAX_FORM + 1))
        raw.endheaders(b"x")  # and never the rest
        answer = raw.getresponse()
        assert answer.status == 413 and f"limit of {(most or guard.MAX_FORM) / 1e6:g} MB" in answer.read().decode()
        raw.close()
    chunks = (b"x" for _ in range(3))
    assert page.http.post("/gradio_api/queue/join", content=chunks).status_code == 411
    assert page.http.post("/gradio_api/queue/join", content=b"[" * 500_000).status_code == 400
    for route in ("process_recording", "vibe-edit/"):
        assert page.http.post(f"/gradio_api/{route}", json={}).status_code == 403


def test_one_file_may_be_so_large(page, monkeypatch):
    assert page.demo.max_file_size == guard.MAX_UPLOAD
    monkeypatch.setattr(page.demo, "max_file_size", 1000)
    assert page.http.post("/gradio_api/upload", files={"files": ("a.png", bytes(1001))}).status_code == 413


def test_a_full_disk_refuses_uploads(page, monkeypatch):
    monkeypatch.setattr(guard, "MIN_FREE_DISK", 1 << 60)
    answer = page.http.post("/gradio_api/upload", files={"files": ("a.png", b"x")})
    assert answer.status_code == 507 and "no room" in answer.json()["detail"]


def upload(page, name, data):
    return file(page.http.post("/gradio_api/upload", files={"files": (name, data)}).json()[0])


def compress(page, name):
    settings = ["Quality (λ)", 0.0035, 0.3, "mse", 15, "original", "ours", "jpeg", False, False]
    return ask(page, "compress", upload(page, name, png_bytes(picture(40, 30))), *settings)


@pytest.fixture
def readers(monkeypatch):
    found = sandbox.Readers(2, MISCHIEF)
    monkeypatch.setattr(sandbox, "READERS", found)
    yield found
    found.close()


def test_a_crash_over_a_picture_ends_its_request_only(page, readers):
    for name in ("crash.png", "exit.png", "crash.png"):
        kind, said = compress(page, name)
        assert kind == "error" and "broke down" in json.loads(said)["error"], said
    assert compress(page, "good.png")[0] == "complete"


def test_a_reader_killed_in_the_middle_ends_its_request_only(page, readers, folder, monkeypatch):
    monkeypatch.setattr(sandbox, "HEADER_SECONDS", 600)  # it is not to end by the clock, however busy the machine
    with ThreadPoolExecutor(1) as pool:
        killed = pool.submit(compress, page, "slow.png")
        while not any(folder.rglob("slow.png.reading")):
            assert not killed.done(), killed.result()
            time.sleep(0.05)
        (victim,) = readers.children
        assert compress(page, "good.png")[0] == "complete" and not killed.done()
        os.kill(victim.process.pid, signal.SIGKILL)
        kind, said = killed.result(120)
    assert kind == "error" and json.loads(said)["error"] == sandbox.CRASHED
    assert compress(page, "good.png")[0] == "complete" and victim not in readers.children


def test_a_visitor_leaves_little_behind(page):
    holder, queue = page.demo.state_holder, page.demo._queue
    before = set(holder.session_data)
    for _ in range(3):
        assert compress(page, "good.png")[0] == "complete"
    sessions = [holder.session_data[name] for name in set(holder.session_data) - before]
    assert len(sessions) == 3 and not any(s.config_values for s in sessions)
    assert sum(not waiting for waiting in queue.pending_event_ids_session.values()) <= 1  # the last one's


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="arenas are glibc's")
def test_threads_share_their_arenas():
    program = """
import ctypes, threading
from codec.ui.hosting import cleanup, guard, sessions
from codec.ui.hosting import queue as fair
{}
together = threading.Barrier(8)
def work():
    kept = bytearray(50_000)
    together.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
ctypes.CDLL(None).malloc_stats()
"""
    arenas = []
    for call in ("sessions.share_arenas()", ""):
        command = [sys.executable, "-c", program.format(call)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        arenas.append(done.stderr.count("Arena "))
    assert arenas[0] <= sessions.ARENAS < arenas[1]


def test_a_session_remembers_values_and_changes(page):
    import gradio as gr

    session = page.demo.state_holder["somebody"]
    state = next(b for b in page.demo.blocks.values() if isinstance(b, gr.State))
    choice = next(b for b in page.demo.blocks.values() if isinstance(b, gr.Dropdown))
    session[state._id], session[choice._id] = "kept", gr.Dropdown(["another"], render=False)
    again = page.demo.state_holder["somebody"]
    assert again[state._id] == "kept" and again[choice._id].choices == [("another", "another")]
    assert page.demo.state_holder["somebody else"][choice._id] is choice and not again.config_values


def test_painted_layers_are_bounded_and_opened_elsewhere(page):
    (canvas,) = [c for c in page.http.get("/config").json()["components"] if c["type"] == "imageeditor"]
    assert "accept_blobs" in canvas["props"]["server_fns"]
    for index, kind in (("1000000000", "layer"), ("0", "layer"), ("null", "composite")):
        form = {"component_id": canvas["id"], "session_hash": "s", "fn_name": "accept_blobs", "data": "null"}
        form |= {"id": "x", "type": kind, "index": index}
        answer = page.http.post("/gradio_api/component_server", data=form, files={"file": ("a.png", bytes(2_000_000))})
        assert answer.status_code == 200, answer.text
    (strokes,) = page.demo.blocks[canvas["id"]].accept_blobs.args
    assert strokes.take("x") == [bytes(2_000_000)] and strokes.total == 0


def test_errors_show_no_insides(page):
    kind, said = ask(page, "decompress", "no file at all")
    assert kind == "error" and "Traceback" not in said and str(ROOT) not in said


def test_nothing_beside_the_queue_is_given_files(page):
    beside = [fn for fn in page.demo.fns.values() if fn.fn and not fn.queue]
    holders = {"file", "downloadbutton", "image", "imageeditor"}
    assert beside and not [fn.name for fn in beside if holders & {b.get_block_name() for b in fn.inputs}]


def test_a_full_queue_says_so(page, monkeypatch):
    monkeypatch.setattr(fair, "MAX_WAITING", 0)
    status, text = ask(page, "decompress", None)
    assert status == "503" and "busy" in json.loads(text)["detail"]


def test_what_is_old_is_swept_away(tmp_path):
    for name in ("a/old", "b/kept"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    cleanup.sweep(tmp_path, 60)
    assert len(list(tmp_path.rglob("*"))) == 5
    cleanup.sweep(tmp_path, -1, {str(tmp_path / "b/kept")})
    cleanup.sweep(tmp_path, -1, {str(tmp_path / "b/kept")})
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == ["b", "b/kept"]
    names = {str(tmp_path / "a/old"), str(tmp_path / "b/kept")}
    cleanup.forget([names])
    assert names == {str(tmp_path / "b/kept")}


# --- turns ------------------------------------------------------------------------------------------------


def event(name, address, session, time):
    request = types.SimpleNamespace(client=types.SimpleNamespace(host=address))
    return types.SimpleNamespace(name=name, request=request, session_hash=session, enqueue_time=time)


def order(*events):
    return "".join(e.name for e in fair.fair_order(list(events)))


def test_visitors_take_turns():
    greedy = [event(n, "1", "s", i) for i, n in enumerate("abc")]
    assert order(*greedy) == "abc"
    assert order(*greedy, event("x", "2", "t", 5), event("y", "3", "u", 6)) == "axybc"
    # At one address its sessions take turns, so a class behind a router is served as it came.
    assert order(*greedy, event("x", "1", "t", 5), event("y", "1", "u", 6)) == "axybc"
    school = [event(n, "1", n, i) for i, n in enumerate("abcd")]
    assert order(*school) == "abcd" and order(*school, event("x", "2", "x", 9)) == "axbcd"


def test_nobody_fills_the_queue_for_all(monkeypatch):
    async def pushed(*_):
        return True, "id", "success"

    monkeypatch.setattr(fair.Queue, "push", pushed)

    def refused(waiting, address, session):
        queue = object.__new__(fair.FairQueue)
        queue.event_queue_per_concurrency_id = {"codec": types.SimpleNamespace(queue=waiting)}
        queue.pending_event_ids_session = queue.event_ids_to_events = {}
        body = types.SimpleNamespace(session_hash=session, data=[])
        answer = asyncio.run(queue.push(body, event("", address, session, 0).request, None))
        assert answer[2] == "success" or "busy" in answer[1]
        return not answer[0]

    session = [event("", "1", "s", i) for i in range(fair.MAX_PER_SESSION)]
    assert refused(session, "2", "s") and not refused(session[1:], "2", "s") and not refused(session, "1", "t")
    school = [event("", "1", f"{i}", i) for i in range(fair.MAX_PER_ADDRESS)]
    assert refused(school, "1", "s") and not refused(school[1:], "1", "s") and not refused(school, "2", "s")
    crowded = [event("", f"{i}", f"{i}", i) for i in range(fair.MAX_WAITING)]
    assert refused(crowded, "a", "s") and not refused(crowded[1:], "a", "s")


@pytest.mark.parametrize(
    ("large", "full", "refine", "waits"), [(False, False, False, False), (True, False, False, False),
                                           (True, True, False, True), (False, False, True, True)]
)  # fmt: skip
def test_slow_work_waits_in_a_lane_of_its_own(monkeypatch, large, full, refine, waits):
    async def pushed(*_):
        return True, "id", "success"

    monkeypatch.setattr(fair.Queue, "push", pushed)
    monkeypatch.setattr(fair, "is_large", lambda _: large)
    placed = []
    monkeypatch.setattr(fair.FairQueue, "place", lambda self, event, slow: placed.append(slow))
    queue = object.__new__(fair.FairQueue)
    queue.scaling, queue.blocks = {pushed: 1}, types.SimpleNamespace(fns={7: types.SimpleNamespace(fn=pushed)})
    queue.event_queue_per_concurrency_id = {}
    queue.pending_event_ids_session, queue.event_ids_to_events = {}, {"id": "event"}
    body = types.SimpleNamespace(session_hash="s", data=["photo", full, refine], fn_index=7)
    assert asyncio.run(queue.push(body, event("", "1", "s", 0).request, None))[0]
    assert placed == [waits]


def test_files_of_waiting_requests_stay(tmp_path, monkeypatch):
    for module in (cleanup, fair):
        monkeypatch.setattr(module, "get_upload_folder", lambda: str(tmp_path))
    path = tmp_path / "a.png"
    path.write_bytes(b"x")
    waiting = types.SimpleNamespace(data=types.SimpleNamespace(data=[file(path), file("/etc/passwd")]))
    lanes = {"codec": types.SimpleNamespace(queue=[waiting])}
    demo = types.SimpleNamespace(_queue=types.SimpleNamespace(event_queue_per_concurrency_id=lanes))
    assert cleanup.waiting(demo) == [path]
    before = path.stat().st_ctime_ns
    while time.time_ns() - before < 50_000_000:  # coarser than any clock of files
        time.sleep(0.01)
    fair.is_large(waiting.data.data)
    assert path.stat().st_ctime_ns > before


def test_large_pictures_and_streams_are_known_by_their_headers(codec, tmp_path, monkeypatch):
    import numpy as np

    from codec.bitstream import Stream, write

    monkeypatch.setattr(fair, "LARGE_PIXELS", 5000)
    monkeypatch.setattr(fair, "get_upload_folder", lambda: str(tmp_path / "uploads"))
    (tmp_path / "uploads").mkdir()

    def kept(name, data, where="uploads"):
        (tmp_path / where / name).write_bytes(data)
        return fair.is_large([1, {"x": [file(tmp_path / where / name)]}, None])

    assert kept("a.png", png_bytes(np.zeros((100, 60, 3), np.uint8)))
    assert not kept("b.png", png_bytes(np.zeros((50, 60, 3), np.uint8)))
    assert kept("a.lic", write(Stream("00000000", "mse", 100, 60, 1, b"", b"")))
    assert not kept("bad.png", b"<html>") and not kept("bad.lic", b"LIC\1")
    assert not kept("elsewhere.png", png_bytes(np.zeros((100, 60, 3), np.uint8)), where=".")
    assert not fair.is_large([file("/proc/self/mem"), file("\0"), file(""), "text", {"path": 7}])
