"""A step of the lesson."""

from codec.classroom import steps
from codec.pictures.sandbox import read_picture
from codec.ui.jobs import common


def run(number: int, value: float, path: str):
    """Yields the picture of a step and its figures: see `tabs.lesson.lesson`."""
    with common.workplace() as folder:
        shown, said = steps.STEPS[number - 1](steps.shrunk(read_picture(path).rgb), value)
        yield common.saved(folder / f"step-{number}.png", shown), f"<b data-alt-for='step-picture-{number}'>{said}</b>"
