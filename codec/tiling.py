"""Runs the transforms over large pictures in overlapping tiles, so that memory stays bounded."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from codec.networks.transforms import MARGIN, PATCH
from codec.spec import REGION

TILE_ABOVE = 2_500_000  # pixels: up to so many a picture goes in one piece,
TILE_PIXELS = 3_000_000  # else in tiles of at most so many, margins included


def padded_size(width: int, height: int) -> tuple[int, int]:
    """Width and height rounded up to whole regions."""
    return -(-width // REGION) * REGION, -(-height // REGION) * REGION


def tiles(
    width: int, height: int, tile: int | tuple[int, int], margin: int = MARGIN
) -> Iterator[tuple[slice, slice, slice, slice]]:
    """For every tile (of one side, or of width and height): rows and columns to read, with margin, and to keep."""
    tile_width, tile_height = (tile, tile) if isinstance(tile, int) else tile
    for top in range(0, height, tile_height):
        for left in range(0, width, tile_width):
            bottom, right = min(top + tile_height, height), min(left + tile_width, width)
            yield (
                slice(max(0, top - margin), min(height, bottom + margin)),
                slice(max(0, left - margin), min(width, right + margin)),
                slice(top, bottom),
                slice(left, right),
            )


def tile_size(width: int, height: int, tile: int | None, margin: int = MARGIN) -> tuple[int, int]:
    """Width and height of the tiles to use: as asked, or one piece, or of all that are small enough, margins
    included, those which read the fewest pixels."""
    if tile is not None:
        side = max(REGION, tile // REGION * REGION)
        return side, side
    if width * height <= TILE_ABOVE:
        return width, height
    found = []
    for columns in range(1, width // REGION + 1):
        w = -(-width // columns // REGION) * REGION
        most = min(width, w + 2 * margin)
        for rows in range(1, height // REGION + 1):
            h = -(-height // rows // REGION) * REGION
            if most * min(height, h + 2 * margin) <= TILE_PIXELS:
                read = (width + 2 * margin * (columns - 1)) * (height + 2 * margin * (rows - 1))
                found.append((read, w, h))
                break
    return min(found)[1:]


def analyse(g_a: Callable[[Tensor], Tensor], rgb: np.ndarray, device, tile: int | None, progress=None) -> Tensor:
    """uint8 (H, W, 3) -> y float32 (1, C, h, w) of the picture padded by replication to whole regions."""
    height, width = rgb.shape[:2]
    full_width, full_height = padded_size(width, height)
    y = None
    grid = list(tiles(full_width, full_height, tile_size(full_width, full_height, tile)))
    for done, (rows, columns, keep_rows, keep_columns) in enumerate(grid):
        # Clipped indices replicate the last row and column into the padding.
        r = np.clip(np.arange(rows.start, rows.stop), None, height - 1)
        c = np.clip(np.arange(columns.start, columns.stop), None, width - 1)
        x = torch.from_numpy(rgb[r[:, None], c]).to(device).permute(2, 0, 1)[None].float() / 255
        part = g_a(channels_last(x))
        if y is None:
            y = part.new_empty(1, part.shape[1], full_height // PATCH, full_width // PATCH)
        inner = [slice(s.start // PATCH, s.stop // PATCH) for s in (keep_rows, keep_columns)]
        offset = [s.start // PATCH for s in (rows, columns)]
        source = [slice(i.start - o, i.stop - o) for i, o in zip(inner, offset, strict=True)]
        y[:, :, inner[0], inner[1]] = part[:, :, source[0], source[1]]
        if progress:
            progress((done + 1) / len(grid))
    return y


def channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def synthesise(
    g_s: Callable[..., Tensor],
    latent: tuple[Tensor | None, ...],
    width: int,
    height: int,
    tile: int | None,
    progress=None,
) -> np.ndarray:
    """What g_s takes, y_hat (1, C, h, w) and maps of its height and width or None -> uint8 (height, width, 3)."""
    y_hat = latent[0]
    full_width, full_height = y_hat.shape[3] * PATCH, y_hat.shape[2] * PATCH
    rgb = np.empty((height, width, 3), dtype=np.uint8)
    margin = g_s.margin
    grid = list(tiles(full_width, full_height, tile_size(full_width, full_height, tile, margin), margin))
    for done, (rows, columns, keep_rows, keep_columns) in enumerate(grid):
        r, c = (slice(s.start // PATCH, s.stop // PATCH) for s in (rows, columns))
        x_hat = g_s(*(None if part is None else channels_last(part[:, :, r, c]) for part in latent))
        bottom, right = min(keep_rows.stop, height), min(keep_columns.stop, width)
        part = x_hat[
            0,
            :,
            keep_rows.start - rows.start : bottom - rows.start,
            keep_columns.start - columns.start : right - columns.start,
        ]
        part = (part.float().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0)
        rgb[keep_rows.start : bottom, keep_columns.start : right] = part.cpu().numpy()
        if progress:
            progress((done + 1) / len(grid))
    return rgb
