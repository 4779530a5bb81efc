"""'Can you tell?': the trials of a room for one person, on the set that comes with the code. Nothing is stored."""

import functools
import hmac
import random
import secrets

from codec.ui.vote import reveal
from codec.ui.vote.preparing import shipped
from codec.vote import sets, trials
from codec.vote.results import better_by, measures_of
from codec.vote.sets import ORIGINAL
from codec.vote.store import Refused
from codec.vote.trials import CHECK, CHOICES, LEFT, REPEAT, TIE, VOTE, Trial

TRIALS = 10
SECRET = secrets.token_bytes(32)  # of this process: names of images, and what a number stands for, are its own


@functools.cache
def images() -> tuple[sets.VoteSet, dict[str, bytes], dict[tuple[int, str], str]]:
    """The set, its PNGs by their names, and the names by image and method."""
    voted, pngs = shipped()
    names = {key: keyed(f"image {key}") for key in pngs}
    return voted, {names[key]: png for key, png in pngs.items()}, names


def keyed(text: str) -> str:
    return hmac.digest(SECRET, text.encode(), "sha256").hex()[:32]


def order(number: str) -> list[Trial]:
    """The trials that a number stands for: TRIALS of them, the repeat and the check included."""
    voted, rng = images()[0], random.Random(keyed(number))
    return trials.design(len(voted.images), voted.methods, {}, rng, main=TRIALS - 2)


def start() -> dict:
    number, names = secrets.token_hex(8), images()[2]
    opaque = [
        {
            "id": str(at),
            "original": names[t.image, ORIGINAL],
            "left": names[t.image, t.left],
            "right": names[t.image, t.right],
        }
        for at, t in enumerate(order(number))
    ]
    return {"number": number, "trials": opaque, "question": "closer", "ties": False, "answered": []}


def score(number: str, choices: list[str]) -> dict:
    """What the choices, one a trial, say. Raises Refused where they are no choices."""
    voted = images()[0]
    own = order(number)
    if len(choices) != len(own) or any(c not in CHOICES or c == TIE for c in choices):
        raise Refused(400, "bad_request")
    titles = reveal.titles(voted.setup)
    titles |= {ORIGINAL: reveal.t("vote.phone.original"), sets.CATCH: reveal.t("vote.method.catch")}
    agreed = dict.fromkeys(measures_of(voted.images), 0)
    first: dict[tuple, str] = {}
    answers, same, looked, count = [], None, True, 0
    for trial, choice in zip(own, choices, strict=True):
        chosen, other = (trial.left, trial.right) if choice == LEFT else (trial.right, trial.left)
        key = (trial.image, frozenset((trial.left, trial.right)))
        image = voted.images[trial.image]
        answers.append({"chosen": titles[chosen], "other": titles[other], "kind": trial.kind, "bytes": None})
        if trial.kind == CHECK:
            looked = chosen == ORIGINAL
        else:
            answers[-1]["bytes"] = image["renditions"][chosen]["bytes"]
        if trial.kind == VOTE:
            count += 1
            for name in agreed:
                agreed[name] += better_by(image, chosen, other, name) > 0
            first.setdefault(key, chosen)
    for trial, choice in zip(own, choices, strict=True):
        if trial.kind == REPEAT:
            chosen = trial.left if choice == LEFT else trial.right
            same = first.get((trial.image, frozenset((trial.left, trial.right)))) == chosen
    measures = [{"key": name, "name": reveal.words(f"measure_{name}"), "agreed": agreed[name]} for name in agreed]
    generative = [
        a for a in answers if a["kind"] == VOTE and {titles["hific"], titles["mse"]} == {a["chosen"], a["other"]}
    ]
    return {
        "count": count,
        "measures": sorted(measures, key=lambda m: -m["agreed"]),
        "looked": looked,
        "same": same,
        "generative": sum(a["chosen"] == titles["hific"] for a in generative),
        "generative_of": len(generative),
        "answers": answers,
    }
