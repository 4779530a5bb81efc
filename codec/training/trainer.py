"""The trainer: one loop, the same on CPU and CUDA, that can be stopped and resumed at any time."""

import contextlib
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from codec.device import has_bfloat16
from codec.networks.model import CodecModel
from codec.paths import replacing
from codec.spec import TOP
from codec.training import data as datasets
from codec.training.export import shipped_state
from codec.training.losses import rate_distortion
from codec.training.muon import Muon
from codec.weights import Weights

VALIDATION_LEVELS = (0.0, 2.0, 4.0, 6.0)


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
    decay: float = 1.5  # exponent of the fall of the learning rate; see `schedule`
    final: float = 0.01  # of the learning rate, at the end
    ema: float = 0.999
    seed: int = 0
    device: str = "cpu"
    compile: bool = False
    validate_minutes: float = 12.0
    save_minutes: float = 4.0
    init: str = ""  # a weights folder, or a checkpoint, that the run starts from
    down_weight: str = "bsds500=0.3"


def parameter_groups(model: CodecModel, settings: Settings) -> list[torch.optim.Optimizer]:
    """Muon for the kernels of the networks; Adam for the rest, and for the linear paths by their own scale."""
    klt = [model.g_a.klt.weight, model.g_s.klt.weight]
    kernels = [p for p in model.parameters() if p.ndim == 4 and all(p is not k for k in klt)]
    rest = [p for p in model.parameters() if p.ndim != 4]
    adam = [{"params": rest, "lr": settings.adam_lr}]
    adam += [{"params": [k], "lr": 0.5 * settings.adam_lr * k.detach().square().mean().sqrt().item()} for k in klt]
    return [Muon(kernels, lr=settings.lr), torch.optim.Adam(adam, betas=(0.9, 0.98), fused=True)]


def schedule(progress: float, step: int, settings: Settings) -> float:
    """The factor on the learning rates: warm-up, then (1 - progress)^decay down to `final`."""
    falling = settings.final + (1 - settings.final) * (1 - min(1.0, progress)) ** settings.decay
    return min(1.0, (step + 1) / settings.warmup) * falling


