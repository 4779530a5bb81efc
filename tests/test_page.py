"""The page, through its API and in a real browser."""

import io
from pathlib import Path

import numpy as np
import pytest
from conftest import picture
from PIL import Image

import codec as package

PIXELS = """img => {
    const c = document.createElement('canvas');
    c.width = img.naturalWidth; c.height = img.naturalHeight;
    const g = c.getContext('2d', {willReadFrequently: true});
    g.drawImage(img, 0, 0);
    return Array.from(g.getImageData(0, 0, c.width, c.height).data);
}"""


def compress(client, path, mode="Quality (λ)", lmbda=0.0067, bpp=0.3):
    from gradio_client import handle_file

    return client.predict(handle_file(path), mode, lmbda, bpp, "mse", api_name="/compress")


def test_the_api_gives_a_stream_and_what_it_decodes_to(client, photo):
    headline, _, _, table, stream, decoded, *_ = compress(client, photo)
    data = Path(stream).read_bytes()
    assert Path(stream).name == "my-photo.lic" and f"{len(data):,}" in table and "dB" in headline
    assert (np.asarray(package.decompress(data)) == np.asarray(Image.open(decoded))).all()


def test_the_api_keeps_a_target_rate(client, photo):
    stream = compress(client, photo, mode="Size (bpp)", bpp=0.4)[4]
    assert 0.38 < 8 * Path(stream).stat().st_size / (300 * 200) <= 0.4


