"""The blind vote on the page's server, beside Gradio: /vote for phones, /vote/host for a lecturer, /vote/me for one.

`routes` lists the addresses; `files`, `phones`, `setting_up` and `host` answer them, each in the way of `answers`.
`preparing` codes sets in the background, `reveal` puts results into words and charts, `solo` is the vote of one person.
What a browser loads lies in `static`.
"""

import importlib
from types import ModuleType


def __getattr__(name: str) -> ModuleType:
    # `vote.reveal` brings SciPy and Plotly: when it is first used, and not at the start.
    if name.startswith("_"):
        raise AttributeError(name)
    return importlib.import_module(f"{__name__}.{name}")
