"""Kinds of pictures that programs get wrong without a word; the right values follow from the formats' own formulas."""

import io
import struct

import numpy as np
import pytest
from bmp_bytes import V5, bmp
from gif_bytes import frame, gif
from image_bytes import DISPLAY_P3, SMOOTH, chunk, linear_profile, outcome, png, profile_with, refused, saved
from PIL import Image
from tiff_bytes import BLACK_IS_ZERO, RGB, SIGNED, tiff
from tiff_bytes import LZW as TIFF_LZW

from codec.pictures.load import load_image

BARS = np.array([(128, 128, 128), (200, 80, 40), (40, 200, 80), (60, 60, 220), (230, 220, 30), (20, 20, 20)], np.uint8)
STRIPES = np.repeat(np.repeat(BARS[None], 32, 0), 16, 1)  # six of 16 pixels
SCALED = "16-bit samples were scaled to 8 bits."


def bars_of(loaded):
    assert loaded.rgb.shape == (32, 96, 3)
    return [tuple(int(v) for v in loaded.rgb[16, 16 * i + 8]) for i in range(6)]


def near(found, expected, levels):
    return np.abs(np.array(found) - np.array(expected)).max() <= levels


def png_of(rgb, *chunks):
    return png(rgb.shape[1], len(rgb), 8, 2, [row.tobytes() for row in rgb], *chunks)


def number(value):
    return struct.pack(">I", round(value * 1e5))


GAMA_1, GAMA_22, SRGB = chunk(b"gAMA", number(1)), chunk(b"gAMA", number(1 / 2.2)), chunk(b"sRGB", b"\0")
CHRM_P3 = chunk(b"cHRM", b"".join(map(number, (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06))))

# --- colours that are declared without a profile ----------------------------------------------------------


def test_png_gamma():
    loaded = load_image(png_of(STRIPES, GAMA_1))
    assert near(bars_of(loaded)[:2], [(188, 188, 188), (229, 152, 110)], 1)
    assert loaded.notes == ("Converted from gamma 1 to sRGB.",)
    grey = png(96, 32, 8, 0, [STRIPES[0, :, 0].tobytes()] * 32, GAMA_1)
    assert near(bars_of(load_image(grey))[0], (188, 188, 188), 1)
    plain = load_image(png_of(STRIPES, GAMA_22))
    assert (plain.rgb == STRIPES).all() and plain.notes == ()


def test_png_primaries():
    loaded = load_image(png_of(STRIPES, GAMA_22, CHRM_P3))
    assert near(bars_of(loaded)[:2], [(129, 129, 129), (218, 67, 3)], 1)
    assert loaded.notes == ("Converted from primaries of its own and gamma 2.2 to sRGB.",)
    assert (load_image(png_of(STRIPES, CHRM_P3)).rgb == STRIPES).all()  # without a curve it says nothing


def test_png_order_of_precedence():
    def cicp(*values):
        return chunk(b"cICP", bytes(values))

    p3 = profile_with(DISPLAY_P3)
    profile = saved(STRIPES, "PNG", icc_profile=p3)
    assert (load_image(png_of(STRIPES, SRGB, GAMA_1, CHRM_P3)).rgb == STRIPES).all()
    wide = [(128, 128, 128), (216, 69, 17)]
    assert near(bars_of(load_image(png_of(STRIPES, cicp(12, 13, 0, 1), SRGB, GAMA_1)))[:2], wide, 2)
    assert near(bars_of(load_image(profile))[:2], wide, 2)
    start = profile.index(b"iCCP") - 4
    both = profile[:start] + cicp(1, 13, 0, 1) + profile[start:]
    assert (load_image(both).rgb == STRIPES).all() and load_image(both).notes == ()
    with_gamma = profile[:start] + GAMA_1 + profile[start:]
    assert bars_of(load_image(with_gamma)) == bars_of(load_image(profile))
    for nothing in (cicp(12, 13, 0, 0), cicp(2, 13, 0, 1), cicp(12, 13, 9, 1), chunk(b"cICP", b"\x0c")):
        assert (load_image(png_of(STRIPES, nothing)).rgb == STRIPES).all()


def test_png_shadows_of_sixteen_bits_are_kept():
    ramp = np.linspace(0, 3000, 256).round().astype(">u2")
    for colour, samples in ((2, np.repeat(ramp[:, None], 3, 1)), (0, ramp)):
        loaded = load_image(png(256, 1, 16, colour, [samples.tobytes()], GAMA_1))
        assert len(np.unique(loaded.rgb)) > 55  # twelve after cutting to 8 bits first
        assert loaded.notes == (SCALED, "Converted from gamma 1 to sRGB.")


