"""One picture through the codec: analysis once, then quantisation and range coding at any quality index, and back.

rgb ─ analyse ─► y ─ quantise(q) ─► Latent ─ write ─► Stream ─ read ─► Latent ─ synthesise ─► rgb

y is coded in four steps, each given the ones before (see `codec.networks.hyperprior`). `Codec.steps` is the one loop
over them. Its argument `choose` gives the symbols of a step: the encoder rounds (`Codec.rdoq`), the decoder reads them,
and `codec.inside.prior` draws them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from codec import strips
from codec.bitstream import Stream
from codec.device import Timer, has_bfloat16
from codec.entropy.integer import MAX_COLUMNS, ONE, gather, scatter, upsample
from codec.entropy.range_coder import Decoder, Encoder
from codec.errors import StreamError
from codec.networks.transforms import Synthesis, noise_field
from codec.networks.trunk import Trunk
from codec.pictures.overlay import paste
from codec.spec import BYTE_MAX, LOWEST, N_SCALES, STEPS
from codec.weights import Weights, default

ZEROS = 16  # zero bytes at its end that a payload may have lost in `Encoder.finish`; more are too improbable

#: choose(step, mu, index) -> the symbols of a step, integers. mu float64 in fixed point, index uint8 and the result
#: have one shape, (B, 4, C/4, h/2·w/2), the order of `integer.gather`; the result may be flat in each picture.
Choose = Callable[[int, Tensor, Tensor], Tensor]
Progress = Callable[[float], None] | None  # is told the share that is done


@dataclass
class Latent:
    """A quantised picture: the symbols that the range coder codes, and the y_hat that the decoder gets.

    z int32 (64, h/4, w/4). y and index: for each step, int32 symbols and uint8 scale indices in coding order. y_hat
    float64 (1, C, h, w) in fixed point. q int16 (h/4, w/4), quality indices. Bits by the probability tables.
    """

    z: np.ndarray
    y: list[np.ndarray]
    index: list[np.ndarray]
    y_hat: Tensor
    q: np.ndarray
    z_bits: float = 0.0
    y_bits: float = 0.0
    overlay: bytes = b""  # see `codec.screen`


@dataclass
class LatentBatch:
    """A batch of quantised pictures, on their device; see `Latent`. y and index: per step (B, 4, C/4, h/2·w/2)."""

    z: Tensor  # (B, 64, h/4, w/4), integers of any type
    y: list[Tensor]
    index: list[Tensor]
    y_hat: Tensor  # (B, C, h, w) float64, fixed point
    q: Tensor  # (B, 1, h/4, w/4) int16

    def picture(self, i: int, z_bits: float = 0.0, y_bits: float = 0.0) -> Latent:
        """One picture of the batch."""
        z, q = self.z[i].to(torch.int32).cpu().numpy(), self.q[i, 0].cpu().numpy()
        y, index = ([step[i].flatten().cpu().numpy() for step in steps] for steps in (self.y, self.index))
        return Latent(z, y, index, self.y_hat[i : i + 1], q, z_bits, y_bits)


class Codec:
    """A trunk and its decoders. Neither device, precision, threads nor strip changes the y_hat of given bytes.

    `precision` is that of the transforms, "float32" or "bfloat16". By default a processor that has the latter takes it
    for synthesis: 0.6 of the time; on Kodak the PSNR changes by less than 0.01 dB, and no pixel by more than 2 levels.
    """

    def __init__(
        self,
        trunk: Trunk | None = None,
        weights: Weights | None = None,
        *,
        precision: str | None = None,
        strip: int | None = None,
    ):
        self.weights = weights or default()
        self.trunk = trunk or self.weights.trunk()
        self.device = self.trunk.device
        self.precision = precision
        self.strip = strip  # height in pixels that the transforms take at a time; by default by the picture's size

    def decoder(self, name: str, realism: float | None = None) -> Synthesis:
        """The decoder of this name, or the one at `realism` between its fidelity decoder (0) and itself (1)."""
        return self.weights.decoder(name, realism, trunk=self.trunk.id, device=str(self.device))

    @torch.inference_mode()
    def analyse(self, rgb: np.ndarray, progress: Progress = None) -> Tensor:
        """rgb uint8 (H, W, 3) -> y float32 (1, C, h, w).

        Large pictures take bfloat16 where the processor has it: 0.6 of the time; on Kodak at most 0.2 % of the bytes.
        """
        with self._autocast(rgb.shape[0] * rgb.shape[1] > strips.WHOLE_PIXELS):
            return strips.analyse(self.trunk.g_a, rgb, self.device, self.strip, progress)

    def quantise(self, y: Tensor, q: int | np.ndarray, progress: Progress = None, z=None, rdo=None) -> Latent:
        """y float32 (1, C, h, w) at a quality index, or at a map (h/4, w/4) of them -> Latent; for z, rdo see `round`.

        Only the encoder decides how to round. It takes the nearest integer, or the next one towards zero where
        bits + λ·distortion is less with it; see `trunk.rdo_weight`.
        """
        q_map = np.broadcast_to(np.asarray(q, dtype=np.int16), (y.shape[2] // 4, y.shape[3] // 4))
        q64 = torch.from_numpy(q_map.copy()).to(self.device)[None, None]
        batch, z_bits, y_bits = self.round(y, q64, progress, z, rdo)
        return batch.picture(0, z_bits.item(), y_bits.item())

    @torch.inference_mode()
    def round(
        self, y: Tensor, q64: Tensor, progress: Progress = None, z: Tensor | None = None, rdo: Tensor | None = None
    ) -> tuple[LatentBatch, Tensor, Tensor]:
        """`quantise` of a batch y float32 (B, C, h, w) at maps int16 (B, 1, h/4, w/4) of quality indices.

        z: h_a's by default. rdo: a factor on the weight of errors. Returns latents, and bits of z and y, float64.
        """
        trunk, q16 = self.trunk, upsample(q64)
        v, weight = y * by_q(trunk.gain, q16), by_q(trunk.rdo, q16)
        weight = weight if rdo is None else weight * rdo
        z = torch.round(trunk.h_a(v)).clamp_(-(2**20), 2**20) if z is None else z
        y_bits = torch.zeros(len(y), dtype=torch.float64, device=self.device)

        def choose(step: int, mu: Tensor, index: Tensor) -> Tensor:
            d, weights = gather(v, step), gather(weight, step)
            symbols = torch.empty(d.shape, dtype=torch.int32, device=self.device)
            for n in range(0, d.shape[3], MAX_COLUMNS):  # a few at a time: their data stay in the cache
                some = (..., slice(n, n + MAX_COLUMNS))
                symbols[some], bits = self.rdoq(d[some], mu[some], index[some], weights[some])
                y_bits.add_(bits)
            return symbols

        batch = self.steps(z, q64, choose, progress)
        centre = trunk.z_costs.shape[1] // 2
        columns = (z.long().cpu() + centre).clamp_(0, 2 * centre).flatten(2)
        z_costs = torch.from_numpy(trunk.z_costs)[None].expand(len(z), -1, -1)
        return batch, z_costs.gather(2, columns).double().sum((1, 2)), y_bits.cpu()

    def rdoq(self, d: Tensor, mu: Tensor, index: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Rounds y·gain d, all inputs (B, 4, C/4, n): symbols float32 of that shape, and their bits float64 (B,)."""
        costs = self.trunk.y_costs
        widest = costs.shape[1] // 2
        d = d - (mu / ONE).float()
        row = index.int() * costs.shape[1] + widest
        near = torch.round(d).clamp_(-(2**20), 2**20)
        towards = near - torch.sign(near)
        cost_near, cost_towards = (costs.view(-1)[row + s.clamp(-widest, widest).int()] for s in (near, towards))
        take = weight * ((d - towards) ** 2 - (d - near) ** 2) < cost_near - cost_towards
        cost = torch.where(take, cost_towards, cost_near).flatten(1).sum(1, dtype=torch.float64)
        return torch.where(take, towards, near), cost

    def write(self, latent: Latent, width: int, height: int, decoder: str = "mse") -> Stream:
        """The stream of a quantised picture of this size in pixels. It suggests this decoder."""
        trunk = self.trunk
        coder = Encoder()
        coder.put(latent.z.ravel(), z_index(latent.z.shape), trunk.z_tables)
        z = coder.finish()
        coder = Encoder()
        for symbols, index in zip(latent.y, latent.index, strict=True):
            coder.put(symbols, index, trunk.y_tables)
        return Stream(trunk.id, decoder, width, height, latent.q, z, coder.finish(), latent.overlay)

    @torch.inference_mode()
    def steps(self, z: Tensor, q64: Tensor, choose: Choose, progress: Progress = None) -> LatentBatch:
        """The loop over the four steps: z integers (B, 64, h/4, w/4) and q64 int16 (B, 1, h/4, w/4) -> latents."""
        networks = self.trunk.entropy
        walks = [networks.walk(networks, z[i : i + 1], q64[i : i + 1]) for i in range(len(z))]
        y, indices, shape = [], [], (len(z), networks.channels, 4 * z.shape[2], 4 * z.shape[3])
        y_hat = torch.empty(shape, dtype=torch.float64, device=self.device)
        for step in range(STEPS):
            mu, index = map(torch.stack, zip(*(walk.predict(step) for walk in walks), strict=True))
            symbols = choose(step, mu, index).to(self.device).view(mu.shape)
            values = symbols.double().mul_(ONE).add_(mu)
            scatter(y_hat, step, values)
            for i, walk in enumerate(walks):
                walk.put(step, values[i])
            y.append(symbols)
            indices.append(index)
            if progress:
                progress((step + 1) / STEPS)
        return LatentBatch(z, y, indices, y_hat, q64)

    def read(self, stream: Stream, progress: Progress = None) -> Latent:
        """Decodes the payload of a stream. Raises StreamError where it is damaged or of other weights."""
        return self.read_batch([stream], progress)[0]

    def read_batch(self, streams: list[Stream], progress: Progress = None) -> list[Latent]:
        """`read` of streams that have equal numbers of rows and columns of regions."""
        trunk = self.trunk
        for stream in streams:
            if stream.trunk != trunk.id:
                raise StreamError(f"The stream was made with the weights '{stream.trunk}', not with '{trunk.id}'.")
            check_payload(stream, trunk)
        shape = (len(trunk.z_tables), *streams[0].regions)
        z = [Decoder(stream.z).get(z_index(shape), trunk.z_tables).reshape(shape) for stream in streams]
        decoders = [Decoder(stream.y) for stream in streams]

        def choose(step: int, mu: Tensor, index: Tensor) -> Tensor:
            pairs = zip(decoders, index.flatten(1).cpu().numpy(), strict=True)
            return torch.from_numpy(np.stack([decoder.get(i, trunk.y_tables) for decoder, i in pairs]))

        q64 = torch.from_numpy(np.stack([stream.q_map() for stream in streams])).to(self.device)[:, None]
        batch = self.steps(torch.from_numpy(np.stack(z)).to(self.device), q64, choose, progress)
        return [replace(batch.picture(i), overlay=stream.overlay) for i, stream in enumerate(streams)]

    def dequantise(self, y_hat: Tensor, q64: Tensor) -> tuple[Tensor, Tensor]:
        """y_hat (B, C, h, w) in fixed point, q64 int16 (B, 1, h/4, w/4) -> float32 y_hat/gain, level (B, 1, h, w)."""
        q16 = upsample(q64)
        return y_hat.float().div_(ONE).div_(by_q(self.trunk.gain, q16)), q16.float().clamp(min=0) / BYTE_MAX

    def latent(self, latent: Latent) -> tuple[Tensor, Tensor]:
        """`dequantise` of one picture."""
        return self.dequantise(latent.y_hat, torch.from_numpy(latent.q.copy()).to(self.device)[None, None])

    def scales(self, latent: Latent) -> Tensor:
        """`scale_map` of one picture, float32 (1, C, h, w) in [0, 1], the third input of some g_s."""
        steps = [torch.from_numpy(i).to(self.device).view(1, 4, latent.y_hat.shape[1] // 4, -1) for i in latent.index]
        return scale_map(steps, latent.y_hat.shape)

    @torch.inference_mode()
    def synthesise(
        self, latent: Latent, g_s: Synthesis, width: int, height: int, progress: Progress = None
    ) -> np.ndarray:
        """A picture by the decoder g_s: uint8 (height, width, 3). Raises StreamError for a damaged overlay."""
        inputs: tuple[Tensor | None, ...] = (*self.latent(latent), self.scales(latent) if g_s.scales else None)
        if g_s.noise:
            inputs = (*inputs, noise_field(*latent.y_hat.shape[2:]).to(self.device))
        with self._autocast(True):
            rgb = strips.synthesise(g_s, inputs, width, height, self.strip, progress)
        return paste(rgb, latent.overlay, latent.q.shape)

    def decode(
        self, stream: Stream, decoder: str | None = None, realism: float | None = None, *, timer: Timer | None = None
    ) -> np.ndarray:
        """A stream -> uint8 (H, W, 3), by the decoder it suggests or another; for errors see `decoder`, `read`."""
        timer = timer or Timer()
        g_s = self.decoder(decoder or stream.decoder, realism)
        with timer.stage("entropy decoding"):
            latent = self.read(stream)
        with timer.stage("synthesis"):
            return self.synthesise(latent, g_s, stream.width, stream.height)

    def _autocast(self, quick: bool = False):
        own = quick and self.precision is None and self.device.type == "cpu" and has_bfloat16()
        return torch.autocast(self.device.type, torch.bfloat16, enabled=own or self.precision == "bfloat16")


def check_payload(stream: Stream, trunk: Trunk) -> None:
    """Raises StreamError for a z payload shorter than that of the likeliest z of a picture of this size.

    A range decoder reads zeros past the end of its data, so 30 bytes could otherwise take minutes and gigabytes.
    """
    rows, columns = stream.regions
    least = rows * columns * float(trunk.z_tables.least_bits.sum()) / 8
    if len(stream.z) + ZEROS < least:
        raise StreamError(
            f"The stream holds {len(stream.z):,} bytes of hyper-latent, too few for a picture of "
            f"{stream.width}×{stream.height} pixels: it is damaged or was made to mislead."
        )


def z_index(shape: tuple[int, ...]) -> np.ndarray:
    """The table of every element of z, of shape (C, h, w), in coding order: its channel, uint8 (C·h·w,)."""
    return np.repeat(np.arange(shape[0], dtype=np.uint8), shape[1] * shape[2])


def scale_map(index: list[Tensor], shape: tuple[int, ...]) -> Tensor:
    """Scale indices by step, as in `LatentBatch` -> float32 (B, C, h, w) in [0, 1], each in its place."""
    scales = torch.empty(shape, device=index[0].device)
    for step, step_index in enumerate(index):
        scatter(scales, step, step_index.float().div_(N_SCALES))
    return scales


def by_q(table: Tensor, q16: Tensor) -> Tensor:
    """The rows of table (384, C) at maps (B, 1, h, w) of quality indices -> (B, C, h, w)."""
    batch, _, height, width = q16.shape
    first = int(q16[0, 0, 0, 0])
    if bool((q16 == first).all()):  # nearly always: one row of the table, and nothing to copy
        return table[first - LOWEST].view(1, -1, 1, 1).expand(batch, -1, height, width)
    return table[q16[:, 0].long() - LOWEST].permute(0, 3, 1, 2)
