"""How long a visitor waits: from the click to the decoded picture, in a real browser."""

import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from codec.paths import ROOT
from codec.pictures.load import save_png
from codec.plots import browser_path

RUNS = 7
LAMBDA, BPP = "#lambda input", "#bpp input[type=number]"
SOURCES = "Array.from(document.querySelectorAll('#comparison img')).map(i => i.currentSrc).join()"
WATCH_PROGRESS = """() => {
    window.progressSeen = new Set();
    setInterval(() => document.querySelectorAll('.progress-level').forEach(
        e => window.progressSeen.add(e.innerText)), 50);
}"""


def measure(rgb: np.ndarray, large: np.ndarray) -> dict:
    """Milliseconds to the picture at a fixed λ and at a target rate, and from there to the last of the measures.

    Medians of RUNS clicks after a warm-up. Then those of one click for a large picture, with how many states of the
    progress bar were seen meanwhile, and the seconds from starting the program to a page that answers.
    """
    from playwright.sync_api import sync_playwright  # of requirements-train.txt

    chromium = browser_path()
    result = {"size": f"{rgb.shape[1]}×{rgb.shape[0]}", "runs": RUNS, "browser": Path(chromium).name}
    with running_page() as (url, started), sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        result["start_s"] = started
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"{url}?tab=compare&model=mse&lambda=0.0035")
        page.locator("#figures tbody tr").nth(2).wait_for(timeout=60_000)
        upload(page, rgb, Path(folder) / "picture.png")
        for mode, field in (("fixed_lambda_ms", LAMBDA), ("target_rate_ms", BPP)):
            if mode == "target_rate_ms":
                page.locator("#mode input[value='Size (bpp)']").check()
                wait_for_jpeg(page)
            times, measured = [], []
            for i in range(RUNS + 1):
                # None is the value that the page starts with: the picture has to change.
                value = f"{0.004 + 0.0003 * i:.4f}" if mode == "fixed_lambda_ms" else f"{0.35 + 0.05 * i:.2f}"
                page.locator(field).first.fill(value)
                times.append(click_to_picture(page))
                measured.append(until_measured(page))
                wait_for_jpeg(page)
            result[mode] = round(statistics.median(times[1:]))
            result[mode.replace("_ms", "_measures_ms")] = round(statistics.median(measured[1:]))
        page.locator("#mode input[value='Quality (λ)']").check()
        page.locator("#full-size input").check()
        upload(page, large, Path(folder) / "large.png")
        page.locator(LAMBDA).first.fill("0.004")
        page.evaluate(WATCH_PROGRESS)
        result["large"] = {
            "size": f"{large.shape[1]}×{large.shape[0]}",
            "fixed_lambda_ms": round(click_to_picture(page)),
            "states_of_progress": page.evaluate("window.progressSeen.size"),
        }
        browser.close()
    return result


def upload(page, rgb: np.ndarray, path: Path) -> None:
    """Gives the page another picture and waits until all that follows from that has come."""
    save_png(rgb, path)
    page.locator("#upload button[aria-label='Clear'], #upload button[title='Clear']").first.click()
    before = page.evaluate(SOURCES)
    page.locator("#upload input[type=file]").set_input_files(str(path))
    page.wait_for_function(f"before => {SOURCES} !== before", arg=before, timeout=120_000)
    wait_for_jpeg(page)


def click_to_picture(page) -> float:
    """Clicks Compress; milliseconds until another decoded picture has been loaded and drawn."""
    before = page.evaluate(SOURCES)
    start = time.perf_counter()
    page.locator("#compress").click()
    page.wait_for_function(
        f"""before => {SOURCES} !== before
            && Array.from(document.querySelectorAll('#comparison img')).every(i => i.complete && i.naturalWidth)""",
        arg=before,
        polling="raf",
        timeout=120_000,
    )
    return 1e3 * (time.perf_counter() - start)


def until_measured(page) -> float:
    """Milliseconds until no number of the table is waited for any more."""
    start = time.perf_counter()
    page.wait_for_function(
        "() => !document.querySelector('#figures').innerText.includes('…')", polling="raf", timeout=60_000
    )
    return 1e3 * (time.perf_counter() - start)


@contextlib.contextmanager
def running_page() -> Iterator[tuple[str, float]]:
    """The page in a process of its own: its address, and the seconds from starting it until it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start, url, program = time.perf_counter(), f"http://127.0.0.1:{port}/", ROOT / "app.py"
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}
    process = subprocess.Popen(
        [sys.executable, str(program)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield url, seconds_until_answered(process, url, start)
    finally:
        process.terminate()
        process.wait()


def seconds_until_answered(process: subprocess.Popen, url: str, start: float) -> float:
    """Raises RuntimeError where it does not answer within two minutes."""
    while process.poll() is None and time.perf_counter() - start < 120:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=60).close()  # raises unless it answers 200
            return round(time.perf_counter() - start, 1)
        time.sleep(0.05)
    raise RuntimeError("The page has not started within two minutes.")


def wait_for_jpeg(page) -> None:
    """Waits until everything has come, the JPEG last, and the page has stood still for a second and a half."""
    page.wait_for_function(
        """() => {
            const now = document.querySelector('#headline').innerText
                + document.querySelector('#verdict').innerText + SOURCES;
            if (now !== window.lastSeen) { window.lastSeen = now; window.lastChange = performance.now(); }
            return !now.includes('…') && performance.now() - window.lastChange > 1500;
        }""".replace("SOURCES", SOURCES),
        polling=100,
        timeout=300_000,
    )
