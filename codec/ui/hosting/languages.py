"""The page in several languages from one process: its description and its answers are in that of the request.

Gradio describes a page once, when it is built. Here the layout is built once for every language; what the browser gets
is the first one's description with the texts of the other. What is computed later asks for its texts when it runs.
"""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import gradio as gr

from codec.ui.texts import ENGLISH, LANGUAGE, LANGUAGES, accepted


class Page(gr.Blocks):
    """Gradio's, with a description in every language."""

    @property
    def config(self) -> dict:
        return self.translated.get(LANGUAGE.get(), self.english)

    @config.setter
    def config(self, described: dict) -> None:
        self.english = described
        self.translated = {name: translated(described, *twin) for name, twin in getattr(self, "twins", {}).items()}


def translated(described: dict, components: list[dict], head: str, title: str) -> dict:
    """A description with the properties that its components have in another language."""
    if [c["type"] for c in components] != [c["type"] for c in described["components"]]:
        raise RuntimeError("The page has other components in another language.")
    pairs = zip(described["components"], components, strict=True)
    texts = [{**ours, "props": other["props"]} for ours, other in pairs]
    return {**described, "components": texts, "head": head, "title": title}


def build(layout: Callable[[], gr.Blocks], head: Callable[[], str]) -> gr.Blocks:
    """The page that `layout` builds, which takes its texts from `t`. head: what its head has, likewise."""
    demo, twins = layout(), {}
    for name in LANGUAGES:
        if name != ENGLISH:
            token = LANGUAGE.set(name)
            try:
                twin = layout()
                twins[name] = (twin.config["components"], head(), twin.title)
            finally:
                LANGUAGE.reset(token)
    demo.twins = twins
    demo.config = demo.english
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
