"""rnn-2018: recurrent networks that send 32 bits for every 16×16 pixels, again and again.

Toderici et al., "Full resolution image compression with recurrent neural networks", CVPR 2017, and Johnston et al.,
"Improved lossy image compression with priming and spatially adaptive bit rates", CVPR 2018; narrower.

    step t:  r = x - x_hat ── E: conv, 3 ConvGRU, each stride 2 ── B: 32 × ±1 at 1/16 ─► bits, 0.125 bpp
             x_hat ◄── D: 4 ConvGRU, each followed by depth to space ◄── bits

One network serves every step. What it knows of the steps before lies in its hidden states, and the output of D is the
whole picture, not a correction ("one shot"). Each step is a segment of the file, so a stream cut after any of them
decodes. *Priming* runs E and D a few times before the first step counts, and *diffusion* between steps: hidden states
spread, no bit is sent. *SABR*, spatially adaptive bit rates: a 16×16 tile that is good enough sends nothing more.
The bits are coded under a small binary model of those already sent, in integers.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec.classroom import store
from codec.classroom.history import container, exact
from codec.errors import CodecError, StreamError

NAME = "rnn-2018"
TILE = 16  # pixels on a side that share 32 bits a step
BITS = 32
STEPS = 16  # at most: 2 bpp
TRAINED = 8  # steps of the training; what comes after them adds little
#: The networks that are shipped, by their number in files: extra runs before the first step and between steps.
VARIANTS = {"plain": (0, 0), "primed": (3, 0), "diffused": (3, 1), "ssim": (3, 0)}
HIDDEN = 64  # of the model of bits


class ConvGRU(nn.Module):
    """x (B, in, H, W), h (B, C, H/s, W/s) -> the new h; a gated recurrent unit of convolutions."""

    def __init__(self, inputs: int, channels: int, stride: int = 1, hidden_kernel: int = 1):
        super().__init__()
        pad = hidden_kernel // 2
        self.channels, self.stride = channels, stride
        self.input = nn.Conv2d(inputs, 3 * channels, 3, stride, padding=1)
        self.gates = nn.Conv2d(channels, 2 * channels, hidden_kernel, padding=pad, bias=False)
        self.candidate = nn.Conv2d(channels, channels, hidden_kernel, padding=pad, bias=False)

    def forward(self, x: Tensor, h: Tensor | None) -> Tensor:
        update, reset, new = self.input(x).chunk(3, 1)
        if h is None:  # all zeros
            return torch.sigmoid(update) * torch.tanh(new)
        more_update, more_reset = self.gates(h).chunk(2, 1)
        update, reset = torch.sigmoid(update + more_update), torch.sigmoid(reset + more_reset)
        return h + update * (torch.tanh(new + self.candidate(reset * h)) - h)


class Binarizer(torch.autograd.Function):
    """(-1, 1) -> ±1, its gradient passed straight through.

    In the papers' training the sign is drawn at random such that its mean is x (Raiko et al. 2014). A network as small
    as this one learns faster without that noise.
    """

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return gradient


@dataclass
class State:
    """The hidden states of E and D."""

    encoder: list[Tensor | None] = field(default_factory=lambda: [None] * 3)
    decoder: list[Tensor | None] = field(default_factory=lambda: [None] * 4)


class Network(nn.Module):
    """E, B and D, and the model of the bits. Images are in [-1/2, 1/2]."""

    def __init__(self, extra: tuple[int, int] = (0, 0)):
        super().__init__()
        self.extra = extra  # runs before the first step, and between steps
        self.head = nn.Conv2d(3, 24, 3, 2, padding=1)
        self.encoder = nn.ModuleList([ConvGRU(24, 64, 2), ConvGRU(64, 96, 2), ConvGRU(96, 128, 2)])
        self.binarize = nn.Conv2d(128, BITS, 1)
        self.expand = nn.Conv2d(BITS, 128, 1)
        widths = [(128, 128, 1), (32, 96, 1), (24, 64, 3), (16, 32, 3)]
        self.decoder = nn.ModuleList([ConvGRU(i, o, hidden_kernel=kernel) for i, o, kernel in widths])
        self.tail = nn.Conv2d(8, 3, 1)
        self.model = BitModel()

    def encode(self, residual: Tensor, state: State) -> Tensor:
        """r (B, 3, H, W) -> (B, 32, H/16, W/16) in (-1, 1)."""
        h = self.head(residual)
        for i, gru in enumerate(self.encoder):
            h = state.encoder[i] = gru(h, state.encoder[i])
        return torch.tanh(self.binarize(h))

    def decode(self, bits: Tensor, state: State) -> Tensor:
        """bits (B, 32, h, w), ±1 or 0 where a tile sends none -> x_hat (B, 3, 16h, 16w)."""
        h = self.expand(bits)
        for i, gru in enumerate(self.decoder):
            state.decoder[i] = gru(h, state.decoder[i])
            h = F.pixel_shuffle(state.decoder[i], 2)
        return torch.tanh(self.tail(h)) / 2

    def runs(self, step: int) -> int:
        """How often E and D run for a step."""
        return 1 + self.extra[step > 0]

    def send(self, residual: Tensor, state: State, step: int) -> Tensor:
        """The bits of a step, ±1."""
        for _ in range(self.runs(step)):
            code = self.encode(residual, state)
        return Binarizer.apply(code.float())

    def receive(self, bits: Tensor, state: State, step: int) -> Tensor:
        """x_hat after a step."""
        for _ in range(self.runs(step)):
            x_hat = self.decode(bits, state)
        return x_hat


class BitModel(nn.Module):
    """The probabilities of a tile's 32 bits, given what is known: two layers on its neighbours' bits.

    Of the step before the 3×3 tiles around it, of the one before that its own, of this step the four tiles above and on
    the left, and which step it is.
    """

    BEFORE = tuple((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1))
    NOW = ((0, -1), (-1, -1), (-1, 0), (-1, 1))
    INPUTS = BITS * (len(BEFORE) + 1 + len(NOW)) + STEPS

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(self.INPUTS, HIDDEN), nn.Linear(HIDDEN, BITS)

    def forward(self, x: Tensor) -> Tensor:
        """(n, INPUTS) in ±1 -> logits (n, 32) of a bit being 1."""
        return self.last(F.relu(self.first(x)))

    @functools.cached_property
    def integers(self):
        return [exact.integers(layer.weight, layer.bias) for layer in (self.first, self.last)]

    def p(self, x: np.ndarray) -> np.ndarray:
        """The same exactly: int8 (n, INPUTS) -> float32 (n·32, 2), the probabilities of -1 and 1."""
        first, last = self.integers
        logits = exact.layer(exact.layer(x.astype(np.float64) * exact.ONE, first), last, relu=False).reshape(-1, 1)
        return exact.probabilities(np.concatenate([np.zeros_like(logits), logits], 1))


def neighbours(codes: np.ndarray, step: int, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """What `BitModel` reads for some tiles of a step: codes int8 (steps, h + 2, w + 2, 32), 0 around and unknown."""
    r, c = rows + 1, columns + 1
    before, earlier = (codes[step - n] if step >= n else np.zeros_like(codes[0]) for n in (1, 2))
    seen = [before[r + i, c + j] for i, j in BitModel.BEFORE] + [earlier[r, c]]
    seen += [codes[step][r + i, c + j] for i, j in BitModel.NOW]
    return np.concatenate([*seen, np.tile(np.eye(STEPS, dtype=np.int8)[step], (len(rows), 1))], 1)


def wavefronts(active: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows and columns of the active tiles (h, w) that can be coded together: those above and on the left are done."""
    rows, columns = np.nonzero(active)
    order = columns + 2 * rows
    for number in np.unique(order):
        at = order == number
        yield rows[at], columns[at]


