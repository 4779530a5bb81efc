"""A coverage-guided run with atheris, which needs no weights: the container, and the range coder behind it.

atheris ends its process, so the run is a child of its own: `python -m tests.fuzz.coverage CORPUS -max_total_time=60`.
"""

import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def run(seconds: int, seed: int) -> dict:
    """Runs the child and reads its last lines."""
    from . import streams  # not above: the child has to import the codec itself, instrumented

    if importlib.util.find_spec("atheris") is None:
        sys.exit("atheris is not installed here: pip install atheris")
    with tempfile.TemporaryDirectory() as folder:
        for i, data in enumerate(streams.samples()):
            (Path(folder) / f"{i}").write_bytes(data)
        command = [
            sys.executable,
            "-m",
            "tests.fuzz.coverage",
            folder,
            f"-max_total_time={seconds}",
            f"-seed={seed + 1}",
        ]
        done = subprocess.run(
            [*command, "-max_len=4096", "-rss_limit_mb=2048", "-timeout=2"], capture_output=True, text=True
        )
        corpus = len(list(Path(folder).iterdir()))
    last = re.findall(r"cov: (\d+) ft: (\d+)", done.stderr)
    runs = re.findall(r"Done (\d+) runs", done.stderr)
    return {
        "runs": int(runs[-1]) if runs else 0,
        "seconds": seconds,
        "edges": int(last[-1][0]) if last else 0,
        "edges_at_start": int(last[0][0]) if last else 0,
        "inputs_that_reach_something_new": corpus,
        "failures": [] if done.returncode == 0 else [done.stderr[-3000:]],
    }


def child() -> None:
    import atheris
    import numpy as np

    with atheris.instrument_imports(include=["codec.bitstream", "codec.entropy.range_coder", "codec.errors"]):
        from codec import bitstream
        from codec.entropy.range_coder import Decoder, TableSet
        from codec.errors import StreamError
    from codec.training import tables

    gaussians = TableSet(tables.fit_y())
    index = np.random.default_rng(0).integers(0, len(gaussians), 600).astype(np.uint8)

    @atheris.instrument_func
    def one(data: bytes) -> None:
        try:
            stream = bitstream.read(data, check_crc=False)
            if stream.width * stream.height <= 1 << 20:
                stream.q_map()
            Decoder(stream.z).get(index, gaussians)
            Decoder(stream.y).get(index, gaussians)
            bitstream.write(stream)
        except StreamError:
            pass

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    child()