def with_nclx(data, primaries, transfer):
    """An AVIF or HEIC whose nclx box says something else."""
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_nclx(kind):
    plain = saved(STRIPES, kind, quality=100)
    loaded = load_image(with_nclx(plain, 12, 13))
    assert near(bars_of(loaded)[:2], [(128, 128, 128), (216, 69, 17)], 4)
    assert loaded.notes == ("Converted from Display P3 to sRGB.",)
    for primaries, transfer in ((1, 13), (1, 1), (2, 2), (1, 6)):
        loaded = load_image(with_nclx(plain, primaries, transfer))
        assert near(bars_of(loaded)[:2], BARS[:2], 4) and loaded.notes == ()
    assert near(bars_of(load_image(with_nclx(plain, 1, 8)))[0], (188, 188, 188), 3)


def test_avif_of_a_narrow_range():
    for spread in ("full", "limited"):
        assert near(bars_of(load_image(saved(STRIPES, "AVIF", quality=100, range=spread))), BARS, 5)


def test_bmp_with_a_profile():
    rows = np.full((16, 48), 128, np.uint8).tobytes()
    loaded = load_image(bmp(rows, 16, 16, 24, header=V5, profile=linear_profile()))
    assert near(loaded.rgb[8, 8], (188, 188, 188), 1)
    assert loaded.notes == ("Converted from its ICC profile 'sRGB built-in' to sRGB.",)


@pytest.mark.parametrize("transfer, name, white", [(16, "PQ", 0.5807), (18, "HLG", 0.75)])
@pytest.mark.parametrize("kind", ["PNG", "AVIF", "HEIF"])
def test_hdr_is_tone_mapped_and_says_so(kind, transfer, name, white):
    ramp = np.repeat(np.repeat(np.arange(0, 256, 5, dtype=np.uint8)[None, :, None], 16, 0), 3, 2)
    if kind == "PNG":
        data = png_of(ramp, chunk(b"cICP", bytes((9, transfer, 0, 1))))
    else:
        data = with_nclx(saved(ramp, kind, quality=100), 9, transfer)
    loaded = load_image(data)
    assert f"Its HDR brightness ({name}) was tone-mapped: 203 nits are white." in loaded.notes
    levels = loaded.rgb[8].astype(int)
    assert levels[0].max() <= 2 and levels[-1].min() >= 250 and (np.diff(levels[:, 1]) >= -1).all()
    assert (levels.max(1) - levels.min(1)).max() <= 8  # grey stays grey
    assert 225 <= levels[round(white * 51), 1] <= 252  # diffuse white is bright, and highlights have room above it


# --- TIFF -------------------------------------------------------------------------------------------------


def test_tiff_linear_shadows():
    """The profile is applied before the samples are cut to 8 bits."""
    ramp = np.linspace(0, 3000, 256).round().astype(np.int64)[None, :, None].repeat(3, 2).repeat(8, 0)
    profile = linear_profile()
    for order, planar in (("<", 1), (">", 1), ("<", 2), (">", 2)):
        data = tiff(ramp, 16, RGB, order=order, planar=planar, tags={34675: ("B", list(profile))})
        loaded = load_image(data)
        assert len(np.unique(loaded.rgb[..., 0])) > 55
        assert loaded.notes == (SCALED, "Converted from its ICC profile to sRGB.")


def test_tiff_profiles_that_are_damaged():
    """Whatever a byte of the profile is changed to, the picture is read, by the rest of it or without it."""
    rng, profile, ramp = np.random.default_rng(0), linear_profile(), STRIPES[:2].astype(int) * 257
    for _ in range(150):
        damaged = bytearray(profile[: rng.integers(100, len(profile) + 1)])
        for at in rng.integers(128, len(damaged), 3) if len(damaged) > 128 else ():
            damaged[at] = rng.choice([0, 1, 127, 128, 255])
        data = tiff(ramp, 16, RGB, tags={34675: ("B", list(damaged))})
        assert load_image(data).rgb.shape == (2, 96, 3)


def test_tiff_planes():
    for order, tile in (("<", None), (">", None), ("<", (16, 16)), (">", (32, 16))):
        data = tiff(STRIPES.astype(int) * 257, 16, RGB, planar=2, order=order, tile=tile, compression=TIFF_LZW)
        loaded = load_image(data)
        assert (loaded.rgb == STRIPES).all() and loaded.notes == (SCALED,)


