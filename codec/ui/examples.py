"""Pictures to start with: two photographs that Gradio ships, and three that are drawn here without loss."""

import functools
import shutil
import tempfile
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 768, 512
WORDS = (
    "A picture is a great many numbers, and most of them are no surprise. A codec predicts what it can, writes down "
    "what it could not, and spends its bits where they change the picture most. How much change a bit is worth is "
    "the λ you choose: R + λ·D is what is made small. "
)


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
    grain = np.random.default_rng(2).normal(0, 0.008, picture.shape)
    return ((picture + grain).clip(0, 1) * 255).round().astype(np.uint8)


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


@functools.cache
def files() -> list[str]:
    """The path of every example; written once per process, to a folder that goes with it."""
    folder = tempfile.TemporaryDirectory(prefix="codec-examples-")
    files.folder = folder  # kept alive, and removed, with the process
    found = []
    for name, draw in (("mountains", mountains), ("text", text_page), ("chart", chart)):
        path = Path(folder.name) / f"{name}.png"
        Image.fromarray(draw()).save(path)
        found.append(str(path))
    for name in ("tower", "cheetah"):  # copied, because Gradio serves files of this process's own making only
        path = Path(folder.name) / f"{name}.jpg"
        shutil.copyfile(gr.get_image(path.name), path)
        found.insert(0, str(path))
    return found


CREDITS = "Or one of these: two JPEG photographs, three lossless drawings."
