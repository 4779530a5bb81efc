"""Folders on the command line: several processes, a cluster that loses a node, going on after an interruption."""

import threading
import time

import pytest
from conftest import picture
from PIL import Image

from codec.cli import main
from codec.pictures import pool


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five pictures, one in a folder below, and two files that cannot be read."""
    root = tmp_path_factory.mktemp("in")
    (root / "below").mkdir()
    for i in range(5):
        path = root / "below" / "4.png" if i == 4 else root / f"{i}.png"
        Image.fromarray(picture(90 + i, 70, seed=i)).save(path)
    (root / "cut.png").write_bytes((root / "0.png").read_bytes()[:200])
    (root / "text.jpg").write_text("no picture")
    return root


def contents(out):
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.*")}


def test_several_processes_write_what_one_writes(folder, tmp_path, codec, capsys):
    one, two = tmp_path / "one", tmp_path / "two"
    assert main(["compress", str(folder), "-o", str(one), "--bpp", "0.9"]) == 1
    capsys.readouterr()
    assert main(["compress", str(folder), "-o", str(two), "--bpp", "0.9", "--jobs", "2"]) == 1
    captured = capsys.readouterr()
    assert contents(one) == contents(two) and set(contents(one)) == {*(f"{i}.lic" for i in range(4)), "below/4.lic"}
    assert len(captured.out.splitlines()) == 5 and "2 of 7 files failed:" in captured.err
    assert "cut.png: " in captured.err and "text.jpg: " in captured.err
    back, again = tmp_path / "back", tmp_path / "again"
    assert main(["decompress", str(one), "-o", str(back)]) == 0
    assert main(["decompress", str(one), "-o", str(again), "-j", "2"]) == 0
    assert contents(back) == contents(again) and len(contents(back)) == 5


def test_an_interrupted_folder_is_resumed(folder, tmp_path, codec, monkeypatch, capsys):
    out, run = tmp_path / "out", pool.run

    def interrupted(*arguments):
        outcomes = run(*arguments)
        yield next(outcomes)
        yield next(outcomes)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(pool, "run", interrupted)
        main(["compress", str(folder), "-o", str(out)])
    before = contents(out)
    assert 0 < len(before) <= 2
    assert main(["compress", str(folder), "-o", str(out)]) == 1  # nothing is replaced
    assert "exists already" in capsys.readouterr().err and before.items() <= contents(out).items()
    for path in out.rglob("*.lic"):
        if path.relative_to(out).as_posix() not in before:
            path.unlink()
    assert main(["compress", str(folder), "-o", str(out), "--resume"]) == 1
    assert f"{len(before)} of 7 outputs were there already." in capsys.readouterr().err
    assert len(contents(out)) == 5 and before.items() <= contents(out).items()


@pytest.mark.parametrize(
    "options,why",
    [(["--jobs", "0"], "at least 1"), (["--address", "auto"], "add --engine ray"), (["-j", "x"], "invalid")],
)
def test_impossible_options_are_refused(folder, tmp_path, options, why, capsys):
    try:
        status = main(["compress", str(folder), "-o", str(tmp_path / "out"), *options])
    except SystemExit as stop:
        status = stop.code
    assert status == 2 and why in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_cluster_that_loses_a_node_does_everything(folder, tmp_path, codec, monkeypatch, capsys):
    pytest.importorskip("ray", reason="Ray is not installed (pip install -r requirements-ray.txt)")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    one, out, cluster = tmp_path / "one", tmp_path / "out", Cluster()
    cluster.add_node(num_cpus=1, include_dashboard=False, object_store_memory=128 << 20)
    second = cluster.add_node(num_cpus=1, object_store_memory=128 << 20)
    many = tmp_path / "many"
    many.mkdir()
    for i in range(12):
        Image.fromarray(picture(300, 200, seed=i)).save(many / f"{i}.png")

    def lose():
        while not list(out.rglob("*.lic")):
            time.sleep(0.05)
        cluster.remove_node(second, allow_graceful=False)

    killer = threading.Thread(target=lose)
    killer.start()
    try:
        options = ["--engine", "ray", "--address", cluster.address]
        assert main(["compress", str(many), "-o", str(out), *options]) == 0, capsys.readouterr().err
    finally:
        killer.join()
        cluster.shutdown()
    assert main(["compress", str(many), "-o", str(one)]) == 0
    assert contents(out) == contents(one) and len(contents(out)) == 12
