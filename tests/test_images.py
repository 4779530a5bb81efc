"""Reading pictures of every format from every kind of source, PngSuite, and writing."""

import dataclasses
import io
import os
import stat
import sys

import numpy as np
import pytest
from image_bytes import ALL, GREY, LOSSLESS, NOISE, RNG, SMOOTH, refused, saved
from PIL import Image

from codec.errors import CodecError, ImageError
from codec.pictures.load import atomic_write, load_image, png_bytes, save_png

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


# --- PNGSuite ---------------------------------------------------------------------------------------------


def on_white(path):
    """Pillow's own straightforward way to what load_image does, with gamma by the formula; for 8 bits and less, and no
    odd tRNS."""
    image = Image.open(path).convert("RGBA")
    gamma = Image.open(path).info.get("gamma", 1 / 2.2)
    light = (np.arange(256) / 255) ** (1 / gamma)
    levels = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    same = abs(2.2 * gamma - 1) < 0.05
    table = np.arange(256) if same else np.rint(levels)
    red, green, blue, alpha = image.split()
    image = Image.merge("RGBA", [*(band.point(table.astype(int).tolist()) for band in (red, green, blue)), alpha])
    return np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB"))


def test_png_suite(given_data):
    compared = 0
    for path in given_data("pngsuite").glob("*.png"):
        if path.name.startswith("x"):
            refused(path, "")
            continue
        loaded = load_image(path)
        assert loaded.rgb.shape[2] == 3 and loaded.format == "PNG", path.name
        with_primaries = path.name in ("ccwn2c08.png", "ccwn3p08.png")
        odd = path.name in ("tbbn0g04.png", "tbwn0g04.png", "exif2c08.png")
        if "16" not in path.name and not odd and not with_primaries:
            assert np.abs(loaded.rgb.astype(int) - on_white(path)).max() <= 1, path.name
            compared += 1
    assert compared > 100


def test_png_suite_transparent_backgrounds_and_depths(given_data):
    by_name = {path.stem: path for path in given_data("pngsuite").glob("*.png")}
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


def test_frames_are_counted_among_comments():
    frames = [Image.fromarray(RNG.integers(0, 256, (9, 9, 3), dtype=np.uint8)) for _ in range(7)]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:], comment=b"hello" * 100)
    assert load_image(data).notes == ("First frame of an animation of 7.",)
