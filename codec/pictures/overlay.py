"""The overlay of a stream: a lossless WebP image, transparent where the decoded picture is seen. See `codec.screen`."""

import io
import warnings

import numpy as np
from PIL import Image, UnidentifiedImageError

from codec.errors import StreamError


def write(rgb: np.ndarray, mask: np.ndarray) -> bytes:
    """uint8 (H, W, 3) where mask, bool (H, W), is true -> the bytes of an overlay."""
    rgba = np.dstack([rgb, np.where(mask, np.uint8(255), np.uint8(0))])
    rgba[~mask] = 0
    out = io.BytesIO()
    Image.fromarray(rgba).save(out, "WEBP", lossless=True, quality=60, method=4)
    return out.getvalue()


def read(data: bytes, width: int, height: int) -> np.ndarray:
    """An overlay for a picture of this size -> uint8 (height, width, 4), whose alpha is 0 or 255.

    Raises StreamError for one that is damaged or of another size.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is that of the stream
            with Image.open(io.BytesIO(data), formats=["WEBP"]) as image:
                if image.size != (width, height):
                    raise StreamError("The stream is damaged: its overlay has another size than its picture.")
                return np.asarray(image.convert("RGBA"))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise StreamError("The stream is damaged: its overlay cannot be read.") from error


def paste(rgb: np.ndarray, overlay: bytes) -> np.ndarray:
    """A decoded picture uint8 (H, W, 3) with the overlay on it; b"" leaves it. Raises StreamError as `read`."""
    if not overlay:
        return rgb
    rgba = read(overlay, rgb.shape[1], rgb.shape[0])
    return np.where(rgba[..., 3:] >= 128, rgba[..., :3], rgb)


def changes(rgb: np.ndarray) -> np.ndarray:
    """uint8 (H, W): how many of a pixel's neighbours, above and to the left, differ: where a lossless code has bits."""
    count = np.zeros(rgb.shape[:2], dtype=np.uint8)
    count[:, 1:] += (rgb[:, 1:] != rgb[:, :-1]).any(2)
    count[1:] += (rgb[1:] != rgb[:-1]).any(2)
    return count
