"""A Huffman code with its table in the file, as the autoencoder of 2017 writes its latents.

A Huffman code spends at least one bit on a symbol, and most latents are 0. So runs of zeros may be written first as
two symbols of their own, as bzip2 does: a run's length in bijective base 2, digits 1 and 2, lowest first.
"""

import numpy as np

from codec.errors import StreamError
from codec.inside.ladder import huffman_lengths

LONGEST = 15  # bits of a code: a length fits half a byte
PLAIN, RUNS = 0, 1  # how zeros are written


def code_lengths(counts: np.ndarray) -> np.ndarray:
    """Lengths (n,) of a Huffman code for counts (n,), 0 where a count is 0, at most 15."""
    lengths, used = np.zeros(len(counts), np.int64), np.flatnonzero(counts)
    weights = counts[used].astype(np.int64)
    while True:
        code_length_of = huffman_lengths(weights)
        if code_length_of.max() <= LONGEST:
            lengths[used] = code_length_of
            return lengths
        weights = (weights + 1) // 2  # flatter counts make a flatter tree


def codes(lengths: np.ndarray) -> np.ndarray:
    """The canonical codes of these lengths, as numbers (n,): shorter first, then in order."""
    table, code, last = np.zeros(len(lengths), np.int64), 0, 0
    for place in np.lexsort((np.arange(len(lengths)), lengths)):
        if lengths[place]:
            code <<= int(lengths[place]) - last
            table[place], last = code, int(lengths[place])
            code += 1
    return table


def to_runs(values: np.ndarray, first: int) -> np.ndarray:
    """Integers (n,) -> symbols: 0 and 1 are the digits of a run of zeros, v - first + 2 every other value v."""
    out: list[int] = []
    edges = np.flatnonzero(np.diff(np.concatenate([[True], values != 0, [True]]).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    position = 0
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        out.extend((values[position:start] - first + 2).tolist())
        run = end - start
        while run:
            digit = 1 if run % 2 else 2
            out.append(digit - 1)
            run = (run - digit) // 2
        position = end
    out.extend((values[position:] - first + 2).tolist())
    return np.array(out, np.int64)


def from_runs(symbols: np.ndarray, first: int, count: int) -> np.ndarray:
    """The inverse of `to_runs`, for `count` values. Raises StreamError where the runs do not add up."""
    out, position, run, place = np.zeros(count, np.int64), 0, 0, 1
    for symbol in symbols.tolist():
        if symbol < 2:
            run += place * (symbol + 1)
            place *= 2
        else:
            position, run, place = position + run, 0, 1
            if position >= count:
                break
            out[position] = symbol - 2 + first
            position += 1
        if run > count:
            break
    if position + run != count:
        raise StreamError("The compressed data are damaged: their runs of zeros do not add up.")
    return out


def write(values: np.ndarray) -> bytes:
    """Integers (n,) in ±127 -> bytes: the smaller of the two ways, with its table."""
    return min((write_as(values, mode) for mode in (PLAIN, RUNS)), key=len)


def write_as(values: np.ndarray, mode: int) -> bytes:
    """Mode, smallest value, number of codes, their lengths in half bytes, number of symbols (4 bytes), the codes."""
    first = int(values.min())
    symbols = values - first if mode == PLAIN else to_runs(values, first)
    counts = np.bincount(symbols)
    lengths = code_lengths(counts)
    numbers = codes(lengths)
    # All bits of all codes at once: bit j of a code of length n is (number >> (n - 1 - j)) & 1.
    n = lengths[symbols]
    ends = np.cumsum(n)
    within = np.arange(ends[-1]) - np.repeat(ends - n, n)
    bits = (np.repeat(numbers[symbols], n) >> (np.repeat(n, n) - 1 - within)) & 1
    halves = np.append(lengths, [0] * (len(lengths) % 2)).astype(np.uint8)
    head = bytes([mode, first % 256, len(lengths)]) + (halves[::2] << 4 | halves[1::2]).tobytes()
    return head + len(symbols).to_bytes(4, "big") + np.packbits(bits.astype(np.uint8)).tobytes()


def table_bytes(data: bytes) -> int:
    """How many bytes at the start of `write`'s result are not codes of symbols."""
    return 3 + (data[2] + 1) // 2 + 4


def read(data: bytes, count: int) -> np.ndarray:
    """The inverse of `write` for `count` values: int64 (count,). Raises StreamError."""
    if len(data) < 3 or len(data) < table_bytes(data) or data[0] not in (PLAIN, RUNS):
        raise StreamError("The compressed data are damaged: their table of codes is not whole.")
    mode, first, size, start = data[0], data[1] - 256 * (data[1] > 127), data[2], table_bytes(data)
    packed = np.frombuffer(data[3 : start - 4], np.uint8)
    lengths = np.stack([packed >> 4, packed & 15], 1).ravel()[:size].astype(np.int64)
    total = int.from_bytes(data[start - 4 : start], "big")
    if total > count or (mode == PLAIN and total != count) or total > 8 * (len(data) - start):
        raise StreamError("The compressed data are damaged: they hold another number of symbols.")
    symbols = decode(data[start:], lengths, total)
    return symbols + first if mode == PLAIN else from_runs(symbols, first, count)


def decode(data: bytes, lengths: np.ndarray, count: int) -> np.ndarray:
    """`count` symbols of a canonical code. Raises StreamError where there is no such code or the data end."""
    used = lengths[lengths > 0].astype(float)
    if not len(used) or (2.0**-used).sum() > 1:
        raise StreamError("The compressed data are damaged: their table of codes is impossible.")
    # What the next 15 bits begin with: a symbol, or none.
    symbol_at, length_at = np.full(1 << LONGEST, -1, np.int64), np.ones(1 << LONGEST, np.int64)
    for symbol, (number, length) in enumerate(zip(codes(lengths).tolist(), lengths.tolist(), strict=True)):
        if length:
            span = 1 << (LONGEST - length)
            symbol_at[number * span : (number + 1) * span], length_at[number * span : (number + 1) * span] = (
                symbol,
                length,
            )
    bits = np.unpackbits(np.frombuffer(data + bytes(2), np.uint8)).astype(np.int64)
    places = len(bits) - LONGEST + 1
    window = np.zeros(places, np.int64)
    for j in range(LONGEST):
        window = window << 1 | bits[j : j + places]
    steps, table, limit = length_at[window].tolist(), symbol_at[window], 8 * len(data)
    starts, position = np.empty(count, np.int64), 0
    for i in range(count):
        if position >= limit:
            raise StreamError("The compressed data are damaged: they end too early.")
        starts[i] = position
        position += steps[position]
    symbols = table[starts]
    if position > limit or (symbols < 0).any():
        raise StreamError("The compressed data are damaged: they hold a code that is not in their table.")
    return symbols
