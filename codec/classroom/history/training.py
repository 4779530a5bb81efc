"""Trains the systems of history by the one loop.

The networks of a system differ in a rate or in a term of the loss. They start from one that is trained for all of them
and then take equally many steps each, so that what differs in the end is due to that. Some more are taken with weights
of few bits (`coarse`), as they are shipped.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from pytorch_msssim import ssim
from safetensors.torch import save_file
from torch import Tensor

from codec.classroom import coarse
from codec.classroom.history import attention_2021, importance_2018, rnn_2018
from codec.classroom.store import entry, tensors
from codec.metrics import alexnet
from codec.networks.storage import to_float
from codec.training.loop import Loop, Plan, cosine
from codec.training.muon import Muon
from codec.training.optimizers import Optimizers
from codec.training.resident import Resident

FINE = 0.05  # step of the linear path's weights, as a share of their deviation: they do not learn to live with it
SCALES = (0.3, 0.35, 0.35)  # weights of an SSIM at full, half and a quarter of the resolution


@dataclass(frozen=True)
class Settings:
    data: str  # a folder of photographs
    run: str = "runs/history"
    system: str = "rnn-2018"
    variants: str = ""  # of the system, separated by commas; all by default
    start: str = ""  # the variant as which the network is trained that all start from; random weights by default
    init: str = ""  # "weights": that network goes on from the shipped one of this name
    start_steps: int = 6000
    steps: int = 6000
    coarse_steps: int = 120  # more, with weights of few bits
    coarseness: float = 0.25  # their step, as a share of their deviation in the network that all start from
    minutes: float = 1000.0  # of each network, at most
    batch: int = 8
    crop: int = 64
    lr: float = 7e-3  # of Muon, for the kernels; by Adam they take twenty times as many steps
    adam_lr: float = 1e-3  # for the rest
    bit_crops: int = 64  # whose bits the model of rnn-2018's bits learns from
    bit_steps: int = 3000
    bfloat16: bool = False  # in the networks; what is measured of their pictures stays float32
    seed: int = 0
    device: str = "cpu"


def similarity(x_hat: Tensor, x: Tensor) -> Tensor:
    """SSIM of crops at three scales, averaged by SCALES: MS-SSIM proper needs more than 160 pixels for its five."""
    x_hat, total = x_hat.float().clamp(0, 1), 0.0
    with torch.autocast(x.device.type, enabled=False):  # a variance is a small difference of large numbers
        for scale, weight in enumerate(SCALES):
            pooled = (F.avg_pool2d(p, 2**scale) for p in (x_hat, x))
            total = total + weight * ssim(*pooled, data_range=1.0)
    return total


class RnnTask:
    """Σ over the steps of w·|x - x_hat|; w = 1, or the structural dissimilarity of each 8×8 block over its mean."""

    def __init__(self, net: rnn_2018.Network, variant: str):
        self.net, self.by_ssim, self.mean = net, variant == "ssim", 1.0

    def loss(self, x: Tensor) -> dict[str, Tensor]:
        x = x - 0.5
        state, residual, total = rnn_2018.State(), x, 0.0
        steps, tiles = rnn_2018.TRAINED, (len(x), 1, x.shape[2] // rnn_2018.TILE, x.shape[3] // rnn_2018.TILE)
        # As with SABR, some tiles of some images stop after a step, and send zeros from then on.
        last = torch.where(torch.rand(len(x), 1, 1, 1) < 0.3, torch.randint(1, steps + 1, tiles), steps).to(x.device)
        for step in range(steps):
            bits = self.net.send(residual, state, step) * (last > step)
            x_hat = self.net.receive(bits, state, step).float()
            residual = x - x_hat
            error = residual.abs()
            total = total + ((self.weight(x_hat, x) * error).mean() if self.by_ssim else error.mean())
        return {"loss": total / steps, "mae": error.mean(), "mse": 255**2 * residual.square().mean()}

    @torch.no_grad()
    def weight(self, x_hat: Tensor, x: Tensor) -> Tensor:
        moments = [F.avg_pool2d(m, 8) for m in (x, x_hat, x * x, x_hat * x_hat, x * x_hat)]
        a, b, aa, bb, ab = moments
        luminance = (2 * (a + 0.5) * (b + 0.5) + 1e-4) / ((a + 0.5) ** 2 + (b + 0.5) ** 2 + 1e-4)
        structure = (2 * (ab - a * b) + 9e-4) / (aa - a * a + bb - b * b + 9e-4)
        dissimilar = (1 - luminance * structure) / 2
        self.mean = 0.99 * self.mean + 0.01 * dissimilar.mean()
        return (dissimilar / self.mean).repeat_interleave(8, 2).repeat_interleave(8, 3)


class ImportanceTask:
    """d(x, x_hat) + β·MC, d of SSIM at three scales and a little MSE; P also learns what lies outside the mask.

    β follows MC to the target t. The paper's β·max(MC - t, 0) with a large β comes and goes from step to step, and a
    small network goes with it.
    """

    PACE, OWN = 0.006, 1.0

    def __init__(self, net: importance_2018.Network, variant: str):
        self.net, self.target = net, importance_2018.VARIANTS[variant][0]
        self.beta = 6 / self.target

    def loss(self, x: Tensor) -> dict[str, Tensor]:
        x_hat, bits, mask = self.net(x)
        x_hat = x_hat.float()
        pixels = x.shape[0] * x.shape[2] * x.shape[3]
        cost, masked = bits.sum() / pixels, (bits * mask).sum() / pixels
        mse, similar = 255**2 * (x_hat - x).square().mean(), similarity(x_hat, x)
        off = min(max(masked.item() / self.target - 1, -1.0), 1.0)
        self.beta = min(max(self.beta * math.exp(self.PACE * off), 1.0), 2000.0)
        loss = 100 * (1 - similar) + 0.01 * mse + self.beta * masked + self.OWN * (cost - masked)
        return {"loss": loss, "bpp": cost, "masked_bpp": masked, "mse": mse, "ssim": similar}


class AttentionTask:
    """w1·MAE + w2·(1 - SSIM at three scales) + w3·LPIPS + λ_R·R, weighted such that all are of one size at 0.3 bpp."""

    def __init__(self, net: attention_2021.Network, variant: str):
        self.net = net
        self.rate, self.three = attention_2021.VARIANTS[variant]
        self.lpips = alexnet.load(str(next(net.parameters()).device)) if self.three else None

    def loss(self, x: Tensor) -> dict[str, Tensor]:
        x_hat, bits = self.net(x)
        x_hat = x_hat.float()
        bpp = bits.sum() / (x.shape[0] * x.shape[2] * x.shape[3])
        mse = 255**2 * (x_hat - x).square().mean()
        if not self.three:
            return {"loss": mse / 100 + self.rate * bpp, "bpp": bpp, "mse": mse}
        mae, similar = 255 * (x_hat - x).abs().mean(), similarity(x_hat, x)
        with torch.autocast(x.device.type, enabled=False):
            lpips = self.lpips(2 * x_hat.clamp(0, 1) - 1, 2 * x - 1).mean()
        loss = 0.1 * mae + 20 * (1 - similar) + 2 * lpips + self.rate * bpp
        return {"loss": loss, "bpp": bpp, "mse": mse, "ssim": similar, "lpips": lpips}


class Training:
    """A network of history in the loop."""

    def __init__(self, task, store: Resident, settings: Settings):
        self.task, self.store, self.settings = task, store, settings
        self.net = task.net.train()
        kernels, groups = [], {}
        for name, p in self.net.named_parameters():
            rate = next((rate for part, rate in RATES.items() if name.startswith(part)), None)
            if p.ndim == 4 and rate is None and p.requires_grad:
                kernels.append(p)
            elif p.requires_grad:
                groups.setdefault(rate or 1.0, []).append(p)
        rest = [{"params": group, "lr": rate * settings.adam_lr} for rate, group in groups.items()]
        adam = torch.optim.Adam(rest, settings.adam_lr, betas=(0.9, 0.98), fused=True)
        self.optimizers = Optimizers(Muon(kernels, settings.lr), adam, clip=1.0)

    def step(self, number: int, factor: float) -> dict[str, Tensor]:
        x = self.store.sample(self.settings.batch, self.settings.crop)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.settings.bfloat16):
            row = self.task.loss(x)
        row["loss"].backward()
        return row | {"norm": self.optimizers.step(factor)}

    def state(self) -> dict:
        return {"net": self.net.state_dict(), "optimizers": self.optimizers.state_dict()}

    def restore(self, state: dict) -> None:
        self.net.load_state_dict(state["net"])
        self.optimizers.load_state_dict(state["optimizers"])

    def validate(self) -> dict:
        return {}


SYSTEMS = {
    rnn_2018.NAME: (rnn_2018, RnnTask, lambda variant: rnn_2018.Network(rnn_2018.VARIANTS[variant])),
    importance_2018.NAME: (
        *(importance_2018, ImportanceTask),
        lambda variant: importance_2018.Network(importance_2018.VARIANTS[variant][1]),
    ),
    attention_2021.NAME: (attention_2021, AttentionTask, lambda variant: attention_2021.Network()),
}
#: Parts that learn by Adam at their own pace, as a factor on its rate. A map that closes at once never opens again; the
#: scales of a prior span orders of magnitude.
RATES = {"to_map": 0.01, "prior": 10.0}
#: The parts that code in integers: their weights are float16 in the file, not of few bits.
EXACT = ("model.", "p.", "prior.")


def train(settings: Settings) -> None:
    """Trains what `run` does not hold yet; each network ends as VARIANT.safetensors and an entry in log.json."""
    run = Path(settings.run) / settings.system
    run.mkdir(parents=True, exist_ok=True)
    module, task_of, build = SYSTEMS[settings.system]
    log_file = run / "log.json"
    store = Resident([settings.data], settings.device, max(settings.crop, 256), {"art": 0.5})
    before, start = {}, "random weights"
    if settings.start:
        net, past = begun(build, settings.start, settings, store), ""
        if settings.init == "weights":
            shipped = {k: v for k, v in tensors(settings.system, settings.start).items() if k != "tables"}
            net.load_state_dict(shipped)
            described = entry(settings.system, settings.start)
            past = f"{described['start']}, {described['steps']} steps, "
        fit(net, task_of, settings.start, store, settings, run / "start", settings.start_steps, 1.0)
        before, start = net.state_dict(), f"{past}{settings.start_steps} steps as '{settings.start}'"
    for variant in settings.variants.split(",") if settings.variants else module.VARIANTS:
        if (run / f"{variant}.safetensors").exists():
            continue
        net = begun(build, variant, settings, store)
        net.load_state_dict({k: before.get(k, v) for k, v in net.state_dict().items()})
        if before and variant in getattr(module, "RESCALED", {}):
            net.rescale(module.RESCALED[variant])
        share = 0.5 if before else 1.0
        rows = fit(net, task_of, variant, store, settings, run / variant, settings.steps, share)
        for name, part in ((n, child) for n, child in net.named_children() if f"{n}." not in EXACT):
            step = FINE if name == "linear" else settings.coarseness
            coarse.constrain(part, step, step, below(before, name))
        rows += fit(net, task_of, variant, store, settings, run / f"{variant}.coarse", settings.coarse_steps, 0.2)
        stored = coarse.settle(net.cpu())
        net.load_state_dict(to_float(stored))
        if isinstance(net, rnn_2018.Network):
            rows += fit_bits(net.eval(), store, settings)
            stored |= {k: v.half() for k, v in net.state_dict().items() if k.startswith("model.")}
        if isinstance(net, attention_2021.Network):
            net.load_state_dict(to_float(stored))
            stored["tables"] = torch.from_numpy(attention_2021.tables_of(net.prior)).int()
        save_file({k: v.contiguous() for k, v in stored.items()}, run / f"{variant}.safetensors")
        log = json.loads(log_file.read_text()) if log_file.exists() else {}
        log[variant] = {"start": start, "steps": settings.steps, "batch": settings.batch}
        log[variant] |= {"crop": settings.crop, "lr": settings.lr, "seed": settings.seed, "progress": rows}
        log_file.write_text(json.dumps(log, indent=1))


def below(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """The part of a state dict that belongs to a child of its network."""
    return {k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(f"{name}.")}


def begun(build, variant: str, settings: Settings, store: Resident) -> torch.nn.Module:
    """A new network on the device, channels last; the draws of crops and of noise that follow are the same for each."""
    torch.manual_seed(settings.seed)
    net = build(variant).to(settings.device, memory_format=torch.channels_last)
    if hasattr(net, "begin"):  # the linear path
        net.begin(torch.cat([store.sample(64, 96) for _ in range(40)]))
    return net


def fit(net, task_of, variant: str, store: Resident, settings: Settings, folder: Path, steps: int, share: float):
    """A cosine to 1 % of `share` of the learning rate, until the steps or the minutes are used up."""
    training = Training(task_of(net, variant), store, settings)
    plan = Plan(
        *(steps, 60 * settings.minutes * share),
        curve=lambda progress: share * cosine(progress),
        final=0.01,
        warmup=min(100, steps // 5 + 1),
        save_seconds=240,
    )
    return Loop(training, plan, folder).run()


class BitTask:
    """The model of rnn-2018's bits, on what a finished network sends of some crops."""

    def __init__(self, net: rnn_2018.Network, inputs: Tensor, bits: Tensor, lr: float):
        self.net, self.inputs, self.bits = net, inputs, bits
        self.optimizers = Optimizers(torch.optim.Adam(net.model.parameters(), lr, fused=True), clip=1.0)

    def step(self, number: int, factor: float) -> dict[str, Tensor]:
        at = torch.randint(len(self.inputs), (2048,))
        logits = self.net.model(self.inputs[at].float())
        loss = F.binary_cross_entropy_with_logits(logits, self.bits[at].float()) / np.log(2)
        loss.backward()
        self.optimizers.step(factor)
        return {"bits_per_bit": loss}

    def validate(self) -> dict:
        return {}


def fit_bits(net: rnn_2018.Network, store: Resident, settings: Settings):
    """Trains the model of bits; half of the crops send with SABR at a random target."""
    rng, inputs, bits = np.random.default_rng(settings.seed), [], []
    for number in range(settings.bit_crops):
        rgb = (store.sample(1, 256)[0].permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
        target = rng.uniform(26, 38) if number % 2 else None
        for step, (codes, active) in enumerate(rnn_2018.sent(rgb, net, 10, target)):
            rows, columns = np.nonzero(active)
            inputs.append(rnn_2018.neighbours(codes, step, rows, columns))
            bits.append(codes[step, rows + 1, columns + 1] > 0)
    examples = (torch.from_numpy(np.concatenate(part)) for part in (inputs, bits))
    return Loop(BitTask(net, *examples, 2e-3), Plan(settings.bit_steps, log_every=250)).run()
