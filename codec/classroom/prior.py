"""The logistic prior as integer tables, and strings of bytes for single digits.

A table depends on its scale, a whole number of thousandths, and on the dither, one of sixteen steps. It is worked out
in decimal arithmetic, whose results are rounded as its standard says and not as a processor likes, so every machine
gets the same integers; floating-point logarithms and exponentials promise no such thing.
"""

import functools
import hashlib
import itertools
from decimal import Context, Decimal

import numpy as np

from codec.entropy.range_coder import Decoder, Encoder, TableSet
from codec.entropy.tables import TOTAL
from codec.errors import StreamError

THOUSAND = 1000
DITHERS = 16
#: Dither steps in units of 1/32: -15, -13, … 15, the middles of sixteen equal parts of ±1/2.
STEPS = np.arange(1 - DITHERS, DITHERS, 2)
PLAIN = 0  # no dither: ordinary rounding
REACH = 12  # scales on either side that a table covers; what is beyond takes the escape


@functools.lru_cache(maxsize=4096)
def table(scale: int, step: int = PLAIN) -> np.ndarray:
    """Counts int32 (2L + 2,) that sum to TOTAL, for the symbols -L…L and the escape.

    The probability of q is F(q + u + 1/2) - F(q + u - 1/2), F the logistic's distribution, u = step/32.
    """
    context = Context(prec=30)
    limit = 2 + REACH * scale // THOUSAND
    below = []
    for q in range(-limit, limit + 2):  # F at the lower edge of q
        x = context.divide(Decimal(THOUSAND * (32 * q + step - 16)), Decimal(32 * scale))
        below.append(context.divide(Decimal(1), context.add(Decimal(1), context.exp(-x))))
    weights = [context.subtract(b, a) for a, b in itertools.pairwise(below)]
    weights.append(context.add(below[0], context.subtract(Decimal(1), below[-1])))
    free = TOTAL - len(weights)
    counts = np.array([int(context.multiply(w, Decimal(free))) + 1 for w in weights], dtype=np.int64)
    counts[int(np.argmax(counts))] += TOTAL - int(counts.sum())  # what truncation left over
    return counts.astype(np.int32)


def dither_steps(seed: int, number: int, d: int) -> np.ndarray:
    """The dither of digit `number` in units of 1/32, int (d,): the same for all who know the seed."""
    stream = b""
    while len(stream) < d:
        stream += hashlib.sha256(f"dither {seed} {number} {len(stream)}".encode()).digest()
    return STEPS[np.frombuffer(stream[:d], dtype=np.uint8) % DITHERS]


def tables_of(scales: np.ndarray, steps: np.ndarray | None = None) -> TableSet:
    """A table for each latent; `steps` is its dither, none being plain rounding."""
    steps = np.zeros(len(scales), int) if steps is None else steps
    return TableSet([table(int(s), int(u)) for s, u in zip(scales, steps, strict=True)])


def bits(q: np.ndarray, tables: TableSet) -> float:
    """-log2 of the probability of the symbols (d,) under their tables; an escape counts without what follows it."""
    total = 0.0
    for value, counts, limit in zip(q, tables.tables, tables.limits, strict=True):
        place = int(value) + limit if abs(int(value)) <= limit else 2 * limit + 1
        total -= np.log2(counts[place] / TOTAL)
    return float(total)


def encode(q: np.ndarray, tables: TableSet) -> bytes:
    """Symbols (d,) -> the shortest string of bytes from which `decode` gets them back."""
    coder = Encoder()
    coder.put(q, np.arange(len(q)), tables)
    whole = swapped(coder.finish())
    # The coder hands over one point of the interval that stands for these symbols, in whole words. Any other point
    # of it will do: the one with the fewest digits is next to this one, just below or just above.
    for length in range(len(whole)):
        stem = int.from_bytes(whole[:length], "big")
        for value in (stem, stem + 1):
            if value < 256**length and (text := value.to_bytes(length, "big"))[-1:] != b"\0":
                try:
                    if (decode(text, tables) == q).all():
                        return text
                except StreamError:
                    continue
    return whole.rstrip(b"\0")


def decode(text: bytes, tables: TableSet) -> np.ndarray:
    """The inverse of `encode`: symbols int32 (d,). Zeros are read past the end. Raises StreamError."""
    return Decoder(swapped(text)).get(np.arange(len(tables)), tables)


def swapped(data: bytes) -> bytes:
    """Words with the first byte most significant <-> least significant; padded to whole words."""
    padded = data + bytes(-len(data) % 4)
    return np.frombuffer(padded, dtype=">u4").astype("<u4").tobytes()
