"""Kinds of pages that are drawn with a pen, but for comics: maps, diagrams, technical drawings, sketches."""

import numpy as np
from PIL import Image

from codec.training.pages.canvas import BLACK, WHITE, Page, mixed, smooth
from codec.training.pages.comics import blob, curve, figure, fill, pattern, stroke
from codec.training.pages.typefaces import LATIN


def land(page: Page) -> None:
    """A map: regions in flat colours or land with contour lines, rivers, roads, names."""
    wide, tall = page.image.size
    warp = [(smooth(page.rng, wide, tall, 14) - 0.5) * 90 * page.scale for _ in "xy"]
    x, y = np.meshgrid(np.arange(wide), np.arange(tall))
    face, relief = page.face(), page.chance(0.45)
    if relief:
        height = sum(smooth(page.rng, wide, tall, c) / c for c in (3, 6, 12))
        level = np.floor((height - height.min()) / np.ptp(height) * page.between(8, 24)).astype(int)
        tints = np.linspace(mixed(page.colours[0], WHITE, 0.75), mixed(page.colours[-1], WHITE, 0.4), level.max() + 1)
        tints = tints if page.chance(0.6) else np.full_like(tints, 255)
    else:
        seeds = page.rng.random((page.between(8, 24), 2)) * (wide, tall)
        level, nearest = np.zeros((tall, wide), int), np.full((tall, wide), np.inf)
        for i, (a, b) in enumerate(seeds):
            far = np.square(x + warp[0] - a) + np.square(y + warp[1] - b)
            level[far < nearest] = i
            nearest = np.minimum(nearest, far)
        tints = np.array([mixed(page.pick(page.colours), WHITE, page.rng.uniform(0.3, 0.8)) for _ in seeds])
        tints[page.rng.random(len(seeds)) < 0.3] = page.pick(((170, 211, 223), (200, 220, 240), WHITE))
    pixels = tints[level].astype(np.uint8)
    edge = np.zeros(level.shape, bool)
    for i in range(1, page.scale + 1):
        edge[:, i:] |= level[:, i:] != level[:, :-i]
        edge[i:] |= level[i:] != level[:-i]
    pixels[edge] = page.pick(((150, 110, 70), (110, 110, 110), BLACK))
    page.paste(Image.fromarray(pixels), 0, 0)
    page.ink = (30, 30, 30)
    for _ in range(page.between(2, 9)):
        t = np.linspace(-0.05, 1.05, 7)
        wander = page.rng.random() + np.cumsum(page.rng.normal(0, 0.08, 7))
        way = np.stack([t * page.width, wander * page.height], 1)
        way = curve(way if page.chance(0.5) else np.stack([wander * page.width, t * page.height], 1))
        kind, thick = page.pick(("river", "road", "road", "rail", "path")), page.between(3, 9)
        if kind == "road":
            page.line(way, (120, 100, 80), thick)
            page.line(way, page.pick((WHITE, (255, 220, 120), (250, 170, 120))), thick - 2)
        else:
            page.line(way, {"river": (70, 130, 200)}.get(kind, page.ink), {"river": thick / 2}.get(kind, 1.2))
            if kind == "rail":
                page.line(way[::2], WHITE, 1.2, (5, 5))
    for _ in range(page.between(8, 40)):
        x, y = page.rng.uniform(0, 1, 2) * (page.width, page.height)
        size = page.pick((9, 10, 12, 12, 16, 24))
        page.disc(x, y, page.pick((2, 3)), page.pick((WHITE, page.ink)), page.ink)
        name = page.heading(face, 1)
        for shift in (-1, 1):
            page.text(x + 6 + shift, y, name, face, size, WHITE, "lm")
        page.text(x + 6, y, name, face, size, anchor="lm")
    box = (page.width - 150, page.height - 110, page.width - 10, page.height - 10)
    page.box(*box, WHITE, page.ink)
    for i in range(4):
        at = box[1] + 16 + i * 22
        page.box(box[0] + 8, at - 6, box[0] + 30, at + 6, page.pick(page.colours), page.ink)
        page.text(box[0] + 38, at, page.heading(face, 2), face, 12, anchor="lm", most=96)


