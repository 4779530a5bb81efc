"""What decoders are trained on: latents of a frozen trunk, quantised as its encoder quantises them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from codec.networks.model import CAUTION, CodecModel
from codec.networks.trunk import Trunk, byte_lambdas
from codec.pipeline import Codec, scale_map
from codec.spec import BYTE_MAX, LOWEST, TOP
from codec.training import data as datasets
from codec.training import tables
from codec.training.export import Z_SUPPORT, trunk_tensors
from codec.training.storing import trunk_id
from codec.weights import Weights


class DecoderInput(NamedTuple):
    """The input of a decoder, and what it cost."""

    y_hat: Tensor  # (B, 320, h, w), without gain
    level: Tensor  # (B, 1, h, w) in [0, 1]
    scales: Tensor  # (B, 320, h, w) in [0, 1]; see `transforms.Synthesis`
    bpp: Tensor  # (B,), bits per pixel by the probability tables
    lmbda: Tensor  # (B,), mean of λ over the picture


class FrozenTrunk:
    """The encoder itself, `codec.pipeline`, on batches: its integers, its tables and its way of rounding."""

    def __init__(self, trunk: Trunk, precision: str = "float32"):
        self.codec, self.name, self.device = Codec(trunk, precision=precision), trunk.id, trunk.device
        self.lambdas = byte_lambdas().to(trunk.device)

    def encode(self, x: Tensor, level: Tensor) -> DecoderInput:
        """x uint8 (B, 3, H, W), level int16 (B, 1, H/64, W/64); H and W multiples of 64. Makes no gradients."""
        x = x.to(self.device, non_blocking=True).float().div(255).contiguous(memory_format=torch.channels_last)
        level = level.to(self.device)
        with torch.inference_mode(), self.codec._autocast():
            y = self.codec.trunk.g_a(x)
        batch, z_bits, y_bits = self.codec.round(y, level)
        with torch.no_grad():  # not in inference mode: a training takes no tensors of that
            y_hat, level16 = self.codec.dequantise(batch.y_hat, level)
            scales = scale_map(batch.index, y_hat.shape)
            bpp = (y_bits + z_bits).float().to(self.device) / (x.shape[2] * x.shape[3])
            return DecoderInput(y_hat, level16, scales, bpp, self.lambdas[level.long().clamp(min=0)].flatten(1).mean(1))


def decoder_entry(folder: str | Path, name: str) -> dict:
    """The manifest's entry of a decoder of a folder's current trunk. Raises ValueError where there is none."""
    # Of a checkpoint of the trunk, which is no folder, there is only the mse decoder.
    if not Path(folder).is_dir() or name not in Weights(folder).networks():
        raise ValueError(f"There is no decoder '{name}' in '{folder}'; name a checkpoint with --start.")
    return Weights(folder).resolve(name)[1]


def read_decoder(folder: str | Path, name: str) -> dict[str, Tensor]:
    """The float weights of a decoder of a folder's current trunk. Raises ValueError where there is none."""
    decoder_entry(folder, name)
    return Weights(folder).decoder_state(name)


def load_trunk(init: str, device: str = "cpu", precision: str = "float32") -> tuple[FrozenTrunk, dict[str, Tensor]]:
    """A trunk, frozen, and the weights of its mse decoder, from a weights folder or a checkpoint of a training.

    A checkpoint has no fitted tables: it rounds by those of Gaussians, which spends about 5 % more bits.
    """
    if not init.endswith(".pt"):
        return FrozenTrunk(Weights(init).trunk(device=device), precision), read_decoder(init, "mse")
    model = CodecModel()
    model.load_state_dict(torch.load(init, map_location="cpu", weights_only=True)["ema"])
    z_tables = [tables.normalize(np.ones(2 * Z_SUPPORT + 2)) for _ in model.entropy.z_prior.mean]
    tensors = trunk_tensors(model, tables.fit_y(), z_tables)
    name = trunk_id(b"".join(v.numpy().tobytes() for k, v in sorted(tensors.items()) if k.startswith("int.")))
    trunk = Trunk.from_tensors(tensors, f"checkpoint {name}", CAUTION, device)
    return FrozenTrunk(trunk, precision), {k: v.clone() for k, v in model.g_s.state_dict().items()}


