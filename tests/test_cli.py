"""The command line, as one types it."""

import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import picture
from PIL import Image

from codec.cli import main


@pytest.fixture
def photo(tmp_path, codec):
    path = tmp_path / "photo.png"
    Image.fromarray(picture(120, 90)).save(path)
    return path


def test_compress_info_decompress(photo, tmp_path, capsys):
    stream, back = tmp_path / "photo.lic", tmp_path / "back.png"
    assert main(["compress", str(photo), "-o", str(stream), "--lambda", "0.02"]) == 0
    assert f"{stream.stat().st_size:,} bytes" in capsys.readouterr().out
    assert main(["info", str(stream)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bytes"] == stream.stat().st_size and found["width"] == 120
    assert main(["decompress", str(stream), "-o", str(back)]) == 0
    assert Image.open(back).size == (120, 90)


def test_a_target_rate_is_kept(photo, tmp_path):
    stream = tmp_path / "photo.lic"
    assert main(["compress", str(photo), "-o", str(stream), "--bpp", "0.6"]) == 0
    assert 8 * stream.stat().st_size / (120 * 90) <= 0.6


def test_a_folder_goes_on_past_failures_and_lists_them(photo, tmp_path, capsys):
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/b.png", "a.jpg"):
        Image.fromarray(picture(40, 30)).save(folder / name)
    (folder / "bad.png").write_text("not a picture")
    assert main(["compress", str(folder), "-o", str(out)]) == 1
    captured = capsys.readouterr()
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*.lic")) == ["a.jpg.lic", "a.png.lic", "sub/b.lic"]
    assert "1 of 4 files failed" in captured.err and "bad.png" in captured.err and "Traceback" not in captured.err
    assert main(["decompress", str(out), "-o", str(tmp_path / "back")]) == 0
    assert (tmp_path / "back" / "sub" / "b.png").exists()


@pytest.mark.parametrize("content", [b"", b"<html>", b"LIC\1abc"])
def test_a_bad_stream_is_one_line_and_leaves_nothing(codec, tmp_path, capsys, content):
    stream, back = tmp_path / "bad.lic", tmp_path / "back.png"
    stream.write_bytes(content)
    assert main(["decompress", str(stream), "-o", str(back)]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.lic"]


def test_missing_input_is_one_line(codec, tmp_path, capsys):
    assert main(["compress", str(tmp_path / "none.png"), "-o", str(tmp_path / "x.lic")]) == 1
    assert main(["info", str(tmp_path / "none.lic")]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 2


@pytest.mark.parametrize(
    "arguments",
    [["--lambda", "7"], ["--bpp", "0"], ["--model", "best"], ["--lambda", "0.01", "--bpp", "1"], ["--what"]],
)
def test_wrong_usage_exits_with_2(photo, tmp_path, arguments, capsys):
    command = ["compress", str(photo), "-o", str(tmp_path / "x.lic"), *arguments]
    try:
        status = main(command)
    except SystemExit as stop:
        status = stop.code
    assert status == 2 and capsys.readouterr().err and not (tmp_path / "x.lic").exists()


def test_the_module_runs_and_decodes_the_same_pixels_in_a_new_process(photo, tmp_path):
    run = [sys.executable, "-m", "codec"]
    stream, backs = tmp_path / "photo.lic", [tmp_path / "1.png", tmp_path / "2.png"]
    subprocess.run([*run, "compress", str(photo), "-o", str(stream)], check=True, capture_output=True)
    for back in backs:
        subprocess.run([*run, "decompress", str(stream), "-o", str(back)], check=True, capture_output=True)
    assert (np.asarray(Image.open(backs[0])) == np.asarray(Image.open(backs[1]))).all()
    failed = subprocess.run(
        [*run, "decompress", str(photo), "-o", str(tmp_path / "x.png")], capture_output=True, text=True
    )
    assert failed.returncode == 1 and "not a compressed stream" in failed.stderr and "Traceback" not in failed.stderr