def code(coder: exact.Coder | exact.Reader, model: BitModel, codes: np.ndarray, step: int, active: np.ndarray) -> None:
    """Writes the bits of a step out of `codes`, or reads them into it."""
    for rows, columns in wavefronts(active):
        p = model.p(neighbours(codes, step, rows, columns))
        tiles = step, rows + 1, columns + 1
        if isinstance(coder, exact.Coder):
            coder.put((codes[tiles].ravel() + 1) // 2, p)
        else:
            codes[tiles] = (2 * coder.get(p) - 1).reshape(-1, BITS)


def flags(share: int, count: int) -> np.ndarray:
    """The distribution of `count` flags "sends on"; about share / 255 of them are set."""
    p = share * 257 / exact.TOTAL
    return np.tile(np.array([1 - p, p], np.float32), (count, 1))


@functools.cache
def load(variant: str = "primed") -> Network:
    """A network that is shipped. Raises WeightsError."""
    net = Network(VARIANTS[variant])
    net.load_state_dict(store.tensors(NAME, variant))
    return net.eval().requires_grad_(False)


@torch.inference_mode()
def sent(rgb: np.ndarray, net: Network, steps: int, target: float | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """After each step on uint8 (H, W, 3): all bits so far, as `neighbours` takes them, and the tiles that send, (h, w).

    Ends before `steps` where every tile has reached the target PSNR.
    """
    pad = [(0, -rgb.shape[0] % TILE), (0, -rgb.shape[1] % TILE), (0, 0)]
    x = torch.from_numpy(np.pad(rgb, pad, mode="edge")).permute(2, 0, 1)[None].float() / 255 - 0.5
    h, w = x.shape[2] // TILE, x.shape[3] // TILE
    codes, active = np.zeros((steps, h + 2, w + 2, BITS), np.int8), np.ones((h, w), bool)
    state, residual = State(), x
    for step in range(steps):
        if target is not None and step:
            mse = F.avg_pool2d(residual.square().mean(1), TILE)[0].numpy()
            active = active & (mse > 10 ** (-target / 10))
            if not active.any():
                return
        bits = net.send(residual, state, step) * torch.from_numpy(active)
        codes[step, 1:-1, 1:-1] = bits[0].permute(1, 2, 0).numpy()
        yield codes, active
        residual = x - net.receive(bits, state, step)


def encode(rgb: np.ndarray, net: Network, steps: int, target: float | None) -> Iterator[tuple[bytes, float]]:
    """uint8 (H, W, 3) -> of each step a segment, and the bits that the model says it takes; see `compress`."""
    before = None
    for step, (codes, active) in enumerate(sent(rgb, net, steps, target)):
        coder, share = exact.Coder(), 255  # all tiles send on, and nothing is said of it
        if step and (active != before).any():
            share = min(max(round(255 * active.sum() / before.sum()), 1), 254)
            coder.put(active[before].astype(np.int64), flags(share, before.sum()))
        code(coder, net.model, codes, step, active)
        yield bytes([share]) + coder.finish(), coder.bits
        before = active


def compress(rgb: np.ndarray, *, steps: int = TRAINED, target: float | None = None, variant: str = "primed") -> bytes:
    """uint8 (H, W, 3) -> the file. steps: at most, of 0.125 bpp each before the model of bits.

    target: the PSNR in dB at which a tile sends no more (SABR); None: all tiles send at every step. Raises CodecError,
    WeightsError.
    """
    if not 1 <= steps <= STEPS or variant not in VARIANTS:
        raise CodecError(f"{NAME} takes 1 to {STEPS} steps and one of the networks {', '.join(VARIANTS)}.")
    container.check_size(rgb.shape[1], rgb.shape[0])
    segments = [segment for segment, _ in encode(rgb, load(variant), steps, target)]
    return container.write(NAME, [*VARIANTS].index(variant), rgb.shape[1], rgb.shape[0], segments)


def symbols_of(stream: container.Container) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """After each whole step of a parsed stream what `sent` gave, the same on every machine.

    Raises StreamError, WeightsError.
    """
    if stream.variant >= len(VARIANTS) or not 1 <= len(stream.segments) <= STEPS:
        raise StreamError(f"{container.DAMAGED}: it has no whole step of {NAME}.")
    model = load([*VARIANTS][stream.variant]).model
    h, w = -(-stream.height // TILE), -(-stream.width // TILE)
    codes, active = np.zeros((len(stream.segments), h + 2, w + 2, BITS), np.int8), np.ones((h, w), bool)
    for step, segment in enumerate(stream.segments):
        if not segment:
            raise StreamError(f"{container.DAMAGED}: a step of it is empty.")
        reader, share = exact.Reader(segment[1:]), segment[0]
        if share < 255:
            active = active.copy()
            active[active] = reader.get(flags(share, active.sum())).astype(bool)
        code(reader, model, codes, step, active)
        yield codes, active


@torch.inference_mode()
def pictures(stream: container.Container) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """After each whole step of a parsed stream: uint8 (H, W, 3), and which tiles sent bits, bool (h, w).

    Raises StreamError, WeightsError.
    """
    net, state = None, State()
    for step, (codes, active) in enumerate(symbols_of(stream)):
        net = net or load([*VARIANTS][stream.variant])
        bits = torch.from_numpy(codes[step, 1:-1, 1:-1].astype(np.float32)).permute(2, 0, 1)[None]
        x_hat = net.receive(bits, state, step)[0, :, : stream.height, : stream.width] + 0.5
        yield (x_hat.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy(), active


def decompress(data: bytes) -> np.ndarray:
    """A file, or the first part of one -> uint8 (H, W, 3). Raises StreamError, WeightsError."""
    for rgb, _ in pictures(container.read(data)):
        last = rgb
    return last
