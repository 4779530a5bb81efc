"""Generated pages: training images of text, user interfaces, charts, line art and comics, drawn at random.

Photographs teach a codec little about them. A page depends on the seed, its number, the fonts and the photos alone, as
long as Pillow, FreeType and the fonts keep their versions. Held-out pages have families of fonts, and seeds, that
training's have not. With the packages of Debian 12 (fonts-roboto, -open-sans, -vollkorn, -jetbrains-mono,
-wqy-microhei, -nanum, -ipafont-mincho, -courier-prime, -linuxlibertine) below /usr/share/fonts, they are, in bash:

T=/usr/share/fonts/truetype O=/usr/share/fonts/opentype
python -m codec.training pages --out HELD-OUT --count 8 --seed 99 --size 768x512 --fonts \\
    $T/{roboto,open-sans,vollkorn,jetbrains-mono,wqy,nanum} $O/ipafont-mincho/ipamp.ttf $O/courier-prime \\
    $O/linux-libertine/Lin{Libertine_R,Libertine_DR,Libertine_M,Biolinum_R}*.otf
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from codec.training.pages import comics, drawings, screens, texts
from codec.training.pages.canvas import Page
from codec.training.pages.typefaces import Fonts

PICTURES = {".png", ".jpg", ".jpeg", ".webp"}
KINDS: dict[str, Callable[[Page], None]] = {
    "text": texts.text,
    "code": texts.code,
    "table": texts.table,
    "receipt": texts.receipt,
    "newspaper": texts.newspaper,
    "formulas": texts.formulas,
    "interface": screens.interface,
    "dashboard": screens.dashboard,
    "chart": screens.charts,
    "comic": comics.comic,
    "map": drawings.land,
    "diagram": drawings.diagram,
    "drawing": drawings.drawing,
    "sketch": drawings.sketch,
    "photograph": texts.photograph,
}
ORDER = [*KINDS, "text", "interface", "chart"]  # these come twice as often
AT_ONE = ("text", "code", "table", "newspaper", "interface")  # also drawn at scale 1: text with hinting


def render(seed: int, number: int, size: tuple[int, int], fonts: Fonts, photos: list[Path]) -> tuple[str, Image.Image]:
    """The kind and the picture, RGB of `size` = (width, height) pixels, of one page.

    Kinds come in an order that the seed gives: each of `ORDER` once before it begins anew.
    """
    kind = ORDER[np.random.default_rng(seed).permutation(len(ORDER))[number % len(ORDER)]]
    rng = np.random.default_rng((seed, number))
    scale = int(rng.choice((1, 2, 3) if kind in AT_ONE else (2, 3)))
    zoom = float(rng.choice((0.6, 0.75, 0.9, 1.1))) if rng.random() < 0.2 else 1.0  # as a screen is that was scaled
    page = Page(rng, fonts, photos, (round(size[0] / zoom), round(size[1] / zoom)), scale)
    if scale == 1 and rng.random() < 0.15:
        page.draw.fontmode = "1"  # no smoothing, as on old screens
    KINDS[kind](page)
    if kind not in ("interface", "dashboard") and rng.random() < 0.12:  # as it lay on a scanner
        page.image = page.image.rotate(rng.uniform(-3, 3), Image.Resampling.BICUBIC, fillcolor=page.paper)
    image = page.finish()
    return kind, image if zoom == 1 else image.resize(size, Image.Resampling.LANCZOS)


def save(image: Image.Image, file: Path) -> None:
    """PNG, optimised; with a palette where 256 colours are enough."""
    colours = image.getcolors(256)
    if colours:
        pixels = np.asarray(image).astype(np.int32) @ np.array([65536, 256, 1], np.int32)
        values, indices = np.unique(pixels, return_inverse=True)
        flat = Image.fromarray(indices.reshape(pixels.shape).astype(np.uint8), "P")
        flat.putpalette(np.stack([values >> 16, values >> 8 & 255, values & 255], 1).astype(np.uint8).tobytes())
        image = flat
    image.save(file, optimize=True)


def pages(
    out: str, count: int = 60, seed: int = 0, size: str = "768x768", fonts: list[str] | None = None, photos: str = ""
) -> None:
    """Writes `count` pages to OUT/NUMBER-KIND.png.

    size: "WIDTHxHEIGHT" in pixels. fonts: folders or files; without, those of the system; an empty list: Pillow's own.
    photos: a folder with pictures to be shown in pages; without, smooth gradients are.
    """
    width, _, height = size.partition("x")
    photographs = sorted(p for p in Path(photos).rglob("*") if p.suffix.lower() in PICTURES) if photos else []
    library, folder = Fonts(None if fonts is None else tuple(fonts)), Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        kind, image = render(seed, number, (int(width), int(height)), library, photographs)
        save(image, folder / f"{number:04d}-{kind}.png")
