"""What the page opens on: JPEG and the generative decoder at the same few kilobytes, and the JPEG that looks as close.

"As close" is by DISTS (Ding et al., "Image quality assessment: unifying structure and texture similarity", TPAMI 2020),
which is in the loss of no decoder. The JPEG side is the JPEG file itself. The other pictures are AVIF without chroma
subsampling; the file says how far each is from what was really decoded.
"""

import io
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from codec import baselines
from codec.api import encode, load
from codec.evaluation import worth
from codec.evaluation.measure import model_digest
from codec.evaluation.worth import Original
from codec.metrics import bpp, lpips, ms_ssim, psnr
from codec.pictures.load import load_image
from codec.provenance import versions
from codec.results import OURS, WITH_GAN, read_json, write_json
from codec.spec import lambda_of
from codec.ui.examples import sources
from codec.ui.front import PICTURES, PREVIEW, SMALL
from codec.weights import default

SCENES = ("coffee", "portrait", "foliage", "night", "text")  # the last is what the generative decoder is bad at
TARGETS = (0.14, 0.30, 0.45)  # bpp, those of HiFiC (Mentzer et al. 2020)
THUMBNAIL = 96  # pixels, square
SHOWN_QUALITY = 90  # of AVIF 4:4:4, for the pictures that are no JPEG
PREVIEW_SIZE, PREVIEW_QUALITY = (1200, 630), 88  # pixels, as sites that show a preview of a link ask for


def as_close(original: Original, wanted: float, quality: float, value: float) -> dict | None:
    """The smallest JPEG with a DISTS of at most `wanted`: its quality, bytes and DISTS; None where 95 is not enough.

    quality, value: of a JPEG that is known. Whole qualities at 4:2:0, which suits JPEG where bytes are few.
    DISTS is nearly straight in the logarithm of the quality: a place between two known ones is interpolated.
    """
    low, high, best = (max(0, int(quality)), value), (96, 0.0), None
    if value <= wanted:
        low = (0, 1.0)
        high = (int(quality) + 1, value)
    while high[0] - low[0] > 1:
        share = (low[1] - wanted) / max(1e-6, low[1] - high[1])
        guess = math.exp(math.log(max(low[0], 0.5)) * (1 - share) + math.log(high[0]) * share)
        middle = min(max(round(guess), low[0] + 1), high[0] - 1)
        data = baselines.encode(original.rgb, "jpeg", middle)
        value = original.dists(baselines.decode(data))
        if value <= wanted:
            high, best = (middle, value), {"quality": middle, "bytes": len(data), "dists": round(value, 5)}
        else:
            low = (middle, value)
    return best


def measured(original: Original, decoded: np.ndarray) -> dict:
    values = {"psnr": psnr, "ms_ssim": ms_ssim, "lpips": lpips}
    measures = {name: round(float(of(original.rgb, decoded)), 5) for name, of in values.items()}
    return measures | {"dists": round(original.dists(decoded), 5)}


