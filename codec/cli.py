"""The command line of the codec.

    python -m codec compress IN -o OUT [--model mse] [--lambda L | --bpp R] [--force]
    python -m codec decompress IN -o OUT.png [--decoder hific] [--realism 0.5] [--force]
    python -m codec info FILE

IN may be a folder; - is the standard input or output. A file that exists is replaced with --force only. Exit status:
0 all done, 1 some input failed or could not be looked at, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from codec.bitstream import info
from codec.errors import CodecError, ImageError, StreamError
from codec.paths import printable
from codec.pictures.batch import Job, check_free, check_names, is_output, jobs, read_input, report, titles, write_output
from codec.rate import bpp
from codec.spec import PICTURE_SUFFIXES, STREAM_SUFFIX, quality_index
from codec.weights import default

EPILOG = """- as IN or OUT is the standard input or output. A file that exists is replaced with --force only, and OUT is
never IN itself. In a folder, inputs whose outputs would have the same name keep their suffixes in them (a.jpg.lic,
a.png.lic); whatever is passed over is named at the end. Exit status: 0 all done, 1 some input failed or could not be
looked at, 2 wrong usage."""


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m codec", description="Learned image compression.", epilog=EPILOG)
    commands = top.add_subparsers(dest="command", required=True)
    compress = commands.add_parser("compress", help=f"pictures -> {STREAM_SUFFIX} streams", epilog=EPILOG)
    compress.add_argument("input", type=Path, metavar="IN", help="a picture, a folder of pictures, or -")
    compress.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="a stream, a folder, or -")
    compress.add_argument("--model", default="mse", help="the decoder the stream suggests (default: mse)")
    rate = compress.add_mutually_exclusive_group()
    rate.add_argument("--lambda", type=float, dest="lmbda", metavar="L", help="trade-off, 0.0005…0.0483 (0.0067)")
    rate.add_argument("--bpp", type=float, metavar="R", help="rate in bits per pixel, not exceeded")
    decompress = commands.add_parser("decompress", help=f"{STREAM_SUFFIX} streams -> PNG", epilog=EPILOG)
    decompress.add_argument("input", type=Path, metavar="IN", help=f"a {STREAM_SUFFIX} stream, a folder of them, or -")
    decompress.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="a PNG, a folder, or -")
    decompress.add_argument("--decoder", help="another decoder than the stream suggests")
    decompress.add_argument("--realism", type=float, metavar="T", help="0 (faithful) … 1 (realistic)")
    for command in (compress, decompress):
        command.add_argument("-f", "--force", action="store_true", help="replace files that exist")
    info = commands.add_parser("info", help="header fields and sizes as JSON")
    info.add_argument("file", type=Path, metavar="FILE", help="a stream, or -")
    return top


def work():
    """The modules that load torch, imported with the first file: help and refusals need not wait for it."""
    from codec import api
    from codec.pictures import load

    return api, load


def compress_file(job: Job, args) -> str:
    """Codes one picture; returns the line that reports it."""
    api, load = work()
    image = load.load_image(read_input(job.source, ImageError))
    height, width = image.rgb.shape[:2]
    coded, search = api.encode(image.rgb, model=args.model, lmbda=args.lmbda, bpp=args.bpp)
    rate = bpp(len(coded.data), width, height)
    if not search.reached:
        raise CodecError(f"{args.bpp:g} bpp cannot be reached: the least for this picture is {rate:.4f} bpp.")
    write_output(job.target, coded.data, args.force)
    notes = [*image.notes, *(["This is the best quality there is."] if search.at_top else [])]
    return "  ".join([f"{titles(job)}: {width}×{height}, {len(coded.data):,} bytes, {rate:.4f} bpp", *notes])


def decompress_file(job: Job, args) -> str:
    """Decodes one stream; returns the line that reports it."""
    api, load = work()
    picture = api.decompress(read_input(job.source, StreamError), args.decoder, args.realism)
    write_output(job.target, load.png_bytes(np.asarray(picture)), args.force)
    return f"{titles(job)}: {picture.width}×{picture.height}"


def run_jobs(todo: list[Job], do: Callable[[Job], str], args, out) -> list[str]:
    """Does all jobs, whatever becomes of any; reports each on the stream `out`. Returns the failures, a line each."""
    failures = []
    with tqdm(todo, unit="file", disable=not os.path.isdir(args.input)) as bar:
        for job in bar:
            try:
                check_free(job.target, args.force)
                if not is_output(job.target):
                    job.target.parent.mkdir(parents=True, exist_ok=True)
                tqdm.write(do(job), file=out)
            except CodecError as error:
                failures.append(f"{titles(job).partition(' -> ')[0]}: {error}")
            except BrokenPipeError:
                raise
            except OSError as error:
                failures.append(f"{printable(str(error.filename or job.target))}: {error.strerror or error}.")
            except Exception as error:  # a fault of ours over one file is not to stop a thousand others
                failures.append(f"{printable(job.source)}: {type(error).__name__}: {printable(str(error))}.")
    return failures


def main(argv: list[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):  # no name, and no terminal, is to end a run
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")
    args = parser().parse_args(argv)
    try:
        return run_info(args) if args.command == "info" else run(args)
    except BrokenPipeError:  # whoever reads our output has had enough
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def run_info(args) -> int:
    try:
        print(json.dumps(info(read_input(args.file, StreamError)), indent=2))
    except CodecError as error:
        print(f"{printable(args.file)}: {error}", file=sys.stderr)
        return 1
    return 0


def run(args) -> int:
    """Compresses or decompresses. Returns the exit status."""
    compressing = args.command == "compress"
    suffixes, new_suffix = (PICTURE_SUFFIXES, STREAM_SUFFIX) if compressing else (frozenset([STREAM_SUFFIX]), ".png")
    todo, others = jobs(args.input, args.output, suffixes, new_suffix)
    try:
        check_usage(args, todo)
    except CodecError as error:
        print(error, file=sys.stderr)
        return 2
    do = compress_file if compressing else decompress_file
    failures = run_jobs(todo, lambda job: do(job, args), args, sys.stderr if is_output(args.output) else sys.stdout)
    said = [f"There is nothing to {args.command} in '{printable(args.input)}'."] * (not todo) + report(others)
    if os.path.isdir(args.input) and failures:
        said.append(f"{len(failures)} of {len(todo)} files failed:")
    for line in [*said, *failures]:
        print(line, file=sys.stderr)
    return 1 if failures or not todo or any(other.lost for other in others) else 0


def check_usage(args, todo: list[Job]) -> None:
    """Raises CodecError for arguments that no input could make right."""
    check_names(args.input, args.output, args.command == "compress", todo)
    if args.command == "compress":
        default().check_model(args.model)
        if args.lmbda is not None:
            quality_index(args.lmbda)
        if args.bpp is not None and not 0 < args.bpp < 100:
            raise CodecError(f"The target rate is {args.bpp:g} bpp; it must lie between 0 and 100.")
    else:
        default().check(args.decoder, args.realism)
