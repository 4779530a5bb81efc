"""The first screen: static, at once, and true of the weights that are shipped."""

import io
import os
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

import codec as package
from codec.metrics import psnr
from codec.pictures.load import load_image
from codec.ui import address, examples, front
from codec.ui.texts import accepted

MOST_BYTES = 2_500_000  # of all pictures together
WATCH = """
window.shift = 0;
new PerformanceObserver(list => { for (const e of list.getEntries()) if (!e.hadRecentInput) window.shift += e.value; })
    .observe({ type: "layout-shift", buffered: true });
"""


def point(image="coffee", target=0.14):
    if not front.points():
        pytest.skip("the first screen was not made, or scikit-image is not installed")
    return next(p for p in front.points() if (p["image"], p["target_bpp"]) == (image, target))


def test_its_pictures_are_small_and_all_of_them_are_named():
    named = {front.PREVIEW}
    for p in front.points():
        named |= front.pictures(p)
        assert len(front.files()[p["jpeg"]["file"]]) == p["jpeg"]["bytes"]
    assert named == set(front.files()) and sum(map(len, front.files().values())) < MOST_BYTES
    with Image.open(io.BytesIO(front.files()[front.PREVIEW])) as image:
        assert image.size == (1200, 630)


def test_it_shows_what_the_shipped_weights_make(codec):
    known, rgb = point(), load_image(examples.sources()["coffee"]).rgb
    data = package.compress(rgb, bpp=0.14)
    assert len(data) == known["bytes"]  # else: python -m codec.evaluation first-screen
    decoded = np.asarray(package.decompress(data, decoder="hific"))
    shown = load_image(front.files()[known["hific"]["file"]]).rgb
    assert psnr(decoded, shown) > 40  # not to be seen
    assert known["hific"]["psnr"] == pytest.approx(psnr(rgb, decoded), abs=1e-3)
    jpeg = load_image(front.files()[known["jpeg"]["file"]]).rgb
    assert known["jpeg"]["psnr"] == pytest.approx(psnr(rgb, jpeg), abs=1e-3) and known["jpeg"]["bytes"] <= len(data)