def byte_levels(
    batch: int,
    cells: int,
    seed: list[int],
    span: tuple[float, float],
    smooth_share: float,
    skew: float = 1.0,
    below: float = 0.0,
) -> Tensor:
    """Maps of quality indices int16 (batch, 1, cells, cells) between two levels, most of them uniform.

    See `random_levels`. skew is the exponent of what was drawn from 0…1: above 1, more of them are low. below is the
    share of maps below the ladder.
    """
    low, high = span
    generator = torch.Generator().manual_seed(int(np.random.default_rng(seed).integers(2**62)))
    levels = low + (high - low) * datasets.random_levels(batch, cells, cells, 1.0, smooth_share, generator) ** skew
    q = (levels * (BYTE_MAX / TOP)).round().clamp(0, BYTE_MAX).to(torch.int16)
    if below:
        coarse = torch.rand(batch, 1, 1, 1, generator=generator) < below
        q = q.where(~coarse, torch.randint(LOWEST, 0, (batch, 1, 1, 1), generator=generator).to(torch.int16))
    return q


class Pool:
    """Encoded batches, each fresh one used for `reuse` steps, mixed with the `size` - 1 before it.

    With reuse 1 every step gets crops of its own; with 4, the frozen trunk and the reading of crops cost a
    quarter. What a step gets depends on the seed and its number only, so a run that is resumed goes on exactly.
    """

    def __init__(self, trunk, crops, batch, crop, levels, seed=0, reuse=1, size=16, workers=1):
        """levels: `byte_levels` with what it needs but for the size of the maps and the seed."""
        self.trunk, self.crops, self.batch, self.crop, self.levels = trunk, crops, batch, crop, levels
        self.seed, self.reuse, self.workers = seed, reuse, workers
        self.size = size if reuse > 1 else 1
        self.held: list[tuple[Tensor, DecoderInput]] = []
        self.next: int | None = None  # number of the batch to be read next
        self.source = iter(())

    def _encode(self, number: int) -> tuple[Tensor, DecoderInput]:
        x = next(self.source)
        latent = self.trunk.encode(x, self.levels(self.batch, self.crop // 64, [self.seed, number, 1]))
        if self.reuse > 1:  # kept for long: half the memory
            latent = halved(latent)
        return x.to(self.trunk.device), latent

    def at(self, step: int) -> tuple[Tensor, DecoderInput]:
        """x float (B, 3, H, W) in [0, 1] and its latents for this step; steps must be asked for in order."""
        newest = step // self.reuse
        if self.next is None:
            self.next = max(0, newest - self.size + 1)
            self.source = self.crops.batches(self.batch, self.crop, self.seed, self.next, self.workers)
        while self.next <= newest:
            self.held = [*self.held, self._encode(self.next)][-self.size :]
            self.next += 1
        if self.reuse == 1:
            x, latent = self.held[-1]
        else:
            picks = np.random.default_rng([self.seed, step, 2]).integers(0, len(self.held) * self.batch, self.batch)
            chosen = [(self.held[i // self.batch], i % self.batch) for i in picks.tolist()]
            x = torch.stack([held[0][i] for held, i in chosen])
            latent = DecoderInput(*(torch.stack([held[1][part][i] for held, i in chosen]) for part in range(5)))
        x = x.float().div(255).contiguous(memory_format=torch.channels_last)
        return x, latent._replace(y_hat=ready(latent.y_hat), scales=ready(latent.scales))


def halved(latent: DecoderInput) -> DecoderInput:
    """The same in half the memory."""
    return latent._replace(y_hat=latent.y_hat.half(), scales=latent.scales.half())


def ready(x: Tensor) -> Tensor:
    return x.float().contiguous(memory_format=torch.channels_last)
