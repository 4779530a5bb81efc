"""The tabs that compare: what stands on either side of the divider, and the same bytes by every decoder."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import picture
from PIL import Image
from test_page_tabs import opened

import codec as package
from codec import baselines, metrics, spec
from codec.classroom import autoencoder, store
from codec.ui import names
from codec.ui.jobs import compare as compare_work
from codec.ui.jobs import renditions
from codec.ui.jobs.renditions import Cache, Job, measure, networks, rendition
from codec.ui.tables import Row, facts, table
from codec.ui.tabs import compare


def rgb_of(file) -> np.ndarray:
    return np.array(Image.open(file["path"] if isinstance(file, dict) else file).convert("RGB"))


def compress(client, path, mode="Quality (λ)", model="mse", kb=15.0, refine=False):
    from gradio_client import handle_file

    how = {"refine": refine, "api_name": "/compress"}
    values = client.predict(handle_file(path), mode, 0.0067, 0.3, model, kb, **how)
    return dict(zip(("headline", "viewer", "facts", "table", "stream", "png", "original"), values, strict=False))


def compared(client, made, left="original", right="ours", baseline="jpeg", everything=False):
    from gradio_client import handle_file

    files = handle_file(made["stream"]), handle_file(made["original"])
    return client.predict(*files, left, right, baseline, everything, api_name="/measure")


def test_a_size_in_kilobytes_is_kept(client, photo):
    size = Path(compress(client, photo, mode="Size (kB)", kb=3)["stream"]).stat().st_size
    assert 2_850 < size <= 3_000


def test_a_search_finds_fewer_bytes(client, photo):
    plain, refined = (compress(client, photo, refine=refine) for refine in (False, True))
    sizes = [Path(made["stream"]).stat().st_size for made in (plain, refined)]
    original = np.array(Image.open(photo))
    quality = [metrics.psnr(original, rgb_of(made["png"])) for made in (plain, refined)]
    assert sizes[1] < 0.99 * sizes[0] and quality[1] > quality[0] - 0.1


def test_a_large_image_is_not_searched_and_says_so(client, tmp_path):
    from gradio_client import handle_file

    path = tmp_path / "large.jpg"
    Image.fromarray(np.tile(picture(250, 200), (8, 6, 1))).save(path)
    how = {"full": True, "refine": True, "api_name": "/compress"}
    values = client.predict(handle_file(path), "Quality (λ)", 0.0067, 0.3, "mse", 15, **how)
    assert "more than 2 megapixels" in values[0]


def test_another_model_than_mse_is_not_searched_and_says_so(client, photo):
    plain, searched = (compress(client, photo, model="hific-lo", refine=refine) for refine in (False, True))
    assert Path(plain["stream"]).read_bytes() == Path(searched["stream"]).read_bytes()
    assert "for the model MSE only" in searched["headline"] and "MSE only" not in plain["headline"]


def test_the_table_measures_what_the_files_hold(client, photo):
    made = compress(client, photo)
    _, shown, rows, html, file = compared(client, made, baseline="webp", right="avif")
    rows = {r["key"]: r for r in rows}
    original, size = np.array(Image.open(photo)), Path(made["stream"]).stat().st_size
    assert list(rows) == ["ours", "webp", "avif", "original"] and "<b>" in html
    for entry in shown["pictures"][1:]:
        row, rgb = rows[entry["key"]], rgb_of(entry["file"])
        assert row["bytes"] <= size and f"{row['psnr']:.1f} dB" in entry["alt"]
        assert row["psnr"] == pytest.approx(metrics.psnr(original, rgb), abs=1e-4)
        assert row["ms_ssim"] == pytest.approx(metrics.ms_ssim(original, rgb), abs=1e-4)
        assert row["lpips"] == pytest.approx(metrics.lpips(original, rgb), abs=1e-4)
    assert Path(file).suffix == ".webp" and Path(file).stat().st_size == rows["webp"]["bytes"]
    assert (rgb_of(file) == rgb_of(shown["pictures"][2]["file"])).all()


@pytest.mark.parametrize(("equal", "sign"), [("psnr", 1), ("ms_ssim", 1), ("lpips", -1)])
def test_another_codec_gets_the_bytes_that_it_needs_for_the_same_quality(client, photo, equal, sign):
    from gradio_client import handle_file

    made = compress(client, photo)
    files = handle_file(made["stream"]), handle_file(made["original"])
    said, _, rows, _, file = client.predict(*files, "jpeg", "ours", "jpeg", False, equal, api_name="/measure")
    ours, jpeg = ({r["key"]: r for r in rows}[key] for key in ("ours", "jpeg"))
    assert sign * jpeg[equal] >= sign * ours[equal] - 1e-4
    assert Path(file).stat().st_size == jpeg["bytes"] and f"{jpeg['bytes'] / ours['bytes']:.2f}×" in said
    quality = float(jpeg["name"].split("quality ")[1].split(",")[0])
    worse = baselines.encode(np.array(Image.open(photo)), "jpeg", quality - 1)
    measured = {"psnr": metrics.psnr, "ms_ssim": metrics.ms_ssim, "lpips": metrics.lpips}[equal]
    if "4:2:0" in jpeg["name"]:  # one quality less is not as good
        assert sign * measured(np.array(Image.open(photo)), baselines.decode(worse)) < sign * ours[equal] + 1e-4


def test_everything_means_every_decoder_and_codec(client, tmp_path):
    Image.fromarray(picture(96, 64)).save(tmp_path / "small.png")
    rows = compared(client, compress(client, tmp_path / "small.png"), everything=True)[2]
    keys = {r["key"] for r in rows}
    assert {"ours", "jpeg", "webp", "jpeg2000", "avif", "heic", "original"} | set(networks()) - {"mse"} <= keys
    assert all(r["ms_ssim"] is None for r in rows)  # not defined below 161 pixels


def test_every_decoder_draws_the_same_bytes(client, photo):
    from gradio_client import handle_file

    made = compress(client, photo)
    data = Path(made["stream"]).read_bytes()
    files = handle_file(made["stream"]), handle_file(made["original"])
    shown, plot, html, rows = client.predict(*files, 0.25, api_name="/decoders")
    pictures = {p["key"]: p for p in shown["pictures"]}
    assert "mse" in pictures and plot and "same" in html
    for name in networks():
        assert (rgb_of(pictures[name]["file"]) == np.asarray(package.decompress(data, decoder=name))).all()
    assert [r["key"] for r in rows if r["key"] != "realism"] == networks()
    assert all(0 <= r["lpips"] < 1 and 0 < r["ms_ssim"] <= 1 and r["bytes"] == len(data) for r in rows)
    if "hific" in pictures:
        between = np.asarray(package.decompress(data, decoder="hific", realism=0.25))
        assert (rgb_of(pictures["realism"]["file"]) == between).all()
        assert {"invented", "difference", "gan-share"} <= set(pictures)


@pytest.fixture
def no_classroom(monkeypatch, tmp_path):
    """As if nobody had put the folder weights/classroom there."""
    monkeypatch.setattr(store, "folder", lambda: tmp_path / "classroom")
    monkeypatch.setattr(renditions, "CACHE", Cache(10**8))
    caches = store.manifest, autoencoder.load
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def test_the_autoencoder_of_2017_is_compared_at_its_own_rate(client, photo):
    if "cae-2017" not in renditions.historical():
        pytest.skip("cae-2017 is not shipped")
    said, shown, rows, html, file = compared(client, compress(client, photo), "cae-2017", "avif", "cae-2017")
    rows, rgb = {r["key"]: r for r in rows}, np.array(Image.open(photo))
    data = Path(file).read_bytes()
    assert Path(file).suffix == ".cae" and data == autoencoder.compress(rgb)
    row, bpp = rows["cae-2017"], 8 * len(data) / (300 * 200)
    assert row["bytes"] == len(data) and row["bpp"] == pytest.approx(bpp, abs=1e-5)
    assert row["name"] == f"cae-2017, {bpp:.2f} bpp, its only rate" and row["name"] in html
    entry = next(p for p in shown["pictures"] if p["key"] == "cae-2017")
    decoded = rgb_of(entry["file"])
    assert (decoded == autoencoder.decompress(data)).all() and shown["left"] == "cae-2017"
    assert row["psnr"] == pytest.approx(metrics.psnr(rgb, decoded), abs=1e-4) and row["lpips"] > 0
    assert f"{bpp:.2f} bpp, {len(data) / 1000:.1f} kB (this codec" in said
    assert f"trained here for {store.entry('cae', '1')['steps']:,} steps" in html


def test_a_picture_of_its_own_rate_competes_with_nobody():
    rows = [Row("ours", "Ours", 100, 0.1, 50, 30.0), Row("jpeg", "JPEG", 90, 0.1, 50, 25.0)]
    html = table([*rows, Row("cae-2017", "cae-2017", 10, 0.01, 500, 31.0, own_rate=True)])
    assert "<b>30.00</b>" in html and "<b>90</b>" in html and "<b>31.00</b>" not in html and "<b>10</b>" not in html


def test_without_the_classroom_one_sentence_says_so_and_the_rest_is_compared(client, photo, no_classroom):
    from gradio_client import handle_file

    made = compress(client, photo)
    said, shown, rows, _, file = compared(client, made, "cae-2017", "webp", "jpeg")
    assert said.count("restore the weights folder.") == 1 and "JPEG, " in said
    assert [r["key"] for r in rows] == ["ours", "jpeg", "webp", "original"] and file
    assert (shown["left"], shown["right"]) == ("original", "webp")
    said, shown, rows, _, file = compared(client, made, baseline="cae-2017")
    assert said.count("<div") == 1 and file is None and [r["key"] for r in rows] == ["ours", "original"]
    files = handle_file(made["stream"]), handle_file(made["original"])
    assert "restore the weights folder." in client.predict(*files, api_name="/inside_2017")
    offered = [choice["choices"] for choice in compare.what_is_here()[1:]]
    assert all(("This codec", "ours") in o or ("JPEG", "jpeg") in o for o in offered)
    assert not [key for choices in offered for _, key in choices if key.startswith("cae")]


def test_experiments_are_offered_once_they_are_here(monkeypatch):
    monkeypatch.setattr(store, "manifest", lambda: {"cae": {"4": {}, "3": {}, "1": {}, "9": {}}})
    assert renditions.historical() == ["cae-2017", "cae-2017-3", "cae-2017-4"]
    labels = [label for label, _ in compare.past_choices(renditions.historical())]
    assert labels == [f"2017 autoencoder, experiment {n} (fixed rate)" for n in ("1", "3", "4")]
    assert tuple(names.CAE.values()) == autoencoder.EXPERIMENTS


def test_a_picture_too_large_for_the_autoencoder_is_compared_without_it(codec, monkeypatch, tmp_path):
    path = tmp_path / "original.png"
    Image.fromarray(picture(96, 64, grain=20)).save(path)
    monkeypatch.setattr(renditions, "HISTORICAL_PIXELS", 6000)
    job = Job(package.compress(path, lmbda=0.0483), path)
    steps = compare_work.comparison(
        tmp_path, job, ["ours", "jpeg", "cae-2017"], "original", "cae-2017", "jpeg", lambda *_, **__: None
    )
    said, shown, rows, *_ = list(steps)[-1]
    assert "up to 0.006 megapixels" in said and shown["right"] == "ours" and len(rows) == 3


def test_the_inside_shows_both_files_of_a_picture(client, photo):
    from gradio_client import handle_file

    if "cae-2017" not in renditions.historical():
        pytest.skip("cae-2017 is not shipped")
    made = compress(client, photo)
    html = client.predict(handle_file(made["stream"]), handle_file(made["original"]), api_name="/inside_2017")
    sizes = Path(made["stream"]).stat().st_size, len(autoencoder.compress(np.array(Image.open(photo))))
    assert all(f">{size:,}<" in html for size in sizes) and html.count(" dB;") == 2 and "are its table" in html


def test_a_stream_of_another_picture_gets_its_sentence(client, photo, tmp_path):
    from gradio_client.exceptions import AppError

    Image.fromarray(picture(96, 64)).save(tmp_path / "other.png")
    made = compress(client, photo) | {"original": str(tmp_path / "other.png")}
    with pytest.raises(AppError, match="differ in size"):
        compared(client, made)


def test_a_model_that_is_not_here_gets_its_sentence(client, photo):
    from gradio_client.exceptions import AppError

    missing = [m for m in names.MODELS if m not in networks() and m.split("-")[0] not in networks()]
    if not missing:
        pytest.skip("all six models are here")
    with pytest.raises(AppError, match="There is no model"):
        compress(client, photo, model=missing[0])


def test_a_point_of_hific_sets_its_rate():
    assert spec.OPERATING_POINTS["hific-mi"] == 0.30
    assert compare.choose_model("hific-mi", names.BY_LAMBDA, 1.0)[1:] == (names.BY_RATE, 0.30)
    assert compare.choose_model("texture", names.BY_SIZE, 1.0)[1:] == (names.BY_SIZE, 1.0)
    assert set(names.MODELS) < set(names.DECODERS)


def test_the_best_is_bold_and_the_original_competes_in_nothing():
    rows = [Row("ours", "Ours", 100, 0.1, 50, 30.0, lpips=0.2), Row("jpeg", "JPEG <4:2:0>", 90, 0.1, 50, 25.0)]
    html = table([*rows, Row("original", "Original", 9000, 24, 1)], "A caption")
    assert "<b>30.00</b>" in html and "<b>90</b>" in html and "<b>0.200</b>" not in html and "<b>1</b>" not in html
    assert "&lt;4:2:0&gt;" in html and "<caption>A caption" in html
    alike = [Row("ours", "Ours", 100, 0.1, 50, 30.0), Row("jpeg", "JPEG", 99, 0.099, 51, 25.0)]
    assert "<b>99</b>" not in table(alike) and "<b>30.00</b>" in table(alike)  # equal sizes are nobody's merit
    assert "<b>30.00</b>" not in table(alike, equal="psnr")
    assert "<td>…</td>" in table([Row("ours", "Ours", 100, 0.1, 50, pending=True)])
    assert facts([Row("ours", "Ours", 100, 0.1, 50, float("inf"))])[0]["psnr"] is None


def test_the_cache_makes_a_thing_once_and_forgets_the_oldest():
    cache, made = Cache(100), []

    def slowly():
        time.sleep(0.1)  # long enough for all the others to ask
        made.append(1)
        return "value"

    threads = [threading.Thread(target=cache.get_or_make, args=(("a",), slowly, lambda v: 60)) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert made == [1]
    cache.put(("b",), 2, 60)
    assert cache.get(("a",)) is None and cache.get(("b",)) == 2 and cache.total == 60
    with pytest.raises(ZeroDivisionError):
        cache.get_or_make(("c",), lambda: 1 / 0)
    assert not cache.making
    assert cache.get_or_make(("c",), lambda: 3) == 3 and not cache.making


def test_a_picture_too_large_to_measure_keeps_its_psnr(codec, monkeypatch, tmp_path):
    path = tmp_path / "original.png"
    Image.fromarray(picture(200, 170)).save(path)
    monkeypatch.setattr(renditions, "MEASURED_PIXELS", 1000)
    job = Job(package.compress(path, lmbda=0.003), path)
    made = rendition(job, "ours")
    assert made.psnr > 20 and measure(job, made) == renditions.Measures()


def test_what_is_asked_for_twice_at_once_is_encoded_once(codec, monkeypatch):
    """As by a number that is typed, and the click on the button after it."""
    from codec import api

    rgb = picture(96, 64)
    expected = package.compress(rgb, bpp=0.15)
    asked, encode = [], api.encode
    monkeypatch.setattr(api, "encode", lambda *a, **k: (asked.append(k["model"]), encode(*a, **k))[1])
    monkeypatch.setattr(renditions, "CACHE", Cache(10**8))
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: renditions.encoding(rgb, "mse", {"bpp": 0.15}), range(2))
    assert asked == ["mse"] and first.data == second.data == expected
    for other, model, wanted in ((rgb, "mse", 0.2), (rgb, "perceptual", 0.15), (rgb[::-1], "mse", 0.15)):
        assert renditions.encoding(other, model, {"bpp": wanted}).data != first.data
    assert asked == ["mse", "mse", "perceptual", "mse"]


def test_a_gpu_without_enough_memory_leaves_the_work_to_the_processor(codec, monkeypatch, tmp_path):
    import torch

    from codec import api

    asked, load = [], api.load

    def full(trunk="", device="cpu"):
        asked.append(device)
        if device == "cuda":
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return load(trunk, device)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(api, "load", full)
    monkeypatch.setattr(renditions, "CACHE", Cache(10**8))  # another test may have drawn this picture already
    path = tmp_path / "small.png"
    Image.fromarray(picture(96, 64)).save(path)
    rate, sides = (names.BY_LAMBDA, 0.0067, 0.3, 15.0), ("original", "ours", "jpeg")
    *_, made = compare_work.results(tmp_path, str(path), rate, "mse", sides, lambda *_, **__: None)
    assert asked == ["cuda", "cpu"] * 2
    assert (rgb_of(made[5]) == np.asarray(package.decompress(Path(made[4]).read_bytes()))).all()


def test_a_visitor_puts_the_autoencoder_of_2017_beside_ours(browser, url):
    if "cae-2017" not in renditions.historical():
        pytest.skip("cae-2017 is not shipped")
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(90_000)
    page.goto(f"{url}?tab=compare&lambda=0.0035")
    page.locator("#figures tbody tr", has_text="JPEG (").first.wait_for()
    page.get_by_label("Left of the divider").click()
    page.get_by_role("option", name="2017 autoencoder, experiment 1 (fixed rate)").click()
    row = page.locator("#figures tbody tr", has_text="its only rate")
    row.wait_for()
    tag = page.locator("#comparison .tag.left")
    page.wait_for_function("() => document.querySelector('#comparison .tag.left').innerText.includes('cae-2017')")
    assert "bpp" in tag.inner_text() and "dB" in tag.inner_text()
    assert "cae-2017" in page.locator("#comparison img.over").get_attribute("alt")
    page.close()


def test_every_decoder_is_shown_on_a_phone(browser, url):
    page = browser.new_page(viewport={"width": 1280, "height": 844})
    page.goto(f"{url}?tab=compare")
    page.locator("#figures tbody tr").first.wait_for(timeout=60_000)
    page.get_by_role("tab", name="All decoders").click()
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#decoders .crops button.window").nth(len(networks())).wait_for(timeout=60_000)
    page.locator("#decoders .crops button.window").nth(1).click()
    assert "MSE" in page.locator("#decoders .tag.right").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


def test_a_stream_in_place_of_an_image_is_decoded(client, browser, url, photo, tmp_path):
    coded, stream = compress(client, photo), tmp_path / "mine.lic"
    whole = Path(coded["stream"]).read_bytes()
    stream.write_bytes(whole)
    found = compress(client, stream)
    assert "300×200" in found["headline"] and [entry["key"] for entry in found["viewer"]["pictures"]] == ["ours"]
    assert Path(found["stream"]).read_bytes() == whole and found["original"] is None
    assert (rgb_of(found["png"]) == rgb_of(coded["png"])).all()
    stream.write_bytes(whole[:-20])
    with pytest.raises(Exception, match="damaged"):
        compress(client, stream)
    stream.write_bytes(whole)
    page = opened(browser, f"{url}?tab=compare")
    page.locator("#figures tbody tr", has_text="JPEG (").first.wait_for()
    page.locator("#upload button[aria-label='Clear'], #upload button[title='Clear']").first.click()
    page.locator("#upload input[type=file]").set_input_files(stream)
    page.get_by_text("Decoded from the stream alone").wait_for()
    assert not page.get_by_text("Compress an image first").count()
    page.close()
