"""A drawing of solids under studio light: a cup with two oranges."""

import numpy as np

from codec.ui.drawings import solids
from codec.ui.drawings.canvas import HEIGHT, WIDTH, fractal, halved, to_bytes


def product() -> np.ndarray:
    """A cup and two oranges on a white table, with the soft shadows of a studio."""
    width, height = 2 * WIDTH, 2 * HEIGHT

    def cup(p: np.ndarray) -> np.ndarray:
        q = p - np.float32([-0.3, 0, 0])
        hollow = solids.rounded_cylinder(q - np.float32([0, 0.12, 0]), 0.37, 0.46, 0.05)
        d = solids.carve(solids.rounded_cylinder(q, 0.42, 0.45, 0.06), hollow, 0.02)
        handle = np.maximum(solids.torus(p, (0.14, 0.0, 0), 0.22, 0.05), 0.40 - solids.length(q[:, ::2]))
        return np.minimum(d, handle)

    def tea(p: np.ndarray) -> np.ndarray:
        return solids.rounded_cylinder(p - np.float32([-0.3, 0.1, 0]), 0.38, 0.2, 0.01)

    def fruit(p: np.ndarray) -> np.ndarray:
        d = solids.ellipsoid(p, (0.72, -0.15, 0.25), (0.31, 0.295, 0.31))
        return np.minimum(d, solids.ellipsoid(p, (0.98, -0.18, -0.35), (0.28, 0.27, 0.28)))

    def floor(p: np.ndarray) -> np.ndarray:
        return p[:, 1] + np.float32(0.45)

    def everything(p: np.ndarray) -> np.ndarray:
        return np.minimum(np.minimum(cup(p), tea(p)), np.minimum(fruit(p), floor(p)))

    origin, direction = solids.rays(width, height, 4.2, 0.42)
    origin = origin + np.float32([0.2, -0.05, 0])
    t, hit = solids.march(everything, origin, direction, 2.6, 9.0, 80)
    picture = np.full((height * width, 3), 0.97)
    p = (origin + t[:, None] * direction)[hit]
    n = solids.normals(everything, p)
    which = np.argmin([cup(p), tea(p), fruit(p), floor(p)], axis=0)
    color = np.array([[0.16, 0.36, 0.52], [0.42, 0.17, 0.05], [0.95, 0.48, 0.06], [0.95, 0.95, 0.95]])[which]
    angle = np.arctan2(p[:, 0] + 0.3, p[:, 2])
    band = (which == 0) & (np.abs(p[:, 1] - 0.02 - 0.035 * np.sin(9 * angle)) < 0.035)
    inner = (which == 0) & (np.hypot(p[:, 0] + 0.3, p[:, 2]) < 0.385) & (p[:, 1] > -0.3)
    color[band | inner] = [0.93, 0.91, 0.86]
    pores = fractal(width, height, 41, 0.98).reshape(-1)[hit]
    n = n + (which == 2)[:, None] * 0.05 * pores[:, None]
    n /= solids.length(n)[:, None]
    lit = solids.light_at(everything, p, n, 5) * np.clip(n @ solids.LIGHT, 0, 1)
    half = solids.LIGHT - direction[hit]
    shine = np.clip(np.einsum("ij,ij->i", n, half) / solids.length(half), 0, 1)[:, None]
    gloss = np.array([[120, 0.9], [200, 0.5], [28, 0.28], [1, 0.0]])[which]
    shaded = color * (0.75 * lit[:, None] + 0.42 * solids.openness(everything, p, n)[:, None])
    shaded += gloss[:, 1:] * shine ** gloss[:, :1] * (lit > 0.05)[:, None]
    facing = np.clip(1 + np.einsum("ij,ij->i", n, direction[hit]), 0, 1)[:, None] ** 4
    shaded += 0.3 * facing * (which < 2)[:, None]
    table = which == 3  # white paper: nothing but the shadow is left of it
    shaded[table] = np.minimum(0.97, shaded[table] / 0.87)
    picture[hit] = shaded
    return to_bytes(halved(picture.reshape(height, width, 3).clip(0, 1)), 42, 0.004)
