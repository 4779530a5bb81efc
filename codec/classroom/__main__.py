"""Command line of the classroom, each command with --help:

python -m codec.classroom train-mnist | pack-mnist | mnist-results      digits in a latent of a few numbers
python -m codec.classroom train-cae | pack-cae | cae-results            the compressive autoencoder of 2017
python -m codec.classroom train-history | pack-history                  the systems of history
"""

import argparse
import os
import sys

from codec.classroom import cae_training, mnist_training, packing, results
from codec.classroom.history import training
from codec.training.__main__ import add_settings


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m codec.classroom", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    root = os.environ.get("CODEC_DATA", "")
    digits = os.path.join(root, "mnist.npz") if root else None
    photographs = os.path.join(root, "train") if root else None
    held_out = os.path.join(root, "cid22-validation") if root else None

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text)

    def add_data(command: argparse.ArgumentParser, folder: str | None) -> None:
        command.add_argument("--data", default=folder, required=folder is None)

    command = add("train-mnist", "train the codecs for digits; with --out, pack them")
    add_settings(command, mnist_training.Settings, {"data": digits} if digits else {})
    command.add_argument("--out", default="", help="the folder to ship from: weights/classroom")
    command = add("pack-mnist", "write trained codecs for digits as shipped weights")
    add_data(command, digits)
    command.add_argument("--run", default="runs/mnist")
    command.add_argument("--out", default="weights/classroom")
    command = add("mnist-results", "measure the shipped codecs for digits on all test digits")
    add_data(command, digits)
    command.add_argument("--out", default="results/classroom-mnist.json")
    command.add_argument("--digits-used", type=int, default=10_000, help="number of test digits")
    command.add_argument("--strings", type=int, default=2000, help="number of digits that are really coded")

    defaults = {"data": photographs} if photographs else {}
    defaults["backbones"] = os.environ.get("CODEC_BACKBONES") or None
    command = add("train-cae", "train the autoencoder's four experiments; with --out, pack them")
    add_settings(command, cae_training.Settings, {k: v for k, v in defaults.items() if v})
    command.add_argument("--out", default="", help="the folder to ship from: weights/classroom")
    command = add("pack-cae", "write trained autoencoders as shipped weights")
    command.add_argument("--run", default="runs/cae")
    command.add_argument("--out", default="weights/classroom")
    command = add("cae-results", "measure the shipped autoencoders on crops of held-out photographs")
    add_data(command, held_out)
    command.add_argument("--run", default="runs/cae", help="where the progress of the training is")
    command.add_argument("--out", default="results/classroom-cae.json")
    command.add_argument("--each", type=int, default=4, choices=range(1, 5), help="crops per image")

    command = add("train-history", "train the networks of a system of history")
    add_settings(command, training.Settings, {"data": photographs} if photographs else {})
    command = add("pack-history", "write trained systems of history as shipped weights")
    command.add_argument("--run", default="runs/history")
    command.add_argument("--out", default="weights/classroom")

    args = vars(parser.parse_args())
    name = args.pop("command")
    if name == "train-history":
        training.train(training.Settings(**args))
        return 0
    if name.startswith("train-"):
        out, (kind, module) = args.pop("out"), {
            "train-mnist": ("mnist", mnist_training), "train-cae": ("cae", cae_training)
        }[name]  # fmt: skip
        settings = module.Settings(**args)
        module.train(settings)
        if not out:
            return 0
        name, args = f"pack-{kind}", {"run": settings.run, "out": out}
        if kind == "mnist":
            args["data"] = settings.data
    work = {"pack-mnist": packing.pack_mnist, "pack-cae": packing.pack_cae, "pack-history": packing.pack_history}
    work |= {"mnist-results": results.mnist, "cae-results": results.cae}
    if name in work:
        work[name](**args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
