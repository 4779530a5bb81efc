"""Pictures that strangers bring to break things: a result or one sentence, in seconds, in little memory."""

import io
import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import picture
from fuzz import images
from image_bytes import DISPLAY_P3, chunk, outcome, profile_with
from PIL import Image

import codec as package
from codec.pictures.load import load_image

pytestmark = pytest.mark.filterwarnings("ignore")  # what Pillow warns of is no answer
SAMPLES = images.samples()
HTML = b"<!DOCTYPE html><html><body onload='alert(1)'>not found</body></html>"
SVG = (
    b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><script>alert(1)</script></svg>"
)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_cut_at_fifty_places(name):
    data = SAMPLES[name]
    for kept in sorted({round(len(data) * i / 50) for i in range(50)}):
        said = outcome(data[:kept])
        # Nothing after the first frame is needed, and TIFF and BMP may end in what no pixel needs.
        assert said or "animated" in name or kept > 0.9 * len(data), (
            f"{name} cut to {kept} of {len(data)} bytes was read"
        )


@pytest.mark.parametrize(
    "data", [b"", HTML, SVG, b"GIF89a", b"\xff\xd8\xff", b"\0" * 1000, b"\x89PNG\r\n\x1a\n" + HTML]
)
def test_what_only_calls_itself_png(data, tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    assert outcome(path)


def test_absurd_shapes(codec):
    for size in ((1, 60_000), (60_000, 1)):
        assert "the limit is 30000 a side" in outcome(Image.new("L", size))
    for size in ((1, 3000), (3000, 1)):
        rgb = picture(*size)
        assert package.decompress(package.compress(rgb)).size == size


def many_scans(count: int) -> bytes:
    """A progressive JPEG with its last scan `count` times more."""
    buffer = io.BytesIO()
    Image.new("L", (300, 200), 128).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    scan = data[data.rfind(b"\xff\xc4", 0, data.rfind(b"\xff\xda")) : -2]
    return data[:-2] + scan * count + data[-2:]


def test_a_jpeg_of_a_thousand_scans():
    """Each scan can be 40 bytes and costs the time of a whole picture: 60 MB would be hours."""
    assert outcome(many_scans(20)) == ""
    assert "more scans than any camera" in outcome(many_scans(1000))
    comments = b"\xff\xfe\0\2" * 20_000
    assert "more embedded text or metadata" in outcome(SAMPLES["JPEG"][:2] + comments + SAMPLES["JPEG"][2:])
    film = b"\xff\xda" * 1000  # phones append one after the end
    assert outcome(SAMPLES["JPEG"] + film) == ""


CHILD = """
import io, json, resource, sys, time, warnings
warnings.simplefilter("ignore")
from codec.errors import ImageError
from codec.pictures.load import load_image
found = {}
for path in sys.argv[1:]:
    start = time.process_time()
    try:
        load_image(path)
        said = ""
    except ImageError as error:
        said = str(error)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    found[path] = [said, time.process_time() - start, peak]
print(json.dumps(found))
"""


def in_a_child(paths) -> dict:
    """path -> (sentence, seconds of processor time, peak memory in MB so far), all read by one fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, paths)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_bombs_cost_neither_time_nor_memory(tmp_path):
    def png(side, depth, colour, bytes_a_row):
        packer = zlib.compressobj(9 if depth == 1 else 1)
        rows = b"".join(packer.compress(bytes(1 + bytes_a_row)) for _ in range(side)) + packer.flush()
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0))
        return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")

    files = {
        "100-megapixels.png": png(10_000, 1, 0, 1250),
        "49-megapixels-1-bit.png": png(7_000, 1, 0, 875),  # within the limit: the largest a few kilobytes can be
        "49-megapixels-16-bit.png": png(7_000, 16, 6, 56_000),
        "scans.jpg": many_scans(100_000),
        "lies.png": b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 7000, 7000, 8, 6, 0, 0, 0)) + HTML,
        "page.png": HTML,
    }
    assert len(files["100-megapixels.png"]) < 13_000
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    found = in_a_child(tmp_path / name for name in files)
    for path, (said, seconds, memory) in found.items():
        assert seconds < 5 or not said, path
        assert memory < 4000, path
        assert bool(said) == (not Path(path).name.startswith("49")), (path, said)


def test_png_suite_in_bounds(given_data):
    paths = sorted(given_data("pngsuite").glob("*.png"))
    assert len(paths) > 170
    found = in_a_child(paths)
    for path, (said, seconds, memory) in found.items():
        assert bool(said) == Path(path).name.startswith("x"), (path, said)
        assert seconds < 5 and memory < 1000, path


def test_deep_animated_and_tagged_pictures_go_all_the_way(codec):
    """From the file to the stream and back, with a word on what was done to it."""
    buffer = io.BytesIO()
    Image.fromarray(picture(40, 30)).save(buffer, "PNG", icc_profile=profile_with(DISPLAY_P3))
    notes = {
        "16 bit": "16-bit samples were scaled",
        "CMYK": "Converted from CMYK",
        "animated GIF": "First frame of an animation",
        "animated WEBP": "First frame of an animation",
        "ICC": "Converted from its ICC profile",
    }
    for name, words in notes.items():
        data = buffer.getvalue() if name == "ICC" else SAMPLES[name]
        loaded = load_image(data)
        assert words in " ".join(loaded.notes), name
        assert np.asarray(package.decompress(package.compress(data))).shape == loaded.rgb.shape
