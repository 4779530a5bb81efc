"""Rounds of a room, raised hands, and the vote of one person."""

import json
import random
import re

import pytest
from voting import METHODS, NAMES, chosen, filled, host, join, opened

from codec.ui import front
from codec.ui.tabs import about
from codec.ui.texts import LANGUAGE, LANGUAGES, texts
from codec.ui.vote import reveal, solo
from codec.vote import sets


def test_rounds_practice_and_deletion(http, votes):
    code, secret = opened(votes, practice=True)
    given = join(http, code)
    assert given["practice"] and len(given["trials"]) == 2
    host(http, code, secret, "clear")
    room = http.get(f"/vote/api/room/{code}").json()
    assert not room["practice"] and room["epoch"] == given["epoch"] + 1
    assert http.post("/vote/api/trials", json={"code": code, "token": given["token"]}).status_code == 403
    new = host(http, code, secret, "next", question="better").json()
    assert http.get(f"/vote/api/room/{code}").json()["next"] == new["code"]
    assert votes.room(new["code"])["set_id"] == votes.room(code)["set_id"]
    assert host(http, code, secret, "delete").json() == {"deleted": True}
    assert http.get(f"/vote/api/room/{code}").status_code == 404


def test_a_code_is_four_letters_that_nobody_mistakes(votes):
    codes = [opened(votes)[0] for _ in range(20)]
    assert len(set(codes)) == 20 and all(re.fullmatch("[A-HJ-NP-Z2-9]{4}", code) for code in codes)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_screen_leads_here_and_about_says_what_is_stored(language):
    token = LANGUAGE.set(language)
    try:
        assert re.search(r'<a class="button" id="tell" href="vote/me(\?lang=\w\w)?">', front.page("http://a"))
        method = about.text(())
        assert (
            texts(language)["vote.tab.privacy_title"] in method
            and "24" in method.partition(texts(language)["vote.tab.privacy_title"])[2]
        )
    finally:
        LANGUAGE.reset(token)


def test_the_last_step_says_which_decoder_each_measure_trained(http, votes):
    code, secret = opened(votes)
    filled(votes, code, 12)
    host(http, code, secret, "reveal", step=1)
    step = host(http, code, secret, "reveal", step=4).json()
    trained = {row[0]: row[-1] for row in step["table"][1:]}
    assert trained["PSNR"] == "trained the MSE decoder" and trained["LPIPS"] == "trained the generative decoder"
    assert {trained["MS-SSIM"], trained["GMSD"]} == {"trained no decoder"} and "trained no decoder" in step["svg"]
    sentences = " ".join(step["sentences"])
    assert "DISTS is left out" in sentences and "PSNR chose as the room did in 0 of 12 comparisons" in sentences


def test_the_reveal_names_the_best_measure_that_no_decoder_was_trained_on():
    def row(name: str, tau: float | None) -> dict:
        measured = {"name": name, "tau": tau, "trained": sets.TRAINED.get(name, ""), "agreed": 1, "decided": 2}
        return measured | {"low": 0.0, "high": 1.0, "points": []}

    summary = {
        "measures": [row("lpips", 0.9), row("dists", 0.5), row("vif", 0.5), row("psnr", -0.3), row("gmsd", None)]
    }
    assert reveal.predicted(summary, {}, {})[:2] == [
        "LPIPS predicted the room best: Kendall's τ = 0.90.",
        "Of those that no decoder was trained on: DISTS, VIF, τ = 0.50.",
    ]


def test_hands_are_counted_blind_and_land_at_the_right_methods(http, votes):
    code, secret = opened(votes)
    units = host(http, code, secret, "hands").json()["hands"]
    assert len(units) == 12 and not any(name in json.dumps(units).replace('"original"', "") for name in NAMES)
    by_name = {name: key for key, name in votes.names(code).items()}
    for at, unit in enumerate(units):
        left, right = by_name[unit["left"]][1], by_name[unit["right"]][1]
        better = METHODS.index(left) > METHODS.index(right)
        counts = {"left": 9 if better else 2, "right": 2 if better else 9, "neither": 1}
        unit = host(http, code, secret, "hands", at=at, **counts).json()["hands"][at]
        assert unit["counts"] == [counts["left"], counts["right"], 1] and unit["counted"]
    host(http, code, secret, "reveal", step=1)
    scale = host(http, code, secret, "reveal", step=3).json()
    assert [row[0] for row in scale["table"][1:]] == ["Generative", "This codec (MSE)", "JPEG"]


def test_one_person_needs_no_room_and_leaves_nothing(http, votes):
    before = votes.rows("SELECT (SELECT count(*) FROM rooms) + (SELECT count(*) FROM votes)")[0][0]
    given = http.get("/vote/api/me").json()
    assert len(given["trials"]) == solo.TRIALS and not any(
        n in json.dumps(given).replace('"original"', "") for n in NAMES
    )
    lengths = {
        http.get(f"/vote/image/{given['trials'][0][k]}.png").headers["content-length"]
        for k in ("original", "left", "right")
    }
    assert len(lengths) == 1
    own = solo.order(given["number"])
    looking = [chosen(t, random.Random(0)) for t in own]
    score = http.post("/vote/api/me", json={"number": given["number"], "choices": looking}).json()
    assert score["looked"] and score["count"] == 8 and len(score["answers"]) == 10
    opposite = ["left" if c == "right" else "right" for c in looking]
    other = http.post("/vote/api/me", json={"number": given["number"], "choices": opposite}).json()
    assert not other["looked"] and other["same"] == score["same"]
    agreed, differed = ({m["key"]: m["agreed"] for m in s["measures"]} for s in (score, other))
    assert all(agreed[name] + differed[name] == 8 for name in agreed)
    assert votes.rows("SELECT (SELECT count(*) FROM rooms) + (SELECT count(*) FROM votes)")[0][0] == before
