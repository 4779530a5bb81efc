"""Drawings in ink and type: a comic, a page of text, a chart."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from codec.ui.drawings.canvas import HEIGHT, WIDTH

WORDS = (
    "A picture is a great many numbers, and most of them are no surprise. A codec predicts what it can, writes down "
    "what it could not, and spends its bits where they change the picture most. How much change a bit is worth, you "
    "choose: rate and distortion are made small together. "
)


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
