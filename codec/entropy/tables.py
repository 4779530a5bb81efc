"""Integer probability tables, one per scale index of y and one per channel of z.

A table with support ±L has 2L + 2 entries: the symbols -L…L and, last, the escape for everything beyond.
Entries are positive integers that sum to TOTAL. `codec.training.tables` makes them once, after training, and they are
stored with the weights. Coding computes nothing about them.
"""

import numpy as np

TOTAL = 1 << 20


def unpack(flat: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """One int array for each table, from all of them in a row and the length of each; see `codec.training.tables`."""
    return np.split(flat, np.cumsum(lengths)[:-1])


def bit_costs(tables: list[np.ndarray]) -> np.ndarray:
    """float32 (tables, 2·L_max + 3): the bits of symbol k under table i, at column k + L_max + 1.

    Beyond a table's support the bits are those of the escape code that `range_coder` writes.
    """
    widest = max(len(t) for t in tables) // 2 - 1
    costs = np.empty((len(tables), 2 * widest + 3), dtype=np.float32)
    symbols = np.abs(np.arange(-widest - 1, widest + 2))
    for row, table in zip(costs, tables, strict=True):
        limit = len(table) // 2 - 1
        bits = -np.log2(table / TOTAL)
        row[:] = bits[-1] + escape_bits(symbols - limit - 1)
        row[widest + 1 - limit : widest + 2 + limit] = bits[:-1]
    return costs


def escape_bits(excess: np.ndarray) -> np.ndarray:
    """The bits of the escape code for |symbol| - L - 1 = excess, sign and length included; same shape."""
    return 6 + np.floor(np.log2(np.maximum(excess, 0) + 1))
