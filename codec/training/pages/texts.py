"""Kinds of pages that are mostly text, and text with photographs."""

import numpy as np

from codec.training.pages.canvas import BLACK, WHITE, Page, mixed
from codec.training.pages.typefaces import LATIN

SYMBOLS = "∑∫√∂∞≤≥≈≠±×αβγδεθλμπρσφωΓΔΣΩ∈→·"


def text(page: Page) -> None:
    """Prose in one or two columns with headings and lists; or a few words in large type."""
    face, size, margin = page.face(), round(8 * 2.6 ** page.rng.random()), page.between(16, 60)
    if page.chance(0.2):
        big = page.between(30, 60)
        page.prose(margin, margin, page.width - margin, page.height - margin, face, big, align="centre", leading=1.5)
        return
    columns = page.between(1, 2) if size < 15 else 1
    wide = (page.width - margin * 2 - 24 * (columns - 1)) / columns
    align = page.pick(("start", "both", "both"))
    for column in range(columns):
        x, y = margin + column * (wide + 24), margin
        while y < page.height - margin - size * 3:
            kind = page.rng.random()
            if kind < 0.3:
                head = size * page.pick((1.2, 1.5, 2.2))
                page.text(x, y, page.heading(face, 5), face, head, page.pick((page.ink, page.colours[0])), most=wide)
                y += head * 1.5
            elif kind < 0.45:
                for i in range(page.between(2, 5)):
                    mark = f"{i + 1}." if kind < 0.38 else "–"
                    page.text(x + size, y, mark, face, size)
                    y = page.prose(x + size * 3, y, x + wide, min(y + size * 1.4, page.height - margin), face, size)
            else:
                foot = min(page.height - margin, y + size * page.between(4, 14))
                y = page.prose(x, y, x + wide, foot, face, size, align=align, indent=size * page.pick((0, 2)))
            y += size * 0.6
            face = page.face() if page.chance(0.12) else face


def code(page: Page) -> None:
    """A listing with coloured words and numbers of lines, light or dark."""
    if page.chance(0.5):
        page.blank(*page.pick((((30, 30, 30), (212, 212, 212)), ((40, 42, 54), (248, 248, 242)), (BLACK, (0, 220, 0)))))
    face, size = page.face(LATIN, mono=True), page.between(10, 20)
    step, left, depth = round(size * 1.4), size * 4, 0
    page.box(0, 0, left - size, page.height, page.faint(0.94))
    names = [page.fonts.pick(page.rng, ("english",)).word(page.rng).lower() for _ in range(20)]
    for number, y in enumerate(range(6, page.height - step, step), page.between(1, 800)):
        page.text(left - size * 1.5, y, str(number), face, size, page.faint(0.5), "ra")
        if page.chance(0.1):
            depth = 0
            continue
        a, b, c = (page.pick(names) for _ in range(3))
        value = page.pick(
            (str(page.between(0, 999)), f"0x{page.between(0, 65535):04x}", f'"{a} {b}"', f"{a}[{c}]", "{}")
        )
        statement = page.pick(
            (
                f"{a} = {b}({c}, {value})",
                f"if ({a} != {value}) {{",
                f"def {a}_{b}({c}):",
                f"return {a} + {value};",
                f"for {a} in {b}.{c}():",
                f"// {a} {b} {c} {names[0]}",
                f"const {a} = {value};",
                f"{a}.{b}[{value}] -= 1",
            )
        )
        x = left + depth * size * 2
        for word in statement.split(" "):
            keyword = word in ("if", "def", "return", "for", "in", "const")
            comment = statement.startswith("//")
            colour = page.faint(0.5) if comment else page.colours[0] if keyword else page.ink
            if word[:1] in '"0123456789' and not comment:
                colour = page.colours[1 % len(page.colours)]
            x += page.text(x, y, word + " ", face, size, mixed(colour, page.ink, 0.25))
        depth = max(0, depth + (1 if statement[-1] in ":{" else page.pick((0, 0, -1))))


def table(page: Page, x0=None, y0=None, x1=None, y1=None) -> None:
    """Rows and columns, of words and of numbers, ruled or striped."""
    if x0 is None:
        x0, y0, x1, y1 = 24, 30, page.width - 24, page.height - 24
        title = page.face()
        page.text(x0, 8, page.heading(title, 5), title, 17, most=x1 - x0)
    face, size = page.face(), page.between(9, 18)
    step, ends = round(size * page.rng.uniform(1.4, 2.2)), [x0]
    while ends[-1] < x1 - size * 6:
        ends.append(ends[-1] + page.between(size * 4, size * 10))
    ends[-1] = x1
    head, stripe, rules = page.pick((None, page.colours[0])), page.faint(page.pick((1, 0.93, 0.88))), page.pick("hva-")
    kinds = [page.pick(("word", "whole", "money", "share")) for _ in ends]
    for row, y in enumerate(range(y0, y1 - step, step)):
        page.box(x0, y, x1, y + step, head if row == 0 and head else stripe if row % 2 else None)
        for kind, a, b in zip(kinds, ends, ends[1:], strict=False):
            value = {"whole": f"{page.between(0, 99999):,}", "share": f"{page.rng.normal(0, 30):+.1f} %"}.get(kind)
            value = value or (f"{page.rng.lognormal(4, 2):,.2f}" if kind == "money" else face.words(page.rng, 2))
            value, ink = (page.heading(face, 1), WHITE if head else page.ink) if row == 0 else (value, page.ink)
            middle, room = y + step / 2, b - a - 8
            if kind == "word":
                page.text(a + 4, middle, value, face, size, ink, "lm", room)
            else:
                page.text(b - 4, middle, value, face, size, ink, "rm", room)
        if rules in "ha":
            page.line([(x0, y), (x1, y)], page.faint(0.6))
    if rules in "va":
        for x in ends:
            page.line([(x, y0), (x, y1 - step)], page.faint(0.6))


