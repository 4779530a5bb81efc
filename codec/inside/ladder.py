"""The entropy ladder: the same integers written in ever better ways, down to what the model says they hold."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field

import constriction
import numpy as np

from codec.bitstream import Stream
from codec.pipeline import Latent


@dataclass(frozen=True)
class Rung:
    """One way to write the symbols: bytes for themselves, and for the table that a decoder needs beside them.

    key: by it the page names and explains the rung, with `values` in its sentence.
    """

    key: str
    symbols: int
    table: int = 0
    values: dict[str, float | str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return self.symbols + self.table


def huffman_lengths(counts: np.ndarray) -> np.ndarray:
    """Code lengths in bits of a Huffman code (Huffman 1952) for positive counts (n,), int64 (n,)."""
    lengths = np.zeros(len(counts), dtype=np.int64)
    if len(counts) == 1:
        return lengths + 1
    heap = [(int(c), i, [i]) for i, c in enumerate(counts)]
    heapq.heapify(heap)
    while len(heap) > 1:
        (a, _, left), (b, tie, right) = heapq.heappop(heap), heapq.heappop(heap)
        lengths[left + right] += 1
        heapq.heappush(heap, (a + b, tie, left + right))
    return lengths


def ladder(latent: Latent, stream: Stream) -> list[Rung]:
    """The rungs for the symbols of a decoded stream, worst first; all but the last are sizes of real codes.

    The integers are those that the stream holds: rounded differences of y from its predicted means, and z.
    """
    values = np.concatenate([*latent.y, latent.z.ravel()]).astype(np.int64)
    alphabet, counts = np.unique(values, return_counts=True)
    span = int(alphabet[-1] - alphabet[0]) + 1
    fixed = max(1, math.ceil(math.log2(span)))
    lengths = huffman_lengths(counts)
    # As in a JPEG file: how many codes there are of each length, then the symbols, two bytes each where one is not
    # enough. A static arithmetic code is given the counts, which vary more than lengths: two bytes each.
    wide = 1 if span <= 256 else 2
    coder = constriction.stream.queue.RangeEncoder()
    model = constriction.stream.model.Categorical(counts / counts.sum(), perfect=False)
    coder.encode(np.searchsorted(alphabet, values).astype(np.int32), model)
    entropy = -(counts * np.log2(counts / counts.sum())).sum() / 8
    return [
        Rung("fixed", math.ceil(len(values) * fixed / 8), values={"bits": fixed, "count": len(values)}),
        Rung(
            "huffman",
            math.ceil(int((counts * lengths).sum()) / 8),
            int(lengths.max()) + wide * len(alphabet),
        ),
        Rung("static", coder.get_compressed().nbytes, (wide + 2) * len(alphabet), {"entropy": entropy}),
        Rung("ours", len(stream.z) + len(stream.y)),
    ]
