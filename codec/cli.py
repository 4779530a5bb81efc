"""The command line of the codec: compress, decompress and info. `python -m codec -h` lists all options."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from pathlib import Path

import numpy as np

import codec
from codec.errors import CodecError, ImageError, StreamError
from codec.paths import printable
from codec.pictures.batch import Job, check_engine, check_names, jobs, read_input, report, run_jobs, several
from codec.rate import bpp
from codec.spec import HISTORY, HISTORY_MAGIC, PICTURE_SUFFIXES, STREAM_SUFFIX, TUNES, quality_index
from codec.weights import default

EPILOG = """- as IN or OUT is the standard input or output. A file that exists is replaced with --force only, and OUT is
never IN itself. In a folder, inputs whose outputs would have the same name keep their suffixes in them (a.jpg.lic,
a.png.lic); whatever is passed over is named at the end. --resume goes on with a folder where a run was interrupted.
Exit status: 0 all done, 1 some input failed or could not be looked at, 2 wrong usage."""


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    top = argparse.ArgumentParser(prog="python -m codec", description="Learned image compression.", epilog=EPILOG)
    commands = top.add_subparsers(dest="command", required=True)
    compress = commands.add_parser("compress", help=f"pictures -> {STREAM_SUFFIX} streams", epilog=EPILOG)
    compress.add_argument("input", type=Path, metavar="IN", help="a picture, a folder of pictures, or -")
    compress.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="a stream, a folder, or -")
    compress.add_argument("--model", default="mse", help="the decoder the stream suggests (default: mse)")
    rate = compress.add_mutually_exclusive_group()
    rate.add_argument("--lambda", type=float, dest="lmbda", metavar="L", help="trade-off, 0.0005…0.0483 (0.0067)")
    rate.add_argument("--bpp", type=float, metavar="R", help="rate in bits per pixel, not exceeded")
    compress.add_argument("--refine", type=int, default=0, metavar="N", help="iterations of a slow search (0)")
    compress.add_argument("--tune", choices=TUNES, default=TUNES[0], help="what quality is to the search (psnr)")
    decompress = commands.add_parser("decompress", help=f"{STREAM_SUFFIX} streams -> PNG", epilog=EPILOG)
    decompress.add_argument("input", type=Path, metavar="IN", help=f"a {STREAM_SUFFIX} stream, a folder of them, or -")
    decompress.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="a PNG, a folder, or -")
    decompress.add_argument("--decoder", help="another decoder than the stream suggests")
    decompress.add_argument("--realism", type=float, metavar="T", help="0 (faithful) … 1 (realistic)")
    for command in (compress, decompress):
        command.add_argument("-f", "--force", action="store_true", help="replace files that exist")
        command.add_argument("--resume", action="store_true", help="leave out inputs whose outputs exist")
        command.add_argument("-j", "--jobs", type=int, default=1, metavar="N", help="processes for a folder (1)")
        command.add_argument("--engine", choices=("pool", "ray"), default="pool", help="where they run (pool)")
        command.add_argument("--address", help='a running Ray cluster, "auto" for one here; else Ray is started')
    info = commands.add_parser("info", help="header fields and sizes as JSON")
    info.add_argument("file", type=Path, metavar="FILE", help="a stream, or -")
    return top


def work():
    """The modules that load torch, imported with the first file: help and refusals do not wait for it."""
    from codec import api, device
    from codec.pictures import load

    return api, load, device


def compress_one(name: str, data: bytes, options: dict) -> list:
    """Codes the bytes of one picture file -> [the bytes of the stream, the line that reports it]."""
    api, load, device = work()
    image = load.load_image(data)
    height, width = image.rgb.shape[:2]
    wanted = (options[key] for key in ("model", "lmbda", "bpp", "refine", "tune"))
    with device.threads(options["threads"]):
        stream, at_top = api.compress_rgb(image.rgb, *wanted)
    size = f"{width}×{height}, {len(stream):,} bytes, {bpp(len(stream), width, height):.4f} bpp"
    return [stream, "  ".join([size, *image.notes, *(["This is the best quality there is."] if at_top else [])])]


def decompress_one(name: str, data: bytes, options: dict) -> list:
    """Decodes one stream -> [the bytes of a PNG, the line that reports it]."""
    api, load, device = work()
    with device.threads(options["threads"]):
        picture = api.decompress(data, options["decoder"], options["realism"])
    return [load.png_bytes(np.asarray(picture)), f"{picture.width}×{picture.height}"]


def main(argv: list[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):  # no name and no terminal may end a run
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")
    args = parser().parse_args(argv)
    try:
        return run_info(args) if args.command == "info" else run(args)
    except BrokenPipeError:  # the reader of the output has closed it
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def run_info(args) -> int:
    """Prints the header of a stream as JSON. Returns the exit status."""
    try:
        data = read_input(args.file, StreamError)
        described = work()[0].history().info(data) if data[:3] in HISTORY_MAGIC else codec.info(data)
        print(json.dumps(described, indent=2))
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
    wanted = [job for job in todo if not (args.resume and os.path.isfile(job.target))]
    function, kind = (compress_one, ImageError) if compressing else (decompress_one, StreamError)
    options = vars(args) | {"threads": 1 if several(args) else None}  # these travel to other processes
    failures = run_jobs(wanted, function, options, args, kind)
    lines = [f"There is nothing to {args.command} in '{printable(args.input)}'."] * (not todo) + report(others)
    if len(wanted) < len(todo):
        lines.append(f"{len(todo) - len(wanted)} of {len(todo)} outputs were there already.")
    if os.path.isdir(args.input) and failures:
        lines.append(f"{len(failures)} of {len(wanted)} files failed:")
    for line in [*lines, *failures]:
        print(line, file=sys.stderr)
    return 1 if failures or not todo or any(other.lost for other in others) else 0


def check_usage(args, todo: list[Job]) -> None:
    """Raises CodecError for arguments that no input could make right."""
    check_names(args.input, args.output, args.command == "compress", todo)
    check_engine(args)
    if args.command == "compress":
        if args.refine or args.tune != TUNES[0]:
            work()[0].refining().check(args.refine, args.tune)
        if args.model in HISTORY:
            work()[0].history().check(args.model, args.lmbda, args.refine)
        else:
            default().check_model(args.model)
        if args.lmbda is not None:
            quality_index(args.lmbda)
        if args.bpp is not None and not 0 < args.bpp < 100:
            raise CodecError(f"The target rate is {args.bpp:g} bpp; it must lie between 0 and 100.")
    else:
        default().check(args.decoder, args.realism)
