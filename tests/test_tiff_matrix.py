"""TIFFs of every combination of bits, colours, planes, compression, byte order, alpha, predictor and tiles.

Each is written by the tests' own writer, and either read within one level of what the specification says, or refused.
That the writer says what it should is checked with a third reader, tifffile.
"""

import io
import itertools

import numpy as np
import pytest
from image_bytes import outcome, refused
from tiff_bytes import (
    ASSOCIATED,
    BLACK_IS_ZERO,
    CMYK,
    DEFLATE,
    FLOAT,
    LZW,
    NONE,
    PACKBITS,
    PALETTE,
    RGB,
    SIGNED,
    UNASSOCIATED,
    UNSIGNED,
    WHITE_IS_ZERO,
    tiff,
)

from codec.errors import ImageError
from codec.pictures.load import load_image

pytestmark = pytest.mark.filterwarnings("ignore")  # what Pillow warns of is no answer
HEIGHT, WIDTH = 19, 21  # neither is a multiple of a strip or tile
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4}
DEPTHS = [(bits, UNSIGNED) for bits in (1, 2, 4, 8, 12, 16, 32)] + [(bits, FLOAT) for bits in (16, 32, 64)]
LAYOUTS = list(itertools.product("<>", (None, (16, 16))))
#: (bits, kind, photometric, extra samples, planar) that have to be read, however they are stored.
READ = {
    *((bits, UNSIGNED, grey, (), 1) for bits in (1, 2, 4, 8) for grey in (WHITE_IS_ZERO, BLACK_IS_ZERO)),
    *((bits, UNSIGNED, PALETTE, (), 1) for bits in (1, 2, 4, 8)),
    *((8, UNSIGNED, RGB, extra, 1) for extra in ((), (0,), (1,), (2,))),
    *((16, UNSIGNED, RGB, extra, planar) for extra in ((), (0,), (1,), (2,)) for planar in (1, 2)),
    (8, UNSIGNED, RGB, (), 2),
    (8, UNSIGNED, RGB, (UNASSOCIATED,), 2),
    (16, UNSIGNED, BLACK_IS_ZERO, (), 1),
    (32, FLOAT, BLACK_IS_ZERO, (), 1),
    (32, FLOAT, WHITE_IS_ZERO, (), 1),
    (8, UNSIGNED, CMYK, (), 1),
    (16, UNSIGNED, CMYK, (), 1),
    (8, UNSIGNED, BLACK_IS_ZERO, (UNASSOCIATED,), 1),
}


def samples_of(bits, kind, channels, extra=()):
    """Noise (H, W, channels) with both ends of the range, and the upper one."""
    rng, top = np.random.default_rng(0), 1 if kind == FLOAT else (1 << bits) - 1
    shape = (HEIGHT, WIDTH, channels)
    samples = rng.random(shape).astype(f"f{bits // 8}") if kind == FLOAT else rng.integers(0, top + 1, shape)
    if extra == (ASSOCIATED,):
        samples[..., :-1] = np.minimum(samples[..., :-1], samples[..., -1:])
    samples[0, 0], samples[0, 1] = 0, top
    return samples, top


def meant(samples, top, photometric, extra, colours):
    """What the specification makes of the samples, on white, as levels (H, W, 3)."""
    levels = samples.astype(np.float64) / top * 255
    alpha = levels[..., -1:] / 255 if extra and extra[0] in (ASSOCIATED, UNASSOCIATED) else 1.0
    levels = levels[..., : COLOURS[photometric]]
    if photometric == WHITE_IS_ZERO:
        levels = 255 - levels
    elif photometric == PALETTE:
        levels = np.asarray(colours)[samples[..., 0]] / 257
    elif photometric == CMYK:
        levels = (255 - levels[..., :3]) * (255 - levels[..., 3:]) / 255
    levels = np.broadcast_to(levels, (HEIGHT, WIDTH, 3))
    return np.rint((levels if extra == (ASSOCIATED,) else levels * alpha) + 255 * (1 - alpha))


def stored(bits, kind):
    """The pairs of compression and predictor that there are."""
    pairs = [(NONE, 1), (PACKBITS, 1), (LZW, 1), (DEFLATE, 1)]
    if kind == FLOAT:
        return pairs + [(LZW, 3), (DEFLATE, 3)] * (bits < 64)
    return pairs + [(LZW, 2), (DEFLATE, 2)] * (bits in (8, 16, 32))


