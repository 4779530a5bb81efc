"""The codec for digits in use: pictures to strings of bytes and back, with a model of the manifest."""

import functools
from dataclasses import dataclass

import numpy as np
import torch

from codec.classroom import prior, store
from codec.classroom.mnist import DigitNet

UNTRAINED = "untrained"


@dataclass(frozen=True, eq=False)
class DigitCodec:
    """A trained model with its prior in integers: the scale of each latent in thousandths, int (d,)."""

    name: str
    lmbda: float
    d: int
    net: DigitNet
    scales: np.ndarray

    @torch.no_grad()
    def analyse(self, x: np.ndarray) -> np.ndarray:
        """x uint8 (n, 28, 28) -> y float64 (n, d)."""
        return self.net.g_a(torch.from_numpy(np.ascontiguousarray(x)).float()[:, None] / 255).double().numpy()

    @torch.no_grad()
    def synthesise(self, y_hat: np.ndarray) -> np.ndarray:
        """y_hat (n, d) -> x_hat uint8 (n, 28, 28)."""
        x_hat = self.net.g_s(torch.from_numpy(np.ascontiguousarray(y_hat)).float())[:, 0]
        return (x_hat.clamp(0, 1) * 255).round().to(torch.uint8).numpy()

    def steps(self, seed: int | None, number: int) -> np.ndarray:
        """The dither of a digit in units of 1/32 (d,); without a seed there is none."""
        return np.zeros(self.d, int) if seed is None else prior.dither_steps(seed, number, self.d)

    def tables(self, seed: int | None, number: int):
        return prior.tables_of(self.scales, self.steps(seed, number))

    def compress(self, y: np.ndarray, seed: int | None = None, number: int = 0) -> bytes:
        """y (d,) -> bytes: round(y), or round(y - u) where a seed gives the dither u."""
        return prior.encode(self.quantise(y, seed, number), self.tables(seed, number))

    def quantise(self, y: np.ndarray, seed: int | None = None, number: int = 0) -> np.ndarray:
        return np.round(y - self.steps(seed, number) / 32).astype(np.int32)

    def decompress(self, text: bytes, seed: int | None = None, number: int = 0) -> np.ndarray:
        """bytes -> y_hat (d,). Raises StreamError."""
        return prior.decode(text, self.tables(seed, number)) + self.steps(seed, number) / 32

    def estimate(self, q: np.ndarray, seed: int | None = None, number: int = 0) -> float:
        """The information content of the symbols (d,) in bits."""
        return prior.bits(q, self.tables(seed, number))

    def sample(self, count: int, seed: int, temperature: float = 1.0) -> np.ndarray:
        """Latents drawn from the prior, (count, d), whole numbers as the decoder gets them."""
        share = np.random.default_rng(seed).uniform(1e-9, 1 - 1e-9, (count, self.d))
        return np.round(temperature * self.scales / prior.THOUSAND * np.log(share / (1 - share)))


def scales_of(log_scale: torch.Tensor) -> np.ndarray:
    """The learned scales in thousandths, at least 1, int (d,)."""
    return np.maximum(1, np.round(log_scale.detach().double().exp().numpy() * prior.THOUSAND)).astype(int)


def ready(name: str, lmbda: float, net: DigitNet, scales: np.ndarray) -> DigitCodec:
    return DigitCodec(name, lmbda, len(scales), net.eval().requires_grad_(False), scales)


@functools.cache
def load(name: str) -> DigitCodec:
    """A model of the manifest, or the untrained one. Raises WeightsError."""
    if name == UNTRAINED:
        net = DigitNet(10).initialise(0)
        return ready(name, 2000, net, scales_of(net.log_scale))
    entry, state = store.entry("mnist", name), store.tensors("mnist", name)
    scales = np.array(entry["scales"])
    net = DigitNet(entry["d"], rank=len(state["g_a.5.0.weight"]))
    net.load_state_dict(state | {"log_scale": torch.from_numpy(np.log(scales / prior.THOUSAND)).float()})
    return ready(name, entry["lambda"], net, scales)
