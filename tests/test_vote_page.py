"""The vote's addresses against people who replay, guess and send what nobody asked for."""

import csv
import io
import json
import queue
import random
import re
import struct
import zipfile
from collections import Counter

import pytest
from conftest import picture
from PIL import Image
from starlette.testclient import TestClient
from voting import METHODS, app, chosen, filled, opened, small_file, small_pngs, small_set, smaller_set

from codec.errors import CodecError
from codec.pictures.load import load_image
from codec.ui.vote import address, preparing, routes, solo
from codec.vote import export, presets, sets, store, trials

NAMES = ("jpeg", "mse", "hific", "generative", "avif", "original", "catch", "repeat", "JPEG", "HiFiC")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    application, votes = app(tmp_path_factory.mktemp("votes"))
    with TestClient(application) as client:
        yield client, votes
    votes.store.close()


@pytest.fixture
def client(site):
    site[1].rates.times.clear()  # the tests are one address, and in a hurry
    return site[0]


@pytest.fixture
def votes(site):
    return site[1].store


def join(client, code: str) -> dict:
    return client.post("/vote/api/join", json={"code": code}).json()


def vote(client, code: str, given: dict, at: int = 0, **changes):
    body = {"code": code, "token": given["token"], "trial": given["trials"][at]["id"], "choice": "left"}
    return client.post("/vote/api/vote", json=body | {"ms": 900, "width": 390, "dpr": 3} | changes)


def host(client, code: str, secret: str, action: str, **more):
    headers = {"authorization": f"Bearer {secret}"}
    return client.post("/vote/api/host", json={"code": code, "action": action, **more}, headers=headers)


def is_sentence(answer) -> bool:
    error = answer.json()["error"]
    return error[0].isupper() and error.endswith(".") and "\n" not in error and "Traceback" not in error


# --- votes --------------------------------------------------------------------------------------------------


def test_a_replayed_vote_counts_once_and_nobody_votes_for_another(client, votes):
    (code, _), (other, _) = opened(votes), opened(votes)
    mine, theirs = join(client, code), join(client, other)
    assert [vote(client, code, mine).status_code for _ in range(3)] == [200, 200, 200]
    assert vote(client, code, mine, choice="right").status_code == 409
    second = join(client, code)
    attacks = [
        vote(client, code, mine | {"token": second["token"]}),  # another's trial
        vote(client, code, mine | {"token": "x" * 22}, 1),
        vote(client, other, mine, 1),
        vote(client, code, theirs, 1),
        vote(client, code, mine, trial="0" * 16),
    ]
    assert [a.status_code for a in attacks] == [403] * 5 and all(map(is_sentence, attacks))
    assert votes.counts(code)["votes"] == 1 and votes.counts(other)["votes"] == 0


def test_bad_requests_get_a_sentence(client, votes):
    code, _ = opened(votes)
    given = join(client, code)
    cases = [
        vote(client, code, given, choice="tie"),
        vote(client, code, given, choice="both"),
        vote(client, code, given, ms="fast"),
        vote(client, code, given, token=["a"]),
        vote(client, code, given, trial={"id": 1}),
        client.post("/vote/api/vote", content=b"[1, 2]"),
        client.post("/vote/api/vote", content=b"nothing"),
        client.post("/vote/api/me", json={"number": "1", "choices": ["left"]}),
        client.post("/vote/api/me", json={"number": 5, "choices": 7}),
        client.post("/vote/api/prepare", json={"preset": "codecs", "images": ["../../etc/passwd"] * 4}),
        client.post("/vote/api/prepare", json={"preset": "codecs", "images": ["portrait"]}),
        client.post("/vote/api/prepare", json={"preset": "x", "images": ["portrait"] * 4}),
        client.post("/vote/api/shipped", json={"question": "why"}),
    ]
    assert [c.status_code for c in cases] == [400] * len(cases) and all(map(is_sentence, cases))
    assert votes.counts(code)["votes"] == 0


