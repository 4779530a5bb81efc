"""Drawings of places: leaves, a brick building, a city at night, mountains."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from codec.ui.drawings.canvas import HEIGHT, WIDTH, fractal, to_bytes


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
