"""Training pictures that lie in the memory of the device itself, so that cutting a batch of crops takes no time."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from codec.training import data as datasets

SCALES = (1.0, 0.7, 0.5)  # at which a photograph is kept where it is large enough
SHORTEST = 320  # pixels of the shorter side below which a picture is not scaled down
LOW_SHARE = 0.2  # of the crops of the trunk's training that are coded at the lowest steps of the ladder
LOW_TOP = 3.0  # level above those
PAGES = "pages"  # the folder of generated pages, which are neither mirrored nor scaled down


def scaled_copies(path: Path, least: int) -> list[np.ndarray]:
    """A picture at each of its scales, uint8 (H, W, 3), reflected where a side is shorter than `least`."""
    image = Image.open(path).convert("RGB")
    copies = []
    for scale in (1.0,) if path.parent.name == PAGES else SCALES:
        width, height = round(image.width * scale), round(image.height * scale)
        if scale < 1 and min(width, height) < SHORTEST:
            break
        copy = np.asarray(image if scale == 1 else image.resize((width, height), Image.Resampling.LANCZOS))
        copies.append(np.pad(copy, [(0, max(0, least - n)) for n in copy.shape[:2]] + [(0, 0)], mode="symmetric"))
    return copies


class Resident:
    """Random crops of pictures that are held, as uint8, on `device`.

    weights: factors on the share of a folder, by its name. A picture's share grows with the root of its pixels: small
    pictures are as good as large ones, and a crop of a downscaled copy has more content. pages: the share of crops that
    are generated pages, if there are any.
    """

    def __init__(self, folders: Sequence[str], device: str, least: int, weights: dict[str, float], pages: float = 0.08):
        paths = [p for folder in folders for p in datasets.image_files(folder)]
        with ThreadPoolExecutor(16) as pool:
            groups = list(pool.map(lambda path: scaled_copies(path, least), paths))
        images = [image for group in groups for image in group]
        names = [path.parent.name for path, group in zip(paths, groups, strict=True) for _ in group]
        share = np.array(
            [math.sqrt(i.shape[0] * i.shape[1]) * weights.get(n, 1.0) for i, n in zip(images, names, strict=True)]
        )
        page = np.array([n == PAGES for n in names])
        if page.any() and not page.all():
            share[page] *= pages / (1 - pages) * share[~page].sum() / share[page].sum()
        sizes = np.array([i.shape[:2] for i in images])
        starts = np.concatenate([[0], np.cumsum(sizes.prod(1))[:-1]])
        self.count, self.pixels, self.device = len(paths), int(sizes.prod(1).sum()), torch.device(device)
        self.flat = torch.from_numpy(np.concatenate([i.reshape(-1, 3) for i in images])).to(device)
        self.share = torch.from_numpy(share / share.sum()).to(device)
        self.start, self.height, self.width = (
            torch.from_numpy(a.astype(np.int64)).to(device) for a in (starts, sizes[:, 0], sizes[:, 1])
        )
        self.turns = torch.from_numpy(~page).to(device)

    def sample(self, batch: int, size: int) -> Tensor:
        """float32 (batch, 3, size, size) in [0, 1], channels last; photographs are mirrored and turned at random."""
        device = self.device
        i = torch.multinomial(self.share, batch, replacement=True)
        u = torch.rand(5, batch, device=device)
        top = (u[0] * (self.height[i] - size + 1)).long()[:, None]
        left = (u[1] * (self.width[i] - size + 1)).long()[:, None]
        line = torch.arange(size, device=device)[None]
        flip_y, flip_x, turn = ((u[k] < 0.5) & self.turns[i] for k in (2, 3, 4))
        rows = torch.where(flip_y[:, None], size - 1 - line, line) + top
        columns = torch.where(flip_x[:, None], size - 1 - line, line) + left
        straight = rows[:, :, None] * self.width[i][:, None, None] + columns[:, None, :]
        turned = rows[:, None, :] * self.width[i][:, None, None] + columns[:, :, None]
        index = torch.where(turn[:, None, None], turned, straight) + self.start[i][:, None, None]
        return self.flat[index].permute(0, 3, 1, 2).float().div(255)


def random_levels(
    batch: int, cells: int, low: float, high: float, device, skew: float = 1.0, smooth: float = 0.3, span: float = 1.0
):
    """Level maps (batch, 1, cells, cells) in [low, high]: most uniform, a share of them smooth random fields.

    skew is the exponent of what was drawn from 0…1: above 1, more of them are low. span is how much of the range a
    field may cross.
    """
    uniform = torch.rand(batch, 1, 1, 1, device=device).expand(-1, -1, cells, cells)
    coarse = torch.rand(batch, 1, 2, 2, device=device)
    fields = torch.nn.functional.interpolate(coarse, (cells, cells), mode="bilinear", align_corners=True)
    u = torch.where(torch.rand(batch, 1, 1, 1, device=device) < smooth, uniform + span * (fields - uniform), uniform)
    return low + (high - low) * u**skew


def trunk_levels(batch: int, cells: int, top: int, device, span: float = 1.0) -> Tensor:
    """Level maps (batch, 1, cells, cells) in [0, top] for the trunk's training."""
    u = random_levels(batch, cells, 0.0, 1.0, device, span=span)
    return torch.where(
        u < LOW_SHARE, u / LOW_SHARE * LOW_TOP, LOW_TOP + (u - LOW_SHARE) / (1 - LOW_SHARE) * (top - LOW_TOP)
    )
