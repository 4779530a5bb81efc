"""The charts of a reveal as SVG text: bars of shares, the scale, and measures against votes.

Only presentation attributes, no styles, so that a page with a strict content policy can show them; text is in
`currentColor` unless `standalone` gives it a colour and a white ground. The palette is that of every other figure.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from codec.plots import OTHER, colour
from codec.spec import DECODERS

WIDTH = 960
INK, GROUND = "#111827", "#ffffff"
MASKED = ("#0072b2", "#e69f00")  # of A and B before the unmasking; Okabe and Ito's blue and orange
AGREES, DIFFERS = "#0072b2", "#d55e00"
FONT = "system-ui, sans-serif"

Words = Callable[..., str]  # (key, **values) -> a text in the reader's language


def colour_of(method: str) -> str:
    """A method's colour; realism goes from the colour of MSE to that of its decoder."""
    name, _, realism = method.partition("@")
    if name not in DECODERS:
        return colour(name)
    if not realism:
        return colour(f"ours:{name}")
    ends = (DECODERS["mse"].colour, DECODERS[name].colour)
    a, b = (tuple(int(end[i : i + 2], 16) for i in (1, 3, 5)) for end in ends)
    return "#" + "".join(f"{round(x + float(realism) * (y - x)):02x}" for x, y in zip(a, b, strict=True))


def text(x: float, y: float, words: str, size: int = 20, anchor: str = "start", **attributes: str) -> str:
    more = "".join(
        f' {key.replace("_", "-")}="{value}"' for key, value in ({"fill": "currentColor"} | attributes).items()
    )
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def rect(x: float, y: float, width: float, height: float, fill: str, **attributes: str) -> str:
    more = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(0, width):.1f}" height="{height:.1f}" fill="{fill}"{more}/>'


def line(
    x1: float, y1: float, x2: float, y2: float, stroke: str = "currentColor", width: float = 2, **attributes
) -> str:
    more = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{stroke}" stroke-width="{width}"{more}/>'


def whisker(low: float, high: float, y: float, half: float = 7) -> str:
    """An interval from x = low to high, dark on a light halo so that it can be seen on any bar."""
    strokes = []
    for stroke, width in ((GROUND, 6), (INK, 2.5)):
        strokes.append(line(low, y, high, y, stroke, width))
        strokes += [line(x, y - half, x, y + half, stroke, width) for x in (low, high)]
    return "".join(strokes)


def drawn(body: list[str], height: float, label: str, caption: str = "", standalone: bool = False) -> str:
    """The SVG document. caption: a line below, for figures that leave the page."""
    height += 34 if caption else 0
    ground = rect(0, 0, WIDTH, height, GROUND) if standalone else ""
    below = text(0 if not standalone else 16, height - 10, caption, 15) if caption else ""
    paint = f' color="{INK}"' if standalone else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'height="{height:.0f}" role="img" aria-label="{escape(label)}" font-family="{FONT}"{paint}>'
        f"{ground}{''.join(body)}{below}</svg>"
    )


def bars(summary: dict, names: dict[str, str], words: Words, masked: bool, **document) -> str:
    """A bar for each pair: which share was for the first, Wilson's interval, and once unmasked who they are."""
    body, left, width, step = [], 20, WIDTH - 40, 108
    for at, pair in enumerate(summary["pairs"]):
        top, split = 8 + at * step, left + width * pair["share"]
        if masked:
            ends = [words("side", pair=at + 1, side=side) for side in "AB"]
            fills = MASKED
        else:
            ends = [
                f"{names[pair[k]]} · {words('bytes', bytes=pair['bytes'][i])}"
                for i, k in enumerate(("first", "second"))
            ]
            fills = (colour_of(pair["first"]), colour_of(pair["second"]))
        body += [text(left, top + 20, ends[0], 21, font_weight="600")]
        body += [text(left + width, top + 20, ends[1], 21, "end", font_weight="600")]
        body += [
            rect(left, top + 30, split - left, 36, fills[0]),
            rect(split, top + 30, left + width - split, 36, fills[1]),
        ]
        body += [line(left + width / 2, top + 26, left + width / 2, top + 70, GROUND, 2, stroke_dasharray="4 3")]
        low, high = (left + width * end for end in pair["wilson"])
        body += [whisker(low, high, top + 48)]
        body += [
            text(left, top + 90, f"{100 * pair['share']:.0f} %", 19),
            text(left + width, top + 90, f"{100 - 100 * pair['share']:.0f} %", 19, "end"),
        ]
        middle = words("counted", wins=pair["wins"], ties=pair["ties"], losses=pair["losses"])
        if not masked:
            middle += " · " + words("clear" if pair["clear"] else "unclear", p=p_text(pair["p_holm"]))
        body += [text(left + width / 2, top + 90, middle, 17, "middle")]
    return drawn(body, 8 + step * len(summary["pairs"]), words("bars_label"), **document)


