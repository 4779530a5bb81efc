"""Structure-aware mutations of real streams, and what the decoder makes of them.

A mutation that keeps the checksum is refused by it, so half of the kinds set it right again afterwards: those reach
the fields behind it, the range coder and the networks.
"""

import collections
import resource
import time
import traceback
import zlib
from pathlib import Path

import numpy as np

from codec import bitstream
from codec.bitstream import Stream, _header, _varint
from codec.errors import CodecError
from codec.spec import DECODERS, NUMBERED

GOLDEN = Path(__file__).parents[1] / "golden"
LIMIT_S = 2.0
INTERESTING = (0, 1, 2, 63, 64, 65, 127, 128, 255, 256, 1000, 16383, 16384, 30_000, 30_001, 2**31, 2**32, 2**35 - 1)


def samples() -> list[bytes]:
    """Streams of small pictures: every kind of header there is."""
    return [path.read_bytes() for path in sorted(GOLDEN.glob("*.lic"))]


def sealed(stream: Stream, start: bytes | None = None) -> bytes:
    """A stream with a right checksum, whatever else is wrong; `start` takes the place of its header."""
    start = _header(stream) if start is None else start
    payload = stream.z + stream.y
    return start + zlib.crc32(payload, zlib.crc32(start)).to_bytes(4, "little") + payload


def flipped(data: bytes, rng) -> bytes:
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        if out:
            out[rng.integers(len(out))] ^= int(rng.integers(1, 256))
    return bytes(out)


def stretched(data: bytes, rng) -> bytes:
    """Cut, repeated in part, or with random bytes put in."""
    a, b = sorted(rng.integers(0, len(data) + 1, 2).tolist())
    how = rng.integers(4)
    if how == 0:
        return data[:a]
    if how == 1:
        return data[:a] + data[b:]
    if how == 2:
        return data[:b] + data[a:]
    return data[:a] + rng.bytes(int(rng.integers(1, 64))) + data[a:]


def number(rng) -> int:
    return int(rng.choice(INTERESTING)) if rng.random() < 0.5 else int(rng.integers(0, 300))


def header_fields(stream: Stream, rng) -> bytes:
    """One or two fields of the header replaced by values that are allowed, too large, or nonsense."""
    trunk, decoder = bytes.fromhex(stream.trunk), bytes([DECODERS[stream.decoder].number])
    width, height, version = stream.width, stream.height, bitstream.VERSION
    if isinstance(stream.q, int):
        level = bytes([2, -stream.q] if stream.q < 0 else [0, stream.q])
    else:
        level = packed_map(stream.q.tobytes())
    z_length = len(stream.z)
    for field in rng.choice(["version", "trunk", "decoder", "width", "height", "level", "map", "z"], 2):
        if field == "version":
            version = int(rng.integers(256)) if rng.random() < 0.3 else version
        elif field == "trunk":
            trunk = rng.bytes(4) if rng.random() < 0.3 else trunk
        elif field == "decoder":
            decoder = bytes([rng.integers(256) if rng.random() < 0.3 else rng.integers(len(NUMBERED))])
        elif field == "width":
            width = number(rng)
        elif field == "height":
            height = number(rng)
        elif field == "level":
            level = bytes([rng.choice([0, 0, 1, 2, 2, 255]), rng.integers(256)])
        elif field == "map":
            size = int(rng.choice([stream.regions[0] * stream.regions[1], rng.integers(0, 100), 10**6]))
            level = packed_map(rng.bytes(size) if size < 10**6 else bytes(size))
        else:
            z_length = number(rng)
    start = bitstream.MAGIC + bytes([version]) + trunk + decoder + _varint(width) + _varint(height) + level
    return sealed(stream, start=start + _varint(z_length))


def packed_map(raw: bytes) -> bytes:
    packed = zlib.compress(raw, 9)
    return b"\1" + _varint(len(packed)) + packed


def payloads(stream: Stream, rng) -> bytes:
    """Other bytes for the range coder, under a right checksum."""
    z, y = stream.z, stream.y
    how = rng.integers(5)
    if how == 0:
        y = flipped(y, rng)
    elif how == 1:
        z = flipped(z, rng)
    elif how == 2:
        y = stretched(y, rng)
    elif how == 3:
        z = stretched(z, rng)
    else:
        z, y = (
            bytes([rng.choice([0, 255])]) * len(part) if rng.random() < 0.5 else rng.bytes(len(part) + 8)
            for part in (z, y)
        )
    return sealed(Stream(**{**stream.__dict__, "z": z, "y": y}))


