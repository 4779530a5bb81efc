"""The entropy model: a mean–scale hyperprior with a four-step context (Minnen et al. 2018; He et al. 2021).

    y·gain ── h_a ──► z ──round──► z_hat ──┐ + level map
                                           ▼
                                          h_s ──► psi (B, 128, h, w)
                                                   │
      step s = 0…3:  psi + ctx_s(y_hat of steps < s) ──► head_s ──► mu, t of the symbols of step s

The symbols of y are coded in four interleaved steps. In every 2×2 block of locations, each of four groups of channels
(c mod 4) takes another location at each step (the pattern of DCVC-DC, Li et al. 2023). A step is coded at once, given
the steps before it. So encoding and decoding need four network evaluations, all at 1/16 of the resolution.

`t` is the scale on a logarithmic ladder: sigma = SIGMA_MIN·exp(t·LOG_STEP), and round(t) is the index of a probability
table. Between z_hat and (mu, index) there are only convolutions, leaky ReLU and pixel shuffles, so
`codec.entropy.integer` can compute them exactly in integers.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from codec.networks.layers import act, conv
from codec.networks.transforms import HyperAnalysis
from codec.spec import N_SCALES, ORDER, STEPS, Z_CHANNELS

PSI_CHANNELS = 128
HEAD_CHANNELS = 192
#: The ladder of scales: index t stands for the standard deviation SIGMA_MIN·exp(t·LOG_STEP).
SIGMA_MIN, SIGMA_MAX = 0.11, 64.0
LOG_STEP = math.log(SIGMA_MAX / SIGMA_MIN) / (N_SCALES - 1)
T_UNIT = 16.0  # the head's output for t is t / T_UNIT, so that its weights are of order one


def round_ste(x: Tensor) -> Tensor:
    """Rounds to the nearest integer; the gradient passes straight through (Theis et al. 2017)."""
    return x + (torch.round(x) - x).detach()


def step_masks(channels: int, height: int, width: int, device=None) -> Tensor:
    """The symbols that each step codes: bool (4, channels, height, width), exactly one step for each symbol."""
    phase = (torch.arange(height, device=device)[:, None] % 2) * 2 + torch.arange(width, device=device) % 2
    group = torch.arange(channels, device=device)[:, None, None] % 4
    return torch.stack([phase == (order ^ group) for order in ORDER])


class Prediction(NamedTuple):
    """The quantised latent y·gain, and the entropy model's prediction of it; all float32 (B, C, h, w)."""

    y_hat: Tensor
    mu: Tensor
    t: Tensor


class HyperSynthesis(nn.Module):
    """h_s: z_hat (B, 64, h/4, w/4) and level (B, 1, h/4, w/4) in [0, 1] -> psi (B, 128, h, w)."""

    def __init__(self, z_channels: int = Z_CHANNELS, width: int = 96, psi: int = PSI_CHANNELS):
        super().__init__()
        self.up1 = conv(z_channels + 1, width * 4)
        self.up2 = conv(width, psi * 4)

    def forward(self, z_hat: Tensor, level: Tensor) -> Tensor:
        h = nn.functional.pixel_shuffle(self.up1(torch.cat([z_hat, level], 1)), 2)
        return nn.functional.pixel_shuffle(self.up2(act(h)), 2)


class StepHead(nn.Module):
    """psi plus context (B, 128, h, w) and level (B, 1, h, w) -> (B, 2C, h, w): mu / unit, then t / T_UNIT."""

    def __init__(self, channels: int, psi: int = PSI_CHANNELS, width: int = HEAD_CHANNELS):
        super().__init__()
        self.conv1 = conv(psi, width, kernel=1)
        self.inner = conv(width, width, kernel=1)
        self.conv2 = conv(width + 1, 2 * channels, kernel=1)

    def forward(self, h: Tensor, level: Tensor) -> Tensor:
        h = self.conv1(act(h))
        h = h + self.inner(act(h))
        return self.conv2(torch.cat([act(h), level], 1))


class LogisticMixture(nn.Module):
    """The factorized prior of z in training: for each channel a mixture of three logistics."""

    def __init__(self, channels: int, logistics: int = 3):
        super().__init__()
        self.mean = nn.Parameter(torch.linspace(-1, 1, logistics).repeat(channels, 1))
        self.log_scale = nn.Parameter(torch.full((channels, logistics), math.log(0.3)))
        self.logit = nn.Parameter(torch.zeros(channels, logistics))

    def bits(self, z: Tensor) -> Tensor:
        """-log2 of the probability of the unit interval around z (B, C, h, w), same shape."""
        d = (z.unsqueeze(2) - self.mean[..., None, None]).abs()  # symmetric, so the left tail is accurate
        inverse = torch.exp(-self.log_scale.clamp(-4, 6))[..., None, None]
        part = torch.sigmoid((0.5 - d) * inverse) - torch.sigmoid((-0.5 - d) * inverse)
        p = (part * torch.softmax(self.logit, 1)[..., None, None]).sum(2)
        return -torch.log2(p.clamp(min=1e-9))


