"""Pictures are read in processes of their own, which may end in any way without anybody but their reader noticing."""

import ast
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import types
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import picture
from fuzz import images
from PIL import Image

from codec.errors import ImageError
from codec.pictures import sandbox
from codec.pictures.files import declared_pixels
from codec.pictures.load import load_image, png_bytes
from codec.ui.hosting import canvas

ROOT = Path(__file__).parents[1]
SAMPLES = images.samples()
#: A child that does something else with a file of this name, and reads all others.
MISCHIEF = """
import os, signal, time
from codec.pictures import sandbox

def read(request, data, declare, read=sandbox.read):
    name = os.path.basename(request.get("path", ""))
    if name == "slow-header.png": time.sleep(600)
    if name == "slow.png": declare((100, 100)); open(request["path"] + ".reading", "w").close(); time.sleep(600)
    if name == "crash.png": os.kill(os.getpid(), signal.SIGSEGV)
    if name == "exit.png": declare((100, 100)); os._exit(0)
    if name == "hungry.png": declare((100, 100)); bytearray(8_000_000_000)
    if name == "noise.png": os.write(1, b"x" * 5000)
    if name == "liar.png": declare((2_000_000_000, 2_000_000_000))
    if name == "liar-too.png": declare((9, 9)); return {"shape": [10**6, 10**6, 3]}, b""
    if name == "nonsense.png": os.write(answers, b"\\xff" * 100)
    return read(request, data, declare)

answers = os.dup(1)
sandbox.read = read
sandbox.serve()
"""


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "good.png"
    path.write_bytes(png_bytes(picture(90, 60)))
    return path


@pytest.fixture(scope="module")
def readers(ours):
    found = sandbox.Readers(2, MISCHIEF)
    yield found
    found.close()


def named(ours, name):
    path = ours.with_name(name)
    path.write_bytes(ours.read_bytes())
    return path


def said(readers, path) -> str:
    with pytest.raises(ImageError) as caught:
        readers.ask("rgb", path, 30_000_000)
    return str(caught.value)


def reads(readers, path) -> bool:
    return np.array_equal(readers.ask("rgb", path, 30_000_000)[1], load_image(path).rgb)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_it_is_read_as_in_this_process(name, tmp_path):
    (tmp_path / "picture").write_bytes(SAMPLES[name])
    here = load_image(SAMPLES[name])
    for source in (tmp_path / "picture", SAMPLES[name]):
        there = sandbox.read_picture(source)
        assert np.array_equal(there.rgb, here.rgb) and (there.notes, there.format) == (here.notes, here.format)
        assert there.rgb.flags.owndata and there.rgb.flags.writeable
    for data in (SAMPLES[name][:20], b"<html>", b""):
        with pytest.raises(ImageError) as here, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            load_image(data)
        with pytest.raises(ImageError) as there:
            sandbox.read_picture(data)
        assert str(there.value) == str(here.value)


def test_limits_names_and_opacity(tmp_path):
    with pytest.raises(ImageError, match=r"the limit is 0.005 MP"):
        sandbox.read_picture(png_bytes(picture(90, 60)), max_pixels=5000)
    for name in ("no such file", "a\0b", os.fsdecode(b"\xff\xfe.png"), ""):
        with pytest.raises(ImageError):
            sandbox.read_picture(name)
    rgba = np.zeros((20, 30, 4), np.uint8)
    rgba[5:9, 3:8, 3] = 200
    Image.fromarray(rgba).save(tmp_path / "layer.png")
    assert np.array_equal(sandbox.read_opacity(str(tmp_path / "layer.png")), rgba[..., 3])
    assert (sandbox.read_opacity(SAMPLES["JPEG"]) == 255).all()