def p_text(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def scale(summary: dict, names: dict[str, str], words: Words, **document) -> str:
    """Each method's strength with its interval, the strongest at the top."""
    rows = sorted(summary["scale"], key=lambda row: -row["score"])
    least = min([-1.0, *(max(row["low"], -6) for row in rows)])
    most = max([1.0, *(min(row["high"], 6) for row in rows)])
    left, right, step = 330, WIDTH - 40, 64

    def x(value: float) -> float:
        return left + (right - left) * (min(max(value, least), most) - least) / (most - least)

    bottom = 16 + step * len(rows)
    body = []
    for value in range(int(least), int(most) + 1):
        body += [line(x(value), 10, x(value), bottom, OTHER, 1, stroke_dasharray="3 4" if value else "none")]
        body += [text(x(value), bottom + 22, f"{value:+d}".replace("-", "−") if value else "0", 17, "middle")]
    for at, row in enumerate(rows):
        y = 16 + step * at + step / 2
        body += [text(20, y + 7, names[row["key"]], 21, font_weight="600")]
        body += [line(x(row["low"]), y, x(row["high"]), y, colour_of(row["key"]), 6, stroke_linecap="round")]
        body += [f'<circle cx="{x(row["score"]):.1f}" cy="{y:.1f}" r="11" fill="{colour_of(row["key"])}"/>']
    body += [text((left + right) / 2, bottom + 50, words("scale_axis"), 17, "middle")]
    return drawn(body, bottom + 64, words("scale_label"), **document)


def measures(summary: dict, words: Words, **document) -> str:
    """For each measure: by how much it prefers one of two images, and how many voters agreed with it."""
    rows = summary["measures"]
    columns, left_edge, gap, above, below = 3, 64, 28, 52, 52
    width, height = (WIDTH - left_edge - gap * (columns - 1) - 20) / columns, 150
    body: list[str] = []
    for at, row in enumerate(rows):
        left, top = left_edge + at % columns * (width + gap), above + at // columns * (above + height + below)
        if at % columns == 0:
            for share in (100, 50, 0):
                body += [text(left - 8, top + height * (1 - share / 100) + 5, f"{share} %", 15, "end")]
        body += scatter(row, words, left, top, width, height)
    bottom = above + (len(rows) + columns - 1) // columns * (above + height + below) - 16
    body += [point(left_edge + 9, bottom, AGREES, True), text(left_edge + 26, bottom + 6, words("agrees"), 17)]
    body += [point(WIDTH / 2, bottom, DIFFERS, False), text(WIDTH / 2 + 17, bottom + 6, words("differs"), 17)]
    return drawn(body, bottom + 20, words("measures_label"), **document)


def scatter(row: dict, words: Words, left: float, top: float, width: float, height: float) -> list[str]:
    """One measure: a point for two versions of an image, right by the measure's difference, up by the voters' share."""
    tau = "–" if row["tau"] is None else f"{row['tau']:+.2f}".replace("-", "−")
    middle, right, bottom = top + height / 2, left + width, top + height
    body = [
        text(left, top - 29, words("tau", name=words(f"measure_{row['name']}"), tau=tau), 20, font_weight="600"),
        text(left, top - 9, words(trained_key(row)), 16),
        rect(left, top, width, height / 2, AGREES, fill_opacity="0.10"),
        rect(left, middle, width, height / 2, DIFFERS, fill_opacity="0.10"),
        line(left, middle, right, middle, OTHER, 1.5),
        text(right, bottom + 17, words("difference"), 14, "end"),
        text(left, bottom + 37, words("agreed", agreed=row["agreed"], decided=row["decided"]), 16),
    ]
    most = max((abs(p["better"]) for p in row["points"]), default=0) or 1
    for compared in row["points"]:
        share = compared["share"] if compared["better"] >= 0 else 1 - compared["share"]
        x = left + 12 + (width - 24) * abs(compared["better"]) / most
        fill = AGREES if share > 0.5 else DIFFERS if share < 0.5 else OTHER
        body += [point(x, top + 9 + (height - 18) * (1 - share), fill, share >= 0.5)]
    return body


def trained_key(row: dict) -> str:
    """The text that says which decoder a measure was part of the training of."""
    return f"trained_{row['trained']}" if row["trained"] else "untrained"


def point(x: float, y: float, fill: str, is_round: bool) -> str:
    """A circle, or a diamond: colour is not all that tells them apart."""
    if is_round:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7" fill="{fill}" stroke="{GROUND}"/>'
    corners = f"{x:.1f},{y - 9:.1f} {x + 9:.1f},{y:.1f} {x:.1f},{y + 9:.1f} {x - 9:.1f},{y:.1f}"
    return f'<polygon points="{corners}" fill="{fill}" stroke="{GROUND}"/>'
