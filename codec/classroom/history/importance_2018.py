"""importance-2018: an autoencoder that learns where to spend channels, with a context model in three dimensions.

Mentzer et al., "Conditional probability models for deep image compression", CVPR 2018; Li et al., "Learning
convolutional networks for content-weighted image compression", CVPR 2018; narrower.

    x ── E: 5×5 s2, 5×5 s2, residual blocks, 5×5 s2 ─► z (K channels at 1/8) and an importance map y
         mask m_k = clip(y - k, 0, 1) ─► z·m, rounded to L learned centres ─► D: the mirror image ─► x_hat
                                             └─ P: a causal 3-D network over channel, row, column ─► arithmetic coder

The mask keeps the first channels: where y is large many, where it is small few. What it cuts off is the centre nearest
to 0, which P learns to expect, so it costs next to nothing. The loss is d(x, x_hat) + β·MC, MC the bits of unmasked
symbols, which β holds at a target. `li` is the other paper's variant: a small network of three convolutions makes the
map. A linear path runs beside E and D (`linear`).
"""

import functools
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec.classroom import store
from codec.classroom.cae import Residual
from codec.classroom.history import container, exact
from codec.classroom.history.linear import Linear
from codec.errors import CodecError, StreamError

NAME = "importance-2018"
STRIDE = 8
CHANNELS = 24  # K
WIDTH = 48
CENTRES = 25  # L: the paper has 6, but the linear path brings large values; odd, so that one of them is 0
SPAN = 12.0  # they begin evenly between ±SPAN
SCALE = 1.8  # of the linear path's components, for images in [0, 1]
PLANES = 24  # of the layers of P
#: The networks that are shipped, by their number in files: target bpp, whether there is a map, and whose.
VARIANTS = {
    "low": (0.15, "mentzer"),
    "middle": (0.3, "mentzer"),
    "high": (0.5, "mentzer"),
    "fixed-middle": (0.3, None),
    "fixed-high": (0.5, None),
    "li": (0.3, "li"),
}


class Trunk(nn.Module):
    """Residual blocks in threes with a skip over each three, and one over all."""

    def __init__(self, channels: int, groups: int = 2):
        super().__init__()
        self.groups = nn.ModuleList(nn.Sequential(*(Residual(channels) for _ in range(3))) for _ in range(groups))

    def forward(self, x: Tensor) -> Tensor:
        h = x
        for group in self.groups:
            h = h + group(h)
        return x + h


