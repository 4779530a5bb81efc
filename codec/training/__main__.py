"""Command line of the trainer: `python -m codec.training train | export | plot`, each with --help."""

import argparse
import dataclasses
import os

from codec.training.export import export
from codec.training.plot import plot
from codec.training.trainer import Settings, train


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m codec.training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    trainer = commands.add_parser("train", help="train, or go on training, the trunk and its mse decoder")
    root = os.environ.get("CODEC_DATA", "")
    defaults = {
        "data": os.path.join(root, "train") if root else None,
        "validation": os.path.join(root, "cid22-validation") if root else None,
        "run": "runs/trunk",
    }
    for field in dataclasses.fields(Settings):
        default = defaults.get(field.name, field.default)
        flag = "--" + field.name.replace("_", "-")
        if field.type is bool or field.type == "bool":
            trainer.add_argument(flag, action="store_true")
        else:
            trainer.add_argument(
                flag, type=type(default) if default is not None else str, default=default, required=default is None
            )
    exporter = commands.add_parser("export", help="make shipped weights from a checkpoint")
    exporter.add_argument("--checkpoint", default="runs/trunk/best.pt")
    exporter.add_argument("--out", default="weights")
    for name in ("data", "validation"):
        exporter.add_argument(f"--{name}", default=defaults[name], required=defaults[name] is None)
    exporter.add_argument("--device", default="cpu")
    plotter = commands.add_parser("plot", help="the progress of a run as an HTML page")
    plotter.add_argument("--run", default="runs/trunk")
    plotter.add_argument("--out", default="progress.html")
    args = vars(parser.parse_args())
    command = args.pop("command")
    if command == "train":
        train(Settings(**args))
    elif command == "export":
        export(**args)
    else:
        plot(**args)


main()
