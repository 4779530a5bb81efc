"""Damaged pictures of every format, in child processes: the libraries behind Pillow are C, and C can crash."""

import collections
import io
import multiprocessing
import resource
import struct
import sys
import time
import traceback
from pathlib import Path

import numpy as np
from PIL import Image

from codec.errors import ImageError
from codec.pictures.files import register_heif
from codec.pictures.load import load_image

CHUNK = 2000  # files for each child
LIMIT_S = 5.0
LIMIT_MB = 4000
KINDS = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "HEIF")


def samples() -> dict[str, bytes]:
    """Small pictures of every format, plain and with what makes readers stumble."""
    register_heif()
    rgb = np.random.default_rng(0).integers(0, 256, (21, 34, 3), dtype=np.uint8)
    image, found = Image.fromarray(rgb), {}

    def add(name: str, kind: str, picture: Image.Image = image, **options) -> None:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        found[name] = buffer.getvalue()

    for kind in KINDS:
        add(kind, kind)
    frames = [Image.new("RGB", (20, 10), c) for c in ("red", "lime", "blue")]
    for kind in ("GIF", "WEBP", "PNG", "AVIF", "TIFF"):
        add(f"animated {kind}", kind, frames[0], save_all=True, append_images=frames[1:])
    exif = Image.Exif()
    exif[0x0112] = 6
    add("progressive", "JPEG", progressive=True, exif=exif.tobytes(), comment=b"hello")
    add("CMYK", "JPEG", image.convert("CMYK"))
    add("palette", "PNG", image.convert("P"), transparency=3)
    add("alpha", "PNG", image.convert("RGBA"))
    add("16 bit", "PNG", Image.fromarray(rgb[..., 0].astype(np.uint16) * 257))
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group4"):
        bilevel = image.convert("1") if compression == "group4" else image
        add(compression, "TIFF", bilevel, compression=compression)
    add("lossless", "WEBP", lossless=True)
    return found | written(rgb, found)


def written(rgb: np.ndarray, others: dict[str, bytes]) -> dict[str, bytes]:
    """Of what this package reads itself and Pillow would not write: by the tests' own writers."""
    if (folder := str(Path(__file__).parents[1])) not in sys.path:
        sys.path.append(folder)
    from bmp_bytes import BITFIELDS, RLE4, RLE8, V5, bmp, in_fields, packed_rows
    from gif_bytes import frame, gif
    from image_bytes import chunk, linear_profile, png
    from tiff_bytes import LZW, RGB, WHITE_IS_ZERO, tiff

    height, width = rgb.shape[:2]
    deep, rows = rgb.astype(int) * 257, [row.astype(">u2").tobytes() for row in rgb.astype(int) * 257]
    palette = [(i, 255 - i, i) for i in range(256)]
    runs = b"".join(bytes([20, y, 0, 14, *range(14), 0, 0]) for y in range(height)) + b"\0\1"
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    fields = packed_rows(in_fields(np.dstack([rgb, rgb[..., 0]]), masks), 32)
    profile = {34675: ("B", list(linear_profile()))}
    gamma, code_points = chunk(b"gAMA", struct.pack(">I", 100_000)), chunk(b"cICP", bytes((9, 16, 0, 1)))
    at = others["AVIF"].index(b"colrnclx") + 8
    return {
        "16 bit planes": tiff(deep, 16, RGB, planar=2, compression=LZW, tile=(16, 16), order=">"),
        "16 bit profile": tiff(deep, 16, RGB, tags=profile),
        "16 bit alpha": tiff(np.dstack([deep, deep[..., 0]]), 16, RGB, extra=(1,)),
        "16 bit white is zero": tiff(deep[..., :1], 16, WHITE_IS_ZERO),
        "RLE8": bmp(runs, width, height, 8, compression=RLE8, palette=palette),
        "RLE4": bmp(runs, width, height, 4, compression=RLE4, palette=palette[:16]),
        "bit fields": bmp(fields, width, height, 32, header=V5, compression=BITFIELDS, masks=masks),
        "BMP profile": bmp(packed_rows(deep[..., 0], 24), width, height, 24, header=V5, profile=linear_profile()),
        "small frame": gif(60, 40, [frame(rgb[..., 0] % 16, (3, 2), transparent=1, interlaced=True)], palette[:16]),
        "gamma": png(width, height, 16, 2, rows, gamma),
        "code points": png(width, height, 16, 2, rows, code_points),
        "no end marker": others["progressive"][:-2],
        "nclx": others["AVIF"][:at] + struct.pack(">HH", 12, 13) + others["AVIF"][at + 4 :],
    }


