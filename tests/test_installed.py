"""`pip install .` gives a package that works away from the checkout: with its weights, results and the page's files."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import picture
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
NEEDED = ("codec", "weights", "results", "docs", "pyproject.toml", "setup.py", "README.md", "LICENSE", "requirements*")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Runs a program of the installed package, in a folder of its own. setuptools builds in a copy of the checkout."""
    pytest.importorskip("setuptools", minversion="77", reason="setuptools is not installed")
    folder = tmp_path_factory.mktemp("installed")
    tracked = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *NEEDED]
    listed = subprocess.run(tracked, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    for name in (n for n in listed if (ROOT / n).exists()):
        (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "source" / name).symlink_to(ROOT / name)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(folder / "site"), str(folder / "source")], check=True)

    def run(*command: str) -> str:
        environment = {k: v for k, v in os.environ.items() if k != "CODEC_WEIGHTS"} | {"PYTHONPATH": "site"}
        return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout

    return run


def test_the_console_script_codes_and_decodes(installed, tmp_path):
    source, stream, decoded = (str(tmp_path / name) for name in ("a.png", "a.lic", "b.png"))
    Image.fromarray(picture(64, 80)).save(source)
    script = "site/bin/learned-image-codec"
    installed(sys.executable, script, "compress", source, "-o", stream, "--bpp", "0.5")
    installed(sys.executable, script, "decompress", stream, "-o", decoded, "--decoder", "texture")
    with Image.open(decoded) as image:
        assert image.size == (64, 80)


def test_the_page_finds_its_files(installed):
    program = "import codec, codec.results, codec.ui; codec.ui.build(); "
    program += "print(codec.__file__, len(codec.results.kodak()), len(codec.results.tables()))"
    where, curves, tables = installed(sys.executable, "-c", program).split()[-3:]
    assert Path(where).parts[-3] == "site" and int(curves) >= 5 and int(tables) > 1000
