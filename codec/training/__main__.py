"""Command line of the training, each command with --help:

python -m codec.training train | export                      the trunk with its mse decoder
python -m codec.training decoder | export-decoder            another decoder on that trunk, frozen
python -m codec.training mix                                 a mean of decoders' checkpoints
python -m codec.training follow                              the decoders of one trunk for the next
python -m codec.training plot | check | pack                 progress; a machine's speed; data for another machine
python -m codec.training pages                               pictures of text, screens, charts and line art
"""

import argparse
import dataclasses
import os
import sys

from codec.training import decoders, sprint, trainer


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

    train = add("train", "train, or go on training, the trunk and its mse decoder")
    add_settings(train, trainer.Settings, defaults | {"run": "runs/trunk", "init": ""})
    decoder = add("decoder", "train, or go on training, a decoder on the frozen trunk of --init")
    add_settings(decoder, decoders.Settings, defaults)
    export = add("export", "make shipped weights of a checkpoint of the trunk", "data", "validation")
    export.add_argument("--checkpoint", default="runs/trunk/best.pt")
    export.add_argument("--out", default="weights")
    export.add_argument("--device", default="cpu")
    export.add_argument("--eight-bit", action="store_true", help="store the decoder in 8 bits")
    one = add("export-decoder", "add a decoder's checkpoint to shipped weights", "validation")
    one.add_argument("--checkpoint", required=True)
    one.add_argument("--out", default="weights")
    one.add_argument("--name", default="", help="of the decoder; by default as trained")
    one.add_argument("--partner", default="", help="fidelity decoder to interpolate with; by default the recipe's")
    one.add_argument("--images", type=int, default=0, help="how many to measure; by default all")
    one.add_argument("--device", default="cpu")
    mix = add("mix", "a mean of decoders' weights, as a checkpoint to export or to start from")
    mix.add_argument("parts", nargs="+", metavar="SOURCE=SHARE", help="a checkpoint, a decoder's NAME, or FOLDER/NAME")
    mix.add_argument("--out", required=True)
    mix.add_argument("--weights", default="weights", help="the folder with the decoders that are named")
    follow = add("follow", "bring decoders to a trunk that was trained on from theirs", "validation")
    follow.add_argument("--checkpoint", default="runs/trunk/best.pt", help="that the new trunk was exported from")
    follow.add_argument("--before", required=True, help="the weights folder with the decoders")
    follow.add_argument("--out", default="weights", help="the weights folder with the new trunk")
    follow.add_argument("--images", type=int, default=0, help="how many to measure; by default all")
    follow.add_argument("--device", default="cpu")
    plot = add("plot", "the progress of a run as an HTML page")
    plot.add_argument("--run", default="runs/trunk")
    plot.add_argument("--out", default="progress.html")
    check = add("check", "time a decoder's training here; on CUDA, see that CPU and GPU decode the same")
    add_settings(check, decoders.Settings, defaults | {"decoder": "hific-nogan", "steps": 10})
    quick = add("sprint", "check a GPU, then train the trunk and all decoders on it by the clock")
    add_settings(quick, sprint.Settings, {})
    pack = add("pack", "data and backbones in one small folder", "data", "validation", "backbones")
    pack.add_argument("--out", default="data/pack")
    pack.add_argument("--mib", default="40", help="of pictures in each part, separated by commas")
    pack.add_argument("--images", type=int, default=12, help="of the validation's")
    pack.add_argument("--eight-bit", action="store_true", help="store the backbones in 8 bits")
    page = add("pages", "draw training images of text, user interfaces, charts, line art and comics")
    page.add_argument("--out", required=True)
    page.add_argument("--count", type=int, default=60)
    page.add_argument("--seed", type=int, default=0)
    page.add_argument("--size", default="768x768", help="width and height, in pixels")
    page.add_argument("--fonts", nargs="*", help="folders or files; by default the system's fonts")
    page.add_argument("--photos", default="", help="a folder with pictures to be shown in pages")

    args = vars(parser.parse_args())
    command = args.pop("command")
    if command == "train":
        trainer.train(trainer.Settings(**args))
    elif command == "decoder":
        decoders.Trainer(decoders.Settings(**args)).run()
    elif command == "sprint":
        return 0 if sprint.sprint(sprint.Settings(**args)) else 1
    elif command == "check":
        from codec.training.check import check as run_check

        return 0 if run_check(decoders.Settings(**args), args["steps"]) else 1
    else:
        # These need packages that a machine for training may not have.
        from codec.training import export as trunk_export
        from codec.training import export_decoder, mixture, pack, pages, plot

        work = {"export": trunk_export.export, "export-decoder": export_decoder.export_decoder}
        work |= {"follow": export_decoder.follow, "plot": plot.plot, "pack": pack.pack, "mix": mixture.mix}
        work["pages"] = pages.pages
        work[command](**args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