def diagram(page: Page) -> None:
    """Boxes, rounded ones, rhombi and cylinders on a grid, with words in them and arrows between them."""
    face, size = page.face(), page.between(11, 18)
    columns, rows = page.between(2, 5), page.between(3, 6)
    wide, tall, flat = page.width / columns, page.height / rows, page.chance(0.7)
    tint, pen = page.rng.uniform(0.3, 0.9), page.pick((1, 1, 2))
    nodes = [(i, j) for i, j in np.ndindex(columns, rows) if page.chance(0.8)]
    at = {n: ((n[0] + 0.5) * wide, (n[1] + 0.5) * tall) for n in nodes}
    w, h = wide * 0.34, tall * 0.26
    for a, b in ((a, b) for a in nodes for b in nodes):
        (xa, ya), (xb, yb) = at[a], at[b]
        apart, dash = (b[0] - a[0], b[1] - a[1]), page.pick(((), (), (5, 4)))
        colour = page.pick((page.ink, page.faint(0.4)))
        if apart == (0, 1) and page.chance(0.8):
            page.arrow([(xa, ya + h), (xb, yb - h)], colour, pen, dash=dash)
            if page.chance(0.3):
                page.text(xa + 5, (ya + yb) / 2, face.word(page.rng), face, size * 0.8, anchor="lm", most=w)
        elif apart == (1, 0) and page.chance(0.5):
            page.arrow([(xa + w, ya), (xb - w, yb)], colour, pen, dash=dash)
        elif apart[0] == 1 and abs(apart[1]) == 1 and page.chance(0.25):
            half = (xa + xb) / 2
            page.arrow([(xa + w, ya), (half, ya), (half, yb), (xb - w, yb)], colour, pen, dash=dash)
    for x, y in at.values():
        colour = mixed(page.pick(page.colours), page.paper, tint) if flat else page.paper
        kind, line = page.pick(("box", "box", "round", "rhombus", "drum")), page.faint(0.2)
        if kind == "rhombus":
            page.shape([(x - w, y), (x, y - h * 1.2), (x + w, y), (x, y + h * 1.2)], colour, line, pen)
        elif kind == "drum":
            page.box(x - w * 0.7, y - h, x + w * 0.7, y + h, colour, line, pen)
            for end in (y + h, y - h):
                page.draw.ellipse(page.at(x - w * 0.7, end - 7, x + w * 0.7, end + 7), colour, line, page.at(pen)[0])
        else:
            page.box(x - w, y - h, x + w, y + h, colour, line, pen, {"box": 0, "round": 12}[kind])
        page.text(x, y, page.heading(face, 2), face, size, anchor="mm", most=w * (1.2 if kind == "rhombus" else 1.4))


def drawing(page: Page) -> None:
    """A technical drawing: parts with holes and hatched sections, centre lines, dimensions, a block of titles."""
    if page.chance(0.25):
        page.blank(*page.pick((((20, 60, 130), (235, 240, 250)), (BLACK, (0, 255, 120)))))
    face, thin, thick = page.face(LATIN), page.faint(0.35), page.pick((1.5, 2, 3))
    page.box(8, 8, page.width - 8, page.height - 8, None, page.ink)
    size, grid = page.between(9, 14), page.pick((0, 0, 16, 24))
    for at in range(8 + grid, max(page.width, page.height), grid or 10**4):
        page.line([(at, 8), (at, page.height - 8)], page.faint(0.88))
        page.line([(8, at), (page.width - 8, at)], page.faint(0.88))

    def measure(xa, ya, xb, yb) -> None:
        for p, q in (((xb, yb), (xa, ya)), ((xa, ya), (xb, yb))):
            page.arrow([p, q], thin, 1, 6)
        label = page.pick(("", "Ø", "R")) + f"{page.rng.uniform(1, 400):.1f}"
        page.text((xa + xb) / 2, (ya + yb) / 2 - 3, label, face, size, anchor="md")

    columns, rows = page.between(1, 2), page.between(1, 3)
    wide, tall = (page.width - 16) / columns, (page.height - 86) / rows
    for i, j in np.ndindex(columns, rows):
        x, y = round(8 + (i + 0.5) * wide), round(8 + (j + 0.5) * tall)
        r = min(wide / 1.3, tall) * page.rng.uniform(0.3, 0.38)
        if page.chance(0.5):
            for share in np.sort(page.rng.uniform(0.15, 1, page.between(2, 5)))[::-1]:
                page.disc(x, y, r * share, None, page.ink, page.pick((1, thick)))
            holes = page.between(3, 12)
            for turn in np.arange(holes) * 2 * np.pi / holes:
                page.disc(x + r * 0.75 * np.cos(turn), y + r * 0.75 * np.sin(turn), r * 0.08, page.paper, page.ink)
        else:
            steps, tops = np.sort(page.rng.uniform(-1, 1, 5)), page.rng.uniform(0.2, 0.9, 6)
            edges = np.array([-1, *np.repeat(steps, 2), 1])
            upper = np.stack([x + r * 1.2 * edges, y - r * np.repeat(tops, 2)], 1)
            outline = [*upper, *(upper * (1, -1) + (0, 2 * y))[::-1]]
            if page.chance(0.6):
                pattern(page, outline, page.pick(("lines", "lines", "crossed")), thin, page.between(5, 10), np.pi / 4)
            page.line([*outline, outline[0]], page.ink, thick)
        far = r * 1.3
        page.line([(x - far, y), (x + far, y)], thin, 1, (14, 3, 3, 3))
        page.line([(x, y - far), (x, y + far)], thin, 1, (14, 3, 3, 3))
        measure(x - r, y + far, x + r, y + far)
        for edge in (x - r, x + r):
            page.line([(edge, y), (edge, y + far + 5)], thin)
    x, y = page.width - 308, page.height - 68
    for a, b in np.ndindex(3, 3):
        page.box(x + a * 100, y + b * 20, x + a * 100 + 101, y + b * 20 + 21, page.paper, page.ink)
        page.text(x + a * 100 + 4, y + b * 20 + 10, page.heading(face, 2), face, 10, anchor="lm", most=92)


