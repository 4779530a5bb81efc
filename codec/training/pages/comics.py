"""The pen's strokes and fills, and comics drawn with them."""

from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from codec.training.pages.canvas import BLACK, WHITE, Page, mixed
from codec.training.pages.typefaces import Face


def curve(points, closed: bool = False, steps: int = 10) -> np.ndarray:
    """A smooth curve (Catmull–Rom) through points (n, 2): about `steps` points for each."""
    p = np.asarray(points, float)
    p = np.concatenate([p[-1:], p, p[:2]] if closed else [p[:1], p, p[-1:]])
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    a, b, c, d = (p[i : len(p) - 3 + i, None] for i in range(4))
    out = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return np.concatenate([out.reshape(-1, 2), p[-2:-1]])


def stroke(page: Page, points, colour, width: float) -> None:
    """A pen's line through points, thin at its ends."""
    p = curve(points)
    along = np.gradient(p, axis=0)
    side = np.stack([-along[:, 1], along[:, 0]], 1) / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    half = side * (width / 2 * np.sin(np.linspace(0.15, np.pi - 0.15, len(p)))[:, None] + 0.25)
    page.shape([*(p + half), *(p - half)[::-1]], colour)


def blob(page: Page, x, y, r, rough: float = 0.25, count: int = 9) -> np.ndarray:
    """A closed curve around a point at about the distance r, points (n, 2)."""
    turns = np.linspace(0, 2 * np.pi, count, endpoint=False)
    far = r * (1 + page.rng.uniform(-rough, rough, count))
    return curve(np.stack([x + far * np.cos(turns), y + far * np.sin(turns)], 1), closed=True)


def pattern(page: Page, points, kind: str, colour, gap: float, turn: float = 0.7) -> None:
    """Fills a polygon with dots, lines or crossed lines, `gap` pixels apart."""
    p = np.asarray(points) * page.scale
    mask = Image.new("L", page.image.size)
    ImageDraw.Draw(mask).polygon([tuple(q) for q in p], 255)
    (xa, ya), (xb, yb) = np.maximum(p.min(0), 0).astype(int), np.minimum(p.max(0) + 1, page.image.size).astype(int)
    if xb <= xa or yb <= ya:
        return
    x, y = np.meshgrid(np.arange(xa, xb), np.arange(ya, yb))
    turn, gap = (np.pi / 4 if kind == "dots" else turn), gap * page.scale
    u, v = (x * np.cos(turn) + y * np.sin(turn)) / gap % 1 - 0.5, (y * np.cos(turn) - x * np.sin(turn)) / gap % 1 - 0.5
    size, thin = page.rng.uniform(0.2, 0.45), page.rng.uniform(0.1, 0.2)
    inked = u * u + v * v < size * size if kind == "dots" else np.abs(u) < thin
    inked |= (np.abs(v) < thin) if kind == "crossed" else False
    inside = (np.asarray(mask.crop((xa, ya, xb, yb))) > 0) & inked
    page.image.paste(colour, (xa, ya, xb, yb), Image.fromarray(inside.astype(np.uint8) * 255))


def fill(page: Page, points, width: float, colour: bool) -> None:
    """A polygon with a dark outline that is flat, dotted, hatched or white."""
    ink, flat = page.ink, page.pick(page.colours) if colour else (page.pick((80, 160, 210, 255)),) * 3
    kind = page.pick(("flat", "flat", "flat", "dots", "lines", "crossed", "none"))
    page.shape(points, flat if kind == "flat" else WHITE)
    if kind not in ("flat", "none"):
        pattern(
            page,
            points,
            kind,
            flat if colour and kind == "dots" else ink,
            page.rng.uniform(3, 8),
            page.rng.uniform(0, 3),
        )
    page.line([*points, points[0]], ink, width)


def figure(page: Page, x, y, r, colour: bool) -> None:
    """Somebody: a head with hair and a face, and shoulders; `r` is the head's half width."""

    def at(*points) -> np.ndarray:
        return np.array(points) * r + (x, y)

    pen, skins = page.rng.uniform(1.5, 3.5), ((255, 220, 190), (190, 130, 90), (240, 200, 160))
    fill(page, curve(at((-1.6, 3), (-1.3, 1.5), (0, 1), (1.3, 1.5), (1.6, 3))), pen, colour)
    page.shape(blob(page, x, y, r, page.rng.uniform(0, 0.12)), page.pick(skins) if colour else WHITE, page.ink, pen)
    shade = page.pick(page.colours) if colour else page.pick((page.ink, WHITE, (150, 150, 150)))
    top, fringe, long = page.rng.uniform(1.15, 1.6), page.rng.uniform(-0.8, -0.3, 3), page.pick((0, 0, 0.9))
    hair = curve(
        at((-1, long), (-1.05, -0.5), (-0.5, -top + 0.2), (0, -top), (0.5, -top + 0.1), (1.05, -0.5), (1, long))
    )
    inner = curve(at((0.9, long), (0.85, -0.2), (0.4, fringe[0]), (0, fringe[1]), (-0.5, fringe[2]), (-0.9, long)))
    page.shape([*hair, *inner], shade, page.ink, pen)
    glasses, low = page.chance(0.25), page.rng.uniform(-0.2, 0.2)
    for sign in (-1, 1):
        eye = x + sign * r * 0.38
        page.disc(eye, y, r * 0.16, WHITE, page.ink, 1)
        page.disc(eye + r * 0.03, y, r * 0.08, page.ink)
        if glasses:
            page.disc(eye, y, r * 0.3, None, page.ink, pen * 0.7)
        stroke(page, at((sign * 0.18, -0.3 - low / 2), (sign * 0.38, -0.38), (sign * 0.58, -0.3)), page.ink, pen)
    page.line(at((0, 0.1), (0.1, 0.3), (0, 0.32)), page.ink, 1.2)
    if page.chance(0.25):
        page.disc(x, y + r * 0.58, r * 0.16, (120, 30, 30) if colour else page.ink, page.ink, pen)
    else:
        stroke(page, at((-0.35, 0.55), (0, 0.55 + low), (0.35, 0.55)), page.ink, pen)


