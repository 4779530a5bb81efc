"""The viewer: where its details lie, keys, mouse and fingers, and pixels that stay pixels."""

import numpy as np
import pytest

from codec.ui import viewer

#: Of both pictures in the stage: left, top, width.
PLACES = """all => all.map(i => {
    const by = new DOMMatrix(getComputedStyle(i).transform);
    return [by.e, by.f, i.offsetWidth];
})"""


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (144, 96), (2600, 130)])
def test_the_busiest_place_lies_in_the_picture(size):
    rgb = np.zeros((size[1], size[0], 3), np.uint8)
    x, y = viewer.busiest(rgb)
    assert 0 <= x <= size[0] and 0 <= y <= size[1]
    if size == (2600, 130):
        rgb[40:90, 2000:2100] = np.random.default_rng(0).integers(0, 256, (50, 100, 3))
        assert abs(viewer.busiest(rgb)[0] - 2050) < 200


def test_keys_move_the_divider_and_a_click_all_details(browser, url):
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(f"{url}?tab=compare&left=original&lambda=0.0035")
    page.locator("#figures tbody tr", has_text="JPEG (").first.wait_for(timeout=60_000)
    page.wait_for_function("() => document.querySelectorAll('#comparison .crops img').length == 3")
    divider = page.locator("#comparison input.divider")
    for key, at in (("1", "0"), ("3", "100"), ("2", "50")):
        page.keyboard.press(key)
        assert divider.input_value() == at
    page.locator("#comparison .stage").click(position={"x": 120, "y": 90})
    crops = page.locator("#comparison .crops")
    first = crops.evaluate("c => [c.dataset.left, c.dataset.top]")
    page.locator("#comparison .stage").click(position={"x": 320, "y": 200})
    assert crops.evaluate("c => [c.dataset.left, c.dataset.top]") != first
    moved = crops.locator("img").evaluate_all("all => all.map(i => i.style.transform + i.style.width)")
    assert len(moved) == 3 and len(set(moved)) == 1 and "px" in moved[0]
    page.locator("#comparison .stage").focus()
    page.keyboard.press("ArrowLeft")
    assert crops.locator("img").first.evaluate("i => i.style.transform") not in moved[0]
    both = page.locator("#comparison .stage img")
    place = "all => all.map(i => [i.style.transform, i.offsetWidth, getComputedStyle(i).imageRendering])"
    whole = both.evaluate_all(place)
    page.keyboard.press("+")
    page.keyboard.press("+")
    larger = both.evaluate_all(place)
    assert larger[0] == larger[1] and larger[0][1] > whole[0][1] and larger[0][2] == "pixelated"
    box = page.locator("#comparison .stage").bounding_box()
    x, y = box["x"] + box["width"] / 4, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y + 30)
    page.mouse.up()
    moved = both.evaluate_all(place)
    assert moved[0] == moved[1] and moved[0][0] != larger[0][0] and divider.input_value() == "50"
    page.mouse.wheel(0, -200)
    page.wait_for_function("w => document.querySelector('#comparison .under').offsetWidth > w", arg=moved[0][1])
    page.keyboard.press("0")
    assert both.evaluate_all(place) == whole
    page.keyboard.press("f")
    page.wait_for_function("() => document.fullscreenElement?.matches('#comparison .stage')")
    page.keyboard.press("f")
    page.wait_for_function("() => !document.fullscreenElement")
    alts = page.locator("#comparison img").evaluate_all("all => all.map(i => i.alt)")
    assert all(alts) and any("dB" in a and "kB" in a for a in alts)
    page.close()


def opened(browser, url, **options):
    """A page whose first picture and its JPEG have come; patient, since the server shares the machine."""
    page = browser.new_page(**options)
    page.set_default_timeout(90_000)
    page.goto(f"{url}?tab=compare&left=original&lambda=0.0035")
    page.locator("#figures tbody tr", has_text="JPEG (").first.wait_for()
    page.wait_for_function("() => document.querySelector('#comparison .under').naturalWidth")
    return page


