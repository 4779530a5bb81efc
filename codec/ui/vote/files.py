"""What a browser loads: the three pages, their scripts, and images by names that say nothing.

Nothing that a phone can ask for says which method is which: images have random names, equal lengths and no dates.
"""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from codec.ui import examples
from codec.ui import vote as pages
from codec.ui.hosting.languages import of_request
from codec.ui.texts import LANGUAGE, section, t
from codec.ui.vote.answers import HEADERS, answered, refusal
from codec.vote.store import Refused

if TYPE_CHECKING:
    from codec.ui.vote.routes import Votes

STATIC = Path(__file__).with_name("static")
KINDS = {".css": "text/css", ".js": "text/javascript"}
FOREVER = "private, max-age=86400, immutable"  # an image's name never shows another image


async def page(votes: Votes, name: str, request: Request) -> Response:
    """One of the three pages, in the reader's language."""
    votes.app = request.app
    token = LANGUAGE.set(of_request(request.scope))
    try:
        values = {
            "language": LANGUAGE.get(),
            "title": escape(t(f"vote.{name}.title")),
            "script": escape(t("vote.phone.script")),
            # Addresses are relative: a proxy may add a path.
            "base": "vote/" if request.url.path.endswith("/vote") else "",
            "name": name,
            "texts": json.dumps(section("vote"), ensure_ascii=False).replace("<", "\\u003c"),
        }
        template = (STATIC / "page.html").read_text(encoding="utf-8")
        html = re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], template)
        return Response(html, media_type="text/html", headers=HEADERS | {"cache-control": "no-cache"})
    finally:
        LANGUAGE.reset(token)


async def static(votes: Votes, request: Request) -> Response:
    path = STATIC / request.path_params["name"]
    if path.parent != STATIC or path.suffix not in KINDS or not path.is_file():
        return refusal(t("vote.error.no_room"), 404)
    headers = HEADERS | {"cache-control": "no-cache"}
    return Response(path.read_bytes(), media_type=KINDS[path.suffix], headers=headers)


async def image(votes: Votes, request: Request) -> Response:
    """An image by its random name; at once where it was asked for before, as thirty phones do."""
    name = request.path_params["name"]
    # The tag is the name, which is random: one made from the bytes would tell who has them.
    headers = HEADERS | {"cache-control": FOREVER, "etag": f'"{name}"'}
    png = votes.store.recent_png(name) if votes.is_opened else None
    if png is None:
        answer = await unread_image(votes, request)
        if answer.status_code != 200:
            return answer
        png = answer.body
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return Response(png, media_type="image/png", headers=headers)


@answered(lane="image")
def unread_image(votes: Votes, request: Request, body: bytes) -> Response:
    name = request.path_params["name"]
    try:
        return Response(votes.opened().png(name))
    except Refused:
        png = pages.solo.images()[1].get(name)
        if png is None:
            raise
        return Response(png)


@answered(lane="image")
def thumbnail(votes: Votes, request: Request, body: bytes) -> Response:
    paths = {name: path for path, name in examples.thumbnails()}
    path = paths.get(request.path_params["name"])
    if path is None:
        raise Refused(404, "no_room")
    headers = HEADERS | {"cache-control": "max-age=3600"}
    return Response(Path(path).read_bytes(), media_type="image/png", headers=headers)
