"""What the drawings share: their size, a camera's grain, smooth edges, clouds."""

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 768, 512


def to_bytes(picture: np.ndarray, seed: int, grain: float = 0.008) -> np.ndarray:
    """Floats in 0…1 with a camera's grain as uint8."""
    noise = np.random.default_rng(seed).normal(0, grain, picture.shape)
    return ((picture + noise).clip(0, 1) * 255).round().astype(np.uint8)


def halved(picture: np.ndarray) -> np.ndarray:
    """Every 2×2 pixels as their mean, so that no edge is jagged."""
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    return picture.reshape(height, 2, width, 2, 3).mean((1, 3))


def fractal(width: int, height: int, seed: int, roughness: float = 0.55) -> np.ndarray:
    """Smooth noise of several octaves, float (height, width), roughly in -1…1."""
    rng = np.random.default_rng(seed)
    total, amplitude = np.zeros((height, width)), 1.0
    for octave in range(2, 9):
        cells = 2**octave
        coarse = rng.normal(0, 1, (max(2, cells * height // width), cells)).astype(np.float32)
        image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        total += amplitude * np.asarray(image)
        amplitude *= roughness
    return total / 2
