"""The trainer of decoders on a frozen trunk: the same loop on CPU and CUDA, stopped and resumed at any time.

    crops ─ frozen trunk ─► y_hat, level ─ decoder ─► x_hat ─ as shown ─► Σ weight·term, and against the discriminator

Two stages, as Iwai et al. (ICPR 2020) have them: the encoder stays as the MSE left it, so every decoder reads
the same streams. The discriminator takes its step before the decoder, on the same pictures.
"""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from codec.device import has_bfloat16
from codec.metrics import alexnet
from codec.networks.generator import build, extend
from codec.networks.transforms import GRAIN, noise_field
from codec.paths import replacing
from codec.spec import BYTE_MAX, TOP
from codec.training import data as datasets
from codec.training import losses
from codec.training.discriminator import Discriminator
from codec.training.latents import DecoderInput, Pool, decoder_entry, halved, load_trunk, read_decoder, ready
from codec.training.optimizers import optimizers_of
from codec.training.recipes import Objective, Recipe, Seen, adjusted
from codec.training.trainer import Ema, schedule, whole_regions
from codec.training.vgg import load_vgg

PATIENCE = 10  # steps in a row without a finite gradient before the averaged weights come back


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
    decay: float = 1.0  # exponent of the fall of the learning rate; see `trainer.schedule`
    final: float = 0.01  # of the learning rate, at the end
    clip: float = 2.0  # norm of the gradient
    ema: float = 0.999
    weights: str = ""  # changes to the recipe's weights, as "vgg5=80,gan=0.1"
    levels: str = ""  # another range of levels than the recipe's, as "0:5"
    architecture: str = ""  # another than the recipe's, as "generator-2-1-1"
    smooth_share: float = 0.15  # of crops whose level varies from place to place
    skew: float = 1.0  # above 1, more crops at low rates; see `latents.byte_levels`
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
    """A decoder in training: `step` for one step, `run` for all of them."""

    def __init__(self, settings: Settings):
        precision = settings.precision or ("bfloat16" if has_bfloat16(settings.device) else "float32")
        self.settings = s = replace(settings, precision=precision)
        self.recipe: Recipe = adjusted(s.decoder, s.weights, s.levels, s.architecture)
        self.folder = Path(s.run or f"runs/{s.decoder}")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.device = torch.device(s.device)
        torch.set_float32_matmul_precision("high")
        self.trunk, mse = load_trunk(s.init, s.device, s.precision)
        vgg = load_vgg(s.backbones).to(s.device) if Objective.needs_vgg(self.recipe) else None
        self.objective = Objective(self.recipe, vgg, alexnet.load(s.device))
        self.looks = bool({"lpips", "gan"} & self.recipe.weights.keys())  # AlexNet is needed for a step

        self.step_number, self.elapsed, self.best, self.failures, self.skipped = 0, 0.0, math.inf, 0, 0
        torch.manual_seed(s.seed)  # after LPIPS has been read, which takes random numbers the first time
        self.decoder = build(self.recipe.architecture)
        self.discriminator = Discriminator() if "gan" in self.recipe.weights else None
        self.before, new = self._start(mse)
        self.decoder.to(device=s.device, memory_format=torch.channels_last).train()
        self.ema = Ema(self.decoder, s.ema)
        self.optimizers = optimizers_of(self.decoder, s.optimizer, s.lr, new)
        self.d_optimizers = []
        if self.discriminator:
            self.discriminator.to(s.device, memory_format=torch.channels_last)
            betas = (0.5, 0.99)
            self.d_optimizers = [torch.optim.Adam(self.discriminator.parameters(), s.d_lr, betas, fused=True)]
        for optimizer in [*self.optimizers, *self.d_optimizers]:
            for group in optimizer.param_groups:
                group["base_lr"] = group["lr"]
        if (self.folder / "last.pt").exists():
            self._restore()
        self.g, self.d = self.decoder, self.discriminator  # as called in training
        if s.compile:
            self.g, self.d = torch.compile(self.g), torch.compile(self.d) if self.d else None
            if vgg:
                self.objective.vgg = torch.compile(vgg)
        self._held_out: list[tuple[Tensor, list[DecoderInput]]] = []

    def _start(self, mse: dict[str, Tensor]) -> tuple[dict, frozenset[str]]:
        """Loads the weights to start from; returns the steps and seconds that they have had, and names they lacked."""
        s, before = self.settings, {"steps": 0, "seconds": 0.0}
        start = s.start or self.recipe.start
        if start.endswith(".pt"):
            saved = torch.load(start, map_location="cpu", weights_only=True)
            state = {k: v.float() for k, v in saved["ema"].items()}
            before["start"] = saved["decoder"]
            if saved["decoder"] == s.decoder:  # the same training goes on
                before = {"steps": saved["total_steps"], "seconds": saved["total_seconds"], "start": saved["start"]}
            judge = Path(start).parent / "discriminator.pt"
            if self.discriminator and judge.exists():
                saved = torch.load(judge, map_location="cpu", weights_only=True)
                self.discriminator.load_state_dict({k: v.float() for k, v in saved.items()})
        else:
            state = mse if start == "mse" else read_decoder(s.init, start)
            before["start"] = start
            if start == s.decoder and not s.init.endswith(".pt"):  # the same training goes on
                entry = decoder_entry(s.init, start)
                start = entry.get("start", "trunk")  # with which the mse decoder was trained
                before = {"steps": entry["steps"], "seconds": 60 * entry["wall_minutes"], "start": start}
        whole = extend(state, self.decoder.state_dict())
        self.decoder.load_state_dict(whole)
        return before, frozenset(whole.keys() - state.keys())

    # One step

    def _autocast(self):
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bfloat16")

    def _update(self, loss: Tensor, module: nn.Module, optimizers: list[torch.optim.Optimizer]) -> tuple[bool, Tensor]:
        """A step of the optimizers, unless the gradient is not finite; whether it was, and its norm."""
        loss.backward()
        norm = nn.utils.clip_grad_norm_(module.parameters(), self.settings.clip)
        finite = bool(torch.isfinite(norm))
        if finite:
            for optimizer in optimizers:
                optimizer.step()
        module.zero_grad(set_to_none=True)
        return finite, norm

    def noise(self, latent: DecoderInput) -> Tensor | None:
        """What stands for `transforms.noise_field` in a step, drawn anew for every crop."""
        if self.decoder.noise is None:
            return None
        generator = np.random.default_rng([self.settings.seed, self.step_number, 4])
        shape = (len(latent.y_hat), GRAIN, *latent.y_hat.shape[2:])
        return ready(torch.from_numpy(generator.uniform(-1, 1, shape)).to(self.device))

    def step(self, x: Tensor, latent: DecoderInput) -> dict[str, Tensor]:
        """One step on x (B, 3, H, W) in [0, 1] and its latents.

        Returns the scalars to be logged, or nothing where the gradient was not finite and the step was left out.
        """
        s = self.settings
        with self._autocast():
            x_hat = self.g(latent.y_hat, latent.level, latent.scales, self.noise(latent))
        shown, row = losses.as_shown(x_hat.float()), {}
        seen = self.objective.see(shown, x, offset_of(s.seed, self.step_number)) if self.looks else None
        if self.discriminator:
            row |= self._discriminator_step(x, shown.detach(), seen, latent.y_hat)
        with self._autocast():
            terms = self.objective.terms(shown, x, seen)
            if self.discriminator:
                terms["gan"] = losses.generator_loss(self.d(shown, seen.x_hat, latent.y_hat))
        ramp = min(1.0, (self.before["steps"] + self.step_number + 1) / max(1, s.gan_ramp))
        loss = self.objective.total(terms, latent.lmbda, ramp).mean()
        finite, norm = self._update(loss, self.decoder, self.optimizers)
        if not finite:
            self._after_failure()
            return {}
        self.ema.update(self.decoder)
        self.failures = 0
        row |= {k: v.detach().mean() for k, v in terms.items()}
        return row | {"loss": loss.detach(), "bpp": latent.bpp.mean(), "norm": norm}

    def _discriminator_step(self, x: Tensor, x_hat: Tensor, seen: Seen, y_hat: Tensor) -> dict[str, Tensor]:
        d = self.discriminator.train().requires_grad_(True)
        activations = [torch.cat([a, a_hat.detach()]) for a_hat, a in zip(*seen, strict=True)]
        with self._autocast():
            logits = self.d(torch.cat([x, x_hat]), activations, y_hat)
        real, fake = zip(*(part.chunk(2) for part in logits), strict=True)
        loss = losses.discriminator_loss(real, fake).mean()
        self._update(loss, d, self.d_optimizers)
        d.eval().requires_grad_(False)  # while it judges for the decoder, nothing of it moves
        right = [((r > 0).float().mean() + (f < 0).float().mean()) / 2 for r, f in zip(real, fake, strict=True)]
        return {"d_loss": loss.detach()} | {f"d_right{i}": share for i, share in enumerate(right)}

    def _after_failure(self) -> None:
        """Counts a step whose gradient was not finite; after several in a row goes back to the averaged weights."""
        self.skipped, self.failures = self.skipped + 1, self.failures + 1
        if self.failures < PATIENCE:
            return
        print(f"step {self.step_number}: {self.failures} steps without a finite gradient; back to the average")
        self.decoder.load_state_dict(self.ema.values)
        for optimizer in self.optimizers:
            optimizer.state.clear()
        self.failures = 0

    # Checkpoints

    def save(self, name: str) -> None:
        """last.pt has everything to go on exactly; best.pt, in half precision, what to export or start from."""
        half = {k: v.half() for k, v in self.ema.values.items()}
        state = {
            "decoder": self.settings.decoder,
            "start": self.before["start"],
            "trunk": self.trunk.name,
            "recipe": asdict(self.recipe),
            "settings": asdict(self.settings),
            "total_steps": self.before["steps"] + self.step_number,
            "total_seconds": self.before["seconds"] + self.elapsed,
            "ema": half,
        }
        if name == "last.pt":
            state |= {
                "model": self.decoder.state_dict(),
                "ema": self.ema.values,
                "ema_count": self.ema.count,
                "discriminator": self.discriminator.state_dict() if self.discriminator else None,
                "optimizers": [o.state_dict() for o in [*self.optimizers, *self.d_optimizers]],
                "counts": [self.step_number, self.elapsed, self.best, self.skipped],
                "before": self.before,
            }
        elif self.discriminator:
            halves = {k: v.half() for k, v in self.discriminator.state_dict().items()}
            self._write(halves, "discriminator.pt")
        self._write(state, name)

    def _write(self, state: dict, name: str) -> None:
        with replacing(self.folder / name) as path:
            torch.save(state, path)

    def _restore(self) -> None:
        state = torch.load(self.folder / "last.pt", map_location=self.device, weights_only=True)
        if (state["trunk"], state["recipe"]["architecture"]) != (self.trunk.name, self.recipe.architecture):
            raise ValueError(f"'{self.folder}' holds a run on another trunk or of another architecture.")
        self.decoder.load_state_dict(state["model"])
        self.ema.values, self.ema.count = state["ema"], state["ema_count"]
        if self.discriminator:
            self.discriminator.load_state_dict(state["discriminator"])
        for optimizer, saved in zip([*self.optimizers, *self.d_optimizers], state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step_number, self.elapsed, self.best, self.skipped = state["counts"]
        self.before = state["before"]

    # Validation

    def held_out(self) -> Iterator[tuple[Tensor, list[DecoderInput]]]:
        """Held-out pictures (1, 3, H, W) with their latents at three levels over the range, encoded once."""
        if not self._held_out:
            files = datasets.image_files(self.settings.validation)
            count = self.settings.validation_images or len(files)
            for file in files[:: max(1, len(files) // count)][:count]:
                x, latents = whole_regions(datasets.read_rgb(file))[None], []
                for level in validation_levels(*self.recipe.levels):
                    cells = torch.full((1, 1, x.shape[2] // 64, x.shape[3] // 64), level, dtype=torch.uint8)
                    latent = self.trunk.encode(x, cells)
                    latents.append(halved(latent))
                self._held_out.append((x, latents))
        yield from self._held_out

    @torch.no_grad()
    def validate(self) -> dict:
        """The averaged weights on whole held-out pictures, as 8-bit pictures: PSNR, LPIPS and the decoder's own loss.

        `score` is that loss without its GAN term, whose value says nothing.
        """
        rows: list[list[dict[str, float]]] = []
        with self.ema.swapped_into(self.decoder):
            self.decoder.eval()
            for x, latents in self.held_out():
                x = x.to(self.device).float().div(255)
                rows.append([self._measure(x, latent) for latent in latents])
            self.decoder.train()
        means = {k: np.mean([[row[k] for row in picture] for picture in rows], 0) for k in rows[0][0]}
        result = {k: [round(float(v), 5) for v in values] for k, values in means.items()}
        levels = validation_levels(*self.recipe.levels)
        return {"score": round(float(means["loss"].mean()), 5), "level_bytes": levels, **result}

    def _measure(self, x: Tensor, latent: DecoderInput) -> dict[str, float]:
        with self._autocast():
            noise = noise_field(*latent.y_hat.shape[2:]).to(self.device) if self.decoder.noise else None
            x_hat = self.decoder(latent.y_hat.float(), latent.level, latent.scales, noise)
            shown = losses.as_shown(x_hat.float())
            seen = self.objective.see(shown, x)
            terms = self.objective.terms(shown, x, seen)
        terms["loss"] = self.objective.total(terms, latent.lmbda)
        terms.setdefault("lpips", self.objective.distance(seen))
        psnr = 10 * torch.log10(255**2 / terms["mse"].clamp(min=1e-3))
        return {k: v.item() for k, v in (terms | {"psnr": psnr, "bpp": latent.bpp}).items()}

    def check(self, log) -> None:
        """Validates, logs, and keeps the best; with a GAN the latest, since no loss here can tell which is best."""
        result = self.validate()
        log.write(json.dumps({"step": self.step_number, "minutes": minutes(self.elapsed), "validation": result}) + "\n")
        log.flush()
        print(f"step {self.step_number}  {minutes(self.elapsed)} min  validation {result}", flush=True)
        if self.discriminator or result["score"] < self.best:
            self.best = result["score"]
            self.save("best.pt")

    # The loop

    def run(self, log_every: int = 50) -> None:
        """Trains until the minutes or the steps are over; continues the run where it left off."""
        s = self.settings
        (self.folder / "settings.json").write_text(json.dumps(asdict(s) | {"recipe": asdict(self.recipe)}, indent=1))
        pool = Pool(
            self.trunk,
            datasets.Crops(
                s.data, {k: float(v) for k, v in (kv.split("=") for kv in s.down_weight.split(",") if kv)}, s.varied
            ),
            *(s.batch, s.crop, self.recipe.levels, s.smooth_share, s.seed, s.reuse, s.pool, s.workers, s.skew),
        )
        clock = saved_at = validated_at = time.monotonic()
        sums: dict[str, Tensor] = {}
        counted = 0
        with (self.folder / "log.jsonl").open("a") as log:
            while self.elapsed < s.minutes * 60 and self.step_number < s.steps:
                progress = max(self.elapsed / (s.minutes * 60), self.step_number / s.steps)
                factor = schedule(progress, self.step_number, s)
                for optimizer in [*self.optimizers, *self.d_optimizers]:
                    for group in optimizer.param_groups:
                        group["lr"] = group["base_lr"] * factor
                row = self.step(*pool.at(self.step_number))
                self.step_number += 1
                for name, value in row.items():
                    sums[name] = sums.get(name, 0) + value
                counted += bool(row)
                if self.step_number % log_every == 0 and counted:
                    row = {k: round(v.item() / counted, 5) for k, v in sums.items()} | {"skipped": self.skipped}
                    row |= {"step": self.step_number, "minutes": minutes(self.elapsed), "lr": round(factor, 4)}
                    sums, counted = {}, 0
                    log.write(json.dumps(row) + "\n")
                    log.flush()
                    print(row, flush=True)
                now = time.monotonic()
                self.elapsed, clock = self.elapsed + now - clock, now
                if now - saved_at > s.save_minutes * 60:
                    self.save("last.pt")
                    saved_at = clock = time.monotonic()
                if now - validated_at > s.validate_minutes * 60:
                    self.check(log)
                    validated_at = clock = time.monotonic()
            self.check(log)
        self.save("last.pt")


def offset_of(seed: int, step: int) -> tuple[int, int]:
    """By how many rows and columns, 0…7, AlexNet sees the pictures of a step moved; see `Objective.see`."""
    return tuple(np.random.default_rng([seed, step, 3]).integers(0, 8, 2).tolist())


def minutes(seconds: float) -> float:
    return round(seconds / 60, 2)


def validation_levels(low: float, high: float) -> list[int]:
    """Three byte-valued levels spread over a recipe's range of levels."""
    return [round((low + (high - low) * part) / TOP * BYTE_MAX) for part in (1 / 6, 1 / 2, 5 / 6)]