def receipt(page: Page) -> None:
    """Till slips on a desk: prices in a narrow column, a bar code, a code of squares."""
    page.blank(page.pick((page.paper, (90, 80, 70), (200, 200, 205))), (30, 30, 34))
    face, x, size = page.face(LATIN, mono=True), page.between(10, 40), page.between(11, 17)
    while x < page.width - 200:
        wide = page.between(200, 330)
        y, centre, right = page.between(-60, 30), x + wide / 2, x + wide - 12
        page.box(x, y, x + wide, page.height + 9, page.pick((WHITE, (250, 249, 244))))
        page.text(centre, y + 16, page.heading(face, 2).upper(), face, size * 1.5, anchor="ma", most=wide - 16)
        y += 16 + size * 3
        while y < page.height - 150:
            page.text(x + 12, y, face.words(page.rng, 2), face, size, most=wide * 0.6)
            page.text(right, y, f"{page.rng.lognormal(2, 1):.2f}", face, size, anchor="ra")
            y += size * 1.35
            if page.chance(0.08):
                page.line([(x + 12, y + 3), (right, y + 3)], page.ink, 1, (4, 3))
                y += size
        edges = np.cumsum(page.rng.integers(1, 4, 90)) + x + 16
        for a, b in zip(edges[::2], edges[1::2], strict=True):
            page.box(a, y + 8, min(b, right), y + 50, page.ink)
        page.text(centre, y + 54, str(page.between(10**11, 10**12)), face, size, anchor="ma")
        squares(page, centre - 33, y + 76, 3)
        x += wide + page.between(14, 60)


def squares(page: Page, x: float, y: float, cell: int) -> None:
    """What looks like a QR code: 22 × 22 cells."""
    for i, j in zip(*np.nonzero(page.rng.random((22, 22)) < 0.5), strict=True):
        page.box(x + i * cell, y + j * cell, x + (i + 1) * cell, y + (j + 1) * cell, BLACK)
    for i, j in ((0, 0), (15, 0), (0, 15)):
        for inset, colour in ((0, WHITE), (0, BLACK), (1, WHITE), (2, BLACK)):
            a, side = inset * cell, (7 - 2 * inset) * cell
            page.box(x + i * cell + a, y + j * cell + a, x + i * cell + a + side, y + j * cell + a + side, colour)


def newspaper(page: Page) -> None:
    """A title, narrow columns in small type with lines between them, headlines, a picture."""
    face = page.face()
    size, margin, y = page.between(8, 12), page.between(12, 28), 10
    page.text(page.width / 2, y, page.heading(face, 3), face, page.between(34, 60), anchor="ma", most=page.width - 40)
    y += 78
    for at in (y, y + 20):
        page.line([(margin, at), (page.width - margin, at)], page.ink, page.pick((1, 2)))
    page.text(margin, y + 4, f"{page.heading(face)} {page.between(1, 31)}. {page.between(1900, 2030)}", face, 11)
    columns, y = page.between(3, 5), y + 28
    wide = (page.width - 2 * margin + 14) / columns
    illustrated = page.between(0, columns - 1)
    for i in range(columns):
        x, top = margin + i * wide, y
        if i:
            page.line([(x - 7, y), (x - 7, page.height - margin)], page.faint(0.5))
        if i == illustrated:
            page.picture(x, top, wide - 14, wide * 0.7)
            top = page.prose(x, top + wide * 0.7 + 4, x + wide - 14, top + wide * 0.7 + 28, face, size * 0.9) + 4
        while top < page.height - margin - 60:
            top = page.prose(x, top, x + wide - 14, top + size * 4, face, size * page.pick((1.5, 2)), leading=1.15) + 4
            foot = min(page.height - margin, top + page.between(80, 400))
            top = page.prose(x, top, x + wide - 14, foot, face, size, align="both", leading=1.25, indent=size) + 10


