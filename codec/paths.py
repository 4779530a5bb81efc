"""Where the files lie that come with the code: inside the package once it is installed, beside it in a checkout."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent  # of a checkout


def shipped(name: str) -> Path:
    """The folder or file `name` ("weights", "docs/results.md")."""
    installed = PACKAGE / "_shipped" / name
    return installed if installed.exists() else ROOT / name