def test_its_one_number_is_the_measured_one():
    known = point()
    needed, said = known["jpeg_as_close"]["bytes"], front.claim(known)
    assert known["jpeg_as_close"]["dists"] <= known["hific"]["dists"] < known["jpeg"]["dists"]
    assert f"{needed / known['bytes']:.1f}×" in said and f"{needed / 1000:.1f} kB" in said
    assert "not" in front.claim(known | {"jpeg_as_close": None})
    worse = front.claim(known | {"jpeg_as_close": known["jpeg_as_close"] | {"bytes": known["bytes"] // 2}})
    assert "0.5×" in worse and "needs" not in worse


def test_a_language_is_the_one_asked_for_or_the_first_that_is_known():
    assert accepted("fr") == "fr" and accepted("xx") == "en" and accepted("", "") == "en"
    assert accepted("", "de;q=0.9, zh-CN;q=0.8, en;q=0.5") == "zh" and accepted("", "fr;q=0.2, en;q=much, en") == "en"


def test_passers_by_get_files_and_nothing_else(url):
    first = httpx.get(url)
    assert first.status_code == 200 and "gradio" not in first.text.lower()
    assert httpx.get(url, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    assert 'lang="fr"' in httpx.get(f"{url}?lang=fr").text and 'lang="zh"' in httpx.get(f"{url}?lang=zh&fbclid=1").text
    picture = httpx.get(f"{url}{front.located(point()['jpeg']['file'])}")
    assert picture.content == front.files()[point()["jpeg"]["file"]] and picture.headers["content-type"] == "image/jpeg"
    assert "immutable" in picture.headers["cache-control"]
    assert httpx.head(url).content == b"" and httpx.head(url).status_code == 200
    for name in ("nothing.png", "../front.html", "%2e%2e/front.html", ""):
        assert httpx.get(f"{url}first/{name}").status_code == 404
    strange = httpx.get(url, headers={"Host": 'a"><script>'})
    assert "<script>a" not in strange.text and 'a"><script>' not in strange.text


def test_a_link_shows_a_picture_and_a_sentence_of_ours(url):
    for query in ("", "?tab=compare"):
        page = httpx.get(url + query).text
        assert f'<meta property="og:image" content="{url}first/preview.jpg' in page and "og:description" in page
        assert page.count('property="og:title"') == 1 and 'content="Gradio"' not in page


@pytest.fixture
def screen(browser, url):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(60_000)
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.add_init_script(WATCH)
    yield page
    page.close()


def kept(page, name: str, tmp_path) -> None:
    """A screenshot to look at: in the folder that CODEC_SCREENSHOTS names, else where it is forgotten."""
    folder = Path(os.environ.get("CODEC_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(folder / f"{name}.png"))


LOADED = "() => [...document.querySelectorAll('#left, #right')].every(i => i.complete && i.naturalWidth)"


def test_it_is_there_at_once_and_asks_for_no_computation(screen, url, tmp_path):
    for width in (1440, 1024, 390):
        screen.set_viewport_size({"width": width, "height": 844})
        screen.goto(url)
        kept(screen, f"first-{width}", tmp_path)
        screen.wait_for_function(LOADED)
        screen.locator("#stage").evaluate("e => Promise.all(e.getAnimations({subtree: true}).map(a => a.finished))")
        kept(screen, f"settled-{width}", tmp_path)
        assert screen.evaluate("window.shift") < 0.05
        assert screen.evaluate("document.documentElement.scrollWidth") <= width
        box = screen.locator("#stage").bounding_box()
        assert box["width"] > 0.9 * width
        assert screen.locator("#own").bounding_box()["y"] < 844  # without scrolling
    allowed = (url, f"{url}first/", f"{url}favicon")
    assert all(a == url or a.startswith(allowed[1:]) for a in screen.asked)


def test_it_is_moved_by_keys_and_keeps_its_state_in_the_address(screen, url):
    screen.goto(url)
    screen.wait_for_function(LOADED)
    screen.locator("#divider").focus()
    screen.keyboard.press("Home")
    assert screen.locator("#stage").evaluate("e => e.style.getPropertyValue('--at')") == "0"
    screen.locator(".thumbs button[data-scene=portrait]").click()
    screen.locator("#size").focus()
    screen.keyboard.press("ArrowRight")
    known = point("portrait", 0.30)
    screen.wait_for_function("name => document.getElementById('right').src.includes(name)", arg=known["hific"]["file"])
    assert f"{known['bytes'] / 1000:.1f} kB" in screen.locator("#lead").inner_text()
    assert screen.evaluate("location.hash") == "#portrait-30-0"
    link = screen.evaluate("location.href")
    screen.goto("about:blank")
    screen.goto(link)
    screen.wait_for_function("name => document.getElementById('right').src.includes(name)", arg=known["hific"]["file"])
    assert screen.locator("#divider").input_value() == "0"
    screen.locator("#numbers summary").click()
    assert f"{known['hific']['dists']:.3f}" in screen.locator("#rows").inner_text()
    state = address.parse(dict(httpx.URL(screen.locator("#numbers a").evaluate("a => a.href")).params))
    assert state["bpp"] == 0.30 and state["example"] == "portrait"
    hold = screen.locator("#hold")
    hold.focus()
    screen.keyboard.press("Enter")
    assert screen.locator("#original").is_visible() and hold.get_attribute("aria-pressed") == "true"


def test_share_makes_a_picture_of_both_halves(screen, url, tmp_path):
    screen.context.grant_permissions(["clipboard-read", "clipboard-write"])
    screen.goto(url)
    screen.wait_for_function(LOADED)
    with screen.expect_download() as download:
        screen.locator("#share").click()
    download.value.save_as(tmp_path / "shared.png")
    with Image.open(tmp_path / "shared.png") as image:
        assert image.size[0] == 1200 and image.size[1] > 500
    screen.locator("#shared", has_text="copied").wait_for()
    assert "#coffee-14-" in screen.evaluate("navigator.clipboard.readText()")


def test_ones_own_photo_goes_straight_to_the_codec(screen, url, photo):
    screen.add_init_script("""
        window.shown = [];
        window.errors = [];
        new MutationObserver(() => {
            const both = [...document.querySelectorAll("#comparison :is(.over, .under):not([hidden])")];
            window.shown.push(both.map((image) => image.dataset.key).join(" "));
            window.errors.push(...[...document.querySelectorAll(".toast-body.error")].map((e) => e.textContent));
        }).observe(document, { subtree: true, childList: true, attributes: true });
    """)
    screen.goto(url)
    with screen.expect_file_chooser() as chooser:
        screen.locator("#own").click()
    chooser.value.set_files(str(photo))
    screen.wait_for_function("() => document.querySelector('#comparison .under')?.naturalWidth === 300")
    screen.wait_for_function("() => document.querySelector('#comparison .under').dataset.key === 'ours'")
    assert "own=" not in screen.evaluate("location.search")
    # Until then the original stands in both places, and nothing that was not asked for has failed.
    assert "original original" in screen.evaluate("window.shown") and screen.evaluate("window.errors") == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_has_no_grave_findings(screen, url, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    screen.goto(f"{url}?__theme={theme}")
    screen.locator("#numbers summary").click()
    found = [v for v in axe.run(screen).response["violations"] if v["impact"] in ("serious", "critical")]
    assert not found, [(v["id"], [n["html"][:160] for n in v["nodes"][:3]]) for v in found]
