"""The entropy model in exact integer arithmetic (Ballé et al., "Integer networks for data compression", ICLR 2019).

A value is a fixed-point number with FRACTION bits after the point, held as an integer in a float64 tensor.
Weights are 16-bit integers. Every product and every partial sum of a layer is an integer below 2^53. So a float64
matrix product is exact in any order, on any device, with any number of threads. `floor` of a division by a power of
two is exact as well. The result is therefore the same, bit for bit, on every machine. No real picture comes near
±LIMIT, but without the clip a hostile latent could push sums past 2^53, where machines begin to differ.

The latent is held as four planes, one for each phase of a 2×2 block. A plane holds only the channels that are coded
already, in coding order, with one row and one column of zeros. So the context convolution of step s multiplies s
quarters of the latent and never a zero. What a place of the kernel sees is an offset in a plane, not a copy.

Scales are folded into the weights. That is exact, since they are powers of two. floor(t) followed by the leaky ReLU
of integers is floor(leaky(t)), so a layer takes few passes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from codec.spec import BYTE_MAX, N_SCALES, SLOPE, STEPS, step_pattern

FRACTION = 12
ONE = 1 << FRACTION
LIMIT = float(1 << 23)  # activations are clipped to ±LIMIT, which is ±2048 as a number
PHASES = 4  # of a latent: the places of a 2×2 block
MAX_COLUMNS = 1 << 12  # locations per matrix product: what they hold stays in the cache


@dataclass
class IntegerConv:
    """A k×k convolution of stride 1 and zero padding: floor((W·x + b) / 2^shift), clipped.

    weight (k·k, out, in), a matrix for each place of the kernel, bias (out, 1) and scale = 2^-shift (out, 1), all
    integers (scale: powers of two) held as float64.
    """

    weight: Tensor
    bias: Tensor
    scale: Tensor
    kernel: int

    @classmethod
    def load(cls, stored: dict[str, Tensor], device="cpu") -> "IntegerConv":
        weight = stored["weight"].to(device).double()
        return cls(
            weight.flatten(2).permute(2, 0, 1).contiguous(),
            stored["bias"].to(device).double()[:, None],
            torch.exp2(-stored["shift"].to(device).double())[:, None],
            weight.shape[-1],
        )

    def __call__(self, x: Tensor) -> Tensor:
        """x (B, in, h, w) -> (B, out, h, w), as one matrix product for each place of the kernel.

        x is padded and laid out row after row, so a place of the kernel sees a run of columns. Nothing is copied, as
        `unfold` would do k·k times. The last columns of each row run into the next one and are left out.
        """
        batch, channels, height, width = x.shape
        out = x.new_empty(batch, len(self.bias), height, width)
        pad = self.kernel // 2
        long = width + 2 * pad
        padded = x.new_zeros(batch, channels, (height + 2 * pad) * long + 2 * pad)
        inner = padded[:, :, : (height + 2 * pad) * long].view(batch, channels, -1, long)
        torch.clamp(x, -LIMIT, LIMIT, out=inner[:, :, pad : pad + height, pad : pad + width])
        step = max(1, MAX_COLUMNS // long)
        for top in range(0, height, step):
            bottom = min(top + step, height)
            total = self.bias.repeat(batch, 1, (bottom - top) * long)
            for place, weight in enumerate(self.weight):
                start = (top + place // self.kernel) * long + place % self.kernel
                columns = padded[:, :, start : start + total.shape[2]]
                total.baddbmm_(weight.expand(batch, -1, -1), columns)
            total.mul_(self.scale).floor_().clamp_(-LIMIT, LIMIT)
            out[:, :, top:bottom] = total.view(batch, -1, bottom - top, long)[..., :width]
        return out


def level_fixed(q: Tensor) -> Tensor:
    """Quality indices -> the level that the networks read, in [0, 1], fixed point, float64 of the same shape."""
    return torch.round(q.double().clamp(min=0) * ONE / BYTE_MAX)


def upsample(q64: Tensor) -> Tensor:
    """A map (…, h/4, w/4) with one value for 64×64 pixels -> (…, h, w), one for 16×16, by repetition."""
    return q64.repeat_interleave(4, -2).repeat_interleave(4, -1)


def phase_of(x: Tensor, phase: int) -> Tensor:
    """The locations of one phase: (B, C, h, w) -> view (B, C, h/2, w/2)."""
    return x[:, :, phase // 2 :: 2, phase % 2 :: 2]


def gather(x: Tensor, step: int) -> Tensor:
    """The elements of x that a step codes, in coding order: (B, C, h, w) -> (B, 4, C/4, h/2·w/2)."""
    return torch.stack([phase_of(x[:, g::4], p).flatten(2) for g, p in step_pattern(step)], 1)


def scatter(x: Tensor, step: int, values: Tensor) -> None:
    """The inverse of `gather`: writes values (B, 4, C/4, h/2·w/2) into x in place."""
    for i, (group, phase) in enumerate(step_pattern(step)):
        view = phase_of(x[:, group::4], phase)
        view.copy_(values[:, i].reshape(view.shape))


def with_bias(layer: IntegerConv) -> Tensor:
    """A 1×1 convolution as a matrix float64 (out, in + 1), for an input (in + 1, n) whose last row is 1."""
    return torch.cat([layer.weight[0] * layer.scale, layer.bias * layer.scale], 1)


class StepNetworks:
    """The entropy model's layers, arranged for `Walk`. All tensors are float64: integers, or these times powers of 2.

    stored: the tensors of the trunk's file below `int.`: int16 weights, int64 biases and int8 shifts of each layer.
    """

    def __init__(self, stored: dict[str, Tensor], device="cpu"):
        names = {name.split(".")[0] for name in stored}
        self.layers = {
            n: IntegerConv.load({k: stored[f"{n}.{k}"] for k in ("weight", "bias", "shift")}, device) for n in names
        }
        self.channels = len(self.layers["head0b"].bias) // 2
        self.group = self.channels // 4
        self.context = [self._runs(step) for step in range(1, STEPS)]
        self.first = [with_bias(self.layers[f"head{step}a"]) for step in range(STEPS)]
        self.inner = [with_bias(self.layers[f"head{s}m"]) if f"head{s}m" in names else None for s in range(STEPS)]
        self.last = [self._ends(step) for step in range(STEPS)]
        self.walk: Callable[[StepNetworks, Tensor, Tensor], Walk] = Walk

    def _ends(self, step: int) -> list[tuple[int, Tensor]]:
        """Per phase the rows of mu and of the scale index. The index is t / ONE + 1/2, rounded down."""
        whole, ends = with_bias(self.layers[f"head{step}b"]), []
        half = torch.zeros_like(whole[0])
        half[-1] = 0.5
        for group, phase in step_pattern(step):
            mu, t = whole[group : self.channels : 4], whole[self.channels + group :: 4]
            ends.append((phase, torch.cat([mu, t / ONE + half]).contiguous()))
        return ends

    def _runs(self, step: int) -> tuple[list[tuple[int, int, int, list]], Tensor]:
        """The context convolution of a step, and its bias (128, 1).

        Each run is what one offset in one phase adds: phase, row, column, and [(output phase, weights (128, coded))].
        """
        layer, runs = self.layers[f"ctx{step}"], []
        weight = layer.weight * layer.scale
        groups = [{phase: group for group, phase in step_pattern(s)} for s in range(step)]
        for phase in range(PHASES):
            coded = torch.cat([torch.arange(group[phase], self.channels, 4) for group in groups]).to(weight.device)
            y, x = divmod(phase, 2)
            for row in (-1, 0) if y else (0, 1):
                for column in (-1, 0) if x else (0, 1):
                    outputs = []
                    for out in range(PHASES):
                        dy, dx = 2 * row + y - out // 2, 2 * column + x - out % 2
                        if abs(dy) <= 1 and abs(dx) <= 1:
                            outputs.append((out, weight[(dy + 1) * 3 + dx + 1][:, coded].contiguous()))
                    runs.append((phase, row + y, column + x, outputs))
        return runs, layer.bias * layer.scale


class Walk:
    """One picture on its way through the four steps: `predict` a step, then `put` its symbols, in order.

    z_hat (1, 64, h/4, w/4) integers, q64 uint8 (1, 1, h/4, w/4) quality indices.
    """

    def __init__(self, networks: StepNetworks, z_hat: Tensor, q64: Tensor):
        self.networks = networks
        h = torch.cat([z_hat.double() * ONE, level_fixed(q64)], 1)
        h = F.pixel_shuffle(networks.layers["up1"](h), 2)
        h = networks.layers["up2"](activate(h))  # (1, 4·128, h/2, w/2): a phase is every fourth channel
        _, channels, self.height, self.width = h.shape
        self.psi = h.view(channels // PHASES, PHASES, -1).transpose(0, 1).contiguous()  # (4, 128, n)
        self.long, self.size = self.width + 1, (self.height + 1) * (self.width + 1) + 1  # of a row and a plane
        fixed = level_fixed(upsample(q64))
        self.levels = torch.stack([phase_of(fixed, p).flatten() for p in range(PHASES)])  # (4, n)

    def put(self, step: int, values: Tensor) -> None:
        """Takes y_hat of a step, fixed point, (4, C/4, h/2·w/2) in the order of `gather`."""
        if step == 0:  # the latent as the context sees it
            self.planes = self.psi.new_zeros(PHASES, self.networks.channels, self.size)
        self.write(self.planes, step, values.clamp(-LIMIT, LIMIT))

    def write(self, planes: Tensor, step: int, values: Tensor) -> None:
        """Writes what a step brings into planes (4, C, size)."""
        group = self.networks.group
        for group_values, (_, phase) in zip(values, step_pattern(step), strict=True):
            y, x = divmod(phase, 2)
            rows = planes[phase, group * step : group * (step + 1), : self.size - 1]
            place = rows.view(group, self.height + 1, self.long)[:, y : y + self.height, x : x + self.width]
            place.copy_(group_values.view(group, self.height, self.width))

    def predict(self, step: int) -> tuple[Tensor, Tensor]:
        """mu float64 in fixed point and scale index uint8 of the symbols of a step, both (4, C/4, h/2·w/2)."""
        networks, (_, count, n) = self.networks, self.psi.shape
        mu = self.psi.new_empty(4, networks.group, n)
        index = torch.empty(mu.shape, dtype=torch.uint8, device=mu.device)
        rows = max(1, MAX_COLUMNS // (PHASES * self.long))
        for top in range(0, self.height, rows):
            bottom = min(top + rows, self.height)
            some = (..., slice(top * self.width, bottom * self.width))
            psi = self.psi[some]
            if step:
                context = self.sums(step, top, bottom).view(PHASES, count, -1, self.long)[..., : self.width]
                psi = context.floor().clamp_(-LIMIT, LIMIT).view_as(psi).add_(psi)
            h = mu.new_ones(count + 1, PHASES, (bottom - top) * self.width)  # the last row stays 1
            h[:count] = psi.transpose(0, 1)
            h = h.view(count + 1, -1)
            activate(h[:count].clamp_(max=LIMIT))
            h = torch.mm(networks.first[step], h).clamp_(-LIMIT, LIMIT)
            ones = h.new_ones(1, h.shape[1])
            if (inner := networks.inner[step]) is not None:
                more = torch.mm(inner, torch.cat([activate(h.floor_().clone()), ones]))
                h = h.add_(more.floor_().clamp_(-LIMIT, LIMIT)).clamp_(-LIMIT, LIMIT)
            h = torch.cat([activate(h), self.levels[some].reshape(1, -1), ones]).unflatten(1, (PHASES, -1))
            for i, (phase, weight) in enumerate(networks.last[step]):
                both = weight @ h[:, phase]
                torch.clamp(both[: networks.group].floor_(), -LIMIT, LIMIT, out=mu[some][i])
                index[some][i] = both[networks.group :].clamp_(0, N_SCALES - 1)  # to an integer type: floor
        return mu, index

    def sums(self, step: int, top: int, bottom: int) -> Tensor:
        """The context of the steps before in some rows of each phase, not yet rounded: float64 (4, 128, rows·long)."""
        runs, bias = self.networks.context[step - 1]
        columns, coded = (bottom - top) * self.long, self.networks.group * step
        total = bias.repeat(PHASES, 1, columns)
        for phase, row, column, outputs in runs:
            start = (row + top) * self.long + column
            seen = self.planes[phase, :coded, start : start + columns]
            for out, weight in outputs:
                total[out].addmm_(weight, seen)
        return total


def activate(x: Tensor) -> Tensor:
    """floor(leaky ReLU of slope 1/8) of x, in place."""
    return F.leaky_relu_(x, SLOPE).floor_()
