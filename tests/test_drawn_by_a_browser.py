"""What is read of files of every format and sub-format that Chromium shows, against what it draws of them."""

import itertools
import struct
import zlib

import numpy as np
import pytest
from bmp_bytes import (
    ALPHA_BITFIELDS,
    BITFIELDS,
    CORE,
    INFO,
    OS2,
    RLE4,
    RLE8,
    V2,
    V3,
    V4,
    V5,
    bmp,
    in_fields,
    packed_rows,
)
from drawn import drawings
from gif_bytes import frame, gif
from image_bytes import DISPLAY_P3, SMOOTH, chunk, outcome, png, profile_with, refused, saved
from PIL import Image

from codec.errors import ImageError
from codec.pictures.load import load_image

pytestmark = pytest.mark.filterwarnings("ignore")  # what Pillow warns of is no answer
W, H = 13, 9
RNG = np.random.default_rng(0)
BARS = np.array([(128, 128, 128), (200, 80, 40), (40, 200, 80), (60, 60, 220), (230, 220, 30), (20, 20, 20)], np.uint8)


def colours(count):
    return [tuple(int(v) for v in c) for c in RNG.integers(0, 256, (count, 3))]


def compared(browser, kind, cases, levels=2, refusing=()):
    """Checks that each case is read as drawn, within so many levels; only those of `refusing` may be refused."""
    drawn = drawings(browser, kind, list(cases.values()))
    for (name, data), expected in zip(cases.items(), drawn, strict=True):
        try:
            rgb = load_image(data).rgb
        except ImageError as error:
            assert name.startswith(tuple(refusing)), (name, str(error))
            continue
        assert expected is not None and rgb.shape == expected.shape, name
        error = np.abs(rgb.astype(int) - expected).max()
        assert error <= levels, (name, error)


# --- BMP --------------------------------------------------------------------------------------------------


def test_bmp_palettes(browser):
    cases = {}
    for bits in (1, 2, 4, 8):
        values, palette = RNG.integers(0, 1 << bits, (H, W)), colours(1 << bits)
        rows = packed_rows(values, bits)
        for header in (CORE, INFO, V2, V3, OS2, V4, V5):
            cases[f"{bits} bits, header {header}"] = bmp(rows, W, H, bits, header=header, palette=palette)
        cases[f"{bits} bits, top-down"] = bmp(packed_rows(values[::-1], bits), W, -H, bits, palette=palette)
        cases[f"{bits} bits, all colours, none declared"] = bmp(rows, W, H, bits, palette=palette, used=0)
        few = (1 << bits) - 1
        cases[f"{bits} bits, few colours"] = bmp(packed_rows(values % few, bits), W, H, bits, palette=palette[:few])
        cases[f"{bits} bits, beyond the palette"] = bmp(rows, W, H, bits, palette=palette[:few])
    compared(browser, "image/bmp", cases, refusing=("2 bits",))


