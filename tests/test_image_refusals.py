"""Pictures that are too large, damaged or none: refused with one sentence, at once."""

import io
import os
import struct
import warnings
import zlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from image_bytes import ALL, NOISE, SMOOTH, chunk, outcome, png, refused, saved
from PIL import Image

from codec.pictures import sources
from codec.pictures.load import load_image

pytestmark = pytest.mark.filterwarnings("ignore")  # what Pillow warns of is no answer

# --- limits -----------------------------------------------------------------------------------------------


def test_a_bomb_is_refused_before_anything_opens_it(monkeypatch):
    _, accept = Image.OPEN["PNG"]
    monkeypatch.setitem(Image.OPEN, "PNG", (lambda *_: pytest.fail("it was opened"), accept))
    row = zlib.compress(bytes(1 + 1250))  # 10,000 pixels of one bit
    for side, megapixels in ((10_000, "100.0"), (30_001, "900.1"), (2**31 - 1, "4611686014132.4")):
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
        data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", row) + chunk(b"IEND", b"")
        message = refused(data, f"{side}×{side} pixels ({megapixels} MP)")
        assert message.endswith("the limit is 50 MP, so scale it down first.")


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
    monkeypatch.setattr(sources, "MAX_FILE_BYTES", len(data))
    for source in (data, path, io.BytesIO(data)):
        assert (load_image(source).rgb == NOISE).all()
    monkeypatch.setattr(sources, "MAX_FILE_BYTES", 2000)
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
    refused("a\0b", "There is no file 'a\\x00b'")
    refused("\udcff.png", "There is no file '\\xff.png'")
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


SAMPLES = {kind: saved(NOISE[:9, :12], kind) for kind in (*ALL, "GIF")}
SIGNATURES = [data[:16] for data in SAMPLES.values()] + [b"", b"II*\0\x08\0\0\0", b"\0\0\0\x18ftypmif1"]


@settings(max_examples=120, deadline=None, database=None)
@given(st.sampled_from(SIGNATURES), st.binary(max_size=200))
@example(b"GIF89a", b"")
def test_random_bytes_raise_nothing_but_image_errors(signature, tail):
    outcome(signature + tail)


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
    outcome(bytes(data))
