"""What generated pages are drawn on and with: colours, shapes, text that is broken into lines, pictures."""

from __future__ import annotations

import colorsys
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from codec.training.pages.typefaces import LATIN, OTHERS, Face, Fonts, sized

Colour = tuple[int, int, int]
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
PALETTES = (  # "#" left out; the first ones are those of common plotting programs
    "1f77b4 ff7f0e 2ca02c d62728 9467bd 8c564b e377c2 7f7f7f bcbd22 17becf",
    "4285f4 ea4335 fbbc04 34a853 ff6d01 46bdc6",
    "4472c4 ed7d31 a5a5a5 ffc000 5b9bd5 70ad47",
    "e69f00 56b4e9 009e73 f0e442 0072b2 d55e00 cc79a7",
    "ff0000 0000ff 008000 ff00ff 00a0a0 808000 000000",
    "222222 666666 999999 bbbbbb d8d8d8",
)
PAPERS = ((255, 253, 245), (250, 243, 224), (240, 240, 232), (236, 244, 250), (248, 236, 236), (233, 245, 233))


def mixed(a: Colour, b: Colour, share: float) -> Colour:
    """`a` with `share` of `b` in it."""
    return tuple(round(x + (y - x) * share) for x, y in zip(a, b, strict=True))


def smooth(rng: np.random.Generator, width: int, height: int, cells: int) -> np.ndarray:
    """A random field, float32 (height, width), about 0…1, that varies over 1/`cells` of the longer side."""
    step = max(width, height) / cells
    grid = rng.random((max(2, round(height / step)), max(2, round(width / step)))).astype(np.float32)
    return np.asarray(Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC))


