"""A small ray marcher: pictures of solids given as signed distances, float32 arrays all through.

A distance is a function of points (N, 3); the camera sits at +z and looks towards -z.
"""

from collections.abc import Callable

import numpy as np

Distance = Callable[[np.ndarray], np.ndarray]
LIGHT = np.array([-0.5, 0.7, 0.55], np.float32) / np.float32(1.035)


def length(v: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("...i,...i", v, v))


def ellipsoid(p: np.ndarray, centre, radii) -> np.ndarray:
    q = (p - np.float32(centre)) / np.float32(radii)
    k0, k1 = length(q), length(q / np.float32(radii))
    return k0 * (k0 - 1) / np.maximum(k1, 1e-6)


def rounded_cylinder(p: np.ndarray, radius: float, half: float, edge: float) -> np.ndarray:
    """Around the y axis."""
    q = np.stack([np.hypot(p[:, 0], p[:, 2]) - radius + edge, np.abs(p[:, 1]) - half + edge], 1)
    return length(np.maximum(q, 0)) + np.minimum(q.max(1), 0) - np.float32(edge)


def torus(p: np.ndarray, centre, ring: float, tube: float) -> np.ndarray:
    """In the x–y plane."""
    q = p - np.float32(centre)
    return np.hypot(np.hypot(q[:, 0], q[:, 1]) - ring, q[:, 2]) - np.float32(tube)


def union(a: np.ndarray, b: np.ndarray, k: float) -> np.ndarray:
    """The smaller distance, blended over about k."""
    h = np.maximum(k - np.abs(a - b), 0) / np.float32(k)
    return np.minimum(a, b) - h * h * np.float32(k / 4)


def carve(a: np.ndarray, b: np.ndarray, k: float) -> np.ndarray:
    """a without b, the edge rounded over about k."""
    return -union(-a, b, k)


def rays(width: int, height: int, eye: float, pitch: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Origins and directions, one a pixel; the picture's height spans -1…1 at z = 0. pitch: radians from above."""
    v, u = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = (2 * u - width + 1) / height, (height - 1 - 2 * v) / height
    direction = np.stack([x, y, np.full_like(x, -eye)], 2).reshape(-1, 3)
    direction /= length(direction)[:, None]
    c, s = np.cos(pitch), np.sin(pitch)
    turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]], np.float32)
    origin = np.array([0, 0, eye], np.float32) @ turn
    return np.broadcast_to(origin, direction.shape), direction @ turn


def march(f: Distance, origin: np.ndarray, direction: np.ndarray, near: float, far: float, steps: int = 64):
    """Where the rays hit: distances along them, and a mask of those that do."""
    t = np.full(len(origin), near, np.float32)
    active, hit = np.arange(len(origin)), np.zeros(len(origin), bool)
    for _ in range(steps):
        d = f(origin[active] + t[active, None] * direction[active])
        t[active] += d * np.float32(0.9)
        close = d < 1.5e-3
        hit[active[close]] = True
        active = active[~close & (t[active] < far)]
        if not len(active):
            break
    return t, hit


def normals(f: Distance, p: np.ndarray, h: float = 2e-3) -> np.ndarray:
    corners = np.array([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]], np.float32)
    n = sum(c * f(p + np.float32(h) * c)[:, None] for c in corners)
    return n / np.maximum(length(n), 1e-9)[:, None]


def light_at(f: Distance, p: np.ndarray, n: np.ndarray, softness: float = 7.0) -> np.ndarray:
    """0 in full shadow … 1 in the light, from LIGHT."""
    seen, t = np.ones(len(p), np.float32), np.full(len(p), 0.03, np.float32)
    start = p + 0.01 * n
    for _ in range(18):
        d = f(start + t[:, None] * LIGHT)
        seen = np.minimum(seen, np.clip(softness * d / t, 0, 1))
        t += np.clip(d, 0.03, 0.2)
    return seen


def openness(f: Distance, p: np.ndarray, n: np.ndarray) -> np.ndarray:
    """How much of the sky a point sees: 0 in a crease … 1 in the open."""
    hidden = np.zeros(len(p), np.float32)
    for i, h in enumerate((0.04, 0.12, 0.25)):
        hidden += (h - f(p + np.float32(h) * n)) / 2**i / np.float32(h)
    return np.clip(1 - 0.5 * hidden, 0, 1)
