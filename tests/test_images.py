import dataclasses
import io
import os
import stat
import struct
import sys
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageSequence

from codec import image_files
from codec.errors import CodecError, ImageError
from codec.image_files import register_heif
from codec.images import atomic_write, load_image, png_bytes, save_png

register_heif()
RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (21, 34, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (21, 34), dtype=np.uint8)
Y, X = np.mgrid[:48, :64]
SMOOTH = np.stack([X * 3, Y * 4, 200 - X - Y], -1).astype(np.uint8)  # survives lossy coding well
LOSSLESS = ("PNG", "TIFF", "BMP")
ALL = {
    "PNG": "PNG",
    "JPEG": "JPEG",
    "WEBP": "WebP",
    "AVIF": "AVIF",
    "TIFF": "TIFF",
    "BMP": "BMP",
    "HEIF": "HEIC",
}


def saved(image, kind, **options):
    """The bytes of a PIL image, or of an array, saved as `kind`."""
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, depth, colour, rows, *extra):
    """A PNG with its chunks as they are told; `rows` are the unfiltered bytes of each row."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + pixels + chunk(b"IEND", b"")


def refused(source, words, **options):
    """Checks that `source` is refused with one sentence that has `words` in it."""
    with pytest.raises(ImageError) as caught:
        load_image(source, **options)
    message = str(caught.value)
    assert words in message
    assert message.endswith(".") and "\n" not in message and message[0] in "TN'A" and ". " not in message
    return message


# --- formats ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ALL)
def test_every_format(kind):
    options = {"quality": 95} if kind in ("JPEG", "WEBP", "AVIF", "HEIF") else {}
    loaded = load_image(saved(SMOOTH, kind, **options))
    assert loaded.rgb.shape == SMOOTH.shape and loaded.rgb.dtype == np.uint8
    assert loaded.rgb.flags.c_contiguous and loaded.rgb.flags.writeable
    assert loaded.format == ALL[kind] and loaded.notes == ()
    error = np.abs(loaded.rgb.astype(int) - SMOOTH)
    assert error.max() == 0 if kind in LOSSLESS else error.mean() < 4


@pytest.mark.parametrize("kind", LOSSLESS)
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_modes_without_alpha(kind, mode):
    image = Image.fromarray(NOISE).convert(mode)
    assert (load_image(saved(image, kind)).rgb == np.asarray(image.convert("RGB"))).all()


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_tiff_compressions(compression):
    assert (load_image(saved(NOISE, "TIFF", compression=compression)).rgb == NOISE).all()


def test_grey_jpeg_and_tiff_jpeg():
    loaded = load_image(saved(GREY, "JPEG", quality=95)).rgb
    assert (loaded[..., 0] == loaded[..., 2]).all()
    assert load_image(saved(SMOOTH, "TIFF", compression="jpeg")).rgb.shape == SMOOTH.shape


def test_animations_give_their_first_frame():
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    frames = [Image.new("RGB", (20, 10), c) for c in colours]
    for kind in ("GIF", "WEBP", "PNG", "AVIF"):
        loaded = load_image(saved(frames[0], kind, save_all=True, append_images=frames[1:]))
        assert loaded.notes == ("First frame of an animation of 3.",)
        assert np.abs(loaded.rgb.astype(int) - colours[0]).max() <= 4
    assert load_image(saved(frames[0], "GIF")).notes == ()


def test_gif_that_is_transparent():
    image = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), mode="P")
    image.putpalette([10, 20, 30, 200, 100, 50])
    loaded = load_image(saved(image, "GIF", transparency=1))
    assert loaded.rgb.tolist() == [[[10, 20, 30], [255] * 3], [[255] * 3, [10, 20, 30]]]
    assert loaded.format == "GIF" and loaded.notes == ("Transparency was composited on white.",)


def test_tiff_pages_and_multi_picture_jpeg():
    pages = [Image.fromarray(NOISE), Image.new("L", (3, 3)), Image.new("RGB", (9, 9))]
    loaded = load_image(saved(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert loaded.notes == ("First page of 3.",) and (loaded.rgb == NOISE).all()
    loaded = load_image(saved(Image.fromarray(SMOOTH), "MPO", save_all=True, append_images=pages[2:]))
    assert loaded.format == "JPEG" and loaded.notes == ("Main picture of the 2 in the file.",)
    assert loaded.rgb.shape == SMOOTH.shape


def test_heic_of_10_bits():
    import pillow_heif

    samples = (SMOOTH.astype(np.uint16) << 8) + SMOOTH
    buffer = io.BytesIO()
    pillow_heif.encode("RGB;16", (64, 48), samples.tobytes(), buffer, quality=95)
    loaded = load_image(buffer.getvalue())
    assert loaded.format == "HEIC" and loaded.notes == ("10-bit samples were scaled to 8 bits.",)
    assert np.abs(loaded.rgb.astype(int) - SMOOTH).mean() < 3


def test_heic_under_the_brand_that_it_shares_with_avif():
    data = saved(SMOOTH, "HEIF").replace(b"ftypheic", b"ftypmif1", 1)
    assert load_image(data).format == "HEIC"


@pytest.mark.parametrize("kind", ["PNG", "HEIF", "JPEG", "GIF", "WEBP"])
def test_the_content_counts_not_the_extension(kind, tmp_path):
    path = tmp_path / "picture.tiff"
    path.write_bytes(saved(SMOOTH, kind))
    assert load_image(path).format == ALL.get(kind, kind)


# --- kinds of source --------------------------------------------------------------------------------------


def test_every_kind_of_source_gives_the_same(tmp_path):
    data = saved(NOISE, "PNG")
    path = tmp_path / "ünïcode name.png"
    path.write_bytes(data)
    read_already = io.BytesIO(data)
    read_already.read()
    with open(path, "rb") as file, open(path, "rb", buffering=0) as raw_file:
        sources = [path, str(path), data, bytearray(data), memoryview(data), read_already, file, raw_file]
        for source in [*sources, Image.open(path)]:
            loaded = load_image(source)
            assert (loaded.rgb == NOISE).all() and loaded.format == "PNG" and loaded.notes == ()
        assert not file.closed
    assert load_image(NOISE).format == "array" and (load_image(NOISE).rgb == NOISE).all()
    assert load_image(Image.fromarray(NOISE)).format == "PIL"


def test_a_stream_that_cannot_seek_and_gives_little_at_a_time():
    class Pipe:
        def __init__(self, data):
            self.rest = data

        def seekable(self):
            return False

        def seek(self, position):
            raise io.UnsupportedOperation("seek")

        def read(self, count=-1):
            block, self.rest = self.rest[:100], self.rest[100:]
            return block

    assert (load_image(Pipe(saved(NOISE, "PNG"))).rgb == NOISE).all()


def test_the_result_is_the_callers_own():
    source = NOISE.copy()
    loaded = load_image(source)
    source[:] = 0
    assert (loaded.rgb == NOISE).all()
    with pytest.raises(dataclasses.FrozenInstanceError):
        loaded.format = "x"


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "La", "PA", "RGBa", "CMYK", "YCbCr", "HSV"])
def test_pil_images_of_any_mode(mode):
    image = Image.fromarray(SMOOTH)
    for step in {"PA": ("P", "PA"), "La": ("LA", "La"), "RGBa": ("RGBA", "RGBa"), "LA": ("L", "LA")}.get(mode, (mode,)):
        image = image.convert(step)
    assert load_image(image).rgb.shape == SMOOTH.shape


def test_pil_image_keeps_its_current_frame_and_is_not_changed():
    frames = [Image.new("RGB", (8, 8), c) for c in ("red", "lime")]
    image = Image.open(io.BytesIO(saved(frames[0], "GIF", save_all=True, append_images=frames[1:])))
    image.seek(1)
    assert load_image(image).rgb[0, 0].tolist() == [0, 255, 0]
    keyed = Image.fromarray(NOISE)
    keyed.info["transparency"] = tuple(int(v) for v in NOISE[0, 0])
    assert load_image(keyed).rgb[0, 0].tolist() == [255, 255, 255]
    assert (np.asarray(keyed) == NOISE).all() and "transparency" in keyed.info


def test_arrays():
    white = np.full((21, 34, 1), 255, np.uint8)
    for array in (GREY, GREY.astype(np.uint16) * 257, GREY / 255, (GREY / 255).astype(np.float32)):
        assert (load_image(array).rgb == GREY[..., None]).all()
    for array in (NOISE, NOISE.astype(np.uint16) * 257, NOISE / 255, np.concatenate([NOISE, white], 2)):
        assert (load_image(array).rgb == NOISE).all()
    assert (load_image(NOISE[::-1, ::2]).rgb == NOISE[::-1, ::2]).all()
    assert load_image(np.array([[0, 128, 129, 65535]], np.uint16)).rgb[0, :, 0].tolist() == [0, 0, 1, 255]
    assert load_image(np.array([[-1e-7, 0.5, 1.0000001]])).rgb[0, :, 0].tolist() == [0, 128, 255]
    clear = load_image(np.dstack([NOISE, np.zeros_like(GREY)]))
    assert (clear.rgb == 255).all() and clear.notes == ("Transparency was composited on white.",)
    half = load_image(np.dstack([np.zeros_like(NOISE), np.full_like(GREY, 51)]) / 255)
    assert (half.rgb == 204).all() and half.notes[0] == "Floating-point samples were scaled to 8 bits."
    assert load_image(GREY.astype(np.uint16)).notes == ("16-bit samples were scaled to 8 bits.",)


@pytest.mark.parametrize(
    "array, words",
    [
        (NOISE.astype(np.int64), "int64"),
        (NOISE > 9, "bool"),
        (NOISE.astype(complex), "complex128"),
        (np.array([["a"]]), "U1"),
        (NOISE / 1.0, "scale them to 0…1 first"),
        (np.full((3, 3), np.nan), "nan"),
        (np.full((3, 3), np.inf), "inf"),
        (NOISE[None], "(1, 21, 34, 3)"),
        (NOISE[..., :2], "(21, 34, 2)"),
        (np.zeros(5, np.uint8), "(5,)"),
        (np.zeros((0, 4, 3), np.uint8), "4×0"),
        (np.broadcast_to(np.uint8(0), (8000, 8000, 3)), "64.0 MP"),
    ],
)
def test_arrays_that_are_no_pictures(array, words):
    refused(array, words)


def test_things_that_are_no_source(tmp_path):
    refused(None, "No image was given")
    refused(3.5, "'float'")
    refused([1, 2], "'list'")
    refused(io.StringIO("x"), "binary")
    closed = io.BytesIO(b"x")
    closed.close()
    refused(closed, "could not be read")


# --- what is done to the picture --------------------------------------------------------------------------


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
    for loaded in (load_image(data), load_image(Image.open(io.BytesIO(data)))):
        assert loaded.rgb.shape == corners.shape
        centres = loaded.rgb[12::24, 20::40].astype(int) - corners[12::24, 20::40]
        assert np.abs(centres).max() < 12
        assert loaded.notes == (("Rotated upright as its EXIF data asks.",) if orientation > 1 else ())


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


def srgb_profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def profile_with(primaries):
    """The sRGB profile with other matrix columns: {tag: (x, y, z)}, D50. Its description still says sRGB."""
    data = bytearray(srgb_profile())
    for entry in range(struct.unpack_from(">I", data, 128)[0]):
        tag, offset, _ = struct.unpack_from(">4sII", data, 132 + 12 * entry)
        if tag in primaries:
            struct.pack_into(">3i", data, offset + 8, *(round(v * 65536) for v in primaries[tag]))
    return bytes(data)


DISPLAY_P3 = {
    b"rXYZ": (0.51512, 0.24120, -0.00105),
    b"gXYZ": (0.29198, 0.69225, 0.04189),
    b"bXYZ": (0.15710, 0.06657, 0.78407),
}


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


# --- limits -----------------------------------------------------------------------------------------------


def test_a_bomb_is_refused_at_once():
    row = zlib.compress(bytes(1 + 1250))  # 10,000 pixels of one bit
    for side, megapixels in ((10_000, "100.0"), (30_001, "900.1"), (2**31 - 1, "4611686014132.4")):
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
        data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", row) + chunk(b"IEND", b"")
        started = time.perf_counter()
        message = refused(data, f"{side}×{side} pixels ({megapixels} MP)")
        assert time.perf_counter() - started < 0.5
        assert message.endswith("the limit is 50 MP, so scale it down first.")


def test_a_complete_bomb_of_some_kilobytes():
    rows = zlib.compress(bytes(10_000 * 1251), 9)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 10_000, 10_000, 1, 0, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    assert len(data) < 13_000
    refused(data, "10000×10000 pixels (100.0 MP); the limit is 50 MP")


def test_limits_of_pixels_and_sides():
    data = saved(NOISE, "PNG")
    refused(data, "the limit is 0.0007 MP", max_pixels=700)
    assert load_image(data, max_pixels=21 * 34).rgb.shape == NOISE.shape
    refused(Image.fromarray(NOISE), "34×21 pixels", max_pixels=700)
    refused(saved(Image.new("1", (30_001, 2)), "PNG"), "30001×2 pixels; the limit is 30000 a side")
    assert load_image(saved(Image.new("1", (30_000, 1)), "PNG")).rgb.shape == (1, 30_000, 3)


def test_large_canvases_of_other_formats():
    gif = bytearray(saved(Image.new("P", (4, 4)), "GIF"))
    gif[6:10] = struct.pack("<HH", 60_000, 60_000)
    refused(bytes(gif), "60000×60000 pixels (3600.0 MP)")
    frames = [Image.new("RGB", (4, 4), c) for c in ("red", "blue")]
    webp = bytearray(saved(frames[0], "WEBP", save_all=True, append_images=frames[1:]))
    webp[24:30] = (16_000 - 1).to_bytes(3, "little") * 2
    refused(bytes(webp), "16000×16000 pixels")
    bmp = bytearray(saved(NOISE, "BMP"))
    bmp[18:26] = struct.pack("<ii", 20_000, 20_000)
    refused(bytes(bmp), "20000×20000 pixels")
    jpeg = bytearray(saved(NOISE, "JPEG"))
    size = jpeg.index(b"\xff\xc0") + 5
    jpeg[size : size + 4] = struct.pack(">HH", 65_000, 65_000)
    refused(bytes(jpeg), "65000×65000 pixels")


def test_pillows_own_limit_is_neither_used_nor_changed():
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refused(saved(Image.new("1", (10_000, 10_000)), "PNG"), "100.0 MP")
    assert before == Image.MAX_IMAGE_PIXELS


def test_file_size_limit(monkeypatch, tmp_path):
    data = saved(NOISE, "BMP")
    path = tmp_path / "a.bmp"
    path.write_bytes(data)
    monkeypatch.setattr(image_files, "MAX_FILE_BYTES", len(data))
    for source in (data, path, io.BytesIO(data)):
        assert (load_image(source).rgb == NOISE).all()
    monkeypatch.setattr(image_files, "MAX_FILE_BYTES", 2000)
    for source in (data, path, io.BytesIO(data)):
        refused(source, "larger than the limit of 0.002 MB")


def test_bombs_in_metadata():
    bomb = zlib.compress(bytes(50_000_000), 9)
    for kind, body in (
        (b"zTXt", b"key\0\0" + bomb),
        (b"iTXt", b"key\0\1\0\0\0" + bomb),
        (b"iCCP", b"name\0\0" + bomb),
    ):
        refused(png(1, 1, 8, 2, [b"abc"], chunk(kind, body)), "more embedded text or metadata")
    many = chunk(b"tEXt", b"k\0v") * 300_001
    refused(png(1, 1, 8, 2, [b"abc"], many), "more embedded text or metadata")
    gif = saved(Image.new("P", (4, 4)), "GIF")
    start = 13 + (3 << ((gif[10] & 7) + 1) if gif[10] & 0x80 else 0)
    comment = b"!\xfe" + (b"\xff" + bytes(255)) * 20_000 + b"\0"
    refused(gif[:start] + comment + gif[start:], "more embedded text or metadata")
    refused(gif[:start] + b"\0" * 3 + comment + gif[start:], "more embedded text or metadata")


# --- damage -----------------------------------------------------------------------------------------------


def test_files_that_are_no_images(tmp_path):
    refused(b"", "empty (0 bytes)")
    (tmp_path / "empty.png").touch()
    refused(tmp_path / "empty.png", "empty (0 bytes)")
    page = tmp_path / "page.png"
    page.write_text("<!DOCTYPE html><html><body>404 not found</body></html>")
    refused(page, "not an image in a format that can be read here (PNG, JPEG,")
    refused(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image in a format")
    for kind in ("PPM", "ICO", "TGA", "PCX", "JPEG2000"):  # Pillow could read these
        refused(saved(Image.new("RGB", (16, 16)), kind), "not an image in a format")
    refused(b"%PDF-1.7", "not an image in a format")
    refused(b"\x89PNG\r\n\x1a\n", "This PNG file is truncated, damaged or of a kind")


def test_paths_that_lead_nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refused("x.png", "x.png") == "There is no file 'x.png'."
    (tmp_path / "folder").mkdir()
    refused("folder", "'folder' is a folder")
    refused(tmp_path, "is a folder")
    (tmp_path / "file").touch()
    refused("file/x.png", "There is no file 'file/x.png'")
    refused("", "There is no file ''")
    refused("a\0b", "There is no file 'a?b'")
    refused("\udcff.png", "There is no file '?.png'")
    refused("x" * 5000, "There is no file")
    if hasattr(os, "mkfifo"):
        os.mkfifo("pipe")
        refused("pipe", "not an ordinary file")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(saved(NOISE, "PNG"))
    path.chmod(0)
    refused(path, "permission was denied")


@pytest.mark.parametrize("kind", [*ALL, "GIF"])
def test_truncation_is_an_error_everywhere(kind):
    data = saved(NOISE, kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kept in sorted({12, 40, *(len(data) * k // 12 for k in range(1, 12)), len(data) - 5}):
            message = refused(data[:kept], "")
            assert "truncated" in message or "not an image" in message or "no pixels" in message


def test_png_with_a_flipped_bit_in_its_pixels():
    data = bytearray(saved(SMOOTH, "PNG"))
    data[data.index(b"IDAT") + 40] ^= 1
    refused(bytes(data), "truncated or damaged")


def test_running_out_of_memory_is_told(monkeypatch):
    def load(self):
        raise MemoryError

    monkeypatch.setattr(Image.Image, "load", load)
    refused(Image.fromarray(NOISE), "not enough memory")


def outcome(data):
    """The picture's shape or the words of its ImageError; anything else passes through and fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return load_image(data).rgb.shape
        except ImageError as error:
            return str(error)


