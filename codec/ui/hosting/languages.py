"""The page in several languages from one process: its description and its answers are in that of the request.

Gradio describes a page once, when it is built. Here the layout is built once for every language, the English one
first; what the browser gets is that one's description with the texts of the other. What is computed later asks for its
texts when it runs.
"""

import threading
import time
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import gradio as gr

from codec.ui.texts import ENGLISH, LANGUAGE, LANGUAGES, accepted


class Page(gr.Blocks):
    """Gradio's, with a description in every language."""

    others: "Others | None" = None

    @property
    def config(self) -> dict:
        name = LANGUAGE.get()
        return self.english if name == ENGLISH or self.others is None else self.others.described(name, self.english)

    @config.setter
    def config(self, described: dict) -> None:
        self.english = described


class Others:
    """The page's descriptions in the other languages. Each layout is built when it is first asked for, or by `run`."""

    def __init__(self, layout: Callable[[], gr.Blocks], head: Callable[[], str]):
        self.layout, self.head, self.lock = layout, head, threading.Lock()
        self.built: dict[str, tuple[list[dict], str, str]] = {}  # components, head and title
        self.kept: dict[str, tuple[dict, dict]] = {}  # the English description, and what came of it

    def described(self, name: str, english: dict) -> dict:
        """The English description with the texts of another language."""
        with self.lock:
            if name not in self.built:
                self.built[name] = self.build(name)
            if self.kept.get(name, (None,))[0] is not english:
                self.kept[name] = english, translated(english, *self.built[name])
            return self.kept[name][1]

    def build(self, name: str) -> tuple[list[dict], str, str]:
        token = LANGUAGE.set(name)
        try:
            twin = self.layout()
            return twin.config["components"], self.head(), twin.title
        finally:
            LANGUAGE.reset(token)

    def run(self, demo: Page) -> None:
        """Builds all of them once the page is up, so that it starts sooner and nobody waits later."""
        for _ in range(600):  # a minute; a page that is built and not shown needs no others
            if demo.is_running:
                break
            time.sleep(0.1)
        else:
            return
        for name in LANGUAGES:
            if name != ENGLISH:
                self.described(name, demo.english)


def translated(described: dict, components: list[dict], head: str, title: str) -> dict:
    """A description with the properties that its components have in another language."""
    if [c["type"] for c in components] != [c["type"] for c in described["components"]]:
        raise RuntimeError("The page has other components in another language.")
    pairs = zip(described["components"], components, strict=True)
    texts = [{**ours, "props": other["props"]} for ours, other in pairs]
    return {**described, "components": texts, "head": head, "title": title}


def build(layout: Callable[[], Page], head: Callable[[], str]) -> Page:
    """The page that `layout` builds, which takes its texts from `t`. head: what its head has, likewise."""
    demo = layout()
    demo.others = Others(layout, head)
    threading.Thread(target=demo.others.run, args=(demo,), daemon=True).start()
    return demo


def of_request(scope) -> str:
    """The language that a request asks for: by its own address, by that of the page it comes from, by its browser."""
    headers = dict(scope["headers"])
    asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("lang", [""])[0]
    page = headers.get(b"referer", b"").decode("latin-1")
    if asked not in LANGUAGES and "lang=" in page:
        try:
            asked = parse_qs(urlsplit(page).query).get("lang", [""])[0]
        except ValueError:  # not an address
            asked = ""
    return accepted(asked, headers.get(b"accept-language", b"").decode("latin-1"))