def test_bmp_colours_and_bit_fields(browser):
    rgba = RNG.integers(0, 256, (H, W, 4))
    rgb, blue_first = rgba[..., :3], (0xFF0000, 0xFF00, 0xFF)
    cases = {}
    for header in (CORE, INFO, V2, V3, OS2, V4, V5):
        rows = in_fields(rgb, blue_first)
        cases[f"24 bits, header {header}"] = bmp(packed_rows(rows, 24), W, H, 24, header=header)
        if header == CORE:
            continue
        cases[f"24, top-down, header {header}"] = bmp(packed_rows(rows[::-1], 24), W, -H, 24, header=header)
        cases[f"32 bits, header {header}"] = bmp(packed_rows(rows | rgba[..., 3] << 24, 32), W, H, 32, header=header)
        rows = in_fields(rgb, (0x7C00, 0x3E0, 0x1F)) | 0x8000
        cases[f"16 bits, header {header}"] = bmp(packed_rows(rows, 16), W, H, 16, header=header)
    fields = {
        16: [(0xF800, 0x7E0, 0x1F), (0x7C00, 0x3E0, 0x1F), (0xF00, 0xF0, 0xF), (0x1F, 0x7E0, 0xF800), (0xE0, 0x1C, 3)],
        32: [blue_first, blue_first[::-1], (0xFF000000, 0xFF0000, 0xFF00), (0x3FF00000, 0xFFC00, 0x3FF)],
    }
    fields[16] += [(0x7C00, 0x3E0, 0x1F, 0x8000), (0xF00, 0xF0, 0xF, 0xF000), (0xFC00, 0x3F0, 0xF)]
    fields[32] += [(*blue_first, 0xFF000000), (0xFF000000, 0xFF0000, 0xFF00, 0xFF), (0xF800, 0x7E0, 0x1F)]
    fields[32] += [(0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000), (0xFFE00000, 0x1FFC00, 0x3FF), (0x7F0000, 0xFF00, 0x7F)]
    for bits in fields:
        for masks, (header, compression) in itertools.product(
            fields[bits],
            [(INFO, BITFIELDS), (INFO, ALPHA_BITFIELDS), *((h, BITFIELDS) for h in (V2, V3, V4, V5))],
        ):
            values = in_fields(rgba[..., : len(masks)], masks)
            if (header, len(masks)) == (V2, 4):
                continue
            options = {"header": header, "compression": compression, "masks": masks}
            name = f"{bits} bits of {masks}, header {header}, compression {compression}"
            cases[name] = bmp(packed_rows(values, bits), W, H, bits, **options)
            cases[name + ", top-down"] = bmp(packed_rows(values[::-1], bits), W, -H, bits, **options)
    clear = rgba * (1, 1, 1, 0)
    rows, masks = packed_rows(in_fields(clear, (*blue_first, 0xFF000000)), 32), (*blue_first, 0xFF000000)
    cases["nothing opaque"] = bmp(rows, W, H, 32, header=V4, compression=BITFIELDS, masks=masks)
    compared(browser, "image/bmp", cases)


def literal(values, narrow):
    """A stretch of pixels without runs, filled up to an even number of bytes."""
    values = [int(v) for v in values]
    body = [a << 4 | b for a, b in itertools.zip_longest(values[::2], values[1::2], fillvalue=0)] if narrow else values
    return [0, len(values), *body, *[0] * (len(body) % 2)]


