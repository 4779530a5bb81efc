"""Drawings of solids under studio light: a face, and a cup with two oranges."""

import numpy as np

from codec.ui.drawings import solids
from codec.ui.drawings.canvas import HEIGHT, WIDTH, fractal, halved, to_bytes


def portrait() -> np.ndarray:
    """A face, modelled from ellipsoids, lit from the upper left."""
    width, height = 2 * 512, 2 * 640

    def mirrored(p: np.ndarray) -> np.ndarray:
        return np.concatenate([np.abs(p[:, :1]), p[:, 1:]], 1)

    def skin(p: np.ndarray) -> np.ndarray:
        q = mirrored(p)
        d = solids.ellipsoid(p, (0, 0.17, -0.02), (0.375, 0.45, 0.42))  # skull
        d = solids.union(d, solids.ellipsoid(p, (0, -0.12, 0.1), (0.25, 0.3, 0.27)), 0.14)  # jaw
        d = solids.union(d, solids.ellipsoid(q, (0.165, 0.0, 0.25), (0.1, 0.09, 0.09)), 0.12)  # cheek
        d = solids.carve(d, solids.ellipsoid(q, (0.145, 0.135, 0.42), (0.1, 0.062, 0.09)), 0.08)  # socket
        d = solids.union(d, solids.capsule(q, (0.06, 0.225, 0.385), (0.23, 0.225, 0.31), 0.018), 0.07)  # brow
        d = solids.union(d, solids.capsule(p, (0, 0.17, 0.38), (0, 0.005, 0.46), 0.026), 0.07)  # nose
        d = solids.union(d, solids.ellipsoid(p, (0, -0.015, 0.455), (0.05, 0.04, 0.045)), 0.04)
        d = solids.union(d, solids.ellipsoid(q, (0.05, -0.025, 0.42), (0.033, 0.026, 0.04)), 0.03)
        d = solids.union(d, solids.ellipsoid(q, (0.03, -0.143, 0.363), (0.062, 0.019, 0.04)), 0.018)  # lips
        d = solids.union(d, solids.ellipsoid(p, (0, -0.185, 0.357), (0.07, 0.024, 0.045)), 0.02)
        d = solids.carve(d, solids.capsule(q, (0, -0.163, 0.41), (0.1, -0.158, 0.35), 0.004), 0.012)
        d = solids.union(d, solids.ellipsoid(p, (0, -0.31, 0.3), (0.09, 0.075, 0.08)), 0.1)  # chin
        d = solids.union(d, solids.ellipsoid(q, (0.375, 0.06, -0.03), (0.04, 0.1, 0.065)), 0.04)  # ear
        return solids.union(d, solids.capsule(p, (0, -0.3, -0.06), (0, -0.8, -0.12), 0.165), 0.08)  # neck

    def eyes(p: np.ndarray) -> np.ndarray:
        return solids.ellipsoid(mirrored(p), (0.145, 0.128, 0.31), (0.073, 0.052, 0.06))

    def hair(p: np.ndarray) -> np.ndarray:
        strands = 0.008 * np.sin(70 * np.arctan2(p[:, 0], p[:, 2] + 0.6) + 9 * p[:, 1])
        d = solids.ellipsoid(p, (0, 0.27, -0.11), (0.44, 0.455, 0.46)) + strands
        d = solids.union(d, solids.capsule(mirrored(p), (0.37, 0.2, -0.12), (0.36, -0.4, -0.2), 0.12) + strands, 0.12)
        return solids.carve(d, solids.ellipsoid(p, (0.03, -0.02, 0.42), (0.34, 0.46, 0.4)), 0.05)

    def coat(p: np.ndarray) -> np.ndarray:
        d = solids.ellipsoid(p, (0, -1.13, -0.15), (0.8, 0.52, 0.4)) + 0.004 * np.sin(60 * p[:, 1] + 40 * p[:, 0] ** 2)
        return solids.carve(d, solids.ellipsoid(p, (0, -0.62, 0.02), (0.23, 0.3, 0.3)), 0.03)

    def everything(p: np.ndarray) -> np.ndarray:
        return np.minimum(np.minimum(skin(p), eyes(p)), np.minimum(hair(p), coat(p)))

    origin, direction = solids.rays(width, height, 3.6)
    c, s = np.cos(0.28), np.sin(0.28)
    spin = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)  # the head is turned a little
    t, hit = solids.march(everything, origin @ spin, direction @ spin, 2.7, 4.8)
    v, u = np.mgrid[0:height, 0:width] / height
    glow = np.exp(-((u - 0.25) ** 2 + (v - 0.3) ** 2) * 4)[..., None]
    blurred = fractal(width, height, 5, 0.35)[..., None]
    picture = (np.array([0.16, 0.2, 0.22]) + glow * [0.34, 0.32, 0.26] + 0.05 * blurred * [1, 0.9, 0.7]).reshape(-1, 3)
    p = (origin + t[:, None] * direction)[hit] @ spin
    n = solids.normals(everything, p)
    which = np.argmin([skin(p), eyes(p), hair(p), coat(p)], axis=0)
    rough = fractal(width, height, 6, 0.9).reshape(-1)[hit]
    color = np.array([[0.80, 0.56, 0.44], [0.93, 0.92, 0.9], [0.17, 0.09, 0.05], [0.13, 0.22, 0.34]])[which]
    q = mirrored(p)
    lips = (which == 0) & (np.abs(q[:, 0]) < 0.1) & (np.abs(q[:, 1] + 0.164) < 0.042 - 0.3 * q[:, 0] ** 2 / 0.1)
    color[lips & (p[:, 2] > 0.3)] = [0.68, 0.33, 0.31]
    flush = np.exp(-((q[:, 0] - 0.2) ** 2 + (q[:, 1] + 0.02) ** 2) * 60) * (which == 0)
    color += flush[:, None] * [0.05, -0.05, -0.04]
    brow = (
        (which == 0) & (np.abs(q[:, 1] - 0.232 - 0.03 * np.sin(9 * q[:, 0])) < 0.016) & (np.abs(q[:, 0] - 0.145) < 0.1)
    )
    color[brow & (p[:, 2] > 0.1)] *= 0.42
    r = np.hypot(q[:, 0] - 0.143, q[:, 1] - 0.128)
    color[(which == 1) & (r < 0.033)] = [0.22, 0.33, 0.30]
    color[(which == 1) & (r < 0.0165)] = 0.02
    color *= 1 + np.array([0.05, 0.0, 0.35, 0.25])[which][:, None] * rough[:, None]
    lit = solids.light_at(everything, p, n) * np.clip(n @ (solids.LIGHT @ spin), 0, 1)
    open_ = solids.openness(everything, p, n)
    half = solids.LIGHT @ spin + np.float32([0, 0, 1]) @ spin
    shine = np.clip(n @ (half / solids.length(half)), 0, 1)[:, None]
    gloss = np.array([[14, 0.13], [90, 0.9], [22, 0.16], [8, 0.05]])[which]
    rim = np.clip(1 + n @ (direction[hit] @ spin).mean(0), 0, 1)[:, None] ** 3
    shaded = color * (lit[:, None] * [1.05, 0.98, 0.88] + open_[:, None] * [0.26, 0.29, 0.34])
    shaded += gloss[:, 1:] * shine ** gloss[:, :1] * lit[:, None] + 0.15 * rim * open_[:, None]
    picture[hit] = shaded
    return to_bytes(halved(picture.reshape(height, width, 3).clip(0, 1) ** 0.85), 7, 0.01)


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