def spliced(data: bytes, other: bytes, rng) -> bytes:
    return data[: rng.integers(len(data) + 1)] + other[rng.integers(len(other)) :]


#: Kinds and how often each is drawn. Those that decode cost a thousand times as much as those that are refused.
KINDS = {"flip": 45, "stretch": 25, "splice": 12, "header": 3, "payload": 1, "header then flip": 12, "noise": 2}


def mutate(data: bytes, others: list[bytes], kind: str, rng) -> bytes:
    """One mutation of a kind of a valid stream."""
    stream = bitstream.read(data)
    if kind == "flip":
        return flipped(data, rng)
    if kind == "stretch":
        return stretched(data, rng)
    if kind == "splice":
        return spliced(data, others[rng.integers(len(others))], rng)
    if kind == "header":
        return header_fields(stream, rng)
    if kind == "payload":
        return payloads(stream, rng)
    if kind == "header then flip":
        return flipped(header_fields(stream, rng)[:40], rng)
    return bitstream.MAGIC + b"\1" + rng.bytes(int(rng.integers(0, 200)))


def outcome(data: bytes) -> str:
    """What decompressing comes to: a size, or the class of the documented error. Anything else is raised."""
    import codec

    try:
        picture = codec.decompress(data)
    except CodecError as error:
        said = str(error)
        if not said.endswith(".") or "\n" in said:
            raise AssertionError(f"not a sentence: {said!r}") from error
        return type(error).__name__
    stream = bitstream.read(data)
    if picture.size != (stream.width, stream.height):
        raise AssertionError(f"a picture of {picture.size} from a stream of {stream.width}×{stream.height}")
    return "decoded"


def single_bytes(data: bytes, rng, tries: int) -> int:
    """How many of `tries` changes of one byte anywhere in a stream are not noticed; 0 is right."""
    missed = 0
    for _ in range(tries):
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] ^= int(rng.integers(1, 256))
        try:
            bitstream.read(bytes(damaged))
            missed += 1
        except CodecError:
            pass
    return missed


def run(count: int, seed: int) -> dict:
    """`count` mutations; a failure is any other exception, or more than LIMIT_S seconds of processor time."""
    rng = np.random.default_rng(seed)
    known = samples()
    outcome(known[0])  # the weights are loaded before the clock runs
    kinds, weights = list(KINDS), np.array(list(KINDS.values())) / sum(KINDS.values())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tally, failures, slowest, slowest_wall, decoded_pixels = collections.Counter(), [], 0.0, 0.0, 0
    started = time.perf_counter()
    for i in range(count):
        kind = str(rng.choice(kinds, p=weights))
        data = mutate(known[rng.integers(len(known))], known, kind, rng)
        start, wall = time.process_time(), time.perf_counter()
        try:
            result = outcome(data)
        except Exception:
            result = "failure"
            failures.append(
                {"number": i, "kind": kind, "stream": data.hex()[:2000], "error": traceback.format_exc()[-600:]}
            )
        took, wall = time.process_time() - start, time.perf_counter() - wall
        if result == "decoded":
            stream = bitstream.read(data)
            decoded_pixels = max(decoded_pixels, stream.width * stream.height)
        if took > LIMIT_S:
            failures.append({"number": i, "kind": kind, "seconds": round(took, 2), "stream": data.hex()[:2000]})
        slowest, slowest_wall = max(slowest, took), max(slowest_wall, wall)
        tally[result] += 1
        if i % 5000 == 4999:
            print(f"{i + 1} of {count}, {time.perf_counter() - started:.0f} s, {dict(tally)}", flush=True)
    missed = sum(single_bytes(data, rng, 20_000) for data in known)
    return {
        "streams": count,
        "seed": seed,
        "outcomes": dict(sorted(tally.items())),
        "failures": failures[:20],
        "limit_s": LIMIT_S,
        "slowest_ms": round(1e3 * slowest),
        "slowest_wall_ms": round(1e3 * slowest_wall),
        "largest_decoded_pixels": decoded_pixels,
        "memory_before_mb": before // 1024,
        "memory_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "single_byte_changes": 20_000 * len(known),
        "single_byte_changes_unnoticed": missed,
        "seconds": round(time.perf_counter() - started),
    }