def test_a_child_knows_neither_torch_nor_the_page_nor_secrets(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    program = (
        "import json, os, sys; from codec.pictures import sandbox; import resource\n"
        "sandbox.limit_resources()\n"
        "print(json.dumps([list(sys.modules), list(os.environ), resource.getrlimit(resource.RLIMIT_CORE)]))"
    )
    child = sandbox.Child(program)
    modules, environment, core = json.loads(child.process.stdout.read())
    child.end()
    assert "codec.pictures.load" in modules and not {"torch", "gradio", "multiprocessing", "codec.ui"} & set(modules)
    assert "HF_TOKEN" not in environment and core == [0, 0]


@pytest.mark.parametrize("name", ["crash.png", "exit.png", "liar.png", "liar-too.png", "nonsense.png"])
def test_a_child_that_breaks_down_is_replaced(readers, ours, name):
    assert said(readers, named(ours, name)) == sandbox.CRASHED
    assert all(reads(readers, ours) for _ in range(3))


def test_what_a_library_prints_is_no_answer(readers, ours):
    assert reads(readers, named(ours, "noise.png"))


def test_a_child_has_so_much_memory(readers, ours):
    before = set(readers.children)
    assert "not enough memory" in said(readers, named(ours, "hungry.png"))
    assert reads(readers, ours) and readers.children >= before


@pytest.mark.parametrize("name", ["slow-header.png", "slow.png"])
def test_a_child_that_takes_too_long_is_ended(readers, ours, name, monkeypatch):
    assert reads(readers, ours)  # it has its imports behind it
    monkeypatch.setattr(sandbox, "HEADER_SECONDS", 0.7)
    assert said(readers, named(ours, name)) == sandbox.TOO_SLOW
    monkeypatch.undo()
    assert reads(readers, ours)


def test_a_killed_child_costs_its_own_request_only(ours, monkeypatch, tmp_path):
    monkeypatch.setattr(sandbox, "HEADER_SECONDS", 600)  # it is not to end by the clock, however busy the machine
    readers = sandbox.Readers(2, MISCHIEF)
    slow, found = tmp_path / "slow.png", []
    slow.write_bytes(ours.read_bytes())
    thread = threading.Thread(target=lambda: found.append(said(readers, slow)))
    thread.start()
    while not Path(f"{slow}.reading").exists():
        time.sleep(0.02)
    (victim,) = readers.children
    assert all(reads(readers, ours) for _ in range(5))  # by the other one, meanwhile
    os.kill(victim.process.pid, signal.SIGKILL)
    thread.join(20)
    assert found == [sandbox.CRASHED] and victim not in readers.children
    for child in list(readers.children):  # nor does it matter when they die with nothing to do
        os.kill(child.process.pid, signal.SIGKILL)
        child.process.wait()
    results = []
    threads = [threading.Thread(target=lambda: results.append(reads(readers, ours))) for _ in range(12)]
    [t.start() for t in threads]
    [t.join(60) for t in threads]
    assert results == [True] * 12 and len(readers.children) <= 2
    monkeypatch.setattr(sandbox, "MAX_READS", 1)
    old = set(readers.children)
    assert reads(readers, ours) and reads(readers, ours) and readers.children != old
    readers.close()


def test_children_end_with_their_parent():
    program = (
        "from codec.pictures.sandbox import READERS; READERS.start(); print(*(c.process.pid for c in READERS.children)"
    )
    for last in ("", "; import os; os._exit(1)"):
        done = subprocess.run(
            [sys.executable, "-c", f"{program}, flush=True){last}"], cwd=ROOT, capture_output=True, text=True
        )
        pids = [int(pid) for pid in done.stdout.split()]
        until = time.monotonic() + 30
        while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < until:
            time.sleep(0.05)
        assert len(pids) == 2 and not any(Path(f"/proc/{pid}").exists() for pid in pids), done.stderr


def test_the_page_reads_no_strangers_picture_itself():
    found = set()
    for path in (ROOT / "codec" / "ui").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if name.rpartition(".")[2] in ("load_image", "open_image", "from_pil") or name == "Image.open":
                found.add(path.name)
    # vote/setting_up.py reads the page's own examples; what a host uploads or loads goes to the readers.
    assert found <= {"examples.py", "renditions.py", "setting_up.py"}, (
        "these read what the page itself has drawn or decoded"
    )


def test_gradio_opens_no_strangers_picture_before_us(monkeypatch):
    from codec.ui import page

    monkeypatch.setattr(page, "warm_up", lambda: None)
    demo = page.build()
    kinds = {c.get_block_name() for fn in demo.fns.values() for c in fn.inputs if hasattr(c, "preprocess")}
    assert "file" in kinds and not kinds & {"image", "imageslider", "gallery", "annotatedimage", "video"}
    (editor,) = [b for b in demo.blocks.values() if b.get_block_name() == "imageeditor"]
    assert editor.preprocess.func is canvas.unopened and editor.accept_blobs.func is canvas.accept


def test_strokes_are_bounded():
    def stroke(name, index, data, kind="layer"):
        form = {"type": kind, "index": index, "id": name}
        canvas.accept(strokes, types.SimpleNamespace(data=form, files=[("x", data)]))

    def layers(name):
        return canvas.unopened(strokes, canvas.EditorData(id=name))["layers"]

    strokes = canvas.Strokes(1000)
    for index in ("1", "0", "null", "999999999", "-1", "x"):
        stroke("a", index, b"layer %s" % index.encode())
    stroke("a", "null", b"composite", "composite")
    stroke("a", "0", b"again")
    assert layers("a") == [b"again", b"layer 1"] and layers("a") == [] and strokes.total == 0
    for i in range(100):
        stroke(f"n{i}", "0", bytes(200))
    assert strokes.total <= 1000 and layers("n0") == [] and layers("n99") == [bytes(200)]
    stroke("large", "0", bytes(2000))
    assert strokes.total == 0 and not strokes.kept


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_sizes_are_declared_without_a_library_in_c(name, monkeypatch):
    if SAMPLES[name][4:8] == b"ftyp" or SAMPLES[name][:4] == b"RIFF":
        monkeypatch.setattr("codec.pictures.files.open_image", None)
    height, width = load_image(SAMPLES[name]).rgb.shape[:2]
    assert width * height <= declared_pixels(SAMPLES[name], 10**6) <= 70 * 70 + width * height


def test_sizes_of_every_kind_of_webp():
    for options in ({"quality": 50}, {"lossless": True}, {"exif": b"Exif\0\0"}, {"lossless": True, "xmp": b"x"}):
        buffer = io.BytesIO()
        Image.new("RGB", (301, 203)).save(buffer, "WEBP", **options)
        assert declared_pixels(buffer.getvalue(), 10**6) == 301 * 203
    assert declared_pixels(buffer.getvalue()[:29], 10**6) == 0


def test_a_photo_is_scaled_down_while_it_is_read(tmp_path):
    Image.fromarray(picture(1200, 900)).save(tmp_path / "large.jpg", quality=90)
    Image.fromarray(picture(1200, 900)).save(tmp_path / "large.png")
    for name in ("large.jpg", "large.png"):
        whole, small = (sandbox.read_picture(tmp_path / name, most=most).rgb for most in (None, 100_000))
        assert whole.shape == (900, 1200, 3) and 95_000 < small.shape[0] * small.shape[1] <= 100_000
        reduced = np.asarray(Image.fromarray(whole).resize(small.shape[1::-1], Image.Resampling.LANCZOS), int)
        assert np.abs(reduced - small).mean() < 3
    # More than may be read otherwise: the decoder is asked for a part of the pixels only.
    limited = sandbox.read_picture(tmp_path / "large.jpg", max_pixels=500_000, most=100_000).rgb
    assert limited.shape == small.shape
    with pytest.raises(ImageError, match=r"limit is 0\.5 MP"):
        sandbox.read_picture(tmp_path / "large.png", max_pixels=500_000, most=100_000)
    with pytest.raises(ImageError, match=r"limit is 0\.5 MP"):
        sandbox.read_picture(tmp_path / "large.jpg", max_pixels=500_000)
    turned = Image.fromarray(picture(1200, 900))
    exif = turned.getexif()
    exif[274] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    upright = sandbox.read_picture(tmp_path / "turned.jpg", most=100_000).rgb
    assert upright.shape[0] > upright.shape[1]


def test_a_hundred_megapixels_of_jpeg_are_read_at_two(tmp_path):
    Image.new("L", (11_000, 9_000), 90).save(tmp_path / "huge.jpg")
    rgb = sandbox.read_picture(tmp_path / "huge.jpg", max_pixels=30_000_000, most=2_000_000).rgb
    assert 1_900_000 < rgb.shape[0] * rgb.shape[1] <= 2_000_000 and abs(rgb.mean() - 90) < 2
