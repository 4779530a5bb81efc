"""What is refused before Gradio sees it: requests too large, files from elsewhere, routes that have no use here."""

import json
import os
import re
import shutil

from codec.ui.hosting.gradio_private import get_upload_folder
from codec.ui.texts import t

MAX_UPLOAD = 60_000_000
MAX_FORM = 1_000_000  # of everything around the file, and of any other request
MAX_STROKE = 4_000_000  # what the canvas sends after a stroke is the picture below it as well
MIN_FREE_DISK = 1_000_000_000
REMOTE = re.compile(r"\s*[a-z][a-z0-9+.-]*:/", re.IGNORECASE)
#: Bytes of a request's body by its whole path: what a vote takes. Files among them are checked where they are read.
VOTE = re.compile(r"/vote(/|$)")
MAX_VOTE = 10_000
VOTE_FILES = {"/vote/api/image": 40_000_000, "/vote/api/set": 30_000_000, "/vote/api/earlier": 5_000_000}
UNUSED = re.compile(r"/gradio_api/(proxy=|process_recording|vibe-|stream/|deep_link)")


class Guard:
    """ASGI middleware. Answers with a status and one sentence, or passes the request on."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        refusal = refuse_path(scope["path"])
        if not refusal and scope["method"] == "POST":
            refusal = refuse_size(scope)
            if not refusal and route(scope) != "upload" and scope["path"] not in VOTE_FILES:
                body = await read_body(receive)
                refusal, receive = refuse_body(body), replay(body, receive)
        if refusal:
            return await answer(send, *refusal)
        return await self.app(scope, receive, send)


def route(scope) -> str:
    return scope["path"].rstrip("/").rpartition("/")[2]


def refuse_path(path: str) -> tuple[int, str] | None:
    """The page fetches nothing for anybody: neither as a proxy, nor by the name of a file that is an address."""
    _, _, file = path.partition("/file=")
    if UNUSED.match(path) or REMOTE.match(file):
        return 403, t("hosting.refused")
    return None


def refuse_size(scope) -> tuple[int, str] | None:
    length = dict(scope["headers"]).get(b"content-length", b"")
    if not length.isdigit():  # sent in chunks, it could go on for ever
        return 411, t("hosting.no_length")
    most = {"upload": MAX_UPLOAD, "component_server": MAX_STROKE}.get(route(scope), 0)
    limit = most + MAX_FORM
    if VOTE.match(scope["path"]):
        most = limit = VOTE_FILES.get(scope["path"], MAX_VOTE)
    if int(length) > limit:
        return 413, t("hosting.too_large", limit=(most or MAX_FORM) / 1e6)
    os.makedirs(get_upload_folder(), exist_ok=True)
    if route(scope) == "upload" and shutil.disk_usage(get_upload_folder()).free < MIN_FREE_DISK:
        return 507, t("hosting.no_room")
    return None


def refuse_body(body: bytes) -> tuple[int, str] | None:
    """A file parameter that is an address would make the server download it."""
    try:
        data = json.loads(body) if body.strip()[:1] in (b"{", b"[") else None
        remote = has_remote_path(data)
    except (ValueError, RecursionError):
        return 400, t("hosting.no_json")
    return (400, t("hosting.remote")) if remote else None


def has_remote_path(data) -> bool:
    if isinstance(data, dict):
        if isinstance(data.get("path"), str) and REMOTE.match(data["path"]):
            return True
        data = list(data.values())
    return isinstance(data, list) and any(has_remote_path(item) for item in data)


async def read_body(receive) -> bytes:
    chunks, more = [], True
    while more:
        message = await receive()
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(chunks)


def replay(body: bytes, receive):
    """A `receive` that gives the body again, then whatever else comes."""
    sent = False

    async def again():
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def answer(send, status: int, sentence: str) -> None:
    body = json.dumps({"detail": sentence, "error": sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
