"""The tests under other Pythons and other versions of the packages, each in a venv of its own that is removed again.

    python -m tests.versions python3.10:oldest python3.13 --out results/versions.json

A name is an interpreter's; `:oldest` takes the lower bound of every line of requirements.txt, otherwise pip takes what
is newest. Needs a package index and some 6 GB of disk for as long as it runs. Adds to the file.
"""

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: What touches the interpreter and the libraries most: bytes, exactness, pictures, and the page in a browser.
TESTS = ["bitstream", "codec", "decoders", "entropy", "images", "machines", "metrics", "page", "reading", "weights"]
PACKAGES = ["torch", "numpy", "gradio", "pillow", "constriction", "safetensors"]
VERSIONS = "import importlib.metadata as m, sys; print(*[m.version(p) for p in sys.argv[1:]])"


def oldest(requirements: str) -> list[str]:
    """["name==lower bound", …] from the lines of a requirements.txt.

    >>> oldest("numpy>=1.26  # arrays\\n# a comment\\ngradio>=6.31,<7")
    ['numpy==1.26', 'gradio==6.31']
    """
    return [f"{name}=={version}" for name, version in re.findall(r"^([\w-]+)>=([\d.]+)", requirements, re.M)]


def tried(interpreter: str, old: bool, tests: list[str]) -> dict:
    """What pytest counts there. Raises CalledProcessError where pip cannot install the packages."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([interpreter, "-m", "venv", folder], check=True)
        python = f"{folder}/bin/python"
        wanted = oldest((ROOT / "requirements.txt").read_text()) if old else []
        pip = [python, "-m", "pip", "install", "-q", "--no-cache-dir", *wanted]
        lists = [arg for name in ("", "-train", "-dev") for arg in ("-r", str(ROOT / f"requirements{name}.txt"))]
        subprocess.run([*pip, *lists], check=True)
        ran = subprocess.run(
            [python, "-m", "pytest", "-p", "no:cacheprovider", *[f"tests/test_{t}.py" for t in tests]],
            cwd=ROOT, capture_output=True, text=True,
        )  # fmt: skip
        if ran.returncode:
            print(ran.stdout[-6000:], ran.stderr[-2000:], file=sys.stderr)
        counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped|error)", ran.stdout)}
        output = [python, "-c", VERSIONS, *PACKAGES]
        found = subprocess.run(output, check=True, capture_output=True, text=True).stdout.split()
        version = subprocess.run([python, "-V"], check=True, capture_output=True, text=True).stdout.split()[1]
        return {"python": version, "packages": dict(zip(PACKAGES, found, strict=True)), "tests": tests, **counts}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.versions", description=__doc__)
    parser.add_argument("interpreters", nargs="+", metavar="PYTHON[:oldest]")
    parser.add_argument("--tests", nargs="+", default=TESTS, help="modules of tests/, without test_")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    results = json.loads(given.out.read_text()) if given.out and given.out.exists() else {}
    for name in given.interpreters:
        interpreter, _, which = name.partition(":")
        found = tried(interpreter, which == "oldest", given.tests) | {"machine": platform.machine()}
        results[f"{'.'.join(found['python'].split('.')[:2])}{', oldest packages' if which else ''}"] = found
        print(json.dumps(found), flush=True)
        if given.out:
            given.out.write_text(json.dumps(results, indent=1) + "\n")
    sys.exit(any("passed" not in found or found.keys() & {"failed", "error"} for found in results.values()))


if __name__ == "__main__":
    main()
