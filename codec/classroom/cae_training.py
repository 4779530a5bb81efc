"""Trains the four experiments of Meynard et al. (2018) on photographs, one after the other in one process.

The first, on the MSE alone, starts from random weights; the others start from it, since time on small machines is
short: `log.json` says how many steps each had.
"""

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from codec.classroom.cae import AutoEncoder, soft_entropy
from codec.training import losses
from codec.training.data import Crops
from codec.training.vgg import STRIDES, Vgg16, load_vgg

#: Weights of the terms. Entropy counts in bits per crop; the report's weights of the other terms are for features on
#: another scale, and these bring the terms to the size that the report asks for: near the MSE, but below it.
EXPERIMENTS = {
    "1": {"mse": 1.0},
    "2": {"mse": 1.0, "entropy": 0.01, "vgg2": 20.0, "vgg5": 150.0},
    "3": {"mse": 0.1, "entropy": 0.01, "vgg2": 20.0, "vgg5": 15.0},
    "4": {"mse": 1.0, "entropy": 0.01, "vgg2": 20.0, "vgg5": 150.0, "gram2": 12.0, "gram5": 80.0},
    "1-128": {"mse": 1.0},
}
TEXTURE_PATCH = 8  # pixels
VGG_SHARE = 4  # the features are compared for one crop in so many


@dataclass(frozen=True)
class Settings:
    data: str  # a folder of photographs
    backbones: str  # the folder of vgg16_features_fp16.safetensors
    run: str = "runs/cae"
    steps: int = 6000  # of the first experiment
    fork_steps: int = 2000  # of every other
    minutes: float = 1000.0  # of wall time at most, for the first
    fork_minutes: float = 1000.0  # and for every other
    batch: int = 16
    lr: float = 1e-3
    seed: int = 0
    bfloat16: bool = False


def terms(x_hat: Tensor, x: Tensor, y: Tensor, vgg: Vgg16 | None) -> dict[str, Tensor]:
    """Every term of the loss, unweighted; x_hat not clipped, x (B, 3, n, n) in [0, 1], y before rounding."""
    shown = losses.as_shown(x_hat)
    found = {
        "mse": losses.mse255(shown, x).mean(),
        "entropy": soft_entropy(y) * y[0].numel(),
    }
    if vgg is not None:
        count = max(1, len(x) // VGG_SHARE)
        with torch.no_grad():
            target = vgg(x[:count])
        features = vgg(shown[:count])
        for block, stride in STRIDES.items():
            f_hat, f = features[block], target[block]
            found[f"vgg{block}"] = losses.feature_mse(f_hat, f).mean()
            found[f"gram{block}"] = losses.gram_mse(f_hat, f, max(1, TEXTURE_PATCH // stride)).mean()
    return found


def fit(
    net: AutoEncoder, crops: Crops, size: int, weights: dict, vgg: Vgg16, steps: int, minutes: float, settings: Settings
) -> list[dict]:
    """Adam with a cosine to 1 %, until the steps or the minutes are used up.

    Returns the progress: every term, of one batch in twenty-five, at that step.
    """
    optimizer = torch.optim.Adam(net.parameters(), settings.lr, fused=True)
    began = time.monotonic()
    net.train().to(memory_format=torch.channels_last)
    rng, progress = np.random.default_rng((settings.seed, size)), []
    batch = settings.batch * 64 // size
    for step in range(1, steps + 1):
        share = min(1.0, max(step / steps, (time.monotonic() - began) / (60 * minutes)))
        for group in optimizer.param_groups:
            warm = min(1.0, step / 30)
            group["lr"] = settings.lr * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
        x = crops.sample(rng, batch, size).float() / 255
        logged = step % 25 == 1 or share == 1
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.bfloat16):
            x_hat, y = net(x)
            found = terms(x_hat, x, y, vgg if logged or len(weights) > 1 else None)
        loss = sum(weight * found[name] for name, weight in weights.items())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 100.0)
        optimizer.step()
        if logged:
            progress.append({"step": step} | {k: round(v.item(), 5) for k, v in found.items()})
            print(" ", progress[-1], flush=True)
        if share == 1:
            break
    return progress


def train(settings: Settings) -> None:
    """Trains every experiment that `run` does not hold yet; each ends as NAME.safetensors and an entry in log.json."""
    run = Path(settings.run)
    run.mkdir(parents=True, exist_ok=True)
    crops = Crops(settings.data, {"bsds500": 0.0})  # whose pictures are noisy
    vgg = load_vgg(settings.backbones)
    if settings.bfloat16:
        vgg = vgg.to(memory_format=torch.channels_last)
    log_file = run / "log.json"
    log = json.loads(log_file.read_text()) if log_file.exists() else {}
    torch.manual_seed(settings.seed)
    for name, weights in EXPERIMENTS.items():
        path, net = run / f"{name}.safetensors", AutoEncoder()
        if path.exists():
            continue
        start, steps, minutes = "random weights", settings.steps, settings.minutes
        if name != "1":
            start, steps, minutes = "experiment 1", settings.fork_steps, settings.fork_minutes
            net.load_state_dict(load_file(run / "1.safetensors"))
        size = 128 if name.endswith("128") else 64
        print(f"experiment {name}, from {start}", flush=True)
        wall, work = time.monotonic(), time.process_time()
        progress = fit(net, crops, size, weights, vgg, steps, minutes, settings)
        log[name] = {"weights": weights, "crop": size, "batch": settings.batch * 64 // size}
        log[name] |= {"start": start, "steps": progress[-1]["step"]} | {
            k: asdict(settings)[k] for k in ("lr", "seed", "bfloat16")
        }
        log[name] |= {"wall_seconds": round(time.monotonic() - wall), "cpu_seconds": round(time.process_time() - work)}
        log[name]["progress"] = progress
        save_file({k: v.contiguous() for k, v in net.state_dict().items()}, path)
        log_file.write_text(json.dumps(log, indent=1))
