"""What a host asks before there is a room: which images and presets there are, to prepare a set, or to load one."""

from __future__ import annotations

import functools
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from starlette.requests import Request

from codec.pictures.load import load_image
from codec.pictures.sandbox import read_picture
from codec.ui import examples
from codec.ui.vote.answers import answered, number, parsed, words
from codec.ui.vote.preparing import shipped
from codec.vote import sets, store
from codec.vote.presets import PRESETS
from codec.vote.sets import SIDE
from codec.vote.store import Refused

if TYPE_CHECKING:
    from codec.ui.vote.routes import Votes

MIN_IMAGES, MAX_IMAGES = 4, 8
MAX_MINUTES = 180


@answered()
def setup(votes: Votes, request: Request, body: bytes) -> dict:
    """What there is to choose from."""
    presets = [{"name": name, "pairs": math.comb(len(preset.methods), 2)} for name, preset in PRESETS.items()]
    return {
        "presets": presets,
        "images": list(large_enough()),
        "shipped": sets.SHIPPED.is_file(),
        "lasting": votes.opened().lasting,
    }


def options_in(data: dict) -> dict:
    """How a room is to be. Raises Refused."""
    minutes = number(data, "minutes", 0, MAX_MINUTES)
    question = words(data, "question")[0] or store.CLOSER
    if question not in store.QUESTIONS:
        raise Refused(400, "bad_request")
    switches = {name: data.get(name) is True for name in ("ties", "practice")}
    return {"question": question, "minutes": minutes or None} | switches


def opened_room(
    votes: Votes, voted: sets.VoteSet, options: dict, file: bytes = b"", pngs: dict | None = None
) -> dict[str, str]:
    """Keeps a set and opens a room with it. file and pngs: of the set, where they are at hand."""
    id_ = voted.id
    votes.opened().add_set(id_, voted.setup, file or sets.write(voted), pngs or sets.pngs(voted))
    code, secret = votes.opened().add_room(id_, **options)
    return {"code": code, "secret": secret}


@answered("room")
def prepare(votes: Votes, request: Request, body: bytes) -> dict:
    data = parsed(body)
    options, (preset,) = options_in(data), words(data, "preset")
    chosen, uploads = names_in(data, "images"), names_in(data, "uploads")
    if preset not in PRESETS:
        raise Refused(400, "bad_request")
    if not MIN_IMAGES <= len(chosen) + len(uploads) <= MAX_IMAGES:
        raise Refused(400, "how_many_images")
    usable, images = large_enough(), []
    for name in chosen:
        if name not in usable:
            raise Refused(400, "bad_request")
        images.append((name, load_image(usable[name]).rgb))
    for upload in uploads:
        if upload not in votes.preparer.uploads:
            raise Refused(410, "upload_gone")
        images.append(votes.preparer.uploads[upload])

    def ready(voted: sets.VoteSet) -> dict[str, str]:
        votes.preparer.forget(uploads)  # they are in the room's set now, and go with it
        return opened_room(votes, voted, options)

    return {"job": votes.preparer.submit(images, preset, ready)}


def names_in(data: dict, key: str) -> list[str]:
    """A list of strings of a request, none where there is no such key. Raises Refused."""
    names = data.get(key, [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Refused(400, "bad_request")
    return names


@answered()
def job(votes: Votes, request: Request, body: bytes) -> dict:
    return votes.preparer.state(words(parsed(body), "job")[0])


@answered("image")
def image_upload(votes: Votes, request: Request, body: bytes) -> dict:
    """Keeps an image of the host's, read in a process of its own."""
    name = re.sub(r"[^\w .-]+", "-", request.query_params.get("name", ""))[:40].strip("-. ") or "image"
    return {"upload": votes.preparer.add_upload(name, read_picture(body).rgb), "name": name}


@answered("room")
def load_set(votes: Votes, request: Request, body: bytes) -> dict:
    data = parsed(request.query_params.get("options", "{}").encode())
    return opened_room(votes, sets.read(body), options_in(data), body)


@answered("room")
def use_shipped(votes: Votes, request: Request, body: bytes) -> dict:
    options, (voted, pngs) = options_in(parsed(body)), shipped()
    return opened_room(votes, voted, options, sets.SHIPPED.read_bytes(), pngs)


@functools.cache
def large_enough() -> dict[str, Path]:
    """The examples that a crop can be taken from, by name."""
    usable = {}
    for name, path in examples.sources().items():
        with Image.open(path) as image:
            if min(image.size) >= SIDE:
                usable[name] = path
    return usable
