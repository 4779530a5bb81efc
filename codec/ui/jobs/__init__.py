"""What the tabs compute. `jobs.bits` is imported, and PyTorch with it, when it is first used, and not at the start."""

import importlib
from types import ModuleType


def __getattr__(name: str) -> ModuleType:
    if name.startswith("_"):
        raise AttributeError(name)
    return importlib.import_module(f"{__name__}.{name}")