def test_tiff_signed():
    refused(tiff(STRIPES[..., :1].astype(int), 8, BLACK_IS_ZERO, kind=SIGNED), "signed samples")


def test_tiff_with_a_reduced_copy_first():
    full = Image.fromarray(STRIPES)
    full.encoderinfo = {"tiffinfo": {254: 0}}
    options = {"save_all": True, "append_images": [full], "tiffinfo": {254: 1}}
    loaded = load_image(saved(Image.new("RGB", (12, 4), "red"), "TIFF", **options))
    assert loaded.rgb.shape == STRIPES.shape and bars_of(loaded) == [tuple(bar) for bar in BARS.tolist()]


def test_raw_files_are_refused():
    """DNG, NEF, ARW and CR2 are TIFFs that begin with a thumbnail; the picture itself is data of a sensor."""
    thumbnail, words = STRIPES.astype(int), "develop it in a photo program"
    reduced = {254: ("I", [1])}
    for order in "<>":
        dng = {50706: ("B", [1, 4, 0, 0]), 330: ("I", [8])}
        refused(tiff(thumbnail, 8, RGB, order=order, tags=reduced | dng), words)
        refused(tiff(thumbnail, 8, RGB, order=order, tags=dng), words)
        refused(tiff(thumbnail, 8, RGB, order=order, tags=reduced | {330: ("I", [8, 8])}), words)  # NEF, ARW
    refused(tiff(thumbnail, 8, RGB, lead=b"CR\x02\0\0\0\0\0"), words)
    assert not outcome(tiff(thumbnail, 8, RGB, tags={330: ("I", [8])}))  # pyramids and layers have such directories


# --- frames, ends and orientations ------------------------------------------------------------------------


def test_gif_whose_frame_is_smaller_than_its_screen():
    blue = gif(16, 16, [frame(np.zeros((8, 8), int) + 1)], [(255, 0, 0), (0, 0, 255)])
    loaded = load_image(blue)
    assert loaded.rgb.shape == (16, 16, 3)
    assert loaded.rgb[4, 4].tolist() == [0, 0, 255] and loaded.rgb[12, 12].tolist() == [255, 255, 255]
    assert loaded.notes == ("Transparency was composited on white.",)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("kind", ["RGB", "L", "CMYK"])
def test_jpeg_without_its_end_marker(kind, progressive):
    data = saved(Image.fromarray(SMOOTH).convert(kind), "JPEG", progressive=progressive, quality=90)
    assert data.endswith(b"\xff\xd9")
    whole = load_image(data)
    for cut in (data[:-2], data[:-1]):
        loaded = load_image(cut)
        assert (loaded.rgb == whole.rgb).all()
        assert loaded.notes == ("Its end marker was missing, and nothing else.", *whole.notes)
    for kept in (len(data) - 6, len(data) - 40, len(data) * 2 // 3):
        assert "truncated" in outcome(data[:kept])


XMP = (
    b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
    b"<rdf:Description xmlns:tiff='http://ns.adobe.com/tiff/1.0/' tiff:Orientation='6'/></rdf:RDF></x:xmpmeta>"
)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG", "TIFF", "AVIF", "HEIF"])
def test_an_orientation_in_xmp_only_does_not_count(kind):
    if kind == "PNG":
        data = png_of(SMOOTH, chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP))
    elif kind == "TIFF":
        data = tiff(SMOOTH.astype(int), 8, RGB, tags={700: ("B", list(XMP))})
    else:
        data = saved(SMOOTH, kind, xmp=XMP)
    assert XMP in data
    loaded = load_image(data)
    assert loaded.rgb.shape == SMOOTH.shape and loaded.notes == ()


def test_heic_whose_exif_data_asks_and_whose_header_does_not():
    """In HEIC the header counts alone."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(np.ascontiguousarray(np.rot90(SMOOTH)), "HEIF", exif=exif.tobytes())
    assert load_image(data).notes == ("Rotated upright as its header asks.",)
    at = data.index(b"irot") + 4
    loaded = load_image(data[:at] + b"\0" + data[at + 1 :])
    assert loaded.rgb.shape == np.rot90(SMOOTH).shape and loaded.notes == ()


def test_a_picture_object_of_pillow_is_as_its_file(tmp_path):
    (tmp_path / "a.png").write_bytes(png_of(STRIPES, SRGB))
    assert (load_image(Image.open(tmp_path / "a.png")).rgb == STRIPES).all()
    assert (load_image(io.BytesIO(png_of(STRIPES))).rgb == STRIPES).all()