class Network(nn.Module):
    """E, the quantiser, D and P. Images are in [0, 1] outside, centred and scaled inside."""

    def __init__(self, importance: str | None = "mentzer"):
        super().__init__()
        self.importance = importance
        down = {"kernel_size": 5, "stride": 2, "padding": 2}
        up = down | {"output_padding": 1}
        self.encoder = nn.Sequential(
            *(nn.Conv2d(3, WIDTH // 2, **down), nn.ReLU(), nn.Conv2d(WIDTH // 2, WIDTH, **down), nn.ReLU()),
            Trunk(WIDTH),
        )
        self.to_z = nn.Conv2d(WIDTH, CHANNELS, **down)
        self.to_map = nn.Conv2d(WIDTH, 1, **down) if importance == "mentzer" else None
        if importance == "li":
            self.to_map = nn.Sequential(
                *(nn.Conv2d(WIDTH, 32, **down), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU()),
                nn.Conv2d(32, 1, 1),
            )
        if self.to_map is not None:  # all channels are kept at first: the map closes where that costs little
            last = self.to_map[-1] if importance == "li" else self.to_map
            nn.init.zeros_(last.weight)
            nn.init.constant_(last.bias, 3.0)
        self.centres = nn.Parameter(torch.linspace(-SPAN, SPAN, CENTRES))
        self.linear = Linear(STRIDE, CHANNELS)
        self.decoder = nn.Sequential(
            *(nn.ConvTranspose2d(CHANNELS, WIDTH, **up), nn.ReLU(), Trunk(WIDTH)),
            *(nn.ConvTranspose2d(WIDTH, WIDTH // 2, **up), nn.ReLU(), nn.ConvTranspose2d(WIDTH // 2, 3, **up)),
        )
        self.p = ContextModel()
        for last in (self.to_z, self.decoder[-1]):
            nn.init.zeros_(last.weight)

    def begin(self, x: Tensor) -> None:
        """Fits the linear path to crops x (B, 3, H, W)."""
        self.linear.fit(x, SCALE)

    def analyse(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, 3, H, W) in [0, 1] -> z (B, K, H/8, W/8) and the mask of its channels, the same shape, in [0, 1]."""
        h = self.encoder((x - 0.45) / 0.25)
        z = self.to_z(h) + self.linear.analyse(x)
        if self.to_map is None:
            return z, torch.ones_like(z)
        y = CHANNELS * torch.sigmoid(self.to_map(h).float())
        return z, (y - torch.arange(CHANNELS, device=y.device).view(-1, 1, 1)).clamp(0, 1)

    def quantise(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The nearest centre, its number, and the soft assignment (…, L), which gives the first its gradient.

        Agustsson et al., "Soft-to-hard vector quantization for end-to-end learning compressible representations", 2017.
        """
        distance = (z.unsqueeze(-1) - self.centres).square()
        symbols, assigned = distance.argmin(-1), torch.softmax(-distance, -1)
        soft = (assigned * self.centres).sum(-1)
        return soft + (self.centres[symbols] - soft).detach(), symbols, assigned

    def synthesise(self, z_hat: Tensor) -> Tensor:
        """z_hat (B, K, h, w) -> x_hat (B, 3, 8h, 8w), not clipped."""
        return self.decoder(z_hat) * 0.25 + self.linear.synthesise(z_hat)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x -> x_hat, the bits of each symbol (B, K, h, w), and the mask, the share of each that counts towards MC."""
        z, mask = self.analyse(x)
        z_hat, symbols, assigned = self.quantise(z * (mask + (mask.ceil() - mask).detach()))
        costs = -F.log_softmax(self.p(z_hat).float(), 1) / np.log(2)  # (B, L, K, h, w)
        bits = costs.gather(1, symbols.unsqueeze(1)).squeeze(1)
        soft = (assigned.movedim(-1, 1) * costs.detach()).sum(1)  # what the symbol would cost if z moved
        return self.synthesise(z_hat), bits + soft - soft.detach(), mask


class ContextModel(nn.Module):
    """P: the distribution of each symbol given those before it in (channel, row, column).

    Four causal 3-D convolutions of 2×3×3 with a skip over the third. The first does not see its own place. Beyond the
    edges all is 0.
    """

    #: What a layer sees of the channel before, of the row above, and on its left.
    BEFORE = (*((-1, i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)), (0, -1, -1), (0, -1, 0), (0, -1, 1), (0, 0, -1))
    SHAPES = ((1, PLANES, False), (PLANES, PLANES, True), (PLANES, PLANES, True), (PLANES, CENTRES, True))

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Linear((len(self.BEFORE) + own) * inputs, outputs) for inputs, outputs, own in self.SHAPES
        )

    @classmethod
    def places(cls, own: bool) -> tuple[tuple[int, int, int], ...]:
        return cls.BEFORE + ((0, 0, 0),) * own

    def forward(self, z_hat: Tensor) -> Tensor:
        """z_hat (B, K, h, w) -> logits (B, L, K, h, w)."""
        h = z_hat.unsqueeze(1)
        for i, (layer, (inputs, outputs, own)) in enumerate(zip(self.layers, self.SHAPES, strict=True)):
            kernel = h.new_zeros(outputs, inputs, 2, 3, 3)
            for n, (k, r, c) in enumerate(self.places(own)):
                kernel[:, :, k + 1, r + 1, c + 1] = layer.weight[:, n * inputs : (n + 1) * inputs]
            more = F.conv3d(F.pad(h, (1, 1, 1, 1, 1, 0)), kernel, layer.bias)
            last, residual = i == len(self.layers) - 1, i == 2
            h = more if last else F.relu(more + h if residual else more)
        return h

    @functools.cached_property
    def integers(self):
        return [exact.integers(layer.weight, layer.bias) for layer in self.layers]

    def walk(self, centres: np.ndarray, height: int, width: int):
        """Yields the places of each wavefront and their symbols' distributions, float32 (n, L); is sent the symbols.

        A symbol is worth ONE·(its centre), an integer. Each layer's values are kept, so nothing is computed twice.
        """
        values = np.round(centres.astype(np.float64) * exact.ONE)
        maps = [np.zeros((CHANNELS + 1, height + 2, width + 2, inputs)) for inputs, *_ in self.SHAPES]
        for k, r, c in wavefronts(height, width):
            for i, (weights, (_, _, own)) in enumerate(zip(self.integers, self.SHAPES, strict=True)):
                x = np.concatenate([maps[i][k + 1 + dk, r + 1 + dr, c + 1 + dc] for dk, dr, dc in self.places(own)], 1)
                last = i == len(self.SHAPES) - 1
                h = exact.layer(x, weights, relu=False)
                if i == 2:
                    h = np.clip(h + maps[i][k + 1, r + 1, c + 1], -exact.LIMIT, exact.LIMIT)
                if not last:
                    maps[i + 1][k + 1, r + 1, c + 1] = np.maximum(h, 0)
            symbols = yield (k, r, c), exact.probabilities(h)
            maps[0][k + 1, r + 1, c + 1, 0] = values[symbols]


def wavefronts(height: int, width: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Channels, rows and columns of the symbols that can be coded together: column + 2·row + 4·channel is the same."""
    k, r, c = (a.ravel() for a in np.indices((CHANNELS, height, width), np.int32))
    order = c + 2 * r + 4 * k
    by_order = np.argsort(order, kind="stable")
    for at in np.split(by_order, np.flatnonzero(np.diff(order[by_order])) + 1):
        yield k[at], r[at], c[at]


@functools.cache
def load(variant: str = "middle") -> Network:
    """A network that is shipped. Raises WeightsError."""
    net = Network(VARIANTS[variant][1])
    net.load_state_dict(store.tensors(NAME, variant))
    return net.eval().requires_grad_(False)


@torch.inference_mode()
def latents(rgb: np.ndarray, net: Network) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (H, W, 3) -> symbols int64 (K, h, w), and how many channels the map keeps, (h, w)."""
    pad = [(0, -rgb.shape[0] % STRIDE), (0, -rgb.shape[1] % STRIDE), (0, 0)]
    x = torch.from_numpy(np.pad(rgb, pad, mode="edge")).permute(2, 0, 1)[None].float() / 255
    z, mask = net.analyse(x)
    _, symbols, _ = net.quantise(z * mask.ceil())
    return symbols[0].numpy(), mask[0].sum(0).numpy()


def compress(rgb: np.ndarray, *, variant: str = "middle") -> bytes:
    """uint8 (H, W, 3) -> the file; `variant` has the rate. Raises CodecError, WeightsError."""
    if variant not in VARIANTS:
        raise CodecError(f"{NAME} has the networks {', '.join(VARIANTS)}.")
    container.check_size(rgb.shape[1], rgb.shape[0])
    net, coder = load(variant), exact.Coder()
    symbols = latents(rgb, net)[0]
    code(net, symbols.shape[1:], lambda p, at: coder.put(symbols[at], p))
    return container.write(NAME, [*VARIANTS].index(variant), rgb.shape[1], rgb.shape[0], [coder.finish()])


def costs(symbols: np.ndarray, net: Network) -> np.ndarray:
    """Symbols (K, h, w) -> the bits that each takes under P, float64 of the same shape."""
    bits = np.zeros(symbols.shape)

    def take(p: np.ndarray, at: tuple[np.ndarray, ...]) -> np.ndarray:
        bits[at] = -np.log2(p[np.arange(len(p)), symbols[at]])
        return symbols[at]

    code(net, symbols.shape[1:], take)
    return bits


def code(net: Network, size: tuple[int, ...], symbols_of) -> None:
    """Takes every symbol in coding order; symbols_of(p, (k, r, c)) writes or reads those of a wavefront."""
    walk = net.p.walk(net.centres.numpy(), *size)
    at, p = next(walk)
    while True:
        try:
            at, p = walk.send(symbols_of(p, at))
        except StopIteration:
            return


def symbols_of(stream: container.Container) -> np.ndarray:
    """A parsed file -> its symbols, int64 (K, h, w), the same on every machine. Raises StreamError, WeightsError."""
    if stream.variant >= len(VARIANTS) or len(stream.segments) != 1 or stream.cut:
        raise StreamError(f"{container.DAMAGED}: it is not whole.")
    net, reader = load([*VARIANTS][stream.variant]), exact.Reader(stream.segments[0])
    symbols = np.zeros((CHANNELS, -(-stream.height // STRIDE), -(-stream.width // STRIDE)), np.int64)

    def read(p: np.ndarray, at: tuple[np.ndarray, ...]) -> np.ndarray:
        symbols[at] = reader.get(p)
        return symbols[at]

    code(net, symbols.shape[1:], read)
    return symbols


@torch.inference_mode()
def decompress(data: bytes) -> np.ndarray:
    """A file -> uint8 (H, W, 3). Raises StreamError, WeightsError."""
    stream = container.read(data)
    symbols, net = symbols_of(stream), load([*VARIANTS][stream.variant])
    x_hat = net.synthesise(net.centres[torch.from_numpy(symbols)][None])[0, :, : stream.height, : stream.width]
    return (x_hat.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
