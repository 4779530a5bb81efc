"""A step of the lesson."""

import numpy as np

from codec.classroom import steps
from codec.pictures.sandbox import read_picture
from codec.ui import viewer
from codec.ui.jobs import common
from codec.ui.jobs.renditions import digest
from codec.ui.names import ORIGINAL, OURS
from codec.ui.texts import t


def computed(number: int, value: float, path: str) -> tuple[np.ndarray, np.ndarray, str]:
    """The small original, what the step makes of it, both uint8 (H, W, 3), and its figures."""
    original = steps.shrunk(read_picture(path).rgb)
    result, figures = steps.STEPS[number - 1](original, value)
    return original, result, figures


def run(number: int, value: float, path: str):
    """Yields the image of a step and its figures: see `tabs.lesson.lesson`."""
    with common.workplace() as folder:
        _, result, figures = computed(number, value, path)
        yield common.saved(folder / f"step-{number}.png", result), f"<b>{figures}</b>"


def beside(number: int, value: float, path: str):
    """Yields the original and the image of a step for the viewer, and its figures."""
    with common.workplace() as folder:
        original, result, figures = computed(number, value, path)
        entries = [
            viewer.entry(key, t(name), "", common.saved(folder / f"{key}-{number}.png", rgb)) | {"alt": alt}
            for key, name, rgb, alt in (
                (ORIGINAL, "compare.original", original, t("compare.original")),
                (OURS, "lesson.result", result, f"{t('lesson.result')}: {figures}"),
            )
        ]
        yield viewer.value(digest(original.tobytes()), original, entries, ORIGINAL, OURS, []), f"<b>{figures}</b>"
