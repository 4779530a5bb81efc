"""What the page of a room's host asks, with the room's secret: counts, the reveal, rounds, raised hands, files."""

from __future__ import annotations

import math
import random
import re
import sqlite3
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from codec import vote as core
from codec.ui import vote as pages
from codec.ui.vote import address
from codec.ui.vote.answers import CODE, answered, number, parsed, words, zipped
from codec.ui.vote.setting_up import options_in
from codec.vote import store, trials
from codec.vote.ballots import Hands
from codec.vote.sets import ORIGINAL
from codec.vote.store import Refused

if TYPE_CHECKING:
    from codec.ui.vote.routes import Votes

MAX_HANDS = 500
ADDRESS = re.compile(r"https?://[\w.-]+(:\d{1,5})?(/[\w./-]*)?")


def hosted(votes: Votes, request: Request, code: str) -> sqlite3.Row:
    """The room, for a request with its secret. Raises Refused."""
    secret = request.headers.get("authorization", "").removeprefix("Bearer ")[:100]
    if not CODE.fullmatch(code.upper()):
        raise Refused(403, "not_host")
    return votes.opened().hosted(code.upper(), secret)


@answered()
def host(votes: Votes, request: Request, body: bytes) -> dict:
    """What the host's page does: ask how things are, reveal, clear, begin a round, count hands, delete."""
    data = parsed(body)
    code, action = words(data, "code", "action")
    room = hosted(votes, request, code)
    if action not in ACTIONS:
        raise Refused(400, "bad_request")
    return ACTIONS[action](votes, request, room, data)


def state(votes: Votes, request: Request, room: sqlite3.Row, data: dict) -> dict:
    """Counts and the address, and nothing that would sway a room."""
    setup = votes.opened().setup(room["set_id"])
    # A browser knows better than this server what a proxy has made of the address.
    (seen,) = words(data, "page", limit=200)
    seen = seen if ADDRESS.fullmatch(seen) else str(request.url).partition("/vote")[0]
    page, reachable = address.of_page(seen)
    join = f"{page}/vote/{room['code']}"
    left = room["closes"] - votes.opened().clock() if room["closes"] else None
    columns = {name: room[name] for name in ("code", "question", "revealed", "next")}
    switches = {name: bool(room[name]) for name in ("ties", "practice")}
    return {
        **columns,
        **switches,
        **votes.opened().counts(room["code"]),
        "open": votes.opened().is_open(room),
        "seconds_left": None if left is None else max(0, round(left)),
        "lasting": votes.opened().lasting,
        "address": join.partition("://")[2],
        "reachable": reachable,
        "qr": address.qr(join),
        "images": len(setup["images"]),
        "pairs": math.comb(len(setup["methods"]), 2),
        "hands": len(votes.opened().hands(room["code"])),
    }


def reveal(votes: Votes, request: Request, room: sqlite3.Row, data: dict) -> dict:
    step, summary = int(number(data, "step", 1, pages.reveal.STEPS)), votes.summaries.of(room)
    # Of too few voters nothing is shown, and the room stays open.
    if step > room["revealed"] and not summary["withheld"]:
        votes.opened().change(room["code"], revealed=step)
    return pages.reveal.step(step, summary, votes.opened().setup(room["set_id"]))


def clear(votes: Votes, request: Request, room: sqlite3.Row, data: dict) -> dict:
    """Deletes the votes, which is also the end of a practice round."""
    kept = votes.opened()
    kept.clear(room["code"])
    votes.summaries.forget()
    return state(votes, request, kept.room(room["code"]), data)


def next_round(votes: Votes, request: Request, room: sqlite3.Row, data: dict) -> dict:
    options = options_in(data) if "question" in data else {name: room[name] for name in ("question", "ties")}
    code, secret = votes.opened().add_room(room["set_id"], **{"practice": False, "minutes": None} | options)
    votes.opened().change(room["code"], next=code)
    return {"code": code, "secret": secret}


def delete(votes: Votes, request: Request, room: sqlite3.Row, data: dict) -> dict:
    votes.opened().delete(room["code"])
    votes.summaries.forget()
    return {"deleted": True}


def hands(votes: Votes, request: Request, room: sqlite3.Row, data: dict) -> dict:
    """The comparisons for raised hands in a fixed order; `data` may set the counts of one, by its place."""
    kept, setup = votes.opened(), votes.opened().setup(room["set_id"])
    names, coin = kept.names(room["code"]), random.Random(room["salt"])
    units = trials.units(len(setup["images"]), [m["key"] for m in setup["methods"]])
    coin.shuffle(units)
    flips = [coin.random() < 0.5 for _ in units]
    if "at" in data:
        at = int(number(data, "at", 0, len(units) - 1))
        left, right, ties = (int(number(data, name, 0, MAX_HANDS)) for name in ("left", "right", "neither"))
        first, second = (right, left) if flips[at] else (left, right)
        kept.raise_hands(room["code"], Hands(*units[at], first, second, ties))
    raised = {(h.image, h.first, h.second): h for h in kept.hands(room["code"])}
    opaque = []
    for unit, flip in zip(units, flips, strict=True):
        image, left_method, right_method = (unit[0], unit[2], unit[1]) if flip else unit
        counted = raised.get(unit)
        counts = [counted.for_first, counted.for_second] if counted else [0, 0]
        opaque.append(
            {
                "original": names[image, ORIGINAL] if room["question"] == store.CLOSER else None,
                "left": names[image, left_method],
                "right": names[image, right_method],
                "counted": counted is not None,
                "counts": [*(counts[::-1] if flip else counts), counted.ties if counted else 0],
            }
        )
    return {"hands": opaque}


ACTIONS = {
    "state": state,
    "reveal": reveal,
    "clear": clear,
    "next": next_round,
    "delete": delete,
    "hands": hands,
}


@answered()
def export(votes: Votes, request: Request, body: bytes) -> Response:
    room = hosted(votes, request, words(parsed(body), "code")[0])
    if room["revealed"] < 2:  # before, the files would say what the host is not to see
        raise Refused(409, "reveal_first")
    return zipped(pages.reveal.archive(votes.opened(), room, votes.summaries.of(room)))


@answered()
def save_set(votes: Votes, request: Request, body: bytes) -> Response:
    room = hosted(votes, request, words(parsed(body), "code")[0])
    return zipped(votes.opened().set_file(room["set_id"]))


@answered()
def earlier(votes: Votes, request: Request, body: bytes) -> dict:
    """Adds the votes of an earlier class on the same set and question."""
    room = hosted(votes, request, request.query_params.get("code", ""))
    exported = core.export.read(body, room["set_id"], room["question"], votes.opened().setup(room["set_id"]))
    own = {v.room for v in votes.opened().votes(room["code"])}
    added = [v for v in exported if v.room not in own and v.room != "hands"]
    label = store.hashed(*sorted({v.room for v in added}))[:16]
    votes.opened().add_earlier(room["code"], label, added)
    return {"added": len(added), "voters": len({(v.room, v.voter) for v in added})}
