"""The state of the page as the query of its address, both ways: for lecture slides, and for whoever shares a link.

?tab=bits&example=night&model=texture&bpp=0.3&present=1 opens that state, and the address follows what is done.
"""

import math

from codec.spec import LAMBDA_MAX, LAMBDA_MIN, OPERATING_POINTS
from codec.ui import examples
from codec.ui.names import BASELINES, DECODERS, EQUALS, HISTORICAL, MODELS, ORIGINAL, OURS
from codec.ui.texts import LANGUAGES

#: The tabs, and what each has below it; the first of these is what it opens on.
PLACES: dict[str, tuple[str, ...]] = {
    "compare": ("one", "decoders", "open"),
    "course": ("lesson", "digits"),
    "history": ("all", "rnn", "importance", "attention", "cae"),
    "curves": (),
    "bits": ("map", "region"),
    "latents": ("channels", "ladder", "sampling", "between", "corrupt"),
    "vote": (),
    "about": (),
}
#: Names that tabs had before, and what took their content.
RETIRED = {
    "decoders": ("compare", "decoders"),
    "open": ("compare", "open"),
    "lesson": ("course", "lesson"),
    "digits": ("course", "digits"),
    "cae": ("history", "cae"),
    "generative": ("latents", "sampling"),
    "inside": ("latents", "channels"),
    "method": ("about", ""),
}
#: Places that have moved to another tab.
MOVED = {("course", "cae"): ("history", "cae")}
AGAINST = (*BASELINES, *HISTORICAL)
SIDES = (ORIGINAL, OURS, *(name for name in DECODERS if name not in OPERATING_POINTS), *AGAINST)
#: What a key may be: one of these words …
WORDS = {"model": MODELS, "left": SIDES, "right": SIDES, "baseline": AGAINST, "equal": EQUALS, "lang": tuple(LANGUAGES)}
#: … or a number between these; of the three rates one holds.
NUMBERS = {
    "lambda": (LAMBDA_MIN, LAMBDA_MAX),
    "bpp": (0.05, 2.0),
    "kb": (0.03, 60_000.0),
    "realism": (0.0, 1.0),
    "divider": (0.0, 100.0),
    "zoom": (1.0, 64.0),
    "x": (0.0, 1.0),  # the centre of what is seen, as a share of the image
    "y": (0.0, 1.0),
}
RATES = ("lambda", "bpp", "kb")
STEPS = 7
#: What a query has where it asks for the page of the codec, and not for the first screen.
KEYS = frozenset(("tab", "sub", "step", "example", "lecture", "present", "own", "view", *WORDS, *NUMBERS)) - {"lang"}


def parse(query: dict[str, str]) -> dict:
    """The state that a query asks for: "tab", "sub" and "step", "example" by its name, and the keys of WORDS and
    NUMBERS.

    What is unknown or not a number is left out, and what is out of range comes into it: a link that was mistyped still
    opens the page.
    """
    state: dict = {}
    tab, sub = RETIRED.get(query.get("tab", ""), (query.get("tab"), query.get("sub")))
    tab, sub = MOVED.get((tab, sub), (tab, sub))
    step = query.get("step", "")
    if step.isdecimal() and 1 <= int(step) <= STEPS and tab in (None, "course"):
        state["step"], tab = int(step), "course"
        sub = None
    if tab in PLACES:
        state["tab"] = tab
        if sub in PLACES[tab]:
            state["sub"] = sub
    name, names = query.get("example", ""), list(examples.sources())
    if name.isdecimal() and 1 <= int(name) <= len(names):  # as links said it once
        name = names[int(name) - 1]
    if name in names:
        state["example"] = name
    state |= {key: query[key] for key, words in WORDS.items() if query.get(key) in words}
    for key, (low, high) in NUMBERS.items():
        try:
            value = float(query.get(key, "nan"))
        except ValueError:
            continue
        if math.isfinite(value):
            state[key] = min(max(value, low), high)
    return state


def query(state: dict) -> dict[str, str]:
    """The query of a state: the inverse of `parse`."""
    return {key: f"{value:g}" if isinstance(value, float) else str(value) for key, value in state.items()}