def stored(rgb: np.ndarray, path: Path) -> dict:
    """Writes a picture for the page; the file's name, and its PSNR from what it shows."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "AVIF", quality=SHOWN_QUALITY, subsampling="4:4:4", speed=3)
    path.write_bytes(buffer.getvalue())
    with Image.open(path) as image:
        return {"file": path.name, "shown_psnr": round(psnr(rgb, np.asarray(image.convert("RGB"))), 2)}


def thumbnail(rgb: np.ndarray, path: Path) -> None:
    """A small square for the button that shows a scene."""
    ImageOps.fit(Image.fromarray(rgb), (THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS).save(path, "AVIF", quality=70)


def scene(name: str, targets: list[float], backbones: str, folder: Path):
    """Yields the rows of one example, one a rate; its pictures go into a folder."""
    path = sources()[name]
    rgb, codec = load_image(path).rgb, load()
    thumbnail(rgb, folder / f"{name}{SMALL}")
    height, width = rgb.shape[:2]
    original, y = Original(rgb, backbones), codec.analyse(rgb)
    head = {"image": name, "width": width, "height": height, "original_bytes": path.stat().st_size}
    head |= {"original": stored(rgb, folder / f"{name}.avif")}
    for target in targets:
        coded, result = encode(rgb, bpp=target, codec=codec, y=y)
        size = len(coded.data)
        decoded = {decoder: codec.decode(coded.stream, decoder) for decoder in ("mse", "hific")}
        jpeg = baselines.encode_at_most(rgb, "jpeg", size)
        stem = f"{name}-{100 * target:.0f}"
        (folder / f"{stem}.jpg").write_bytes(jpeg.data)
        row = head | {"target_bpp": target, "bytes": size, "bpp": round(bpp(size, width, height), 4)}
        row |= {"reached": result.reached, "lambda": round(lambda_of(coded.q), 6)}
        row["jpeg"] = {"bytes": len(jpeg.data), "setting": jpeg.setting, "fits": jpeg.fits, "file": f"{stem}.jpg"}
        row["jpeg"] |= measured(original, jpeg.rgb)
        row["hific"] = stored(decoded["hific"], folder / f"{stem}.avif") | measured(original, decoded["hific"])
        row["mse"] = measured(original, decoded["mse"])
        quality = float(jpeg.setting.split()[1].rstrip(","))
        row["jpeg_as_close"] = as_close(original, row["hific"]["dists"], quality, row["jpeg"]["dists"])
        print(name, target, size, row["jpeg_as_close"], flush=True)
        yield row


def preview(jpeg: Path, generative: Path, row: dict, out: Path) -> None:
    """The picture of a link: JPEG left, the generative decoder right, with their sizes."""
    width, height = PREVIEW_SIZE
    sheet = None
    for i, (path, label) in enumerate(((jpeg, "JPEG"), (generative, "neural codec"))):
        with Image.open(path) as image:
            times = max(width / image.width, height / image.height)
            size = round(image.width * times), round(image.height * times)
            large = image.convert("RGB").resize(size, Image.Resampling.BICUBIC)
        left, top = (large.width - width) // 2, (large.height - height) // 2
        large = large.crop((left, top, left + width, top + height))
        sheet = large if sheet is None else sheet
        half = (width // 2, 0, width, height)
        if i:
            sheet.paste(large.crop(half), half)
        draw, font = ImageDraw.Draw(sheet, "RGBA"), ImageFont.load_default(34)
        text = f"{label}: {(row['jpeg'] if not i else row)['bytes'] / 1000:.1f} kB"
        x, y = (24 if not i else width - 24), height - 24
        anchor = "ls" if not i else "rs"
        box = draw.textbbox((x, y), text, font, anchor)
        draw.rounded_rectangle((box[0] - 14, box[1] - 10, box[2] + 14, box[3] + 10), 8, (0, 0, 0, 190))
        draw.text((x, y), text, "white", font, anchor)
    ImageDraw.Draw(sheet).rectangle((width // 2 - 2, 0, width // 2 + 1, height), "white")
    sheet.save(out, quality=PREVIEW_QUALITY, optimize=True, progressive=True)


def evaluate(out: Path, backbones: str, folder: Path = PICTURES) -> dict:
    """Makes the pictures of the first screen and the results file with their numbers; the file's contents.

    Raises FileNotFoundError where scikit-image, whose photographs come first, or VGG-16 is not at hand.
    """
    if missing := [name for name in SCENES if name not in sources()]:
        raise FileNotFoundError(f"There is no example {', '.join(missing)}: pip install scikit-image.")
    worth.networks(backbones)  # says at once what is missing
    folder.mkdir(parents=True, exist_ok=True)
    models = {name: model_digest(codec) for name, codec in (("mse", OURS), ("hific", WITH_GAN))}
    old = read_json(out)
    points = old["points"] if old.get("models") == models else []
    result = {
        "command": "python -m codec.evaluation first-screen --out results/first-screen.json --backbones VGG",
        "measure": "DISTS",
        "weights": default().current,
        "models": models,
        "versions": versions(),
    }
    for name in SCENES:
        left = [t for t in TARGETS if (name, t) not in {(p["image"], p["target_bpp"]) for p in points}]
        for row in scene(name, left, backbones, folder) if left else ():
            points.append(row)
            write_json(out, result | {"points": points})
    preview(folder / points[0]["jpeg"]["file"], folder / points[0]["hific"]["file"], points[0], folder / PREVIEW)
    return result | {"points": points}
