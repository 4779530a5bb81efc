"""The numbers that are shown are the numbers that were measured."""

import json
from pathlib import Path

import pytest
from conftest import picture
from PIL import Image

from codec.evaluation import card, rd, report
from codec.evaluation.points import KEYS, iso_points, rd_points
from codec.evaluation.results import write_json
from codec.training import storing

ROOT = Path(__file__).resolve().parents[1]


def test_the_readme_says_what_the_results_files_say():
    assert report.section(ROOT / "results") in (ROOT / "README.md").read_text()


def test_the_model_card_says_what_the_manifest_says():
    weights = ROOT / "weights"
    assert card.section(weights) in (weights / "README.md").read_text()


def test_the_weights_stay_small():
    weights = ROOT / "weights"
    assert max(path.stat().st_size for path in weights.rglob("*")) <= storing.FILE_BYTES
    assert card.total(path for path in weights.rglob("*") if path.is_file()) <= card.TOTAL_BYTES


def test_the_results_are_of_the_weights_that_are_shipped():
    trunk = json.loads((ROOT / "weights" / "manifest.json").read_text())["trunk"]
    assert (ROOT / "results" / "kodak.json").exists()
    for path in (ROOT / "results").glob("*.json"):
        result = json.loads(path.read_text())
        assert result.get("weights", trunk) == trunk, path.name
        assert not result.get("unfinished") and not result.get("failures"), path.name


def test_a_readme_without_results_says_so(tmp_path):
    section = report.section(tmp_path)
    assert section.count(report.YET) >= 10
    page = tmp_path / "README.md"
    page.write_text(f"before\n{report.START}\nold\n{report.END}\nafter\n")
    assert report.update(page, tmp_path) and not report.update(page, tmp_path)
    assert page.read_text() == f"before\n{section}\nafter\n"


@pytest.fixture
def png(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(picture(180, 164, grain=12)).save(path)
    return path


def test_points_agree_with_the_files_they_describe(codec, png):
    data = png.read_bytes()
    for row in [*rd_points("a.png", data, "ours", [0.0035, 0.02]), *rd_points("a.png", data, "webp", [30, 80])]:
        assert row["image"] == "a.png" and all(key in row for key in KEYS)
        assert row["bpp"] == pytest.approx(8 * row["bytes"] / (180 * 164), abs=1e-6)
        assert 15 < row["psnr"] < 50 and row["encode_ms"] > 0
        assert 0.4 < row["ms_ssim"] < 1 and 0 < row["lpips"] < 1


def test_at_equal_sizes_no_codec_is_larger_than_ours(codec, png):
    ours, *others = iso_points("a.png", png.read_bytes(), 0.45, ["ours", "webp", "jpeg"])
    assert ours["fits"] and ours["bpp"] <= 0.45
    for row in others:
        assert row["limit"] == ours["bytes"]
        assert row["fits"] == (row["bytes"] <= ours["bytes"])


def test_an_evaluation_reports_what_fails_and_resumes(tmp_path, png, monkeypatch):
    out = tmp_path / "out.json"
    monkeypatch.setattr(rd, "QUALITIES", {"webp": (20, 70)})
    first = rd.evaluate(tmp_path, out, ["webp"], 1)
    assert len(first["points"]) == 2 and first["failures"] == []
    measured = []
    monkeypatch.setattr(rd.engines, "run", lambda function, jobs, *rest: measured.append(jobs) or [])
    assert rd.evaluate(tmp_path, out, ["webp"], 1)["points"] == first["points"]
    assert measured.pop() == []
    # A point without one of the metrics, and points of another version of the codec, are measured again.
    lacking = json.loads(out.read_text())
    del lacking["points"][0]["lpips"]
    write_json(out, lacking)
    rd.evaluate(tmp_path, out, ["webp"], 1)
    assert measured.pop() == [(str(png), "webp", [20])]
    write_json(out, first | {"versions": first["versions"] | {"codec webp": "0.1"}})
    rd.evaluate(tmp_path, out, ["webp"], 1)
    assert measured.pop() == [(str(png), "webp", [20, 70])]


def test_an_interrupted_evaluation_keeps_what_it_has(tmp_path, png, monkeypatch):
    out = tmp_path / "out.json"
    monkeypatch.setattr(rd, "QUALITIES", {"webp": (20, 70)})

    def interrupted(function, jobs, *rest):
        yield jobs[0], function(png.name, png.read_bytes(), "webp", [20]), None
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(rd.engines, "run", interrupted)
        rd.evaluate(tmp_path, out, ["webp"], 1)
    left = json.loads(out.read_text())
    assert left["unfinished"] and [p["setting"] for p in left["points"]] == [20]
    monkeypatch.setattr(rd.engines, "run", lambda function, jobs, *rest: [(jobs[0], [], None)])
    assert "unfinished" not in rd.evaluate(tmp_path, out, ["webp"], 1)


def test_a_picture_that_fails_is_reported_and_left_out(tmp_path, png, monkeypatch):
    monkeypatch.setattr(rd, "QUALITIES", {"webp": (20, 40, 60, 80)})
    (tmp_path / "b.png").write_text("broken")
    again = rd.evaluate(tmp_path, tmp_path / "out.json", ["webp"], 1)
    assert {p["image"] for p in again["points"]} == {"a.png"} and again["pictures_in_means"] == 1
    assert len(again["failures"]) == 1 and "b.png" in again["failures"][0]
