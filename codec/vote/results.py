"""From votes to what is revealed: shares, tests, a scale, and which measure agreed with the voters.

The rules, fixed before any vote:

* A voter who does not choose the original itself over a JPEG of quality 1 was not looking, and is left out whole.
  One who left before that trial stays in.
* Of a comparison shown twice only the first answer counts. The second says how consistent voters are. Contradictions
  leave nobody out: where two images are hard to tell apart they are expected, and leaving them out would make every
  preference look stronger.
* "No difference" is half a vote for either in shares and intervals, and no vote in the tests (the sign test's rule).
* Of fewer than MIN_VOTERS voters nothing is revealed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

from codec.vote import statistics
from codec.vote.ballots import MIN_VOTERS, Hands, Vote
from codec.vote.sets import MEASURES, ORIGINAL, TRAINED
from codec.vote.statistics import TIE as TIED
from codec.vote.statistics import WIN
from codec.vote.trials import CHECK, LEFT, PRACTICE, REPEAT, RIGHT, TIE, VOTE

ALPHA = 1 - statistics.LEVEL


def raised(hands: Sequence[Hands], question: str) -> list[Vote]:
    """One vote for every hand, each by a voter of its own, because nobody knows which hands belong together."""
    votes = []
    for at, pair in enumerate(hands):
        for choice, count in ((LEFT, pair.for_first), (RIGHT, pair.for_second), (TIE, pair.ties)):
            votes += [
                Vote("hands", f"hand-{at}-{choice}-{n}", 1, VOTE, question, pair.image, pair.first, pair.second, choice)
                for n in range(count)
            ]
    return votes


def careless(votes: Iterable[Vote]) -> set[tuple[str, str]]:
    """(room, voter) of everybody who failed the check."""
    return {(v.room, v.voter) for v in votes if v.kind == CHECK and v.chosen != ORIGINAL}


def consistency(votes: Iterable[Vote]) -> tuple[int, int]:
    """How many voters gave the same answer twice, and how many were asked twice."""
    first, again = {}, {}
    for v in votes:
        key = (v.room, v.voter, v.image, frozenset((v.left, v.right)))
        if v.kind == REPEAT:
            again[key] = v.chosen
        elif v.kind == VOTE:
            first[key] = v.chosen
    both = [key for key in again if key in first]
    return sum(first[key] == again[key] for key in both), len(both)


def tally(votes: Sequence[Vote], images: int, methods: Sequence[str]) -> np.ndarray:
    """Counts by voter, (voters, images, M, M, 2); see `statistics` for the last three."""
    voters: dict[tuple[str, str], int] = {}
    for v in votes:
        voters.setdefault((v.room, v.voter), len(voters))
    index = {method: at for at, method in enumerate(methods)}
    counts = np.zeros((len(voters), images, len(methods), len(methods), 2))
    for v in votes:
        own, i, j = counts[voters[v.room, v.voter], v.image], index[v.left], index[v.right]
        if v.choice == TIE:
            own[i, j, TIED] += 1
            own[j, i, TIED] += 1
        else:
            own[(i, j, WIN) if v.choice == LEFT else (j, i, WIN)] += 1
    return counts


def shares(counts: np.ndarray, pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Of counts (…, M, M, 2): the share of the first of each pair with ties split, and the number of votes, (…, P)."""
    i, j = np.array(pairs).T
    first, second, ties = counts[..., i, j, WIN], counts[..., j, i, WIN], counts[..., i, j, TIED]
    n = first + second + ties
    with np.errstate(invalid="ignore"):
        return np.where(n > 0, (first + ties / 2) / n, 0.5), n


def analyse(setup: dict, votes: Sequence[Vote], seed: int = 0) -> dict:
    """Everything that a reveal shows, as JSON has it. setup: of the set; votes: by phones and by hands."""
    methods, images = [m["key"] for m in setup["methods"]], setup["images"]
    out = careless(votes)
    counted = [v for v in votes if v.kind == VOTE and (v.room, v.voter) not in out]
    everybody = {(v.room, v.voter) for v in votes if v.kind != PRACTICE}
    same, asked = consistency(v for v in votes if (v.room, v.voter) not in out)
    summary = {
        "voters": len(everybody),
        "left_out": len(out),
        "votes": len(counted),
        "ties": sum(v.choice == TIE for v in counted),
        "consistent": same,
        "asked_twice": asked,
        "withheld": len(everybody) - len(out) < MIN_VOTERS,
    }
    if summary["withheld"] or not counted:
        return summary | {"withheld": True}
    by_voter = tally(counted, len(images), methods)
    voters = len(by_voter)
    pairs = list(combinations(range(len(methods)), 2))
    drawn = statistics.resampled(voters, np.random.default_rng(seed))
    samples = (drawn @ by_voter.reshape(voters, -1)).reshape(-1, *by_voter.shape[1:])
    total = by_voter.sum(0)
    summary["pairs"] = paired(by_voter, samples, pairs, methods, images)
    theta, log_nu = statistics.davidson(total.sum(0))
    low, high = statistics.interval(statistics.davidson(samples.sum(1))[0], voters)
    summary["scale"] = [
        {"key": key, "score": score, "low": a, "high": b}
        for key, score, a, b in zip(methods, theta.tolist(), low.tolist(), high.tolist(), strict=True)
    ]
    summary["nu"] = float(np.exp(log_nu))
    summary["measures"] = compared(total, samples, pairs, methods, images, voters)
    return summary