def house(page: Page, x, y, wide, tall, colour: bool) -> None:
    """A front with rows of windows; (x, y) is its foot at the left."""
    fill(page, [(x, y - tall), (x + wide, y - tall), (x + wide, y), (x, y)], 2, colour)
    side = page.rng.uniform(5, 11)
    for i, j in np.ndindex(max(1, int(wide / side / 2)), max(1, int(tall / side / 3))):
        a, b = x + side * (i * 2 + 0.5), y - tall + side * (j * 3 + 1)
        page.box(a, b, a + side, b + side * 1.6, page.pick((WHITE, page.ink)), page.ink)


def balloon(page: Page, x0, y0, x1, y1, face: Face, size: float, foot) -> None:
    """A speech balloon around words, with a tail to `foot`."""
    middle = (x0 + x1) / 2
    page.box(x0, y0, x1, y1, WHITE, BLACK, 1.5, radius=page.pick((12, 30)))
    page.shape([(middle - 8, y1 - 2), (middle + 10, y1 - 2), foot], WHITE)
    page.line([(middle - 8, y1 - 2), foot, (middle + 10, y1 - 2)], BLACK, 1.5)
    page.prose(x0 + 12, y0 + 8, x1 - 12, y1 - 4, face, size, BLACK, leading=1.2, align="centre")


def comic(page: Page) -> None:
    """Panels with figures, things, speed lines, balloons; in colours or in black, white and screen dots."""
    colour, face, size = page.chance(0.55), page.face(), page.between(11, 18)
    page.blank(WHITE, page.pick((BLACK, BLACK, (25, 20, 45))))
    gap, y = page.between(6, 14), 10
    while y < page.height - 90:
        tall = min(page.between(170, 330), page.height - 10 - y)
        inner = np.sort(page.rng.uniform(0.2, 0.8, page.between(0, 2))) * page.width
        cuts = [10, *inner.astype(int).tolist(), page.width - 10 + gap]
        for x0, end in pairwise(cuts):
            x1 = end - gap
            if x1 - x0 < 90:
                continue
            panel(page, x0, y, x1, y + tall, face, size, colour)
        y += tall + gap


def panel(page: Page, x0, y0, x1, y1, face: Face, size: float, colour: bool) -> None:
    """One picture of a comic; it is drawn on a page of its own and put into place."""
    whole = page.image, page.draw
    page.image = Image.new("RGB", tuple(page.at(x1 - x0, y1 - y0)), page.pick((WHITE, (238, 238, 238))))
    page.draw = ImageDraw.Draw(page.image)
    wide, tall = x1 - x0, y1 - y0
    sky = page.pick(("plain", "dots", "speed", "night"))
    corners = [(0, 0), (wide, 0), (wide, tall), (0, tall)]
    if colour:
        page.shape(corners, mixed(page.pick(page.colours), WHITE, page.rng.uniform(0, 0.8)))
    if sky == "dots":
        shade = page.pick(page.colours) if colour else (120, 120, 120)
        pattern(page, corners, "dots", shade, page.rng.uniform(3, 7))
    elif sky == "speed":
        centre = np.array([wide, tall]) * page.rng.uniform(0.3, 0.7, 2)
        for turn in page.rng.uniform(0, 2 * np.pi, 60):
            way = np.array([np.cos(turn), np.sin(turn)])
            far = [centre + (way + shift) * 900 for shift in (0, 0.012)]
            page.shape([centre + way * page.rng.uniform(50, 120), *far], page.ink)
    elif sky == "night" and not colour:
        page.shape(corners, BLACK)
    if page.chance(0.6):
        crest = [(wide * t, tall * page.rng.uniform(0.55, 0.8)) for t in (0, 0.3, 0.7, 1)]
        fill(page, curve([(-20, tall), *crest, (wide + 20, tall)]), 2, colour)
    for _ in range(page.between(0, 4)):
        x, y, r = page.rng.uniform(0, wide), page.rng.uniform(tall * 0.3, tall), page.rng.uniform(10, 50)
        if page.chance(0.5):
            house(page, x - r, y + r, r * 2, r * page.rng.uniform(1, 4), colour)
        else:
            fill(page, blob(page, x, y, r, 0.3), page.rng.uniform(1, 3), colour)
    r = min(wide, tall) * page.rng.uniform(0.13, 0.22)
    spots = [0.5] if wide < 250 else [0.3, 0.72]
    for spot in spots:
        figure(page, wide * spot, tall * 0.62, r, colour)
        if page.chance(0.75):
            a, b = max(4, wide * spot - page.between(60, 120)), min(wide - 4, wide * spot + page.between(60, 120))
            foot = (wide * spot + r * 0.4, tall * 0.62 - r * 1.3)
            balloon(page, a, 6, b, max(size + 20, tall * 0.62 - r * 1.3 - 24), face, size, foot)
    page.box(0, 0, wide, tall, None, BLACK, page.pick((1, 2, 3)))
    drawn, (page.image, page.draw) = page.image, whole
    page.paste(drawn, x0, y0)
