"""The four steps of the entropy model as `IntegerEntropyModel.step` computes them, bit for bit, in half the time.

The latent is held as four planes, one for each phase of a 2×2 block. A plane holds its known channels only, in coding
order, with one row and one column of zeros. So the context convolution of step s multiplies what is known, s quarters
of the latent, and never a zero. What a place of the kernel sees is an offset in a plane, not a copy.
Scales are folded into the weights, which is exact, since they are powers of two. floor(t) followed by the leaky ReLU of
integers is floor(leaky(t)), so that a layer takes two passes.

`IntegerEntropyModel` clips every layer's input and output to ±LIMIT. No real picture comes near. Here values are
compared with half of it instead, and a latent that goes beyond is left to the reference from there on.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from codec.entropy.integer import LIMIT, ONE, IntegerEntropyModel, act, level_fixed, phase_of, scatter, upsample
from codec.spec import N_SCALES, SLOPE, STEPS, step_pattern

SAFE = LIMIT / 2
PHASES = 4


@dataclass
class Run:
    """What one offset of one input phase adds to the context: `weights` (128, channels known) for each output phase."""

    phase: int
    row: int
    column: int
    outputs: list[tuple[int, Tensor]]


def column_of_ones(weight: Tensor, bias: Tensor) -> Tensor:
    """(out, in) and (out, 1) -> (out, in + 1), for an input whose last row is 1."""
    return torch.cat([weight, bias], 1).contiguous()


class StepNetworks:
    """The layers of an `IntegerEntropyModel`, arranged for `Walk`. All tensors float64."""

    def __init__(self, reference: IntegerEntropyModel):
        self.reference, layers = reference, reference.layers
        self.channels, self.group = reference.channels, reference.channels // 4
        self.context = [self._runs(step) for step in range(STEPS)]
        self.first, self.inner, self.last = [], [], []
        for step in range(STEPS):
            a, m, b = (layers.get(f"head{step}{part}") for part in "amb")
            self.first.append(column_of_ones(a.weight[0] * a.scale, a.bias * a.scale))
            self.inner.append(None if m is None else column_of_ones(m.weight[0] * m.scale, m.bias * m.scale))
            weight, bias, ends = b.weight[0] * b.scale, b.bias * b.scale, []
            for group, phase in step_pattern(step):
                mu, t = slice(group, self.channels, 4), slice(self.channels + group, None, 4)
                rows = torch.cat([weight[mu], weight[t] / ONE]), torch.cat([bias[mu], (bias[t] + ONE / 2) / ONE])
                ends.append((phase, column_of_ones(*rows)))
            self.last.append(ends)

    def _runs(self, step: int) -> tuple[list[Run], Tensor | None]:
        if step == 0:
            return [], None
        layer = self.reference.layers[f"ctx{step}"]
        weight, runs = layer.weight * layer.scale, []
        groups = [{phase: group for group, phase in step_pattern(s)} for s in range(step)]
        for phase in range(PHASES):
            known = torch.cat([torch.arange(group[phase], self.channels, 4) for group in groups]).to(weight.device)
            y, x = divmod(phase, 2)
            for row in (-1, 0) if y else (0, 1):
                for column in (-1, 0) if x else (0, 1):
                    outputs = []
                    for out in range(PHASES):
                        dy, dx = 2 * row + y - out // 2, 2 * column + x - out % 2
                        if abs(dy) <= 1 and abs(dx) <= 1:
                            outputs.append((out, weight[(dy + 1) * 3 + dx + 1][:, known].contiguous()))
                    runs.append(Run(phase, row + y, column + x, outputs))
        return runs, layer.bias * layer.scale


class Walk:
    """One picture on its way through the four steps: `predict` a step, then `put` its symbols, in order.

    z_hat (1, 64, h/4, w/4) integers, level (1, 1, h/4, w/4) bytes.
    """

    def __init__(self, networks: StepNetworks, z_hat: Tensor, level: Tensor):
        self.networks, reference = networks, networks.reference
        self.level = upsample(level)
        h = torch.cat([z_hat.double() * ONE, level_fixed(level)], 1)
        h = F.pixel_shuffle(reference.layers["up1"](h), 2)
        h = reference.layers["up2"](act(h))  # (1, 512, h/2, w/2)
        self.shuffled = h
        _, channels, self.height, self.width = h.shape  # of a phase
        self.psi = h.view(channels // PHASES, PHASES, -1).transpose(0, 1).contiguous()  # (4, 128, n)
        self.places = self.height * self.width
        self.long = self.width + 1
        fixed = level_fixed(self.level)
        self.levels = torch.stack([phase_of(fixed, p).flatten() for p in range(PHASES)])  # (4, n)
        self.planes = h.new_zeros(PHASES, networks.channels, (self.height + 1) * self.long + 1)
        self.slow = not within(self.psi)

    @property
    def y_hat(self) -> Tensor:
        """(1, C, h, w) in fixed point, 0 where it is not known yet."""
        y_hat = self.psi.new_zeros(1, self.networks.channels, 2 * self.height, 2 * self.width)
        group = self.networks.group
        for step in range(STEPS):
            values = [self._place(step, phase).reshape(group, -1) for _, phase in step_pattern(step)]
            scatter(y_hat, step, torch.stack(values)[None])
        return y_hat

    def _place(self, step: int, phase: int) -> Tensor:
        """The view (C/4, h/2, w/2) of the channels that a step codes at a phase."""
        group, (y, x) = self.networks.group, divmod(phase, 2)
        rows = self.planes[phase, group * step : group * (step + 1), : (self.height + 1) * self.long]
        return rows.view(group, self.height + 1, self.long)[:, y : y + self.height, x : x + self.width]

    def put(self, step: int, values: Tensor) -> None:
        """y_hat of the symbols of a step, fixed point, (4, C/4, h/2·w/2) in the order of `gather`."""
        self.slow = self.slow or not within(values, LIMIT)
        for part, (_, phase) in zip(values, step_pattern(step), strict=True):
            self._place(step, phase).copy_(part.view(-1, self.height, self.width))

    def predict(self, step: int) -> tuple[Tensor, Tensor]:
        """mu (fixed point) float64 and scale index uint8 of the symbols of a step, both (4, C/4, h/2·w/2)."""
        if not self.slow:
            result = self._predict(step)
            if result is not None:
                return result
            self.slow = True
        psi = F.pixel_shuffle(self.shuffled, 2)
        mu, index = self.networks.reference.step(step, psi, self.level, self.y_hat)
        return mu[0], index[0]

    def _predict(self, step: int) -> tuple[Tensor, Tensor] | None:
        """The same, or None where a value was too large for it."""
        networks, n, count = self.networks, self.places, self.psi.shape[1]
        h = self.psi.new_ones(count + 1, PHASES, n)  # the last row stays 1
        runs, bias = networks.context[step]
        if step == 0:
            h[:count] = F.leaky_relu(self.psi, SLOPE).transpose(0, 1)
        else:
            columns = self.height * self.long
            total = self.psi.new_zeros(PHASES, count, self.height, self.long)
            torch.add(
                self.psi.view(PHASES, count, self.height, self.width), bias[:, :, None], out=total[..., : self.width]
            )
            total, known = total.view(PHASES, count, columns), networks.group * step
            for run in runs:
                start = run.row * self.long + run.column
                seen = self.planes[run.phase, :known, start : start + columns]
                for phase, weight in run.outputs:
                    total[phase].addmm_(weight, seen)
            if not within(total):
                return None
            total = F.leaky_relu_(total, SLOPE).view(PHASES, count, self.height, self.long)[..., : self.width]
            h[:count].view(count, PHASES, self.height, self.width).copy_(total.transpose(0, 1))
        h = h.view(count + 1, -1)
        h[:count].floor_()
        h = networks.first[step] @ h
        if not within(h):
            return None
        inner = networks.inner[step]
        if inner is not None:
            h.floor_()
            ones = h.new_ones(1, h.shape[1])
            h = torch.addmm(h, inner, torch.cat([F.leaky_relu(h, SLOPE).floor_(), ones]))
            if not within(h):
                return None
        h = F.leaky_relu_(h, SLOPE).floor_()
        h = torch.cat([h, self.levels.view(1, -1), h.new_ones(1, h.shape[1])]).view(-1, PHASES, n)
        mu = h.new_empty(4, networks.group, n)
        index = torch.empty(mu.shape, dtype=torch.uint8, device=h.device)
        for i, (phase, weight) in enumerate(networks.last[step]):
            both = weight @ h[:, phase]
            torch.clamp(both[: networks.group].floor_(), -LIMIT, LIMIT, out=mu[i])
            index[i] = both[networks.group :].clamp_(0, N_SCALES - 1)  # to an integer type: floor
        return mu, index


def within(x: Tensor, limit: float = SAFE) -> bool:
    low, high = torch.aminmax(x)
    return -limit < low.item() and high.item() < limit
