"""Pictures as bytes for the tests: files of every format, PNG chunk by chunk, and colour profiles."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms

from codec.errors import ImageError
from codec.pictures.files import register_heif
from codec.pictures.load import load_image

register_heif()
RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (21, 34, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (21, 34), dtype=np.uint8)
Y, X = np.mgrid[:48, :64]
SMOOTH = np.stack([X * 3, Y * 4, 200 - X - Y], -1).astype(np.uint8)  # survives lossy coding well
LOSSLESS = ("PNG", "TIFF", "BMP")
ALL = {
    "PNG": "PNG",
    "JPEG": "JPEG",
    "WEBP": "WebP",
    "AVIF": "AVIF",
    "TIFF": "TIFF",
    "BMP": "BMP",
    "HEIF": "HEIC",
}


def saved(image, kind, **options):
    """The bytes of a PIL image, or of an array, saved as `kind`."""
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, depth, colour, rows, *extra):
    """A PNG with its chunks as they are told; `rows` are the unfiltered bytes of each row."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + pixels + chunk(b"IEND", b"")


def outcome(source, **options):
    """Empty where the picture was read, else its one sentence; anything else passes through and fails the test."""
    try:
        load_image(source, **options)
        return ""
    except ImageError as error:
        said = str(error)
    assert said.endswith(".") and "\n" not in said and ". " not in said and said[0] in "TN'A"
    return said


def refused(source, words, **options):
    """Checks that `source` is refused with one sentence that has `words` in it."""
    said = outcome(source, **options)
    assert said and words in said
    return said


def srgb_profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def profile_with(primaries):
    """The sRGB profile with other matrix columns: {tag: (x, y, z)}, D50. Its description still says sRGB."""
    data = bytearray(srgb_profile())
    for entry in range(struct.unpack_from(">I", data, 128)[0]):
        tag, offset, _ = struct.unpack_from(">4sII", data, 132 + 12 * entry)
        if tag in primaries:
            struct.pack_into(">3i", data, offset + 8, *(round(v * 65536) for v in primaries[tag]))
    return bytes(data)


def linear_profile():
    """The sRGB profile with straight curves: light itself."""
    data = bytearray(srgb_profile())
    for entry in range(struct.unpack_from(">I", data, 128)[0]):
        tag, offset, _ = struct.unpack_from(">4sII", data, 132 + 12 * entry)
        if tag in (b"rTRC", b"gTRC", b"bTRC"):
            data[offset : offset + 12] = b"curv" + bytes(8)
    return bytes(data)


DISPLAY_P3 = {
    b"rXYZ": (0.51512, 0.24120, -0.00105),
    b"gXYZ": (0.29198, 0.69225, 0.04189),
    b"bXYZ": (0.15710, 0.06657, 0.78407),
}
