"""Which comparisons a voter sees, and in which order.

All images × pairs of methods are the units of the design. A voter gets MAIN of them, those with the fewest votes so
far first, so that every unit has as many as any other (a balanced incomplete design). Left and right are tossed for
each trial. One trial comes again later, to see how consistent a voter is; in one the original itself stands beside
JPEG of quality 1, to see whether a voter looks. No image comes twice in a row where that can be avoided.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

from codec.vote.sets import CATCH, ORIGINAL

MAIN = 10
VOTE, REPEAT, CHECK, PRACTICE = "vote", "repeat", "catch", "practice"
LEFT, RIGHT, TIE = CHOICES = ("left", "right", "tie")
REPEAT_DISTANCE = 3  # trials between the two
SHUFFLES = 300

Unit = tuple[int, str, str]  # an image, and two methods in the order of the set


@dataclass(frozen=True)
class Trial:
    """left and right are methods of a set, ORIGINAL or CATCH. kind: VOTE, REPEAT, CHECK or PRACTICE."""

    image: int
    left: str
    right: str
    kind: str = VOTE


def units(images: int, methods: Sequence[str]) -> list[Unit]:
    return [(image, *pair) for image in range(images) for pair in combinations(methods, 2)]


def practice(images: int, methods: Sequence[str], rng: random.Random, count: int = 2) -> list[Trial]:
    """Trials to get used to it, of different images."""
    return [
        tossed(replace(Trial(i, *rng.sample(list(methods), 2)), kind=PRACTICE), rng)
        for i in rng.sample(range(images), min(count, images))
    ]


def design(
    images: int, methods: Sequence[str], votes: Mapping[Unit, int], rng: random.Random, main: int = MAIN
) -> list[Trial]:
    """The trials of one voter: up to `main`, the repeat and the check.

    votes: how many each unit has already, counting those that are handed out.
    """
    chosen = least_voted(units(images, methods), votes, rng, main)
    own = [tossed(Trial(*unit), rng) for unit in chosen]
    again = tossed(replace(rng.choice(own), kind=REPEAT), rng)
    check = tossed(Trial(rng.randrange(images), ORIGINAL, CATCH, CHECK), rng)
    return arranged([*own, again, check], rng)


def least_voted(
    all_units: Sequence[Unit], votes: Mapping[Unit, int], rng: random.Random, most: int = MAIN
) -> list[Unit]:
    """Up to `most` units: the fewest votes first, among equals the image that this voter has seen least."""
    left, chosen = list(all_units), []
    seen: dict[int, int] = {}
    rng.shuffle(left)
    while left and len(chosen) < most:
        unit = min(left, key=lambda u: (votes.get(u, 0), seen.get(u[0], 0)))
        left.remove(unit)
        chosen.append(unit)
        seen[unit[0]] = seen.get(unit[0], 0) + 1
    return chosen


def tossed(trial: Trial, rng: random.Random) -> Trial:
    return replace(trial, left=trial.right, right=trial.left) if rng.random() < 0.5 else trial


def arranged(trials: Sequence[Trial], rng: random.Random) -> list[Trial]:
    """The trials in an order with the fewest images twice in a row and the repeat well after what it repeats."""

    def faults(order: list[Trial]) -> int:
        twice = sum(a.image == b.image for a, b in pairwise(order))
        at = next(i for i, trial in enumerate(order) if trial.kind == REPEAT)
        unit = {order[at].left, order[at].right}
        first = next(i for i, t in enumerate(order) if t.image == order[at].image and {t.left, t.right} == unit)
        opens = order[0].kind == CHECK  # the easiest one first would teach what to look for
        return 10 * twice + 5 * (at - first < REPEAT_DISTANCE) + opens

    best = spread(trials, rng)
    for _ in range(SHUFFLES):
        if not faults(best):
            break
        best = min(best, spread(trials, rng), key=faults)
    return best


def spread(trials: Sequence[Trial], rng: random.Random) -> list[Trial]:
    """A random order, in which the image with the most trials left comes next where it has to."""
    left, order = list(trials), []
    rng.shuffle(left)
    while left:
        remaining = {t.image: sum(o.image == t.image for o in left) for t in left}
        previous = order[-1].image if order else None
        most = max(remaining, key=lambda image: (image != previous, remaining[image]))
        must = remaining[most] > len(left) // 2
        free = [t for t in left if (t.image == most if must else t.image != previous)]
        order.append(free[0] if free else left[0])
        left.remove(order[-1])
    return order
