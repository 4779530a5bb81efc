"""The command line of the codec.

    python -m codec compress IN -o OUT [--model mse] [--lambda L | --bpp R]
    python -m codec decompress IN -o OUT.png [--decoder hific] [--realism 0.5]
    python -m codec info FILE

IN may be a folder. Exit status: 0 all done, 1 some input failed, 2 wrong usage.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from codec.bitstream import info
from codec.errors import CodecError, StreamError
from codec.paths import atomic_write
from codec.rate import bpp
from codec.spec import PICTURE_SUFFIXES, STREAM_SUFFIX, quality_index
from codec.weights import default


def work():
    """The modules that load torch, imported with the first file: help and refusals need not wait for it."""
    from codec import api
    from codec.pictures import load

    return api, load


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m codec", description="Learned image compression.")
    commands = top.add_subparsers(dest="command", required=True)
    compress = commands.add_parser("compress", help=f"pictures -> {STREAM_SUFFIX} streams")
    compress.add_argument("input", type=Path, metavar="IN", help="a picture, or a folder of pictures")
    compress.add_argument("-o", "--output", type=Path, required=True, metavar="OUT")
    compress.add_argument("--model", default="mse", help="the decoder the stream suggests (default: mse)")
    rate = compress.add_mutually_exclusive_group()
    rate.add_argument("--lambda", type=float, dest="lmbda", metavar="L", help="trade-off, 0.0005…0.0483 (0.0067)")
    rate.add_argument("--bpp", type=float, metavar="R", help="rate in bits per pixel, not exceeded")
    decompress = commands.add_parser("decompress", help=f"{STREAM_SUFFIX} streams -> PNG")
    decompress.add_argument("input", type=Path, metavar="IN", help=f"a {STREAM_SUFFIX} stream, or a folder of them")
    decompress.add_argument("-o", "--output", type=Path, required=True, metavar="OUT")
    decompress.add_argument("--decoder", help="another decoder than the stream suggests")
    decompress.add_argument("--realism", type=float, metavar="T", help="0 (faithful) … 1 (realistic)")
    info = commands.add_parser("info", help="header fields and sizes as JSON")
    info.add_argument("file", type=Path, metavar="FILE")
    return top


def read_file(path: Path) -> bytes:
    """The bytes of a stream file. Raises StreamError with a sentence where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise StreamError(f"The file '{path}' cannot be read: {(error.strerror or str(error)).lower()}.") from None


def compress_file(source: Path, target: Path, args) -> str:
    """Codes one picture; returns the line that reports it."""
    api, load = work()
    image = load.load_image(source)
    height, width = image.rgb.shape[:2]
    coded, search = api.encode(image.rgb, model=args.model, lmbda=args.lmbda, bpp=args.bpp)
    rate = bpp(len(coded.data), width, height)
    if not search.reached:
        raise CodecError(f"{args.bpp:g} bpp cannot be reached: the least for this picture is {rate:.4f} bpp.")
    atomic_write(target, coded.data)
    notes = [*image.notes, *(["This is the best quality there is."] if search.at_top else [])]
    line = f"{source} -> {target}: {width}×{height}, {len(coded.data):,} bytes, {rate:.4f} bpp"
    return line + "".join(f"  {note}" for note in notes)


def decompress_file(source: Path, target: Path, args) -> str:
    """Decodes one stream; returns the line that reports it."""
    api, load = work()
    picture = api.decompress(read_file(source), args.decoder, args.realism)
    load.save_png(np.asarray(picture), target)
    return f"{source} -> {target}: {picture.width}×{picture.height}"


def jobs(source: Path, target: Path, suffixes: set[str], new_suffix: str) -> list[tuple[Path, Path]]:
    """(input, output) pairs: one for a file, and all that look like inputs for a folder."""
    if not source.is_dir():
        if target.is_dir():
            target = target / (source.stem + new_suffix)
        return [(source, target)]
    files = sorted(p for p in source.rglob("*") if p.suffix.lower() in suffixes and p.is_file())
    stems = [p.relative_to(source).with_suffix("") for p in files]
    # Two inputs that differ in their suffix only keep it in their output's name.
    twice = {s for s in stems if stems.count(s) > 1}
    return [
        (p, target / (s.with_name(p.name + new_suffix) if s in twice else s.with_name(s.name + new_suffix)))
        for p, s in zip(files, stems, strict=True)
    ]


def run_jobs(pairs: list[tuple[Path, Path]], work: Callable[[Path, Path], str], folder: bool) -> int:
    """Does all jobs; reports failures at the end. Returns the exit status."""
    failures = []
    with tqdm(pairs, unit="file", disable=not folder) as bar:
        for source, target in bar:
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                line = work(source, target)
                tqdm.write(line, file=sys.stdout) if folder else print(line)
            except CodecError as error:
                failures.append(f"{source}: {error}")
            except OSError as error:
                failures.append(f"{error.filename or target}: {error.strerror or error}.")
    if folder and failures:
        print(f"{len(failures)} of {len(pairs)} files failed:", file=sys.stderr)
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    if args.command == "info":
        try:
            print(json.dumps(info(read_file(args.file)), indent=2))
        except CodecError as error:
            print(f"{args.file}: {error}", file=sys.stderr)
            return 1
        return 0
    if args.command == "compress":
        pairs, work = jobs(args.input, args.output, PICTURE_SUFFIXES, STREAM_SUFFIX), compress_file
    else:
        pairs, work = jobs(args.input, args.output, {STREAM_SUFFIX}, ".png"), decompress_file
    folder = args.input.is_dir()
    if folder and args.output.is_file():
        print(f"'{args.output}' is a file; where IN is a folder, OUT must be one too.", file=sys.stderr)
        return 2
    if folder and not pairs:
        print(f"There is nothing to {args.command} in '{args.input}'.", file=sys.stderr)
        return 1
    try:
        check_usage(args)
    except CodecError as error:
        print(error, file=sys.stderr)
        return 2
    return run_jobs(pairs, lambda source, target: work(source, target, args), folder)


def check_usage(args) -> None:
    """Raises CodecError for arguments that no input could make right."""
    if args.command == "compress":
        default().check_model(args.model)
        if args.lmbda is not None:
            quality_index(args.lmbda)
        if args.bpp is not None and not 0 < args.bpp < 100:
            raise CodecError(f"The target rate is {args.bpp:g} bpp; it must lie between 0 and 100.")
    else:
        default().check(args.decoder, args.realism)
