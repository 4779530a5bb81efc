"""The decoder's half of the entropy model in integers: z_hat -> psi -> (mu, scale index), step by step.

The counterpart, layer by layer, of `codec.models.entropy_model`, from whose weights `quantize` makes it.
"""

import torch
from torch import Tensor

from codec.entropy.integer import LIMIT, MAX_COLUMNS, ONE, IntegerConv, act
from codec.models.entropy_model import N_SCALES, T_UNIT, EntropyModel, step_masks
from codec.models.gain import BYTE_MAX


def quantize(model: EntropyModel) -> dict[str, Tensor]:
    """Everything to store of a trained model: flat names -> integer tensors."""
    unit = model.unit
    layers = {
        "up1": IntegerConv.quantize(model.h_s.up1.weight, model.h_s.up1.bias),
        "up2": IntegerConv.quantize(model.h_s.up2.weight, model.h_s.up2.bias),
    }
    for i, ctx in enumerate(model.ctx):
        layers[f"ctx{i + 1}"] = IntegerConv.quantize(ctx.weight, ctx.bias, in_scale=1 / unit)
    out_scale = torch.cat([unit, torch.full_like(unit, T_UNIT)])
    for i, head in enumerate(model.heads):
        layers[f"head{i}a"] = IntegerConv.quantize(head.conv1.weight, head.conv1.bias)
        layers[f"head{i}m"] = IntegerConv.quantize(head.inner.weight, head.inner.bias)
        layers[f"head{i}b"] = IntegerConv.quantize(head.conv2.weight, head.conv2.bias, out_scale=out_scale)
    return {f"{layer}.{name}": t for layer, parts in layers.items() for name, t in parts.items()}


def level_fixed(level: Tensor) -> Tensor:
    """Byte-valued levels -> the level input of the networks, [0, 1], in fixed point."""
    return torch.round(level.double() * ONE / BYTE_MAX)


def upsample(level: Tensor) -> Tensor:
    """Nearest-neighbour, from 1/64 to 1/16 of the picture."""
    return level.repeat_interleave(4, -2).repeat_interleave(4, -1)


class IntegerEntropyModel:
    """Holds the integer layers; all tensors float64 with integer values, batch first."""

    def __init__(self, stored: dict[str, Tensor], device="cpu"):
        names = {name.split(".")[0] for name in stored}
        self.layers = {
            n: IntegerConv.load({k: stored[f"{n}.{k}"] for k in ("weight", "bias", "shift")}, device) for n in names
        }
        self.channels = len(self.layers["head0b"].bias) // 2

    def psi(self, z_hat: Tensor, level: Tensor) -> Tensor:
        """z_hat (B, 64, h, w) integers and level (B, 1, h, w) bytes -> psi (B, 128, 4h, 4w)."""
        h = torch.cat([z_hat.double() * ONE, level_fixed(level)], 1)
        h = torch.nn.functional.pixel_shuffle(self.layers["up1"](h), 2)
        return torch.nn.functional.pixel_shuffle(self.layers["up2"](act(h)), 2)

    def step(self, step: int, psi: Tensor, level: Tensor, y_hat: Tensor) -> tuple[Tensor, Tensor]:
        """mu (fixed point) and scale index of the symbols of one step, in the order of `gather`.

        psi (B, 128, h, w); level (B, 1, h, w) bytes; y_hat (B, C, h, w) fixed point, 0 where unknown.
        Returns float64 and uint8, both (B, 4, C/4, h/2·w/2).
        """
        h = psi if step == 0 else self.layers[f"ctx{step}"](y_hat).add_(psi)
        parts = []
        rows = max(2, MAX_COLUMNS // h.shape[3] // 2 * 2)  # a few at a time: what they hold stays in the cache
        for top in range(0, h.shape[2], rows):
            part = self.layers[f"head{step}a"](act(h[:, :, top : top + rows]))
            if f"head{step}m" in self.layers:
                part = part.add_(self.layers[f"head{step}m"](act(part))).clamp_(-LIMIT, LIMIT)
            parts.append(self.last(step, act(part), level[:, :, top : top + rows]))
        mu, index = zip(*parts, strict=True)
        return torch.cat(mu, 3), torch.cat(index, 3)

    def last(self, step: int, h: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """The end of `step`, for some of its rows."""
        h = torch.cat([h, level_fixed(level)], 1)
        last = self.layers[f"head{step}b"]
        mu, t = [], []
        for group, phase in step_pattern(step):
            columns = phase_of(h, phase).flatten(2)
            mu.append(last.columns(columns, slice(group, self.channels, 4)))
            t.append(last.columns(columns, slice(self.channels + group, None, 4)))
        index = torch.stack(t, 1).add_(ONE / 2).div_(ONE).floor_().clamp_(0, N_SCALES - 1)
        return torch.stack(mu, 1), index.to(torch.uint8)


def step_pattern(step: int) -> list[tuple[int, int]]:
    """The four (channel group, phase) pairs that a step codes; phase = 2·(row mod 2) + column mod 2."""
    masks = step_masks(4, 2, 2)[step]
    return [(group, int(masks[group].flatten().int().argmax())) for group in range(4)]


def phase_of(x: Tensor, phase: int) -> Tensor:
    """The locations of one phase: (B, C, h, w) -> view (B, C, h/2, w/2)."""
    return x[:, :, phase // 2 :: 2, phase % 2 :: 2]


def gather(x: Tensor, step: int) -> Tensor:
    """The symbols of a step: (B, C, h, w) -> (B, 4, C/4, h/2·w/2)."""
    return torch.stack([phase_of(x[:, g::4], p).flatten(2) for g, p in step_pattern(step)], 1)


def scatter(x: Tensor, step: int, values: Tensor) -> None:
    """The inverse of `gather`: writes values (B, 4, C/4, h/2·w/2) into x in place."""
    for i, (group, phase) in enumerate(step_pattern(step)):
        view = phase_of(x[:, group::4], phase)
        view.copy_(values[:, i].reshape(view.shape))