SAMPLES = {kind: saved(NOISE[:9, :12], kind) for kind in (*ALL, "GIF")}
SIGNATURES = [data[:16] for data in SAMPLES.values()] + [b"", b"II*\0\x08\0\0\0", b"\0\0\0\x18ftypmif1"]


@settings(max_examples=120, deadline=None, database=None)
@given(st.sampled_from(SIGNATURES), st.binary(max_size=200))
@example(b"GIF89a", b"")
def test_random_bytes_raise_nothing_but_image_errors(signature, tail):
    assert isinstance(outcome(signature + tail), (str, tuple))


@settings(max_examples=250, deadline=None, database=None)
@given(
    st.sampled_from(sorted(SAMPLES)),
    st.floats(0, 1),
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255))),
)
def test_random_damage_raises_nothing_but_image_errors(kind, kept, flips):
    data = bytearray(SAMPLES[kind][: round(kept * len(SAMPLES[kind]))])
    for where, bits in flips:
        if data:
            data[int(where * (len(data) - 1))] ^= bits
    assert isinstance(outcome(bytes(data)), (str, tuple))


# --- PNGSuite ---------------------------------------------------------------------------------------------


def png_suite():
    folder = os.environ.get("CODEC_DATA")
    if not folder or not (Path(folder) / "pngsuite").is_dir():
        pytest.skip("CODEC_DATA names no folder that has pngsuite/ in it")
    return sorted((Path(folder) / "pngsuite").glob("*.png"))


