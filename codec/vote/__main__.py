"""Command line: `python -m codec.vote make-set | coverage`."""

import argparse
import json
import sys
from pathlib import Path

from codec.errors import CodecError
from codec.pictures.load import load_image
from codec.vote import prepare, sets, simulate
from codec.vote.presets import PRESETS, Preset
from codec.writing import atomic_write


def parser() -> argparse.ArgumentParser:
    main = argparse.ArgumentParser(prog="python -m codec.vote", description=__doc__)
    commands = main.add_subparsers(dest="command", required=True)
    command = commands.add_parser("make-set", help="code images at equal sizes and freeze a crop of each")
    command.add_argument("images", type=Path, nargs="+")
    command.add_argument("--preset", choices=PRESETS, default="codecs")
    command.add_argument("--methods", help="instead of a preset's: names with commas, as in jpeg,mse,hific@0.5")
    command.add_argument("--out", type=Path, required=True, help="the ZIP file")
    command = commands.add_parser("coverage", help="how often the 95 % intervals hold the truth in simulated rooms")
    command.add_argument("--rooms", type=int, default=1000)
    command.add_argument("--voters", type=int, nargs="+", default=[12, 30])
    command.add_argument("--out", type=Path, required=True, help="the JSON file")
    return main


def cover(args: argparse.Namespace) -> None:
    command = f"python -m codec.vote {' '.join(sys.argv[1:])}"
    rows = []
    for scenario in simulate.SCENARIOS:
        for voters in args.voters:
            rows.append(simulate.coverage(args.rooms, voters, scenario))
            print(json.dumps(rows[-1]), flush=True)
    truth = {"strengths": simulate.STRENGTHS.tolist(), "nu": simulate.NU, "spread": simulate.SPREAD}
    text = json.dumps({"command": command, **truth, "coverage": rows}, indent=1)
    atomic_write(args.out, f"{text}\n".encode())


def make_set(args: argparse.Namespace) -> None:
    images = [(path.stem, load_image(path).rgb) for path in args.images]
    name, preset = args.preset, PRESETS[args.preset]
    if args.methods:
        name, preset = "custom", Preset(tuple(args.methods.split(",")))
    voted = prepare.prepare(images, name, preset)
    atomic_write(args.out, sets.write(voted, method=6))
    for image in voted.images:
        print(image["name"], {key: rendition["bytes"] for key, rendition in image["renditions"].items()})
    print(f"{args.out}: {args.out.stat().st_size:,} bytes")


def main() -> int:
    args = parser().parse_args()
    try:
        {"make-set": make_set, "coverage": cover}[args.command](args)
    except CodecError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
