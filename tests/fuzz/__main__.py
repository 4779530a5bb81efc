"""The command line of the fuzzers; each merges what it found into one file of results."""

import argparse
import json
import os
import sys
from pathlib import Path

import torch

from . import coverage, history, images, streams


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("what", choices=("streams", "history", "images", "coverage"))
    parser.add_argument("--count", type=int, default=100_000, help="mutated files; for history, of each system")
    parser.add_argument("--seconds", type=int, default=120, help="of the coverage-guided run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("results/fuzz.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.what == "streams":
        found = streams.run(options.count, options.seed)
    elif options.what == "history":
        found = history.run(options.count, options.seed)
    elif options.what == "images":
        found = images.run(options.count, options.seed)
    else:
        found = coverage.run(options.seconds, options.seed)
    found["command"] = f"python -m tests.fuzz {' '.join(sys.argv[1:])}"
    found["load_average"] = round(os.getloadavg()[0], 1)  # others at work make times longer, and change nothing else
    known = json.loads(options.out.read_text()) if options.out.exists() else {}
    options.out.write_text(json.dumps({**known, options.what: found}, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps(found, indent=1, ensure_ascii=False))
    sys.exit(1 if found["failures"] else 0)


if __name__ == "__main__":  # children of the image fuzzer import this again
    main()
