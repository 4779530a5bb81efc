"""Mutated streams of the systems of history, and what their decoders make of them."""

import collections
import resource
import time
import traceback
from pathlib import Path

import numpy as np

import codec
from codec.classroom.history import container
from codec.errors import CodecError

from .streams import GOLDEN, flipped, spliced, stretched

SECONDS, SECONDS_A_MEGAPIXEL = 2.0, 12.0  # of processor time that a stream may take
#: Kinds and how often each is drawn. A forged one passes every check; a large one names a size that was never coded.
KINDS = {"flip": 40, "stretch": 22, "splice": 10, "forged": 25, "large": 0.4, "noise": 2.6}


def samples() -> list[bytes]:
    return [path.read_bytes() for path in sorted(Path(GOLDEN).glob("*.lih"))]


def forged(data: bytes, rng, large: bool) -> bytes:
    """Other segments, another network, or another size, under right checks."""
    stream = container.read(data)
    segments = [flipped(s, rng) if rng.random() < 0.5 else stretched(s, rng) for s in stream.segments]
    if rng.random() < 0.2:
        segments = [*segments[: rng.integers(len(segments) + 1)], rng.bytes(int(rng.integers(0, 40)))]
    width, height = stream.width, stream.height
    if large:
        width, height = (int(n) for n in rng.integers(500, 2001, 2))
    elif rng.random() < 0.3:
        width, height = (int(n) for n in rng.integers(1, 200, 2))
    variant = int(rng.integers(256)) if rng.random() < 0.1 else int(rng.integers(7))
    return container.write(stream.system, variant, width, height, segments)


def mutate(data: bytes, others: list[bytes], kind: str, rng) -> bytes:
    if kind == "flip":
        return flipped(data, rng)
    if kind == "stretch":
        return stretched(data, rng)
    if kind == "splice":
        return spliced(data, others[rng.integers(len(others))], rng)
    if kind == "noise":
        return container.MAGIC + rng.bytes(int(rng.integers(0, 200)))
    return forged(data, rng, kind == "large")


def outcome(data: bytes) -> tuple[str, int]:
    """What decompressing comes to, and the pixels that were decoded. Anything but a documented error is raised."""
    try:
        picture = codec.decompress(data)
    except CodecError as error:
        if not str(error).endswith(".") or "\n" in str(error):
            raise AssertionError(f"not a sentence: {str(error)!r}") from error
        return type(error).__name__, 0
    stream = container.read(data)
    if picture.size != (stream.width, stream.height):
        raise AssertionError(f"a picture of {picture.size} from a stream of {stream.width}×{stream.height}")
    return "decoded", stream.width * stream.height


def run(count: int, seed: int) -> dict:
    """`count` mutations of a stream of each system; a failure is any other exception, or too much processor time."""
    rng, known = np.random.default_rng(seed), samples()
    kinds, weights = list(KINDS), np.array(list(KINDS.values())) / sum(KINDS.values())
    for data in known:
        outcome(data)  # the weights are loaded before the clock runs
    before, found, failures, slowest = peak_mb(), {}, [], 0.0
    for data in known:
        tally: collections.Counter = collections.Counter()
        for number in range(count):
            kind = str(rng.choice(kinds, p=weights))
            mutated = mutate(data, known, kind, rng)
            start, pixels = time.process_time(), 0
            try:
                result, pixels = outcome(mutated)
            except Exception:
                result = "failure"
                failures.append({"number": number, "kind": kind, "stream": mutated.hex()[:2000],
                                 "error": traceback.format_exc()[-600:]})  # fmt: skip
            took = time.process_time() - start
            slowest = max(slowest, took)
            if took > SECONDS + SECONDS_A_MEGAPIXEL * pixels / 1e6:
                failures.append({"number": number, "kind": kind, "seconds": took, "stream": mutated.hex()[:2000]})
            tally[result] += 1
        found[container.read(data).system] = dict(sorted(tally.items()))
    return {
        "streams": count * len(known),
        "seed": seed,
        "outcomes": found,
        "failures": failures[:20],
        "limit_s": f"{SECONDS:g} and {SECONDS_A_MEGAPIXEL:g} a megapixel",
        "slowest_ms": round(1e3 * slowest),
        "memory_before_mb": before,
        "memory_peak_mb": peak_mb(),
    }


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
