"""Command line of the training, each command with --help:

python -m codec.training train | export                      the trunk with its mse decoder
python -m codec.training decoder | export-decoder            another decoder on that trunk, which stays frozen
python -m codec.training mix                                 average the weights of several runs
python -m codec.training follow                              transfer all decoders to a trunk trained further
python -m codec.training plot | check                        progress; speed of a machine
python -m codec.training pages | pack | sprint               generated images; data for a lent GPU; ten minutes on it
"""

import argparse
import dataclasses
import importlib
import os
import sys
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

from codec.training import decoders, sprint, trunk
from codec.training.data import DATA


def add_settings(parser: argparse.ArgumentParser, settings: type, defaults: dict) -> None:
    """An option for every field of a dataclass; those without a default there or in `defaults` must be given."""
    for field in dataclasses.fields(settings):
        default = defaults.get(field.name, None if field.default is dataclasses.MISSING else field.default)
        flag = "--" + field.name.replace("_", "-")
        if field.type in (bool, "bool"):
            parser.add_argument(flag, action="store_true")
        else:
            kind = type(default) if default is not None else str
            parser.add_argument(flag, type=kind, default=default, required=default is None)


def recipe(path: str) -> dict:
    """The options in a TOML file. Raises ArgumentTypeError where it is missing, or names others than a decoder has."""
    try:
        options = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"'{path}' cannot be read as TOML: {error}") from None
    if strange := options.keys() - {field.name for field in dataclasses.fields(decoders.Settings)}:
        raise argparse.ArgumentTypeError(f"'{path}' has options that a decoder has not: {', '.join(sorted(strange))}")
    return options


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m codec.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    root = os.environ.get("CODEC_DATA", "")
    defaults = {
        "data": os.path.join(root, "train") if root else None,
        "validation": os.path.join(root, "cid22-validation") if root else None,
        "backbones": os.environ.get("CODEC_BACKBONES", ""),
        "init": "weights",
    }

    def add(name: str, text: str, *folders: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        for folder in folders:
            command.add_argument(f"--{folder}", default=defaults[folder], required=defaults[folder] is None)
        return command

    train = add("train", "train the trunk and its mse decoder, or resume")
    add_settings(train, trunk.Settings, defaults | {"run": "runs/trunk", "init": ""})
    decoder = add("decoder", "train a decoder on the frozen trunk of --init, or resume")
    decoder.add_argument("--recipe", type=recipe, default={}, help="a TOML file of options, as in weights/recipes")
    add_settings(decoder, decoders.Settings, defaults | {"decoder": ""})
    export = add("export", "write a trunk's checkpoint as shipped weights", "data", "validation")
    export.add_argument("--checkpoint", default="runs/trunk/best.pt")
    export.add_argument("--out", default="weights")
    export.add_argument("--device", default="cpu")
    export.add_argument("--eight-bit", action="store_true", help="store the decoder in 8 bits")
    one = add("export-decoder", "add a decoder's checkpoint to the shipped weights", "validation")
    one.add_argument("--checkpoint", required=True)
    one.add_argument("--out", default="weights")
    one.add_argument("--name", default="", help="name of the decoder; default: as trained")
    one.add_argument("--partner", default="", help="fidelity decoder to interpolate with; default: the recipe's")
    one.add_argument("--images", type=int, default=0, help="number of images to measure; default: all")
    one.add_argument("--device", default="cpu")
    one.add_argument("--data", default=DATA, help="what it was trained on, in words")
    mix = add("mix", "average decoders' weights: a checkpoint to export or to start from")
    mix.add_argument("terms", nargs="+", metavar="SOURCE=SHARE", help="a checkpoint, a decoder's NAME, or FOLDER/NAME")
    mix.add_argument("--out", required=True)
    mix.add_argument("--weights", default="weights", help="folder of the decoders that are named")
    follow = add("follow", "transfer decoders to a trunk that was trained further", "validation")
    follow.add_argument("--checkpoint", default="runs/trunk/best.pt", help="of the new trunk, before its export")
    follow.add_argument("--before", required=True, help="weights folder with the decoders")
    follow.add_argument("--out", default="weights", help="weights folder with the new trunk")
    follow.add_argument("--images", type=int, default=0, help="number of images to measure; default: all")
    follow.add_argument("--device", default="cpu")
    plot = add("plot", "draw a run's progress as an HTML page")
    plot.add_argument("--run", default="runs/trunk")
    plot.add_argument("--out", default="progress.html")
    check = add("check", "time a decoder's training; on CUDA, check that CPU and GPU decode the same")
    add_settings(check, decoders.Settings, defaults | {"decoder": "hific-nogan", "steps": 10})
    pack = add("pack", "copy data and backbones into one small folder", "data", "validation", "backbones")
    pack.add_argument("--out", default="data/pack")
    pack.add_argument("--mib", default="40", help="size of each part, separated by commas")
    pack.add_argument("--images", type=int, default=12, help="number of validation images")
    pack.add_argument("--eight-bit", action="store_true", help="store the backbones in 8 bits")
    page = add("pages", "draw training images of text, user interfaces, charts, line art and comics")
    page.add_argument("--out", required=True)
    page.add_argument("--count", type=int, default=60)
    page.add_argument("--seed", type=int, default=0)
    page.add_argument("--size", default="768x768", help="width and height in pixels")
    page.add_argument("--fonts", nargs="*", help="folders or files; default: the system's fonts")
    page.add_argument("--photos", default="", help="folder of images to show in pages")
    quick = add("sprint", "check a GPU, then train the trunk and all decoders on it by the clock")
    add_settings(quick, sprint.Settings, {})

    args = vars(parser.parse_args())
    command = args.pop("command")
    if command == "train":
        trunk.train(trunk.Settings(**args))
        return 0
    if command == "decoder":
        if given := args.pop("recipe"):  # what stands on the command line wins
            decoder.set_defaults(**given)
            args = vars(decoder.parse_args(sys.argv[2:])) | {"recipe": None}
            args.pop("recipe")
        if not args["decoder"]:
            decoder.error("name a decoder with --decoder, or a file with --recipe")
        decoders.Trainer(decoders.Settings(**args)).run()
        return 0
    if command == "sprint":
        return 0 if sprint.sprint(sprint.Settings(**args)) else 1
    # The modules of the others need packages that a machine for training may not have.
    module, function = {
        "check": ("check", "check"),
        "export": ("export", "export"),
        "export-decoder": ("export_decoder", "export_decoder"),
        "follow": ("export_decoder", "follow"),
        "mix": ("mixture", "mix"),
        "pack": ("pack", "pack"),
        "pages": ("pages", "pages"),
        "plot": ("plot", "plot"),
    }[command]
    work = getattr(importlib.import_module(f"codec.training.{module}"), function)
    if command == "check":
        return 0 if work(decoders.Settings(**args), args["steps"]) else 1
    work(**args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
