"""Exact products of integers as products of bytes, on processors that have instructions for these (VNNI).

A product of float64 matrices is exact, too, but slower. A weight of 16 bits is two signed
bytes, lo + 256·hi, and a value of 24 bits is three, a + 256·b + 65,536·c. `torch._int_mm` multiplies bytes and sums in
int32, where nothing is lost. Products that count the same are summed in one matrix product:

    W·x = lo·a + 256·(lo·b + hi·a) + 65,536·(lo·c + hi·b) + 2^24·hi·c

Only the first of the latent's channels hold values that need a third byte. The others take no part in the products
with c.
"""

import contextlib
import functools

import torch
from torch import Tensor

from codec.entropy.integer import LIMIT, MAX_COLUMNS, PHASES, IntegerConv, StepNetworks, Walk
from codec.spec import STEPS

LARGEST = 127 * (1 + 256 + 65536)  # what three signed bytes hold
SMALL = 127 * (1 + 256)  # what the lower two hold
COLUMNS = MAX_COLUMNS // PHASES  # of a product at a time, as in the steps


@functools.cache
def usable() -> bool:
    """Whether this processor multiplies bytes exactly. Some sum pairs of products in 16 bits, which overflow."""
    if not getattr(torch.cpu, "_is_vnni_supported", lambda: False)():
        return False
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randint(-128, 128, shape, generator=generator) for shape in ((128, 1024), (1024, 96)))
    a[:16], a[16:32], b[:, :16], b[:, 16:32] = -128, 127, -128, 127
    try:
        product = torch._int_mm(a.to(torch.int8), b.to(torch.int8))
    except (AttributeError, RuntimeError):  # a version of PyTorch without it
        return False
    return torch.equal(product.double(), a.double() @ b.double())


def bytes_of(x: Tensor) -> list[Tensor]:
    """Integers within ±LARGEST in float64 -> their three signed bytes, int8 of the same shape, the lowest first."""
    each_128_more = x.to(torch.int32).add_(0x808080).unsqueeze(-1).view(torch.uint8)
    return [(each_128_more[..., i] ^ 0x80).view(torch.int8) for i in range(3)]


def beyond(x: Tensor) -> bool:
    """Whether some of these integers do not fit into three bytes."""
    low, high = x.aminmax()
    return max(-float(low), float(high)) > LARGEST


class Matrix:
    """Weights (places, out, in) of a convolution, integers of 16 bits, in float64.

    Raises ValueError where a row does not fit into two bytes.
    """

    def __init__(self, weight: Tensor, scale: Tensor):
        rows = weight.transpose(0, 1).flatten(1).long()
        sign = torch.where(rows.amax(1, keepdim=True) > SMALL, -1, 1)  # two bytes reach further down than up
        rows, self.scale, self.places = rows * sign, scale * sign, len(weight)
        low = (rows + 128).bitwise_and_(255).sub_(128)
        high = (rows - low) >> 8
        if int(high.max()) > 127:
            raise ValueError("A row of weights does not fit into two bytes.")
        self.low, self.high = low.to(torch.int8), high.to(torch.int8)
        self.both = torch.cat([self.low, self.high], 1)

    def third(self, wide: Tensor) -> tuple[Tensor, Tensor]:
        """What multiplies third bytes, which only these inputs have: in the sums that count 2^16 and 2^24."""
        low, high = (m.unflatten(1, (self.places, -1))[..., wide].flatten(1) for m in (self.low, self.high))
        return torch.cat([low, self.high], 1), high

    def multiply(self, rows: Tensor, third: tuple[Tensor, Tensor], bias: Tensor) -> Tensor:
        """Values as rows int8 (wide + 2·in·places, n), third bytes first -> W·x·scale + bias, float64 (out, n)."""
        count = self.low.shape[1]
        wide = len(rows) - 2 * count
        total = torch._int_mm(third[0], rows[: wide + count]).double()
        if wide:
            total.add_(torch._int_mm(third[1], rows[:wide]), alpha=256)
        total.mul_(256).add_(torch._int_mm(self.both, rows[wide:]))
        total.mul_(256).add_(torch._int_mm(self.low, rows[wide + count :]))
        return total.mul_(self.scale).add_(bias)


def stacked(pieces: list[Tensor], places: list[tuple[int, int]], columns: int) -> Tensor:
    """Bytes int8 (phases, in, n), the third first, at places (phase, first column) -> rows for `Matrix.multiply`."""
    return torch.cat([part[phase, :, start : start + columns] for part in pieces for phase, start in places])


