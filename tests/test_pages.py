"""Generated pages: the seed says all of them, every kind is drawn, no missing character is, and no font is needed."""

import numpy as np
import pytest
from PIL import Image

from codec.training import pages
from codec.training.pages.typefaces import Face, Fonts, glyph, has

SIZE = (256, 192)


@pytest.fixture(scope="module")
def alone():
    """No font but Pillow's own."""
    return Fonts(())


def contents(folder):
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_the_seed_says_all_of_a_page(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        pages.pages(str(tmp_path / name), 3, seed, "160x128", [])
    a, b, c = (contents(tmp_path / name) for name in "abc")
    assert a == b
    assert not set(a.values()) & set(c.values())
    assert len(set(a.values())) == 3


def test_every_kind_is_drawn_at_the_size_asked_for(alone):
    found = {}
    for number in range(len(pages.ORDER)):
        kind, image = pages.render(0, number, SIZE, alone, [])
        assert (image.size, image.mode) == (SIZE, "RGB")
        assert np.asarray(image).std() > 3, kind
        found.setdefault(kind, []).append(image.tobytes())
    assert set(found) == set(pages.KINDS)
    assert all(len(set(drawn)) == len(drawn) for drawn in found.values())


def test_a_file_holds_the_picture_exactly_with_a_palette_or_without(tmp_path, alone):
    few = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3) // 9 * 9)
    many = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    for image, mode in ((few, "P"), (many, "RGB")):
        pages.save(image, tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as saved:
            assert saved.mode == mode
            assert (np.asarray(saved.convert("RGB")) == np.asarray(image)).all()


def test_photos_are_shown(tmp_path, alone):
    Image.new("RGB", (300, 200), (1, 250, 77)).save(tmp_path / "photo.png")
    rng = np.random.default_rng(1)
    page = pages.Page(rng, alone, [tmp_path / "photo.png"], SIZE)
    page.picture(10, 20, 100, 50)
    pixels = np.asarray(page.finish())
    assert (pixels[20:70, 10:110] == (1, 250, 77)).all()
    assert (pixels[20:70, 111:] == page.paper).all()


def test_a_line_on_whole_pixels_is_one_pixel_wide(alone):
    for scale in (1, 2, 3):
        page = pages.Page(np.random.default_rng(0), alone, [], SIZE, scale)
        page.blank((255, 255, 255))
        page.line([(10, 50), (90, 50)], (0, 0, 0))
        rows, columns = np.nonzero(np.asarray(page.finish()).any(-1) == 0)
        assert set(rows) == {50}
        assert set(columns) == set(range(10, 90))


def test_what_a_font_lacks_is_left_out(alone):
    face = alone.pick(np.random.default_rng(0))
    assert face == Face("", "english")
    assert has("", "a") and not has("", "語")
    assert glyph("", "語") == glyph("", "\U0010fffe")
    assert face.clean("a 語b") == "a b"
