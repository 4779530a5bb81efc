"""The command line among files: nothing is lost or overwritten, pipes, names that cannot be printed, odd suffixes."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import picture
from image_bytes import saved
from PIL import Image

import codec as package
from codec.cli import main
from codec.errors import CodecError, StreamError
from codec.pictures.batch import outputs_for
from codec.pictures.load import png_bytes

ROOT = Path(__file__).parents[1]
RED, GREEN, BLUE = (220, 40, 30), (30, 200, 60), (40, 50, 210)
posix = pytest.mark.skipif(sys.platform == "win32", reason="pipes, links and names of any bytes are POSIX's")


def flat(colour):
    return Image.new("RGB", (40, 30), colour)


@pytest.fixture(scope="module")
def stream(codec):
    return package.compress(picture(48, 40))


def run(monkeypatch, *arguments, given=b"", encoding="utf-8", errors="strict"):
    """The command between streams of this encoding: (status, standard output, standard error) as bytes."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding, errors, write_through=True) for _ in range(2))
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        try:
            status = main([os.fspath(argument) for argument in arguments])
        except SystemExit as stop:
            status = stop.code
    return status, out.buffer.getvalue(), err.buffer.getvalue()


# --- nothing is lost or overwritten -----------------------------------------------------------------------


def test_every_picture_of_a_folder_has_a_stream_of_its_own(codec, tmp_path, capsys):
    folder, out, back = tmp_path / "in", tmp_path / "out", tmp_path / "back"
    folder.mkdir()
    colours = {"a.jpg": RED, "a.png": GREEN, "a.jpg.png": BLUE}
    for name, colour in colours.items():
        flat(colour).save(folder / name)
    assert main(["compress", str(folder), "-o", str(out)]) == 0
    names = {"a.jpg": "a.jpg.lic", "a.png": "a.png.lic", "a.jpg.png": "a.jpg.png.lic"}
    assert sorted(p.name for p in out.iterdir()) == sorted(names.values())
    lines = capsys.readouterr().out
    for name, colour in colours.items():
        found = np.asarray(package.decompress(out / names[name])).astype(int)
        assert np.abs(found - colour).mean() < 12, name
        assert f"{folder / name} -> {out / names[name]}:" in lines
    assert main(["decompress", str(out), "-o", str(back)]) == 0
    assert len(list(back.iterdir())) == 3


def test_names_of_outputs():
    def named(*names):
        return [path.as_posix() for path in outputs_for([Path(name) for name in names], ".lic")]

    assert named("a.jpg", "b.png", "s/a.jpg") == ["a.lic", "b.lic", "s/a.lic"]
    assert named("a.jpg", "a.png", "a.jpg.png") == ["a.jpg.lic", "a.png.lic", "a.jpg.png.lic"]
    assert named("A.jpg", "a.jpg") == ["A.jpg.lic", "a.jpg-2.lic"]  # one file on many systems
    assert named("A.jpg", "a.jpg", "a.jpg-2.png", "A.jpg-3") == [
        "A.jpg.lic",
        "a.jpg-4.lic",
        "a.jpg-2.lic",
        "A.jpg-3.lic",
    ]
    many = ["x." + "x." * i + "png" for i in range(9)] + ["X.png", "x.jpg", "x.PNG"]
    assert len({name.casefold() for name in named(*many)}) == len(many)


