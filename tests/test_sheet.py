"""Contact sheets: crops of pictures beside what every decoder and other codecs make of them."""

import numpy as np
import pytest
from PIL import Image

from codec.evaluation import sheet


def test_a_sheet_shows_the_original_and_what_each_codec_makes_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sheet, "WEAK", {"chart": (20, 340)})
    sheet.draw(sheet.weak(), tmp_path / "sheet.webp")
    with Image.open(tmp_path / "sheet.webp") as image:
        rows = np.asarray(image.convert("RGB"))[sheet.HEAD :]
    cells = [rows[:, left : left + sheet.SIDE] for left in range(0, rows.shape[1], sheet.SIDE + sheet.GAP)]
    assert len(cells) == 1 + len(sheet.columns()) + len(sheet.OTHERS)
    original, *others = [cell.astype(int) for cell in cells]
    chart = np.asarray(Image.open(sheet.weak().popitem()[0]).convert("RGB"))
    assert (original == chart[340 : 340 + sheet.SIDE, 20 : 20 + sheet.SIDE]).all()
    for i, cell in enumerate(others):
        assert 0 < np.square(cell - original).mean() < 650  # 20 dB, which JPEG needs
        assert all((cell != other).any() for other in others[:i])


def test_a_sheet_says_which_pictures_it_lacks(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"4, 8, 13, 19, 23, 24.* are not in"):
        sheet.kodak(tmp_path)
    monkeypatch.setattr(sheet, "example_files", lambda: {"text": tmp_path})
    with pytest.raises(FileNotFoundError, match="pip install scikit-image"):
        sheet.weak()
