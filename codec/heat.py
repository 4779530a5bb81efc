"""Numbers per block as colours over a picture."""

import numpy as np

#: Dark to bright, evenly growing in lightness, safe for colour-blind eyes (after matplotlib's "inferno").
COLOURS = np.array(
    [
        (0, 0, 4),
        (31, 12, 72),
        (85, 15, 109),
        (136, 34, 106),
        (186, 54, 85),
        (227, 89, 51),
        (249, 140, 10),
        (249, 201, 50),
        (252, 255, 164),
    ],
    dtype=np.float32,
)
CSS_GRADIENT = "linear-gradient(90deg, " + ", ".join(f"rgb({r:.0f},{g:.0f},{b:.0f})" for r, g, b in COLOURS) + ")"


def colours(values: np.ndarray) -> np.ndarray:
    """values in [0, 1], any shape -> float32 RGB in 0…255 with a last axis of 3."""
    places = np.linspace(0, 1, len(COLOURS))
    return np.stack([np.interp(values, places, channel) for channel in COLOURS.T], -1).astype(np.float32)


def over(rgb: np.ndarray, blocks: np.ndarray, top: float, size: int = 16, opacity: float = 0.7) -> np.ndarray:
    """uint8 (H, W, 3) with the map `blocks` (h, w) over it in blocks of `size` pixels; `top` is the brightest."""
    height, width = rgb.shape[:2]
    heat = colours(blocks / max(top, 1e-9)).repeat(size, 0).repeat(size, 1)[:height, :width]
    gray = rgb.astype(np.float32).mean(2, keepdims=True)
    return np.clip(opacity * heat + (1 - opacity) * gray, 0, 255).round().astype(np.uint8)
