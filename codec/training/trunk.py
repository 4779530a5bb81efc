"""The training of the trunk, with its mse decoder: R + λ·D of the whole codec, for all λ at once."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from codec.device import has_bfloat16
from codec.networks.model import CodecModel
from codec.training import data as datasets
from codec.training.export import shipped_state, widened
from codec.training.loop import Loop, Plan
from codec.training.losses import rate_distortion
from codec.training.optimizers import averaged, trunk_optimizers
from codec.training.resident import Resident, trunk_levels
from codec.weights import Weights
from codec.writing import replacing

VALIDATION_LEVELS = (1.0, 3.0, 5.0, 7.0, 9.0)  # those of versions before, 0, 2, 4 and 6, and one below


@dataclass
class Settings:
    data: str
    validation: str
    run: str
    minutes: float = 30.0
    steps: int = 10**9
    batch: int = 8
    crop: int = 192
    lr: float = 0.02  # of Muon
    adam_lr: float = 1e-2
    warmup: int = 100
    decay: float = 1.5  # exponent of the fall of the learning rate; see `loop.power`
    final: float = 0.01  # of the learning rate, at the end
    ema: float = 0.999
    seed: int = 0
    device: str = "cpu"
    compile: bool = False
    validate_minutes: float = 12.0
    save_minutes: float = 4.0
    init: str = ""  # a weights folder, or a checkpoint, that the run starts from
    pages: float = 0.08  # share of crops that are generated pages, where the data has a folder of that name
    down_weight: str = "art=0.5"


def autocast(device: str | torch.device):
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=has_bfloat16(device))


def factors(text: str) -> dict[str, float]:
    """{"art": 0.5} of "art=0.5"."""
    return {name: float(factor) for name, factor in (pair.split("=") for pair in text.split(",") if pair)}


def whole_regions(rgb: np.ndarray) -> Tensor:
    """uint8 (H, W, 3) -> (3, H, W) with H and W cut to multiples of 64."""
    height, width = (n // 64 * 64 for n in rgb.shape[:2])
    return torch.from_numpy(rgb[:height, :width].copy()).permute(2, 0, 1)


def held_out(folder: str | Path) -> list[Tensor]:
    """The images of a folder, uint8 (3, H, W) with H and W multiples of 64."""
    return [whole_regions(datasets.read_rgb(path)) for path in datasets.image_files(folder)]


class TrunkTask:
    """A trunk in training on crops that lie in the device's memory."""

    def __init__(
        self,
        model: CodecModel,
        store: Resident,
        images: list[Tensor],
        batch: int,
        crop: int,
        lr: float,
        adam_lr: float,
        ema: float = 0.999,
        compile: bool = False,
    ):
        """model: on the device of the store, channels last; images: held out, uint8 (3, H, W)."""
        self.model, self.store, self.images, self.batch, self.crop = model.train(), store, images, batch, crop
        self.average = averaged(model, ema)
        self.optimizers = trunk_optimizers(model, lr, adam_lr)
        self._loss = torch.compile(self.loss) if compile else self.loss

    def loss(self, x: Tensor, level: Tensor) -> dict[str, Tensor]:
        """x (B, 3, H, W) in [0, 1], level (B, 1, H/64, W/64) in anchors; see `rate_distortion`."""
        with autocast(x.device):
            output = self.model(x, level)
        return rate_distortion(output, x, level, self.model.anchors)

    def step(self, number: int, factor: float) -> dict[str, Tensor]:
        x = self.store.sample(self.batch, self.crop)
        span = min(1.0, 0.1 + number / 1000)  # of the λ's that one crop has in it
        level = trunk_levels(self.batch, self.crop // 64, self.model.top, self.store.device, span)
        row = self._loss(x, level)
        row["loss"].backward()
        norm = self.optimizers.step(factor)
        self.average.update_parameters(self.model)
        return row | {"norm": norm}

    def state(self) -> dict:
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": self.optimizers.state_dict(),
        }

    def restore(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizers.load_state_dict(state["optimizers"])

    def validate(self) -> dict:
        return validate(self.average.module, self.images, self.store.device)


@torch.no_grad()
def validate(model: CodecModel, images: list[Tensor], device: str | torch.device) -> dict:
    """Estimated rate and PSNR of whole images at five levels; `score` is the mean weighted loss at those that all
    versions have."""
    training = model.training
    model.eval()
    sums = np.zeros((len(VALIDATION_LEVELS), 3))
    for image in images:
        x = image.to(device)[None].float().div(255).contiguous(memory_format=torch.channels_last)
        for i, value in enumerate(VALIDATION_LEVELS):
            level = torch.full((1, 1, x.shape[2] // 64, x.shape[3] // 64), value, device=device)
            with autocast(device):
                output = model(x, level)
            row = rate_distortion(output._replace(x_hat=output.x_hat.clamp(0, 1)), x, level, model.anchors)
            sums[i] += [row["loss"].item(), row["bpp"].item(), 10 * math.log10(255**2 / row["mse"].item())]
    model.train(training)
    means = sums / max(1, len(images))
    names = [f"{value:g}" for value in VALIDATION_LEVELS]
    return {
        "score": round(float(means[1:, 0].mean()), 5),
        "bpp": dict(zip(names, means[:, 1].round(4).tolist(), strict=True)),
        "psnr": dict(zip(names, means[:, 2].round(3).tolist(), strict=True)),
    }


class TrunkRun(TrunkTask):
    """The same in a folder: keeps best.pt, the averaged weights of the best validation."""

    def __init__(self, settings: Settings, *task, before: dict, **options):
        super().__init__(*task, **options)
        self.settings, self.before, self.best = settings, before, math.inf
        self.loop: Loop | None = None

    def state(self) -> dict:
        return super().state() | {"best": self.best}

    def restore(self, state: dict) -> None:
        super().restore(state)
        self.best = state["best"]

    def validate(self) -> dict:
        result = super().validate()
        if result["score"] < self.best:
            self.best = result["score"]
            state = {"ema": self.average.module.state_dict(), "settings": asdict(self.settings), "best": self.best}
            state |= {
                "total_steps": self.before["steps"] + self.loop.step,
                "total_seconds": self.before["seconds"] + self.loop.elapsed,
            }
            with replacing(Path(self.settings.run) / "best.pt") as path:
                torch.save(state, path)
        return result


def train(settings: Settings) -> None:
    """Trains until the minutes or the steps are over; continues `run` where it left off."""
    s, run, before = settings, Path(settings.run), {"steps": 0, "seconds": 0.0}
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(s.seed)
    store = Resident([s.data], s.device, max(s.crop, 256), factors(s.down_weight), s.pages)
    model = CodecModel()
    if s.init.endswith(".pt"):
        start = torch.load(s.init, map_location="cpu", weights_only=True)
        model.load_state_dict(start["ema"])
        before = {"steps": start["total_steps"], "seconds": start["total_seconds"]}
    elif s.init:
        model.load_state_dict(widened(shipped_state(s.init), model))
        entry = Weights(s.init).trunk_entry()
        before = {"steps": entry["steps"], "seconds": entry["wall_minutes"] * 60}
    else:
        patches = store.sample(2000, 64).unfold(2, 16, 16).unfold(3, 16, 16).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
        model.to(s.device).init_linear(patches)
    model.to(s.device, memory_format=torch.channels_last)
    (run / "settings.json").write_text(json.dumps(asdict(s), indent=1))
    task = TrunkRun(
        *(s, model, store, held_out(s.validation), s.batch, s.crop, s.lr, s.adam_lr, s.ema, s.compile), before=before
    )
    plan = Plan.of(s)
    task.loop = Loop(task, plan, run)
    torch.manual_seed(s.seed + task.loop.step)
    task.loop.run()
