"""Makes a set: every image is coded by every method at the same size, and a square of it is frozen.

The coders with the fewest sizes go first, AVIF before the others; each gets as many bytes as the smallest before it.
This codec comes last, at the size nearest to theirs. Measures are those of the crops, which are what voters see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
from scipy.ndimage import uniform_filter

from codec import api, baselines, bitstream
from codec.metrics import gmsd, lpips, ms_ssim, psnr, vif
from codec.spec import DECODERS, lambda_of
from codec.vote.presets import Preset, fitted
from codec.vote.sets import FORMAT, ORIGINAL, SIDE, VoteSet
from codec.weights import default

NEAR = 0.005  # half of a step in size of this codec: of two sizes, the nearer one may be above
WINDOW_STEP = 16  # pixels between places that a crop may have


def prepare(
    images: Sequence[tuple[str, np.ndarray]], name: str, preset: Preset, advance: Callable[[], None] = lambda: None
) -> VoteSet:
    """The set of images (name, uint8 (H, W, 3)) by a preset. `advance` is called once a step; it may raise Stopped.

    Raises ImageError for an image with a side below SIDE, and CodecError as the codecs do.
    """
    crops, entries = {}, []
    for number, (title, rgb) in enumerate(images):
        rgb = fitted(rgb, title)
        top, left = window(rgb)
        square = np.s_[top : top + SIDE, left : left + SIDE]
        crops[number, ORIGINAL] = original = np.ascontiguousarray(rgb[square])
        stream, own_setting, limit = b"", "", int(preset.bpp * rgb.shape[0] * rgb.shape[1] / 8)
        renditions = {}
        for method in sorted(preset.methods, key=lambda m: (m not in baselines.CODECS, m != "avif")):
            if method in baselines.CODECS:
                coded = baselines.encode_at_most(rgb, method, limit)
                decoded, size, setting = coded.rgb, len(coded.data), coded.setting
            else:
                if not stream:
                    result, _ = api.encode(rgb, max_bytes=int(limit * (1 + NEAR)) if renditions else limit)
                    stream, own_setting = result.data, f"λ = {lambda_of(int(result.q)):.4f}"
                    advance()
                decoder, _, realism = method.partition("@")
                header = bitstream.read(stream)
                decoded = api.load(header.trunk).decode(header, decoder, float(realism) if realism else None)
                size, setting = len(stream), own_setting
            limit = min(limit, size)
            crop = crops[number, method] = np.ascontiguousarray(decoded[square])
            renditions[method] = {"bytes": size, "setting": setting, "measures": measured(original, crop)}
            advance()
        place = {"width": rgb.shape[1], "height": rgb.shape[0], "left": left, "top": top}
        entries.append({"name": title, **place, "renditions": {m: renditions[m] for m in preset.methods}})
    setup = {
        "format": FORMAT,
        "preset": name,
        "weights": default().current,
        "created": date.today().isoformat(),
        "bpp": preset.bpp,
        "methods": [{"key": m, "title": title_of(m)} for m in preset.methods],
        "images": entries,
    }
    return VoteSet(setup, crops)


def title_of(method: str) -> str:
    """What a method is called, in English: "HiFiC, realism 0.5"."""
    name, _, realism = method.partition("@")
    title = baselines.NAMES.get(name) or f"This codec, {DECODERS[name].title} decoder"
    return f"{title}, realism {realism}" if realism else title


def window(rgb: np.ndarray) -> tuple[int, int]:
    """Top and left of the square with the most detail: the largest mean of |horizontal| + |vertical| differences."""
    gray = rgb.astype(np.float32).mean(2)
    detail = np.abs(np.diff(gray, axis=0, prepend=gray[:1])) + np.abs(np.diff(gray, axis=1, prepend=gray[:, :1]))
    mean = uniform_filter(detail, SIDE, mode="constant")[SIDE // 2 :, SIDE // 2 :]  # [top, left] of its square
    tops, lefts = (range(0, side - SIDE + 1, WINDOW_STEP) for side in rgb.shape[:2])
    return max(((top, left) for top in tops for left in lefts), key=lambda at: float(mean[at]))


def measured(original: np.ndarray, crop: np.ndarray) -> dict[str, float]:
    """Measures of a crop, all of `sets.MEASURES` but DISTS: its network is not shipped."""
    functions = {"psnr": psnr, "ms_ssim": ms_ssim, "gmsd": gmsd, "vif": vif, "lpips": lpips}
    return {name: round(float(function(original, crop)), 5) for name, function in functions.items()}
