"""Kinds of pages that are computers' screens: windows, dashboards, charts."""

from itertools import pairwise

import numpy as np
from PIL import Image

from codec.training.pages.canvas import BLACK, WHITE, Page, mixed, smooth
from codec.training.pages.texts import table
from codec.training.pages.typefaces import LATIN, Face

GREY = (128, 128, 128)


def icon(page: Page, x: float, y: float, side: float, colour) -> None:
    """A small sign in the square at (x, y)."""
    m, c, h = x + side / 2, y + side / 2, side / 2
    kind = page.between(0, 6)
    if kind == 0:  # magnifier
        page.disc(m - h * 0.2, c - h * 0.2, h * 0.6, None, colour, 1.5)
        page.line([(m + h * 0.25, c + h * 0.25), (m + h * 0.9, c + h * 0.9)], colour, 2)
    elif kind == 1:  # menu
        for i in (-0.6, 0, 0.6):
            page.box(x, c + i * h, x + side, c + i * h + max(1, side // 10), colour)
    elif kind == 2:  # house
        page.shape([(x, c), (m, y), (x + side, c)], colour)
        page.box(m - h * 0.6, c, m + h * 0.6, y + side, colour)
    elif kind == 3:  # envelope
        page.box(x, y + h * 0.4, x + side, y + side - h * 0.4, None, colour)
        page.line([(x, y + h * 0.4), (m, c + h * 0.2), (x + side, y + h * 0.4)], colour)
    elif kind == 4:  # person
        page.disc(m, c - h * 0.4, h * 0.4, colour)
        page.draw.pieslice(page.at(m - h * 0.8, c, m + h * 0.8, c + h * 2), 180, 360, colour)
    elif kind == 5:  # tick
        page.line([(x, c), (m - h * 0.2, y + side * 0.85), (x + side, y + side * 0.1)], colour, 2)
    else:  # sheet
        page.box(x + 1, y, x + side - 1, y + side, None, colour, 1, 2)
        for i in (0.3, 0.5, 0.7):
            page.line([(x + 4, y + side * i), (x + side - 4, y + side * i)], colour)


def interface(page: Page) -> None:
    """A desktop, or a telephone's screen, with one or more windows."""
    dark, accent = page.chance(0.3), page.colours[0]
    if page.chance(0.3):
        page.picture(0, 0, page.width, page.height)
    else:
        page.blank(mixed(accent, BLACK if dark else WHITE, page.rng.uniform(0.3, 0.85)))
    face = page.face(LATIN) if page.chance(0.6) else page.face()
    for i in range(page.between(2, 8)):
        x, y = 14, 14 + i * 84
        page.box(x, y, x + 44, y + 44, page.pick(page.colours), radius=page.pick((0, 8, 22)))
        icon(page, x + 12, y + 12, 20, WHITE)
        page.text(x + 22, y + 48, page.heading(face, 1), face, 11, WHITE, "ma", 76)
    for _ in range(page.between(1, 3)):
        x, y = page.between(4, 160), page.between(0, 120)
        window(
            page, face, x, y, min(page.width - 4, x + page.between(380, 720)), page.height - page.between(8, 120), dark
        )
    page.box(0, page.height - 30, page.width, page.height, (32, 32, 36) if dark else (238, 238, 242))
    for i in range(page.between(2, 8)):
        icon(page, 10 + i * 34, page.height - 24, 18, page.pick([*page.colours, (120, 120, 120)]))
    page.text(
        page.width - 8, page.height - 15, f"{page.between(0, 23)}:{page.between(0, 59):02d}", face, 13, GREY, "rm"
    )


def window(page: Page, face: Face, x0: int, y0: int, x1: int, y1: int, dark: bool) -> None:
    """A title bar, a menu, a list at the left, and a form, a table, prose or a chart."""
    size, radius, accent = page.between(11, 16), page.pick((0, 4, 10)), page.colours[0]
    paper, ink = ((36, 37, 42), (225, 225, 228)) if dark else (page.pick((WHITE, (245, 245, 247))), (32, 33, 36))
    for i in range(5, 0, -1):
        page.box(x0 - i, y0 - i + 2, x1 + i, y1 + i + 2, None, mixed(page.paper, BLACK, 0.22 - 0.04 * i), 1, radius + i)
    page.ink, page.paper = ink, paper
    page.box(x0, y0, x1, y1, paper, page.faint(0.7), 1, radius)
    page.box(x0 + 1, y0 + 1, x1 - 1, y0 + 32, page.pick((accent, page.faint(0.9))), radius=radius)
    page.text((x0 + x1) / 2, y0 + 16, page.heading(face), face, size, anchor="mm", most=(x1 - x0) * 0.5)
    for i, light in enumerate(((255, 95, 86), (255, 189, 46), (39, 201, 63))):
        page.disc(x0 + 16 + i * 20, y0 + 16, 6, light if radius else None, None if radius else ink)
    x, y = x0 + 10, y0 + 38
    while x < x1 - 90:
        x += page.text(x, y, page.heading(face, 1), face, size, most=90) + 16
    page.line([(x0, y + size + 8), (x1, y + size + 8)], page.faint(0.8))
    top, side = y + size + 9, page.between(0, 1) * page.between(110, 180)
    if side:
        page.box(x0 + 1, top, x0 + side, y1 - 1, page.faint(0.95))
        chosen = page.between(0, 8)
        for i, at in enumerate(range(top + 6, y1 - 30, 28)):
            if i == chosen:
                page.box(x0 + 6, at, x0 + side - 6, at + 26, accent, radius=radius)
            icon(page, x0 + 14, at + 6, 14, WHITE if i == chosen else page.faint(0.4))
            page.text(
                x0 + 36, at + 13, page.heading(face, 2), face, size, WHITE if i == chosen else ink, "lm", side - 44
            )
    box = (x0 + side + 16, top + 12, x1 - 24, y1 - 12)
    page.box(x1 - 12, top, x1 - 1, y1 - 1, page.faint(0.92))
    page.box(x1 - 10, top + 30, x1 - 3, top + 130, page.faint(0.6), radius=4)
    if box[2] - box[0] > 120 and box[3] - box[1] > 90:
        content = page.pick((form, form, form, table, prose, plot))
        content(page, *box, *([face, size] if content in (form, prose) else []))


def prose(page: Page, x0, y0, x1, y1, face: Face, size: float) -> None:
    page.prose(x0, y0, x1, y1, face, size, indent=1)


def form(page: Page, x0, y0, x1, y1, face: Face, size: float) -> None:
    """Fields, boxes to tick, sliders, bars of progress, buttons."""
    accent, radius, step = page.colours[0], page.pick((0, 3, 6, 14)), round(size * 2.5)
    middle, half = x0 + (x1 - x0) * 0.35, step // 2 - 3
    for y in range(y0 + step, y1 - step, step):
        page.text(x0, y, page.heading(face, 3), face, size, anchor="lm", most=middle - x0 - 8)
        kind, on = (
            page.pick(("field", "field", "tick", "choice", "switch", "slider", "bar", "button")),
            page.chance(0.5),
        )
        if kind == "field":
            page.box(middle, y - half, x1, y + half, page.faint(page.pick((1, 0.96))), page.faint(0.6), 1, radius)
            page.text(
                middle + 8,
                y,
                face.words(page.rng, 3),
                face,
                size,
                page.faint(page.pick((0, 0.5))),
                "lm",
                x1 - middle - 30,
            )
            if on:
                page.shape([(x1 - 18, y - 3), (x1 - 8, y - 3), (x1 - 13, y + 3)], page.faint(0.3))
        elif kind in ("tick", "choice"):
            for x in range(round(middle), round(x1) - 70, 90):
                on = page.chance(0.5)
                if kind == "tick":
                    page.box(
                        x,
                        y - 7,
                        x + 14,
                        y + 7,
                        accent if on else None,
                        accent if on else page.faint(0.4),
                        1,
                        radius // 2,
                    )
                    if on:
                        page.line([(x + 3, y), (x + 6, y + 4), (x + 11, y - 4)], WHITE, 2)
                else:
                    page.disc(x + 7, y, 7, None, accent if on else page.faint(0.4), 1.5)
                    if on:
                        page.disc(x + 7, y, 3.5, accent)
                page.text(x + 20, y, face.word(page.rng), face, size, anchor="lm", most=66)
        elif kind == "switch":
            page.box(middle, y - 9, middle + 34, y + 9, accent if on else page.faint(0.6), radius=9)
            page.disc(middle + (25 if on else 9), y, 7, WHITE)
        elif kind in ("slider", "bar"):
            end = page.between(round(middle), round(x1))
            thick = 2 if kind == "slider" else 5
            page.box(middle, y - thick, x1, y + thick, page.faint(0.8), radius=thick)
            page.box(middle, y - thick, end, y + thick, accent, radius=thick)
            if kind == "slider":
                page.disc(end, y, 7, WHITE, accent, 1.5)
        else:
            for i in range(2):
                a, b = middle + i * 110, min(x1, middle + i * 110 + 100)
                page.box(
                    a,
                    y - half,
                    b,
                    y + half,
                    page.faint(0.92) if i else accent,
                    page.faint(0.6) if i else None,
                    1,
                    radius,
                )
                page.text((a + b) / 2, y, page.heading(face, 1), face, size, page.ink if i else WHITE, "mm", b - a - 8)


def dashboard(page: Page) -> None:
    """Cards with numbers, charts and tables."""
    dark, y = page.chance(0.35), 52
    page.blank(*(((18, 20, 26), (228, 230, 235)) if dark else (page.pick(((243, 244, 247), WHITE)), (33, 37, 41))))
    face, ground, card = page.face(LATIN), page.paper, mixed(page.paper, WHITE, 0.07 if dark else 1)
    page.box(0, 0, page.width, 44, page.pick((card, page.colours[0])))
    page.text(16, 22, page.heading(face, 3), face, 18, anchor="lm")
    while y < page.height - 60:
        tall, count = page.pick((84, 84, 220, 260, 320)), page.between(1, 4)
        wide, foot = (page.width - 8) / count, min(page.height - 8, y + tall)
        for i in range(count):
            x0, x1 = round(8 + i * wide), round(i * wide + wide)
            page.paper = card
            page.box(x0, y, x1, foot, card, page.faint(0.85), 1, page.pick((0, 6)))
            page.text(x0 + 12, y + 10, page.heading(face, 2), face, 12, page.faint(0.4), most=x1 - x0 - 24)
            if tall < 100:
                page.text(x0 + 12, y + 30, f"{page.rng.lognormal(6, 3):,.0f}", face, 26, most=x1 - x0 - 24)
                page.text(x0 + 12, y + 64, f"{page.rng.normal(0, 9):+.1f} %", face, 11, page.pick(page.colours))
            elif foot - y > 120:
                (table if page.chance(0.2) else plot)(page, x0 + 10, y + 30, x1 - 10, foot - 8)
            page.paper = ground
        y += tall + 8


def charts(page: Page) -> None:
    """One to six charts, as a figure of a paper."""
    columns, rows = page.pick(((1, 1), (1, 1), (1, 2), (2, 1), (2, 2), (2, 3)))
    wide, tall = page.width // columns, page.height // rows
    for i, j in np.ndindex(columns, rows):
        plot(page, i * wide + 12, j * tall + 12, (i + 1) * wide - 12, (j + 1) * tall - 12)


def series(page: Page, count: int) -> np.ndarray:
    """Values 0…1: a random walk, a wave, a saturating curve, or scattered ones."""
    t, noise = np.linspace(0, 1, count), page.rng.normal(0, 1, count)
    kind = page.between(0, 3)
    walks = (np.cumsum(noise), np.sin(t * page.rng.uniform(4, 30) + noise[0]) + noise * page.rng.choice((0, 0.15)))
    values = (*walks, 1 - np.exp(-t * page.rng.uniform(1, 9)) + noise * 0.01, np.abs(noise))[kind]
    low, high = np.sort(page.rng.random(2))
    return low + (high - low) * (values - values.min()) / max(np.ptp(values), 1e-9)


def plot(page: Page, x0: int, y0: int, x1: int, y1: int) -> None:
    """A chart in a box: axes, grid, labels, legend, and bars, lines, points, areas, sectors or a heat map."""
    face, size, colours = page.face(LATIN), page.between(8, 15), page.colours
    kind = page.pick(("bars", "lines", "lines", "points", "areas", "steps", "sectors", "heat", "boxes"))
    if page.chance(0.7):
        page.text((x0 + x1) / 2, y0, page.heading(face, 4), face, size * 1.25, anchor="ma", most=x1 - x0)
        y0 += round(size * 1.9)
    if kind == "sectors":
        return sectors(page, x0, y0, x1, y1, face, size)
    x0, y1 = x0 + size * 5, y1 - round(size * 1.6)
    if page.chance(0.6):
        page.text((x0 + x1) / 2, y1 + size * 1.6, page.heading(face, 3), face, size, anchor="md", most=x1 - x0)
        y1 -= round(size * 1.6)
    wide, tall = x1 - x0, y1 - y0
    if wide < 40 or tall < 40:
        return None
    if page.chance(0.2):
        page.box(x0, y0, x1, y1, page.faint(0.92))
    grid, dash = page.faint(page.rng.uniform(0.6, 0.9)), page.pick(((), (), (1, 2), (4, 3)))
    power, style = page.between(-2, 4), page.between(0, 3)
    top, form = 10.0**power * page.pick((1, 2, 5)), f"{{:,.{max(0, 2 - power)}f}}"
    for share in np.linspace(0, 1, page.pick((3, 5, 6, 11))):
        x, y = x0 + wide * share, y1 - tall * share
        page.text(x0 - 6, y, form.format(top * share), face, size, anchor="rm")
        page.text(x, y1 + 5, f"{share * 100:.0f}", face, size, anchor="ma")
        if style < 3 and kind != "heat":
            page.line([(x0, y), (x1, y)], grid, 1, dash)
            if style:
                page.line([(x, y0), (x, y1)], grid, 1, dash)
        page.line([(x0 - 4, y), (x0, y)], page.ink)
        page.line([(x, y1), (x, y1 + 4)], page.ink)
    if kind == "heat":
        n = page.between(4, 40)
        values = (
            smooth(page.rng, n, n, page.between(2, n))[..., None] if page.chance(0.7) else page.rng.random((n, n, 1))
        )
        ends = np.array([page.paper, colours[0], colours[-1]], float)
        v = np.clip(values, 0, 1) * 2
        cells = np.where(v < 1, ends[0] + (ends[1] - ends[0]) * v, ends[1] + (ends[2] - ends[1]) * (v - 1))
        way = page.pick((Image.Resampling.NEAREST, Image.Resampling.NEAREST, Image.Resampling.BICUBIC))
        page.paste(Image.fromarray(cells.astype(np.uint8)).resize(tuple(page.at(wide, tall)), way), x0, y0)
    curves = page.between(1, min(5, len(colours)))
    count = page.between(4, 16) if kind in ("bars", "boxes") else page.between(8, 200)
    for i, colour in enumerate(colours[:curves] if kind != "heat" else ()):
        values, thick = series(page, count), page.pick((1, 1.5, 2, 3))
        points = [(x0 + wide * (j + 0.5) / count, y1 - tall * v) for j, v in enumerate(values)]
        bar = wide / count * 0.8 / curves
        for j, (x, y) in enumerate(points):
            left = x0 + wide * (j + 0.1) / count + bar * i
            if kind == "bars":
                page.box(left, y, left + bar, y1, colour, page.ink if style == 1 else None)
            elif kind == "boxes":
                ends = np.clip(y + np.sort(page.rng.normal(0, tall * 0.08, 5)), y0, y1)
                page.line([(left + bar / 2, ends[0]), (left + bar / 2, ends[4])], page.ink)
                page.box(left, ends[1], left + bar, ends[3] + 2, mixed(colour, page.paper, 0.4), page.ink)
                page.line([(left, ends[2]), (left + bar, ends[2])], page.ink)
            elif kind == "points":
                x = x0 + wide * page.rng.random() if style % 2 else x
                page.disc(x, y, page.rng.uniform(2, 4), colour if style else None, page.ink if style == 2 else colour)
        if kind == "areas":
            page.shape([(points[0][0], y1), *points, (points[-1][0], y1)], mixed(colour, page.paper, 0.5))
        if kind == "steps":
            points = [p for a, b in pairwise(points) for p in (a, (b[0], a[1]))]
        if kind in ("lines", "areas", "steps"):
            page.line(points, colour, thick, page.pick(((), (), (), (5, 3))) if count < 40 else ())
        if kind == "lines" and count < 30:
            for x, y in points:
                page.disc(x, y, 3, page.pick((colour, page.paper)), colour)
    page.line([(x0, y0), (x0, y1)], page.ink)
    page.line([(x0, y1), (x1, y1)], page.ink)
    if page.chance(0.5):
        page.line([(x0, y0), (x1, y0), (x1, y1)], page.ink)
    if curves > 1 and kind != "heat" and page.chance(0.7):
        names = [page.heading(face, 2) for _ in range(curves)]
        across = max(page.long(name, face, size) for name in names) + size * 2.5
        left, head = page.pick((x0 + 8, x1 - across - 8)), y0 + 8
        page.box(left, head, left + across, head + size * 1.4 * curves + 6, page.paper, page.faint(0.7), 1, 3)
        for i, name in enumerate(names):
            y = head + 4 + size * 1.4 * (i + 0.5)
            page.box(left + 5, y - 3, left + 5 + size, y + 3, colours[i])
            page.text(left + size * 2, y, name, face, size, anchor="lm")
    return None


def sectors(page: Page, x0, y0, x1, y1, face: Face, size: float) -> None:
    """A pie chart or a ring, with names and percentages around."""
    x, y, r = (x0 + x1) / 2, (y0 + y1) / 2, min(x1 - x0, y1 - y0) * 0.36
    shares = page.rng.dirichlet(np.full(page.between(2, min(7, len(page.colours))), 1.5))
    ends = np.cumsum(shares) * 360
    rim = page.pick((page.paper, None, page.ink))
    for a, b, share, colour in zip([0, *ends], ends, shares, page.colours, strict=False):
        page.draw.pieslice(page.at(x - r, y - r, x + r, y + r), a - 90, b - 90, colour, rim, page.at(1)[0])
        turn = np.deg2rad((a + b) / 2 - 90)
        at = x + r * 1.1 * np.cos(turn), y + r * 1.1 * np.sin(turn)
        anchor = "lm" if np.cos(turn) >= 0 else "rm"
        page.text(*at, f"{face.word(page.rng)} {share:.0%}", face, size, anchor=anchor, most=(x1 - x0) / 2 - r)
    if page.chance(0.4):
        page.disc(x, y, r * 0.55, page.paper)