@pytest.mark.parametrize(
    "code", ["'; DROP TABLE rooms; --", "%", "A' OR '1'='1", "____", "0OI1", "ABCDE", "é", "A" * 5000]
)
def test_a_code_is_no_query(client, votes, code):
    before = votes.rows("SELECT count(*) FROM rooms")[0][0]
    answers = [client.post("/vote/api/join", json={"code": code}), host(client, code, "x", "state")]
    answers += [client.post("/vote/api/trials", json={"code": code, "token": code})]
    assert {a.status_code for a in answers} <= {400, 403, 404, 413} and all(map(is_sentence, answers))
    assert votes.rows("SELECT count(*) FROM rooms")[0][0] == before


def test_bodies_are_limited_and_a_token_has_a_rate(client, votes):
    code, _ = opened(votes)
    given = join(client, code)
    assert vote(client, code, given, choice="x" * 20_000).status_code == 413
    assert client.post("/vote/api/earlier?code=AAAA", content=b"x" * 5_000_001).status_code == 413
    assert client.post("/vote/api/vote", content=iter([b"{}"])).status_code == 411  # in chunks
    answers = [vote(client, code, given).status_code for _ in range(routes.VOTES_PER_TOKEN[0] + 1)]
    assert set(answers[:-1]) == {200} and answers[-1] == 429


# --- the host's rights --------------------------------------------------------------------------------------


def test_the_host_needs_the_secret(client, votes):
    (code, secret), (_, other) = opened(votes), opened(votes)
    for wrong in ("", code, other, secret[:-1], secret.swapcase()):
        answers = [host(client, code, wrong, a) for a in ("state", "reveal", "clear", "next", "delete", "hands")]
        headers = {"authorization": f"Bearer {wrong}"}
        answers += [
            client.post(f"/vote/api/{what}", json={"code": code}, headers=headers) for what in ("export", "save")
        ]
        answers += [client.post(f"/vote/api/earlier?code={code}", content=b"PK", headers=headers)]
        assert {a.status_code for a in answers} == {403} and len({a.text for a in answers}) == 1
    assert host(client, code, secret, "state").status_code == 200
    assert secret not in client.get("/vote/host").text


def test_a_host_sees_counts_alone_before_the_reveal_and_nobody_votes_after_it(client, votes):
    code, secret = opened(votes)
    filled(votes, code, 6)
    late = join(client, code)
    state = host(client, code, secret, "state")
    assert not any(f'"{name}"' in state.text for name in NAMES) and state.json()["votes"] == 72
    headers = {"authorization": f"Bearer {secret}"}
    assert client.post("/vote/api/export", json={"code": code}, headers=headers).status_code == 409
    first = host(client, code, secret, "reveal", step=1)
    assert not any(
        re.search(rf"\b{name}\b", json.dumps(first.json()["table"]) + first.json()["svg"]) for name in METHODS
    )
    assert vote(client, code, late).status_code == 410
    assert client.post("/vote/api/join", json={"code": code}).status_code == 410
    second = host(client, code, secret, "reveal", step=2).json()
    assert "Generative" in second["svg"] and "6,002 bytes" in second["svg"]
    assert "PSNR would have chosen the other one." in " ".join(second["sentences"])


def test_of_fewer_than_five_voters_nothing_is_shown_and_the_room_stays_open(client, votes):
    code, secret = opened(votes)
    filled(votes, code, 4)
    answer = host(client, code, secret, "reveal", step=2).json()
    assert answer["svg"] == "" and "5 voters" in answer["title"]
    assert client.get(f"/vote/api/room/{code}").json()["open"]


# --- blindness ----------------------------------------------------------------------------------------------


def test_nothing_tells_a_phone_which_method_is_which(client, votes):
    code, _ = opened(votes, real=True)
    given = join(client, code)
    told = json.dumps(given) + client.get(f"/vote/api/room/{code}").text
    assert not any(name in told.replace('"original"', "") for name in NAMES)
    names = votes.names(code)
    assert all(re.fullmatch(r"[0-9a-f]{32}", name) for name in names.values()) and len(set(names.values())) == len(
        names
    )
    for image in range(2):
        answers = {
            key: client.get(f"/vote/image/{names[image, key]}.png") for key in (*METHODS[1:], sets.ORIGINAL, sets.CATCH)
        }
        assert len({a.headers["content-length"] for a in answers.values()}) == 1
        for key, answer in answers.items():
            assert answer.headers["etag"] == f'"{names[image, key]}"' and "last-modified" not in answer.headers
            assert "content-encoding" not in answer.headers and "immutable" in answer.headers["cache-control"]
            assert chunks(answer.content) == {b"IHDR", b"IDAT", b"paDd", b"IEND"}
            again = client.get(answer.url, headers={"if-none-match": answer.headers["etag"]})
            assert again.status_code == 304 and not again.content


