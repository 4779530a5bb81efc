"""Serves the first screen and its pictures from memory, before Gradio sees the request: a passer-by costs nothing.

The page of the codec is at the same address with a state in its query, as `?tab=compare`. It gets our own preview of
links in place of Gradio's.
"""

import functools
import gzip
import hashlib
import mimetypes
import re
from html import escape
from urllib.parse import parse_qs

from codec.ui import front
from codec.ui.hosting.languages import of_request
from codec.ui.texts import LANGUAGE, LANGUAGES, t

mimetypes.add_type("image/avif", ".avif")
ORIGIN = "https://origin.invalid/"  # stands in the page that is kept, for the address that it is asked for by
FOR_EVER = b"public, max-age=31536000, immutable"  # a changed picture has another address
OURS = re.compile(rb'<meta\s+(?:property="og:|name="twitter:)[^>]*>')


class FirstScreen:
    """ASGI middleware. keys: of a query that asks for the page of the codec; style: that page's sheet.

    Gradio brings the sheet only after it has drawn the page, which would then move: so the HTML has it, too.
    """

    def __init__(self, app, keys: frozenset[str], style: str):
        self.app, self.keys, self.style = app, keys, style

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        token = LANGUAGE.set(of_request(scope))  # for all that answers this request
        try:
            await self.answered(scope, receive, send)
        finally:
            LANGUAGE.reset(token)

    async def answered(self, scope, receive, send):
        if scope["method"] not in ("GET", "HEAD") or not front.points():
            return await self.app(scope, receive, send)
        path = scope["path"].removeprefix(scope.get("root_path", "").rstrip("/")).lstrip("/")
        if path.startswith(front.ROUTE):
            return await picture(path.removeprefix(front.ROUTE), scope, send)
        if path:
            return await self.app(scope, receive, send)
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if self.keys & query.keys():
            return await self.app(scope, receive, with_preview(origin_of(scope), self.style, send))
        await page(LANGUAGE.get(), scope, dict(scope["headers"]), send)


async def picture(name: str, scope, send) -> None:
    """One of the pictures, or 404."""
    if name not in front.files():
        return await answer(scope, send, 404, b"", [(b"content-type", b"text/plain")])
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    headers = [(b"content-type", kind.encode()), (b"cache-control", FOR_EVER)]
    await answer(scope, send, 200, front.files()[name], headers)


async def page(language: str, scope, asked: dict, send) -> None:
    """The first screen in a language."""
    whole, small, etag = kept(language, origin_of(scope))
    vary = b"Accept-Language, Accept-Encoding"
    headers = [(b"etag", etag), (b"cache-control", b"no-cache"), (b"vary", vary)]
    if asked.get(b"if-none-match") == etag:
        return await answer(scope, send, 304, b"", headers)
    headers.append((b"content-type", b"text/html; charset=utf-8"))
    if b"gzip" in asked.get(b"accept-encoding", b""):
        whole, headers = small, [*headers, (b"content-encoding", b"gzip")]
    await answer(scope, send, 200, whole, headers)


@functools.cache
def page_of(language: str) -> str:
    return front.html(language, ORIGIN)


@functools.lru_cache(maxsize=16)  # of the addresses that the page is asked for by
def kept(language: str, origin: str) -> tuple[bytes, bytes, bytes]:
    """The first screen, the same compressed, and its tag."""
    whole = page_of(language).replace(ORIGIN, escape(origin)).encode()
    return whole, gzip.compress(whole, 6), f'"{hashlib.sha256(whole).hexdigest()[:16]}"'.encode()


def origin_of(scope) -> str:
    """The address of the page as the visitor wrote it, with a slash at its end."""
    headers = dict(scope["headers"])
    scheme = headers.get(b"x-forwarded-proto", scope["scheme"].encode()).decode("latin-1").split(",")[0].strip()
    host = headers.get(b"x-forwarded-host", headers.get(b"host", b"localhost")).decode("latin-1").split(",")[0].strip()
    return f"{scheme}://{host}{scope.get('root_path', '').rstrip('/')}/"


async def answer(scope, send, status: int, body: bytes, headers: list) -> None:
    headers = [*headers, (b"content-length", str(len(body)).encode()), (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def with_preview(origin: str, style: str, send):
    """A `send` that replaces what Gradio's HTML says for previews of links, and adds what is to be there at once."""
    held: list[dict] = []

    async def replaced(message):
        if message["type"] == "http.response.start":
            kind = dict(message["headers"]).get(b"content-type", b"")
            if kind.startswith(b"text/html") and message["status"] == 200:
                held.append(message)
                held.append({"body": []})
                return
        elif held:
            held[1]["body"].append(message.get("body", b""))
            if message.get("more_body"):
                return
            body = preview(b"".join(held[1]["body"]), origin, style)
            start = held[0] | {
                "headers": [
                    *((k, v) for k, v in held[0]["headers"] if k != b"content-length"),
                    (b"content-length", str(len(body)).encode()),
                ]
            }
            held.clear()
            await send(start)
            message = {"type": "http.response.body", "body": body}
        await send(message)

    return replaced


def preview(page: bytes, origin: str, style: str) -> bytes:
    """Gradio's page with our title, sentence and picture for whoever sees its link, our sheet and the poster."""
    head, mark, rest = OURS.sub(b"", page).partition(b"</head>")
    tags = {
        "og:type": "website",
        "og:title": t("page.title"),
        "og:description": t("front.description"),
        "og:url": origin,
        "og:image": origin + front.located(front.PREVIEW),
        "og:image:width": "1200",
        "og:image:height": "630",
    }
    lines = [f'<meta property="{name}" content="{escape(text)}">' for name, text in tags.items()]
    lines.append('<meta name="twitter:card" content="summary_large_image">')
    lines += [f"<style>{style}</style>", front.poster()]
    # Gradio's own words follow the browser's language: here it is the page's.
    own = (
        f"<script>Object.defineProperty(navigator, 'language', {{ get: () => '{LANGUAGES[LANGUAGE.get()]}' }})</script>"
    )
    head = head.replace(b'lang="en"', f'lang="{LANGUAGE.get()}"'.encode(), 1).replace(
        b"<head>", b"<head>" + own.encode(), 1
    )
    return head + "".join(lines).encode() + mark + rest
