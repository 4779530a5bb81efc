"""What is done to the pixels of a picture: orientation, transparency, bit depth, colours and their profiles."""

import io
import struct
import warnings

import numpy as np
import pytest
from image_bytes import (
    DISPLAY_P3,
    GREY,
    LOSSLESS,
    NOISE,
    RNG,
    SMOOTH,
    chunk,
    png,
    profile_with,
    refused,
    saved,
    srgb_profile,
)
from PIL import Image, ImageCms

from codec.pictures.load import load_image


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_orientation(kind, orientation):
    corners = np.full((48, 80, 3), 128, np.uint8)
    corners[:24, :40], corners[:24, 40:], corners[24:, :40] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    lying = {  # how a camera stores the picture so that this orientation brings it upright
        1: corners,
        2: corners[:, ::-1],
        3: corners[::-1, ::-1],
        4: corners[::-1],
        5: corners.transpose(1, 0, 2),
        6: np.rot90(corners),
        7: corners[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(corners, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"exif": exif.tobytes()} | ({"quality": 90} if kind in ("JPEG", "WEBP", "AVIF", "HEIF") else {})
    data = saved(np.ascontiguousarray(lying), kind, **options)
    asks = "header" if kind in ("AVIF", "HEIF") else "EXIF data"
    for source in (data, Image.open(io.BytesIO(data))):
        loaded = load_image(source)
        assert loaded.rgb.shape == corners.shape
        centres = loaded.rgb[12::24, 20::40].astype(int) - corners[12::24, 20::40]
        assert np.abs(centres).max() < 12
        upright_before = orientation == 1 or (kind == "HEIF" and source is not data)  # libheif has turned it itself
        assert loaded.notes == (() if upright_before else (f"Rotated upright as its {asks} asks.",))


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*" + b"\xff" * 40, b"x"])
def test_damaged_exif_costs_nothing(exif):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of it
        assert load_image(saved(SMOOTH, "JPEG", exif=exif)).rgb.shape == SMOOTH.shape


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_alpha_is_composited_on_white(kind):
    rgba = np.zeros((16, 24, 4), np.uint8)
    rgba[..., 0], rgba[:, :8, 3], rgba[:, 8:16, 3] = 200, 255, 102
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    loaded = load_image(saved(rgba, kind, **options))
    for x, expected in ((2, (200, 0, 0)), (12, (233, 153, 153)), (22, (255, 255, 255))):
        assert np.abs(loaded.rgb[8, x].astype(int) - expected).max() <= (2 if kind in LOSSLESS else 8)
    assert loaded.notes == ("Transparency was composited on white.",)


def test_alpha_that_is_opaque_is_not_worth_a_note():
    assert load_image(saved(np.dstack([NOISE, np.full_like(GREY, 255)]), "PNG")).notes == ()


def test_grey_alpha_and_palette_with_several_opacities():
    grey_alpha = np.dstack([np.zeros_like(GREY), GREY])
    assert (load_image(saved(Image.fromarray(grey_alpha, mode="LA"), "PNG")).rgb == 255 - GREY[..., None]).all()
    indices = Image.fromarray(np.arange(4, dtype=np.uint8)[None], mode="P")
    indices.putpalette([0, 0, 0] * 3 + [9, 8, 7])
    loaded = load_image(saved(indices, "PNG", transparency=bytes([0, 51, 255, 255])))
    assert loaded.rgb[0].tolist() == [[255] * 3, [204] * 3, [0] * 3, [9, 8, 7]]


def test_png_whose_transparent_colour_is_on_the_scale_of_the_file():
    two_bits = png(4, 1, 2, 0, [bytes([0b00011011])], chunk(b"tRNS", struct.pack(">H", 2)))
    assert load_image(two_bits).rgb[0, :, 0].tolist() == [0, 85, 255, 255]  # level 2 of 3 is the clear one
    assert load_image(two_bits).notes == ("Transparency was composited on white.",)
    grey = struct.pack(">3H", 0, 1000, 1001)
    deep = load_image(png(3, 1, 16, 0, [grey], chunk(b"tRNS", struct.pack(">H", 1000))))
    assert deep.rgb[0, :, 0].tolist() == [0, 255, 4]
    assert len(deep.notes) == 2
    colour = struct.pack(">6H", 0x1234, 0x5678, 0x9ABC, 0, 0, 0)
    deep = load_image(png(2, 1, 16, 2, [colour], chunk(b"tRNS", colour[:6])))
    assert deep.rgb[0].tolist() == [[255] * 3, [0] * 3]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_and_not_clipped(kind):
    values = np.array([[0, 128, 129, 257, 32768, 65406, 65535]], np.uint16)
    loaded = load_image(saved(values, kind))
    assert loaded.rgb[0, :, 1].tolist() == [0, 0, 1, 1, 128, 254, 255]
    assert loaded.notes == ("16-bit samples were scaled to 8 bits.",)


def test_sixteen_bit_big_endian_tiff():
    data = saved(np.array([[0, 257, 65535]], np.uint16), "TIFF", big_endian=True)
    assert load_image(data).rgb[0, :, 0].tolist() == [0, 1, 255]


def test_sixteen_bit_colour_and_grey_with_alpha():
    for colour, channels in ((2, 3), (6, 4), (4, 2)):
        samples = RNG.integers(0, 65536, (9, 11, channels)).astype(np.uint16)
        samples[..., 3 if channels == 4 else 1] = 65535
        loaded = load_image(png(11, 9, 16, colour, [row.astype(">u2").tobytes() for row in samples]))
        expected = samples[..., :3] if channels > 2 else np.repeat(samples[..., :1], 3, 2)
        assert np.abs(loaded.rgb - expected / 257).max() <= 1
        assert loaded.notes == ("16-bit samples were scaled to 8 bits.",)


def test_deep_tiffs_are_stretched_and_say_so():
    def tiff(samples):
        return load_image(saved(np.array([samples]), "TIFF"))

    loaded = tiff(np.array([-1000, 0, 3000], np.int32))
    assert loaded.rgb[0, :, 0].tolist() == [0, 64, 255]
    assert loaded.notes == ("Samples from -1000 to 3000 were stretched over the range from black to white.",)
    assert tiff(np.array([0, 7, 255], np.int32)).rgb[0, :, 0].tolist() == [0, 7, 255]
    assert tiff(np.array([0, 7.6, 255], np.float32)).rgb[0, :, 0].tolist() == [0, 8, 255]
    assert tiff(np.array([0, 0.5, 1], np.float32)).rgb[0, :, 0].tolist() == [0, 128, 255]
    assert tiff(np.array([-5, 0, 5], np.float32)).rgb[0, :, 0].tolist() == [0, 128, 255]
    assert tiff(np.array([700, 700], np.int32)).rgb.max() == 0
    refused(saved(np.array([[0, np.nan]], np.float32), "TIFF"), "NaN")
    signed = saved(np.array([[0, -1]], np.int32), "TIFF")
    unsigned = signed.replace(struct.pack("<HHII", 339, 3, 1, 2), struct.pack("<HHII", 339, 3, 1, 1))
    assert load_image(signed).rgb[0, :, 0].tolist() == [255, 0]
    assert load_image(unsigned).rgb[0, :, 0].tolist() == [0, 255]  # -1 was 4,294,967,295


def test_cmyk():
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    for kind in ("TIFF", "JPEG"):
        loaded = load_image(saved(cmyk, kind))
        assert loaded.notes == ("Converted from CMYK.",)
        assert np.abs(loaded.rgb.astype(int) - (255, 0, 0)).max() < 8


def test_lab_tiff():
    lab = ImageCms.applyTransform(
        Image.new("RGB", (8, 8), (200, 60, 30)),
        ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"),
    )
    loaded = load_image(saved(lab, "TIFF"))
    assert np.abs(loaded.rgb.astype(int) - (200, 60, 30)).max() <= 3
    assert loaded.notes == ("Converted from Lab colours.",)


# --- colour profiles --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_wide_gamut_is_converted(kind):
    flat = np.full((32, 32, 3), (200, 100, 50), np.uint8)
    loaded = load_image(saved(flat, kind, icc_profile=profile_with(DISPLAY_P3)))
    # By hand: sRGB's curve to linear light, the matrix from Display P3 to sRGB, and back through the curve.
    assert np.abs(loaded.rgb[16, 16].astype(int) - (215, 93, 31)).max() <= (1 if kind in LOSSLESS else 5)
    assert loaded.notes == ("Converted from its ICC profile 'sRGB built-in' to sRGB.",)


def test_srgb_needs_no_conversion_and_no_note():
    for image in (NOISE, np.dstack([NOISE, np.full_like(GREY, 255)]), GREY):
        loaded = load_image(saved(image, "PNG", icc_profile=srgb_profile()))
        expected = image[..., :3] if image.ndim == 3 else image[..., None]
        assert loaded.notes == () and (loaded.rgb == expected).all()


def test_swapped_colours_under_the_name_of_srgb():
    entries = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}
    profile = bytearray(srgb_profile())
    for position in range(132, 132 + 12 * struct.unpack_from(">I", profile, 128)[0], 12):
        tag = bytes(profile[position : position + 4])
        profile[position : position + 4] = entries.get(tag, tag)
    loaded = load_image(saved(NOISE, "PNG", icc_profile=bytes(profile)))
    assert np.abs(loaded.rgb.astype(int) - NOISE[..., [1, 0, 2]]).max() <= 2 and len(loaded.notes) == 1


@pytest.mark.parametrize("profile", [b"not a profile", srgb_profile()[:300], b"\0" * 500])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_a_profile_that_cannot_be_read_is_ignored(kind, profile):
    loaded = load_image(saved(SMOOTH, kind, icc_profile=profile))
    assert loaded.notes == ("Its ICC profile could not be read and was ignored.",)
    assert np.abs(loaded.rgb.astype(int) - SMOOTH).mean() < 6


def test_a_profile_for_other_pixels_is_ignored():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for image in (NOISE, GREY):
        loaded = load_image(saved(image, "PNG", icc_profile=lab))
        assert loaded.notes == ("Its ICC profile could not be read and was ignored.",)
    loaded = load_image(saved(Image.new("CMYK", (9, 9)), "TIFF", icc_profile=srgb_profile()))
    assert loaded.notes == ("Converted from CMYK.", "Its ICC profile could not be read and was ignored.")