def chunks(png: bytes) -> set[bytes]:
    at, kinds = 8, set()
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        kinds.add(kind)
        at += 12 + length
    return kinds


def test_padding_changes_no_pixel():
    voted, some = smaller_set(), small_pngs()
    for key in (sets.ORIGINAL, *voted.methods):
        assert (load_image(some[0, key]).rgb == voted.crops[0, key]).all()


def test_sides_and_order_are_tossed(client, votes):
    code, _ = opened(votes)
    firsts, lefts = Counter(), Counter()
    for seed in range(25):
        token = votes.join(code, random.Random(seed))
        own = [t for _, t, _ in votes.trials(code, token)]
        firsts[own[0].image, own[0].kind] += 1
        lefts.update(t.left for t in own if t.kind == trials.VOTE)
    assert len(firsts) >= 4 and all(50 < lefts[m] < 120 for m in METHODS)  # 250 trials, each method in two of three


def test_the_two_questions_differ_in_the_original(client, votes):
    code, _ = opened(votes, question="better", ties=True)
    given = join(client, code)
    assert given["question"] == "better" and given["ties"] and {t["original"] for t in given["trials"]} == {None}
    assert vote(client, code, given, choice="tie").status_code == 200


# --- files --------------------------------------------------------------------------------------------------


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return buffer.getvalue()


def changed_setup(**changes) -> bytes:
    return json.dumps(small_set().setup | changes).encode()


