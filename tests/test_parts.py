"""What several tabs have: refusals in plain words, before a picture is there and after something went wrong."""

import gradio as gr
import pytest

from codec.errors import ImageError
from codec.ui import bits, cae, curves, decoders, inside, parts, region, sampling

WITHOUT_A_PICTURE = {
    "bits": lambda: bits.run(None, None),
    "region": lambda: region.run("a.lic", None, None, 8),
    "decoders": lambda: decoders.run("a.lic", None, 0.5),
    "curves": lambda: curves.run(None, [], curves.PSNR),
    "inside": lambda: inside.run(None),
    "channel": lambda: inside.look(None, 1),
    "damage": lambda: inside.damage(None, 0.5, True),
    "between": lambda: sampling.between(None, None, "256×256", 5, 150),
    "sample": lambda: sampling.run(sampling.SIDE, 1, 1.0, 100, "256×256", 16, None),
    "cae": lambda: cae.run(None, "1"),
}


@pytest.mark.parametrize("work", WITHOUT_A_PICTURE.values(), ids=WITHOUT_A_PICTURE)
def test_a_tab_without_a_picture_says_where_to_get_one(work):
    with pytest.raises(gr.Error, match="Compress a picture first") as caught:
        next(work())
    assert not caught.value.print_exception


@pytest.mark.parametrize("error, words", [(ImageError("It is no picture."), "no picture"), (MemoryError(), "memory")])
def test_what_goes_wrong_is_one_sentence_and_no_traceback(error, words):
    @parts.said_plainly()
    def work():
        raise error

    for _ in range(2):  # a decorated function works more than once
        with pytest.raises(gr.Error, match=words) as caught:
            work()
        assert not caught.value.print_exception and caught.value.duration is None


def test_a_mistake_of_our_own_is_not_hushed_up():
    with pytest.raises(ZeroDivisionError), parts.said_plainly():
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
    sides = decoders.places(points)
    names = []
    for (x, y, name), side in zip(points, sides, strict=True):
        width = decoders.LETTER * len(name)
        shift = {"right": decoders.POINT + width / 2, "left": -decoders.POINT - width / 2}.get(side.split()[1], 0)
        lift = {"top": 1, "bottom": -1}.get(side.split()[0], 0) * 1.2 * decoders.LINE
        names.append(decoders.box(x + shift, y + lift, width, decoders.LINE))
    for i, a in enumerate(names):
        assert a[1] <= 1 and not any(decoders.meet(a, b) for b in names[:i])
        assert not any(decoders.meet(a, decoders.box(x, y, decoders.POINT, decoders.POINT)) for x, y, _ in points)


def test_progress_is_told_sparingly(monkeypatch):
    clock, told = [100.0], []
    monkeypatch.setattr(parts.time, "monotonic", lambda: clock[0])
    say = parts.sparing(lambda share, desc: told.append((round(share, 2), desc)))
    for i in range(100):  # ten a second
        say(i / 100, "Encoding" if i < 50 else "Decoding")
        clock[0] += 0.1
    assert 18 <= len(told) <= 22 and told[0] == (0, "Encoding") and (0.5, "Decoding") in told
    assert [share for share, _ in told] == sorted(share for share, _ in told)
