"""Everything that a GPU is asked to do in the few minutes that it is lent: `python -m codec.training sprint`.

    check      the CPU and the GPU code and decode each other's latents; how fast a step is, eager and compiled
    trunk      R + λ·D of the whole codec, from the shipped weights, widened by blocks that start as identity
    decoders   perceptual, texture, hific-nogan and hific at once, on one encoded batch of the frozen trunk

Each stage ends by the clock, with its learning rate at zero, and writes averaged weights in files under 16 MiB. The
machine needs PyTorch, NumPy, Pillow and safetensors, and the folder that `python -m codec.training pack` makes.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from codec.networks.gain import lambda_map
from codec.networks.model import CAUTION, CodecModel
from codec.networks.transforms import GRAIN
from codec.networks.trunk import rdo_weight
from codec.spec import N_SCALES
from codec.training import data as datasets
from codec.training import storing
from codec.training.check import equality, on_devices
from codec.training.export import shipped_state, widened
from codec.training.latents import DecoderInput, ready
from codec.training.learner import Learner, joint_step, measure
from codec.training.loop import Loop, Plan, power
from codec.training.recipes import RECIPES, Networks, Recipe, View
from codec.training.resident import Resident, random_levels
from codec.training.trunk import TrunkTask, autocast, held_out

FILE_BYTES = 15 << 20  # of a file, at most
FALL = power(1.2)  # of the learning rates
#: Of the decoders: LPIPS counts on two networks, and both see the images moved, scaled and mirrored at random.
_HIFIC = {"mse": 0.0003, "lpips": 0.7, "lpips-vgg": 0.7}
NEXT_RECIPES: dict[str, Recipe] = {
    "perceptual": replace(RECIPES["perceptual"], architecture="synthesis-1-2-2+scales"),
    "texture": replace(RECIPES["texture"], architecture="synthesis-1-3-3+scales"),
    "hific-nogan": replace(
        RECIPES["hific-nogan"],
        weights=_HIFIC | {"lattice": 0.006, "spectrum": 0.08},
        architecture="synthesis-1-6-6+scales",
    ),
    "hific": replace(
        RECIPES["hific"],
        weights=_HIFIC | {"lattice": 0.01, "spectrum": 0.04, "gan": 0.25},
        architecture="synthesis-1-6-6+scales+noise",
    ),
}
SKEW = 1.2
GAN_FROM, GAN_RAMP = 200, 400  # steps in which the discriminator learns alone, and in which its weight then grows
LEVELS = (3.0, 5.0, 7.0)  # of the validation of decoders


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


def start(settings: Settings) -> CodecModel:
    """The trunk as an earlier call left it, or from `init`: files of `save_trunk`, or shipped weights, widened."""
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


@torch.no_grad()
def encode(model: CodecModel, x: Tensor, level: Tensor) -> DecoderInput:
    """What the decoders get of x (B, 3, H, W) in [0, 1] at level (B, 1, H/64, W/64) in anchors.

    By floats and on the device: a decoder in training can do with a rare symbol that integers would round otherwise.
    """
    level16 = level.repeat_interleave(4, 2).repeat_interleave(4, 3)
    with autocast(x.device):
        y = model.g_a(x)
        gain = model.gain(level16)
        weight = CAUTION * rdo_weight(gain, lambda_map(level16, model.anchors))
        prediction, y_bits, z_bits = model.entropy(y * gain, level / model.top, weight)
    bpp = (y_bits.flatten(1).sum(1) + z_bits.flatten(1).sum(1)) / (x.shape[2] * x.shape[3])
    return DecoderInput(
        ready(prediction.y_hat / gain),
        ready(level16 / model.top),
        ready(torch.round(prediction.t) / N_SCALES),
        bpp.float(),
        lambda_map(level, model.anchors).flatten(1).mean(1),
    )


class SprintTrunk(TrunkTask):
    """The trunk's training, which writes its average at every validation."""

    def __init__(self, settings: Settings, model: CodecModel, store: Resident, images: list[Tensor]):
        s = settings
        super().__init__(model, store, images, s.batch, s.crop, s.lr, 5e-3, compile=s.compile)
        self.settings = settings

    def validate(self) -> dict:
        state = self.average.module.state_dict()
        save_trunk(state, self.settings.out)
        torch.save({k: v.cpu() for k, v in state.items()}, Path(self.settings.keep) / "trunk.pt")
        return super().validate()


