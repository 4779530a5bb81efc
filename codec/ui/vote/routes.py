"""The addresses of the vote. Every answer of the API is JSON; an error is one sentence in the reader's language.

Secrets travel in bodies and headers, never in addresses: a room's in `Authorization`, a voter's token in the body.
Nothing that a phone can ask for says which method is which: images have random names, equal lengths and no dates.
"""

import contextlib
import functools
import json
import math
import random
import re
import sqlite3
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from html import escape
from pathlib import Path

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from codec import vote as core
from codec.errors import CodecError
from codec.pictures.load import load_image
from codec.pictures.sandbox import read_picture
from codec.ui import examples
from codec.ui import vote as pages
from codec.ui.hosting.gradio_private import queue_of
from codec.ui.hosting.languages import of_request
from codec.ui.texts import LANGUAGE, section, t
from codec.ui.vote import address
from codec.ui.vote.preparing import Preparer, shipped
from codec.vote import sets, store, trials
from codec.vote.ballots import Hands
from codec.vote.presets import PRESETS
from codec.vote.sets import ORIGINAL, SIDE
from codec.vote.store import Refused, Store

STATIC = Path(__file__).with_name("static")
KINDS = {".css": "text/css", ".js": "text/javascript"}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "content-security-policy": POLICY}
FOREVER = "private, max-age=86400, immutable"  # an image's name never shows another image
SWEEP = 600  # seconds
SWITCH = 0.001  # seconds
MIN_IMAGES, MAX_IMAGES = 4, 8
MAX_MINUTES = 180
MAX_HANDS = 500

#: Requests of a kind that one address may send, and the seconds in which. A class sits behind one router.
RATES = {"join": (700, 600), "room": (30, 3600), "image": (60, 3600), "vote": (20_000, 600), "solo": (600, 600)}
LANES = {"vote": 4, "image": 2, "host": 4}  # threads for requests of a kind
VOTES_PER_TOKEN = (60, 60)  # a trial takes seconds; a phone that comes back sends a dozen at once
ADDRESS = re.compile(r"https?://[\w.-]+(:\d{1,5})?(/[\w./-]*)?")
CODE = re.compile(rf"[{store.ALPHABET}]{{{store.CODE_LENGTH}}}")


class Rates:
    """The latest times of requests by kind and sender, which are kept no longer than the limit needs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.clock, self.lock = clock, threading.Lock()
        self.times: dict[tuple, deque[float]] = defaultdict(deque)

    def count(self, kind: str, sender: str, most: int, seconds: float) -> None:
        """Raises Refused for one too many."""
        now = self.clock()
        with self.lock:
            if len(self.times) > 10_000:
                self.times = defaultdict(deque, {k: q for k, q in self.times.items() if q and q[-1] > now - seconds})
            own = self.times[kind, sender]
            while own and own[0] <= now - seconds:
                own.popleft()
            if len(own) >= most:
                raise Refused(429, "too_fast")
            own.append(now)


def answered(function: Callable, kind: str = "", lane: str = "host") -> Callable:
    """An endpoint of a function (self, request, body) -> dict or Response, which runs in a thread.

    kind: of RATES, where it has one; lane: of LANES, so that no vote waits behind images or a host's uploads.
    """

    async def endpoint(self, request: Request) -> Response:
        token = LANGUAGE.set(of_request(request.scope))
        try:
            if kind and request.client:
                self.rates.count(kind, request.client.host, *RATES[kind])
            body = await request.body() if request.method == "POST" else b""
            answer = await run_sync(function, self, request, body, limiter=self.lanes[lane])
            if isinstance(answer, Response):
                return answer
            return JSONResponse(answer, headers=HEADERS | {"cache-control": "no-store"})
        except Refused as error:
            return refusal(t(f"vote.error.{error.key}"), error.status)
        except CodecError as error:
            return refusal(str(error), 400)
        except MemoryError:
            return refusal(t("errors.no_memory"), 503)
        finally:
            LANGUAGE.reset(token)

    return endpoint


def refusal(sentence: str, status: int) -> Response:
    return JSONResponse({"error": sentence}, status, headers=HEADERS | {"cache-control": "no-store"})


def parsed(body: bytes) -> dict:
    """The JSON object of a request. Raises Refused."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "bad_request") from None
    if not isinstance(data, dict):
        raise Refused(400, "bad_request")
    return data


def words(data: dict, *names: str, limit: int = 100) -> list[str]:
    """Strings of a request. Raises Refused for what is none, or is long."""
    values = [data.get(name, "") for name in names]
    if not all(isinstance(v, str) and len(v) <= limit for v in values):
        raise Refused(400, "bad_request")
    return values