def mutate(data: bytes, rng) -> bytes:
    """Cuts, flips, large numbers in place of small ones, repetition: one or two of them."""
    out = bytearray(data)
    for _ in range(rng.integers(1, 3)):
        how, at = rng.integers(6), int(rng.integers(max(1, len(out))))
        if how == 0:
            del out[at:]
        elif how == 1:
            for _ in range(rng.integers(1, 6)):
                if out:
                    out[rng.integers(len(out))] ^= int(rng.integers(1, 256))
        elif how == 2:  # where sizes stand: the first hundred bytes
            at %= 100
            out[at : at + 4] = rng.choice(
                [b"\xff\xff\xff\x7f", b"\0\0\xff\xff", b"\0\0\x75\x30", b"\x30\x75\0\0", b"\0\0\0\0"]
            )
        elif how == 3:
            out[at:at] = out[at : at + int(rng.integers(1, 200))] * int(rng.integers(1, 50))
        elif how == 4:
            out[at:at] = rng.bytes(int(rng.integers(1, 40)))
        else:
            del out[at : at + int(rng.integers(1, 40))]
    return bytes(out)


def chunk(seed: int, count: int, results) -> None:
    """The work of one child."""
    import warnings

    warnings.simplefilter("ignore")
    rng, known = np.random.default_rng(seed), samples()
    names, tally, failures, slowest = sorted(known), collections.Counter(), [], 0.0
    for i in range(count):
        name = names[rng.integers(len(names))]
        data = mutate(known[name], rng)
        start = time.process_time()
        try:
            load_image(data)
            tally["read"] += 1
        except ImageError as error:
            tally["ImageError"] += 1
            if not str(error).endswith(".") or "\n" in str(error):
                failures.append({"number": i, "kind": name, "said": str(error)})
        except BaseException:
            failures.append(
                {"number": i, "kind": name, "file": data.hex()[:4000], "error": traceback.format_exc()[-600:]}
            )
        took = time.process_time() - start
        if took > LIMIT_S:
            failures.append({"number": i, "kind": name, "file": data.hex()[:4000], "seconds": round(took, 1)})
        slowest = max(slowest, took)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    results.put((dict(tally), failures, slowest, memory))


def run(count: int, seed: int) -> dict:
    context = multiprocessing.get_context("spawn")
    tally, failures, slowest, memory, started = collections.Counter(), [], 0.0, 0, time.perf_counter()
    for first in range(0, count, CHUNK):
        results = context.Queue()
        child = context.Process(target=chunk, args=(seed + first, min(CHUNK, count - first), results))
        child.start()
        child.join()
        if child.exitcode:
            failures.append({"chunk": seed + first, "crashed": child.exitcode})
            continue
        part = results.get()
        tally.update(part[0])
        failures += part[1]
        slowest, memory = max(slowest, part[2]), max(memory, part[3])
        print(f"{first + CHUNK} of {count}, {time.perf_counter() - started:.0f} s, {dict(tally)}", flush=True)
    if memory > LIMIT_MB:
        failures.append({"memory_mb": memory})
    return {
        "files": count,
        "seed": seed,
        "formats": len(samples()),
        "outcomes": dict(sorted(tally.items())),
        "failures": failures[:20],
        "slowest_ms": round(1e3 * slowest),
        "memory_peak_mb": memory,
        "seconds": round(time.perf_counter() - started),
    }
