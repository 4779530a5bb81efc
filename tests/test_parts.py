"""What several tabs have: refusals in plain words, before a picture is there and after something went wrong."""

import gradio as gr
import pytest

from codec.errors import ImageError
from codec.ui.jobs import common, plane
from codec.ui.names import PSNR, SIDE
from codec.ui.tabs import bits, cae, curves, decoders, inside, sampling

WITHOUT_A_PICTURE = {
    "bits": lambda: bits.bits(None, None),
    "region": lambda: bits.region("a.lic", None, None, 8),
    "decoders": lambda: decoders.decoders("a.lic", None, 0.5),
    "curves": lambda: curves.sweep(None, [], PSNR),
    "inside": lambda: inside.inside(None),
    "channel": lambda: inside.channel(None, 1),
    "damage": lambda: inside.damage(None, 0.5, True),
    "between": lambda: sampling.between(None, None, "256×256", 5, 150),
    "sample": lambda: sampling.sample(SIDE, 1, 1.0, 100, "256×256", 16, None),
    "cae": lambda: cae.cae(None, "1"),
}


@pytest.mark.parametrize("work", WITHOUT_A_PICTURE.values(), ids=WITHOUT_A_PICTURE)
def test_a_tab_without_a_picture_says_where_to_get_one(work):
    with pytest.raises(gr.Error, match="Compress an image first") as caught:
        next(work())
    assert not caught.value.print_exception


@pytest.mark.parametrize("error, words", [(ImageError("It is no picture."), "no picture"), (MemoryError(), "memory")])
def test_what_goes_wrong_is_one_sentence_and_no_traceback(error, words):
    @common.said_plainly()
    def work():
        raise error

    for _ in range(2):  # a decorated function works more than once
        with pytest.raises(gr.Error, match=words) as caught:
            work()
        assert not caught.value.print_exception and caught.value.duration is None


def test_a_mistake_of_our_own_is_not_hushed_up():
    with pytest.raises(ZeroDivisionError), common.said_plainly():
        1 / 0  # noqa: B018


@pytest.mark.parametrize(
    "points",
    [
        [(0.2, 0.5, "HiFiC"), (0.22, 0.55, "HiFiC without GAN"), (0.6, 0.3, "Texture"), (0.9, 0.1, "MSE")],
        [(0.5, 0.5, "one"), (0.5, 0.55, "two"), (0.5, 0.6, "three")],
        [(0.97, 0.5, "at the right end")],
    ],
)
def test_names_in_the_plane_cover_neither_each_other_nor_a_point(points):
    sides = plane.places(points)
    names = []
    for (x, y, name), side in zip(points, sides, strict=True):
        width = plane.LETTER * len(name)
        shift = {"right": plane.POINT + width / 2, "left": -plane.POINT - width / 2}.get(side.split()[1], 0)
        lift = {"top": 1, "bottom": -1}.get(side.split()[0], 0) * 1.2 * plane.LINE
        names.append(plane.box(x + shift, y + lift, width, plane.LINE))
    for i, a in enumerate(names):
        assert a[1] <= 1 and not any(plane.meet(a, b) for b in names[:i])
        assert not any(plane.meet(a, plane.box(x, y, plane.POINT, plane.POINT)) for x, y, _ in points)


def test_progress_is_told_sparingly(monkeypatch):
    clock, told = [100.0], []
    monkeypatch.setattr(common.time, "monotonic", lambda: clock[0])
    say = common.sparing(lambda share, desc: told.append((round(share, 2), desc)))
    for i in range(100):  # ten a second
        say(i / 100, "Encoding" if i < 50 else "Decoding")
        clock[0] += 0.1
    assert 18 <= len(told) <= 22 and told[0] == (0, "Encoding") and (0.5, "Decoding") in told
    assert [share for share, _ in told] == sorted(share for share, _ in told)