def number(data: dict, name: str, low: float, high: float) -> float:
    """A number of a request between the two. Raises Refused."""
    value = data.get(name, low)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise Refused(400, "bad_request")
    return min(max(value, low), high)


class Votes:
    """Everything that the addresses share. where: the folder of votes; by default what `store.folder` says."""

    def __init__(self, where: Path | None = None):
        self.where = where
        # A thread that codes gives the interpreter away after 1 ms instead of 5: a vote asks for it a few times.
        sys.setswitchinterval(SWITCH)
        self.rates = Rates()
        self.lanes = {name: CapacityLimiter(threads) for name, threads in LANES.items()}
        self.rng = random.SystemRandom()
        self.app = None
        self.preparer = Preparer(self.busy)
        self.opening = threading.Lock()
        threading.Thread(target=self.sweeping, daemon=True, name="vote sweep").start()

    @functools.cached_property
    def store(self) -> Store:
        return Store(self.where)

    @functools.cached_property
    def summaries(self) -> "pages.reveal.Summaries":
        return pages.reveal.Summaries(self.opened())

    def opened(self) -> Store:
        with self.opening:
            return self.store

    def sweeping(self) -> None:
        """Deletes what is a day old, also where nobody opens the vote again after the page was started anew."""
        while True:
            with contextlib.suppress(sqlite3.Error, OSError, CodecError):  # the next turn may do better
                if "store" in vars(self) or ((self.where or store.folder()) / store.FILE).exists():
                    self.opened().sweep()
            time.sleep(SWEEP)

    def busy(self) -> bool:
        """Whether visitors of the page wait in its queue."""
        lanes = (
            queue_of(self.app.get_blocks()).event_queue_per_concurrency_id if hasattr(self.app, "get_blocks") else {}
        )
        return any(lane.queue for lane in list(lanes.values()))

    def routes(self) -> list[Route]:
        addresses = {"/vote": "phone", "/vote/host": "host", "/vote/me": "me"}
        posts = {
            "join": self.join,
            "trials": self.trials,
            "vote": self.vote,
            "me": self.solo_score,
            "prepare": self.prepare,
            "job": self.job,
            "image": self.image_upload,
            "set": self.load_set,
            "shipped": self.use_shipped,
            "host": self.host,
            "export": self.export,
            "save": self.save_set,
            "earlier": self.earlier,
        }
        return [
            *(Route(path, functools.partial(self.page, name)) for path, name in addresses.items()),
            Route("/vote/static/{name}", self.static),
            Route("/vote/image/{name}.png", self.image),
            Route("/vote/thumbnail/{name}.png", self.thumbnail),
            Route("/vote/api/room/{code}", self.room),
            Route("/vote/api/me", self.solo_start, methods=["GET"]),
            Route("/vote/api/setup", self.setup),
            *(Route(f"/vote/api/{name}", function, methods=["POST"]) for name, function in posts.items()),
            Route("/vote/{code}", functools.partial(self.page, "phone")),
        ]

    # --- what a browser loads -------------------------------------------------------------------------------

    async def page(self, name: str, request: Request) -> Response:
        """One of the three pages, in the reader's language."""
        self.app = request.app
        token = LANGUAGE.set(of_request(request.scope))
        try:
            texts = json.dumps(section("vote"), ensure_ascii=False).replace("<", "\\u003c")
            base = (
                "vote/" if request.url.path.endswith("/vote") else ""
            )  # addresses are relative: a proxy may add a path
            html = (STATIC / "page.html").read_text(encoding="utf-8")
            values = {
                "language": LANGUAGE.get(),
                "title": escape(t(f"vote.{name}.title")),
                "script": escape(t("vote.phone.script")),
                "base": base,
                "name": name,
                "texts": texts,
            }
            html = re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], html)
            return Response(html, media_type="text/html", headers=HEADERS | {"cache-control": "no-cache"})
        finally:
            LANGUAGE.reset(token)

    async def static(self, request: Request) -> Response:
        path = STATIC / request.path_params["name"]
        if path.parent != STATIC or path.suffix not in KINDS or not path.is_file():
            return refusal(t("vote.error.no_room"), 404)
        return Response(
            path.read_bytes(), media_type=KINDS[path.suffix], headers=HEADERS | {"cache-control": "no-cache"}
        )

    async def image(self, request: Request) -> Response:
        """An image by its random name; at once where it was asked for before, as thirty phones do."""
        name = request.path_params["name"]
        # The tag is the name, which is random: one made from the bytes would tell who has them.
        headers = HEADERS | {"cache-control": FOREVER, "etag": f'"{name}"'}
        png = self.store.recent_png(name) if "store" in vars(self) else None
        if png is None:
            answer = await self.unread_image(request)
            if answer.status_code != 200:
                return answer
            png = answer.body
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(png, media_type="image/png", headers=headers)

    def _unread_image(self, request: Request, body: bytes) -> Response:
        name = request.path_params["name"]
        try:
            return Response(self.opened().png(name))
        except Refused:
            png = pages.solo.images()[1].get(name)
            if png is None:
                raise
            return Response(png)

    unread_image = answered(_unread_image, lane="image")

    def _thumbnail(self, request: Request, body: bytes) -> Response:
        files = {name: path for path, name in examples.thumbnails()}
        path = files.get(request.path_params["name"])
        if path is None:
            raise Refused(404, "no_room")
        headers = HEADERS | {"cache-control": "max-age=3600"}
        return Response(Path(path).read_bytes(), media_type="image/png", headers=headers)

    thumbnail = answered(_thumbnail, lane="image")

    # --- phones ---------------------------------------------------------------------------------------------

    def code(self, given: str) -> str:
        """A code as rooms have it. Raises Refused for what cannot be one."""
        if not CODE.fullmatch(given.upper()):
            raise Refused(404, "no_room")
        return given.upper()

    def _room(self, request: Request, body: bytes) -> dict:
        """What anybody who has the code may know."""
        room = self.opened().room(self.code(request.path_params["code"]))
        return {
            "code": room["code"],
            "question": room["question"],
            "ties": bool(room["ties"]),
            "practice": bool(room["practice"]),
            "open": self.opened().is_open(room),
            "epoch": room["epoch"],
            "next": room["next"],
        }

    room = answered(_room, lane="vote")

    def _join(self, request: Request, body: bytes) -> dict:
        (code,) = words(parsed(body), "code")
        code = self.code(code)
        token = self.opened().join(code, self.rng)
        return {"token": token} | self.handed_out(code, token)

    join = answered(_join, "join", "vote")

    def _trials(self, request: Request, body: bytes) -> dict:
        code, token = words(parsed(body), "code", "token")
        return self.handed_out(self.code(code), token)

    trials = answered(_trials, lane="vote")

    def handed_out(self, code: str, token: str) -> dict:
        """A voter's trials: names of images, and nothing about what they are."""
        room, own = self.opened().room(code), self.opened().trials(code, token)
        names, closer = self.opened().names(code), room["question"] == store.CLOSER
        opaque = [
            {
                "id": id_,
                "original": names[trial.image, ORIGINAL] if closer else None,
                "left": names[trial.image, trial.left],
                "right": names[trial.image, trial.right],
            }
            for id_, trial, _ in own
        ]
        answered = [id_ for id_, _, choice in own if choice is not None]
        about = {name: room[name] for name in ("question", "epoch")}
        return {
            "trials": opaque,
            "answered": answered,
            "ties": bool(room["ties"]),
            "practice": bool(room["practice"]),
        } | about

    def _vote(self, request: Request, body: bytes) -> dict:
        data = parsed(body)
        code, token, trial, choice = words(data, "code", "token", "trial", "choice")
        self.rates.count("token", token, *VOTES_PER_TOKEN)
        ms, width = (int(number(data, name, 0, most)) for name, most in (("ms", 3_600_000), ("width", 20_000)))
        dpr = round(number(data, "dpr", 0, 20), 3)
        self.opened().vote(self.code(code), token, trial, choice, ms, width, dpr)
        return {"ok": True}

    vote = answered(_vote, "vote", "vote")

    def _solo_start(self, request: Request, body: bytes) -> dict:
        return pages.solo.start()

    solo_start = answered(_solo_start, "solo")

    def _solo_score(self, request: Request, body: bytes) -> dict:
        data = parsed(body)
        choices = data.get("choices")
        if not isinstance(choices, list) or not all(isinstance(c, str) for c in choices):
            raise Refused(400, "bad_request")
        return pages.solo.score(words(data, "number")[0], choices)

    solo_score = answered(_solo_score, "solo")

    # --- making a room --------------------------------------------------------------------------------------

    def _setup(self, request: Request, body: bytes) -> dict:
        """What there is to choose from."""
        presets = [{"name": name, "pairs": math.comb(len(preset.methods), 2)} for name, preset in PRESETS.items()]
        return {
            "presets": presets,
            "images": list(large_enough()),
            "shipped": sets.SHIPPED.is_file(),
            "lasting": self.opened().lasting,
        }

    setup = answered(_setup)

    def options(self, data: dict) -> dict:
        """How a room is to be. Raises Refused."""
        minutes = number(data, "minutes", 0, MAX_MINUTES)
        question = words(data, "question")[0] or store.CLOSER
        if question not in store.QUESTIONS:
            raise Refused(400, "bad_request")
        switches = {name: data.get(name) is True for name in ("ties", "practice")}
        return {"question": question, "minutes": minutes or None} | switches

    def opened_room(self, voted: sets.VoteSet, options: dict, file: bytes = b"", pngs: dict | None = None) -> dict:
        """Keeps a set and opens a room with it. file and pngs: of the set, where they are at hand."""
        id_ = voted.id
        self.opened().add_set(id_, voted.setup, file or sets.write(voted), pngs or sets.pngs(voted))
        code, secret = self.opened().add_room(id_, **options)
        return {"code": code, "secret": secret}

    def _prepare(self, request: Request, body: bytes) -> dict:
        data = parsed(body)
        options, (preset,) = self.options(data), words(data, "preset")
        chosen, uploads = data.get("images", []), data.get("uploads", [])
        if preset not in PRESETS or not (isinstance(chosen, list) and isinstance(uploads, list)):
            raise Refused(400, "bad_request")
        if not MIN_IMAGES <= len(chosen) + len(uploads) <= MAX_IMAGES:
            raise Refused(400, "how_many_images")
        usable, images = large_enough(), []
        for name in chosen:
            if name not in usable:
                raise Refused(400, "bad_request")
            images.append((name, load_image(usable[name]).rgb))
        for upload in uploads:
            if upload not in self.preparer.uploads:
                raise Refused(410, "upload_gone")
            images.append(self.preparer.uploads[upload])
        job = self.preparer.submit(images, preset, lambda voted: self.opened_room(voted, options))
        return {"job": job}

    prepare = answered(_prepare, "room")

    def _job(self, request: Request, body: bytes) -> dict:
        return self.preparer.state(words(parsed(body), "job")[0])

    job = answered(_job)

    def _image_upload(self, request: Request, body: bytes) -> dict:
        """Keeps an image of the host's, read in a process of its own."""
        name = re.sub(r"[^\w .-]+", "-", request.query_params.get("name", ""))[:40].strip("-. ") or "image"
        return {"upload": self.preparer.add_upload(name, read_picture(body).rgb), "name": name}

    image_upload = answered(_image_upload, "image")

    def _load_set(self, request: Request, body: bytes) -> dict:
        data = parsed(request.query_params.get("options", "{}").encode())
        return self.opened_room(sets.read(body), self.options(data), body)

    load_set = answered(_load_set, "room")

    def _use_shipped(self, request: Request, body: bytes) -> dict:
        options, (voted, pngs) = self.options(parsed(body)), shipped()
        return self.opened_room(voted, options, sets.SHIPPED.read_bytes(), pngs)

    use_shipped = answered(_use_shipped, "room")

    # --- the host -------------------------------------------------------------------------------------------

    def hosted(self, request: Request, code: str):
        """The room, for a request with its secret. Raises Refused."""
        secret = request.headers.get("authorization", "").removeprefix("Bearer ")[:100]
        if not CODE.fullmatch(code.upper()):
            raise Refused(403, "not_host")
        return self.opened().hosted(code.upper(), secret)

    def _host(self, request: Request, body: bytes) -> dict:
        """What the host's page does: ask how things are, reveal, clear, begin a round, count hands, delete."""
        data = parsed(body)
        code, action = words(data, "code", "action")
        room = self.hosted(request, code)
        code, votes = room["code"], self.opened()
        if action == "state":
            return self.state(request, room, data)
        if action == "reveal":
            step, summary = int(number(data, "step", 1, pages.reveal.STEPS)), self.summaries.of(room)
            if (
                step > room["revealed"] and not summary["withheld"]
            ):  # of too few nothing is shown, and the room stays open
                votes.change(code, revealed=step)
            return pages.reveal.step(step, summary, votes.setup(room["set_id"]))
        if action == "clear":  # also the end of a practice round
            votes.clear(code)
            if room["closes"]:
                votes.change(code, closes=votes.clock() + room["closes"] - room["created"])
            return self.state(request, votes.room(code), data)
        if action == "next":
            options = self.options(data) if "question" in data else {k: room[k] for k in ("question", "ties")}
            own = {"practice": False, "minutes": None} | options
            new, secret = votes.add_room(room["set_id"], **own)
            votes.change(code, next=new)
            return {"code": new, "secret": secret}
        if action == "delete":
            votes.delete(code)
            return {"deleted": True}
        if action == "hands":
            return {"hands": self.hands(room, data)}
        raise Refused(400, "bad_request")

    host = answered(_host)

    def state(self, request: Request, room, data: dict) -> dict:
        """Counts and the address, and nothing that would sway a room."""
        setup = self.opened().setup(room["set_id"])
        # A browser knows better than this server what a proxy has made of the address.
        (seen,) = words(data, "page", limit=200)
        seen = seen if ADDRESS.fullmatch(seen) else str(request.url).partition("/vote")[0]
        page, reachable = address.of_page(seen)
        join = f"{page}/vote/{room['code']}"
        pairs = math.comb(len(setup["methods"]), 2)
        left = room["closes"] - self.opened().clock() if room["closes"] else None
        about = {name: room[name] for name in ("code", "question", "revealed", "next")}
        return about | {
            **self.opened().counts(room["code"]),
            "ties": bool(room["ties"]),
            "practice": bool(room["practice"]),
            "open": self.opened().is_open(room),
            "seconds_left": None if left is None else max(0, round(left)),
            "lasting": self.opened().lasting,
            "address": join.partition("://")[2],
            "reachable": reachable,
            "qr": address.qr(join),
            "images": len(setup["images"]),
            "pairs": pairs,
            "hands": len(self.opened().hands(room["code"])),
        }

    def hands(self, room, data: dict) -> list[dict]:
        """The comparisons for raised hands in a fixed order; `data` may set the counts of one, by its place."""
        votes, setup = self.opened(), self.opened().setup(room["set_id"])
        names, coin = votes.names(room["code"]), random.Random(room["salt"])
        units = trials.units(len(setup["images"]), [m["key"] for m in setup["methods"]])
        coin.shuffle(units)
        flips = [coin.random() < 0.5 for _ in units]
        if "at" in data:
            at = int(number(data, "at", 0, len(units) - 1))
            left, right, ties = (int(number(data, name, 0, MAX_HANDS)) for name in ("left", "right", "neither"))
            first, second = (right, left) if flips[at] else (left, right)
            votes.raise_hands(room["code"], Hands(*units[at], first, second, ties))
        counted = {(h.image, h.first, h.second): h for h in votes.hands(room["code"])}
        opaque = []
        for unit, flip in zip(units, flips, strict=True):
            image, left, right = unit if not flip else (unit[0], unit[2], unit[1])
            hands = counted.get(unit)
            counts = [hands.for_first, hands.for_second] if hands else [0, 0]
            left_count, right_count = counts[::-1] if flip else counts
            opaque.append(
                {
                    "original": names[image, ORIGINAL] if room["question"] == store.CLOSER else None,
                    "left": names[image, left],
                    "right": names[image, right],
                    "counted": hands is not None,
                    "counts": [left_count, right_count, hands.ties if hands else 0],
                }
            )
        return opaque

    def _export(self, request: Request, body: bytes) -> Response:
        room = self.hosted(request, words(parsed(body), "code")[0])
        if room["revealed"] < 2:  # before, the files would say what the host is not to see
            raise Refused(409, "reveal_first")
        data = pages.reveal.archive(self.opened(), room, self.summaries.of(room))
        return Response(data, media_type="application/zip", headers=HEADERS | {"cache-control": "no-store"})

    export = answered(_export)

    def _save_set(self, request: Request, body: bytes) -> Response:
        room = self.hosted(request, words(parsed(body), "code")[0])
        data = self.opened().set_file(room["set_id"])
        return Response(data, media_type="application/zip", headers=HEADERS | {"cache-control": "no-store"})

    save_set = answered(_save_set)

    def _earlier(self, request: Request, body: bytes) -> dict:
        """Adds the votes of an earlier class on the same set and question."""
        room = self.hosted(request, request.query_params.get("code", ""))
        added = core.export.read(body, room["set_id"], room["question"], self.opened().setup(room["set_id"]))
        own = {v.room for v in self.opened().votes(room["code"])}
        added = [v for v in added if v.room not in own and v.room != "hands"]
        label = store.hashed(*sorted({v.room for v in added}))[:16]
        self.opened().add_earlier(room["code"], label, added)
        return {"added": len(added), "voters": len({(v.room, v.voter) for v in added})}

    earlier = answered(_earlier)


@functools.cache
def large_enough() -> dict[str, Path]:
    """The examples that a crop can be taken from, by name."""
    usable = {}
    for name, path in examples.sources().items():
        with Image.open(path) as image:
            if min(image.size) >= SIDE:
                usable[name] = path
    return usable