@torch.no_grad()
def validate(model: CodecModel, images: list[Tensor], device: str) -> dict[str, float]:
    """Estimated rate and PSNR on whole images at four levels; `score` is their mean weighted loss."""
    model.eval()
    sums = np.zeros((len(VALIDATION_LEVELS), 3))
    for x in images:
        x = x.to(device)[None].float() / 255
        for i, value in enumerate(VALIDATION_LEVELS):
            level = torch.full((1, 1, x.shape[2] // 64, x.shape[3] // 64), value, device=device)
            with autocast(device):
                output = model(x, level)
            parts = rate_distortion(output._replace(x_hat=output.x_hat.clamp(0, 1)), x, level)
            sums[i] += [parts["loss"].item(), parts["bpp"].item(), 10 * math.log10(255**2 / parts["mse"].item())]
    model.train()
    means = sums / len(images)
    names = [f"{v:g}" for v in VALIDATION_LEVELS]
    return {
        "score": float(means[:, 0].mean()),
        "bpp": {n: round(m, 4) for n, m in zip(names, means[:, 1].tolist(), strict=True)},
        "psnr": {n: round(m, 3) for n, m in zip(names, means[:, 2].tolist(), strict=True)},
    }


def autocast(device: str):
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=has_bfloat16(device))


class Ema:
    """Exponential moving average of a model's parameters, with a short memory at first."""

    def __init__(self, model: nn.Module, decay: float):
        self.decay, self.count = decay, 0
        self.values = {k: v.detach().clone().float() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        self.count += 1
        weight = 1 - min(self.decay, (1 + self.count) / (10 + self.count))
        state = model.state_dict()
        torch._foreach_lerp_([self.values[k] for k in state], [v.float() for v in state.values()], weight)

    @contextlib.contextmanager
    def swapped_into(self, model: nn.Module):
        """The model with the averaged weights, for the length of a `with`."""
        saved = {k: v.clone() for k, v in model.state_dict().items()}
        model.load_state_dict(self.values)
        try:
            yield model
        finally:
            model.load_state_dict(saved)


def whole_regions(rgb: np.ndarray) -> Tensor:
    """uint8 (3, H, W) with H and W cut to multiples of 64."""
    height, width = (n // 64 * 64 for n in rgb.shape[:2])
    return torch.from_numpy(rgb[:height, :width].copy()).permute(2, 0, 1)


def train(settings: Settings) -> None:
    """Trains until the minutes or the steps are over; continues `run` where it left off."""
    run = Path(settings.run)
    run.mkdir(parents=True, exist_ok=True)
    device = settings.device
    torch.manual_seed(settings.seed)
    weights = dict(kv.split("=") for kv in settings.down_weight.split(",") if kv)
    crops = datasets.Crops(settings.data, {k: float(v) for k, v in weights.items()})
    held_out = [whole_regions(datasets.read_rgb(p)) for p in datasets.image_files(settings.validation)]

    model = CodecModel().to(device)
    steps_before, seconds_before = 0, 0.0
    if settings.init.endswith(".pt"):
        before = torch.load(settings.init, map_location=device, weights_only=True)
        model.load_state_dict(before["ema"])
        steps_before, seconds_before = before["total_steps"], before["total_seconds"]
    elif settings.init:
        model.load_state_dict(shipped_state(settings.init))
        before = Weights(settings.init).trunk_entry()
        steps_before, seconds_before = before["steps"], before["wall_minutes"] * 60
    else:
        model.init_linear(crops.patches(20000, 16))
    model = model.to(device, memory_format=torch.channels_last)
    ema = Ema(model, settings.ema)
    optimizers = parameter_groups(model, settings)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["base_lr"] = group["lr"]
    step, elapsed, best = 0, 0.0, math.inf

    last = run / "last.pt"
    if last.exists():
        state = torch.load(last, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        ema.values, ema.count = state["ema"], state["ema_count"]
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        step, elapsed, best = state["step"], state["elapsed"], state["best"]

    (run / "settings.json").write_text(json.dumps(asdict(settings), indent=1))
    log = (run / "log.jsonl").open("a")
    forward = torch.compile(model) if settings.compile else model

    def save(name: str) -> None:
        state = {
            "model": model.state_dict(),
            "ema": ema.values,
            "ema_count": ema.count,
            "optimizers": [o.state_dict() for o in optimizers],
            "step": step,
            "elapsed": elapsed,
            "best": best,
        }
        state |= {
            "settings": asdict(settings),
            "total_steps": steps_before + step,
            "total_seconds": seconds_before + elapsed,
        }
        if name != "last.pt":
            state = {k: v for k, v in state.items() if k not in ("model", "optimizers")}
        with replacing(run / name) as path:
            torch.save(state, path)

    def check() -> None:
        nonlocal best
        with ema.swapped_into(model):
            result = validate(model, held_out, device)
        log.write(json.dumps({"step": step, "minutes": round(elapsed / 60, 2), "validation": result}) + "\n")
        log.flush()
        print(f"step {step}  {elapsed / 60:.1f} min  validation {result}", flush=True)
        if result["score"] < best:
            best = result["score"]
            save("best.pt")

    batches = crops.stream(settings.batch, settings.crop, settings.seed + step, 8 if device != "cpu" else 1)
    clock = saved_at = validated_at = time.monotonic()
    sums: dict[str, Tensor] = {}
    while elapsed < settings.minutes * 60 and step < settings.steps:
        factor = schedule(max(elapsed / (settings.minutes * 60), step / settings.steps), step, settings)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["base_lr"] * factor
        x = next(batches).to(device, non_blocking=True).float().div(255)
        x = x.contiguous(memory_format=torch.channels_last)
        cells = settings.crop // 64
        level = datasets.random_levels(settings.batch, cells, cells, TOP).to(device)
        with autocast(device):
            output = forward(x, level)
        parts = rate_distortion(output, x, level)
        parts["loss"].backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        if torch.isfinite(norm):
            for optimizer in optimizers:
                optimizer.step()
        model.zero_grad(set_to_none=True)
        ema.update(model)
        step += 1
        for name, value in {**parts, "norm": norm, "count": torch.ones(())}.items():
            sums[name] = sums.get(name, 0) + value.detach()
        if step % 50 == 0:
            count = sums.pop("count").item()
            row = {k: round(v.item() / count, 5) for k, v in sums.items()}
            row |= {"step": step, "minutes": round(elapsed / 60, 2), "lr": round(factor, 4)}
            sums = {}
            log.write(json.dumps(row) + "\n")
            log.flush()
            print(row, flush=True)
        now = time.monotonic()
        elapsed, clock = elapsed + now - clock, now
        if now - saved_at > settings.save_minutes * 60:
            save("last.pt")
            saved_at = now
        if now - validated_at > settings.validate_minutes * 60:
            check()
            validated_at = clock = time.monotonic()
    check()
    save("last.pt")