def test_a_file_that_exists_is_replaced_with_force_only(stream, tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(png_bytes(picture(40, 30)))
    (tmp_path / "a.lic").write_bytes(b"somebody's")
    (tmp_path / "s.lic").write_bytes(stream)
    command = ["compress", str(tmp_path / "a.png"), "-o", str(tmp_path / "a.lic")]
    assert main(command) == 1
    assert (tmp_path / "a.lic").read_bytes() == b"somebody's"
    assert "a.lic' exists already; --force replaces it." in capsys.readouterr().err
    assert main([*command, "--force"]) == 0 and (tmp_path / "a.lic").read_bytes()[:3] == b"LIC"
    before = (tmp_path / "a.png").read_bytes()
    assert main(["decompress", str(tmp_path / "s.lic"), "-o", str(tmp_path / "a.png")]) == 1
    assert main(["decompress", str(tmp_path), "-o", str(tmp_path)]) == 1  # beside the pictures that they were
    assert (tmp_path / "a.png").read_bytes() == before
    assert Image.open(tmp_path / "s.png").size == (48, 40)


def test_an_output_is_never_its_input(stream, tmp_path, capsys):
    photo, link, hard = tmp_path / "a.png", tmp_path / "b.lic", tmp_path / "c.lic"
    photo.write_bytes(png_bytes(picture(40, 30)))
    before = photo.read_bytes()
    link.symlink_to(photo)
    hard.hardlink_to(photo)
    for target in (link, hard):
        assert main(["compress", str(photo), "-o", str(target), "--force"]) == 2
        assert "is the input" in capsys.readouterr().err
    assert main(["compress", str(photo), "-o", str(photo), "--force"]) == 2
    assert photo.read_bytes() == before
    named = tmp_path / "stream.png"
    named.write_bytes(stream)
    assert main(["decompress", str(named), "-o", str(named), "--force"]) == 2
    assert named.read_bytes() == stream


@pytest.mark.parametrize("name", ["x.jpg", "x.JPEG", "x.webp", "x.lic", "x"])
def test_pictures_are_written_as_png_only(stream, tmp_path, name, capsys):
    (tmp_path / "s.lic").write_bytes(stream)
    assert main(["decompress", str(tmp_path / "s.lic"), "-o", str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert "written as PNG" in said and len(said.splitlines()) == 1 and not (tmp_path / name).exists()
    assert main(["decompress", str(tmp_path / "s.lic"), "-o", str(tmp_path / "x.PNG")]) == 0


def test_a_stream_is_not_named_as_a_picture(codec, tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(png_bytes(picture(40, 30)))
    assert main(["compress", str(tmp_path / "a.png"), "-o", str(tmp_path / "b.jpg")]) == 2
    assert "has to end in '.lic'" in capsys.readouterr().err and not (tmp_path / "b.jpg").exists()


def test_a_folder_goes_into_a_folder(codec, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(png_bytes(picture(40, 30)))
    (tmp_path / "file").write_text("x")
    for target in (str(tmp_path / "file"), "-", "/dev/stdout"):
        assert main(["compress", str(tmp_path / "in"), "-o", target]) == 2
        assert "OUT must be one too" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "x"


def test_a_fault_over_one_file_does_not_stop_the_others(codec, tmp_path, capsys, monkeypatch):
    from codec.pictures import load

    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(png_bytes(picture(40, 30)))
    faults, decoded = iter([RecursionError("deep"), MemoryError()]), load.decoded

    def broken(*arguments):
        for fault in faults:
            raise fault
        return decoded(*arguments)

    monkeypatch.setattr(load, "decoded", broken)
    assert main(["compress", str(tmp_path), "-o", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["c.lic"]
    assert "2 of 3 files failed:" in said and "a.png: RecursionError: deep" in said and "b.png: MemoryError" in said


# --- suffixes, and what is passed over --------------------------------------------------------------------


def test_odd_suffixes_are_taken(codec, tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    suffixes = ["jfif", "jpe", "hif", "heif", "mpo", "apng", "JPG", "Tif"]
    for i, suffix in enumerate(suffixes):
        kind = {"hif": "HEIF", "heif": "HEIF", "mpo": "MPO", "apng": "PNG", "tif": "TIFF"}.get(suffix.lower(), "JPEG")
        (folder / f"{i}.{suffix}").write_bytes(saved(picture(40, 30), kind))
    assert main(["compress", str(folder), "-o", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").iterdir())) == len(suffixes)
    assert "passed over" not in capsys.readouterr().err


@posix
def test_what_is_passed_over_is_counted_and_named(codec, tmp_path, capsys):
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.png").write_bytes(png_bytes(picture(40, 30)))
    for name in ("notes.txt", "._a.png", ".DS_Store", "sub/readme"):
        (folder / name).write_bytes(b"x")
    os.mkfifo(folder / "pipe.png")
    (folder / "there").symlink_to(folder / "sub")
    command = ["compress", str(folder), "-o", str(tmp_path / "out")]
    assert main(command) == 0  # none of these can be a picture
    said = capsys.readouterr().err
    assert "6 entries were passed over:" in said
    for name, reason in {
        "notes.txt": "not of a known suffix",
        "sub/readme": "not of a known suffix",
        "._a.png": "notes of an operating system",
        ".DS_Store": "notes of an operating system",
        "pipe.png": "not an ordinary file",
        "there": "a link to a folder",
    }.items():
        assert f"{folder / name}: {reason}" in said
    (folder / "gone.jpg").symlink_to(folder / "nowhere")
    assert main([*command, "--force"]) == 1  # this one was to be compressed
    said = capsys.readouterr().err
    assert "7 entries were passed over:" in said and "gone.jpg: a link that leads nowhere" in said


def test_a_long_list_of_what_is_passed_over_is_cut(tmp_path, codec, capsys):
    (tmp_path / "a.png").write_bytes(png_bytes(picture(40, 30)))
    for i in range(30):
        (tmp_path / f"{i}.txt").touch()
    assert main(["compress", str(tmp_path), "-o", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().err
    assert "30 entries were passed over:" in said and "and 10 more" in said


def test_nothing_to_do(tmp_path, capsys):
    assert main(["compress", str(tmp_path), "-o", str(tmp_path / "out")]) == 1
    (tmp_path / "a.txt").touch()
    assert main(["compress", str(tmp_path), "-o", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert said.count("There is nothing to compress") == 2 and "1 entry was passed over:" in said


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_said(codec, tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(png_bytes(picture(40, 30)))
    (tmp_path / "shut").mkdir(mode=0)
    assert main(["compress", str(tmp_path), "-o", str(tmp_path / "out")]) == 1
    assert "shut: the folder cannot be read: permission denied" in capsys.readouterr().err


# --- names and terminals ----------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("encoding", ["ascii", "cp1251", "cp437", "utf-8"])
def test_no_name_and_no_terminal_stops_a_folder(codec, tmp_path, monkeypatch, encoding):
    folder = tmp_path / "in"
    folder.mkdir()
    names = [b"plain.png", b"bytes\xff\xfe.png", b"escape\x1b[31m\n.png", "–λ×€.png".encode()]
    for name in names:
        with open(os.fsencode(folder) + b"/" + name, "wb") as file:
            file.write(png_bytes(picture(40, 30)))
    bad = folder / "bad\x1b]0;title\x07.png"
    bad.write_bytes(b"no picture")
    status, out, err = run(monkeypatch, "compress", folder, "-o", tmp_path / "out", encoding=encoding)
    assert status == 1 and len(os.listdir(tmp_path / "out")) == 4, err
    assert len(out.splitlines()) == 4 and b"1 of 5 files failed:" in err
    assert rb"bytes\xff\xfe.png" in out and rb"escape\x1b[31m\n.png" in out and rb"bad\x1b]0;title\x07.png" in err
    for arguments, wanted in (
        (["--help"], 0),
        (["compress", "--help"], 0),
        (["info", bad], 1),
        (["compress", "λ€"], 2),
    ):
        status, out, err = run(monkeypatch, *arguments, encoding=encoding)
        assert status == wanted and b"\x1b" not in out + err


# --- pipes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["-", "/dev/std"])
def test_standard_input_and_output(codec, stream, monkeypatch, name):
    source, target = (name, name) if name == "-" else ("/dev/stdin", "/dev/stdout")
    png = png_bytes(picture(48, 40))
    status, out, err = run(monkeypatch, "compress", source, "-o", target, given=png)
    assert status == 0 and out == stream and "standard input -> standard output: 48×40" in err.decode()
    status, out, err = run(monkeypatch, "decompress", source, "-o", target, given=stream)
    assert status == 0 and Image.open(io.BytesIO(out)).size == (48, 40)
    status, out, err = run(monkeypatch, "info", source, given=stream)
    assert status == 0 and json.loads(out)["bytes"] == len(stream)
    for command in (["compress", source, "-o", target], ["decompress", source, "-o", target], ["info", source]):
        for given in (b"neither", b""):
            status, out, err = run(monkeypatch, *command, given=given)
            assert status == 1 and out == b"" and len(err.splitlines()) == 1


@posix
def test_pipes_of_a_shell(codec, stream, tmp_path):
    (tmp_path / "a.png").write_bytes(png_bytes(picture(48, 40)))
    command = f"{sys.executable} -m codec"
    script = f"""
        cat {tmp_path}/a.png | {command} compress - -o /dev/stdout > {tmp_path}/a.lic
        {command} decompress <(cat {tmp_path}/a.lic) -o - | head -c 8 > {tmp_path}/head
    """
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, timeout=200, env=environment)
    assert (tmp_path / "a.lic").read_bytes() == stream, done.stderr
    assert (tmp_path / "head").read_bytes() == b"\x89PNG\r\n\x1a\n"
    assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr


@posix
def test_devices(codec, stream, tmp_path):
    (tmp_path / "s.lic").write_bytes(stream)
    assert main(["decompress", str(tmp_path / "s.lic"), "-o", "/dev/null"]) == 0
    assert not os.path.isfile("/dev/null")


# --- Python -----------------------------------------------------------------------------------------------


def test_decompress_takes_what_compress_takes(stream, tmp_path):
    path = tmp_path / "a.lic"
    path.write_bytes(stream)
    read_already = io.BytesIO(stream)
    read_already.read()
    expected = np.asarray(package.decompress(stream))
    with open(path, "rb") as file:
        for source in (path, str(path), bytearray(stream), memoryview(stream), read_already, file):
            assert (np.asarray(package.decompress(source)) == expected).all()
            assert package.info(source)["bytes"] == len(stream)


@pytest.mark.parametrize(
    "source, words",
    [
        (None, "'NoneType'"),
        (5, "'int'"),
        (np.zeros((4, 4, 3), np.uint8), "'ndarray'"),
        (io.StringIO("x"), "binary mode"),
        ("no such.lic", "There is no file 'no such.lic'."),
        (".", "'.' is a folder; choose a compressed stream in it."),
        ("/dev/zero", "not an ordinary file"),
        ("a\0b", "There is no file"),
        (b"", ""),
    ],
)
def test_what_is_no_stream_is_one_sentence(source, words):
    for function in (package.decompress, package.info):
        with pytest.raises(StreamError) as caught:
            function(source)
        assert words in str(caught.value) and str(caught.value).endswith(".") and "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, 0, "0.3", [0.3], 1j, True, np.zeros(3)])
def test_numbers_that_are_none_are_one_sentence(codec, stream, value):
    rgb = picture(40, 30)
    calls = [
        lambda: package.compress(rgb, lmbda=value),
        lambda: package.compress(rgb, bpp=value),
        lambda: package.decompress(stream, "hific", value),
    ]
    for call in calls[: 2 if isinstance(value, int) and value == 0 else 3]:  # realism may be 0
        with pytest.raises(CodecError) as caught:
            call()
        assert str(caught.value).endswith(".") and ". " not in str(caught.value)


@pytest.mark.parametrize("model", ["best", None, 3, ["mse"]])
def test_models_that_there_are_none_of(codec, stream, model):
    with pytest.raises(CodecError, match="There is no model"):
        package.compress(picture(40, 30), model)
    if model is not None:
        with pytest.raises(CodecError, match="There is no decoder"):
            package.decompress(stream, model)
