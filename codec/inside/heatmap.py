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
)
OPACITY = 0.7  # of the colours over a picture, which is grey below them
CSS_GRADIENT = "linear-gradient(90deg, " + ", ".join(f"rgb({r:.0f},{g:.0f},{b:.0f})" for r, g, b in COLOURS) + ")"


def colours(values: np.ndarray) -> np.ndarray:
    """values, clipped to [0, 1], of any shape -> float32 RGB in 0…255 with a last axis of 3."""
    stops = np.linspace(0, 1, len(COLOURS))
    return np.stack([np.interp(values, stops, channel) for channel in COLOURS.T], -1).astype(np.float32)


def over(rgb: np.ndarray, blocks: np.ndarray, top: float, size: int = 16) -> np.ndarray:
    """uint8 (H, W, 3) with the map `blocks` (h, w) over it in blocks of `size` pixels; `top` is the brightest."""
    height, width = rgb.shape[:2]
    heat = colours(blocks / max(top, 1e-9)).repeat(size, 0).repeat(size, 1)[:height, :width]
    gray = rgb.astype(np.float32).mean(2, keepdims=True)
    return np.clip(OPACITY * heat + (1 - OPACITY) * gray, 0, 255).round().astype(np.uint8)
