"""The training of decoders on a frozen trunk, one or several on the same images.

    crops ─ frozen trunk ─► y_hat, level ─ decoder ─► x_hat ─ as shown ─► Σ weight·term, and against the discriminator

Two stages, as Iwai et al. (ICPR 2020) have them: the encoder stays as the MSE left it, so every decoder reads
the same streams. `learner` has the step.
"""

import functools
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from codec.device import has_bfloat16
from codec.networks.transforms import GRAIN
from codec.spec import BYTE_MAX, TOP
from codec.training import data as datasets
from codec.training.latents import (
    DecoderInput,
    Pool,
    byte_levels,
    decoder_entry,
    halved,
    load_trunk,
    read_decoder,
    ready,
)
from codec.training.learner import Learner, joint_step, measure
from codec.training.loop import Loop, Plan
from codec.training.recipes import Networks, Recipe, View, adjusted
from codec.training.trunk import factors, whole_regions
from codec.writing import replacing


@dataclass
class Settings:
    decoder: str
    init: str  # a weights folder, or a checkpoint of the trunk's training: the trunk, frozen, and its mse decoder
    data: str
    validation: str
    run: str = ""  # runs/DECODER
    start: str = ""  # the decoder to start from: a name among the weights, or a best.pt; by default the recipe's
    backbones: str = ""  # the folder with VGG-16, for the perceptual losses
    minutes: float = 30.0
    steps: int = 10**9
    batch: int = 8
    crop: int = 192
    optimizer: str = "adam"  # or muon, for the kernels
    lr: float = 0.0  # 0: as `optimizers.LEARNING_RATES` has it
    d_lr: float = 2e-4  # of the discriminator
    gan_ramp: int = 300  # steps in which the weight of the GAN grows from nothing
    warmup: int = 50
    decay: float = 1.0  # exponent of the fall of the learning rate; see `loop.power`
    final: float = 0.01  # of the learning rate, at the end
    clip: float = 2.0  # norm of the gradient
    view: int = 0  # pixels of the window of a crop that the networks of the losses see; 0: 8 less than the crop
    ema: float = 0.999
    weights: str = ""  # changes to the recipe's weights, as "vgg5=80,gan=0.1"
    levels: str = ""  # another range of levels than the recipe's, as "0:5"
    architecture: str = ""  # another than the recipe's, as "synthesis-2-1-1"
    smooth_share: float = 0.15  # of crops whose level varies from place to place
    skew: float = 1.0  # above 1, more crops at low rates; see `latents.byte_levels`
    below: float = 0.0  # share of crops below the ladder of λ; see `spec.LOWEST`
    reuse: int = 1  # steps that each encoded batch serves; see `latents.Pool`
    pool: int = 16  # batches that are mixed where that is more than one
    seed: int = 0
    device: str = "cpu"
    precision: str = ""  # "bfloat16" or "float32"; by default the first where the device computes in it
    compile: bool = False
    workers: int = 1
    validate_minutes: float = 8.0
    validation_images: int = 20  # spread over those there are; 0 for all
    save_minutes: float = 4.0
    down_weight: str = "bsds500=0.3"
    varied: float = 0.0  # share of crops that are shrunk and recoloured; see `data.Crops`


