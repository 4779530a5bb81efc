"""Where the files lie that come with the code, and how a path is printed."""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent  # of a checkout


def shipped(name: str) -> Path:
    """The folder or file `name` ("weights", "docs/results.md"), of an installed package or of a checkout."""
    installed = PACKAGE / "_shipped" / name
    return installed if installed.exists() else ROOT / name


def printable(path: str | os.PathLike) -> str:
    """A path as it can be printed anywhere: bytes that are no Unicode and control characters are shown escaped."""
    return "".join(c if c.isprintable() else _escaped(c) for c in os.fsdecode(path))


def _escaped(c: str) -> str:
    is_byte = "\udc80" <= c <= "\udcff"  # as Python has the bytes of a name that are no Unicode
    return f"\\x{ord(c) - 0xDC00:02x}" if is_byte else c.encode("unicode_escape").decode()
