"""Command line: `python -m codec.evaluation rd | checks FOLDER --out FILE.json`, or `readme`."""

import argparse
import os
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m codec.evaluation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    rd = commands.add_parser("rd", help="rate–distortion points, curves and BD-rates")
    rd.add_argument("folder", type=Path)
    rd.add_argument("--out", type=Path, required=True)
    rd.add_argument("--codecs", default="ours,jpeg,webp,avif,heic")
    rd.add_argument("--workers", type=int, default=os.cpu_count())
    checks = commands.add_parser("checks", help="rate targets, estimates, exactness, speed, memory, the page")
    checks.add_argument("folder", type=Path)
    checks.add_argument("--out", type=Path, required=True)
    checks.add_argument("--only", default="rate,estimate,exactness,speed,memory,page")
    readme = commands.add_parser("readme", help="write the measured tables of the README from results/")
    readme.add_argument("--readme", type=Path, default=Path("README.md"))
    readme.add_argument("--results", type=Path, default=Path("results"))
    args = parser.parse_args()
    if args.command == "readme":
        from codec.evaluation.readme import update

        print("changed" if update(args.readme, args.results) else "already up to date")
        return 0
    if args.command == "rd":
        from codec.evaluation.rd import evaluate, summarize, write_json

        result = summarize(evaluate(args.folder, args.out, args.codecs.split(","), args.workers))
        write_json(args.out, result)
        for name, value in result.get("bd_rate_psnr", {}).items():
            print(f"BD-rate against {name}: {value['percent']:+.1f} % over {value['psnr_from']}…{value['psnr_to']} dB")
        for failure in result["failures"]:
            print(f"FAILED {failure}", file=sys.stderr)
        return 1 if result["failures"] else 0
    from codec.evaluation.checks import run

    return run(args.folder, args.out, args.only.split(","))


if __name__ == "__main__":  # the process pool imports this module again
    sys.exit(main())
