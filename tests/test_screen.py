"""Letters and line art are coded as an overlay of few colours, photographs are not, and nothing hostile comes of it."""

import lzma
from dataclasses import replace

import numpy as np
import pytest
from conftest import picture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

import codec as package
from codec import api, bitstream, screen
from codec.bitstream import Stream
from codec.errors import StreamError
from codec.inside.bits import block_bits, ledger, payload_bytes
from codec.metrics import psnr
from codec.pictures import overlay


def page(width: int = 300, height: int = 260, photo: bool = False) -> np.ndarray:
    """A page of text with a coloured box, if asked with a photograph below."""
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(14)
    for row in range(0, height, 18):
        draw.text((6, row), "Rate and distortion, in bits per pixel. 0123456789 λ", "black", font)
    draw.rectangle((20, 30, 120, 60), "#2266cc")
    draw.line((0, height, width, 0), "#cc2222", 2)
    rgb = np.asarray(image).copy()
    if photo:
        rgb[128:] = picture(width, height - 128, seed=3, grain=12)
    return rgb


@pytest.fixture(scope="module")
def coded():
    return api.encode(page())[0]


def test_a_page_takes_fewer_bytes_and_looks_better(coded):
    plain, _ = api.encode(page(), screen=False)
    assert coded.stream.overlay and not plain.stream.overlay
    assert len(coded.data) < 0.7 * len(plain.data)
    shown, blurred = (api.load().decode(bitstream.read(c.data)) for c in (coded, plain))
    assert psnr(page(), shown) > psnr(page(), blurred) + 5


@pytest.mark.parametrize("target", [0.15, 0.3, 0.6])
def test_a_page_keeps_to_a_rate_and_is_never_worse_for_its_overlay(target):
    rgb, limit = page(photo=True), int(target * 300 * 260 / 8)
    errors = []
    for asked in (True, False):
        data = api.encode(rgb, bpp=target, screen=asked)[0].data
        assert len(data) <= limit
        errors.append(((np.asarray(package.decompress(data)).astype(float) - rgb) ** 2).mean())
    assert errors[0] <= errors[1]


def test_a_photograph_among_letters_is_left_to_the_networks():
    rgb = page(photo=True)
    stream = bitstream.read(package.compress(Image.fromarray(rgb), lmbda=0.0067))
    _, inside = overlay.read(stream.overlay, stream.regions)
    assert inside[:128].mean() > 0.8 and not inside[192:].any()


@pytest.mark.parametrize("seed, grain", [(1, 10), (2, 3), (3, 30)])
def test_a_photograph_is_coded_as_without(seed, grain):
    rgb = picture(200, 150, seed=seed, grain=grain)
    for asked in ({}, {"bpp": 0.5}):
        assert api.encode(rgb, **asked)[0].data == api.encode(rgb, screen=False, **asked)[0].data


def test_a_very_large_page_is_coded_as_without(monkeypatch):
    monkeypatch.setattr(screen, "MOST", 100 * 100)
    assert not api.encode(page(128, 128))[0].stream.overlay
    assert api.encode(page(100, 100))[0].stream.overlay


def test_a_flat_picture_needs_no_overlay():
    assert not api.encode(np.full((200, 200, 3), 90, np.uint8))[0].stream.overlay


def test_every_decoder_shows_the_same_letters(coded):
    inside = overlay.read(coded.stream.overlay, coded.stream.regions)[1][:260, :300]
    assert inside.any()
    shown = [np.asarray(package.decompress(coded.data, name))[inside] for name in ("mse", "hific", "texture")]
    assert (shown[0] == shown[1]).all() and (shown[0] == shown[2]).all()


def test_where_the_bits_went_holds_the_overlay(coded):
    sizes, codec = ledger(coded.stream), api.load()
    assert sum(sizes.values()) == len(coded.data) and sizes["overlay"] == len(coded.stream.overlay)
    header = package.info(coded.data)
    assert header["overlay_bytes"] == sizes["overlay"] and header["header_bytes"] == sizes["header"]
    blocks = block_bits(codec, codec.read(coded.stream), payload_bytes(coded.stream))
    assert blocks.sum() == pytest.approx(8 * (len(coded.data) - sizes["header"]), rel=1e-6)


def test_a_refined_page_and_one_at_an_index_are_streams_like_others():
    rgb = page(128, 128)
    refined, _ = api.encode(rgb, refine=2)
    assert refined.stream.overlay
    assert psnr(rgb, api.load().decode(bitstream.read(refined.data))) > 25
    assert not api.encode(rgb, q=90)[0].stream.overlay


def with_overlay(stream: Stream, data: bytes) -> bytes:
    return bitstream.write(replace(stream, overlay=data))


def packed(raw: bytes) -> bytes:
    return lzma.compress(raw, lzma.FORMAT_RAW, filters=overlay.filters())


#: Of a picture of 300×260 pixels, which has 5×5 regions, and so 4 bytes of mask.
HOSTILE = {
    "noise": b"\x07\x91" * 50,
    "nothing": packed(b""),
    "colours alone": packed(b"\1" + bytes(6)),
    "a pixel too few": packed(b"\1" + bytes(6) + b"\x80\0\0\0" + bytes(4095)),
    "a pixel too many": packed(b"\1" + bytes(6) + b"\x80\0\0\0" + bytes(4097)),
    "a colour that is not there": packed(b"\1" + bytes(6) + b"\x80\0\0\0" + b"\2" * 4096),
    "a hundred megabytes": packed(bytes(100_000_000)),
    "a second stream": packed(b"\0" + bytes(3) + bytes(4)) + b"more",
    "its first half": packed(b"\0" + bytes(3) + b"\xff" * 4 + bytes(4096 * 25))[:20],
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_overlay_is_refused_in_a_sentence(coded, data):
    with pytest.raises(StreamError, match=r"^The stream is damaged: its overlay cannot be read\.$"):
        package.decompress(with_overlay(coded.stream, data))


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 256), st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_an_overlay_is_read_as_it_was_written(rows, columns, count, seed):
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, 256, (count, 3)).astype(np.uint8)
    indices = rng.integers(0, count, (64 * rows, 64 * columns)).astype(np.uint8)
    regions = rng.random((rows, columns)) < 0.5
    rgb, inside = overlay.read(overlay.write(colours, indices, regions), (rows, columns))
    assert (inside == overlay.to_pixels(regions)).all()
    assert (rgb[inside] == colours[indices][inside]).all()


def test_an_overlay_that_is_longer_than_the_file_is_refused(coded):
    stream = replace(coded.stream, overlay=b"x" * 90, z=b"", y=b"")
    data = bitstream.write(stream)
    with pytest.raises(StreamError):
        bitstream.read(data[:-40], check_crc=False)


def test_candidates_of_every_size():
    for width, height in ((1, 1), (63, 65), (64, 64), (129, 7), (1000, 3)):
        assert screen.candidates(page(width, height)).shape == (-(-height // 64), -(-width // 64))