class Quartet:
    """The training of all decoders at once, on one trunk, each batch encoded once."""

    def __init__(self, settings: Settings, model: CodecModel, store: Resident, images: list[Tensor]):
        s = settings
        self.settings, self.model, self.store, self.images = s, model.eval().requires_grad_(False), store, images
        self.precision = torch.bfloat16 if autocast(s.device)._enabled else None
        self.networks = Networks([*NEXT_RECIPES.values()], Path(s.pack.split(",")[0]) / "backbones", s.device)
        base = {k: v.float().cpu() for k, v in model.g_s.state_dict().items()}
        self.learners = {
            name: Learner(recipe, base, s.device, lr=s.decoder_lr, d_lr=4e-4, ema=0.998)
            for name, recipe in NEXT_RECIPES.items()
        }
        self.base = {k: v.half().float() for k, v in base.items()}
        self.rng = np.random.default_rng(s.seed + 1)

    def step(self, number: int, factor: float) -> dict[str, Tensor]:
        s = self.settings
        x = self.store.sample(s.decoder_batch, s.crop)
        level = random_levels(s.decoder_batch, s.crop // 64, 0.0, float(self.model.top), x.device, SKEW, 0.15)
        latent = encode(self.model, x, level)
        noise = 2 * torch.rand(len(x), GRAIN, *latent.y_hat.shape[2:], device=x.device) - 1
        ramp = min(1.0, max(0.0, (number - GAN_FROM) / GAN_RAMP))
        view = View(self.rng, s.crop)
        return joint_step(self.learners, self.networks, x, latent, noise, view, factor, ramp, self.precision)

    def state(self) -> dict:
        return {name: learner.state() for name, learner in self.learners.items()}

    def restore(self, state: dict) -> None:
        for name, learner in self.learners.items():
            learner.restore(state[name])

    def validate(self) -> dict:
        """Writes the averages; gives PSNR, LPIPS on AlexNet and on VGG-16 and the loss of each at three levels."""
        self.save()
        results: dict[str, list] = {}
        for name, learner in self.learners.items():
            for value in LEVELS:
                rows = []
                for image in self.images:
                    x = image.to(self.settings.device)[None].float().div(255)
                    level = torch.full((1, 1, x.shape[2] // 64, x.shape[3] // 64), value, device=x.device)
                    with autocast(x.device):
                        rows.append(measure(learner, self.networks, x, encode(self.model, x, level)))
                mean = {k: round(float(np.mean([row[k] for row in rows])), 4) for k in rows[0]}
                results.setdefault(name, []).append(mean)
        return results

    def save(self) -> None:
        """NAME.safetensors, the averages as differences from g_s in bytes; and the discriminator, in halves."""
        out = Path(self.settings.out)
        for name, learner in self.learners.items():
            state = {k: v.cpu() for k, v in learner.average.module.state_dict().items()}
            save_file(storing.to_difference(state, self.base, 127), out / f"{name}.safetensors")
        judge = self.learners["hific"].discriminator.state_dict()
        save_file({k: v.half().cpu().contiguous() for k, v in judge.items()}, out / "discriminator.safetensors")


def plan(settings: Settings, seconds: float, log_every: int, **options) -> Plan:
    return Plan(settings.steps, seconds, curve=FALL, warmup=settings.warmup, log_every=log_every, **options)


def train_trunk(settings: Settings, task: SprintTrunk, log: Callable[[dict], None]) -> None:
    """Trains until the clock says stop, and leaves the averages in the model."""
    seconds = settings.trunk_seconds
    Loop(task, plan(settings, seconds, 250, validate_seconds=seconds / 3), log=log).run()
    task.model.load_state_dict(task.average.module.state_dict())


def train_decoders(settings: Settings, task: Quartet, log: Callable[[dict], None]) -> None:
    """Trains for `decoder_seconds` of `decoder_total`, and goes on where an earlier call stopped."""
    s = settings
    whole = plan(s, s.decoder_total or s.decoder_seconds, 100, stop_seconds=s.decoder_seconds)
    loop = Loop(task, whole, Path(s.keep) / "decoders", log)
    loop.plan = replace(whole, steps=s.steps + loop.step)
    loop.run()


def speed(settings: Settings, task: SprintTrunk, log: Callable[[dict], None]) -> None:
    """Milliseconds of a step of the trunk whose learning rate is zero: the weights stay."""
    sync = torch.cuda.synchronize if settings.device == "cuda" else lambda: None
    seconds, count = [], min(10, settings.steps)
    for steps in (min(3, count), count):  # the first compile and choose kernels
        sync()
        begun = time.monotonic()
        for number in range(steps):
            task.step(number, 0.0)
        sync()
        seconds.append(time.monotonic() - begun)
    each = seconds[1] / count
    row = {"batch": settings.batch, "compiled": settings.compile, "first_s": seconds[0], "step_ms": 1e3 * each}
    log({"stage": "speed", "mpixels_s": settings.batch * settings.crop**2 / each / 1e6} | row | memory(settings.device))


def memory(device: str) -> dict[str, float]:
    return {"gib": torch.cuda.max_memory_allocated() / (1 << 30)} if device == "cuda" else {}


def sprint(settings: Settings) -> bool:
    """Runs the stages that are asked for; False where the check found the CPU and the device to differ."""
    s, begun = settings, time.monotonic()
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    for folder in (s.out, s.keep):
        Path(folder).mkdir(parents=True, exist_ok=True)
    stage = "start"

    def log(row: dict) -> None:
        row = {"clock": round(time.monotonic() - begun, 1), "stage": stage} | row
        row = {k: round(v, 5) if isinstance(v, float) and math.isfinite(v) else v for k, v in row.items()}
        print(row, flush=True)
        with (Path(s.out) / "log.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")

    log({"settings": asdict(s)})
    if s.device == "cuda":
        log({"card": torch.cuda.get_device_name(), "torch": torch.__version__})
    packs = [Path(p) for p in s.pack.split(",")]
    store = Resident([str(p / "train") for p in packs], s.device, s.crop, {"art": 0.5})
    log({"images": store.count, "megapixels": store.pixels / 1e6})
    images, model, agreed = held_out(packs[0] / "validation"), start(s), True
    if s.check:
        stage, both = "check", on_devices(model, ("cpu", s.device))
        agreed = equality(datasets.read_rgb(datasets.image_files(packs[0] / "validation")[0]), s.device, both)
        log({"agreed": agreed})
    if s.check or s.trunk_seconds:
        stage, task = "trunk", SprintTrunk(s, model, store, images)
        if s.check:
            speed(s, task, log)
        if s.trunk_seconds:
            train_trunk(s, task, log)
        del task  # and the memory of its optimizers
    if s.decoder_seconds:
        stage = "decoders"
        train_decoders(s, Quartet(s, model, store, images), log)
    stage = "end"
    log({"agreed": agreed} | memory(s.device))
    return agreed
