"""The lesson's notebook runs, and shows what the lesson says."""

import json
from pathlib import Path

NOTEBOOK = Path(__file__).parents[1] / "docs" / "lesson.ipynb"


def test_the_notebook_runs_and_shows_what_the_lesson_says(codec, monkeypatch):
    monkeypatch.chdir(NOTEBOOK.parents[1])
    cells, found = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"], {}
    assert not any(cell.get("outputs") for cell in cells)  # they would be of some other version
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), found)
    assert found["zipped"][8] > 12 > found["zipped"][2]  # of 24 bits per pixel
    assert found["energy"][6] > 0.95 and found["energy"][64] == 1
    assert found["errors"][4] / found["errors"][2] > 2 and found["errors"][64] < 64**2 / 12
    assert found["ideal"][True] < 0.85 * found["ideal"][False]
    assert found["best"] == {at: at for at in found["rates"]}
    assert found["shown"].shape == found["rgb"].shape
    from codec.metrics import psnr

    assert psnr(found["rgb"], found["fidelity"]) > psnr(found["rgb"], found["generative"])