def on_white(path):
    """Pillow's own straightforward way to what load_image does; for 8 bits and less, and no odd tRNS."""
    image = Image.open(path).convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB"))


def test_png_suite():
    compared = 0
    for path in png_suite():
        if path.name.startswith("x"):
            refused(path, "")
            continue
        loaded = load_image(path)
        assert loaded.rgb.shape[2] == 3 and loaded.format == "PNG", path.name
        if "16" not in path.name and path.name not in ("tbbn0g04.png", "tbwn0g04.png", "exif2c08.png"):
            assert (loaded.rgb == on_white(path)).all(), path.name
            compared += 1
    assert compared > 100


def test_png_suite_transparent_backgrounds_and_depths():
    by_name = {path.stem: path for path in png_suite()}
    for name in ("tbbn0g04", "tbwn0g16", "tbbn2c16", "tbbn3p08", "tbrn2c08"):
        loaded = load_image(by_name[name])
        assert (loaded.rgb[0, 0] == 255).all(), name  # the corner is clear in all of them
        assert "Transparency was composited on white." in loaded.notes, name
        assert loaded.rgb.min() < 128, name
    deep, shallow = (load_image(by_name[name]).rgb.astype(int) for name in ("basn0g16", "basi0g16"))
    assert (deep == shallow).all() and deep.min() == 0 and deep.max() == 255


