"""One picture through the codec: analysis once, then quantisation and range coding at any level, and back.

rgb ─ analyse ─► y ─ quantise(q) ─► Latent ─ write ─► bytes ─ read ─► Latent ─ synthesise ─► rgb
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from codec import bitstream, tiling
from codec.bitstream import Stream
from codec.device import Timer, has_bfloat16
from codec.entropy.integer import ONE, gather, scatter, upsample
from codec.entropy.range_coder import Decoder, Encoder
from codec.errors import StreamError
from codec.networks.transforms import Synthesis, noise_field
from codec.spec import BYTE_MAX, N_SCALES, STEPS
from codec.weights import Trunk, load_between, load_decoder, load_trunk

COLUMNS = 1 << 12  # locations at a time in `Codec.round`
ZEROS = 16  # zero bytes at its end that a payload may have lost to `Encoder.finish`: more are beyond chance


@dataclass
class Latent:
    """A quantised picture: what the range coder codes, and what the decoder gets of it.

    z (64, h/4, w/4) int32; y and index: per step, int32 and uint8 arrays in coding order; y_hat float64
    (1, C, h, w) in fixed point; q uint8 (h/4, w/4), quality indices; y_bits and z_bits by the probability tables.
    """

    z: np.ndarray
    y: list[np.ndarray]
    index: list[np.ndarray]
    y_hat: Tensor
    q: np.ndarray
    z_bits: float = 0.0
    y_bits: float = 0.0


class LatentBatch(NamedTuple):
    """A batch of quantised latents, on their device; see `Latent`. y and index: per step (B, 4, C/4, h/2·w/2)."""

    z: Tensor  # (B, 64, h/4, w/4), integers in float32
    y: list[Tensor]
    index: list[Tensor]
    y_hat: Tensor  # (B, C, h, w) float64, fixed point
    z_bits: Tensor  # (B,) float64, on the CPU
    y_bits: Tensor


@dataclass
class Coded:
    """The result of an encoding: the bytes, and what is known about them on the way."""

    data: bytes
    q: int | np.ndarray
    estimate_bytes: float  # by the probability tables, payload only
    payload_bytes: int
    symbols: Latent
    timer: Timer = field(default_factory=Timer)


class Codec:
    """A trunk on a device. `precision` is that of the transforms: "float32" or "bfloat16".

    No choice made here (device, precision, threads, tile) changes what y_hat is decoded from given bytes.
    """

    def __init__(self, trunk: Trunk | None = None, device: str = "cpu", precision="float32", tile: int | None = None):
        self.trunk = trunk or load_trunk(device=device)
        self.device = self.trunk.device
        self.precision = precision
        self.tile = tile

    def _autocast(self, bfloat16: bool = False):
        return torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16 or self.precision == "bfloat16")

    @torch.inference_mode()
    def analyse(self, rgb: np.ndarray, progress=None) -> Tensor:
        """uint8 (H, W, 3) -> y float32 (1, C, h, w).

        Of large pictures in bfloat16 where the processor has it: 40 % less time for at most 0.2 % of the bytes and
        0.006 dB on Kodak, either way.
        """
        large = rgb.shape[0] * rgb.shape[1] > tiling.TILE_ABOVE
        with self._autocast(large and self.device.type == "cpu" and has_bfloat16()):
            return tiling.analyse(self.trunk.g_a, rgb, self.device, self.tile, progress)

    @torch.inference_mode()
    def quantise(self, y: Tensor, q: int | np.ndarray, progress=None) -> Latent:
        """y float32 (1, C, h, w) at a quality index q, or a map uint8 (h/4, w/4) of them -> Latent.

        Rounding is a decision of the encoder alone: of the nearest integer and the next one towards zero
        it takes the one for which bits + λ·distortion is less, distortion as `gain.rdo_weight` has it.
        """
        rows, columns = y.shape[2] // 4, y.shape[3] // 4
        level_map = np.broadcast_to(np.asarray(q, dtype=np.uint8), (rows, columns))
        rounded = self.round(y, torch.from_numpy(level_map.copy()).to(self.device)[None, None], progress)
        symbols, indices = ([t.flatten().cpu().numpy() for t in parts] for parts in (rounded.y, rounded.index))
        z, bits = rounded.z[0].to(torch.int32).cpu().numpy(), (rounded.z_bits.item(), rounded.y_bits.item())
        return Latent(z, symbols, indices, rounded.y_hat, level_map, *bits)

    @torch.inference_mode()
    def round(self, y: Tensor, level64: Tensor, progress=None) -> LatentBatch:
        """`quantise` of a batch y float32 (B, C, h, w) at level maps uint8 (B, 1, h/4, w/4)."""
        trunk = self.trunk
        level16 = upsample(level64)
        v = y * by_level(trunk.gain, level16)
        rdo_weight = by_level(trunk.rdo, level16)
        z = torch.round(trunk.h_a(v)).clamp_(-(2**20), 2**20)
        psi = trunk.entropy.psi(z, level64)
        y_hat = torch.zeros(v.shape, dtype=torch.float64, device=self.device)
        symbols, indices, bits = [], [], torch.zeros(len(y), dtype=torch.float64, device=self.device)
        for step in range(STEPS):
            mu, index = trunk.entropy.step(step, psi, level16, y_hat)
            d, weight = gather(v, step), gather(rdo_weight, step)
            q = torch.empty(d.shape, dtype=torch.int32, device=self.device)
            for n in range(0, d.shape[3], COLUMNS):  # a few at a time: what they hold stays in the cache
                some = (..., slice(n, n + COLUMNS))
                q[some], cost = self.rdoq(d[some], mu[some], index[some], weight[some])
                bits += cost
            scatter(y_hat, step, q.double().mul_(ONE).add_(mu))
            symbols.append(q)
            indices.append(index)
            if progress:
                progress((step + 1) / STEPS)
        centre = trunk.z_costs.shape[1] // 2
        columns = (z.long().cpu() + centre).clamp_(0, 2 * centre).flatten(2)
        z_costs = torch.from_numpy(trunk.z_costs)[None].expand(len(z), -1, -1)
        return LatentBatch(z, symbols, indices, y_hat, z_costs.gather(2, columns).double().sum((1, 2)), bits.cpu())

    def rdoq(self, d: Tensor, mu: Tensor, index: Tensor, rdo_weight: Tensor) -> tuple[Tensor, Tensor]:
        """Rounds latents d (B, 4, C/4, n): symbols float32, and what they cost, bits float64 (B,)."""
        costs = self.trunk.y_costs
        widest = costs.shape[1] // 2
        d = d - (mu / ONE).float()
        row = index.int() * costs.shape[1] + widest
        near = torch.round(d).clamp_(-(2**20), 2**20)
        towards = near - torch.sign(near)
        cost_near, cost_towards = (costs.view(-1)[row + s.clamp(-widest, widest).int()] for s in (near, towards))
        take = rdo_weight * ((d - towards) ** 2 - (d - near) ** 2) < cost_near - cost_towards
        cost = torch.where(take, cost_towards, cost_near).flatten(1).sum(1, dtype=torch.float64)
        return torch.where(take, towards, near), cost

    def write(self, symbols: Latent, width: int, height: int, decoder: str = "mse") -> bytes:
        """The stream of a quantised picture of this size in pixels."""
        trunk = self.trunk
        coder = Encoder()
        coder.put(symbols.z.ravel(), z_index(symbols.z.shape), trunk.z_tables)
        z = coder.finish()
        coder = Encoder()
        for q, index in zip(symbols.y, symbols.index, strict=True):
            coder.put(q, index, trunk.y_tables)
        return bitstream.write(Stream(trunk.id, decoder, width, height, symbols.q, z, coder.finish()))

    def read(self, stream: Stream, progress=None) -> Latent:
        """Decodes the payload of a parsed stream."""
        return self.read_batch([stream], progress)[0]

    @torch.inference_mode()
    def read_batch(self, streams: list[Stream], progress=None) -> list[Latent]:
        """Decodes the payloads of streams that have the same number of regions, the networks running once."""
        trunk = self.trunk
        for stream in streams:
            if stream.trunk != trunk.id:
                raise StreamError(f"The stream was made with the weights '{stream.trunk}', not with '{trunk.id}'.")
            check_payload(stream, trunk)
        rows, columns = streams[0].regions
        levels = np.stack([stream.q_map() for stream in streams])
        level64 = torch.from_numpy(levels).to(self.device)[:, None]
        level16 = upsample(level64)
        z_shape = (len(trunk.z_tables), rows, columns)
        index = z_index(z_shape)
        z = np.stack([Decoder(stream.z).get(index, trunk.z_tables).reshape(z_shape) for stream in streams])
        psi = trunk.entropy.psi(torch.from_numpy(z).to(self.device), level64)
        shape = (len(streams), trunk.entropy.channels, rows * 4, columns * 4)
        y_hat = torch.zeros(shape, dtype=torch.float64, device=self.device)
        decoders = [Decoder(stream.y) for stream in streams]
        symbols, indices = [], []
        for step in range(STEPS):
            mu, index = trunk.entropy.step(step, psi, level16, y_hat)
            indices.append(index.flatten(1).cpu().numpy())
            symbols.append(np.stack([d.get(i, trunk.y_tables) for d, i in zip(decoders, indices[-1], strict=True)]))
            q = torch.from_numpy(symbols[-1]).to(self.device).view(mu.shape)
            scatter(y_hat, step, q.double().mul_(ONE).add_(mu))
            if progress:
                progress((step + 1) / STEPS)
        return [
            Latent(z[i], [s[i] for s in symbols], [n[i] for n in indices], y_hat[i : i + 1], levels[i])
            for i in range(len(streams))
        ]

    def latent(self, symbols: Latent) -> tuple[Tensor, Tensor]:
        """What g_s takes: y_hat float32 (1, C, h, w) without gain, and the level (1, 1, h, w) in [0, 1]."""
        return self.unscaled(symbols.y_hat, torch.from_numpy(symbols.q.copy()).to(self.device)[None, None])

    def unscaled(self, y_hat: Tensor, level64: Tensor) -> tuple[Tensor, Tensor]:
        """`latent` of a batch: y_hat (B, C, h, w) in fixed point, level maps uint8 (B, 1, h/4, w/4)."""
        level16 = upsample(level64)
        return (y_hat / ONE).float() / by_level(self.trunk.gain, level16), level16.float() / BYTE_MAX

    def scales(self, symbols: Latent) -> Tensor:
        """What some g_s take as well, float32 (1, C, h, w) in [0, 1]; see `transforms.Synthesis`."""
        steps = [torch.from_numpy(i).to(self.device).view(1, 4, symbols.y_hat.shape[1] // 4, -1) for i in symbols.index]
        return scale_map(steps, symbols.y_hat.shape)

    @torch.inference_mode()
    def synthesise(self, symbols: Latent, g_s: Synthesis, width: int, height: int, progress=None) -> np.ndarray:
        """-> uint8 (height, width, 3)."""
        latent = (*self.latent(symbols), self.scales(symbols) if g_s.scales else None)
        if g_s.noise:
            latent = (*latent, noise_field(*symbols.y_hat.shape[2:]).to(self.device))
        with self._autocast():
            return tiling.synthesise(g_s, latent, width, height, self.tile, progress)

    def decoder(self, name: str, realism: float | None = None) -> Synthesis:
        """The decoder of this name, or the one at `realism` between its fidelity decoder (0) and itself (1)."""
        if realism is None:
            return load_decoder(self.trunk.id, name, str(self.device))
        return load_between(self.trunk.id, name, realism, str(self.device))

    def decode(
        self,
        data: bytes,
        decoder: str | None = None,
        timer: Timer | None = None,
        progress=None,
        realism: float | None = None,
    ) -> np.ndarray:
        """A stream -> uint8 (H, W, 3), by the decoder it suggests or by another; `realism` as in `decoder`."""
        timer = timer or Timer()
        with timer.stage("container"):
            stream = bitstream.read(data)
        g_s = self.decoder(decoder or stream.decoder, realism)
        with timer.stage("entropy decoding"):
            symbols = self.read(stream)
        with timer.stage("synthesis"):
            return self.synthesise(symbols, g_s, stream.width, stream.height, progress)


def check_payload(stream: Stream, trunk: Trunk) -> None:
    """Raises StreamError for a z payload shorter than the likeliest z of a picture of this size.

    Past its end a range decoder reads zeros for ever, so 30 bytes could else claim minutes and gigabytes.
    """
    rows, columns = stream.regions
    least = rows * columns * float(trunk.z_tables.least_bits.sum()) / 8
    if len(stream.z) + ZEROS < least:
        raise StreamError(
            f"The stream holds {len(stream.z):,} bytes of hyper-latent, too few for a picture of "
            f"{stream.width}×{stream.height} pixels: it is damaged or was made to mislead."
        )


def z_index(shape: tuple[int, int, int]) -> np.ndarray:
    """The table of every element of z, of shape (C, h, w), in coding order: its channel."""
    return np.repeat(np.arange(shape[0], dtype=np.uint8), shape[1] * shape[2])


def scale_map(index: list[Tensor], shape: tuple[int, ...]) -> Tensor:
    """The scale indices of every step, as in `LatentBatch`, in their places: float32 (B, C, h, w) in [0, 1]."""
    scales = torch.empty(shape, device=index[0].device)
    for step, part in enumerate(index):
        scatter(scales, step, part.float().div_(N_SCALES))
    return scales


def by_level(table: Tensor, level16: Tensor) -> Tensor:
    """The rows of table (256, C) for level maps (B, 1, h, w) of bytes: (B, C, h, w)."""
    batch, _, height, width = level16.shape
    first = int(level16[0, 0, 0, 0])
    if bool((level16 == first).all()):  # as nearly always: one row of the table, and nothing to copy
        return table[first].view(1, -1, 1, 1).expand(batch, -1, height, width)
    return table[level16[:, 0].long()].permute(0, 3, 1, 2)