@pytest.mark.parametrize(
    "bits, kind, photometric",
    [(*depth, p) for depth, p in itertools.product(DEPTHS, COLOURS) if p != PALETTE or depth[0] <= 8],
)
def test_every_cell_is_right_or_refused(bits, kind, photometric):
    colours = np.random.default_rng(1).integers(0, 65536, (1 << bits, 3)) if photometric == PALETTE else None
    extras = ((),) if photometric == PALETTE else ((), (0,), (ASSOCIATED,), (UNASSOCIATED,))
    for extra, planar in itertools.product(extras, (1, 2)):
        channels = COLOURS[photometric] + len(extra)
        if planar == 2 and channels == 1:
            continue
        samples, top = samples_of(bits, kind, channels, extra)
        expected = meant(samples, top, photometric, extra, colours)
        for (compression, predictor), (order, tile) in itertools.product(stored(bits, kind), LAYOUTS):
            cell = (bits, kind, photometric, extra, planar, compression, order, predictor, tile)
            data = tiff(
                samples,
                bits,
                photometric,
                planar=planar,
                compression=compression,
                order=order,
                extra=extra,
                predictor=predictor,
                tile=tile,
                kind=kind,
                colours=colours,
            )
            try:
                loaded = load_image(data).rgb
            except ImageError as error:
                assert str(error).endswith(".") and ". " not in str(error), cell
                assert cell[:5] not in READ or (bits == 12 and order == ">"), cell
            else:
                assert np.abs(loaded - expected).max() <= 1, cell


@pytest.mark.parametrize("bits, kind", DEPTHS)
def test_the_writer_by_a_third_reader(bits, kind):
    tifffile = pytest.importorskip("tifffile", reason="tifffile, an independent reader of TIFF, is not installed")
    compared = 0
    for channels, planar in ((1, 1), (3, 1), (3, 2)):
        samples, _ = samples_of(bits, kind, channels)
        for (compression, predictor), (order, tile) in itertools.product(stored(bits, kind), LAYOUTS):
            data = tiff(
                samples,
                bits,
                RGB if channels == 3 else BLACK_IS_ZERO,
                planar=planar,
                compression=compression,
                order=order,
                predictor=predictor,
                tile=tile,
                kind=kind,
            )
            try:
                found = tifffile.imread(io.BytesIO(data))
            except (ValueError, NotImplementedError) as error:  # imagecodecs is needed for it
                if "imagecodecs" in str(error):
                    continue
                raise
            found = found.transpose(1, 2, 0) if planar == 2 else found
            same = found.reshape(samples.shape) == samples
            assert same.all(), (bits, kind, channels, planar, compression, order, predictor, tile)
            compared += 1
    if not compared:
        pytest.skip("imagecodecs, which tifffile needs for these, is not installed")


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("tile", [None, (32, 32)])
def test_jpeg_inside(subsampling, tile):
    tifffile = pytest.importorskip("tifffile", reason="tifffile, an independent reader of TIFF, is not installed")
    pytest.importorskip("imagecodecs", reason="imagecodecs, with tifffile's JPEG, is not installed")
    v, u = np.mgrid[:48, :64]
    smooth = np.stack([v * 4, u * 3, 200 - v - u], -1).astype(np.uint8)
    buffer = io.BytesIO()
    options = {"photometric": "ycbcr", "compression": "jpeg", "subsampling": subsampling, "tile": tile}
    tifffile.imwrite(buffer, smooth, **options)
    expected = tifffile.imread(io.BytesIO(buffer.getvalue())).astype(int)
    assert np.abs(load_image(buffer.getvalue()).rgb - expected).max() <= 1


@pytest.mark.parametrize("compression", [NONE, LZW])
@pytest.mark.parametrize("planar", [1, 2])
def test_luma_and_chroma_without_jpeg(compression, planar):
    luma = np.random.default_rng(0).integers(60, 200, (HEIGHT, WIDTH))
    samples = np.stack([luma, np.full_like(luma, 150), np.full_like(luma, 110)], -1)
    data = tiff(samples, 8, 6, compression=compression, planar=planar, tags={530: ("H", [1, 1])})
    if not outcome(data):
        expected = luma[..., None] + np.array([1.402 * -18, -0.344136 * 22 - 0.714136 * -18, 1.772 * 22])
        assert np.abs(load_image(data).rgb - expected).max() <= 1


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation, turn", [(3, lambda x: x[::-1, ::-1]), (6, lambda x: np.rot90(x, -1))])
def test_every_way_to_the_pixels_turns_them(orientation, turn, order):
    for bits, photometric, options in (
        (8, RGB, {}),
        (16, RGB, {}),
        (16, RGB, {"planar": 2}),
        (16, RGB, {"extra": (UNASSOCIATED,)}),
        (16, CMYK, {}),
        (16, BLACK_IS_ZERO, {}),
        (32, BLACK_IS_ZERO, {"kind": FLOAT}),
    ):
        extra = options.get("extra", ())
        samples, top = samples_of(bits, options.get("kind", UNSIGNED), COLOURS[photometric] + len(extra))
        data = tiff(samples, bits, photometric, order=order, tags={274: ("H", [orientation])}, **options)
        loaded = load_image(data)
        assert np.abs(loaded.rgb - turn(meant(samples, top, photometric, extra, None))).max() <= 1, (bits, options)
        assert "Rotated upright as its EXIF data asks." in loaded.notes