def formulas(page: Page) -> None:
    """Lines of sums, fractions, roots, powers and matrices, between lines of prose."""
    face = page.face(("greek",))
    size, y = page.between(16, 34), page.between(20, 40)

    def term() -> str:
        return page.pick(tuple("xyzabfgkn") + tuple(SYMBOLS[10:29])) + page.pick(("", "", f"({page.pick('xtn')})"))

    while y < page.height - size * 4:
        if page.chance(0.5):
            y = page.prose(40, y, page.width - 40, y + size * 2, page.face(LATIN), size * 0.6) + size
        x, middle = page.between(40, 140), y + size
        while x < page.width - size * 6:
            kind = page.pick(("power", "fraction", "sum", "root", "matrix", "relation", "relation"))
            if kind == "power":
                x += page.text(x, middle, term(), face, size, anchor="lm")
                x += page.text(
                    x, middle - size * 0.5, page.pick(("2", "n", "−1", "k+1", "T")), face, size * 0.6, anchor="lm"
                )
            elif kind == "fraction":
                wide = size * 2.2
                for sign in (-1, 1):
                    page.text(
                        x + wide / 2, middle + sign * size * 0.65, f"{term()}+{term()}", face, size * 0.7, anchor="mm"
                    )
                page.line([(x, middle), (x + wide, middle)], page.ink, 1)
                x += wide + 4
            elif kind == "sum":
                page.text(x + size / 2, middle, page.pick("∑∫Σ"), face, size * 1.6, anchor="mm")
                page.text(x + size / 2, middle + size * 1.2, f"{page.pick('ikn')}=0", face, size * 0.5, anchor="mm")
                page.text(x + size / 2, middle - size * 1.2, page.pick("∞NnK"), face, size * 0.5, anchor="mm")
                x += size * 1.4
            elif kind == "root":
                wide = page.text(x + size * 0.6, middle, f"{term()}−{page.between(1, 9)}", face, size, anchor="lm")
                a, b = middle - size * 0.6, middle + size * 0.5
                page.line(
                    [(x, middle), (x + size * 0.2, b), (x + size * 0.5, a), (x + size * 0.6 + wide, a)], page.ink, 1.3
                )
                x += wide + size
            elif kind == "matrix":
                for i, j in np.ndindex(2, 3):
                    at = x + size * (0.6 + j), middle + size * (i - 0.5)
                    page.text(*at, str(page.between(-9, 9)), face, size * 0.7, anchor="mm")
                for edge, inward in ((x, 5), (x + size * 3.2, -5)):
                    a, b = middle - size, middle + size
                    page.line([(edge + inward, a), (edge, a), (edge, b), (edge + inward, b)], page.ink, 1)
                x += size * 3.5
            else:
                x += page.text(x, middle, f" {page.pick('=+−≤≈∈→·±')} {term()} ", face, size, anchor="lm")
        page.text(page.width - 20, middle, f"({page.between(1, 40)})", face, size * 0.7, anchor="rm")
        y += size * 3.4


def photograph(page: Page) -> None:
    """Photographs, or what is smooth like them, with captions on or below them, in frames, or among prose."""
    face, size, margin = page.face(), page.between(12, 24), page.between(12, 40)
    kind = page.pick(("slide", "grid", "article", "poster"))
    if kind == "poster":
        foot = round(page.height * page.pick((0.5, 0.7, 1)))
        page.picture(0, 0, page.width, foot)
        page.prose(margin, foot + 12, page.width - margin, page.height - 12, face, size)
        for y, big in ((page.between(20, 90), page.between(30, 60)), (foot - 60, size)):
            at, words = page.width / 2, page.heading(face, 4)
            big *= min(1, page.width * 0.9 / page.long(words, face, big))
            if page.chance(0.5):
                page.text(at + 2, y + 2, words, face, big, BLACK, "ma")
            page.text(at, y, words, face, big, page.pick((WHITE, WHITE, page.colours[0])), "ma")
        return
    wide, tall = page.width - 2 * margin, page.height - 2 * margin
    if kind == "grid":
        columns, rows = page.between(2, 4), page.between(2, 3)
        w, h = wide / columns, tall / rows
        for i, j in np.ndindex(columns, rows):
            x, y = round(margin + i * w), round(margin + j * h)
            page.picture(x, y, round(w - 12), round(h - 40))
            page.prose(x, y + h - 36, x + w - 12, y + h - 4, face, 12, leading=1.2)
    else:
        share = page.rng.uniform(0.3, 0.6)
        page.text(margin, margin, page.heading(face, 5), face, size * 1.8, most=wide)
        top, x = round(margin + size * 3), round(margin + wide * (1 - share))
        page.picture(x, top, round(wide * share), round(tall * share))
        if page.chance(0.5):
            page.box(x, top, page.width - margin, top + round(tall * share), None, page.ink, 2)
            page.text(x + 8, top + tall * share - 8, face.words(page.rng, 4), face, size, WHITE, "ld", wide * share)
        page.prose(margin, top, x - 16, page.height - margin, face, size * (1.3 if kind == "slide" else 0.7), indent=1)
        page.prose(x, top + tall * share + 8, page.width - margin, page.height - margin, face, size * 0.7, indent=1)
