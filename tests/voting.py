"""What the tests of the vote share: a small set, rooms with votes in them, and the vote's pages without Gradio."""

import contextlib
import functools
import io
import math
import random
import threading
import time
import zipfile

import numpy as np
import uvicorn
from conftest import picture
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware

from codec.ui.hosting.guard import Guard
from codec.ui.vote.routes import Votes
from codec.vote import sets, trials

METHODS = ("jpeg", "mse", "hific")
#: Log odds with which simulated voters choose; ORIGINAL and CATCH are those of somebody who looks.
STRENGTHS = {"jpeg": -1.5, "mse": 0.0, "hific": 1.0, sets.ORIGINAL: 50.0, sets.CATCH: -50.0}


@functools.cache
def small_set(images: int = 4, methods: tuple[str, ...] = METHODS) -> sets.VoteSet:
    """A set of generated images, whose methods are noise of different strength. PSNR and LPIPS disagree about it."""
    crops, entries = {}, []
    for image in range(images):
        original = crops[image, sets.ORIGINAL] = picture(sets.SIDE, sets.SIDE, seed=image)
        renditions = {}
        for at, method in enumerate(methods):
            noise = np.random.default_rng([image, at]).normal(0, 4 + 5 * at, original.shape)
            crops[image, method] = (original + noise).clip(0, 255).astype(np.uint8)
            measures = {"psnr": 30.0 - at, "ms_ssim": 0.9, "gmsd": 0.1 - 0.01 * at, "lpips": 0.3 - 0.1 * at}
            renditions[method] = {"bytes": 6000 + at, "setting": "a", "measures": measures}
        place = {"width": 640, "height": 480, "left": 0, "top": 0}
        entries.append({"name": f"image-{image}", **place, "renditions": renditions})
    setup = {
        "format": sets.FORMAT,
        "preset": "custom",
        "weights": "0",
        "created": "2026-01-01",
        "bpp": 0.14,
        "methods": [{"key": m, "title": m} for m in methods],
        "images": entries,
    }
    return sets.VoteSet(sets.checked(setup), crops)


@functools.cache
def smaller_set() -> sets.VoteSet:
    """As small as a set may be: its images are encoded in no time."""
    return small_set(2, METHODS[1:])


@functools.cache
def small_file() -> bytes:
    return sets.write(smaller_set(), method=0)


@functools.cache
def small_pngs() -> dict:
    return sets.pngs(smaller_set())


def opened(store, question="closer", ties=False, practice=False, minutes=None, real=False) -> tuple[str, str]:
    """(code, secret) of a room with the small set and a few bytes for images, or with the smaller one and real ones."""
    if real:
        store.add_set("r" * 32, smaller_set().setup, small_file(), small_pngs())
    else:
        fake = {(i, k): repr((i, k)).encode() for i in range(4) for k in (sets.ORIGINAL, sets.CATCH, *METHODS)}
        store.add_set("f" * 32, small_set().setup, b"a file", fake)
    return store.add_room(("r" if real else "f") * 32, question, ties, practice, minutes)


def chosen(trial: trials.Trial, rng: random.Random) -> str:
    odds = STRENGTHS[trial.right] - STRENGTHS[trial.left]
    return trials.LEFT if rng.random() < 1 / (1 + math.exp(odds)) else trials.RIGHT


def filled(store, code: str, voters: int, seed: int = 0) -> list[str]:
    """Voters who answer everything by STRENGTHS; their tokens."""
    rng, tokens = random.Random(seed), []
    for _ in range(voters):
        tokens.append(store.join(code, rng))
        for id_, trial, _ in store.trials(code, tokens[-1]):
            store.vote(code, tokens[-1], id_, chosen(trial, rng), 1500, 390, 3.0)
    return tokens


def app(folder) -> tuple[Starlette, Votes]:
    """The vote's pages behind the page's guard, with their votes in a folder."""
    votes = Votes(folder)
    return Starlette(routes=votes.routes(), middleware=[Middleware(Guard)]), votes


@contextlib.contextmanager
def serving(folder):
    """(address, Votes) of the pages on a port of their own."""
    application, votes = app(folder)
    server = uvicorn.Server(uvicorn.Config(application, "127.0.0.1", 0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}", votes
    server.should_exit = True
    thread.join()
    votes.store.close()


def watched(context, errors: list):
    """A page of a browser's context; what goes wrong in its scripts is added to errors."""
    page = context.new_page()
    page.set_default_timeout(60_000)  # of a machine that has other work
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text) if "Content Security Policy" in line.text else None)
    return page


# --- requests ----------------------------------------------------------------------------------------------

NAMES = ("jpeg", "mse", "hific", "generative", "avif", "original", "catch", "repeat", "JPEG", "HiFiC")


def join(http, code: str) -> dict:
    return http.post("/vote/api/join", json={"code": code}).json()


def vote(http, code: str, given: dict, at: int = 0, **changes):
    body = {"code": code, "token": given["token"], "trial": given["trials"][at]["id"], "choice": "left"}
    return http.post("/vote/api/vote", json=body | {"ms": 900, "width": 390, "dpr": 3} | changes)


def host(http, code: str, secret: str, action: str, **more):
    headers = {"authorization": f"Bearer {secret}"}
    return http.post("/vote/api/host", json={"code": code, "action": action, **more}, headers=headers)


def is_sentence(answer) -> bool:
    error = answer.json()["error"]
    return error[0].isupper() and error.endswith(".") and "\n" not in error and "Traceback" not in error


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return buffer.getvalue()


def small_png(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side)).save(buffer, "PNG")
    return buffer.getvalue()
