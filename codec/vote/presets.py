"""What can be compared, and which images serve. Without PyTorch, for what has to start quickly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from codec.errors import ImageError
from codec.vote.sets import SIDE

MAX_SHORT_SIDE = 1024  # larger images are scaled down: of 48 megapixels a crop would show next to nothing


@dataclass(frozen=True)
class Preset:
    """What is compared, at which rate. A method is a baseline, a decoder, or DECODER@REALISM."""

    methods: tuple[str, ...]
    bpp: float = 0.14


PRESETS = {
    "generative": Preset(("mse", "hific")),
    "codecs": Preset(("jpeg", "avif", "mse", "hific")),
    "realism": Preset(("hific@0", "hific@0.5", "hific@1")),
}


class Stopped(Exception):
    """Nobody waits for the set any more."""


def steps(images: int, preset: Preset) -> int:
    """How often `prepare` tells its progress."""
    return images * (len(preset.methods) + 1)


def fitted(rgb: np.ndarray, title: str) -> np.ndarray:
    """The image, scaled down where its short side exceeds MAX_SHORT_SIDE. Raises ImageError where it is too small."""
    height, width = rgb.shape[:2]
    short = min(height, width)
    if short < SIDE:
        raise ImageError(f"The image '{title}' has {width}×{height} pixels; a vote needs at least {SIDE}×{SIDE}.")
    if short <= MAX_SHORT_SIDE:
        return rgb
    size = [max(SIDE, round(side * MAX_SHORT_SIDE / short)) for side in (width, height)]
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS))
