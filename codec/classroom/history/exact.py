"""Context models in integers, so that a stream decodes alike on every machine, and their probabilities.

A value is an integer in units of 1/ONE; weights are integers in units of 1/UNIT. Products and sums are integers below
2^53 in float64, which every machine adds up to the same number in any order (Ballé et al., "Integer networks for data
compression", ICLR 2019). Probabilities come from a table of exponentials that decimal arithmetic makes, digit by digit
the same everywhere, and are integers that sum to TOTAL.
"""

import functools
from decimal import Decimal, localcontext

import numpy as np
from torch import Tensor

from codec.entropy.range_coder import library
from codec.errors import StreamError

ONE = 1 << 8
UNIT = 1 << 12
LIMIT = 1 << 15  # values are kept within ±LIMIT
TOTAL = 1 << 16  # of the probabilities of a symbol
SPAN = 12 * ONE  # logits further below the largest count as this far: e^-12 of it


def integers(weight: Tensor, bias: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """A float layer, weight (out, in) and bias (out,) -> integers as float64, (in, out) and (out,)."""
    w = np.round(weight.detach().double().cpu().numpy().T * UNIT)
    b = np.round(bias.detach().double().cpu().numpy() * UNIT * ONE)
    if np.abs(w).sum(0).max() * LIMIT + np.abs(b).max() >= 2**53:
        raise ValueError("The weights of a context model are too large for exact arithmetic.")
    return np.ascontiguousarray(w), b


def layer(x: np.ndarray, weights: tuple[np.ndarray, np.ndarray], relu: bool = True) -> np.ndarray:
    """x (n, in) integers as float64 -> (n, out): floor((x·w + b) / UNIT), then ReLU unless it is the last layer."""
    w, b = weights
    return np.clip(np.floor((x @ w + b) / UNIT), 0 if relu else -LIMIT, LIMIT)


@functools.cache
def exponentials() -> np.ndarray:
    """int64 (SPAN + 1,): 2^24·exp(-i/ONE), rounded; the digits of `decimal` are the same on every machine."""
    with localcontext() as context:
        context.prec = 30
        return np.array(
            [int((Decimal(-i) / ONE).exp() * (1 << 24) + Decimal("0.5")) for i in range(SPAN + 1)], np.int64
        )


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Integer logits (n, L) in units of 1/ONE -> float32 (n, L), multiples of 1/TOTAL, all positive, of sum 1."""
    below = np.minimum(logits.max(1, keepdims=True) - logits, SPAN).astype(np.int64)
    e = exponentials()[below]
    counts = 1 + e * (TOTAL - logits.shape[1]) // e.sum(1, keepdims=True)
    counts[np.arange(len(counts)), counts.argmax(1)] += TOTAL - counts.sum(1)
    return (counts / TOTAL).astype(np.float32)


def bits(p: np.ndarray, symbols: np.ndarray) -> float:
    """-Σ log2 of the probabilities (n, L) of symbols (n,)."""
    return float(-np.log2(p[np.arange(len(symbols)), symbols].astype(np.float64)).sum())


class Coder:
    """A range encoder of symbols with a distribution each, and how many bits these say that it takes."""

    def __init__(self):
        self._coder, self.bits = library().queue.RangeEncoder(), 0.0

    def put(self, symbols: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Codes symbols (n,), integers, under p (n, L). Returns them."""
        if len(symbols):
            self._coder.encode(symbols.astype(np.int32), library().model.Categorical(perfect=False), p)
            self.bits += bits(p, symbols.astype(np.int64))
        return symbols

    def finish(self) -> bytes:
        """The bytes; zeros at the end are what a decoder reads beyond it anyway."""
        return self._coder.get_compressed().astype("<u4").tobytes().rstrip(b"\0")


class Reader:
    """The inverse of `Coder`: asked for the symbols of the same distributions in the same order."""

    def __init__(self, data: bytes):
        words = np.frombuffer(data + bytes(-len(data) % 4), dtype="<u4").astype(np.uint32)
        self._coder = library().queue.RangeDecoder(words)

    def get(self, p: np.ndarray) -> np.ndarray:
        """Distributions p (n, L) -> symbols int64 (n,). Raises StreamError where the data cannot be right."""
        if not len(p):
            return np.empty(0, np.int64)
        try:
            return self._coder.decode(library().model.Categorical(perfect=False), p).astype(np.int64)
        except (AssertionError, ValueError) as error:  # what constriction raises on impossible data
            raise StreamError("The compressed data are damaged: they do not decode.") from error
