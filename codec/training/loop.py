"""The training loop. Every network of this project is trained by it: the trunk, the decoders, the classroom's.

    while there are steps and time left:
        row = task.step(number, factor)         one step; the factor on the learning rates falls with the progress
        every `log_every` steps                 the mean of the rows goes into log.jsonl
        every `save_seconds`                    task.state() goes into last.pt, from which a run goes on exactly
        every `validate_seconds`, and at last   task.validate() goes into log.jsonl

A run ends by the number of its steps or by the clock, whichever comes first. Only steps count as time.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from codec.writing import replacing

LAST = "last.pt"


class Task(Protocol):
    """What is trained: networks with their optimizers and data."""

    def step(self, number: int, factor: float) -> dict[str, Tensor]:
        """One step, the `number`th from 0, with the learning rates times `factor`. Returns the scalars to be logged."""

    def validate(self) -> dict:
        """What the log says of held-out data; {} where there is nothing to say. May keep the weights if they are the
        best so far."""


class Resumable(Task, Protocol):
    """A task that a run in a folder can go on with."""

    def state(self) -> dict:
        """Everything that a run needs to go on exactly, for `torch.save`."""

    def restore(self, state: dict) -> None:
        """Takes what `state` gave."""


def cosine(progress: float) -> float:
    """From 1 to 0 by half a period (Loshchilov & Hutter, "SGDR", ICLR 2017)."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def power(exponent: float) -> Callable[[float], float]:
    """From 1 to 0 by (1 - progress)^exponent; 0 stays at 1."""
    return lambda progress: (1 - progress) ** exponent


@dataclass(frozen=True)
class Plan:
    """When a run ends, and what happens on the way."""

    steps: int = 10**9
    seconds: float = math.inf
    stop_seconds: float = math.inf  # of this call, which leaves the rest of the plan to a later one
    curve: Callable[[float], float] = cosine  # of the learning rate over progress 0…1
    final: float = 0.0  # of the learning rate, at the end
    warmup: int = 1  # steps in which the learning rate rises
    log_every: int = 50
    save_seconds: float = math.inf
    validate_seconds: float = math.inf

    @classmethod
    def of(cls, settings, **options) -> "Plan":
        """What the settings of a training ask for: minutes, steps, warmup, decay, final, save and validate minutes."""
        s = settings
        seconds = {"seconds": s.minutes, "save_seconds": s.save_minutes, "validate_seconds": s.validate_minutes}
        times = {name: 60 * minutes for name, minutes in seconds.items()}
        return cls(s.steps, curve=power(s.decay), final=s.final, warmup=s.warmup, **times, **options)

    def progress(self, step: int, elapsed: float) -> float:
        return min(1.0, max(step / self.steps, elapsed / self.seconds if self.seconds else 1.0))

    def factor(self, step: int, progress: float) -> float:
        """The factor on the learning rates."""
        return min(1.0, (step + 1) / self.warmup) * (self.final + (1 - self.final) * self.curve(progress))


class Loop:
    """A task on its way through a plan. `folder` holds log.jsonl and last.pt; without one nothing is written."""

    def __init__(
        self, task: Task | Resumable, plan: Plan, folder: Path | None = None, log: Callable[[dict], None] | None = None
    ):
        self.task, self.plan, self.folder = task, plan, folder
        self.step, self.elapsed = 0, 0.0
        self.rows: list[dict] = []  # everything that this run has logged
        self._log = log
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            if (folder / LAST).exists():
                self._restore(torch.load(folder / LAST, map_location="cpu", weights_only=True))

    def run(self) -> list[dict]:
        """Trains until the plan is over, and returns what was logged."""
        plan, begun = self.plan, self.elapsed
        saved = validated = self.elapsed
        sums: dict[str, Tensor] = {}
        counts: dict[str, int] = {}
        while (progress := plan.progress(self.step, self.elapsed)) < 1 and self.elapsed - begun < plan.stop_seconds:
            clock, factor = time.monotonic(), plan.factor(self.step, progress)
            for name, value in self.task.step(self.step, factor).items():
                sums[name] = sums.get(name, 0) + value.detach()
                counts[name] = counts.get(name, 0) + 1
            self.step += 1
            self.elapsed += time.monotonic() - clock
            if self.step % plan.log_every == 0 or self.step == plan.steps:
                # Reading the sums waits for the device, whose time belongs to the steps.
                clock = time.monotonic()
                means = {name: round(value.item() / counts[name], 5) for name, value in sums.items()}
                self.elapsed += time.monotonic() - clock
                self.log(means | {"lr": round(factor, 4)})
                sums, counts = {}, {}
            if self.elapsed - saved > plan.save_seconds:
                self.save()
                saved = self.elapsed
            if self.elapsed - validated > plan.validate_seconds:
                self._validate()
                validated = self.elapsed
        self._validate()
        self.save()
        return self.rows

    def log(self, row: dict) -> None:
        row = {"step": self.step, "minutes": round(self.elapsed / 60, 2)} | row
        self.rows.append(row)
        if self.folder:
            with (self.folder / "log.jsonl").open("a") as file:
                file.write(json.dumps(row) + "\n")
        (self._log or (lambda row: print(row, flush=True)))(row)

    def _validate(self) -> None:
        if result := self.task.validate():
            self.log({"validation": result})

    def save(self) -> None:
        """Writes last.pt."""
        if self.folder:
            with replacing(self.folder / LAST) as path:
                torch.save({"step": self.step, "elapsed": self.elapsed, "task": self.task.state()}, path)

    def _restore(self, state: dict) -> None:
        self.task.restore(state["task"])
        self.step, self.elapsed = state["step"], state["elapsed"]
