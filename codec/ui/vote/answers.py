"""What all addresses of the vote share: how a request is read and limited, and how it is answered.

Every answer of the API is JSON; an error is one sentence in the reader's language. Secrets travel in bodies and
headers, never in addresses: a room's in `Authorization`, a voter's token in the body.
"""

from __future__ import annotations

import functools
import inspect
import json
import math
import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from codec.errors import CodecError
from codec.ui.hosting.languages import of_request
from codec.ui.texts import LANGUAGE, t
from codec.vote import store
from codec.vote.store import Refused

if TYPE_CHECKING:
    from codec.ui.vote.routes import Votes

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

#: Requests of a kind that one address may send, and the seconds in which. A class sits behind one router.
RATES = {"join": (700, 600), "room": (30, 3600), "image": (60, 3600), "vote": (20_000, 600), "solo": (600, 600)}
LANES = {"vote": 4, "image": 2, "host": 4}  # threads for requests of a kind
VOTES_PER_TOKEN = (60, 60)  # a trial takes seconds; a phone that comes back sends a dozen at once
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


def answered(kind: str = "", lane: str = "host") -> Callable:
    """Makes an endpoint (votes, request) of a function (votes, request, body) -> dict or Response.

    kind: of RATES, where it has one. lane: of LANES, in whose threads a plain function runs, so that no vote waits
    behind images or a host's uploads; a coroutine function runs on the event loop.
    """

    def endpoint_of(function: Callable) -> Callable:
        @functools.wraps(function)
        async def endpoint(votes: Votes, request: Request) -> Response:
            token = LANGUAGE.set(of_request(request.scope))
            try:
                if kind and request.client:
                    votes.rates.count(kind, request.client.host, *RATES[kind])
                body = await request.body() if request.method == "POST" else b""
                if inspect.iscoroutinefunction(function):
                    answer = await function(votes, request, body)
                else:
                    answer = await run_sync(function, votes, request, body, limiter=votes.lanes[lane])
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

    return endpoint_of


def refusal(sentence: str, status: int) -> Response:
    return JSONResponse({"error": sentence}, status, headers=HEADERS | {"cache-control": "no-store"})


def zipped(data: bytes) -> Response:
    return Response(data, media_type="application/zip", headers=HEADERS | {"cache-control": "no-store"})


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
    """Strings of a request. Raises Refused for what is none, is long, or is no text that can be written down."""
    values = [data.get(name, "") for name in names]
    if not all(isinstance(v, str) and len(v) <= limit and is_text(v) for v in values):
        raise Refused(400, "bad_request")
    return values


def is_text(value: str) -> bool:
    """Whether a string can be encoded: JSON may hold halves of a character."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def number(data: dict, name: str, low: float, high: float) -> float:
    """A number of a request between the two. Raises Refused."""
    value = data.get(name, low)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise Refused(400, "bad_request")
    return min(max(value, low), high)


def room_code(given: str) -> str:
    """A code as rooms have it. Raises Refused for what cannot be one."""
    if not CODE.fullmatch(given.upper()):
        raise Refused(404, "no_room")
    return given.upper()