def scene(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """What is like a photograph in being smooth: coloured clouds, with finer ones, and some edges between them."""
    ends = rng.integers(0, 256, (4, 3))
    cloud = sum(smooth(rng, width, height, c) / (i + 1) for i, c in enumerate((2, 5, 12, 40)))
    hill = (smooth(rng, width, height, 4) + np.linspace(0, 1, height)[:, None] > 1)[..., None]
    cloud = np.clip((cloud - cloud.min()) / np.ptp(cloud), 0, 1)[..., None]
    pixels = np.where(hill, ends[0] + (ends[1] - ends[0]) * cloud, ends[2] + (ends[3] - ends[2]) * cloud)
    return Image.fromarray(pixels.round().astype(np.uint8))


class Page:
    """A page that is being drawn. Every length is in pixels of the finished page, `size` = (width, height).

    It is drawn `scale` times as large and averaged: then shapes are smooth, and lines on whole pixels stay sharp. At
    scale 1 text has its hinting, and lines have steps.
    """

    def __init__(
        self, rng: np.random.Generator, fonts: Fonts, photos: list[Path], size: tuple[int, int], scale: int = 2
    ):
        self.rng, self.fonts, self.photos, self.scale = rng, fonts, photos, scale
        self.width, self.height = size
        self.ink, self.paper = self._ink_and_paper()
        colours = [tuple(bytes.fromhex(c)) for c in self.pick(PALETTES).split()]
        if self.chance(0.3):
            first, value = rng.random(), rng.uniform(0.5, 1)
            hues = [(first + i * 0.381966) % 1 for i in range(7)]
            colours = [tuple(round(255 * v) for v in colorsys.hsv_to_rgb(h, rng.uniform(0.2, 1), value)) for h in hues]
        self.colours: list[Colour] = [colours[i] for i in rng.permutation(len(colours))]
        self.blank(self.paper)

    def _ink_and_paper(self) -> tuple[Colour, Colour]:
        """Mostly black on white; also greys, tints, colours, and light on dark."""
        kind, grey = self.rng.random(), self.between(0, 60)
        bright, dark = (tuple(self.rng.integers(a, b, 3).tolist()) for a, b in ((190, 256), (0, 90)))
        if kind < 0.55:
            return (0, 0, 0) if self.chance(0.6) else (grey,) * 3, (255, 255, 255)
        if kind < 0.75:
            return (grey,) * 3, self.pick(PAPERS)
        if kind < 0.88:
            return mixed(bright, (255, 255, 255), 0.6), (mixed(dark, (20, 20, 24), 0.7) if self.chance(0.6) else dark)
        return dark, bright

    def blank(self, paper: Colour, ink: Colour | None = None) -> None:
        """Starts anew on `paper`."""
        self.paper, self.ink = paper, ink or self.ink
        self.image = Image.new("RGB", (self.width * self.scale, self.height * self.scale), paper)
        self.draw = ImageDraw.Draw(self.image)

    # Chance

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def between(self, low: int, high: int) -> int:
        """A whole number, both ends included; `low` where `high` is less."""
        return int(self.rng.integers(low, max(low, high) + 1))

    def pick(self, things):
        return things[self.rng.integers(len(things))]

    def face(self, languages: tuple[str, ...] | None = None, mono: bool = False) -> Face:
        """By default mostly in Latin letters, else in any other script."""
        return self.fonts.pick(self.rng, languages or (LATIN if self.chance(0.6) else OTHERS), mono)

    def faint(self, share: float = 0.8) -> Colour:
        """Ink with `share` of the paper in it."""
        return mixed(self.ink, self.paper, share)

    # Shapes

    def at(self, *numbers: float) -> list[int]:
        """Lengths in pixels of the drawing."""
        return [round(n * self.scale) for n in numbers]

    def box(self, x0, y0, x1, y1, fill=None, line=None, width=1, radius=0) -> None:
        """A rectangle up to, not including, x1 and y1."""
        a, b, c, d = self.at(x0, y0, x1, y1)
        if c > a and d > b:
            radius = min(round(radius * self.scale), (c - a) // 2, (d - b) // 2)
            width = round(width * self.scale) if line else 0
            self.draw.rounded_rectangle((a, b, c - 1, d - 1), radius, fill, line, width)

    def line(self, points, colour, width: float = 1, dash: tuple[float, ...] = ()) -> None:
        """A polyline; one that is horizontal or vertical covers whole pixels. `dash`: lengths of dashes and gaps."""
        points = [tuple(map(float, p)) for p in points]
        if dash:
            for (xa, ya), (xb, yb) in pairwise(points):
                length, at, i = max(np.hypot(xb - xa, yb - ya), 1e-6), 0.0, 0
                while at < length:
                    ends = [min(at + e, length) / length for e in (0, dash[i % len(dash)])]
                    if i % 2 == 0:
                        self.line([(xa + (xb - xa) * t, ya + (yb - ya) * t) for t in ends], colour, width)
                    at, i = at + dash[i % len(dash)], i + 1
            return
        (xa, ya), (xb, yb) = points[0], points[-1]
        if len(points) == 2 and (round(xa) == round(xb) or round(ya) == round(yb)) and width == round(width):
            x0, x1, y0, y1 = round(min(xa, xb)), round(max(xa, xb)), round(min(ya, yb)), round(max(ya, yb))
            half = int(width) // 2
            if y0 == y1:
                self.box(x0, y0 - half, x1, y0 - half + width, colour)
            else:
                self.box(x0 - half, y0, x0 - half + width, y1, colour)
            return
        flat = [tuple(self.at(*p)) for p in points]
        self.draw.line(flat, colour, max(1, round(width * self.scale)), "curve")

    def disc(self, x, y, r, fill=None, line=None, width=1) -> None:
        bounds = self.at(x - r, y - r, x + r, y + r)
        self.draw.ellipse(bounds, fill, line, max(1, round(width * self.scale)) if line else 0)

    def shape(self, points, fill=None, line=None, width=1) -> None:
        """A polygon."""
        if fill:
            self.draw.polygon([tuple(self.at(*p)) for p in points], fill)
        if line:
            self.line([*points, points[0]], line, width)

    def arrow(self, points, colour, width: float = 1, head: float = 7, dash=()) -> None:
        """A polyline with a head at its end."""
        self.line(points, colour, width, dash)
        (xa, ya), (x, y) = points[-2], points[-1]
        turn = np.arctan2(y - ya, x - xa)
        wings = [(x - head * np.cos(turn + t), y - head * np.sin(turn + t)) for t in (-0.4, 0.4)]
        self.shape([(x, y), *wings], colour)

    def paste(self, picture: Image.Image, x, y) -> None:
        """A picture with `scale` pixels for each of the page's."""
        self.image.paste(picture, tuple(self.at(x, y)))

    def picture(self, x, y, width, height) -> None:
        """A part of one of the photos, or where there are none, something smooth."""
        size = tuple(self.at(width, height))
        if not self.photos:
            return self.paste(scene(self.rng, *size), x, y)
        with Image.open(self.photos[self.rng.integers(len(self.photos))]) as photo:
            ratio = min(photo.width / width, photo.height / height) * self.rng.uniform(0.6, 1)
            w, h = ratio * width, ratio * height
            left, top = self.rng.uniform(0, 1, 2) * (photo.width - w, photo.height - h)
            box = (left, top, left + w, top + h)
            self.paste(photo.convert("RGB").resize(size, Image.Resampling.LANCZOS, box), x, y)

    # Text

    def long(self, text: str, face: Face, size: float) -> float:
        """A text's width in pixels."""
        return sized(face.path, max(1, round(size * self.scale))).getlength(text) / self.scale

    def text(self, x, y, text: str, face: Face, size: float, colour=None, anchor: str = "la", most: float = 0) -> float:
        """One line, as Pillow anchors it; returns its width. What the font lacks, or exceeds `most`, is left out."""
        text = face.clean(text)
        while most and text and self.long(text, face, size) > most:
            text = text[:-1]
        font = sized(face.path, max(1, round(size * self.scale)))
        if text:
            self.draw.text(self.at(x, y), text, self.ink if colour is None else colour, font, anchor)
        return font.getlength(text) / self.scale

    def heading(self, face: Face, count: int = 3) -> str:
        words = face.words(self.rng, self.between(1, count))
        return words.upper() if self.chance(0.2) else words[:1].upper() + words[1:]

    def prose(
        self, x0, y0, x1, y1, face: Face, size: float, colour=None, leading=1.35, align="start", indent=0
    ) -> float:
        """Sentences that fill a box; returns the y below them. align: start, both, centre; `indent` ends paragraphs."""
        y, tokens, width = float(y0), [], x1 - x0
        while y + size <= y1:
            first = bool(indent) and (y == y0 or self.chance(0.12))
            if first and y > y0 and y + size * (leading + 1) <= y1 and self.chance(0.5):
                y += size * 0.5
            room, line = width - indent * first, []
            while True:
                if not tokens:
                    tokens = face.sentence(self.rng)
                if line and self.long(face.joint.join([*line, tokens[0]]), face, size) > room:
                    break
                line.append(tokens.pop(0))
            last = y + size * (leading + 1) > y1
            self._set(x0 + indent * first * (not face.leftward), y, room, line, face, size, colour, align, last)
            y += size * leading
        return y

    def _set(self, x, y, room, line, face, size, colour, align, last) -> None:
        """One line of prose."""
        whole = face.joint.join(line)
        if align == "both" and not last and len(line) > 3 and not face.leftward:
            gap = (room - sum(self.long(w, face, size) for w in line)) / (len(line) - 1)
            if gap < size * 1.5:
                for word in line:
                    x += self.text(x, y, word, face, size, colour) + gap
                return
        if align == "centre":
            self.text(x + room / 2, y, whole, face, size, colour, "ma", room)
        elif face.leftward:
            self.text(x + room, y, whole, face, size, colour, "ra", room)
        else:
            self.text(x, y, whole, face, size, colour, "la", room)

    def finish(self) -> Image.Image:
        """The page at its own size, RGB."""
        return self.image.reduce(self.scale) if self.scale > 1 else self.image
