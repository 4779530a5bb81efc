"""The numbers that are shown are the numbers that were measured."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import picture

from codec.evaluation import rd, readme

ROOT = Path(__file__).resolve().parents[1]


def test_the_readme_says_what_the_results_files_say():
    assert readme.section(ROOT / "results") in (ROOT / "README.md").read_text()


def test_the_results_are_of_the_weights_that_are_shipped():
    trunk = json.loads((ROOT / "weights" / "manifest.json").read_text())["trunk"]
    for name in ("kodak", "checks"):
        assert json.loads((ROOT / "results" / f"{name}.json").read_text())["weights"] == trunk


def test_points_agree_with_the_files_they_describe(codec, tmp_path):
    from PIL import Image

    path = tmp_path / "a.png"
    Image.fromarray(picture(160, 120, grain=12)).save(path)
    for row in [*rd.ours_points(str(path), [0.0035, 0.02]), *rd.baseline_points(str(path), "webp", [30, 80])]:
        assert row["bpp"] == pytest.approx(8 * row["bytes"] / (160 * 120), abs=1e-6)
        assert 15 < row["psnr"] < 50 and row["encode_ms"] > 0


def test_bd_rate_of_a_curve_moved_by_a_tenth():
    rates = np.array([0.2, 0.4, 0.8, 1.6])
    points = []
    for name, factor in (("jpeg", 1.0), ("ours", 0.9)):
        for r in rates:
            row = {"codec": name, "image": "a", "setting": r, "bpp": r * factor, "encode_ms": 1, "decode_ms": 1}
            points.append(row | {"psnr": 30 + 4 * np.log2(r)})
    assert rd.bd_rate(points, "jpeg")["percent"] == pytest.approx(-10, abs=0.01)


def test_an_evaluation_reports_what_fails_and_resumes(tmp_path, monkeypatch):
    from PIL import Image

    folder, out = tmp_path / "pictures", tmp_path / "out.json"
    folder.mkdir()
    Image.fromarray(picture(64, 64)).save(folder / "a.png")
    monkeypatch.setattr(rd, "QUALITIES", {"webp": (20, 70)})
    first = rd.evaluate(folder, out, ["webp"], 1)
    assert len(first["points"]) == 2 and first["failures"] == []
    rd.write_json(out, rd.summarize(first))
    with monkeypatch.context() as patch:
        patch.setattr(rd, "ProcessPoolExecutor", lambda *a: pytest.fail("measured again"))
        assert rd.evaluate(folder, out, ["webp"], 1)["points"] == first["points"]
    (folder / "b.png").write_text("broken")
    again = rd.evaluate(folder, out, ["webp"], 1)
    assert len(again["points"]) == 2 and len(again["failures"]) == 1 and "b.png" in again["failures"][0]