def test_what_was_made_before_stays_until_the_new_comes(browser, url):
    page = opened(browser, url, viewport={"width": 1280, "height": 1000})
    page.evaluate(
        """() => {
            const both = "#comparison :is(.under, .over):not([hidden])", look = () => {
                window.fewest = Math.min(window.fewest ?? 9, document.querySelectorAll(both).length);
            };
            new MutationObserver(look).observe(document.querySelector("#comparison"),
                { subtree: true, childList: true, attributes: true });
            look();
        }"""
    )
    before = page.locator("#comparison .under").get_attribute("src")
    page.locator("#lambda input").fill("0.0141")
    page.locator("#compress").click()
    page.wait_for_function("src => document.querySelector('#comparison .under').src.indexOf(src) < 0", arg=before)
    assert page.evaluate("window.fewest") == 2
    page.close()


def test_two_fingers_zoom_both_pictures_about_their_middle(browser, url):
    page = opened(browser, url, viewport={"width": 412, "height": 844}, has_touch=True, is_mobile=True)
    stage, both = page.locator("#comparison .stage"), page.locator("#comparison .stage img")
    stage.scroll_into_view_if_needed()
    screen = page.context.new_cdp_session(page)

    def touch(kind, *points):
        fingers = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        screen.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    def pinch(start, end):
        box = stage.bounding_box()
        x, y = box["x"] + 0.4 * box["width"], box["y"] + 0.6 * box["height"]
        touch("touchStart", (x - start, y))
        touch("touchStart", (x - start, y), (x + start, y))
        for apart in np.linspace(start, end, 9)[1:].tolist():
            touch("touchMove", (x - apart, y), (x + apart, y))
        touch("touchEnd")
        return x - box["x"], y - box["y"]

    whole = both.evaluate_all(PLACES)
    x, y = pinch(20, 60)
    page.wait_for_function("w => document.querySelector('#comparison .under').offsetWidth > 2.8 * w", arg=whole[0][2])
    left, top, width = (large := both.evaluate_all(PLACES))[0]
    times = width / whole[0][2]
    assert large[0] == large[1] and times == pytest.approx(3, rel=0.05)  # it halts at whole pixels
    assert [x - left, y - top] == pytest.approx([times * (x - whole[0][0]), times * (y - whole[0][1])], abs=3)
    assert page.locator("#comparison input.divider").input_value() == "50"
    assert page.evaluate("visualViewport.scale") == 1  # it was the picture, and not the page
    pinch(60, 10)  # further than there is to go
    page.wait_for_function("w => document.querySelector('#comparison .under').offsetWidth === w", arg=whole[0][2])
    assert both.evaluate_all(PLACES) == whole
    page.close()


@pytest.mark.parametrize("dots", [1, 2])
def test_a_picture_that_fits_is_shown_in_whole_multiples_of_its_pixels(browser, url, dots):
    page = opened(browser, url, viewport={"width": 1440, "height": 1000}, device_scale_factor=dots)
    shown, natural = page.locator("#comparison .under").evaluate("i => [i.offsetWidth, i.naturalWidth]")
    times, room = dots * shown / natural, page.locator("#comparison").evaluate("e => e.clientWidth")
    height = min(0.62 * 1000, 560) / (shown * 2 / 3)  # the image is as tall as it may be, or a whole multiple
    assert times >= 1 and (times == int(times) or shown > 0.99 * room or 0.99 < height < 1.01)
    page.close()


@pytest.mark.parametrize(("width", "dots"), [(390, 3), (360, 4), (390, 2)])
def test_a_phone_shows_the_picture_in_full_width_with_its_captions_below(browser, url, width, dots):
    page = opened(browser, url, viewport={"width": width, "height": 844}, device_scale_factor=dots, is_mobile=True)
    box = page.locator("#comparison .stage").bounding_box()
    assert box["width"] > 0.85 * width and page.evaluate("document.documentElement.scrollWidth") <= width
    caption = page.locator("#comparison .captions .right")
    assert "kB" in caption.inner_text() and caption.bounding_box()["y"] >= box["y"] + box["height"]
    line = page.locator("#bar-line")  # image, model and rate, at the foot of the screen
    page.wait_for_function("() => document.querySelector('#bar-line').textContent.includes('coffee')")
    assert not page.locator("#compress").is_visible()
    line.click()
    assert page.locator("#compress").is_visible() and page.locator("#model").is_visible()
    page.close()
