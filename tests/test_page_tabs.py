"""The tabs besides Compare, deep links and lecture mode: through the API and in a real browser."""

import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import picture
from PIL import Image
from test_page import compress

import codec as package
from codec import results, spec
from codec.ui import address, names
from codec.ui.jobs import rd_plot
from codec.ui.tabs import about
from codec.weights import Weights

TABS = tuple(address.PLACES)


@pytest.fixture(scope="module")
def stream(client, photo):
    from gradio_client import handle_file

    return handle_file(compress(client, photo)[4])


@pytest.fixture(scope="module")
def original(photo):
    from gradio_client import handle_file

    return handle_file(photo)


def opened(browser, address: str, on_request=None, width: int = 1280):
    """A browser's page at an address; patient, since the server shares the machine with the tests."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.set_default_timeout(90_000)
    if on_request:
        page.on("request", on_request)
    page.goto(address)
    return page


def open_tab(page) -> str:
    return page.locator("#tabs > .tab-wrapper [role=tab][aria-selected=true]").get_attribute("data-tab-id")


def refusal(client, *inputs, api_name):
    """What an endpoint says when it does not do it."""
    from gradio_client.exceptions import AppError

    with pytest.raises(AppError) as caught:
        client.predict(*inputs, api_name=api_name)
    return str(caught.value)


def test_the_page_is_built_without_torch_and_evaluation():
    program = (
        "import sys; from codec.ui import page; page.warm_up = lambda: None; page.build()\n"
        "late = 'torch', 'skimage', 'codec.evaluation', 'codec.training'\n"
        "print([m for m in sys.modules if m.startswith(late)])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100)
    assert done.stdout.strip().endswith("[]"), done.stdout + done.stderr


def test_a_painted_part_is_coded_better_in_no_more_bytes(client, stream, original, tmp_path):
    from gradio_client import handle_file

    from codec.ui.names import BRUSH, MIDDLE

    layer = np.zeros((100, 150, 4), np.uint8)  # half the picture's size, as a canvas may be
    layer[30:70, 40:100] = 255
    Image.fromarray(layer).save(tmp_path / "layer.png")
    painting = {"background": original, "layers": [handle_file(tmp_path / "layer.png")], "composite": None}
    pair, said, maps, out = client.predict(stream, original, painting, 16, BRUSH, api_name="/region")
    before, after = (Path(f).read_bytes() for f in (stream["path"], out))
    assert len(after) <= len(before) and f"{len(after):,}" in said and "16 % of the image" in said
    decoded = np.asarray(package.decompress(after))
    assert (np.asarray(Image.open(pair["pictures"][1]["file"])) == decoded).all() and len(maps) == 2
    assert "level_map" in package.info(after)

    assert client.predict(stream, original, None, 8, MIDDLE, api_name="/region")[3]
    assert "Nothing is painted" in refusal(client, stream, original, None, 8, BRUSH, api_name="/region")
    Image.fromarray(picture(64, 64)).save(tmp_path / "other.png")
    other = handle_file(tmp_path / "other.png")
    assert "another image" in refusal(client, stream, other, painting, 8, BRUSH, api_name="/region")


def test_every_point_of_a_curve_has_its_picture(client, original):
    pair, said = client.predict(original, "jpeg|50", api_name="/point")
    assert "JPEG at quality 50" in said and "LPIPS" in said
    assert np.asarray(Image.open(pair["pictures"][1]["file"])).shape == (200, 300, 3)
    assert "this codec at λ 0.0067" in client.predict(original, "ours|0.0067", api_name="/point")[1]
    for key in ("", "jpeg", "jpeg|much", "gif|5", "ours|7", "ours:nobody|0.0067"):
        assert refusal(client, original, key, api_name="/point")


def test_bd_rates_are_of_ours_against_the_others(monkeypatch):
    from codec.ui.jobs.curves import bd_rates

    # Half the rate at equal quality is a BD-rate of -50 %.
    rows = [(0.25 * 2**k, 28.0 + 3 * k, 0.9 + 0.02 * k, 0.4 / 2**k) for k in range(5)]
    points = [
        (name, k, 1, times * r, p, 1.0, s, d)
        for name, times in (("ours", 1), ("jpeg", 2))
        for k, (r, p, s, d) in enumerate(rows)
    ]
    pytest.importorskip("bjontegaard")
    assert bd_rates(points).count("-50.0 %") == 3
    assert bd_rates([p for p in points if p[0] == "ours"]) == ""
    monkeypatch.setitem(sys.modules, "bjontegaard", None)
    assert "pip install bjontegaard" in bd_rates(points)


def test_curves_of_others_are_thin_or_dashed_and_cited():
    also = [names.KODAK, names.PUBLISHED]
    for axis in (names.PSNR, names.SSIM, names.LPIPS):
        traces = rd_plot.figure([], axis, None, also).data
        published = [t for t in traces if t.legendgroup == "published"]
        assert published and all(t.line.dash == "dash" and " at " in t.hovertemplate for t in published)
        assert all(
            t.line.width <= 2 and t.line.dash in (None, "dot", "dashdot") for t in traces if t.legendgroup == "kodak"
        )
        broken = {t.line.dash: t.name for t in traces if t.line.dash in ("dot", "dashdot")}
        assert broken == {"dot": "this codec, refined, Kodak", "dashdot": "this codec, MS-SSIM, Kodak"}
        shown = [t.name for t in traces if t.visible is True]
        assert {"this codec, Kodak", "JPEG, Kodak", "AVIF, Kodak"} <= set(shown) and len(shown) <= 4
    assert {t.legendgroup for t in rd_plot.figure([], names.MSE, None, also).data} == {"kodak"}


def test_axes_stay_while_points_come_in_and_ours_is_first_and_thickest():
    points = [
        (name, k, 100, 0.2 * k, 26 + 2 * k + bonus, 100.0 / k, 0.9 + 0.01 * k, 0.4 / k)
        for name, bonus in (("jpeg", 0), ("ours", 2), ("avif", 2.5))
        for k in range(1, 5)
    ]
    for axis in names.AXES:
        begun, ended = rd_plot.figure(points[:4], axis, None, [names.KODAK]), rd_plot.figure(points, axis, 1.0, [])
        assert begun.layout.xaxis.range == ended.layout.xaxis.range
        low, high = begun.layout.yaxis.range
        assert rd_plot.figure([], axis, None, []).layout.yaxis.range == (low, high) or axis == names.MSE
        ours = next(t for t in ended.data if t.name == "this codec")
        assert ours.line.width == max(t.line.width for t in ended.data)
        assert ours.legendrank == min(t.legendrank for t in ended.data) and ended.data[-1] is ours
    far = [("ours", 0.0483, 100, 4.0, 50.0, 0.6, 0.999, 0.01)]
    assert rd_plot.figure(far, names.PSNR, None, []).layout.xaxis.range[1] > 4


def test_every_decoder_draws_the_same_latents(client):
    from codec.ui.names import EVERYTHING

    shown = client.predict(EVERYTHING, 1, 1.0, 100, "256×256", 16, None, api_name="/sample_all")
    assert len(shown) == len(results.decoders())
    alone, _ = client.predict(EVERYTHING, 1, 1.0, 100, "256×256", 16, None, "mse", api_name="/sample")
    pictures = {s["caption"]: np.asarray(Image.open(s["image"])) for s in shown}
    assert (pictures["by the MSE decoder"] == np.asarray(Image.open(alone))).all()


def test_a_strip_has_its_sizes_and_its_refusals(client, original):
    strip, said = client.predict(original, None, "128×128", 5, 150, "mse", api_name="/between")
    assert len(strip) == 5 and strip[2]["caption"].startswith("50 %") and "half way" in said
    message = refusal(client, original, None, "512×512", 5, 150, "mse", api_name="/between")
    assert "at least 512" in message


def test_a_channel_is_shown_with_what_was_expected(client, stream):
    maps, plot = client.predict(stream, 1, api_name="/channel")
    assert [m["caption"].split(":")[0].split(",")[0] for m in maps] == [
        "quantised latent ŷ",
        "predicted mean μ",
        "σ",
        "ŷ − μ",
        "−log₂ p (bits)",
    ] and "predicted" in plot["plot"]
    assert Image.open(maps[0]["image"]).size == (8 * 19, 8 * 13)


def test_a_latent_and_a_channel_can_be_broken(client, stream):
    from codec.ui.names import CHANNEL, LATENT

    whole = np.asarray(package.decompress(Path(stream["path"]).read_bytes())).astype(int)
    spread = {}
    for target in (LATENT, CHANNEL):
        said, broken = client.predict(stream, 0.5, True, target, 1, api_name="/damage")
        assert "pixels" in said
        spread[target] = (np.asarray(Image.open(broken)) != whole).any(2).mean()
    assert 0 < spread[LATENT] < 0.6 < spread[CHANNEL]


def test_the_method_names_what_is_there_and_what_is_not(client, monkeypatch, tmp_path):
    words = client.predict(api_name="/method")
    assert all(f"## {part}" in words for part in ("Results", "How it was trained", "Limits", "Sources"))
    assert f"Up to {spec.MAX_PIXELS // 10**6} megapixels" in words
    assert "![" not in words and "docs/" not in words and results.manifest()["trunk"] in words
    models = re.search(r"`model=` \((.*?)\)", words)[1].replace("`", "").split(", ")
    assert all(address.parse({"model": model}) == {"model": model} for model in models)
    monkeypatch.setattr(results, "shipped", lambda name: tmp_path / name)
    monkeypatch.setattr(results.weights, "default", lambda: Weights(tmp_path))
    assert "not measured yet" in about.text(TABS) and "cannot be read" in about.text(TABS)
    assert results.decoders() == ("mse",)


@pytest.mark.parametrize(
    "query, state",
    [
        ({}, {}),
        ({"tab": "bits", "example": "2", "model": "mse", "lambda": "0.01"},
         {"tab": "bits", "example": "portrait", "model": "mse", "lambda": 0.01}),
        ({"bpp": "0.3"}, {"bpp": 0.3}),
        ({"bpp": "900", "lambda": "0"}, {"bpp": 2.0, "lambda": 0.0005}),
        ({"tab": "<script>", "example": "0", "model": "x", "lambda": "nan", "bpp": "many"}, {}),
        ({"example": "99"}, {}),
        ({"tab": "latents", "sub": "ladder", "left": "jpeg", "baseline": "mse"},
         {"tab": "latents", "sub": "ladder", "left": "jpeg"}),
        ({"tab": "curves", "sub": "ladder"}, {"tab": "curves"}),
        ({"tab": "generative", "sub": "open"}, {"tab": "latents", "sub": "sampling"}),
        ({"tab": "method"}, {"tab": "about"}),
        ({"step": "3"}, {"tab": "course", "step": 3}),
        ({"step": "9", "tab": "curves", "realism": "2", "divider": "30"},
         {"tab": "curves", "realism": 1.0, "divider": 30.0}),
    ],
)  # fmt: skip
def test_a_link_opens_what_it_can(query, state):  # those of before the tabs were put together among them
    assert address.parse(query) == state


def test_a_link_opens_its_state_in_large_type(browser, url):
    page = opened(browser, f"{url}?tab=inside&example=portrait&lambda=0.013&lecture=1")
    page.locator("#channel-histogram .js-plotly-plot").wait_for()
    assert open_tab(page) == "latents"
    assert page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") > 20
    page.get_by_role("tab", name="Compare").click()
    page.get_by_text("λ = 0.013 ", exact=False).first.wait_for()
    page.locator("#lecture").click()
    page.wait_for_function("!location.search.includes('lecture')")
    assert page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") < 20
    page.close()


def test_a_link_is_the_first_thing_compressed_and_its_model_is_explained(browser, url, codec):
    from codec.ui.texts import t

    page = opened(browser, "about:blank")
    page.add_init_script(
        """window.seen = [];
        setInterval(() => {
            const text = document.querySelector('#headline .small')?.innerText;
            if (text && seen.at(-1) !== text) seen.push(text);
        }, 30);"""
    )
    page.goto(f"{url}?example=portrait&model=texture&lambda=0.0035")
    page.locator("#figures tbody tr", has_text="This codec (Texture)").wait_for()
    page.locator("#figures tbody tr", has_text="JPEG (").wait_for()
    assert len(page.evaluate("seen")) == 1 and "λ = 0.0035 " in page.evaluate("seen")[0]
    assert page.locator("#about-model").inner_text() == t("models.texture")
    page.close()


@pytest.mark.parametrize(
    ("tab", "picture", "lmbda"),  # a λ of its own: nothing has been made before
    [("Bit allocation", "#bit-map img", 0.0111), ("Latents", "#channels img", 0.0122)],
)
def test_a_tab_opened_too_early_waits_for_the_picture(browser, url, tab, picture, lmbda):
    page = opened(browser, f"{url}?lambda={lmbda}")
    page.get_by_role("tab", name=tab).click()
    page.locator(picture).first.wait_for()
    assert not page.get_by_text("Compress an image first").count()
    page.close()


def test_a_tab_opened_by_hand_stays_open_and_the_address_names_it(browser, url):
    page = opened(browser, f"{url}?tab=inside&lambda=0.0133")
    page.get_by_role("tab", name="Rate–distortion").first.click()
    page.locator("#figures tbody tr").first.wait_for(state="attached")
    page.wait_for_timeout(1500)
    assert open_tab(page) == "curves"
    assert "tab=curves" in page.evaluate("location.search")
    page.close()


def test_a_tab_opened_while_a_picture_is_on_its_way_shows_that_picture(browser, url, tmp_path):
    picture = tmp_path / "mine.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (128, 192, 3), np.uint8)).save(picture)
    page = opened(browser, f"{url}?tab=compare&lambda=0.0035")
    page.locator("#figures tbody tr", has_text="JPEG (").first.wait_for()
    before = page.locator("#headline").inner_text()
    page.route("**/upload?**", lambda route: (time.sleep(2), route.continue_()))
    page.locator("#upload button[aria-label='Clear'], #upload button[title='Clear']").first.click()
    page.locator("#upload input[type=file]").set_input_files(picture)
    page.get_by_role("tab", name="Bit allocation").click()
    page.locator("#bit-map img").first.wait_for()
    size = int(page.locator("#ledger b").last.inner_text().replace(",", ""))
    page.get_by_role("tab", name="Compare").click()
    headline = page.locator("#headline").inner_text()
    assert headline != before and f"{size / 1000:.1f} kB" in headline
    page.close()


def test_painting_with_the_mouse_moves_bits(browser, url):
    foreign = []
    page = opened(
        browser,
        f"{url}?tab=bits&sub=region&model=mse&lambda=0.0035",
        lambda r: foreign.append(r.url) if not r.url.startswith((url, "data:", "blob:")) else None,
    )
    page.wait_for_event("response", lambda answer: answer.url.endswith("/image.png"))  # what is painted on
    canvas = page.locator("#painting canvas").first
    canvas.wait_for()
    page.wait_for_timeout(2000)  # the canvas fits its picture into itself
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(10):
        page.mouse.move(x + 4 * step, y + 4 * step)
    page.mouse.up()
    page.wait_for_timeout(500)
    page.locator("#code-region").click()
    page.locator("#region-said table").wait_for(timeout=90_000)
    assert "+" in page.locator("#region-said .big").inner_text()
    page.wait_for_function("document.querySelector('#region-pair .under')?.alt.includes('dB')")
    for width in (1440, 1240, 1024, 390):  # the table stands in a narrow column
        page.set_viewport_size({"width": width, "height": 900})
        assert page.locator("#region-said .figures").evaluate("e => e.scrollWidth <= e.clientWidth")
    assert foreign == []
    page.close()


def test_clicking_a_point_shows_its_picture_and_nothing_scrolls_sideways(browser, url):
    page = opened(browser, f"{url}?tab=curves", width=390)
    page.locator("#curves .js-plotly-plot").wait_for()
    for name in ("JPEG", "AVIF"):  # ours alone is quickest
        page.locator("#beside-ours").get_by_label(name, exact=True).uncheck()
    page.locator("#sweep").click()
    page.wait_for_function(
        "document.querySelector('#curves .js-plotly-plot')?.data?.find(t => t.legendrank === 1)?.x.length === 8",
        timeout=120_000,
    )
    page.wait_for_timeout(2500)
    x, y = page.evaluate(
        """() => {
            const plot = document.querySelector('#curves .js-plotly-plot'), {xaxis, yaxis} = plot._fullLayout;
            plot.scrollIntoView({block: 'center'});
            const ours = plot.data.find(t => t.legendrank === 1), box = plot.getBoundingClientRect();
            return [box.x + xaxis._offset + xaxis.l2p(ours.x[4]), box.y + yaxis._offset + yaxis.l2p(ours.y[4])];
        }"""
    )
    page.mouse.move(x, y)
    page.wait_for_timeout(300)
    page.mouse.click(x, y)
    page.locator("#point-said p").wait_for()
    assert "this codec at λ 0.0067" in page.locator("#point-said p").inner_text()
    with page.expect_download() as download:
        page.locator("#get-svg").click()
    svg = Path(download.value.path()).read_text(encoding="utf-8")
    assert svg.startswith("<svg") and "tab=curves" in svg  # where it is from
    # The clip of a curve is named without the page's address, which changes.
    clips = page.eval_on_selector_all("#curves [clip-path]", "all => all.map(e => e.getAttribute('clip-path'))")
    assert clips and all(clip.startswith("url(#") for clip in clips)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()
