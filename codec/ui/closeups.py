"""The same small piece of several pictures, enlarged side by side: where a difference is easiest to see."""

import base64
import io
from html import escape

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 144, 96  # of a piece, in pixels of the picture; at three a row they are shown about twice as large


def busiest(rgb: np.ndarray) -> tuple[int, int]:
    """(top, left) of the piece with the most edges in the original; it depends on no codec."""
    gray = rgb.mean(2)
    edges = np.zeros_like(gray)
    edges[:, 1:] += np.abs(np.diff(gray, axis=1))
    edges[1:] += np.abs(np.diff(gray, axis=0))
    # Square root: a few hard edges should not outweigh a whole field of texture.
    total = np.pad(np.sqrt(edges), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    height, width = piece_size(rgb)
    sums = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    step = 8
    top, left = np.unravel_index(np.argmax(sums[::step, ::step]), sums[::step, ::step].shape)
    return int(top) * step, int(left) * step


def piece_size(rgb: np.ndarray) -> tuple[int, int]:
    return min(HEIGHT, rgb.shape[0]), min(WIDTH, rgb.shape[1])


def data_uri(rgb: np.ndarray) -> str:
    """The pixels as a PNG inside a URL: lossless, and nothing to fetch."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def html(pictures: list[tuple[str, str, np.ndarray | None]]) -> str:
    """(name, remark, uint8 (H, W, 3)) of each picture, the first being the original; None is still to come."""
    original = pictures[0][2]
    (top, left), (height, width) = busiest(original), piece_size(original)
    cells = []
    for name, remark, rgb in pictures:
        inside = "<div class='pending'>…</div>"
        if rgb is not None:
            source = data_uri(rgb[top : top + height, left : left + width])
            inside = f"<img src='{source}' alt='A detail of: {escape(name)}' width='{width}' height='{height}'>"
        cells.append(
            f"<figure>{inside}<figcaption><b>{escape(name)}</b> {escape(remark)}</figcaption></figure>",
        )
    return f"<div class='closeups'>{''.join(cells)}</div>"