def test_a_rate_out_of_reach_is_said_as_such(client, tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    Image.fromarray(noise[:16, :16]).save(tmp_path / "small.png")
    headlines = [compress(client, tmp_path / name, "Size (bpp)", bpp=0.05)[0] for name in ("noise.png", "small.png")]
    assert "below the trained range" in headlines[0] and "below what the model can reach" in headlines[1]


def test_the_map_of_bits_sums_to_the_file(client, photo):
    from gradio_client import handle_file

    stream = compress(client, photo)[4]
    pair, ledger, along = client.predict(handle_file(stream), handle_file(photo), api_name="/bits")
    assert f"{Path(stream).stat().st_size:,}</b> bytes, the whole file" in ledger
    decoded = np.asarray(Image.open(pair["pictures"][0]["file"]).convert("RGB"))
    assert (decoded == np.asarray(package.decompress(Path(stream).read_bytes()))).all()
    assert len(along) == 3


def test_the_prior_draws_the_same_for_the_same_seed(client, photo):
    from gradio_client import handle_file

    from codec.ui.names import SAMPLES

    stream = handle_file(compress(client, photo)[4])
    prior, side, channels = SAMPLES

    def draw(mode, seed, stream=None):
        picture, said = client.predict(mode, seed, 1.0, 100, "256×256", 16, stream, api_name="/sample")
        return np.asarray(Image.open(picture).convert("RGB")), said

    first, said = draw(prior, 1)
    assert first.shape == (256, 256, 3) and "bytes" in said
    assert (first == draw(prior, 1)[0]).all() and (first != draw(prior, 2)[0]).any()
    assert draw(side, 1, stream)[0].shape == draw(channels, 1, stream)[0].shape == (200, 300, 3)


def test_a_sweep_measures_every_point_and_its_line_of_equal_cost_touches(client, photo):
    import csv

    from gradio_client import handle_file

    from codec.ui.jobs.rd_plot import iso_cost
    from codec.ui.names import MSE

    *_, table = client.predict(handle_file(photo), ["jpeg"], MSE, api_name="/sweep")
    with open(table) as file:
        rows = [(r["codec"], *(float(v) for v in list(r.values())[1:])) for r in csv.DictReader(file)]
    ours = [r for r in rows if r[0] == "ours"]
    assert len(ours) == 8 and len(rows) == 15
    assert all(r[3] == pytest.approx(8 * r[2] / (300 * 200), abs=1e-4) for r in rows)
    rates, errors, cost = iso_cost(rows, 0.0067, MSE)
    chosen = next(r for r in ours if r[1] == 0.0067)
    assert cost == pytest.approx(chosen[3] + 0.0067 * chosen[5])
    slopes = [(b - a) / (q - p) for a, b, p, q in zip(errors, errors[1:], rates, rates[1:], strict=False)]
    assert slopes == pytest.approx([-1 / 0.0067] * len(slopes))


def test_the_inside_and_what_damage_does(client, photo):
    from gradio_client import handle_file

    stream = compress(client, photo)[4]
    ladder, channels = client.predict(handle_file(stream), api_name="/inside")
    assert "Huffman" in ladder and len(channels) == 12
    said, picture = client.predict(handle_file(stream), 0.5, False, api_name="/damage")
    assert "checksum" in said and picture is None
    for position in (0.05, 0.3, 0.99):
        said, picture = client.predict(handle_file(stream), position, True, api_name="/damage")
        if picture is not None:  # a damaged header may not allow any
            assert np.asarray(Image.open(picture).convert("RGB")).shape == (200, 300, 3)
    assert picture is not None


@pytest.mark.parametrize("content, words", [(b"hello", "not an image"), (b"", "empty")])
def test_a_bad_picture_gets_its_sentence(client, tmp_path, content, words):
    from gradio_client.exceptions import AppError

    bad = tmp_path / "bad.png"
    bad.write_bytes(content)
    with pytest.raises(AppError, match=words):
        compress(client, bad)


def test_streams_open_or_get_their_sentence(client, photo, tmp_path):
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    stream = compress(client, photo)[4]
    decoded, header = client.predict(handle_file(stream), api_name="/decompress")
    assert header["width"] == 300
    wanted = np.asarray(package.decompress(Path(stream).read_bytes()))
    decoded = decoded["path"] if isinstance(decoded, dict) else decoded
    assert (np.asarray(Image.open(decoded).convert("RGB")) == wanted).all()
    damaged = bytearray(Path(stream).read_bytes())
    damaged[-1] ^= 1
    (tmp_path / "damaged.lic").write_bytes(damaged)
    with pytest.raises(AppError, match="checksum"):
        client.predict(handle_file(tmp_path / "damaged.lic"), api_name="/decompress")


def test_the_endpoints_keep_their_names(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    assert set(endpoints) == {
        *("/compress", "/measure", "/decoders", "/sweep", "/point", "/bits", "/region", "/sample", "/sample_all"),
        *("/between", "/inside", "/inside_2017", "/channel", "/damage", "/lesson", "/digits", "/digit_latent"),
        *("/decode_digit", "/sample_digits", "/cae", "/cae_decode", "/decompress", "/method"),
        *("/history", "/history_rnn", "/history_importance", "/history_attention"),
    }
    names = [p["parameter_name"] for p in endpoints["/compress"]["parameters"]]
    assert names == ["path", "mode", "lmbda", "bpp", "model", "kb", "left", "right", "baseline", "full", "refine"]


def test_a_single_pixel_is_not_smaller_than_itself(client, tmp_path):
    Image.new("RGB", (1, 1), (200, 30, 60)).save(tmp_path / "pixel.png")
    headline = compress(client, tmp_path / "pixel.png")[0]
    assert "no smaller than raw pixels" in headline and "×" not in headline


def test_a_refused_stream_leaves_nothing_of_the_one_before(browser, url, client, photo, tmp_path):
    stream, bad = compress(client, photo)[4], tmp_path / "bad.lic"
    bad.write_bytes(b"not a stream")
    page = browser.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{url}?tab=open")
    page.locator("#stream-upload input[type=file]").set_input_files(stream)
    page.locator("#stream-picture img").wait_for()
    assert "300" in page.locator("#stream-header").inner_text()
    page.locator("#stream-upload button[aria-label='Clear'], #stream-upload button[title='Clear']").first.click()
    page.locator("#stream-upload input[type=file]").set_input_files(bad)
    page.get_by_text("not a compressed stream", exact=False).first.wait_for()
    assert not page.locator("#stream-picture img").count()
    assert "300" not in page.locator("#stream-header").inner_text()
    page.close()


def shown_pixels(page, which: int) -> np.ndarray:
    """What the browser really has for one of the two pictures, uint8 (H, W, 3)."""
    image = page.locator("#comparison img").nth(which)
    size = image.evaluate("i => [i.naturalHeight, i.naturalWidth]")
    return np.array(image.evaluate(PIXELS), dtype=np.uint8).reshape(*size, 4)[:, :, :3]


def test_the_original_stands_there_before_the_page_does(browser, url):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script(
        "window.shift = 0;"
        "new PerformanceObserver(list => list.getEntries().forEach(e => { window.shift += e.value; }))"
        ".observe({ type: 'layout-shift', buffered: true })"
    )
    held: list | None = []  # what draws the page is on its way

    def hold(route):
        route.continue_() if held is None else held.append(route)

    page.route("**/assets/*.js", hold)
    page.goto(f"{url}?tab=compare&example=coffee", wait_until="commit")
    page.wait_for_function("() => document.querySelector('#poster')?.naturalWidth > 0")
    assert held and not page.locator("#tabs").count()
    waiting, held = held, None
    for route in waiting:
        route.continue_()
    page.wait_for_function("() => document.querySelector('#comparison .under')?.naturalWidth > 0")
    page.locator("#poster").wait_for(state="detached")
    page.locator("html.drawn").wait_for()
    assert page.evaluate("window.shift") < 0.05  # nothing moves that a visitor has begun to look at
    page.close()


def test_a_visitor_compresses_and_sees_the_very_pixels(browser, url, photo, tmp_path):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    foreign = []
    page.on("request", lambda r: foreign.append(r.url) if not r.url.startswith((url, "data:", "blob:")) else None)
    page.goto(f"{url}?tab=compare&left=original&model=mse&lambda=0.0035")
    page.locator("#comparison img").first.wait_for()  # the original, from the first moment, in the place that it keeps
    place = page.locator("#comparison .stage").bounding_box()
    row = page.locator("#figures tbody tr")
    row.nth(2).wait_for(timeout=60_000)  # the first example appears by itself, its JPEG after it
    moved = page.locator("#comparison .stage").bounding_box()
    assert (moved["width"], moved["height"]) == (place["width"], place["height"])

    def upload(path: Path) -> None:
        page.locator("#upload button[aria-label='Clear'], #upload button[title='Clear']").first.click()
        page.locator("#upload input[type=file]").set_input_files(str(path))

    upload(photo)
    page.get_by_text("This image is being coded").wait_for()
    assert row.count() == 0  # nothing of the one before is left
    page.wait_for_function("() => document.querySelector('#comparison .under').naturalWidth == 300", timeout=60_000)
    page.locator("#figures tbody tr", has_text="JPEG").first.wait_for(timeout=60_000)

    page.locator("#compress").click()
    with page.expect_download(timeout=60_000) as download:
        page.locator("#get-stream").click()
    stream = tmp_path / "stream.lic"
    download.value.save_as(stream)
    decoded = np.asarray(package.decompress(stream.read_bytes()))
    page.wait_for_function(
        "() => Array.from(document.querySelectorAll('#comparison img')).every(i => i.naturalWidth == 300 && i.complete)"
    )
    shown = [shown_pixels(page, i) for i in (0, 1)]
    original = np.asarray(Image.open(photo))
    assert any((s == decoded).all() for s in shown) and any((s == original).all() for s in shown)

    bad = tmp_path / "bad.png"
    bad.write_bytes(b"<html>not a picture</html>")
    upload(bad)
    page.get_by_text("This file is not an image").first.wait_for(timeout=60_000)
    page.get_by_role("tab", name="Bit allocation").click()  # does not wait for a picture that never comes
    page.locator("#bit-map img").first.wait_for(timeout=40_000)
    page.get_by_role("tab", name="Compare").click()

    good = tmp_path / "good.webp"
    buffer = io.BytesIO()
    Image.fromarray(picture(120, 90)).save(buffer, "WEBP", lossless=True)
    good.write_bytes(buffer.getvalue())
    upload(good)
    page.get_by_text("Original (WebP)").wait_for(timeout=60_000)
    assert foreign == []
    page.close()


def test_nothing_scrolls_sideways_on_a_phone(browser, url):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{url}?tab=compare")
    page.locator("#figures tbody tr").first.wait_for(timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()
