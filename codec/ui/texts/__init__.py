"""Every text of the page by its key, in three languages: `en.toml`, `fr.toml` and `zh.toml` beside this file.

A table's name is the first part of a key: `button` in [compare] is "compare.button". What a language lacks is taken
from English. Placeholders are those of `str.format`: "{size:,} bytes". Numbers are written as the language has them.
"""

import functools
import numbers
import string
import sys
from contextvars import ContextVar
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ENGLISH = "en"
#: Our languages, and what Gradio calls them.
LANGUAGES = {"en": "en", "fr": "fr", "zh": "zh-CN"}
#: The language of the request that is being answered.
LANGUAGE: ContextVar[str] = ContextVar("language", default=ENGLISH)


#: What divides whole numbers from decimals, and thousands: plotly's name for both is `separators`.
SEPARATORS = {"en": ".,", "fr": ",\u202f", "zh": ".,"}


@functools.cache
def texts(language: str) -> dict[str, str]:
    """All texts of a language by their whole key, the English one where it has none of its own."""
    return own(language) if language == ENGLISH else texts(ENGLISH) | own(language)


def own(language: str) -> dict[str, str]:
    """What the file of a language has."""
    return flat(tomllib.loads(Path(__file__).with_name(f"{language}.toml").read_text(encoding="utf-8")))


def flat(table: dict, prefix: str = "") -> dict[str, str]:
    """A nested table as {"outer.inner": text}."""
    flattened = {}
    for key, value in table.items():
        flattened |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flattened


def written(value: float, form: str = "") -> str:
    """A number in the language of the request: 1,234.5 is 1 234,5 in French. form: as of `format`."""
    decimal, thousands = SEPARATORS[LANGUAGE.get()]
    return format(value, form).translate({ord("."): decimal, ord(","): thousands})


class Numbers(string.Formatter):
    """`str.format` with numbers in the language of the request."""

    def format_field(self, value, form: str) -> str:
        return written(value, form) if isinstance(value, numbers.Real) else format(value, form)


def t(key: str, /, **values) -> str:
    """The text of a key in the language of the request, with values in its placeholders."""
    text = texts(LANGUAGE.get())[key]
    return Numbers().format(text, **values) if values else text


def accepted(asked: str, header: str = "") -> str:
    """One of our languages: the one asked for by name, else the first that an Accept-Language header names."""
    if asked in LANGUAGES:
        return asked
    wanted = []
    for place, item in enumerate(header.split(",")[:20]):
        name, _, weight = item.strip().partition(";q=")
        try:
            wanted.append((-float(weight or 1), place, name.lower().partition("-")[0]))
        except ValueError:
            continue
    return next((name for _, _, name in sorted(wanted) if name in LANGUAGES), ENGLISH)


def section(name: str) -> dict[str, str]:
    """The texts whose keys begin with a table's name, by the rest of their keys, in the order of the file."""
    start = f"{name}."
    return {key[len(start) :]: text for key, text in texts(LANGUAGE.get()).items() if key.startswith(start)}
