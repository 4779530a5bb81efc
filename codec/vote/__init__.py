"""Blind comparisons by a class: sets of frozen images, trials, votes, and what the votes say.

Nothing here knows of the page; `codec.ui.vote` serves it. In reading order: `sets`, `presets`, `prepare`, `trials`,
`ballots`, `database`, `rooms`, `voters`, `store`, `statistics`, `results`, `charts`, `export`. `vote.prepare` is
imported, and PyTorch with it, when it is first used; so are SciPy and Plotly by `vote.results` and `vote.charts`.
"""

import importlib
from types import ModuleType


def __getattr__(name: str) -> ModuleType:
    if name.startswith("_"):
        raise AttributeError(name)
    return importlib.import_module(f"{__name__}.{name}")
