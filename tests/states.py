"""Random states of the page through its address in a real browser: what a link asks for, the page shows and says.

    python -m tests.states --count 30 --out results/address.json

It starts the page. A state is opened by its link; once the page is at rest, its own address must say the
same state.
"""

import argparse
import contextlib
import json
import random
import tempfile
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from playwright.sync_api import sync_playwright

from codec.provenance import machine
from codec.ui import address, examples

from .conftest import CHROMIUM, FLAGS, served

AT_REST = 1500  # ms


def random_state(rng: random.Random) -> dict:
    """A state that the page can be in: a place, an image, a model at a rate, both sides, and where one looks."""
    tab = rng.choice(list(address.PLACES))
    state: dict = {"tab": tab, "example": rng.choice(list(examples.sources()))}
    below = address.PLACES[tab][1:]  # what it opens on is not said
    if below and rng.random() < 0.7:
        state["sub"] = rng.choice(below)
    if tab == "course" and "sub" not in state:
        state["step"] = rng.randint(1, address.STEPS)
    for key in ("model", "left", "right", "baseline", "equal"):
        state[key] = rng.choice(address.WORDS[key])
    rate = rng.choice(address.RATES)
    low, high = {"lambda": address.NUMBERS["lambda"], "bpp": (0.1, 1.0), "kb": (5.0, 40.0)}[rate]
    state[rate] = float(f"{rng.uniform(low, high):.3g}")
    if rng.random() < 0.5:
        state["realism"] = round(rng.uniform(0, 1) * 20) / 20
    if rng.random() < 0.5:
        state["divider"] = float(rng.randint(5, 95))
    if tab == "compare" and "sub" not in state and rng.random() < 0.7:
        state |= {"zoom": float(rng.randint(2, 4)), "x": rng.randint(40, 60) / 100, "y": rng.randint(40, 60) / 100}
    return state


def said(page) -> dict:
    """The state that the page's address says."""
    return address.parse(dict(parse_qsl(urlsplit(page.url).query)))


def differences(asked: dict, found: dict) -> dict:
    """What of a state came back otherwise: {key: [asked, found]}."""

    def same(key: str) -> bool:
        a, b = asked[key], found.get(key)
        if isinstance(a, float) and isinstance(b, float):
            return abs(a - b) <= 0.005 * max(1.0, abs(a))
        return a == b

    return {key: [asked[key], found.get(key)] for key in asked if not same(key)}


def tried(browser, url: str, state: dict) -> dict:
    """One state there and back."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(120_000)
    try:
        page.goto(f"{url}?{urlencode(address.query(state))}")
        page.wait_for_function("() => window.codecPage?.opened && window.codecPage.coded")
        page.wait_for_function(f"() => new URLSearchParams(location.search).get('tab') === '{state['tab']}'")
        page.wait_for_timeout(AT_REST)
        return {"state": address.query(state), "differs": differences(state, said(page))}
    finally:
        page.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.states", description=__doc__)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    with contextlib.ExitStack() as stack:
        demo = stack.enter_context(served(stack.enter_context(tempfile.TemporaryDirectory())))
        browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        rows = []
        for _ in range(args.count):
            rows.append(tried(browser, demo.local_url, random_state(rng)))
            print(json.dumps(rows[-1]), flush=True)
    result = {"machine": machine(), "states": len(rows), "differing": [row for row in rows if row["differs"]]}
    print(f"{len(result['differing'])} of {len(rows)} states came back otherwise")
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