# --- writing ----------------------------------------------------------------------------------------------


def test_save_png(tmp_path):
    path = tmp_path / "out.png"
    save_png(NOISE[:, ::-1], path)
    assert (load_image(path).rgb == NOISE[:, ::-1]).all()
    save_png(SMOOTH, str(path))  # over the old one
    assert (load_image(path).rgb == SMOOTH).all()
    assert os.listdir(tmp_path) == ["out.png"]
    assert load_image(png_bytes(NOISE)).notes == ()
    for bad in (GREY, NOISE / 255, NOISE[:0], NOISE.tolist(), np.dstack([NOISE, GREY])):
        with pytest.raises(ImageError):
            save_png(bad, tmp_path / "bad.png")
    assert os.listdir(tmp_path) == ["out.png"]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "stream.bin"
    atomic_write(path, b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    for function in ("replace", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(os, function, fail)
            with pytest.raises(CodecError, match="could not be written: No space left on device"):
                atomic_write(path, b"new")
        assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["stream.bin"]
    atomic_write(path, b"new")
    assert path.read_bytes() == b"new"


def test_where_nothing_can_be_written(tmp_path):
    for target in (tmp_path / "none" / "a.png", tmp_path, str(tmp_path / "a\0b")):
        with pytest.raises(CodecError, match="could not be written"):
            atomic_write(target, b"x")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="permissions, links and /dev/null are POSIX's")
def test_permissions_links_and_devices(tmp_path):
    path, link = tmp_path / "a", tmp_path / "link"
    old = os.umask(0o027)
    try:
        atomic_write(path, b"1")
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o600)
    link.symlink_to(path)
    atomic_write(link, b"2")
    assert path.read_bytes() == b"2" and link.is_symlink() and stat.S_IMODE(path.stat().st_mode) == 0o600
    atomic_write(os.devnull, b"3")
    assert not os.path.isfile(os.devnull)


def test_frames_helper_agrees_with_pillow():
    frames = [Image.fromarray(RNG.integers(0, 256, (9, 9, 3), dtype=np.uint8)) for _ in range(7)]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:], comment=b"hello" * 100)
    assert len(list(ImageSequence.Iterator(Image.open(io.BytesIO(data))))) == 7
    assert load_image(data).notes == ("First frame of an animation of 7.",)