class Trainer:
    """The training of one decoder by the loop: `learn` for one step, `run` for all of them."""

    def __init__(self, settings: Settings, log_every: int = 50):
        precision = settings.precision or ("bfloat16" if has_bfloat16(settings.device) else "float32")
        self.settings = s = replace(settings, precision=precision)
        self.precision = torch.bfloat16 if precision == "bfloat16" else None
        self.recipe: Recipe = adjusted(s.decoder, s.weights, s.levels, s.architecture)
        self.folder = Path(s.run or f"runs/{s.decoder}")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.device, self.best = torch.device(s.device), math.inf
        torch.set_float32_matmul_precision("high")
        self.trunk, mse = load_trunk(s.init, s.device, s.precision)
        self.networks = Networks([self.recipe], s.backbones, s.device)
        torch.manual_seed(s.seed)  # after LPIPS has been read, which takes random numbers the first time
        state, self.before, judge = self._start(mse)
        self.learner = Learner(self.recipe, state, s.device, s.optimizer, s.lr, s.d_lr, s.ema, s.clip)
        if self.learner.discriminator and judge:
            self.learner.discriminator.load_state_dict({k: v.float() for k, v in judge.items()})
        if s.compile:
            self.learner.compile()
        self._pool: Pool | None = None
        self._held_out: list[tuple[Tensor, list[DecoderInput]]] = []
        plan = Plan.of(s, log_every=log_every)
        self.loop = Loop(self, plan, self.folder)

    def _start(self, mse: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict, dict[str, Tensor] | None]:
        """The weights to start from, the steps and seconds that they have had, and those of a discriminator."""
        s, before, judge = self.settings, {"steps": 0, "seconds": 0.0}, None
        start = s.start or self.recipe.start
        if start.endswith(".pt"):
            saved = torch.load(start, map_location="cpu", weights_only=True)
            before["start"] = saved["decoder"]
            if saved["decoder"] == s.decoder:  # the same training goes on
                before = {"steps": saved["total_steps"], "seconds": saved["total_seconds"], "start": saved["start"]}
            file = Path(start).parent / "discriminator.pt"
            if file.exists():
                judge = torch.load(file, map_location="cpu", weights_only=True)
            return {k: v.float() for k, v in saved["ema"].items()}, before, judge
        before["start"] = start
        if start == s.decoder and not s.init.endswith(".pt"):  # the same training goes on
            entry = decoder_entry(s.init, start)
            # The mse decoder was trained with the trunk.
            before = {"steps": entry["steps"], "seconds": 60 * entry["wall_minutes"]}
            before["start"] = entry.get("start", "trunk")
        return mse if start == "mse" else read_decoder(s.init, start), before, judge

    # One step

    def step(self, number: int, factor: float) -> dict[str, Tensor]:
        s = self.settings
        if self._pool is None:
            crops = datasets.Crops(s.data, factors(s.down_weight), s.varied)
            how = {"span": self.recipe.levels, "smooth_share": s.smooth_share, "skew": s.skew, "below": s.below}
            levels = functools.partial(byte_levels, **how)
            self._pool = Pool(self.trunk, crops, s.batch, s.crop, levels, s.seed, s.reuse, s.pool, s.workers)
        return self.learn(*self._pool.at(number), number, factor)

    def learn(self, x: Tensor, latent: DecoderInput, number: int = 0, factor: float = 1.0) -> dict[str, Tensor]:
        """One step on x (B, 3, H, W) in [0, 1] and its latents; returns the scalars to be logged."""
        s, name = self.settings, self.settings.decoder
        ramp = min(1.0, (self.before["steps"] + number + 1) / max(1, s.gan_ramp))
        view = View(np.random.default_rng([s.seed, number, 3]), x.shape[3], s.view)
        row = joint_step(
            *({name: self.learner}, self.networks, x, latent, self.noise(latent, number)),
            *(view, factor, ramp, self.precision),
        )
        return {k.removeprefix(f"{name}."): v for k, v in row.items()}

    def noise(self, latent: DecoderInput, number: int) -> Tensor:
        """What stands for `transforms.noise_field` in a step, drawn anew for every crop."""
        generator = np.random.default_rng([self.settings.seed, number, 4])
        shape = (len(latent.y_hat), GRAIN, *latent.y_hat.shape[2:])
        return ready(torch.from_numpy(generator.uniform(-1, 1, shape)).to(self.device))

    # Checkpoints

    def state(self) -> dict:
        own = {"trunk": self.trunk.name, "architecture": self.recipe.architecture}
        return own | {"learner": self.learner.state(), "best": self.best, "before": self.before}

    def restore(self, state: dict) -> None:
        if (state["trunk"], state["architecture"]) != (self.trunk.name, self.recipe.architecture):
            raise ValueError(f"'{self.folder}' holds a run on another trunk or of another architecture.")
        self.learner.restore(state["learner"])
        self.best, self.before = state["best"], state["before"]

    def save(self) -> None:
        """Writes best.pt, in half precision: what to export or start from; and discriminator.pt."""
        state = {
            "decoder": self.settings.decoder,
            "start": self.before["start"],
            "trunk": self.trunk.name,
            "recipe": asdict(self.recipe),
            "settings": asdict(self.settings),
            "total_steps": self.before["steps"] + self.loop.step,
            "total_seconds": self.before["seconds"] + self.loop.elapsed,
            "ema": {k: v.half() for k, v in self.learner.average.module.state_dict().items()},
        }
        with replacing(self.folder / "best.pt") as path:
            torch.save(state, path)
        if self.learner.discriminator:
            halves = {k: v.half() for k, v in self.learner.discriminator.state_dict().items()}
            with replacing(self.folder / "discriminator.pt") as path:
                torch.save(halves, path)

    # Validation

    def held_out(self) -> Iterator[tuple[Tensor, list[DecoderInput]]]:
        """Held-out images (1, 3, H, W) with their latents at three levels over the range, encoded once."""
        if not self._held_out:
            files = datasets.image_files(self.settings.validation)
            count = self.settings.validation_images or len(files)
            for file in files[:: max(1, len(files) // count)][:count]:
                x, latents = whole_regions(datasets.read_rgb(file))[None], []
                for level in validation_levels(*self.recipe.levels):
                    cells = torch.full((1, 1, x.shape[2] // 64, x.shape[3] // 64), level, dtype=torch.uint8)
                    latents.append(halved(self.trunk.encode(x, cells)))
                self._held_out.append((x, latents))
        yield from self._held_out

    def validate(self) -> dict:
        """The averaged weights on whole held-out images, as 8-bit images: PSNR, LPIPS and the decoder's own loss.

        `score` is that loss without its GAN term, whose value says nothing. Keeps the best; with a GAN the latest,
        since no loss here can tell which is best.
        """
        rows: list[list[dict[str, float]]] = []
        for image, latents in self.held_out():
            x = image.to(self.device).float().div(255)
            with torch.autocast(self.device.type, self.precision, enabled=self.precision is not None):
                rows.append([measure(self.learner, self.networks, x, latent) for latent in latents])
        means = {k: np.mean([[row[k] for row in image] for image in rows], 0) for k in rows[0][0]}
        score = round(float(means["loss"].mean()), 5)
        if self.learner.discriminator or score < self.best:
            self.best = score
            self.save()
        values = {k: [round(float(v), 5) for v in level] for k, level in means.items()}
        return {"score": score, "level_bytes": validation_levels(*self.recipe.levels), **values}

    def run(self) -> None:
        """Trains until the minutes or the steps are over; continues the run where it left off."""
        settings = asdict(self.settings) | {"recipe": asdict(self.recipe)}
        (self.folder / "settings.json").write_text(json.dumps(settings, indent=1))
        self.loop.run()


def validation_levels(low: float, high: float) -> list[int]:
    """Three byte-valued levels spread over a recipe's range of levels."""
    return [round((low + (high - low) * share) / TOP * BYTE_MAX) for share in (1 / 6, 1 / 2, 5 / 6)]