def test_palettes_of_eight_bits():
    """Programs of the nineties put 8 bits into the colour map's 16: read by the book, the picture is black."""
    samples, _ = samples_of(8, UNSIGNED, 1)
    colours = np.random.default_rng(1).integers(0, 256, (256, 3))
    assert (load_image(tiff(samples, 8, PALETTE, colours=colours)).rgb == colours[samples[..., 0]]).all()


def test_bits_in_the_other_order():
    turned = np.array([int(f"{i:08b}"[::-1], 2) for i in range(256)])
    samples, _ = samples_of(8, UNSIGNED, 3)
    assert (load_image(tiff(turned[samples], 8, RGB, tags={266: ("H", [2])})).rgb == samples).all()


@pytest.mark.parametrize("order", "<>")
def test_bigtiff(order):
    for bits, planar in ((8, 1), (16, 1), (16, 2)):
        samples, top = samples_of(bits, UNSIGNED, 3)
        data = tiff(samples, bits, RGB, order=order, planar=planar, big=True)
        if not outcome(data):
            assert np.abs(load_image(data).rgb - samples / top * 255).max() <= 1
    assert not outcome(tiff(samples_of(8, UNSIGNED, 3)[0], 8, RGB, big=True))


def test_white_is_zero_of_every_depth():
    for bits, kind in ((1, UNSIGNED), (8, UNSIGNED), (16, UNSIGNED), (32, FLOAT)):
        ramp = np.linspace(0, 1, WIDTH)[None, :, None].repeat(3, 0)
        samples = ramp.astype(np.float32) if kind == FLOAT else np.rint(ramp * ((1 << bits) - 1)).astype(np.int64)
        loaded = load_image(tiff(samples, bits, WHITE_IS_ZERO, kind=kind)).rgb[0, :, 0]
        assert loaded[0] == 255 and loaded[-1] == 0 and (np.diff(loaded.astype(int)) <= 0).all(), (bits, kind)


def test_kinds_that_have_no_one_meaning():
    grey, _ = samples_of(8, UNSIGNED, 1)
    refused(tiff(grey, 8, BLACK_IS_ZERO, kind=SIGNED), "signed samples of 8 bits")
    refused(tiff(grey, 8, BLACK_IS_ZERO, tags={262: None}), "whether its zero is black or white")
    refused(tiff(samples_of(8, UNSIGNED, 2)[0], 8, BLACK_IS_ZERO, planar=2, extra=(2,)), "separate planes")
    refused(tiff(samples_of(12, UNSIGNED, 3)[0], 12, RGB, planar=2), "")
    for photometric in (32803, 34892, 32844, 32845):  # sensor data, linear raw, and two of LogLuv
        assert outcome(tiff(samples_of(16, UNSIGNED, 1)[0], 16, photometric))


@pytest.mark.parametrize("order, tile", LAYOUTS)
@pytest.mark.parametrize("compression", [NONE, LZW, DEFLATE])
@pytest.mark.parametrize("bits", [16, 32])
def test_signed_samples_are_stretched_and_say_so(bits, compression, order, tile):
    ramp = np.linspace(-1000, 3000, WIDTH).round().astype(np.int64)[None, :, None].repeat(3, 0)
    data = tiff(ramp, bits, BLACK_IS_ZERO, kind=SIGNED, compression=compression, order=order, tile=tile)
    loaded = load_image(data)
    assert np.abs(loaded.rgb[0, :, 0] - np.linspace(0, 255, WIDTH)).max() <= 1
    assert loaded.notes == ("Samples from -1000 to 3000 were stretched over the range from black to white.",)
