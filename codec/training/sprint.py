"""Everything that a GPU is asked to do in the few minutes that it is lent: `python -m codec.training sprint`.

    check      the CPU and the GPU code and decode each other's latents; how fast a step is, eager and compiled
    trunk      R + λ·D of the whole codec, from the shipped weights, widened by blocks that start as identity
    decoders   perceptual, texture, hific-nogan and hific at once, on one encoded batch of the frozen trunk

Each stage ends by the clock, with its learning rate at zero, and writes averaged weights in files under 16 MiB. The
machine needs PyTorch, NumPy, Pillow and safetensors, and the folder that `python -m codec.training pack` makes.
"""

import contextlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from codec.metrics import alexnet as lpips
from codec.networks.gain import lambda_map, rdo_weight
from codec.networks.generator import build, extend
from codec.networks.model import CAUTION, CodecModel
from codec.networks.transforms import GRAIN, noise_field
from codec.spec import N_SCALES
from codec.training import data as datasets
from codec.training import losses, storing
from codec.training.check import equality, on_devices
from codec.training.discriminator import FeatureDiscriminator
from codec.training.export import shipped_state, widened
from codec.training.losses import rate_distortion
from codec.training.muon import Muon
from codec.training.recipes import RECIPES
from codec.training.resident import Resident, random_levels, trunk_levels
from codec.training.trainer import autocast, whole_regions
from codec.training.vgg import STRIDES, load_vgg

WINDOW = 248  # pixels of a crop that the networks of the losses see
SIDES = (192, 216, 248, 280, 304)  # to which the window is scaled: 0.77…1.23
VALIDATION_LEVELS = (1.0, 3.0, 5.0, 7.0, 9.0)
FILE_BYTES = 15 << 20  # of a file, at most


@dataclass
class Settings:
    pack: str  # folders with pictures, separated by commas; the first has validation/ and backbones/, too
    out: str
    keep: str = "runs/sprint"  # states to go on from in a later call
    init: str = "weights"
    device: str = "cuda"
    check: bool = False
    trunk_seconds: float = 0.0
    decoder_seconds: float = 0.0
    decoder_total: float = 0.0  # seconds over all calls, by which the learning rate falls; 0: as decoder_seconds
    steps: int = 10**9  # of each stage, at most
    batch: int = 64
    crop: int = 256
    lr: float = 0.012
    decoder_batch: int = 24
    decoder_lr: float = 4e-3
    gan: float = 0.25
    warmup: int = 200
    compile: bool = False
    seed: int = 0


# The trunk


def start(settings: Settings) -> CodecModel:
    torch.manual_seed(settings.seed)
    model = CodecModel()
    kept = Path(settings.keep) / "trunk.pt"
    if kept.exists():
        model.load_state_dict(torch.load(kept, map_location="cpu", weights_only=True))
    elif settings.init.endswith(".safetensors"):
        model.load_state_dict(load_trunk_files(settings.init))
    else:
        model.load_state_dict(widened(shipped_state(settings.init), model))
    return model.to(settings.device, memory_format=torch.channels_last)


def load_trunk_files(first: str) -> dict[str, Tensor]:
    """What `save_trunk` wrote, by the name of its first file."""
    files = sorted(Path(first).parent.glob("trunk-*.safetensors"))
    return {k: v.float() for file in files for k, v in load_file(file).items()}


def save_trunk(state: dict[str, Tensor], out: str) -> None:
    """trunk-0.safetensors, trunk-1…: kernels in half precision, vectors in float32."""
    whole = {k: (v.half() if v.ndim > 2 else v.float()).detach().cpu().contiguous() for k, v in state.items()}
    files: list[dict[str, Tensor]] = [{}]
    for name, value in whole.items():
        if sum(v.nbytes for v in files[-1].values()) + value.nbytes > FILE_BYTES:
            files.append({})
        files[-1][name] = value
    Path(out).mkdir(parents=True, exist_ok=True)
    for i, tensors in enumerate(files):
        save_file(tensors, Path(out) / f"trunk-{i}.safetensors")