def sketch(page: Page) -> None:
    """Line art: a garden of branching plants, rosettes, hatched shapes and loose strokes."""
    pen, face = page.rng.uniform(1, 4), page.face()

    def branch(x, y, turn, long, width) -> None:
        xb, yb = x + long * np.cos(turn), y + long * np.sin(turn)
        bend = page.rng.normal(0, long * 0.1, 2)
        page.line(curve([(x, y), ((x + xb) / 2 + bend[0], (y + yb) / 2 + bend[1]), (xb, yb)]), page.ink, width)
        if long > 14:
            for way in page.rng.choice((-0.6, -0.35, 0.1, 0.4, 0.7), page.between(2, 3), replace=False):
                branch(xb, yb, turn + way, long * page.rng.uniform(0.6, 0.8), max(0.7, width * 0.65))
        elif page.chance(0.5):
            page.disc(xb, yb, 3, page.pick(page.colours), page.ink)

    for _ in range(page.between(10, 26)):
        x, y, r = page.rng.uniform(0, page.width), page.rng.uniform(0, page.height), page.rng.uniform(40, 190)
        kind = page.pick(("plant", "rosette", "shape", "strokes", "strokes", "spiral", "face"))
        middle = np.array([x, y])
        if kind == "plant":
            branch(x, min(page.height, y + 150), -np.pi / 2, r * 0.7, pen * 2)
        elif kind == "rosette":
            for ring in np.linspace(0.3, 1, page.between(2, 5)):
                count = page.between(6, 18)
                for turn in np.arange(count) * 2 * np.pi / count:
                    tip = np.array([np.cos(turn), np.sin(turn)]) * r * ring
                    side = np.array([-tip[1], tip[0]]) * 2 / count
                    petal = np.array([0 * tip, tip * 0.6 + side, tip, tip * 0.6 - side, 0 * tip])
                    page.line(curve(middle + petal), page.ink)
        elif kind == "shape":
            fill(page, blob(page, x, y, r, 0.4), pen, page.chance(0.5))
        elif kind == "face":
            figure(page, x, y, r * 0.5, False)
        elif kind == "spiral":
            t = np.linspace(0, page.between(4, 12) * 2 * np.pi, 400)
            page.line(np.stack([x + r * t / t[-1] * np.cos(t), y + r * t / t[-1] * np.sin(t)], 1), page.ink, pen / 2)
        else:  # like hair, grass or water: strokes side by side
            way, aside = np.cumsum(page.rng.normal(0, r / 3, (5, 2)), 0), page.rng.uniform(-8, 8, 2)
            for i in range(page.between(3, 30)):
                loose = page.rng.normal(0, 1.5, (5, 2))
                stroke(page, middle + way + loose + i * aside, page.ink, page.rng.uniform(0.5, 1.5) * pen)
    if page.chance(0.5):
        words, size = page.heading(face, 4), page.between(14, 40)
        page.text(page.width / 2, page.height - 12, words, face, size, anchor="md", most=page.width)
