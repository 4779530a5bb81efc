"""Training crops and validation images from folders of ordinary image files."""

import math
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

import numpy as np
import torch
from PIL import Image
from torch import Tensor

#: What is trained on, as the manifest says it.
DATA = "CID22 training split, CLIC 2025 validation photographs, desktop wallpapers, free photographs, generated pages"
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}


def image_files(folder: str | Path) -> list[Path]:
    """Every image file below `folder`, sorted. Raises FileNotFoundError where there is none."""
    files = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in SUFFIXES)
    if not files:
        raise FileNotFoundError(f"There is no image below '{folder}'.")
    return files


def read_rgb(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


LARGE = 1000  # pixels on the longer side


SMALLEST = 0.5  # scale of a crop


def shrunk(crop: np.ndarray, side: int) -> np.ndarray:
    """A crop, uint8 (s, s, 3), with `side` pixels on each side."""
    if crop.shape[0] == side:
        return crop
    return np.asarray(Image.fromarray(crop).resize((side, side), Image.Resampling.LANCZOS))


def recoloured(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """uint8 (H, W, 3) in another light: gains per colour, a gamma, more or less saturation, none of them much."""
    gains, gamma, saturation = rng.uniform(0.8, 1.15, 3), math.exp(rng.uniform(-0.3, 0.3)), rng.uniform(0.6, 1.25)
    curve = (np.arange(256) / 255) ** gamma * 255
    lit = curve[crop].astype(np.float32) * gains.astype(np.float32)
    grey = lit @ np.array([0.299, 0.587, 0.114], np.float32)
    return (grey[..., None] + np.float32(saturation) * (lit - grey[..., None])).round().clip(0, 255).astype(np.uint8)


class Crops:
    """Random crops of images that are all held in memory as uint8.

    Large photographs are kept at several scales: shrinking removes the traces of their own compression, and
    gives small crops more content. `weights` maps a folder's name to the weight of its pixels. `varied` is the share
    of crops that are shrunk and recoloured at random: a few hundred pictures are soon known by heart.
    """

    def __init__(self, folder: str | Path, weights: dict[str, float] | None = None, varied: float = 0.0):
        weights, self.varied = weights or {}, varied
        self.images, pixels = [], []
        for path in image_files(folder):
            image = Image.open(path).convert("RGB")
            weight = weights.get(path.parent.name, 1.0)
            if weight <= 0:
                continue
            for scale in (1.0, 0.75, 0.5) if max(image.size) >= LARGE else (1.0,):
                size = (round(image.width * scale), round(image.height * scale))
                scaled = image if scale == 1.0 else image.resize(size, Image.Resampling.LANCZOS)
                self.images.append(np.asarray(scaled))
                pixels.append(weight * size[0] * size[1] / (1.0 if scale == 1.0 else scale))
        self.p = np.array(pixels) / sum(pixels)

    def sample(self, rng: np.random.Generator, batch: int, size: int) -> Tensor:
        """uint8 (batch, 3, size, size), flipped and transposed at random."""
        crops = []
        for i in rng.choice(len(self.images), size=batch, p=self.p):
            image, side = self.images[i], size
            if varied := rng.random() < self.varied:
                size = min(round(side / rng.uniform(SMALLEST, 1)), max(side, min(image.shape[:2])))
            if min(image.shape[:2]) < size:  # rare: reflect what is missing
                pad = [(0, max(0, size - n)) for n in image.shape[:2]] + [(0, 0)]
                image = np.pad(image, pad, mode="symmetric")
            top, left = (int(rng.integers(0, n - size + 1)) for n in image.shape[:2])
            crop = image[top : top + size, left : left + size]
            if varied:
                crop = recoloured(shrunk(crop, side), rng)
            size = side
            crop = crop[:: rng.choice((-1, 1)), :: rng.choice((-1, 1))]
            crops.append(crop.transpose(1, 0, 2) if rng.random() < 0.5 else crop)
        return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)

    def patches(self, count: int, size: int, seed: int = 0) -> Tensor:
        """float32 (count, 3, size, size) in [0, 1], for the initialisation."""
        return self.sample(np.random.default_rng(seed), count, size).float() / 255

    def stream(self, batch: int, size: int, seed: int, workers: int = 1):
        """Yields batches for ever, made ahead of time by threads."""
        queue: Queue = Queue(maxsize=4 * workers)

        def produce(worker: int) -> None:
            rng = np.random.default_rng((seed, worker))
            while True:
                queue.put(self.sample(rng, batch, size))

        for worker in range(workers):
            threading.Thread(target=produce, args=(worker,), daemon=True).start()
        while True:
            yield queue.get()

    def batches(self, batch: int, size: int, seed: int, first: int = 0, workers: int = 1) -> Iterator[Tensor]:
        """Batches number `first`, first + 1, … for ever; each depends on the seed and its number only."""
        pending: deque = deque()
        with ThreadPoolExecutor(workers) as pool:
            try:
                while True:
                    while len(pending) < 2 * workers:
                        rng = np.random.default_rng((seed, first))
                        pending.append(pool.submit(self.sample, rng, batch, size))
                        first += 1
                    yield pending.popleft().result()
            finally:
                pool.shutdown(cancel_futures=True)


def random_levels(
    batch: int, height: int, width: int, top: float, smooth_share: float = 0.4, generator: torch.Generator | None = None
) -> Tensor:
    """Level maps (batch, 1, height, width) in [0, top]: most uniform, the rest smooth random fields."""
    levels = torch.rand(batch, 1, 1, 1, generator=generator).expand(-1, -1, height, width) * top
    rows, columns = torch.randint(2, 4, (2,), generator=generator).tolist()
    coarse = torch.rand(batch, 1, rows, columns, generator=generator) * top
    fields = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=True)
    smooth = (torch.rand(batch, 1, 1, 1, generator=generator) < smooth_share).float()
    return levels * (1 - smooth) + fields * smooth