class Average:
    """Exponential moving average of parameters, with a short memory at first."""

    def __init__(self, module: nn.Module, decay: float = 0.999):
        self.module, self.decay, self.count = module, decay, 0
        self.live = list(module.parameters())
        self.mean = [p.detach().clone() for p in self.live]

    @torch.no_grad()
    def update(self) -> None:
        self.count += 1
        torch._foreach_lerp_(
            self.mean, [p.detach() for p in self.live], 1 - min(self.decay, self.count / (10 + self.count))
        )

    def state(self) -> dict[str, Tensor]:
        """The state dict of the module with averages for parameters."""
        means = {id(p): m for p, m in zip(self.live, self.mean, strict=True)}
        return {k: means.get(id(v), v).detach() for k, v in self.module.state_dict(keep_vars=True).items()}

    @contextlib.contextmanager
    def inside(self):
        """The module with the averages, for the length of a `with`."""
        saved = [p.detach().clone() for p in self.live]
        with torch.no_grad():
            torch._foreach_copy_(self.live, self.mean)
        yield self.module
        with torch.no_grad():
            torch._foreach_copy_(self.live, saved)


class Steps:
    """Optimizers that leave a step out, without waiting for the device, where a gradient is not finite."""

    def __init__(self, module: nn.Module, lr: float, adam_lr: float, klt: list[Tensor], new: set[str] = frozenset()):
        kernels = {k: p for k, p in module.named_parameters() if p.ndim == 4 and all(p is not q for q in klt)}
        rest = [p for p in module.parameters() if p.ndim != 4]
        self.parameters = [*module.parameters()]
        old, fresh = ([p for k, p in kernels.items() if (k in new) == which] for which in (False, True))
        muon = [{"params": old, "lr": lr}] + ([{"params": fresh, "lr": 2 * lr}] if fresh else [])
        adam = [{"params": rest, "lr": adam_lr}]
        adam += [{"params": [k], "lr": 0.5 * adam_lr * k.detach().square().mean().sqrt().item()} for k in klt]
        fused = self.parameters[0].is_cuda
        self.optimizers = [Muon(muon), torch.optim.Adam(adam, betas=(0.9, 0.98), fused=fused or None)]
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["base_lr"] = group["lr"]

    def step(self, factor: float, clip: float = 2.0) -> Tensor:
        """One step with the learning rates times `factor`; returns the norm of the gradient, on the device."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        share = torch.where(torch.isfinite(norm), (clip / norm).clamp(max=1.0), 0.0)
        torch._foreach_mul_(gradients, share)
        for g in gradients:
            torch.nan_to_num_(g, 0.0, 0.0, 0.0)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["base_lr"] * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return norm


def falling(progress: float, step: int, warmup: int, power: float = 1.2) -> float:
    """The factor on learning rates: a short rise, then down to nothing at progress 1."""
    return min(1.0, (step + 1) / warmup) * max(0.0, 1 - progress) ** power


def trunk_loss(model: CodecModel, device: str) -> Callable:
    def loss(x: Tensor, level: Tensor) -> dict[str, Tensor]:
        with autocast(device):
            output = model(x, level)
        return rate_distortion(output, x, level, model.anchors)

    return loss


def train_trunk(
    settings: Settings, store: Resident, model: CodecModel, pictures: list[Tensor], log
) -> dict[str, Tensor]:
    """Trains until the clock says stop; returns the averaged state."""
    device, s = settings.device, settings
    model.train()
    average = Average(model)
    steps = Steps(model, s.lr, 5e-3, [model.g_a.klt.weight, model.g_s.klt.weight])
    loss = trunk_loss(model, device)
    if s.compile:
        loss = torch.compile(loss)
    log(validate_trunk(model, pictures, device) | {"stage": "trunk", "step": 0})
    begun = time.monotonic()
    rows: list[Tensor] = []
    saves = [s.trunk_seconds * part for part in (1 / 3, 2 / 3)]
    for step in range(s.steps):
        progress = max((time.monotonic() - begun) / s.trunk_seconds, step / s.steps)
        if progress >= 1:
            break
        x = store.sample(s.batch, s.crop)
        values = loss(x, trunk_levels(s.batch, s.crop // 64, model.top, device, span=min(1.0, 0.1 + 4 * progress)))
        values["loss"].backward()
        norm = steps.step(falling(progress, step, s.warmup))
        average.update()
        rows.append(torch.stack([values["loss"].detach(), values["bpp"], values["z_bpp"], values["mse"], norm]))
        if len(rows) == 250 or step + 1 == s.steps:
            means = torch.stack(rows).mean(0).tolist()
            rows = []
            names = ("loss", "bpp", "z_bpp", "mse", "norm")
            log(
                {"stage": "trunk", "step": step + 1, "seconds": time.monotonic() - begun}
                | dict(zip(names, means, strict=True))
            )
        if saves and time.monotonic() - begun > saves[0]:
            saves.pop(0)
            save_trunk(average.state(), s.out)
    state = average.state()
    save_trunk(state, s.out)
    Path(s.keep).mkdir(parents=True, exist_ok=True)
    torch.save({k: v.cpu() for k, v in state.items()}, Path(s.keep) / "trunk.pt")
    with average.inside():
        log(validate_trunk(model, pictures, device) | {"stage": "trunk", "step": step + 1})
    model.load_state_dict(state)
    return state


@torch.no_grad()
def validate_trunk(model: CodecModel, pictures: list[Tensor], device: str) -> dict:
    """Estimated rate and PSNR of whole held-out pictures; `score` is the mean weighted loss over the old ladder."""
    model.eval()
    sums = np.zeros((len(VALIDATION_LEVELS), 3))
    for x in pictures:
        x = x.to(device)[None].float().div(255).contiguous(memory_format=torch.channels_last)
        for i, value in enumerate(VALIDATION_LEVELS):
            level = torch.full((1, 1, x.shape[2] // 64, x.shape[3] // 64), value, device=device)
            with autocast(device):
                output = model(x, level)
            values = rate_distortion(output._replace(x_hat=output.x_hat.clamp(0, 1)), x, level, model.anchors)
            psnr = 10 * math.log10(255**2 / values["mse"].item())
            sums[i] += [values["loss"].item(), values["bpp"].item(), psnr]
    model.train()
    means = sums / max(1, len(pictures))
    return {
        "score": means[1:, 0].mean().round(5).item(),
        "bpp": means[:, 1].round(4).tolist(),
        "psnr": means[:, 2].round(3).tolist(),
    }


# The decoders

ARCHITECTURES = {
    "perceptual": "synthesis-1-2-2+scales",
    "texture": "synthesis-1-3-3+scales",
    "hific-nogan": "synthesis-1-6-6+scales",
    "hific": "synthesis-1-6-6+scales+noise",
}
#: As in the recipes; LPIPS counts on two networks, and both see the pictures moved, scaled and mirrored at random.
WEIGHTS = {
    "perceptual": {"mse": 1.0, "vgg2": 20.0, "vgg5": 150.0},
    "texture": {"mse": 1.0, "vgg2": 20.0, "vgg5": 150.0, "gram2": 12.0, "gram5": 80.0},
    "hific-nogan": {"mse": 0.0003, "lpips": 0.7, "lpips-vgg": 0.7, "lattice": 0.006, "spectrum": 0.08},
    "hific": {"mse": 0.0003, "lpips": 0.7, "lpips-vgg": 0.7, "lattice": 0.01, "spectrum": 0.04},
}
BALANCED = ("perceptual", "texture")  # whose loss counts (λ/0.0067)^½, over 100
SKEW = 1.2


class VggDistance(nn.Module):
    """LPIPS v0.1 on VGG-16, of features that the other losses need as well."""

    def __init__(self, file: Path):
        super().__init__()
        tensors = load_file(file)
        self.lins = nn.ParameterList(tensors[f"lin{i}.weight"].flatten() for i in range(5))
        self.requires_grad_(False)

    def forward(self, f_hat: dict[int, Tensor], f: dict[int, Tensor]) -> Tensor:
        terms = []
        for block, weights in enumerate(self.lins, 1):
            difference = lpips.unit(f_hat[block].float()) - lpips.unit(f[block].float())
            terms.append(torch.einsum("bchw,c->bhw", difference.square(), weights).mean((1, 2)))
        return torch.stack(terms).sum(0)


class Moved:
    """One random view of all pictures of a step: a window of them, mirrored or not, at one of the scales."""

    def __init__(self, rng: np.random.Generator, crop: int):
        self.window = WINDOW * crop // 256 // 8 * 8
        self.top, self.left = rng.integers(0, crop - self.window + 1, 2).tolist()
        self.mirrored, self.side = bool(rng.random() < 0.5), int(rng.choice(SIDES)) * crop // 256 // 8 * 8

    def cut(self, x: Tensor) -> Tensor:
        x = x[..., self.top : self.top + self.window, self.left : self.left + self.window]
        return x.flip(3) if self.mirrored else x

    def __call__(self, x: Tensor) -> Tensor:
        x = self.cut(x)
        if self.side == self.window:
            return x.contiguous(memory_format=torch.channels_last)
        x = F.interpolate(x, (self.side, self.side), mode="bilinear", antialias=True, align_corners=False)
        return x.contiguous(memory_format=torch.channels_last)


class Quartet(nn.Module):
    """The four decoders, with their averages, optimizers, and hific's discriminator."""

    def __init__(self, settings: Settings, model: CodecModel, backbones: Path):
        super().__init__()
        self.s, self.device, self.step_number = settings, settings.device, 0
        base = {k: v.float() for k, v in model.g_s.state_dict().items()}
        self.decoders = nn.ModuleDict()
        new = {}
        for name, architecture in ARCHITECTURES.items():
            decoder = build(architecture)
            state = extend({k: v.cpu() for k, v in base.items()}, decoder.state_dict())
            decoder.load_state_dict(state)
            self.decoders[name] = decoder
            new[name] = {k for k in state if k not in base}
        self.to(self.device, memory_format=torch.channels_last)
        self.discriminator = FeatureDiscriminator().to(self.device, memory_format=torch.channels_last)
        self.averages = {name: Average(d, 0.998) for name, d in self.decoders.items()}
        self.steps = {
            name: Steps(d, settings.decoder_lr, 4e-4, [d.klt.weight], new[name]) for name, d in self.decoders.items()
        }
        self.d_optimizer = torch.optim.Adam(self.discriminator.parameters(), 4e-4, (0.5, 0.99))
        self.vgg = load_vgg(backbones).to(self.device, memory_format=torch.channels_last)
        self.vgg_distance = VggDistance(backbones / "lpips-vgg.safetensors").to(self.device)
        self.alex = lpips.load(self.device)
        self.rng = np.random.default_rng(settings.seed + 1)

    def step(self, x: Tensor, latent: tuple[Tensor, ...], progress: float) -> dict[str, Tensor]:
        """One step of every decoder on x (B, 3, H, W) and (y_hat, level, scales, λ); returns what to log."""
        y_hat, level, scales, lmbda = latent
        count, names = len(x), list(self.decoders)
        noise = 2 * torch.rand(count, GRAIN, *y_hat.shape[2:], device=x.device) - 1
        shown = []
        for decoder in self.decoders.values():
            with autocast(self.device):
                x_hat = decoder(y_hat, level, scales, noise if decoder.noise is not None else None)
            shown.append(losses.as_shown(x_hat.float()))
        view = Moved(self.rng, x.shape[3])
        seen, seen_x = view(torch.cat(shown)), view(x)
        blocks = (1, 2, 3, 4, 5)
        with autocast(self.device):
            f_hat = self.vgg(seen, blocks)
            with torch.no_grad():
                f = self.vgg(seen_x, blocks)
        part = {name: slice(i * count, (i + 1) * count) for i, name in enumerate(names)}
        f_of = {name: {b: v[part[name]] for b, v in f_hat.items()} for name in names}
        row = self._judge(x, shown[-1], seen_x, seen[part["hific"]], f, f_of["hific"], y_hat, view)
        a_x = None
        factor = falling(progress, self.step_number, self.s.warmup, 1.0)
        total = 0.0
        for name, x_hat in zip(names, shown, strict=True):
            w = WEIGHTS[name]
            terms = {"mse": losses.mse255(x_hat, x)}
            for block, stride in STRIDES.items():
                if f"vgg{block}" in w:
                    terms[f"vgg{block}"] = losses.feature_mse(f_of[name][block], f[block])
                if f"gram{block}" in w:
                    sizes = [max(1, patch // stride) for patch in RECIPES["texture"].patches]
                    grams = [losses.gram_mse(f_of[name][block], f[block], n) for n in sizes]
                    terms[f"gram{block}"] = torch.stack(grams).mean(0)
            if "lpips" in w:
                if a_x is None:
                    with torch.no_grad():
                        a_x = self.alex.activations(2 * seen_x - 1)
                a = self.alex.activations(2 * seen[part[name]] - 1)
                terms["lpips"] = self.alex.distance(a, a_x)
                terms["lpips-vgg"] = self.vgg_distance(f_of[name], f)
                terms["lattice"], terms["spectrum"] = losses.lattice(x_hat, x), losses.spectrum(x_hat, x)
            loss = sum(w[k] * terms[k] for k in w)
            if name in BALANCED:
                loss = loss * (lmbda / losses.REFERENCE_LAMBDA) ** 0.5 / 100
            if name == "hific":
                ramp = min(1.0, max(0.0, self.step_number - 200) / 400)
                fake = self._logits(x_hat, seen[part[name]], f_of[name], y_hat, view)
                terms["gan"] = losses.generator_loss(fake)
                loss = loss + self.s.gan * ramp * terms["gan"]
            total = total + loss.mean()
            row |= {f"{name}.{k}": v.detach().mean() for k, v in terms.items()}
        total.backward()
        for name in names:
            row[f"{name}.norm"] = self.steps[name].step(factor)
            self.averages[name].update()
        self.step_number += 1
        return row

    def _logits(self, x: Tensor, seen: Tensor, f: dict[int, Tensor], y_hat: Tensor, view: Moved) -> list[Tensor]:
        with autocast(self.device):
            return self.discriminator(view.cut(x), f, y_hat, view.cut)

    def _judge(self, x, x_hat, seen_x, seen, f, f_hat, y_hat, view: Moved) -> dict[str, Tensor]:
        """The discriminator's step, before the decoder's, on the same pictures."""
        d = self.discriminator.train().requires_grad_(True)
        real = self._logits(x, seen_x, f, y_hat, view)
        fake = self._logits(x_hat.detach(), seen.detach(), {b: v.detach() for b, v in f_hat.items()}, y_hat, view)
        loss = losses.discriminator_loss(real, fake).mean()
        loss.backward()
        for p in d.parameters():
            if p.grad is not None:
                torch.nan_to_num_(p.grad, 0.0, 0.0, 0.0)
        self.d_optimizer.step()
        self.d_optimizer.zero_grad(set_to_none=True)
        d.eval().requires_grad_(False)
        right = [((r > 0).float().mean() + (q < 0).float().mean()) / 2 for r, q in zip(real, fake, strict=True)]
        return {"d_loss": loss.detach()} | {f"d_right{i}": share for i, share in enumerate(right)}

    def keep(self, folder: str) -> None:
        """Everything to go on from in a later call."""
        state = {
            "live": self.decoders.state_dict(),
            "means": {k: a.mean for k, a in self.averages.items()},
            "discriminator": self.discriminator.state_dict(),
            "optimizers": [o.state_dict() for s in self.steps.values() for o in s.optimizers],
            "d_optimizer": self.d_optimizer.state_dict(),
            "step": self.step_number,
        }
        torch.save(state, Path(folder) / "decoders.pt")

    def resume(self, folder: str) -> None:
        state = torch.load(Path(folder) / "decoders.pt", map_location=self.device, weights_only=True)
        self.decoders.load_state_dict(state["live"])
        for name, average in self.averages.items():
            torch._foreach_copy_(average.mean, state["means"][name])
            average.count = state["step"]
        self.discriminator.load_state_dict(state["discriminator"])
        optimizers = [o for s in self.steps.values() for o in s.optimizers]
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.d_optimizer.load_state_dict(state["d_optimizer"])
        self.step_number = state["step"]

    def save(self, out: str, base: dict[str, Tensor]) -> None:
        """NAME.safetensors, the averaged weights as differences from g_s in bytes; and the discriminator, in halves."""
        Path(out).mkdir(parents=True, exist_ok=True)
        base = {k: v.half().float().cpu() for k, v in base.items()}
        for name, average in self.averages.items():
            stored = storing.to_difference({k: v.cpu() for k, v in average.state().items()}, base, 127)
            save_file(stored, Path(out) / f"{name}.safetensors")
        halves = {k: v.half().cpu().contiguous() for k, v in self.discriminator.state_dict().items()}
        save_file(halves, Path(out) / "discriminator.safetensors")


@torch.no_grad()
def encode(model: CodecModel, x: Tensor, level: Tensor, device: str) -> tuple[tuple[Tensor, ...], Tensor]:
    """(y_hat without gain, level in 0…1, scales in 0…1, mean λ) of a batch, as the decoders get them, and its bpp."""
    level16 = level.repeat_interleave(4, 2).repeat_interleave(4, 3)
    with autocast(device):
        y = model.g_a(x)
        gain = model.gain(level16)
        weight = CAUTION * rdo_weight(gain, lambda_map(level16, model.anchors))
        prediction, y_bits, z_bits = model.entropy(y * gain, level / model.top, weight)
    bpp = (y_bits.flatten(1).sum(1) + z_bits.flatten(1).sum(1)) / (x.shape[2] * x.shape[3])
    latent = (
        prediction.y_hat / gain,
        level16 / model.top,
        torch.round(prediction.t) / N_SCALES,
        lambda_map(level, model.anchors).flatten(1).mean(1),
    )
    return tuple(v.float().contiguous(memory_format=torch.channels_last) if v.ndim == 4 else v for v in latent), bpp


def train_decoders(settings: Settings, store: Resident, model: CodecModel, pictures: list[Tensor], log) -> None:
    s, device = settings, settings.device
    model.eval().requires_grad_(False)
    quartet = Quartet(s, model, Path(s.pack.split(",")[0]) / "backbones")
    total = s.decoder_total or s.decoder_seconds
    clock = Path(s.keep) / "decoder_seconds.json"
    if (Path(s.keep) / "decoders.pt").exists():
        quartet.resume(s.keep)
    spent = json.loads(clock.read_text()) if clock.exists() else 0.0
    begun, rows, first = time.monotonic(), [], quartet.step_number
    while time.monotonic() - begun < s.decoder_seconds and quartet.step_number - first < s.steps:
        progress = (spent + time.monotonic() - begun) / total
        x = store.sample(s.decoder_batch, s.crop)
        level = random_levels(s.decoder_batch, s.crop // 64, 0.0, float(model.top), device, SKEW, 0.15)
        latent, bpp = encode(model, x, level, device)
        row = quartet.step(x, latent, progress) | {"bpp": bpp.mean()}
        rows.append(torch.stack(list(row.values())))
        if len(rows) == 100 or quartet.step_number - first == s.steps:
            means = torch.stack(rows).mean(0).tolist()
            rows = []
            seconds = time.monotonic() - begun
            log(
                {"stage": "decoders", "step": quartet.step_number, "seconds": seconds}
                | dict(zip(row, means, strict=True))
            )
    clock.parent.mkdir(parents=True, exist_ok=True)
    clock.write_text(json.dumps(spent + time.monotonic() - begun))
    quartet.save(s.out, model.g_s.state_dict())
    quartet.keep(s.keep)
    log(validate_decoders(quartet, model, pictures, device) | {"stage": "decoders", "step": quartet.step_number})


@torch.no_grad()
def validate_decoders(quartet: Quartet, model: CodecModel, pictures: list[Tensor], device: str) -> dict:
    """PSNR, LPIPS on AlexNet and on VGG-16 of every decoder's average, and of mse, at three levels."""
    results: dict[str, list] = {}
    for name in ("mse", *quartet.decoders):
        decoder = model.g_s if name == "mse" else quartet.decoders[name]
        with contextlib.nullcontext() if name == "mse" else quartet.averages[name].inside():
            for value in (3.0, 5.0, 7.0):
                rows = []
                for picture in pictures:
                    x = picture.to(device)[None].float().div(255)
                    level = torch.full((1, 1, x.shape[2] // 64, x.shape[3] // 64), value, device=device)
                    (y_hat, level16, scales, _), bpp = encode(model, x, level, device)
                    noise = noise_field(*y_hat.shape[2:]).to(device) if decoder.noise is not None else None
                    with autocast(device):
                        shown = losses.as_shown(decoder(y_hat, level16, scales, noise).float())
                        f_hat, f = (quartet.vgg(p, (1, 2, 3, 4, 5)) for p in (shown, x))
                    alex = quartet.alex(2 * shown - 1, 2 * x - 1)
                    psnr = 10 * math.log10(255**2 / losses.mse255(shown, x).item())
                    rows.append([bpp.item(), psnr, alex.item(), quartet.vgg_distance(f_hat, f).item()])
                results.setdefault(name, []).append(np.mean(rows, 0).round(4).tolist())
    return {"bpp_psnr_alex_vgg": results}


# All of it


def speed(settings: Settings, store: Resident, model: CodecModel, seconds: float, log) -> None:
    """Milliseconds of a training step of the trunk, eager and, if that is asked for, compiled."""
    s = settings
    sync = torch.cuda.synchronize if s.device == "cuda" else lambda: None
    for compiled in (True, False) if s.compile else (False,):
        model.load_state_dict(model.state_dict())
        loss = trunk_loss(model, s.device)
        loss = torch.compile(loss) if compiled else loss
        steps = Steps(model, 0.0, 0.0, [model.g_a.klt.weight, model.g_s.klt.weight])
        for batch in (s.batch,):
            begun = time.monotonic()
            for i in range(13):
                if i == 3:
                    sync()
                    first, again = time.monotonic() - begun, time.monotonic()
                loss(store.sample(batch, s.crop), trunk_levels(batch, s.crop // 64, model.top, s.device))[
                    "loss"
                ].backward()
                steps.step(0.0)
            sync()
            each = (time.monotonic() - again) / 10
            pixels = batch * s.crop**2 / each / 1e6
            row = {"stage": "speed", "compiled": compiled, "batch": batch, "first_s": first, "step_ms": 1e3 * each}
            log(row | {"mpixels_s": pixels} | memory(s.device))


def memory(device: str) -> dict[str, float]:
    return {"gib": torch.cuda.max_memory_allocated() / (1 << 30)} if device == "cuda" else {}


def sprint(settings: Settings) -> bool:
    """Runs the stages that are asked for; False where the check found the CPU and the device to differ."""
    s, begun = settings, time.monotonic()
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    Path(s.out).mkdir(parents=True, exist_ok=True)
    file = (Path(s.out) / "log.jsonl").open("a")

    def log(row: dict) -> None:
        row = {"clock": round(time.monotonic() - begun, 1)} | row
        row = {k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()}
        print(row, flush=True)
        file.write(json.dumps(row) + "\n")
        file.flush()

    if s.device == "cuda":
        log({"settings": asdict(s)})
        log({"card": torch.cuda.get_device_name(), "torch": torch.__version__})
    agreed = True
    packs = [Path(p) for p in s.pack.split(",")]
    files = datasets.image_files(packs[0] / "validation")
    store = Resident([str(p / "train") for p in packs], s.device, s.crop, {"art": 0.5})
    log({"pictures": store.count, "megapixels": store.pixels / 1e6})
    pictures = [whole_regions(datasets.read_rgb(p)) for p in files]
    model = start(s)
    if s.check:
        both = on_devices(model, ("cpu", s.device))
        agreed = equality(datasets.read_rgb(files[0]), s.device, both)
        log({"stage": "check", "agreed": agreed})
        speed(s, store, model, 10.0, log)
    if s.trunk_seconds:
        train_trunk(s, store, model, pictures, log)
    if s.decoder_seconds:
        train_decoders(s, store, model, pictures, log)
    log({"stage": "end", "agreed": agreed} | memory(s.device))
    return agreed
