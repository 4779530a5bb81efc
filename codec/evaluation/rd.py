"""Rate–distortion points of our codec and of classical ones on every picture of a folder.

A point is one picture at one setting. Classical codecs run over qualities, ours over the anchor λ's, the systems of
history over their networks, or steps. For
JPEG a setting is a quality at 4:2:0, whose size then goes to the better of 4:2:0 and 4:4:4 by PSNR. For
JPEG 2000 it is a PSNR to aim at, so that hard pictures get more bits, as they do from a quality. It is an even
harsher rule than that, and costs it a little in means over pictures; at equal sizes it is not so (see `iso`).
"""

from pathlib import Path

from codec.classroom.history import systems
from codec.evaluation.curves import summarize
from codec.evaluation.measure import over_folder, rd_points
from codec.results import is_ours
from codec.spec import ANCHORS, HISTORY

QUALITIES = {
    "jpeg": (5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90),
    "webp": (1, 10, 25, 40, 55, 70, 80, 88, 94),
    "jpeg2000": (24, 26, 28, 30, 32, 34, 36, 38),
    "avif": (20, 30, 40, 50, 60, 70, 80, 88),
    "heic": (8, 15, 22, 30, 38, 46, 54, 64),
    "jxl": (0, 8, 15, 25, 40, 55, 70, 80, 90),
}


def settings_of(codec: str) -> tuple[float, ...]:
    if codec in HISTORY:
        return systems.settings(codec)
    return ANCHORS if is_ours(codec) else QUALITIES[codec]


def evaluate(folder: Path, out: Path, codecs: list[str], workers: int | None, engine="pool", address=None) -> dict:
    """Measures what `out` does not hold yet, and writes it there. Returns the whole contents."""

    def jobs(paths: list[Path], rows: list[dict]) -> list[tuple]:
        done = {(r["image"], r["codec"], r["setting"]) for r in rows}
        pending = []
        for path in paths:
            for codec in codecs:
                wanted = [s for s in settings_of(codec) if (path.name, codec, s) not in done]
                if wanted:
                    pending.append((str(path), codec, wanted))
        return pending

    return over_folder(folder, out, codecs, rd_points, jobs, summarize, workers, engine, address)
