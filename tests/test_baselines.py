import io
import itertools
import math

import numpy as np
import pytest
from PIL import Image

from codec.baselines import CODECS, decode, encode, encode_at_most
from codec.errors import CodecError, ImageError
from codec.metrics import psnr


def picture(height, width, seed=0):
    """Something like a photograph: smooth shapes, an edge, coloured texture and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(float)
    waves = [128 + 90 * np.sin(x / (17 + 5 * c) + y / (11 + 7 * c) + c) for c in range(3)]
    image = np.stack(waves, -1) + 40 * (x > 0.6 * y + width / 4)[..., None]
    image += rng.normal(0, 12, image.shape) * (x > width / 2)[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)


def jpeg_sizes(rgb, subsampling):
    return {q: len(encode(rgb, "jpeg", q, subsampling=subsampling)) for q in range(1, 101)}


@pytest.mark.parametrize("shape", [(24, 40), (300, 280)])  # below and above the limit of the exhaustive search
def test_jpeg_is_at_least_as_good_as_every_whole_quality_that_fits(shape):
    rgb = picture(*shape)
    sizes = {s: jpeg_sizes(rgb, s) for s in ("4:2:0", "4:4:4")}
    lowest, highest = min(sizes["4:2:0"].values()), max(sizes["4:4:4"].values())
    for budget in np.geomspace(lowest * 1.05, highest * 1.1, 8).astype(int):
        result = encode_at_most(rgb, "jpeg", int(budget))
        assert result.fits and not result.note and len(result.data) <= budget
        best_quality = 0.0
        for subsampling, by_quality in sizes.items():
            fitting = [q for q, size in by_quality.items() if size <= budget]
            if fitting:
                quality = max(fitting, key=lambda q: (by_quality[q], q))
                data = encode(rgb, "jpeg", quality, subsampling=subsampling)
                best_quality = max(best_quality, psnr(rgb, decode(data)))
        assert psnr(rgb, result.rgb) >= best_quality


def test_jpeg_comes_near_to_its_size_where_whole_qualities_are_far_apart():
    rgb = picture(384, 512)
    sizes = [len(encode(rgb, "jpeg", q)) for q in range(3, 9)]
    assert max(b / a for a, b in itertools.pairwise(sizes)) > 1.08
    for below, above in itertools.pairwise(sizes):
        budget = round(math.sqrt(below * above))
        assert 0.985 * budget <= len(encode_at_most(rgb, "jpeg", budget).data) <= budget


@pytest.mark.parametrize("quality", [1, 2, 7, 33, 49, 50, 51, 86, 99, 100])
def test_jpeg_at_a_whole_quality_is_what_pillow_writes(quality):
    rgb, expected = picture(40, 56), io.BytesIO()
    Image.fromarray(rgb).save(expected, "JPEG", quality=quality, subsampling="4:2:0", progressive=True, optimize=True)
    assert encode(rgb, "jpeg", quality) == expected.getvalue()


def test_jpeg_between_whole_qualities_is_between_them_in_size():
    rgb = picture(300, 280)
    sizes = [len(encode(rgb, "jpeg", q)) for q in (5, 5.25, 5.5, 5.75, 6)]
    assert sizes == sorted(sizes) and len(set(sizes)) == 5


def test_jpeg_that_cannot_fit_is_the_smallest_there_is_and_says_so():
    rgb = picture(24, 40)
    smallest = min(min(jpeg_sizes(rgb, s).values()) for s in ("4:2:0", "4:4:4"))
    result = encode_at_most(rgb, "jpeg", 100)
    assert not result.fits and len(result.data) == smallest
    assert result.note.startswith("JPEG cannot go this low: quality ")
    assert result.note.endswith(f" is already {smallest:,} bytes (100 allowed).")
    assert encode_at_most(rgb, "jpeg", smallest).fits


def test_jpeg_is_progressive_and_carries_no_metadata():
    result = encode_at_most(picture(60, 50), "jpeg", 2000)
    image = Image.open(io.BytesIO(result.data))
    assert image.info["progressive"] and not image.getexif() and "icc_profile" not in image.info


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_keeps_to_the_size_and_decodes_to_the_shape(codec):
    rgb = picture(150, 210)
    for budget in (1500, 8000):
        result = encode_at_most(rgb, codec, budget)
        assert result.fits and len(result.data) <= budget
        assert len(result.data) > 0.8 * budget  # as near as the steps of the codec allow
        assert result.codec == codec and result.setting
        assert result.rgb.shape == rgb.shape and result.rgb.dtype == np.uint8
        assert (result.rgb == decode(result.data)).all()
    assert psnr(rgb, result.rgb) > 22


@pytest.mark.parametrize("codec", CODECS)
def test_more_bytes_than_needed_give_the_best_quality(codec):
    rgb = picture(40, 50)
    result = encode_at_most(rgb, codec, 10**6)
    assert result.fits and psnr(rgb, result.rgb) > 30


@pytest.mark.parametrize("codec", CODECS)
def test_too_few_bytes_are_told(codec):
    for budget in (0, 20):
        result = encode_at_most(picture(40, 50), codec, budget)
        assert not result.fits and result.rgb.shape == (40, 50, 3)
        assert "cannot go this low" in result.note and f"({budget} allowed)" in result.note


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (3, 1), (1, 70), (7, 5), (65, 63)])
def test_tiny_pictures(codec, shape):
    rgb = picture(*shape)
    data = encode(rgb, codec, 30)
    assert decode(data).shape == rgb.shape
    result = encode_at_most(rgb, codec, 5000)
    assert result.fits and result.rgb.shape == rgb.shape


@pytest.mark.parametrize("codec", CODECS)
def test_a_higher_quality_is_larger_and_nearer(codec):
    rgb = picture(80, 90)
    low, high = (encode(rgb, codec, q) for q in (20, 45))
    assert len(low) < len(high)
    assert psnr(rgb, decode(low)) < psnr(rgb, decode(high))


def test_jpeg2000_aims_at_a_psnr():
    rgb = picture(128, 128)
    assert psnr(rgb, decode(encode(rgb, "jpeg2000", 32))) == pytest.approx(32, abs=1)


def test_a_view_of_an_array_is_encoded_as_it_looks():
    rgb = picture(50, 60)
    assert encode(rgb[:, ::-1], "jpeg", 50) == encode(rgb[:, ::-1].copy(), "jpeg", 50)


def test_noise_at_the_highest_quality_does_not_overflow_the_jpeg_buffer():
    rgb = np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    data = encode(rgb, "jpeg", 100, subsampling="4:4:4")
    assert len(data) > rgb.shape[0] * rgb.shape[1] and psnr(rgb, decode(data)) > 45


@pytest.mark.parametrize("codec, width", [("jpeg", 65_501), ("webp", 16_384)])
def test_pictures_wider_than_the_codec_can_hold(codec, width):
    with pytest.raises(ImageError, match=f"cannot hold a picture of {width}×1 pixels"):
        encode(np.zeros((1, width, 3), np.uint8), codec, 50)
    with pytest.raises(ImageError, match="a side"):
        encode_at_most(np.zeros((1, width, 3), np.uint8), codec, 500)


def test_what_is_no_picture_no_codec_or_no_quality():
    good = picture(8, 8)
    for bad in (good.astype(float), good[..., 0], good[:0], good.tolist()):
        with pytest.raises(ImageError):
            encode_at_most(bad, "jpeg", 1000)
    with pytest.raises(CodecError, match="There is no codec 'png'; choose one of jpeg, webp"):
        encode(good, "png", 50)
    for codec, quality in (
        ("jpeg", 0),
        ("jpeg", 100.5),
        ("jpeg", math.nan),
        ("avif", 3.5),
        ("heic", -1),
        ("jpeg2000", math.nan),
    ):
        with pytest.raises(CodecError):
            encode(good, codec, quality)
    for junk in (b"", b"junk", encode(good, "jpeg", 50)[:200]):
        with pytest.raises(ImageError):
            decode(junk)


def test_a_photograph_at_the_size_of_a_learned_codec(given_data):
    path = sorted(given_data("kodak").glob("*.png"))[0]
    rgb = np.array(Image.open(path).convert("RGB"))
    for codec in CODECS:
        result = encode_at_most(rgb, codec, 24_000)
        assert result.fits and 0.85 * 24_000 < len(result.data) <= 24_000 and psnr(rgb, result.rgb) > 20