def test_bmp_runs(browser):
    end, line = [0, 1], [0, 0]
    cases = {}
    for narrow in (False, True):
        top, compression = (16, RLE4) if narrow else (256, RLE8)
        palette = colours(top)

        def runs(codes, height=H, header=INFO, bits=4 if narrow else 8, compression=compression, palette=palette):
            options = {"header": header, "compression": compression, "palette": palette}
            return bmp(bytes(codes), W, height, bits, **options)

        name = "RLE4" if narrow else "RLE8"
        full = []
        for y in range(H):
            full += [5, y * 23 % 256, *literal(RNG.integers(0, top, 5), narrow), 3, 0xC1, *line]
        for header in (INFO, OS2, V4, V5):
            cases[f"{name}, header {header}"] = runs(full + end, header=header)
        cases[f"{name}, top-down"] = runs(full + end, height=-H)
        cases[f"{name}, no end"] = runs(full)
        cases[f"{name}, no last line's end"] = runs(full[:-2] + end)
        for count in (3, 4, 5, 6, 7):
            row = [*literal(range(count), narrow), W - count, 0x5B, *line]
            cases[f"{name}, {count} pixels without runs"] = runs(row * H + end)
        cases[f"{name}, jumps"] = runs([2, 0x12, 0, 2, 3, 0, 2, 0x34, *line, 4, 0x56, 0, 2, 2, 1, 1, 4, *line, *end])
        cases[f"{name}, a jump first"] = runs([0, 2, 4, 2, 5, 0x7F, *end])
        cases[f"{name}, short lines"] = runs([4, 0x12, *line] * H + end)
        cases[f"{name}, an early end"] = runs([W, 0x12, *line, W, 0x34, *end])
        cases[f"{name}, a run beyond the line"] = runs([W + 5, 0x12, *line] + [W, 0x34, *line] * (H - 1) + end)
        cases[f"{name}, pixels beyond the line"] = runs(
            literal(RNG.integers(0, top, W + 4), narrow) + line + [W, 0x34, *line] * (H - 1) + end
        )
        cases[f"{name}, lines too many"] = runs([W, 0x12, *line] * (H + 3) + end)
        cases[f"{name}, no line's end"] = runs([W, 0x12] * H + end)
        cases[f"out: {name}, a jump out"] = runs([0, 2, 200, 1, 3, 5, *line] + [W, 2, *line] * 3 + end)
        cases[f"out: {name}, too little"] = runs(full[: len(full) // 2])
    compared(browser, "image/bmp", cases, refusing=("out: ",))
    assert all(outcome(data) for name, data in cases.items() if name.startswith("out: "))


def test_bmp_profile_of_its_own(browser):
    rows = packed_rows(in_fields(np.broadcast_to(BARS[1], (H, W, 3)), (0xFF0000, 0xFF00, 0xFF)), 24)
    data = bmp(rows, W, H, 24, header=V5, profile=profile_with(DISPLAY_P3))
    compared(browser, "image/bmp", {"Display P3": data}, levels=3)
    assert "Converted from its ICC profile 'sRGB built-in' to sRGB." in load_image(data).notes


def test_bmp_that_contradicts_itself():
    rows = bytes(4 * W * H)
    for masks in ((0xFF0000, 0xFF00, 0x1FF), (0xF0F000, 0xF0F, 0), (0, 0, 0)):  # overlapping, in parts, none
        refused(bmp(rows, W, H, 32, header=V4, compression=BITFIELDS, masks=masks), "of a kind that cannot be read")
    refused(bmp(rows, W, H, 24, header=V4, compression=BITFIELDS, masks=(0xFF0000, 0xFF00, 0xFF)), "of a kind")
    refused(bmp(rows[:-40], W, H, 32, header=V4, compression=BITFIELDS, masks=(0xFF0000, 0xFF00, 0xFF)), "truncated")
    refused(bmp(b"\1\2" * 1_100_000, 3000, 3000, 8, compression=RLE8, palette=colours(256)), "truncated or damaged")


# --- GIF --------------------------------------------------------------------------------------------------


def test_gif(browser):
    cases = {}
    for count in (2, 4, 16, 256):
        v, palette, other = RNG.integers(0, count, (H, W)), colours(count), colours(4)
        v[0, 0] = count - 1
        name = f"{count} colours"
        cases[f"{name}"] = gif(W, H, [frame(v)], palette)
        cases[f"{name}, GIF87a"] = b"GIF87a" + gif(W, H, [frame(v)], palette)[6:]
        cases[f"{name} of its own"] = gif(W, H, [frame(v, palette=palette)])
        cases[f"{name} of its own before others"] = gif(W, H, [frame(v, palette=palette)], other)
        cases[f"{name}, codes of 8 bits"] = gif(W, H, [frame(v, bits=8)], palette)
        cases[f"{name}, too few in the palette"] = gif(W, H, [frame(v)], palette[: max(2, count // 2)])
        cases[f"{name}, no end"] = gif(W, H, [frame(v)], palette)[:-1]
        cases[f"{name}, frame larger than the screen"] = gif(W - 4, H - 3, [frame(v)], palette)
        cases[f"{name}, frame across the screen's edge"] = gif(W, H, [frame(v, (5, 4))], palette)
        cases[f"{name}, no screen"] = gif(0, 0, [frame(v)], palette)
        for height in (1, 2, 3, 5, H):
            cases[f"{name}, interlaced, {height} rows"] = gif(W, height, [frame(v[:height], interlaced=True)], palette)
        for clear in (0, 1, count - 1, min(255, count)):
            cases[f"{name}, {clear} clear"] = gif(W, H, [frame(v, transparent=clear)], palette, background=1)
        for at, clear, ground, own in itertools.product(((0, 0), (3, 2)), (None, 1), (0, 1), (None, palette)):
            small = {"transparent": clear, "palette": own}
            what = f"{name}, smaller than the screen at {at}, clear {clear}, ground {ground}, own {bool(own)}"
            cases[what] = gif(W + 6, H + 5, [frame(v, at, **small)], palette, background=ground)
            for disposal in (1, 2, 3):
                frames = [frame(v, at, disposal=disposal, delay=100, **small), frame(v[::-1], (1, 1), delay=100)]
                cases[f"{what}, disposal {disposal}"] = gif(W + 6, H + 5, frames, palette, background=ground)
    greys = [(i, i, i) for i in range(256)]
    cases["greys, smaller, clear"] = gif(W + 4, H + 4, [frame(v, (2, 2), transparent=7)], greys)
    compared(browser, "image/gif", cases)


def test_gif_without_a_palette():
    refused(gif(W, H, [frame(RNG.integers(0, 4, (H, W)))]), "no palette")


# --- PNG --------------------------------------------------------------------------------------------------


def test_all_of_png_suite(browser, given_data):
    files = {path.name: path.read_bytes() for path in sorted(given_data("pngsuite").glob("*.png"))}
    assert len(files) > 170
    # Chromium cuts grey of 16 bits to 8 before it applies gamma: its steps are coarse in the shadows.
    deep_grey = {name: files.pop(name) for name in list(files) if name[3:] in ("n0g16.png", "i0g16.png")}
    compared(browser, "image/png", {n: d for n, d in files.items() if not n.startswith("x")}, levels=3)
    compared(browser, "image/png", deep_grey, levels=13)
    assert all(outcome(data) for name, data in files.items() if name.startswith("x"))


def number(value):
    return struct.pack(">I", round(value * 1e5))


def gama(value):
    return chunk(b"gAMA", number(value))


def chrm(*values):
    return chunk(b"cHRM", b"".join(map(number, values)))


def cicp(*values):
    return chunk(b"cICP", bytes(values))


SRGB = chunk(b"sRGB", b"\0")
P3 = chunk(b"iCCP", b"x\0\0" + zlib.compress(profile_with(DISPLAY_P3)))
JUNK = chunk(b"iCCP", b"x\0\0" + zlib.compress(b"junk" * 50))
WHITE = (0.3127, 0.329)
CHROMATICITIES = {
    "Display P3": chrm(*WHITE, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    "sRGB": chrm(*WHITE, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06),
    "Adobe RGB": chrm(*WHITE, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06),
    "another white": chrm(0.3457, 0.3585, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06),
}
DECLARED = {
    **{f"gAMA {g}": [gama(g)] for g in (1.0, 0.45455, 0.5, 0.4, 0.3, 0.45, 0.43, 2.0)},
    **{f"cHRM {name}": [c] for name, c in CHROMATICITIES.items()},
    **{f"cHRM {n} and gAMA {g}": [gama(g), c] for n, c in CHROMATICITIES.items() for g in (1.0, 0.45455, 0.5)},
    **{
        f"cICP {primaries} {transfer}": [cicp(primaries, transfer, 0, 1)]
        for primaries in (1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 22)
        for transfer in (1, 2, 4, 5, 6, 7, 8, 11, 13, 14, 15, 17)
    },
    "sRGB before gAMA and cHRM": [SRGB, gama(1.0), CHROMATICITIES["Display P3"]],
    "cICP of a narrow range": [cicp(12, 13, 0, 0)],
    "cICP before iCCP": [cicp(1, 13, 0, 1), P3],
    "cICP before sRGB": [cicp(12, 13, 0, 1), SRGB],
    "iCCP before gAMA": [P3, gama(1.0)],
    "iCCP before sRGB": [P3, SRGB],
    "gAMA where iCCP is broken": [JUNK, gama(1.0)],
    "sRGB where iCCP is broken": [JUNK, SRGB],
}


def test_png_colours(browser):
    cases = {}
    rgb = np.concatenate([BARS, RNG.integers(0, 256, (90, 3)).astype(np.uint8)])[None]
    for name, chunks in DECLARED.items():
        cases[name] = png(96, 1, 8, 2, [rgb.tobytes()], *chunks)
        cases[name + ", 16 bits"] = png(96, 1, 16, 2, [(rgb.astype(">u2") * 257).tobytes()], *chunks)
        cases[name + ", grey"] = png(256, 1, 8, 0, [bytes(range(256))], *chunks)
        cases[name + ", palette"] = png(6, 1, 8, 3, [bytes(range(6))], *chunks, chunk(b"PLTE", BARS.tobytes()))
    compared(browser, "image/png", cases, levels=3)


# --- AVIF -------------------------------------------------------------------------------------------------


def test_avif_colours(browser):
    """HEIC has the same boxes; Chromium does not show it."""
    bars = np.repeat(np.repeat(BARS[None], 16, 1), 32, 0)
    plain = saved(bars, "AVIF", quality=100, subsampling="4:4:4")
    at, cases = plain.index(b"colrnclx") + 8, {}
    for primaries, transfer in itertools.product((1, 2, 5, 6, 9, 10, 11, 12, 22), (1, 2, 4, 5, 6, 7, 8, 13, 14, 15)):
        cases[f"nclx {primaries} {transfer}"] = plain[:at] + struct.pack(">HH", primaries, transfer) + plain[at + 4 :]
    drawn = drawings(browser, "image/avif", list(cases.values()))
    for (name, data), expected in zip(cases.items(), drawn, strict=True):
        error = np.abs(load_image(data).rgb.astype(int) - expected)[16, 8::16].max()
        assert error <= 3, (name, error)


# --- JPEG and WebP ----------------------------------------------------------------------------------------


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def test_jpeg(browser):
    smooth, p3 = Image.fromarray(SMOOTH), profile_with(DISPLAY_P3)
    cases = {}
    for progressive, subsampling in itertools.product((False, True), (0, 1, 2)):
        options = {"progressive": progressive, "subsampling": subsampling, "quality": 85}
        cases[f"progressive {progressive}, subsampling {subsampling}"] = saved(smooth, "JPEG", **options)
    for mode in ("L", "CMYK"):
        cases[mode] = saved(smooth.convert(mode), "JPEG", quality=90)
    for orientation in range(1, 9):
        cases[f"orientation {orientation}"] = saved(smooth, "JPEG", exif=turned(orientation), subsampling=0)
    cases["profile"] = saved(smooth, "JPEG", icc_profile=p3, quality=95, subsampling=0)
    cases["no end marker"] = cases["progressive True, subsampling 2"][:-2]
    compared(browser, "image/jpeg", cases, levels=3)


def test_webp(browser):
    """But for the orientation in EXIF data, which Chromium does not look for in WebP."""
    smooth, p3 = Image.fromarray(SMOOTH), profile_with(DISPLAY_P3)
    clear = Image.fromarray(
        np.dstack([SMOOTH, np.linspace(0, 255, SMOOTH[..., 0].size).reshape(48, 64)]).astype(np.uint8)
    )
    cases = {
        "lossy": saved(smooth, "WEBP", quality=80),
        "lossless": saved(smooth, "WEBP", lossless=True),
        "alpha": saved(clear, "WEBP", lossless=True),
        "lossy with alpha": saved(clear, "WEBP", quality=80),
        "profile": saved(smooth, "WEBP", lossless=True, icc_profile=p3),
        "animated": saved(smooth, "WEBP", lossless=True, save_all=True, append_images=[smooth.rotate(180)]),
    }
    compared(browser, "image/webp", cases, levels=3)
