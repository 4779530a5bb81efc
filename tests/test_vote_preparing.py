"""Making a set of images: in the background, at equal sizes, and given up where nobody waits."""

import queue

import pytest
from conftest import picture
from voting import small_png, small_set

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
        assert own["measures"]["psnr"] > 20 and 0 < own["measures"]["gmsd"] < 0.2 and 0.2 < own["measures"]["vif"] < 1


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
