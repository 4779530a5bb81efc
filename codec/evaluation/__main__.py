"""Command line: `python -m codec.evaluation rd | iso | worth | history | jpeg | plot | sheet | weak | first-screen |
vote-set | bd | speed | checks | report`.

Every command that measures writes one JSON file, shows its progress, and goes on from what the file holds.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from codec import plots
from codec.baselines import CODECS
from codec.classroom.history import systems
from codec.errors import CodecError
from codec.evaluation import (
    equal_size,
    first_screen,
    history,
    jpeg,
    promises,
    rd,
    report,
    sheet,
    speed,
    vote_set,
    worth,
)
from codec.evaluation.curves import bd_table
from codec.results import OURS, decoder_of, is_ours, read_json, realism_of, refinement_of
from codec.spec import HISTORY, MAX_REFINE, MS_SSIM, TUNES
from codec.weights import default

CODECS_HELP = f"ours, ours:DECODER, {', '.join((*CODECS, *HISTORY))}, with commas; default: ours and the classical ones"


def parser() -> argparse.ArgumentParser:
    main = argparse.ArgumentParser(prog="python -m codec.evaluation", description=__doc__)
    commands = main.add_subparsers(dest="command", required=True)

    def over_folder(name: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text)
        command.add_argument("folder", type=Path)
        command.add_argument("--out", type=Path, required=True)
        return command

    for name, text in (("rd", "rate–distortion points, curves, BD-rates"), ("iso", "every codec at equal sizes")):
        command = over_folder(name, text)
        command.add_argument("--codecs", help=CODECS_HELP)
        command.add_argument("--workers", type=int, help="processes; default: one a core")
        command.add_argument("--engine", choices=("pool", "ray"), default="pool")
        command.add_argument("--ray-address", help="address of a running cluster; default: start Ray on this machine")
        if name == "iso":
            text = "the folder with VGG-16: also measure every decoder by the perceptual losses"
            command.add_argument("--backbones", default=os.environ.get("CODEC_BACKBONES", ""), help=text)
    command = over_folder("worth", "k: HEIC at k times the size looks as close, by LPIPS on two networks and DISTS")
    command.add_argument("--workers", type=int, help="processes; default: one a core")
    command.add_argument("--backbones", default=os.environ.get("CODEC_BACKBONES", ""), help="the folder with VGG-16")
    command.add_argument("--targets", type=float, nargs="+", default=list(worth.TARGETS), help="rates in bpp")
    command = over_folder("history", "what each system of history claims")
    command.add_argument("--workers", type=int, help="processes; default: one a core")
    over_folder("jpeg", "compare our JPEG curve with the published one and name each cause")
    over_folder("sheet", "crops of Kodak images by every decoder, as a lossless WebP")
    command = commands.add_parser("weak", help="crops of example images that the decoders are bad at")
    command.add_argument("--out", type=Path, required=True)
    command = commands.add_parser("first-screen", help="the pictures and numbers that the page opens on")
    command.add_argument("--out", type=Path, required=True, help="the results file; the pictures go into the page")
    command.add_argument("--backbones", default=os.environ.get("CODEC_BACKBONES", ""), help="the folder with VGG-16")
    command = commands.add_parser("vote-set", help="measure the crops of a set for a vote again, with DISTS")
    command.add_argument("set", type=Path, help="a ZIP file by python -m codec.vote make-set, which is written anew")
    command.add_argument("--backbones", default=os.environ.get("CODEC_BACKBONES", ""), help="the folder with VGG-16")
    command = commands.add_parser("plot", help="curves as HTML and PNG")
    command.add_argument("results", type=Path, help="what rd has written")
    command.add_argument("--out", type=Path, required=True, help="a folder")
    command.add_argument("--no-png", action="store_true", help="where there is no Chromium")
    command = commands.add_parser("bd", help="BD-rates of every codec against any one of them, as text")
    command.add_argument("results", type=Path, help="what rd has written")
    command.add_argument("--anchor", default="jpeg")
    command = commands.add_parser("speed", help="milliseconds a stage, on CPU and CUDA, and beside CompressAI")
    command.add_argument("pictures", type=Path, nargs="*", help="images to time; synthetic ones complete three sizes")
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--threads", type=int, help="default: torch's own choice")
    command.add_argument("--runs", type=int, default=7)
    command.add_argument("--against", help="a git revision to time beside this version, by turns")
    command.add_argument("--folder", type=Path, help="with --against: a folder of images to compress by both, too")
    command.add_argument("--jobs", type=int, default=2, help="processes of this version for the folder")
    command.add_argument("--peers", action="store_true", help="also time CompressAI's models")
    command.add_argument("--peer-venv", type=Path, help="where to install CompressAI; default: a temporary folder")
    command.add_argument(
        "--peer-share-torch", action="store_true", help="share this interpreter's torch instead of downloading one"
    )
    command.add_argument("--peer-python", type=Path, help="an interpreter that has CompressAI; installs nothing")
    checks = over_folder("checks", "rate targets, estimates, exactness, speed, memory, the page")
    checks.add_argument("--only", default="rate,estimate,exactness,speed,memory,page")
    text = "write docs/results.md, and the tables of the README and of the model card"
    command = commands.add_parser("report", aliases=["readme"], help=text)
    command.add_argument("--readme", type=Path, default=Path("README.md"), help="docs and weights lie beside it")
    command.add_argument("--results", type=Path, default=Path("results"))
    return main


def check_refinements(name: str) -> None:
    """Raises CodecError for one of our codecs whose refinements are no number that the encoder takes."""
    times, slash, tune = refinement_of(name)
    if not ((times or "0").isdecimal() and int(times or 0) <= MAX_REFINE):
        raise CodecError(f"'{name}' is to say how often a latent is refined, from {OURS}+1 to {OURS}+{MAX_REFINE}.")
    if slash and not (int(times or 0) and tune in TUNES):
        raise CodecError(f"'{name}' is to say what its search is tuned for: {OURS}+8/{MS_SSIM}, say.")


def codecs(wanted: str | None, own: list[str]) -> list[str]:
    """The codecs named in a list with commas, by default `own` and every classical one.

    Raises CodecError for one that is not at hand.
    """
    names = wanted.split(",") if wanted else [*own, *CODECS]
    for name in names:
        if is_ours(name):
            default().check(decoder_of(name), realism_of(name))
            check_refinements(name)
        elif name in HISTORY:
            systems.check(name)
        elif name not in CODECS:
            advice = " (pip install pillow-jxl-plugin)" if name == "jxl" else ""
            raise CodecError(f"There is no codec '{name}'{advice}; choose of {', '.join([OURS, *CODECS, *HISTORY])}.")
    return list(dict.fromkeys(names))


def main() -> int:
    """Exit status: 1 where something that was measured has failed, 2 where nothing could be."""
    args = parser().parse_args()
    try:
        return dispatch(args)
    except (CodecError, FileNotFoundError, ModuleNotFoundError) as error:  # sentences for the person at the screen
        print(error, file=sys.stderr)
        return 2


def dispatch(args: argparse.Namespace) -> int:
    if args.command in ("rd", "iso"):
        return over_pictures(args)
    if args.command == "history":
        print(json.dumps(history.evaluate(args.folder, args.out, args.workers)["claims"], indent=1))
        return 0
    if args.command == "worth":
        return print_worth(worth.evaluate(args.folder, args.out, args.backbones, args.workers, args.targets))
    if args.command == "bd":
        print(bd_table(read_json(args.results), args.anchor))
    elif args.command == "jpeg":
        jpeg.compare(args.folder, args.out)
    elif args.command == "sheet":
        sheet.draw(sheet.kodak(args.folder), args.out)
    elif args.command == "weak":
        sheet.draw(sheet.weak(), args.out)
    elif args.command == "first-screen":
        first_screen.evaluate(args.out, args.backbones)
    elif args.command == "vote-set":
        for image in vote_set.measure_again(args.set, args.backbones).images:
            print(image["name"], {name: each["measures"] for name, each in image["renditions"].items()})
    elif args.command == "plot":
        plots.draw(args.results, args.out, png=not args.no_png)
    elif args.command == "speed":
        speed.measure(args)
    elif args.command == "checks":
        return promises.run(args.folder, args.out, args.only.split(","))
    else:
        changed = report.update(args.readme, args.results)
        print(f"changed: {', '.join(map(str, changed))}" if changed else "already up to date")
    return 0


def print_worth(result: dict) -> int:
    for at in result["worth"]:
        print(f"at {at['target_bpp']} bpp, {at['pictures']} pictures")
        for name, row in at["codecs"].items():
            print(f"  {name:18}", row)
    for failure in result["failures"]:
        print(f"FAILED {failure}", file=sys.stderr)
    return 1 if result["failures"] else 0


def over_pictures(args: argparse.Namespace) -> int:
    """rd and iso: measures, prints the summary, and fails where a picture has."""
    how = (args.workers, args.engine, args.ray_address)
    if args.command == "rd":
        result = rd.evaluate(args.folder, args.out, codecs(args.codecs, [OURS]), *how)
        own = [name for name in result["curves"] if is_ours(name)]
        for anchor in result["curves"]:
            if anchor not in own and own:
                print(bd_table(result, anchor, own))
    else:
        names = codecs(args.codecs, equal_size.decoders_of_ours())
        result = equal_size.evaluate(args.folder, args.out, names, *how, args.backbones)
    for at in result.get("equal_size", []):
        print(f"at {at['target_bpp']} bpp")
        for name, row in at["codecs"].items():
            print(f"  {name:12}", row)
    for failure in result["failures"]:
        print(f"FAILED {failure}", file=sys.stderr)
    if result["failures"]:
        print(f"{len(result['failures'])} jobs failed; their pictures are left out of every mean.", file=sys.stderr)
    return 1 if result["failures"] else 0


if __name__ == "__main__":  # the process pool imports this module again
    sys.exit(main())