HOSTILE = {
    "nothing": b"",
    "no ZIP": b"PK\x03\x04" + b"\0" * 100,
    "an image": b"\x89PNG\r\n\x1a\n",
    "no setup": archive(other=b"1"),
    "no JSON": archive(**{"setup.json": b"{"}),
    "deep JSON": archive(**{"setup.json": b"[" * 50_000}),
    "a bomb": archive(**{"setup.json": b" " * 200_000_000}),
    "no crops": archive(**{"setup.json": changed_setup()}),
    "another format": archive(**{"setup.json": changed_setup(format=9)}),
    "no methods": archive(**{"setup.json": changed_setup(methods=[])}),
    "a thousand images": archive(**{"setup.json": changed_setup(images=small_set().setup["images"] * 250)}),
    "numbers that are none": archive(**{"setup.json": changed_setup(bpp=float("nan"))}),
    "a title of a megabyte": archive(**{"setup.json": changed_setup(preset="x" * 90_000)}),
    "the end cut off": small_file()[:-400],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_set_gets_one_sentence(name):
    with pytest.raises(CodecError) as error:
        sets.read(HOSTILE[name])
    assert re.fullmatch(r"[A-Z][^\n]*\.", str(error.value)) and len(str(error.value)) < 200


def test_crops_of_a_set_are_checked_too(client):
    with zipfile.ZipFile(io.BytesIO(small_file())) as file:
        members = {name: file.read(name) for name in file.namelist()}
    for crop in (b"RIFF....WEBP", members["setup.json"], small_png(64)):
        answer = client.post("/vote/api/set", content=archive(**members | {"crops/0-mse.webp": crop}))
        assert answer.status_code == 400 and is_sentence(answer)
    extra = archive(**members | {"../../evil.webp": b"1"})
    assert client.post("/vote/api/set", content=extra).status_code == 400


def small_png(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_saved_set_is_loaded_as_it_was(client, votes):
    loaded = sets.read(small_file())
    assert loaded.id == smaller_set().id and loaded.setup == smaller_set().setup
    options = json.dumps({"question": "better", "ties": True})
    answer = client.post(f"/vote/api/set?options={options}", content=small_file()).json()
    assert votes.room(answer["code"])["question"] == "better"
    saved = client.post(
        "/vote/api/save", json={"code": answer["code"]}, headers={"authorization": f"Bearer {answer['secret']}"}
    )
    assert sets.read(saved.content).id == loaded.id


def test_an_export_holds_everything_and_is_pooled_with_a_later_class(client, votes):
    (code, secret), (later, other) = opened(votes), opened(votes)
    tokens = filled(votes, code, 6)
    filled(votes, later, 5, seed=9)
    for step in (1, 2):
        host(client, code, secret, "reveal", step=step)
    headers = {"authorization": f"Bearer {secret}"}
    data = client.post("/vote/api/export", json={"code": code}, headers=headers).content
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        files = {name: file.read(name).decode() for name in file.namelist()}
    assert set(files) == {
        "votes.csv",
        "summary.csv",
        "setup.json",
        "reveal.html",
        "bars.svg",
        "scale.svg",
        "measures.svg",
    }
    rows = list(csv.DictReader(io.StringIO(files["votes.csv"])))
    assert len(rows) == 72 and list(rows[0]) == export.COLUMNS and len({r["voter"] for r in rows}) == 6
    assert not any(secret_text in "".join(files.values()) for secret_text in (*tokens, secret, f'"{code}"'))
    assert (
        "Weights" not in files["reveal.html"]
        and "weights 0" in files["bars.svg"]
        and "<script" not in files["reveal.html"]
    )
    assert "τ" in files["measures.svg"] and "p_holm" in files["summary.csv"]

    def add(content: bytes, to: str = later, by: str = other):
        return client.post(f"/vote/api/earlier?code={to}", content=content, headers={"authorization": f"Bearer {by}"})

    assert add(data).json() == {"added": 72, "voters": 6}
    assert add(data).status_code == 200  # again: the same votes, not twice as many
    assert "102 votes" not in host(client, later, other, "reveal", step=1).json()["sentences"][0]
    assert host(client, later, other, "reveal", step=1).json()["sentences"][0].startswith("110 votes of 11 voters")
    code, secret = opened(votes, question="better")
    refused = [add(data, code, secret), add(b"PK"), add(archive(**{"setup.json": b"{}"}))]
    forged = {**files, "votes.csv": files["votes.csv"].replace("hific", "vtm")}
    refused.append(add(archive(**{k: v.encode() for k, v in forged.items()})))
    assert [a.status_code for a in refused] == [400] * 4 and all(map(is_sentence, refused))


def test_a_spreadsheet_takes_no_name_for_a_formula():
    assert export.cell("=HYPERLINK(1)") == "'=HYPERLINK(1)" and export.cell("night") == "night"


# --- rounds, hands, one person ------------------------------------------------------------------------------


def test_rounds_practice_and_deletion(client, votes):
    code, secret = opened(votes, practice=True)
    given = join(client, code)
    assert given["practice"] and len(given["trials"]) == 2
    host(client, code, secret, "clear")
    room = client.get(f"/vote/api/room/{code}").json()
    assert not room["practice"] and room["epoch"] == given["epoch"] + 1
    assert client.post("/vote/api/trials", json={"code": code, "token": given["token"]}).status_code == 403
    new = host(client, code, secret, "next", question="better").json()
    assert client.get(f"/vote/api/room/{code}").json()["next"] == new["code"]
    assert votes.room(new["code"])["set_id"] == votes.room(code)["set_id"]
    assert host(client, code, secret, "delete").json() == {"deleted": True}
    assert client.get(f"/vote/api/room/{code}").status_code == 404


def test_hands_are_counted_blind_and_land_at_the_right_methods(client, votes):
    code, secret = opened(votes)
    units = host(client, code, secret, "hands").json()["hands"]
    assert len(units) == 12 and not any(name in json.dumps(units).replace('"original"', "") for name in NAMES)
    by_name = {name: key for key, name in votes.names(code).items()}
    for at, unit in enumerate(units):
        left, right = by_name[unit["left"]][1], by_name[unit["right"]][1]
        better = METHODS.index(left) > METHODS.index(right)
        counts = {"left": 9 if better else 2, "right": 2 if better else 9, "neither": 1}
        unit = host(client, code, secret, "hands", at=at, **counts).json()["hands"][at]
        assert unit["counts"] == [counts["left"], counts["right"], 1] and unit["counted"]
    host(client, code, secret, "reveal", step=1)
    scale = host(client, code, secret, "reveal", step=3).json()
    assert [row[0] for row in scale["table"][1:]] == ["Generative", "This codec (MSE)", "JPEG"]


def test_one_person_needs_no_room_and_leaves_nothing(client, votes):
    before = votes.rows("SELECT (SELECT count(*) FROM rooms) + (SELECT count(*) FROM votes)")[0][0]
    given = client.get("/vote/api/me").json()
    assert len(given["trials"]) == solo.TRIALS and not any(
        n in json.dumps(given).replace('"original"', "") for n in NAMES
    )
    lengths = {
        client.get(f"/vote/image/{given['trials'][0][k]}.png").headers["content-length"]
        for k in ("original", "left", "right")
    }
    assert len(lengths) == 1
    own = solo.order(given["number"])
    looking = [chosen(t, random.Random(0)) for t in own]
    score = client.post("/vote/api/me", json={"number": given["number"], "choices": looking}).json()
    assert score["looked"] and score["count"] == 8 and len(score["answers"]) == 10
    opposite = ["left" if c == "right" else "right" for c in looking]
    other = client.post("/vote/api/me", json={"number": given["number"], "choices": opposite}).json()
    assert not other["looked"] and other["same"] == score["same"]
    agreed, differed = ({m["key"]: m["agreed"] for m in s["measures"]} for s in (score, other))
    assert all(agreed[name] + differed[name] == 8 for name in agreed)
    assert votes.rows("SELECT (SELECT count(*) FROM rooms) + (SELECT count(*) FROM votes)")[0][0] == before


def test_the_shipped_set_is_small_and_whole():
    voted = sets.read(sets.SHIPPED.read_bytes())
    assert sets.SHIPPED.stat().st_size < 3_000_000 and len(voted.images) == 4 and set(voted.methods) == set(METHODS)
    for image in voted.images:
        sizes = [r["bytes"] for r in image["renditions"].values()]
        assert max(sizes) / min(sizes) < 1.01
        assert all(set(r["measures"]) == set(sets.MEASURES) for r in image["renditions"].values())


# --- preparing ----------------------------------------------------------------------------------------------


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
        assert own["measures"]["psnr"] > 20 and 0 < own["measures"]["gmsd"] < 0.2


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


def test_own_images_are_read_by_the_sandbox_and_small_ones_refused(client):
    assert client.post("/vote/api/image?name=a", content=b"<html>").status_code == 400
    small = client.post("/vote/api/image?name=../x<b>", content=small_png(300))
    assert small.status_code == 400 and "300×300" in small.json()["error"] and "<" not in small.json()["error"]
    assert client.post("/vote/api/image?name=mine", content=small_png(500)).json()["name"] == "mine"


def test_the_address_is_that_of_the_network_and_the_code_is_drawn_here(client, votes, monkeypatch):
    code, secret = opened(votes)
    monkeypatch.setattr(address, "local", lambda: "192.0.2.7")
    monkeypatch.setattr(address, "answers", lambda host, port: True)
    here = host(client, code, secret, "state", page="http://127.0.0.1:7860/codec").json()
    assert here["address"] == f"192.0.2.7:7860/codec/vote/{code}" and here["reachable"]
    assert here["qr"].startswith("data:image/svg+xml")
    assert host(client, code, secret, "state").json()["address"] == f"testserver/vote/{code}"


@pytest.mark.parametrize(
    ("language", "words"), [("fr-CH,fr;q=0.9", "Cette salle"), ("zh-CN", "没有这个房间"), ("de", "no such room")]
)
def test_errors_come_in_the_readers_language(client, language, words):
    answer = client.post("/vote/api/join", json={"code": "ZZZZ"}, headers={"accept-language": language})
    assert answer.status_code == 404 and words in answer.json()["error"]


def test_pages_allow_no_other_origin_and_no_inline_script(client):
    for path in ("/vote", "/vote/host", "/vote/me", "/vote/ABCD"):
        answer = client.get(path)
        assert "script-src 'self'" in answer.headers["content-security-policy"] and answer.status_code == 200
        assert not re.search(r"<script(?! type=\"application/json\"| src=)|\son\w+=|style=|https?://", answer.text)
    for name in ("vote.css", "common.js", "trial.js", "phone.js", "host.js", "me.js"):
        assert client.get(f"/vote/static/{name}").status_code == 200
        assert "http" not in client.get(f"/vote/static/{name}").text.replace("http-equiv", "")
    for name in ("page.html", "%2e%2e%2froutes.py", "none.js"):
        assert client.get(f"/vote/static/{name}").status_code == 404
