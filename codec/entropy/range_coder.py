"""The range coder: arrays of integers <-> bytes, through the `constriction` library.

Symbols are grouped by table, because one library call per group is fast. Within a group they keep their order. A
symbol beyond its table's support is written as the table's escape, and its value follows the group: 5 bits of length,
the sign, and the excess. So every latent can be coded.
"""

import functools
import math

import numpy as np

from codec.entropy.tables import TOTAL
from codec.errors import StreamError

MAX_EXCESS_BITS = 24


@functools.cache
def library():
    """`constriction.stream`, imported when something is first coded: networks train where it is not installed."""
    import constriction

    return constriction.stream


@functools.cache  # a dozen sizes; making one takes longer than decoding with it
def uniform(size: int):
    return library().model.Uniform(size)


class TableSet:
    """Probability tables, and the library's model of each, built on first use. Raises ValueError for a bad table."""

    def __init__(self, tables: list[np.ndarray]):
        for table in tables:
            if table.min() < 1 or int(table.sum(dtype=np.int64)) != TOTAL or len(table) % 2:
                raise ValueError("A probability table is malformed.")
        self.tables = tables
        self.limits = np.array([len(t) // 2 - 1 for t in tables], dtype=np.int32)
        self.least_bits = np.array([math.log2(TOTAL / int(t.max())) for t in tables])  # of any symbol
        self._models: dict = {}

    def __len__(self) -> int:
        return len(self.tables)

    def model(self, index: int):
        """The library's model of a table."""
        if index not in self._models:
            # Dividing integers by a power of two is exact, so the library gets the same numbers everywhere.
            self._models[index] = library().model.Categorical(self.tables[index] / TOTAL, perfect=False)
        return self._models[index]


def groups_of(index: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """A stable order int64 (n,) that sorts `index` (n,), and the bounds int64 (count + 1,) of each value in it."""
    # Sorting bytes by radix is several times quicker than sorting int64.
    index = index.astype(np.uint8, copy=False)
    order = np.argsort(index, kind="stable")
    return order, np.searchsorted(index[order], np.arange(count + 1))


class Encoder:
    """Collects symbols and gives their bytes at the end."""

    def __init__(self):
        self._coder = library().queue.RangeEncoder()

    def put(self, symbols: np.ndarray, index: np.ndarray, tables: TableSet) -> None:
        """Codes symbols (n,), integers, by the tables index (n,). Raises ValueError 2^25 or more beyond a table."""
        order, bounds = groups_of(index, len(tables))
        grouped = symbols[order].astype(np.int32)
        limits = np.repeat(tables.limits, np.diff(bounds))
        beyond = np.abs(grouped) > limits
        coded = np.where(beyond, 2 * limits + 1, grouped + limits)
        for i in np.flatnonzero(np.diff(bounds)):
            group = slice(bounds[i], bounds[i + 1])
            self._coder.encode(coded[group], tables.model(int(i)))
            for value in grouped[group][beyond[group]]:
                self._put_escape(int(value), int(tables.limits[i]))

    def _put_escape(self, value: int, limit: int) -> None:
        excess = abs(value) - limit  # at least 1
        length = excess.bit_length() - 1
        if length > MAX_EXCESS_BITS:
            raise ValueError("A latent is too large to be coded.")
        self._uniform(length, 32)
        self._uniform(int(value < 0), 2)
        rest = excess - (1 << length)
        self._uniform(rest & 0xFFF, 1 << min(length, 12))
        if length > 12:
            self._uniform(rest >> 12, 1 << (length - 12))

    def _uniform(self, value: int, size: int) -> None:
        if size > 1:
            self._coder.encode(np.array([value], dtype=np.int32), uniform(size))

    def finish(self) -> bytes:
        """The bytes of all symbols, without the zeros at their end."""
        # Zero words at the end are what a decoder reads past the end anyway.
        return self._coder.get_compressed().astype("<u4").tobytes().rstrip(b"\0")


class Decoder:
    """The inverse of `Encoder`: it needs the same sequence of `index` arrays."""

    def __init__(self, data: bytes):
        padded = data + bytes(-len(data) % 4)
        self._coder = library().queue.RangeDecoder(np.frombuffer(padded, dtype="<u4").astype(np.uint32))

    def get(self, index: np.ndarray, tables: TableSet) -> np.ndarray:
        """index (n,) -> symbols int32 (n,). Raises StreamError where the data cannot be right."""
        order, bounds = groups_of(index, len(tables))
        grouped = np.empty(len(index), dtype=np.int32)
        try:
            for i in np.flatnonzero(np.diff(bounds)):
                limit = int(tables.limits[i])
                count = int(bounds[i + 1] - bounds[i])
                values = self._coder.decode(tables.model(int(i)), count) - limit
                for position in np.flatnonzero(values > limit):
                    values[position] = self._get_escape(limit)
                grouped[bounds[i] : bounds[i + 1]] = values
        except (AssertionError, ValueError) as error:  # what constriction raises on impossible data
            raise StreamError("The compressed data are damaged: they do not decode.") from error
        symbols = np.empty_like(grouped)
        symbols[order] = grouped
        return symbols

    def _get_escape(self, limit: int) -> int:
        length = self._uniform(32)
        if length > MAX_EXCESS_BITS:
            raise StreamError("The compressed data are damaged: they hold an impossible value.")
        negative = self._uniform(2)
        rest = self._uniform(1 << min(length, 12))
        if length > 12:
            rest |= self._uniform(1 << (length - 12)) << 12
        value = limit + (1 << length) + rest
        return -value if negative else value

    def _uniform(self, size: int) -> int:
        return int(self._coder.decode(uniform(size), 1)[0]) if size > 1 else 0
