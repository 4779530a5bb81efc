"""Letters and line art are coded as an overlay of few colours, photographs are not, and nothing hostile comes of it."""

import io
from dataclasses import replace

import numpy as np
import pytest
from conftest import picture
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
    alpha = overlay.read(stream.overlay, 300, 260)[..., 3]
    assert alpha[:128].mean() > 200 and alpha[192:].max() == 0


@pytest.mark.parametrize("seed, grain", [(1, 10), (2, 3), (3, 30)])
def test_a_photograph_is_coded_as_without(seed, grain):
    rgb = picture(200, 150, seed=seed, grain=grain)
    for asked in ({}, {"bpp": 0.5}):
        assert api.encode(rgb, **asked)[0].data == api.encode(rgb, screen=False, **asked)[0].data


def test_a_flat_picture_needs_no_overlay():
    assert not api.encode(np.full((200, 200, 3), 90, np.uint8))[0].stream.overlay


def test_every_decoder_shows_the_same_letters(coded):
    alpha = overlay.read(coded.stream.overlay, 300, 260)[..., 3] > 0
    assert alpha.any()
    shown = [np.asarray(package.decompress(coded.data, name))[alpha] for name in ("mse", "hific", "texture")]
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


def webp(width: int, height: int, frames: int = 1, **options) -> bytes:
    out = io.BytesIO()
    images = [Image.new("RGBA", (width, height), (10 * i, 0, 0, 255)) for i in range(frames)]
    more = {"save_all": True, "append_images": images[1:]} if frames > 1 else {}
    images[0].save(out, options.pop("format", "WEBP"), **more, **options)
    return out.getvalue()


HOSTILE = {
    "another size": webp(301, 260, lossless=True),
    "a thousand times the size": webp(16_000, 5000, lossless=True),
    "a PNG": webp(300, 260, format="PNG"),
    "nothing": b"\0" * 50,
    "its first half": webp(300, 260, lossless=True)[:30],
    "a head without pixels": webp(300, 260, lossless=True)[:21] + b"\xff" * 40,
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_overlay_is_refused_in_a_sentence(coded, data):
    with pytest.raises(StreamError, match=r"^The stream is damaged: its overlay"):
        package.decompress(with_overlay(coded.stream, data))


@pytest.mark.parametrize("data", [webp(300, 260, 3), webp(300, 260, quality=10)], ids=["animated", "lossy"])
def test_what_else_webp_can_is_an_image_like_others(coded, data):
    assert package.decompress(with_overlay(coded.stream, data)).size == (300, 260)


def test_an_overlay_that_is_longer_than_the_file_is_refused(coded):
    stream = replace(coded.stream, overlay=b"x" * 90, z=b"", y=b"")
    data = bitstream.write(stream)
    with pytest.raises(StreamError):
        bitstream.read(data[:-40], check_crc=False)


def test_candidates_of_every_size():
    for width, height in ((1, 1), (63, 65), (64, 64), (129, 7), (1000, 3)):
        assert screen.candidates(page(width, height)).shape == (-(-height // 64), -(-width // 64))
