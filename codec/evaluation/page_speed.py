"""How long a visitor waits: from the click to the decoded picture, in a real browser."""

import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
RUNS = 7


def browser_path() -> str:
    """The Chromium of this machine. Raises FileNotFoundError where there is none."""
    found = next((p for n in CHROMIUM if (p := shutil.which(n))), None)
    if found is None:
        raise FileNotFoundError("There is no Chromium on this machine.")
    return found


def measure(rgb: np.ndarray) -> dict:
    """Milliseconds to the picture at a fixed λ and at a target rate; medians of RUNS clicks after a warm-up."""
    from playwright.sync_api import sync_playwright

    from codec.images import save_png
    from codec.ui import build, launch_options

    chromium = browser_path()
    demo = build()
    demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options())
    result = {"size": f"{rgb.shape[1]}×{rgb.shape[0]}", "runs": RUNS, "browser": Path(chromium).name}
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(demo.local_url)
        page.locator("#figures tbody tr").nth(2).wait_for(timeout=60_000)
        path = Path(folder) / "picture.png"
        save_png(rgb, path)
        page.locator("#upload button[aria-label='Clear'], #upload button[title='Clear']").first.click()
        page.locator("#upload input[type=file]").set_input_files(str(path))
        wait_for_jpeg(page)
        for mode, label in (
            ("fixed_lambda_ms", "λ, the price of distortion in R + λ·D"),
            ("target_rate_ms", "so many bits"),
        ):
            if mode == "target_rate_ms":
                page.get_by_label("Size (bpp)").check()
                wait_for_jpeg(page)
            times = []
            for i in range(RUNS + 1):
                # None is the value that the page starts with: the picture has to change.
                value = f"{0.004 + 0.0003 * i:.4f}" if mode == "fixed_lambda_ms" else f"{0.35 + 0.05 * i:.2f}"
                page.get_by_label(label).first.fill(value)
                times.append(click_to_picture(page))
                wait_for_jpeg(page)
            result[mode] = round(statistics.median(times[1:]))
        browser.close()
    demo.close()
    return result


def click_to_picture(page) -> float:
    """Clicks Compress; milliseconds until another decoded picture has been loaded and drawn."""
    sources = "Array.from(document.querySelectorAll('#comparison img')).map(i => i.currentSrc).join()"
    before = page.evaluate(sources)
    start = time.perf_counter()
    page.locator("#compress").click()
    page.wait_for_function(
        f"""before => {sources} !== before
            && Array.from(document.querySelectorAll('#comparison img')).every(i => i.complete && i.naturalWidth)""",
        arg=before,
        polling="raf",
        timeout=60_000,
    )
    return 1e3 * (time.perf_counter() - start)


def wait_for_jpeg(page) -> None:
    """Waits until everything has come, the JPEG last, and the page has stood still for a second and a half."""
    page.wait_for_function(
        """() => {
            const now = document.querySelector('#headline').innerText
                + Array.from(document.querySelectorAll('#comparison img')).map(i => i.currentSrc).join();
            if (now !== window.lastSeen) { window.lastSeen = now; window.lastChange = performance.now(); }
            return !now.includes('…') && performance.now() - window.lastChange > 1500;
        }""",
        polling=100,
        timeout=60_000,
    )
