"""The files of the command line: which are inputs, where outputs go, what is passed over; pipes in place of files."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import stat
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from codec.errors import CodecError
from codec.paths import printable
from codec.pictures import pool
from codec.pictures.sources import read_path, read_stream
from codec.spec import PICTURE_SUFFIXES, STREAM_SUFFIX
from codec.writing import atomic_write

INPUT = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
OUTPUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
NOTES_OF_SYSTEMS = (".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class PassedOver:
    """A file or folder that is no input. lost: whether an input may be among what could not be looked at."""

    path: Path
    reason: str
    lost: bool = False


def inputs_of(folder: Path, suffixes: Iterable[str]) -> tuple[list[Path], list[PassedOver]]:
    """The files below a folder that have one of the suffixes, and everything else, both in order."""
    wanted, inputs, others = set(suffixes), [], []

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
                inputs.append(path)
    return sorted(inputs), sorted(others, key=lambda other: other.path)


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


def report(others: list[PassedOver], count_named: int = 20) -> list[str]:
    """Lines that count what was passed over and name it, as far as that is of use."""
    if not others:
        return []
    count = len(others)
    lines = [f"{count} {'entry was' if count == 1 else 'entries were'} passed over:"]
    first = sorted(others, key=lambda other: not other.lost)[:count_named]
    lines += [f"{printable(other.path)}: {other.reason}" for other in first]
    return lines + [f"and {count - count_named} more"] * (count > count_named)


# --- jobs ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    source: Path
    target: Path


def titles(job: Job) -> str:
    source = "standard input" if is_input(job.source) else printable(job.source)
    target = "standard output" if is_output(job.target) else printable(job.target)
    return f"{source} -> {target}"


def jobs(source: Path, target: Path, suffixes: frozenset[str], new_suffix: str) -> tuple[list[Job], list]:
    """The jobs of a file, or of all in a folder that look like inputs; and what is passed over there."""
    if not os.path.isdir(source):
        if os.path.isdir(target):
            target = target / (("stdin" if is_input(source) else source.stem) + new_suffix)
        return [Job(source, target)], []
    files, others = inputs_of(source, suffixes)
    names = outputs_for([path.relative_to(source) for path in files], new_suffix)
    return [Job(path, target / name) for path, name in zip(files, names, strict=True)], others


def check_names(source: Path, target: Path, compressing: bool, todo: list[Job]) -> None:
    """Raises CodecError for outputs that would lose an input, or be something else than their name says."""
    if os.path.isdir(source):
        if os.path.isfile(target) or is_output(target):
            raise CodecError(f"'{printable(target)}' is no folder; where IN is a folder, OUT must be one too.")
    elif is_output(target):
        if sys.stdout.isatty():
            raise CodecError("The output is not for a terminal; send it to a file or a program.")
    elif os.path.isfile(target) or not os.path.exists(target):  # a folder or a device takes anything
        suffix = target.suffix.lower()
        if not compressing and suffix != ".png":
            raise CodecError(f"Pictures are written as PNG, so that '{printable(target)}' has to end in '.png'.")
        if compressing and suffix in PICTURE_SUFFIXES:
            raise CodecError(f"A stream is no picture, so that '{printable(target)}' has to end in '{STREAM_SUFFIX}'.")
    sources = {}
    for job in todo:
        with contextlib.suppress(OSError):
            status = os.stat(job.source)
            sources[status.st_dev, status.st_ino] = job.source
    for job in todo:
        with contextlib.suppress(OSError):
            status = os.stat(job.target)
            if os.path.isfile(job.target) and (same := sources.get((status.st_dev, status.st_ino))):
                raise CodecError(f"OUT '{printable(job.target)}' is the input '{printable(same)}' itself.")


# --- work ------------------------------------------------------------------------------------------------------


def check_engine(args: argparse.Namespace) -> None:
    """Raises CodecError for an engine that cannot run."""
    if args.jobs < 1:
        raise CodecError(f"--jobs is {args.jobs}; it must be at least 1.")
    if args.address and args.engine != "ray":
        raise CodecError("--address is that of a Ray cluster; add --engine ray.")
    if args.engine == "ray" and importlib.util.find_spec("ray") is None:
        raise CodecError("Ray is not installed: pip install -r requirements-ray.txt.")


def several(args: argparse.Namespace) -> bool:
    """Whether other processes than this one do the work."""
    return args.jobs > 1 or args.engine == "ray"


def run_jobs(
    todo: list[Job],
    function: Callable[[str, bytes, dict], list],
    options: dict,
    args: argparse.Namespace,
    kind: type[CodecError],
) -> list[str]:
    """Does all jobs, whatever becomes of any, and reports each. Returns the failures, a line each.

    function(name, data, options) gives the bytes of the output and the line that reports it. `kind` is what an input
    that cannot be read raises.
    """
    jobs_of, free, failures = {str(job.source): job for job in todo}, [], []
    for job in todo:
        try:
            check_free(job.target, args.force)
            free.append((str(job.source), options))
        except CodecError as error:
            failures.append(f"{source_title(job)}: {error}")
    engine, out = args.engine if several(args) else "here", sys.stderr if is_output(args.output) else sys.stdout
    outcomes = pool.run(function, free, engine, args.jobs, args.address, lambda path: read_input(path, kind))
    bar = tqdm(outcomes, total=len(free), unit="file", disable=not os.path.isdir(args.input))
    for (source, _), result, error in bar:
        job = jobs_of[source]
        try:
            if error:
                raise error
            data, line = result
            if not is_output(job.target):
                job.target.parent.mkdir(parents=True, exist_ok=True)
            write_output(job.target, data, args.force)
            tqdm.write(f"{titles(job)}: {line}", file=out)
        except CodecError as error:
            failures.append(f"{source_title(job)}: {error}")
        except BrokenPipeError:
            raise
        except OSError as error:
            failures.append(f"{printable(str(error.filename or job.target))}: {error.strerror or error}.")
        except Exception as error:  # a fault of ours over one file is not to stop a thousand others
            failures.append(f"{printable(job.source)}: {type(error).__name__}: {printable(str(error))}.")
    return failures


def source_title(job: Job) -> str:
    return titles(job).partition(" -> ")[0]


# --- reading and writing ---------------------------------------------------------------------------------------


def is_input(path: Path) -> bool:
    return os.fspath(path) in INPUT


def is_output(path: Path) -> bool:
    return os.fspath(path) in OUTPUT


def read_input(path: Path, error: type[CodecError]) -> bytes:
    """The bytes of a file, of a pipe or of the standard input. Raises `error` with a sentence."""
    if is_input(path):
        return read_stream(Pipe(sys.stdin.buffer), error)
    if (
        os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)
    ):  # a pipe that the caller names is meant
        with open(path, "rb") as stream:
            return read_stream(Pipe(stream), error)
    return read_path(path, error)


@dataclass
class Pipe:
    """A stream that is read from where it is."""

    stream: object

    def read(self, count: int) -> bytes:
        return self.stream.read(count)


def write_output(path: Path, data: bytes, force: bool) -> None:
    """Raises CodecError where the file exists already or cannot be written."""
    if is_output(path):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    check_free(path, force)
    atomic_write(path, data)


def check_free(path: Path, force: bool) -> None:
    if os.path.isfile(path) and not force and not is_output(path):
        raise CodecError(f"The file '{printable(path)}' exists already; --force replaces it.")
