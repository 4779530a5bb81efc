"""Which files of a folder are inputs, where their outputs go, and what is passed over. No file is opened."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from codec.paths import printable

STREAM_SUFFIX = ".lic"
PICTURE_SUFFIXES = frozenset(
    ".png .apng .jpg .jpeg .jpe .jfif .mpo .webp .avif .tif .tiff .bmp .gif .heic .heif .hif".split()  # noqa: SIM905
)
NOTES_OF_SYSTEMS = (".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class PassedOver:
    """A file or folder that is no input. lost: whether an input may be among what could not be looked at."""

    path: Path
    reason: str
    lost: bool = False


def inputs_of(folder: Path, suffixes: Iterable[str]) -> tuple[list[Path], list[PassedOver]]:
    """The files below a folder that have one of the suffixes, and everything else, both in order."""
    wanted, found, others = set(suffixes), [], []

    def unreadable(error: OSError) -> None:
        reason = (error.strerror or str(error)).lower()
        others.append(PassedOver(Path(error.filename), f"the folder cannot be read: {reason}", lost=True))

    for root, folders, names in os.walk(folder, onerror=unreadable):
        folders.sort()
        for name in folders:
            if (path := Path(root, name)).is_symlink():  # it may lead back to where we are
                others.append(PassedOver(path, "a link to a folder"))
        for name in names:
            path = Path(root, name)
            reason, lost = refusal(path, wanted)
            if reason:
                others.append(PassedOver(path, reason, lost))
            else:
                found.append(path)
    return sorted(found), sorted(others, key=lambda other: other.path)


def refusal(path: Path, suffixes: set[str]) -> tuple[str, bool]:
    """Why a file is no input, empty if it is one; and whether an input may be lost."""
    if path.name.startswith("._") or path.name in NOTES_OF_SYSTEMS:
        return "notes of an operating system", False
    if path.suffix.lower() not in suffixes:
        return "not of a known suffix", False
    try:
        ordinary = stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return "a link that leads nowhere", True
    except OSError as error:
        return (error.strerror or str(error)).lower(), True
    return ("", False) if ordinary else ("not an ordinary file", False)


def outputs_for(sources: list[Path], suffix: str) -> list[Path]:
    """A name for the output of each of the relative paths `sources`; no two are the same.

    `photo.jpg` becomes `photo.lic`. Where another input wants the same name, it keeps its own suffix (`photo.jpg.lic`),
    and gets a number where even that is taken. Names that differ in their capitals only count as the same: on many
    systems they are one file.
    """
    names = [source.with_name(source.stem + suffix) for source in sources]
    full = [source.with_name(source.name + suffix) for source in sources]
    while True:
        taken = Counter(map(folded, names))
        longer = [i for i, name in enumerate(names) if taken[folded(name)] > 1 and name != full[i]]
        if not longer:
            break
        for i in longer:
            names[i] = full[i]
    used: set[str] = set()
    for i, name in enumerate(names):
        number = 1
        while folded(names[i]) in used or (number > 1 and folded(names[i]) in taken):
            number += 1
            names[i] = name.with_name(f"{sources[i].name}-{number}{suffix}")
        used.add(folded(names[i]))
    return names


def folded(path: Path) -> str:
    return os.fspath(path).casefold()


def report(others: list[PassedOver], shown: int = 20) -> list[str]:
    """Lines that count what was passed over and name it, as far as that is of use."""
    if not others:
        return []
    count = len(others)
    lines = [f"{count} {'entry was' if count == 1 else 'entries were'} passed over:"]
    first = sorted(others, key=lambda other: not other.lost)[:shown]
    lines += [f"{printable(other.path)}: {other.reason}" for other in first]
    return lines + [f"and {count - shown} more"] * (count > shown)
