"""Draws the examples that are shipped in `pictures/`: python -m codec.ui.drawings writes them again.

They are ours, given away under CC0 1.0, and were never in a lossy file.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from codec.ui import solids

WIDTH, HEIGHT = 768, 512
WORDS = (
    "A picture is a great many numbers, and most of them are no surprise. A codec predicts what it can, writes down "
    "what it could not, and spends its bits where they change the picture most. How much change a bit is worth is "
    "the λ you choose: R + λ·D is what is made small. "
)


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


def foliage() -> np.ndarray:
    """Some two thousand leaves, from the shade at the back to the light in front."""
    rng, scale = np.random.default_rng(3), 2
    image = Image.new("RGB", (WIDTH * scale, HEIGHT * scale), (10, 22, 8))
    outline = np.linspace(0, 1, 15)
    half = np.sin(np.pi * outline**0.8) * 0.24 * (1 - 0.35 * outline)
    for layer in range(5):
        near = layer / 4
        draw = ImageDraw.Draw(image)
        for _ in range(round(900 - 600 * near)):
            x, y = rng.uniform(-60, WIDTH * scale + 60), rng.uniform(-60, HEIGHT * scale + 60)
            size, angle = rng.uniform(60, 110) * (0.7 + 0.9 * near), rng.normal(1.0, 0.75)
            light = np.clip(
                0.25 + 0.65 * near + 0.25 * np.sin(x / 260 + 1) * np.cos(y / 210) + rng.normal(0, 0.12), 0.08, 1.15
            )
            base = np.array([58, 120, 30]) + rng.normal(0, 1, 3) * [16, 12, 8] + near * np.array([70, 50, 14])
            along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
            spine = np.array([x, y]) + size * outline[:, None] * along
            for side, shade in ((1, 1.0), (-1, 0.74)):
                edge = spine + size * side * half[:, None] * across
                points = np.concatenate([spine, edge[::-1]]).ravel().tolist()
                draw.polygon(points, fill=tuple(np.clip(base * light * shade, 0, 255).astype(int).tolist()))
                for k in range(2, 13, 2):
                    vein = [tuple(spine[k]), tuple(spine[min(k + 2, 14)] * 0.3 + edge[min(k + 1, 14)] * 0.7)]
                    draw.line(
                        vein, fill=tuple(np.clip(base * light * shade * 1.18, 0, 255).astype(int).tolist()), width=1
                    )
            rib = tuple(np.clip(base * light * 1.35 + 10, 0, 255).astype(int).tolist())
            draw.line([tuple(spine[0]), tuple(spine[-1])], fill=rib, width=2)
        if layer < 4:
            image = image.filter(ImageFilter.GaussianBlur((3.5, 2, 1, 0)[layer]))
    small = np.asarray(image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)) / 255
    sun = np.clip(fractal(WIDTH, HEIGHT, 9, 0.4), 0, 1)[..., None] ** 1.5
    return to_bytes(small * (0.9 + 0.5 * sun * [1.1, 1.0, 0.6]), 4)


def brick_wall(columns: int, floors: int, seed: int) -> Image.Image:
    """A façade seen from the front: bricks, cornices, windows that reflect a sky; 120 × 150 pixels a window."""
    rng = np.random.default_rng(seed)
    width, height = columns * 120, floors * 150
    v, u = np.mgrid[0:height, 0:width]
    row = v // 6
    column = (u + 8 * (row % 2)) // 16
    tone = rng.normal(0, 0.06, (height // 6 + 2, width // 16 + 3))[row, column]
    wall = np.array([0.62, 0.34, 0.26]) * (1 + tone[..., None])
    mortar = (v % 6 == 5) | ((u + 8 * (row % 2)) % 16 == 15)
    wall[mortar] = [0.66, 0.62, 0.57]
    wall *= 1 + 0.05 * fractal(width, height, seed + 1, 0.7)[..., None]
    image = Image.fromarray((wall.clip(0, 1) * 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for j in range(floors):
        draw.rectangle([0, 150 * j, width, 150 * j + 7], fill=(203, 192, 174))
        draw.line([0, 150 * j + 8, width, 150 * j + 8], fill=(96, 70, 60), width=2)
        for i in range(columns):
            x, y = 120 * i + 32, 150 * j + 36
            draw.rectangle([x - 6, y - 8, x + 61, y + 92], fill=(214, 204, 188))
            draw.rectangle([x - 11, y + 90, x + 66, y + 98], fill=(226, 217, 202))
            draw.line([x - 11, y + 99, x + 66, y + 99], fill=(80, 58, 50), width=2)
            for k in range(86):
                sky = rng.uniform(0.9, 1.0) * (1 - k / 130)
                draw.line([x, y + k, x + 55, y + k], fill=(round(92 * sky), round(122 * sky), round(148 * sky)))
            if rng.random() < 0.5:
                draw.polygon([x, y, x + 20, y, x + 8, y + 86, x, y + 86], fill=(222, 216, 204))
            draw.rectangle([x, y, x + 55, y + 4], fill=(40, 46, 52))
            for bar in (
                [x + 26, y, x + 29, y + 86],
                [x, y + 28, x + 55, y + 30],
                [x, y, x + 2, y + 86],
                [x + 53, y, x + 55, y + 86],
            ):
                draw.rectangle(bar, fill=(240, 238, 232))
    return image


def architecture() -> np.ndarray:
    """The corner of a brick building, its two walls in perspective."""
    scale = 2
    width, height = WIDTH * scale, HEIGHT * scale
    v, _ = np.mgrid[0:height, 0:width] / height
    clouds = np.clip(fractal(width, height, 20, 0.55) * 0.7 + 0.1, 0, 1)[..., None]
    sky = np.array([0.36, 0.57, 0.83]) * (1 - v[..., None]) + np.array([0.78, 0.86, 0.92]) * v[..., None]
    sky = sky * (1 - clouds) + 0.97 * clouds
    image = Image.fromarray((sky.clip(0, 1) * 255).astype(np.uint8))
    corner = 0.44 * width
    walls = (
        (brick_wall(5, 6, 21), [(-40, 330), (corner, 70), (corner, 1090), (-40, 940)], 0.62),
        (brick_wall(9, 6, 22), [(corner, 70), (width + 60, 420), (width + 60, 890), (corner, 1090)], 1.04),
    )
    for wall, quad, light in walls:
        lit = Image.fromarray((np.asarray(wall) * light).clip(0, 255).astype(np.uint8))
        corners = [(0, 0), (wall.width, 0), (wall.width, wall.height), (0, wall.height)]
        rows = []
        for (x, y), (p, q) in zip(quad, corners, strict=True):
            rows += [[x, y, 1, 0, 0, 0, -p * x, -p * y], [0, 0, 0, x, y, 1, -q * x, -q * y]]
        plan = np.linalg.solve(np.array(rows), np.array(corners, float).ravel()).tolist()
        warped = lit.transform(image.size, Image.Transform.PERSPECTIVE, plan, Image.Resampling.BICUBIC)
        mask = Image.new("L", image.size)
        ImageDraw.Draw(mask).polygon(quad, fill=255)
        image.paste(warped, mask=mask)
    draw = ImageDraw.Draw(image)
    draw.line([(-40, 326), (corner, 62), (width + 60, 414)], fill=(226, 218, 204), width=16)
    draw.line([(-40, 338), (corner, 74), (width + 60, 424)], fill=(70, 52, 46), width=4)
    draw.line([(corner, 74), (corner, 1090)], fill=(92, 60, 50), width=3)
    small = np.asarray(image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)) / 255
    return to_bytes(small, 23, 0.006)


def night() -> np.ndarray:
    """A city across the water after dark: windows, street lamps, and what the waves make of them."""
    rng, shore = np.random.default_rng(31), 330
    v, _ = np.mgrid[0:shore, 0:WIDTH]
    picture = np.zeros((HEIGHT, WIDTH, 3))
    glow = np.exp((v - shore) / 90.0)[..., None]
    picture[:shore] = np.array([0.03, 0.05, 0.13]) + glow * [0.62, 0.36, 0.30]
    stars = rng.random((shore, WIDTH)) > 0.9985
    picture[:shore][stars] += rng.uniform(0.1, 0.6, (stars.sum(), 1))
    for depth in range(3):
        x = -20
        while x < WIDTH:
            w, h = int(rng.integers(26, 74)), int(rng.integers(50, 130) + (2 - depth) * 55 * rng.random())
            top, left, right = shore - h, max(x, 0), min(x + w, WIDTH)
            tone = np.array([0.13, 0.12, 0.17]) * (1.2 - 0.42 * depth)
            picture[top:shore, left:right] = tone
            for wy in range(top + 5, shore - 5, 7):
                for wx in range(x + 4, x + w - 4, 6):
                    if 0 <= wx < WIDTH - 3 and rng.random() < 0.36:
                        warm = np.array([[1.0, 0.78, 0.42], [1.0, 0.9, 0.7], [0.7, 0.85, 1.0]])[rng.integers(0, 3)]
                        picture[wy : wy + 4, wx : wx + 3] = warm * rng.uniform(0.35, 1.3)
            x += w + int(rng.integers(-6, 8))
    for x in range(14, WIDTH, 38):  # lamps along the shore
        picture[shore - 8 : shore - 3, x : x + 5] = [2.2, 1.6, 0.8]
    # The water: the city upside down, shaken more the nearer it is.
    for y in range(shore, HEIGHT):
        near = (y - shore) / (HEIGHT - shore)
        wave = np.sin(y * 0.9 / (0.25 + near) + np.arange(WIDTH) / (18 + 60 * near)) * (1 + 9 * near)
        source = shore - 1 - (y - shore) * 1.25 + wave + rng.normal(0, 2.5 * near + 0.4)
        rows = np.clip(source, 0, shore - 1).astype(int)
        columns = np.clip(np.arange(WIDTH) + wave * 0.6, 0, WIDTH - 1).astype(int)
        picture[y] = picture[rows, columns] * [0.5, 0.55, 0.65] + np.array([0.008, 0.014, 0.03])
    smear = np.cumsum(np.pad(picture[shore:], ((8, 8), (0, 0), (0, 0)), "edge"), 0)
    picture[shore:] = 0.35 * picture[shore:] + 0.65 * (smear[16:] - smear[:-16]) / 16
    bright = Image.fromarray((np.clip(picture - 0.45, 0, 1) * 255).astype(np.uint8))
    for radius, weight in ((2, 0.6), (9, 1.1), (26, 1.3)):
        picture += weight * np.asarray(bright.filter(ImageFilter.GaussianBlur(radius))) / 255
    return to_bytes(picture, 32, 0.016)


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


def comic() -> np.ndarray:
    """Two panels in ink, flat colours and halftone dots."""
    scale = 3
    paper = (250, 246, 234)
    image = Image.new("RGB", (WIDTH * scale, HEIGHT * scale), paper)
    draw = ImageDraw.Draw(image)
    ink, skin, red, blue, yellow = (22, 20, 26), (250, 205, 166), (214, 52, 44), (52, 104, 182), (252, 206, 66)

    def s(*values: float) -> list[float]:
        return [scale * v for v in values]

    def dots(box: tuple[int, int, int, int], color: tuple[int, int, int], step: int, grow) -> None:
        for j, y in enumerate(range(box[1], box[3], step)):
            for x in range(box[0] + (j % 2) * step // 2, box[2], step):
                r = grow((x - box[0]) / (box[2] - box[0]), (y - box[1]) / (box[3] - box[1])) * step
                draw.ellipse(s(x - r, y - r, x + r, y + r), fill=color)

    def inked(points: list[tuple[float, float]], fill, width: float = 3.5) -> None:
        flat = [(scale * x, scale * y) for x, y in points]
        draw.polygon(flat, fill=fill)
        draw.line([*flat, flat[0], flat[1]], fill=ink, width=round(width * scale), joint="curve")

    draw.rectangle(s(396, 24, 744, 488), fill=yellow)
    for k in range(28):
        a, b = 2 * np.pi * k / 28, 2 * np.pi * (k + 0.5) / 28
        x, y, r = 570, 300, 420
        draw.polygon(
            s(x, y, x + r * np.cos(a), y + r * np.sin(a), x + r * np.cos(b), y + r * np.sin(b)), fill=(246, 150, 46)
        )

    draw.rectangle(s(0, 0, 395, 512), fill=paper)
    draw.rectangle(s(24, 24, 372, 488), fill=(132, 200, 226))
    dots((24, 24, 372, 300), (96, 170, 208), 9, lambda x, y: 0.48 * (1 - y))
    rng = np.random.default_rng(51)
    for x in range(24, 372, 58):
        top = 240 + int(rng.integers(0, 110))
        inked([(x, 488), (x, top), (x + 58, top), (x + 58, 488)], (92, 98, 142) if x % 116 else (120, 126, 168), 2.5)
        for wy in range(top + 14, 470, 26):
            for wx in (x + 10, x + 34):
                draw.rectangle(
                    s(wx, wy, wx + 13, wy + 15),
                    fill=yellow if rng.random() < 0.5 else (60, 64, 100),
                    outline=ink,
                    width=4,
                )
    inked([(150, 250), (80, 330), (64, 420), (150, 372), (196, 300)], red)  # cape
    inked([(146, 232), (206, 232), (222, 330), (200, 352), (160, 352), (136, 320)], blue)
    inked([(206, 238), (282, 176), (296, 190), (222, 268)], blue)  # the arm up
    draw.ellipse(s(276, 152, 314, 192), fill=skin, outline=ink, width=10)
    inked([(160, 350), (152, 430), (176, 432), (184, 352)], blue)
    inked([(184, 352), (206, 430), (228, 424), (202, 346)], blue)
    draw.ellipse(s(142, 158, 210, 240), fill=skin, outline=ink, width=10)
    inked([(140, 200), (146, 154), (186, 140), (214, 164), (208, 186), (180, 170), (152, 184)], ink, 2)
    draw.ellipse(s(158, 192, 168, 206), fill=ink)
    draw.ellipse(s(184, 192, 194, 206), fill=ink)
    draw.arc(s(160, 204, 194, 228), 20, 160, fill=ink, width=9)
    draw.polygon(s(164, 262, 190, 262, 177, 290), fill=yellow, outline=ink, width=7)

    dots((396, 330, 744, 488), red, 10, lambda x, y: 0.5 * y)
    burst = []
    for k in range(36):
        r = (150, 96)[k % 2] * (1 + 0.12 * np.sin(5 * k))
        burst.append((570 + 1.05 * r * np.cos(2 * np.pi * k / 36), 312 + 0.86 * r * np.sin(2 * np.pi * k / 36)))
    inked(burst, (255, 255, 255), 5)
    for offset, color in ((4, ink), (0, red)):
        look = {"fill": color, "anchor": "mm", "stroke_width": 3 * scale, "stroke_fill": ink}
        draw.text(s(570 + offset, 312 + offset), "ZIP!", font=ImageFont.load_default(92 * scale), **look)
    draw.ellipse(s(420, 44, 722, 144), fill="white", outline=ink, width=9)
    draw.polygon(s(500, 134, 540, 140, 500, 186), fill="white")
    draw.line(s(500, 136, 500, 186, 540, 141), fill=ink, width=9, joint="curve")
    for i, line in enumerate(("So many pixels...", "so few bytes!")):
        draw.text(
            (scale * 571, scale * (80 + 32 * i)), line, font=ImageFont.load_default(27 * scale), fill=ink, anchor="mm"
        )
    for margin in ((0, 0, 768, 24), (0, 488, 768, 512), (0, 0, 24, 512), (372, 0, 396, 512), (744, 0, 768, 512)):
        draw.rectangle(s(*margin), fill=paper)
    for frame in ((24, 24, 372, 488), (396, 24, 744, 488)):
        draw.rectangle(s(*frame), outline=ink, width=4 * scale)
    return np.asarray(image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS))


def mountains() -> np.ndarray:
    """Ridges fading into haze under an evening sky."""
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH] / HEIGHT
    sky = np.stack([0.98 - 0.45 * (1 - v), 0.72 - 0.25 * np.abs(v - 0.35), 0.55 + 0.3 * (1 - v)], 2)
    sky += 0.05 * fractal(WIDTH, HEIGHT, 1)[:, :, None]
    sky += 0.5 * np.exp(-((u - 1.05) ** 2 + (v - 0.3) ** 2) * 60)[:, :, None] * [1, 0.8, 0.5]
    picture = sky
    for layer in range(6):
        ridge = 0.36 + 0.1 * layer + (0.05 + 0.012 * layer) * fractal(WIDTH, 4, 10 + layer, 0.62)[0]
        depth = np.clip((v - ridge) * HEIGHT, 0, 1)[:, :, None]
        near = layer / 5
        shade = fractal(WIDTH, HEIGHT, 30 + layer, 0.8)[:, :, None] * 0.13 * near
        color = np.array([0.62, 0.55, 0.6]) * (1 - near) + np.array([0.10, 0.19, 0.12]) * near
        picture = picture * (1 - depth) + (color * (1 + 0.25 * (v - ridge))[:, :, None] + shade) * depth
    return to_bytes(picture, 2)


def text_page() -> np.ndarray:
    """A page of running text in two sizes."""
    image = Image.new("RGB", (WIDTH, HEIGHT), (252, 251, 247))
    draw = ImageDraw.Draw(image)
    draw.text((40, 28), "Where the bits go", font=ImageFont.load_default(34), fill=(20, 20, 30))
    y = 88
    for size in (19, 15, 12):
        font = ImageFont.load_default(size)
        line = ""
        for word in (WORDS * 3).split()[: 62 * 19 // size]:
            if draw.textlength(line + word, font=font) > WIDTH - 80:
                draw.text((40, y), line, font=font, fill=(35, 35, 45))
                line, y = "", y + round(size * 1.4)
            line += word + " "
        draw.text((40, y), line, font=font, fill=(35, 35, 45))
        y += round(size * 2.2)
    return np.asarray(image)


def chart() -> np.ndarray:
    """Curves, bars and flat colours: what graphics are made of."""
    image = Image.new("RGB", (WIDTH * 2, HEIGHT * 2), "white")
    draw = ImageDraw.Draw(image)
    for i in range(9):
        draw.line([(140, 120 + 100 * i), (1460, 120 + 100 * i)], fill=(225, 228, 232), width=2)
        draw.text((60, 100 + 100 * i), f"{40 - 2 * i}", font=ImageFont.load_default(34), fill=(90, 95, 105))
    for k, color in enumerate([(0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167)]):
        x = np.linspace(150, 1450, 60)
        y = 860 - (620 - 90 * k) * (1 - np.exp(-(x - 120) / (380 + 120 * k)))
        draw.line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=color, width=7, joint="curve")
        draw.rectangle([190 + 300 * k, 950, 230 + 300 * k, 990], fill=color)
        draw.text((245 + 300 * k, 948), f"codec {k + 1}", font=ImageFont.load_default(36), fill=(60, 65, 75))
    draw.text((140, 30), "PSNR in dB against bits per pixel", font=ImageFont.load_default(46), fill=(30, 32, 40))
    return np.asarray(image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS))


DRAWINGS = {
    "portrait": portrait,
    "foliage": foliage,
    "architecture": architecture,
    "night": night,
    "product": product,
    "landscape": mountains,
    "text": text_page,
    "comic": comic,
    "chart": chart,
}

if __name__ == "__main__":
    for name, draw in DRAWINGS.items():
        Image.fromarray(draw()).save(Path(__file__).with_name("pictures") / f"{name}.png", optimize=True)
