"""Screenshots of the whole page, to look at: its first moments, and every place once it is filled.

    python -m tests.screens --out FOLDER --widths 1440 1024 390 --languages en fr zh --themes light dark

It starts the page. The first screen and the codec's page are taken 0.5, 2 and 10 s after opening; the names of
the files say what they show: `first-0.5s-1440-fr-dark.png`, `bits-map-390-en-light.png`. The layout shift and the first
contentful paint of both are measured in Chromium as its own tools do; `--results results/screens.json` keeps them, with
what axe-core finds grave in each place, width, language and theme. A run of some of these replaces what the file holds
of them, and leaves the rest.
"""

import argparse
import contextlib
import itertools
import json
import tempfile
import time
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import TimeoutError as Late
from playwright.sync_api import sync_playwright

from codec.provenance import machine
from codec.ui.address import PLACES

from .conftest import CHROMIUM, FLAGS, served
from .places import GRAVE, OPTIONS, SIGNS, TAB

MOMENTS = (0.5, 2, 10)  # s
HEIGHTS = {1440: 900, 1024: 768, 390: 844, 360: 780}
OBSERVE = """
window.shift = 0; window.painted = null;
new PerformanceObserver(list => { for (const e of list.getEntries()) if (!e.hadRecentInput) window.shift += e.value; })
  .observe({ type: "layout-shift", buffered: true });
new PerformanceObserver(list => { for (const e of list.getEntries())
  if (e.name === "first-contentful-paint") window.painted = e.startTime; }).observe({ type: "paint", buffered: true });
"""


def first_moments(browser, url: str, out: Path, width: int, language: str, theme: str) -> dict:
    """The first screen and the codec's page as they come; what Chromium measures of each."""
    measured = {}
    for name, query in (("first", "?"), ("codec", "?tab=compare&")):
        page = browser.new_page(viewport={"width": width, "height": HEIGHTS[width]}, color_scheme=theme)
        page.add_init_script(OBSERVE)
        begun = time.monotonic()
        page.goto(f"{url}{query}lang={language}&__theme={theme}", wait_until="commit")
        for moment in MOMENTS:
            page.wait_for_timeout(max(0, 1000 * (begun + moment - time.monotonic())))
            page.screenshot(path=out / f"{name}-{moment:g}s-{width}-{language}-{theme}.png")
        shift, paint = page.evaluate("() => [window.shift, window.painted]")
        measured[f"{name}-{width}-{language}-{theme}"] = {"layout_shift": round(shift, 4), "first_paint_ms": paint}
        page.close()
    return measured


def every_place(browser, url: str, out: Path, widths: list[int], language: str, theme: str, axe) -> list[list]:
    """All tabs and what is below them, filled, at every width. Gives what axe-core finds grave, where it is asked."""
    findings = []
    page = browser.new_page(viewport={"width": max(widths), "height": 900})
    page.set_default_timeout(60_000)
    page.goto(f"{url}?tab=compare&lang={language}&__theme={theme}")
    page.locator(f"{SIGNS['one']} >> visible=true").first.wait_for()
    for tab, places in PLACES.items():
        for place in places or (tab,):
            page.set_viewport_size({"width": max(widths), "height": 900})
            page.locator(TAB.format(tab)).click()
            if places:
                page.locator(TAB.format(place)).click()
            with contextlib.suppress(Late):  # a picture of what is not filled is worth a look, too
                page.locator(f"{SIGNS[place]} >> visible=true").first.wait_for()
            for width in widths:
                page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
                page.wait_for_timeout(700)
                name = f"{tab}-{place}-{width}-{language}-{theme}"
                page.screenshot(path=out / f"{name}.png", full_page=True)
                if axe:
                    violations = axe.run(page, options=OPTIONS[theme]).response["violations"]
                    findings += [
                        [name, v["id"], v["nodes"][0]["html"][:160]] for v in violations if v["impact"] in GRAVE
                    ]
    page.close()
    return findings


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.screens", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--widths", type=int, nargs="+", choices=HEIGHTS, default=[1440, 1024, 390])
    parser.add_argument("--languages", nargs="+", default=["en", "fr", "zh"])
    parser.add_argument("--themes", nargs="+", default=["light", "dark"])
    parser.add_argument("--moments", action="store_true", help="the first moments only")
    parser.add_argument("--results", type=Path, help="also asks axe-core, and keeps what was measured in this file")
    args = parser.parse_args()
    axe = Axe() if args.results else None
    args.out.mkdir(parents=True, exist_ok=True)
    measured, findings = {}, []
    with contextlib.ExitStack() as stack:
        demo = stack.enter_context(served(stack.enter_context(tempfile.TemporaryDirectory())))
        url = demo.local_url
        browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for language, theme in itertools.product(args.languages, args.themes):
            for width in args.widths:
                measured |= first_moments(browser, url, args.out, width, language, theme)
            if not args.moments:
                findings += every_place(browser, url, args.out, args.widths, language, theme, axe)
    count, worst = len(list(args.out.glob("*.png"))), max(row["layout_shift"] for row in measured.values())
    print(f"{count} screenshots; the largest layout shift is {worst}; {len(findings)} grave findings")
    if args.results:
        before = json.loads(args.results.read_text()) if args.results.exists() else {}
        again = {f"{w}-{lang}-{theme}" for w in args.widths for lang in args.languages for theme in args.themes}
        kept = [finding for finding in before.get("grave_findings", []) if not finding[0].endswith(tuple(again))]
        paint = before.get("paint", {}) | measured
        result = {"machine": machine(), "screenshots": count, "paint": paint, "grave_findings": kept + findings}
        args.results.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