def paired(
    by_voter: np.ndarray, samples: np.ndarray, pairs: list, methods: list[str], images: list[dict]
) -> list[dict]:
    """Each pair over all images: counts, share, intervals, tests, power, and what PSNR would have chosen."""
    total, rows = by_voter.sum((0, 1)), []
    share, n = shares(total, pairs)
    low, high = statistics.interval(shares(samples.sum(1), pairs)[0], len(by_voter))
    for at, (i, j) in enumerate(pairs):
        wins, losses, ties = (int(c) for c in (total[i, j, WIN], total[j, i, WIN], total[i, j, TIED]))
        net = (by_voter[:, :, i, j, WIN] - by_voter[:, :, j, i, WIN]).sum(1)
        rows.append(
            {
                "first": methods[i],
                "second": methods[j],
                "wins": wins,
                "losses": losses,
                "ties": ties,
                "share": float(share[at]),
                "wilson": statistics.wilson(float(share[at]), float(n[at])),
                "bootstrap": [float(low[at]), float(high[at])],
                "p": statistics.binomial(wins, losses),
                "p_voters": statistics.binomial(int((net > 0).sum()), int((net < 0).sum())),
                "detectable": statistics.detectable(wins + losses),
                "psnr": mean_difference(images, methods[i], methods[j], "psnr"),
                "lpips": mean_difference(images, methods[i], methods[j], "lpips"),
                "bytes": [sum(im["renditions"][methods[k]]["bytes"] for im in images) / len(images) for k in (i, j)],
            }
        )
    for row, adjusted in zip(rows, statistics.holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = adjusted
        row["clear"] = adjusted < ALPHA
    return rows


def better_by(image: dict, first: str, second: str, measure: str) -> float:
    """By how much the first is better than the second on an image, by a measure; 0 where it was not measured."""
    values = [image["renditions"][key]["measures"].get(measure) for key in (first, second)]
    if None in values:
        return 0.0
    return float(values[0] - values[1]) * (1 if MEASURES.get(measure, True) else -1)


def mean_difference(images: list[dict], first: str, second: str, measure: str) -> float:
    return sum(better_by(image, first, second, measure) for image in images) / len(images)


def measures_of(images: list[dict]) -> list[str]:
    """The measures that all renditions of a set have, in the order of MEASURES."""
    renditions = [rendition for image in images for rendition in image["renditions"].values()]
    return [name for name in MEASURES if all(name in rendition["measures"] for rendition in renditions)]


def compared(total, samples, pairs, methods, images, voters) -> list[dict]:
    """For each measure: Kendall's τ with the voters, its interval, the points of its plot, and what it trained."""
    share, n = shares(total, pairs)  # (images, pairs)
    drawn = shares(samples, pairs)[0].reshape(len(samples), -1)
    rows = []
    for name in measures_of(images):
        better = np.array([[better_by(im, methods[i], methods[j], name) for i, j in pairs] for im in images])
        better = np.where(n > 0, better, 0)
        agreement = float(statistics.tau((share - 0.5).ravel(), better.ravel()))
        spread = statistics.tau(drawn - 0.5, better.ravel())
        low, high = statistics.interval(np.nan_to_num(spread), voters)
        points = [
            {
                "image": image,
                "first": methods[i],
                "second": methods[j],
                "better": float(better[image, at]),
                "share": float(share[image, at]),
                "votes": int(n[image, at]),
            }
            for image in range(len(images))
            for at, (i, j) in enumerate(pairs)
            if n[image, at] > 0
        ]
        agreed = sum((p["better"] > 0) == (p["share"] > 0.5) for p in points if p["better"] and p["share"] != 0.5)
        decided = sum(bool(p["better"]) and p["share"] != 0.5 for p in points)
        rows.append(
            {
                "name": name,
                "trained": TRAINED.get(name, ""),
                "tau": None if np.isnan(agreement) else agreement,
                "low": max(-1.0, float(low)),
                "high": min(1.0, float(high)),
                "agreed": agreed,
                "decided": decided,
                "points": points,
            }
        )
    return sorted(rows, key=lambda row: -(row["tau"] if row["tau"] is not None else -2))
