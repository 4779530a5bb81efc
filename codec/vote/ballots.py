"""What is voted: answers on phones, and raised hands. Without SciPy, for what has to start quickly."""

from __future__ import annotations

from dataclasses import dataclass

from codec.vote.trials import LEFT, RIGHT, TIE

MIN_VOTERS = 5  # of fewer nothing is revealed


@dataclass(frozen=True)
class Vote:
    """One answer. voter: a hash. position: of the trial, from 1. ms: until the answer; width, dpr: of the screen."""

    room: str
    voter: str
    position: int
    kind: str
    question: str
    image: int
    left: str
    right: str
    choice: str
    ms: int = 0
    width: int = 0
    dpr: float = 0.0

    @property
    def chosen(self) -> str | None:
        return {LEFT: self.left, RIGHT: self.right, TIE: None}[self.choice]


@dataclass(frozen=True)
class Hands:
    """Raised hands: how many were for each of two methods on an image, and how many for neither."""

    image: int
    first: str
    second: str
    for_first: int
    for_second: int
    ties: int
