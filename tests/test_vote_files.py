"""Sets and exports as files: what comes back is what was saved, and a hostile file gets one sentence."""

import csv
import functools
import io
import json
import re
import zipfile

import numpy as np
import pytest
from voting import METHODS, archive, filled, host, is_sentence, opened, small_file, small_png, small_set, smaller_set

from codec.errors import CodecError
from codec.vote import export, sets


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


def test_crops_of_a_set_are_checked_too(http):
    with zipfile.ZipFile(io.BytesIO(small_file())) as file:
        members = {name: file.read(name) for name in file.namelist()}
    for crop in (b"RIFF....WEBP", members["setup.json"], small_png(64)):
        answer = http.post("/vote/api/set", content=archive(**members | {"crops/0-mse.webp": crop}))
        assert answer.status_code == 400 and is_sentence(answer)
    extra = archive(**members | {"../../evil.webp": b"1"})
    assert http.post("/vote/api/set", content=extra).status_code == 400


def test_a_saved_set_is_loaded_as_it_was(http, votes):
    loaded = sets.read(small_file())
    assert loaded.id == smaller_set().id and loaded.setup == smaller_set().setup
    options = json.dumps({"question": "better", "ties": True})
    answer = http.post(f"/vote/api/set?options={options}", content=small_file()).json()
    assert votes.room(answer["code"])["question"] == "better"
    saved = http.post(
        "/vote/api/save", json={"code": answer["code"]}, headers={"authorization": f"Bearer {answer['secret']}"}
    )
    assert sets.read(saved.content).id == loaded.id


class Dists:
    """In place of VGG-16, which takes seconds an image: the mean difference."""

    def __init__(self, original: np.ndarray, backbones: str):
        self.original = original.astype(float)

    def dists(self, crop: np.ndarray) -> float:
        return float(np.abs(self.original - crop).mean())


def test_a_set_is_measured_again_and_with_vgg_has_dists_too(codec, tmp_path, monkeypatch):
    pytest.importorskip("DISTS_pytorch")
    from codec.evaluation import vote_set

    path = tmp_path / "set.zip"
    path.write_bytes(small_file())
    with pytest.raises(FileNotFoundError, match="--backbones"):
        vote_set.measure_again(path, str(tmp_path))
    monkeypatch.setattr(vote_set, "Original", Dists)
    quickly = functools.partial(sets.write, method=0)  # the smallest file of noise takes WebP half a minute
    monkeypatch.setattr(sets, "write", lambda voted, method: quickly(voted))
    for backbones, more in (("", set()), ("vgg", {"dists"})):
        vote_set.measure_again(path, backbones)
        again = sets.read(path.read_bytes())
        assert all((again.crops[key] == smaller_set().crops[key]).all() for key in again.crops)
        for image in again.images:
            little, much = (image["renditions"][method]["measures"] for method in again.methods)  # of noise
            assert set(little) == {"psnr", "ms_ssim", "gmsd", "vif", "lpips"} | more
            assert all((little[name] > much[name]) == sets.MEASURES[name] for name in little)


def test_an_export_holds_everything_and_is_pooled_with_a_later_class(http, votes):
    (code, secret), (later, other) = opened(votes), opened(votes)
    tokens = filled(votes, code, 6)
    filled(votes, later, 5, seed=9)
    for step in (1, 2):
        host(http, code, secret, "reveal", step=step)
    headers = {"authorization": f"Bearer {secret}"}
    data = http.post("/vote/api/export", json={"code": code}, headers=headers).content
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
        return http.post(f"/vote/api/earlier?code={to}", content=content, headers={"authorization": f"Bearer {by}"})

    assert add(data).json() == {"added": 72, "voters": 6}
    assert add(data).status_code == 200  # again: the same votes, not twice as many
    assert "102 votes" not in host(http, later, other, "reveal", step=1).json()["sentences"][0]
    assert host(http, later, other, "reveal", step=1).json()["sentences"][0].startswith("110 votes of 11 voters")
    code, secret = opened(votes, question="better")
    refused = [add(data, code, secret), add(b"PK"), add(archive(**{"setup.json": b"{}"}))]
    forged = {**files, "votes.csv": files["votes.csv"].replace("hific", "vtm")}
    refused.append(add(archive(**{k: v.encode() for k, v in forged.items()})))
    assert [a.status_code for a in refused] == [400] * 4 and all(map(is_sentence, refused))


def test_a_spreadsheet_takes_no_name_for_a_formula():
    assert export.cell("=HYPERLINK(1)") == "'=HYPERLINK(1)" and export.cell("night") == "night"


def test_the_shipped_set_is_small_and_whole():
    voted = sets.read(sets.SHIPPED.read_bytes())
    assert sets.SHIPPED.stat().st_size < 3_000_000 and len(voted.images) == 4 and set(voted.methods) == set(METHODS)
    for image in voted.images:
        sizes = [r["bytes"] for r in image["renditions"].values()]
        assert max(sizes) / min(sizes) < 1.01
        assert all(set(r["measures"]) == set(sets.MEASURES) for r in image["renditions"].values())
