"""Rooms with known strengths: how often the 95 % intervals hold the truth.

Voters answer the trials of the real design by Davidson's model. `alike`: all with the same strengths. `different`:
each with strengths of their own around the common ones; the truth is then the fit to infinitely many of them.
"""

from __future__ import annotations

import random
from collections import Counter

import numpy as np

from codec.vote import results, statistics, trials
from codec.vote.ballots import Vote
from codec.vote.statistics import TIE, WIN

IMAGES, METHODS = 5, ("a", "b", "c", "d")
STRENGTHS, NU = np.array([-0.6, -0.1, 0.2, 0.5]), 0.4
SPREAD = 0.6  # standard deviation of a voter's own strengths in `different`
POPULATION = 200_000
SCENARIOS = {"alike": 0.0, "different": SPREAD}


def probabilities(theta: np.ndarray, i: int, j: int) -> np.ndarray:
    """P of i, of j and of a tie, (…, 3), for log strengths (…, M)."""
    p = np.stack([np.exp(theta[..., i]), np.exp(theta[..., j]), NU * np.exp((theta[..., i] + theta[..., j]) / 2)], -1)
    return p / p.sum(-1, keepdims=True)


def room(voters: int, spread: float, seed: int) -> list[Vote]:
    """The votes of a simulated room, in which everybody passes the check."""
    rng, coin = np.random.default_rng(seed), random.Random(seed)
    given: Counter = Counter()
    votes = []
    for voter in range(voters):
        theta = STRENGTHS + spread * rng.standard_normal(len(METHODS))
        for position, trial in enumerate(trials.design(IMAGES, METHODS, given, coin), 1):
            if trial.kind == trials.VOTE:
                i, j = METHODS.index(trial.left), METHODS.index(trial.right)
                given[(trial.image, *sorted((trial.left, trial.right)))] += 1
                choice = trials.CHOICES[rng.choice(3, p=probabilities(theta, i, j))]
                votes.append(
                    Vote("S", str(voter), position, trial.kind, "closer", trial.image, trial.left, trial.right, choice)
                )
    return votes


def truth(spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Log strengths (M,), mean 0, and shares with ties split (pairs,), of a population of such voters."""
    rng = np.random.default_rng(seed)
    theta = STRENGTHS + spread * rng.standard_normal((POPULATION if spread else 1, len(METHODS)))
    counts, shares = np.zeros((len(METHODS), len(METHODS), 2)), []
    for i, j in zip(*np.triu_indices(len(METHODS), 1), strict=True):
        p = probabilities(theta, i, j).mean(0)
        counts[i, j, WIN], counts[j, i, WIN], counts[i, j, TIE], counts[j, i, TIE] = p[0], p[1], p[2], p[2]
        shares.append(p[0] + p[2] / 2)
    return statistics.davidson(1e6 * counts)[0], np.array(shares)


def setup() -> dict:
    """What `results.analyse` has to know of a set: its measures play no part here."""
    renditions = {key: {"bytes": 1, "setting": "", "measures": {}} for key in METHODS}
    return {"methods": [{"key": key} for key in METHODS], "images": [{"renditions": renditions}] * IMAGES}


def coverage(rooms: int, voters: int, scenario: str) -> dict:
    """The share of intervals that hold the truth: of each method's strength, and of each pair's share of votes."""
    spread = SCENARIOS[scenario]
    strengths, shares = truth(spread)
    inside, inside_pairs, wilson, widths = [], [], [], []
    for seed in range(rooms):
        summary = results.analyse(setup(), room(voters, spread, seed), seed)
        low, high = (np.array([row[end] for row in summary["scale"]]) for end in ("low", "high"))
        inside.append((low <= strengths) & (strengths <= high))
        widths.append(high - low)
        for held, name in ((inside_pairs, "bootstrap"), (wilson, "wilson")):
            low, high = np.array([row[name] for row in summary["pairs"]]).T
            held.append((low <= shares) & (shares <= high))
    return {
        "rooms": rooms,
        "voters": voters,
        "scenario": scenario,
        "strengths_held": float(np.mean(inside)),
        "each_strength_held": np.mean(inside, 0).round(4).tolist(),
        "strength_width": float(np.mean(widths)),
        "pairs_held_bootstrap": float(np.mean(inside_pairs)),
        "pairs_held_wilson": float(np.mean(wilson)),
    }