class ByteConv(IntegerConv):
    """`IntegerConv` that takes products of bytes for one picture, if its values fit into three."""

    def __init__(self, plain: IntegerConv):
        super().__init__(plain.weight, plain.bias, plain.scale, plain.kernel)
        self.matrix = Matrix(plain.weight, plain.scale)

    def __call__(self, x: Tensor) -> Tensor:
        if len(x) > 1 or beyond(x):
            return super().__call__(x)
        _, channels, height, width = x.shape
        pad = self.kernel // 2
        long = width + 2 * pad
        padded = x.new_zeros(3, channels, (height + 2 * pad) * long + 2 * pad, dtype=torch.int8)
        inner = padded[:, :, : (height + 2 * pad) * long].view(3, channels, -1, long)
        for part, values in zip(inner[:, :, pad : pad + height, pad : pad + width], bytes_of(x[0]), strict=True):
            part.copy_(values)
        wide = padded[2].any(1).nonzero().flatten()
        pieces, third = [padded[2:, wide], padded[1:2], padded[:1]], self.matrix.third(wide)
        out = x.new_empty(1, len(self.bias), height, width)
        step = max(1, COLUMNS // long)
        for top in range(0, height, step):
            bottom = min(top + step, height)
            places = [(0, (top + y) * long + x) for y in range(self.kernel) for x in range(self.kernel)]
            rows = stacked(pieces, places, (bottom - top) * long)
            total = self.matrix.multiply(rows, third, self.bias * self.scale).floor_().clamp_(-LIMIT, LIMIT)
            out[0, :, top:bottom] = total.view(-1, bottom - top, long)[..., :width]
        return out


class ByteContext:
    """A context convolution: for each phase of its output the places (phase, row, column) that it sees, and weights."""

    def __init__(self, networks: StepNetworks, step: int):
        runs, self.bias = networks.context[step - 1]
        scale = networks.layers[f"ctx{step}"].scale
        self.seen, self.matrices = [], []
        for out in range(PHASES):
            seen = [(run[:3], dict(run[3])[out]) for run in runs if out in dict(run[3])]
            self.seen.append([place for place, _ in seen])
            self.matrices.append(Matrix(torch.stack([weight for _, weight in seen]) / scale, scale))


class ByteWalk(Walk):
    """`Walk` whose context takes products of bytes, until a value does not fit into three."""

    def __init__(self, contexts: list[ByteContext], networks: StepNetworks, z_hat: Tensor, q64: Tensor):
        super().__init__(networks, z_hat, q64)
        self.contexts = contexts
        self.coded: list[Tensor] = []  # y_hat of the steps so far
        self.bytes: Tensor | None = z_hat.new_zeros(3, PHASES, networks.channels, self.size, dtype=torch.int8)

    def put(self, step: int, values: Tensor) -> None:
        self.coded.append(values)
        if self.bytes is not None and beyond(values):
            self.bytes = None
            for before, coded in enumerate(self.coded[:-1]):
                super().put(before, coded)
        if self.bytes is None:
            return super().put(step, values)
        for planes, part in zip(self.bytes, bytes_of(values), strict=True):
            self.write(planes, step, part)
        if step < STEPS - 1:
            coded = self.bytes[:, :, : self.networks.group * (step + 1)]
            wide = coded[2].any(2).any(0).nonzero().flatten()
            self.pieces = [coded[2][:, wide], coded[1], coded[0]]
            self.third = [matrix.third(wide) for matrix in self.contexts[step].matrices]
        return None

    def sums(self, step: int, top: int, bottom: int) -> Tensor:
        if self.bytes is None:
            return super().sums(step, top, bottom)
        context, columns = self.contexts[step - 1], (bottom - top) * self.long
        total = context.bias.new_empty(PHASES, len(context.bias), columns)
        for out, (matrix, seen) in enumerate(zip(context.matrices, context.seen, strict=True)):
            places = [(phase, (row + top) * self.long + column) for phase, row, column in seen]
            total[out] = matrix.multiply(stacked(self.pieces, places, columns), self.third[out], context.bias)
        return total


def accelerate(networks: StepNetworks) -> StepNetworks:
    """Lets networks take products of bytes, where this processor has them and the weights fit; returns them."""
    if networks.layers["up1"].bias.device.type == "cpu" and usable():
        with contextlib.suppress(ValueError):
            contexts = [ByteContext(networks, step) for step in range(1, STEPS)]
            networks.layers |= {name: ByteConv(networks.layers[name]) for name in ("up1", "up2")}
            networks.walk = functools.partial(ByteWalk, contexts)
    return networks
