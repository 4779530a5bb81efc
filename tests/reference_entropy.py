"""The entropy model's integer networks, layer after layer as they were trained: the reference for `integer.Walk`."""

import torch
from torch import Tensor

from codec.entropy.integer import LIMIT, MAX_COLUMNS, ONE, IntegerConv, level_fixed, phase_of
from codec.spec import N_SCALES, SLOPE, step_pattern


def act(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 1/8, in integers."""
    return torch.maximum(x, torch.floor(x * SLOPE))


def columns(conv: IntegerConv, x: Tensor, rows: slice) -> Tensor:
    """For a kernel of 1×1: some output channels of columns x (B, in, n) within ±LIMIT -> (B, rows, n)."""
    product = conv.weight[0, rows] @ x
    return product.add_(conv.bias[rows]).mul_(conv.scale[rows]).floor_().clamp_(-LIMIT, LIMIT)


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
            some = phase_of(h, phase).flatten(2)
            mu.append(columns(last, some, slice(group, self.channels, 4)))
            t.append(columns(last, some, slice(self.channels + group, None, 4)))
        index = torch.stack(t, 1).add_(ONE / 2).div_(ONE).floor_().clamp_(0, N_SCALES - 1)
        return torch.stack(mu, 1), index.to(torch.uint8)