def gaussian_bits(d: Tensor, t: Tensor) -> Tensor:
    """-log2 of the probability of the unit interval around d, for a Gaussian of scale index t; same shape."""
    inverse = torch.exp(-LOG_STEP * t) / (SIGMA_MIN * math.sqrt(2))
    d = d.abs()
    p = 0.5 * (torch.erfc((d - 0.5) * inverse) - torch.erfc((d + 0.5) * inverse))
    return -torch.log2(p.clamp(min=1e-9))


@torch.no_grad()
def rdoq(d: Tensor, t: Tensor, rdo_weight: Tensor) -> Tensor:
    """The encoder's correction of round(d) to save bits: 0, or one towards zero; all shapes as d.

    `rdo_weight` is the number of bits that a squared error is worth. `codec.pipeline` does the same with real tables.
    """
    near = torch.round(d)
    towards = near - torch.sign(near)
    loss = rdo_weight * ((d - towards) ** 2 - (d - near) ** 2)
    return torch.where(loss < gaussian_bits(near, t) - gaussian_bits(towards, t), towards - near, 0.0)


class EntropyModel(nn.Module):
    """From y·gain to its bits. See the figure at the top of the module."""

    def __init__(self, channels: int):
        super().__init__()
        self.h_a = HyperAnalysis(channels)
        self.h_s = HyperSynthesis()
        self.z_prior = LogisticMixture(Z_CHANNELS)
        self.ctx = nn.ModuleList(conv(channels, PSI_CHANNELS) for _ in range(STEPS - 1))
        self.heads = nn.ModuleList(StepHead(channels) for _ in range(STEPS))
        # Typical magnitude of each gained channel: context and means are expressed in it.
        self.register_buffer("unit", torch.ones(channels))
        with torch.no_grad():
            for ctx in self.ctx:
                ctx.weight.mul_(0.3)

    @torch.no_grad()
    def init_scales(self, std: Tensor, level_slope: float) -> None:
        """Starts t at the scale of channels that have the standard deviation `std` (C,) at level 0.

        `level_slope` is the growth of log std from level 0 to the top.
        """
        self.unit.copy_((std * math.exp(level_slope / 2)).clamp(min=0.5))
        for head in self.heads:
            channels = len(std)
            head.conv2.weight.mul_(0.1)
            head.conv2.bias.zero_()
            head.conv2.weight[:, -1] = 0
            head.conv2.weight[channels:, -1] = level_slope / LOG_STEP / T_UNIT
            head.conv2.bias[channels:] = (std.clamp(min=0.2) / SIGMA_MIN).log() / LOG_STEP / T_UNIT

    def predict(self, step: int, psi: Tensor, level: Tensor, y_hat: Tensor) -> tuple[Tensor, Tensor]:
        """mu and t (B, C, h, w) of a step, given the symbols so far; only those under its mask mean anything."""
        h = psi if step == 0 else psi + self.ctx[step - 1](y_hat / self.unit[:, None, None])
        mu, t = self.heads[step](h, level).chunk(2, 1)
        return mu * self.unit[:, None, None], (t * T_UNIT).clamp(0, N_SCALES - 1)

    def forward(self, v: Tensor, level: Tensor, rdo_weight: Tensor) -> tuple[Prediction, Tensor, Tensor]:
        """y·gain v (B, C, h, w) and level (B, 1, h/4, w/4) in [0, 1] -> prediction, y bits, z bits.

        y_hat comes from straight-through rounding. The bits are those of the rounded symbols, and the scales learn from
        them. v and mu learn from the gradient of the bits under additive uniform noise, because rounding has none.
        (If the scales learned from noise as well, the usual mixture of Minnen & Singh 2020, symbols that are nearly
        always zero would take 0.2 bpp too many.) The encoder's rounding weighs bits against error (`rdoq`), so means
        and synthesis learn from what they will get.
        """
        z = self.h_a(v)
        z_hat = round_ste(z)
        z_bits = self.z_prior.bits(z + torch.rand_like(z) - 0.5 if self.training else z_hat)
        level16 = level.repeat_interleave(4, 2).repeat_interleave(4, 3)
        y_hat, mu, t = torch.zeros_like(v), torch.zeros_like(v), torch.zeros_like(v)
        # In integers afterwards, exact to 1/4096; bfloat16 would miss the mean of a large coefficient by a step or two.
        with torch.autocast(v.device.type, enabled=False):
            psi = self.h_s(z_hat, level)
            for step, mask in enumerate(step_masks(*v.shape[1:], device=v.device)):
                mu_s, t_s = self.predict(step, psi, level16, y_hat)
                q = round_ste(v - mu_s) + rdoq((v - mu_s).detach(), t_s, rdo_weight)
                y_hat = torch.where(mask, q + mu_s, y_hat)
                mu, t = torch.where(mask, mu_s, mu), torch.where(mask, t_s, t)
        y_bits = gaussian_bits((y_hat - mu).detach(), t) if self.training else gaussian_bits(y_hat - mu, t)
        if self.training:
            soft = gaussian_bits(v + torch.rand_like(v) - 0.5 - mu, t.detach())
            y_bits = y_bits + soft - soft.detach()
        return Prediction(y_hat, mu, t), y_bits, z_bits
