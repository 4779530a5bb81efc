"""Trains the codecs for digits in one process: a whole one from random weights, and from it those that are shipped,
which are small (`narrow`, `coarse`)."""

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from codec.classroom import coarse
from codec.classroom.coarse import WHOLE
from codec.classroom.mnist import DigitNet, distortion
from codec.classroom.narrow import narrowed
from codec.networks.storage import to_float
from codec.training.loop import Loop, Plan, cosine
from codec.training.optimizers import Optimizers

BASE = (2000, 10)  # (λ, d): the report's choice, and what the whole codec is trained for
LAMBDAS = (100, 500, 1000, 5000)  # each at d = 10
DIMENSIONS = (2, 5, 20, 50)  # each at λ = 2000
RANK = 48  # of the two large layers
KERNELS, MATRICES = 0.25, 0.35  # steps of the weights, as shares of their deviations


@dataclass(frozen=True)
class Settings:
    data: str  # an .npz with train_images (60000, 28, 28) uint8, train_labels, test_images, test_labels
    run: str = "runs/mnist"
    epochs: float = 15.0  # of the whole codec, from random weights
    fork_epochs: float = 4.0  # of every small one, from there
    batch: int = 128
    lr: float = 1e-3
    seed: int = 0
    bfloat16: bool = False


def load_digits(path: str, part: str, count: int | None = None) -> tuple[Tensor, np.ndarray]:
    """part "train" or "test", all or `count` of them -> x (n, 1, 28, 28) float32 in [0, 1] and labels (n,).

    In an order that is random, but always the same: files may hold them sorted by label.
    """
    with np.load(path) as data:  # numpy itself refuses pickled arrays here
        images, labels = data[f"{part}_images"], data[f"{part}_labels"]
    order = np.random.default_rng(0).permutation(len(labels))[:count]
    return torch.from_numpy(images[order]).float()[:, None] / 255, labels[order]


def name_of(lmbda: float, d: int) -> str:
    return f"l{lmbda:g}-d{d}"


def fork(base: DigitNet, d: int, seed: int) -> DigitNet:
    """A copy of the small codec `base`. A smaller latent is drawn anew; of a larger one, what `base` has not."""
    net = DigitNet(d, RANK).initialise(seed)
    own = net.state_dict()  # its tensors are those of the network
    for name, given in base.state_dict().items():
        if all(n >= m for n, m in zip(own[name].shape, given.shape, strict=True)):
            own[name][tuple(slice(m) for m in given.shape)] = given
    return net


class DigitTask:
    """A codec for digits in training on R + λ·D."""

    def __init__(self, net: DigitNet, x: Tensor, lmbda: float, settings: Settings):
        """x (n, 1, 28, 28) in [0, 1]."""
        self.net, self.x, self.lmbda, self.settings = (
            net.train().to(memory_format=torch.channels_last),
            x,
            lmbda,
            settings,
        )
        self.optimizers = Optimizers(torch.optim.Adam(net.parameters(), settings.lr, fused=True), clip=math.inf)
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.order = torch.empty(0, dtype=torch.long)

    def step(self, number: int, factor: float) -> dict[str, Tensor]:
        if len(self.order) < self.settings.batch:
            self.order = torch.randperm(len(self.x), generator=self.generator)
        batch, self.order = self.x[self.order[: self.settings.batch]], self.order[self.settings.batch :]
        noise = torch.rand(len(batch), len(self.net.log_scale), generator=self.generator) - 0.5
        with torch.autocast("cpu", torch.bfloat16, enabled=self.settings.bfloat16):
            x_hat, bits = self.net(batch, noise)
        rate, error = bits.mean(), distortion(x_hat, batch).mean()
        loss = rate + self.lmbda * error
        loss.backward()
        self.optimizers.step(factor)
        return {"bits": rate, "distortion": error, "loss": loss}

    def validate(self) -> dict:
        return {}


def fit(net: DigitNet, x: Tensor, lmbda: float, epochs: float, settings: Settings) -> list[dict]:
    """Adam with a cosine to 0 on R + λ·D. Returns the progress: step, bits, distortion and loss, averaged."""
    steps = max(1, round(epochs * len(x) / settings.batch))
    return Loop(DigitTask(net, x, lmbda, settings), Plan(steps, curve=cosine, warmup=50, log_every=100)).run()


def train(settings: Settings) -> None:
    """Trains every codec that `run` does not hold yet; each ends as NAME.safetensors and a line in log.json.

    The small ones are kept as they are shipped, in whole multiples of steps.
    """
    run = Path(settings.run)
    run.mkdir(parents=True, exist_ok=True)
    x, _ = load_digits(settings.data, "train")
    log_file = run / "log.json"
    log = json.loads(log_file.read_text()) if log_file.exists() else {}

    def one(name: str, lmbda: float, net: DigitNet, epochs: float, start: str) -> DigitNet:
        """`net` trained for this λ, or as `run` has it already."""
        path = run / f"{name}.safetensors"
        if path.exists():
            net.load_state_dict(to_float(load_file(path)))
            return net.eval()
        print(f"{name}: {epochs:g} epochs from {start}", flush=True)
        wall, work = time.monotonic(), time.process_time()
        if name != WHOLE:
            coarse.constrain(net, KERNELS, MATRICES)
        progress = fit(net, x, lmbda, epochs, settings)
        state = net.state_dict() if name == WHOLE else coarse.settle(net)
        log[name] = {"lambda": lmbda, "d": len(net.log_scale), "epochs": epochs, "start": start}
        log[name] |= {k: v for k, v in asdict(settings).items() if k in ("batch", "lr", "seed", "bfloat16")}
        log[name] |= {"wall_seconds": round(time.monotonic() - wall), "cpu_seconds": round(time.process_time() - work)}
        log[name]["progress"] = progress
        save_file({k: v.contiguous() for k, v in state.items()}, path)
        log_file.write_text(json.dumps(log, indent=1))
        return net.eval()

    lmbda, d = BASE
    whole = one(WHOLE, lmbda, DigitNet(d).initialise(settings.seed), settings.epochs, "random weights")
    start = f"{settings.epochs:g} epochs as a whole network"
    base = one(name_of(*BASE), lmbda, narrowed(whole, x[:2000], RANK), settings.fork_epochs, start)
    others = [(BASE[0], d) for d in DIMENSIONS] + [(lmbda, BASE[1]) for lmbda in LAMBDAS]
    for lmbda, d in sorted(others, key=lambda o: (o[1] != 2, o)):  # the plane of d = 2 first: the page needs it most
        one(name_of(lmbda, d), lmbda, fork(base, d, settings.seed), settings.fork_epochs, name_of(*BASE))
