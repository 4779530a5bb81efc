"""Classical codecs: JPEG, WebP, JPEG 2000, AVIF, HEIC, and JPEG XL where its plugin is installed.

Encoders: libjpeg-turbo (progressive, optimised Huffman tables), libwebp (method 6), OpenJPEG (irreversible,
bare codestream) and libavif through Pillow, x265 through pillow-heif; and where pillow-jxl-plugin is installed
libjxl (effort 7, bare codestream), too. No metadata is written that a codec can do without, for at small sizes
it would count against the codec.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import math
import threading

import numpy as np
from PIL import Image, ImageFile, Jpeg2KImagePlugin  # noqa: F401  the import registers JPEG 2000 with Pillow

from codec.errors import CodecError, ImageError
from codec.pictures.files import register_heif
from codec.pictures.load import check_rgb

_JXL = importlib.util.find_spec("pillow_jxl") is not None  # an optional plugin of Pillow
CODECS = ("jpeg", "webp", "jpeg2000", "avif", "heic", *(["jxl"] if _JXL else []))
NAMES = {"jpeg": "JPEG", "webp": "WebP", "jpeg2000": "JPEG 2000", "avif": "AVIF", "heic": "HEIC", "jxl": "JPEG XL"}

_MAX_SIDE = {"jpeg": 65_500, "webp": 16_383}  # of the libraries; JPEG's own format goes to 65,535
# libwebp has 128 quantiser levels and finds them by a cube root: 24 of them lie between qualities 0 and 1, a
# factor of two in size and more. So below 12 we go by level, from there by whole qualities.
_WEBP_LOW = tuple(round(150 * (level / 127) ** 3, 4) for level in range(1, 55))
QUALITIES: dict[str, tuple[float, ...]] = {
    "jpeg": tuple(range(1, 101)),
    "webp": (0, *_WEBP_LOW, *range(12, 101)),
    "avif": tuple(range(101)),
    "heic": (0, *range(1, 101, 2)),  # libheif halves it to x265's integer rate factor: 1 and 2 are the same
    "jxl": tuple(range(100)),  # 0 is as coarse as the plugin goes; 100 would be lossless
}
AVIF_SPEED = 6  # of 0, the slowest, to 10
_PILLOW_NAMES = {"jpeg": "JPEG", "webp": "WEBP", "jpeg2000": "JPEG2000", "avif": "AVIF", "heic": "HEIF", "jxl": "JXL"}
# The bare codestream spares the 85 bytes of JP2 boxes, the comment replaces OpenJPEG's 33-byte advertisement.
_JPEG2000 = {"irreversible": True, "mct": 1, "no_jp2": True, "comment": " "}

_maxblock_lock = threading.Lock()


def encode(rgb: np.ndarray, codec: str, quality: float, *, subsampling: str = "4:2:0") -> bytes:
    """`rgb` (uint8, height × width × 3) in `codec`, higher `quality` meaning more bytes.

    quality is any number 1…100 for JPEG (between whole ones libjpeg's rule for its tables holds, as in cjpeg of the
    IJG), 0…100 for WebP, an integer 0…100 for AVIF and HEIC, 0…99 for JPEG XL, and for JPEG 2000 the PSNR aimed
    at in dB. subsampling ("4:4:4", "4:2:0") counts for JPEG, AVIF and HEIC;
    WebP is 4:2:0 by definition, JPEG 2000 and JPEG XL 4:4:4.
    Raises ImageError for pictures that the codec cannot hold, CodecError for an unknown codec or quality.
    """
    check(rgb, codec)
    if codec == "jpeg2000":
        if not (math.isfinite(quality) and quality > 0):
            raise CodecError(f"A quality of {quality} dB is not one that JPEG 2000 can aim at.")
        return _save(rgb, codec, quality_mode="dB", quality_layers=[quality], **_JPEG2000)
    low, high = int(QUALITIES[codec][0]), int(QUALITIES[codec][-1])
    any_number = codec in ("jpeg", "webp")
    if not low <= quality <= high or (not any_number and quality != int(quality)):
        whole = "" if any_number else "whole "
        raise CodecError(f"{NAMES[codec]} has {whole}qualities from {low} to {high}, not {quality}.")
    if codec == "jpeg":
        tables = _jpeg_tables(quality)
        return _save(rgb, codec, qtables=tables, subsampling=subsampling, progressive=True, optimize=True)
    quality = quality if codec == "webp" else int(quality)
    if codec == "webp":
        return _save(rgb, codec, quality=quality, method=6)
    if codec == "avif":
        # Tiles cost rate, and their number would depend on how many cores this machine has.
        return _save(rgb, codec, quality=quality, speed=AVIF_SPEED, subsampling=subsampling, autotiling=False)
    if codec == "jxl":
        return _save(rgb, codec, quality=quality, effort=7, num_threads=0)
    return _save(rgb, codec, quality=quality, chroma=int(subsampling.replace(":", "")))


def decode(data: bytes) -> np.ndarray:
    """uint8 height × width × 3 from the bytes of any of the codecs. Raises ImageError for any other bytes."""
    _register_plugins()
    formats = ["JPEG", "WEBP", "JPEG2000", "AVIF", "HEIF", *(["JXL"] if _JXL else [])]
    try:
        with Image.open(io.BytesIO(data), formats=formats) as image:
            return np.array(image.convert("RGB"))
    except Exception as error:
        raise ImageError("These bytes are not a picture that this codec can decode.") from error


def jpeg2000_aimed(rgb: np.ndarray, n_bytes: float) -> bytes:
    """JPEG 2000 of about `n_bytes` bytes: OpenJPEG misses its aim by some percent either way."""
    return _save(rgb, "jpeg2000", quality_mode="rates", quality_layers=[max(1.0, rgb.size / n_bytes)], **_JPEG2000)


def _register_plugins() -> None:
    """Makes Pillow know HEIC, and JPEG XL where its plugin is installed."""
    register_heif()
    if _JXL:
        import pillow_jxl  # noqa: F401  the import registers it


def check(rgb: np.ndarray, codec: str) -> None:
    """Raises CodecError for an unknown codec, and ImageError for a picture that it cannot hold."""
    if codec not in CODECS:
        raise CodecError(f"There is no codec '{codec}'; choose one of {', '.join(CODECS)}.")
    check_rgb(rgb)
    height, width = rgb.shape[:2]
    limit = _MAX_SIDE.get(codec, max(width, height))
    if max(width, height) > limit:
        raise ImageError(
            f"{NAMES[codec]} cannot hold a picture of {width}×{height} pixels; its limit is {limit} a side."
        )


def _save(rgb: np.ndarray, codec: str, **options: object) -> bytes:
    if codec in ("heic", "jxl"):
        _register_plugins()
    image = Image.fromarray(np.ascontiguousarray(rgb))
    try:
        return _save_image(image, codec, options)
    except Exception as error:
        if codec == "jpeg":
            return _save_large_jpeg(image, options)
        size = f"{image.width}×{image.height}"
        raise ImageError(f"The {NAMES[codec]} encoder does not take this picture of {size} pixels.") from error


@functools.cache
def _jpeg_standard_tables() -> tuple[tuple[int, ...], ...]:
    """The tables of the standard's Annex K, for luma and chroma: libjpeg uses them as they are at quality 50."""
    with Image.open(io.BytesIO(_save_image(Image.new("RGB", (8, 8)), "jpeg", {"quality": 50}))) as image:
        return tuple(tuple(image.quantization[i]) for i in (0, 1))


def _jpeg_tables(quality: float) -> list[list[int]]:
    """libjpeg's quantisation tables at a quality: its rule `jpeg_quality_scaling`, between whole ones, too."""
    percent = 5000 / quality if quality < 50 else 200 - 2 * quality
    percent = int(percent) if quality == int(quality) else percent
    return [[min(max(int((step * percent + 50) / 100), 1), 255) for step in table] for table in _jpeg_standard_tables()]


def _save_image(image: Image.Image, codec: str, options: dict) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, _PILLOW_NAMES[codec], **options)
    return buffer.getvalue()


def _save_large_jpeg(image: Image.Image, options: dict) -> bytes:
    """For noise at high quality: Pillow's buffer is a byte a pixel, and progressive JPEG must fit into it.

    Its least size is a global that Pillow leaves to its users; a larger one does other threads no harm.
    """
    with _maxblock_lock:
        before = ImageFile.MAXBLOCK
        ImageFile.MAXBLOCK = max(before, 6 * image.width * image.height + (1 << 16))
        try:
            return _save_image(image, "jpeg", options)
        finally:
            ImageFile.MAXBLOCK = before
