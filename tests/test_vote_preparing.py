"""Making a set of images: in the background, at equal sizes, and given up where nobody waits."""

import queue
import re

import pytest
from conftest import picture
from PIL import Image
from voting import serving, small_png, small_set, watched

from codec.ui.vote import preparing
from codec.vote import presets, sets, store


def test_a_set_is_prepared_in_the_background_at_equal_sizes(codec, monkeypatch):
    monkeypatch.setitem(presets.PRESETS, "generative", presets.Preset(("jpeg", "hific@0.5"), 0.5))
    monkeypatch.setattr(preparing, "NICENESS", 0)  # there may be other work on this machine
    monkeypatch.setattr(preparing, "ASKED", 1e9)
    rgb = picture(sets.SIDE, sets.SIDE, grain=16)
    preparer, voted = preparing.Preparer(), []
    key = preparer.submit([("a", rgb), ("b", rgb[::-1])], "generative", lambda new: voted.append(new) or {"code": "X"})
    assert preparer.jobs[key].over.wait(120)
    assert preparer.state(key) == {"done": 6, "total": 6, "error": "", "result": {"code": "X"}}
    assert sets.read(sets.write(voted[0], method=0)).id == voted[0].id
    for image in voted[0].images:
        jpeg, own = (image["renditions"][method] for method in voted[0].methods)
        assert jpeg["bytes"] == pytest.approx(own["bytes"], rel=0.02)
        assert own["measures"]["psnr"] > 20 and 0 < own["measures"]["gmsd"] < 0.2 and 0.05 < own["measures"]["vif"] < 1


def test_a_preparation_that_nobody_waits_for_stops_and_too_many_are_refused(monkeypatch, codec):
    monkeypatch.setattr(preparing, "ASKED", -1.0)
    preparer = preparing.Preparer()
    rgb = small_set().crops[0, sets.ORIGINAL]
    key = preparer.submit([("a", rgb)], "generative", lambda _: {})
    assert preparer.jobs[key].over.wait(120)
    assert "nobody was waiting" in preparer.state(key)["error"] and preparer.jobs[key].images == []
    preparer.waiting = queue.Queue(1)  # from which nobody takes
    preparer.submit([("a", rgb)], "generative", lambda _: {})
    with pytest.raises(store.Refused):
        preparer.submit([("a", rgb)], "generative", lambda _: {})


def test_own_images_are_read_by_the_sandbox_and_small_ones_refused(http):
    assert http.post("/vote/api/image?name=a", content=b"<html>").status_code == 400
    small = http.post("/vote/api/image?name=../x<b>", content=small_png(300))
    assert small.status_code == 400 and "300×300" in small.json()["error"] and "<" not in small.json()["error"]
    assert http.post("/vote/api/image?name=mine", content=small_png(500)).json()["name"] == "mine"


def test_images_of_a_host_that_nobody_uses_are_dropped(monkeypatch):
    preparer = preparing.Preparer()
    rgb = picture(sets.SIDE, sets.SIDE)
    first, *_ = [preparer.add_upload(f"a{n}", rgb) for n in range(preparing.KEPT + 1)]
    assert len(preparer.uploads) == preparing.KEPT and first not in preparer.uploads
    preparer.forget_old()
    assert len(preparer.uploads) == preparing.KEPT
    monkeypatch.setattr(preparing, "KEPT_FOR", -1.0)
    preparer.forget_old()
    assert not preparer.uploads and not preparer.uploaded


def test_the_presets_have_so_many_pairs_and_only_large_images_are_offered(http):
    offer = http.get("/vote/api/setup").json()
    assert {preset["name"]: preset["pairs"] for preset in offer["presets"]} == {
        "generative": 1,
        "codecs": 6,
        "realism": 3,
    }
    assert "portrait" in offer["images"] and "coffee" not in offer["images"]  # 600×400
    assert offer["shipped"] and offer["lasting"]


def test_a_host_prepares_own_images_saves_the_set_and_loads_it_again(browser, codec, tmp_path, monkeypatch):
    monkeypatch.setattr(preparing, "NICENESS", 0)  # there may be other work on this machine
    files, errors = [], []
    for number in range(4):
        files.append(tmp_path / f"my {number}.png")
        Image.fromarray(picture(sets.SIDE, sets.SIDE, seed=number, grain=16)).save(files[-1])
    (tmp_path / "small.png").write_bytes(small_png(300))
    with serving(tmp_path / "votes") as (address, votes):
        context = browser.new_context(viewport={"width": 1024, "height": 768})
        page = watched(context, errors)
        page.goto(f"{address}/vote/host?lang=en")
        page.get_by_text("MSE and generative decoder").click()
        assert page.locator(".tile input:checked").count() == 5  # of the page's own, to begin with
        page.locator("#own").set_input_files(tmp_path / "small.png")
        page.get_by_text("300×300 pixels; a vote needs at least 480×480").wait_for()
        page.locator("#own").set_input_files(files)
        page.locator(".tile", has_text="my 3").wait_for()
        open_it = page.get_by_role("button", name="Open the room")
        open_it.click()
        page.get_by_text("Choose 4 to 8 images.").wait_for()  # nine are chosen
        for tile in page.locator(".tile").all():
            tile.locator("input").set_checked(tile.inner_text().startswith("my "))
        open_it.click()
        page.get_by_text(re.compile(r"^Prepared: [1-9]\d? of 12$")).wait_for(timeout=240_000)
        code = page.locator(".room .code")
        code.wait_for(timeout=240_000)
        first = votes.opened().room(code.inner_text().strip())
        setup = votes.opened().setup(first["set_id"])
        assert [image["name"] for image in setup["images"]] == [f"my {number}" for number in range(4)]
        assert [method["key"] for method in setup["methods"]] == ["mse", "hific"]
        assert not votes.preparer.uploads  # the images of the host are in the set alone
        page.reload()
        page.locator(".room .qr").wait_for()  # the address keeps the room
        page.locator(".more summary").click()
        with page.expect_download() as download:
            page.get_by_role("button", name="Save the set").click()
        saved = tmp_path / "set.zip"
        download.value.save_as(saved)
        page.goto("about:blank")
        page.goto(f"{address}/vote/host?lang=en")
        page.get_by_text("Which looks better?").click()
        page.locator("#saved").set_input_files(files[0])
        page.get_by_text("This is not a set for a vote").wait_for()
        page.locator("#saved").set_input_files(saved)
        code.wait_for()
        second = votes.opened().room(code.inner_text().strip())
        assert (
            second["code"] != first["code"] and second["set_id"] == first["set_id"] and second["question"] == "better"
        )
        context.close()
    assert errors == []
