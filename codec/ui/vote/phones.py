"""What a phone asks: how a room is, to join it, its trials, and to take a vote. And the ten trials for one person."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.requests import Request

from codec.ui import vote as pages
from codec.ui.vote.answers import VOTES_PER_TOKEN, answered, number, parsed, room_code, words
from codec.vote import store
from codec.vote.sets import ORIGINAL
from codec.vote.store import Refused
from codec.vote.voters import Answer

if TYPE_CHECKING:
    from codec.ui.vote.routes import Votes


@answered(lane="vote")
def room(votes: Votes, request: Request, body: bytes) -> dict:
    """What anybody who has the code may know."""
    joined_room = votes.opened().room(room_code(request.path_params["code"]))
    columns = {name: joined_room[name] for name in ("code", "question", "epoch", "next")}
    switches = {name: bool(joined_room[name]) for name in ("ties", "practice")}
    return columns | switches | {"open": votes.opened().is_open(joined_room)}


@answered("join", "vote")
def join(votes: Votes, request: Request, body: bytes) -> dict:
    (given,) = words(parsed(body), "code")
    code = room_code(given)
    token = votes.opened().join(code, votes.rng)
    return {"token": token} | handed_out(votes, code, token)


@answered(lane="vote")
def trials(votes: Votes, request: Request, body: bytes) -> dict:
    code, token = words(parsed(body), "code", "token")
    return handed_out(votes, room_code(code), token)


def handed_out(votes: Votes, code: str, token: str) -> dict:
    """A voter's trials: names of images, and nothing about what they are."""
    own_room, own = votes.opened().room(code), votes.opened().trials(code, token)
    names, closer = votes.opened().names(code), own_room["question"] == store.CLOSER
    opaque = [
        {
            "id": id_,
            "original": names[trial.image, ORIGINAL] if closer else None,
            "left": names[trial.image, trial.left],
            "right": names[trial.image, trial.right],
        }
        for id_, trial, _ in own
    ]
    columns = {name: own_room[name] for name in ("question", "epoch")}
    switches = {name: bool(own_room[name]) for name in ("ties", "practice")}
    return {"trials": opaque, "answered": [id_ for id_, _, choice in own if choice is not None]} | columns | switches


@answered("vote")
async def vote(votes: Votes, request: Request, body: bytes) -> dict:
    """Takes a vote. On the event loop, which goes on while the vote is on its way to the disk: no thread waits."""
    data = parsed(body)
    code, token, trial, choice = words(data, "code", "token", "trial", "choice")
    votes.rates.count("token", token, *VOTES_PER_TOKEN)
    ms, width = (int(number(data, name, 0, most)) for name, most in (("ms", 3_600_000), ("width", 20_000)))
    dpr = round(number(data, "dpr", 0, 20), 3)
    answer = Answer(room_code(code), token, trial, choice, ms, width, dpr)
    await asyncio.wrap_future((await votes.opened_meanwhile()).cast(answer))
    return {"ok": True}


@answered("solo")
def solo_start(votes: Votes, request: Request, body: bytes) -> dict:
    return pages.solo.start()


@answered("solo")
def solo_score(votes: Votes, request: Request, body: bytes) -> dict:
    data = parsed(body)
    choices = data.get("choices")
    if not isinstance(choices, list) or not all(isinstance(c, str) for c in choices):
        raise Refused(400, "bad_request")
    return pages.solo.score(words(data, "number")[0], choices)
