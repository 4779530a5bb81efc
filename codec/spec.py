"""Everything that the parts of the codec agree on: numbers, limits and the table of decoders. No torch, no NumPy.

The *quality index* q of a stream is one byte, 0…255. It names a place on the ladder of anchor λ's: the *level*, a
number in [0, TOP]. Level 0 is ANCHORS[0] and level TOP is ANCHORS[TOP]. Between two anchors λ and the gains
are interpolated geometrically.
A q from LOWEST to -1 lies below the ladder, where the trunk was not trained: the networks read the level 0.
"""

import math
import os
from dataclasses import dataclass

from codec.errors import CodecError

#: λ on the scale of CompressAI, loss = R + λ·255²·MSE with R in bits per pixel and MSE on [0, 1]. The two
#: lowest reach below CompressAI's range, because 0.10 and 0.14 bpp lie there for many photographs.
ANCHORS = (0.0005, 0.0009, 0.0018, 0.0035, 0.0067, 0.0130, 0.0250, 0.0483)
#: The ladder of the next version reaches three steps lower: a rough photograph needs them for 0.06 bpp.
NEXT_ANCHORS = (0.00006, 0.00012, 0.00025, *ANCHORS)
LADDERS = {len(anchors): anchors for anchors in (ANCHORS, NEXT_ANCHORS)}  # a trunk's, by how many gains it has
LAMBDA_MIN, LAMBDA_MAX = ANCHORS[0], ANCHORS[-1]
DEFAULT_LAMBDA = 0.0067
TOP = len(ANCHORS) - 1
BYTE_MAX = 255  # the largest quality index
MAX_REFINE, REFINEMENTS = 64, 8  # iterations of `codec.refining`: at most, and most of the gain in a few seconds
PSNR, MS_SSIM = TUNES = ("psnr", "ms-ssim")  # what quality is to them
LOWEST, COARSER = -128, 2 ** (-1 / 64)  # the smallest; and what multiplies the gains at each step below 0


def level_from_lambda(lmbda: float, anchors: tuple[float, ...] = ANCHORS) -> float:
    """The level in [0, TOP] of a λ; values beyond the anchors are clipped."""
    if lmbda <= anchors[0]:
        return 0.0
    for i in range(len(anchors) - 1):
        low, high = anchors[i], anchors[i + 1]
        if lmbda <= high:
            return i + math.log(lmbda / low) / math.log(high / low)
    return float(len(anchors) - 1)


def lambda_from_level(level: float, anchors: tuple[float, ...] = ANCHORS) -> float:
    """The λ of a level in [0, TOP]."""
    i = min(int(level), len(anchors) - 2)
    return anchors[i] * (anchors[i + 1] / anchors[i]) ** (level - i)


def quality_index(lmbda: float, anchors: tuple[float, ...] = ANCHORS) -> int:
    """The quality index of a λ. Raises CodecError outside the trained range."""
    if not (math.isfinite(lmbda) and anchors[0] * 0.999 <= lmbda <= anchors[-1] * 1.001):
        raise CodecError(f"λ is {lmbda:g}; it must lie between {anchors[0]:g} and {anchors[-1]:g}.")
    return round(level_from_lambda(lmbda, anchors) / (len(anchors) - 1) * BYTE_MAX)


def lambda_of(q: int) -> float:
    """The λ of a quality index. Below the ladder it goes with the square of the gains, as at high rates."""
    return ANCHORS[0] * COARSER ** (-2 * q) if q < 0 else lambda_from_level(q / BYTE_MAX * TOP)


SLOPE = 0.125  # of the leaky ReLU; a power of two, so that integer networks can apply it with a shift
Z_CHANNELS = 64
STEPS = 4  # in which the latent is coded
N_SCALES = 64  # standard deviations on a logarithmic ladder, from 0.11 to 64; see `codec.networks.hyperprior`
ORDER = (0, 3, 1, 2)  # diagonal locations of a 2×2 block first: a checkerboard


def step_pattern(step: int) -> list[tuple[int, int]]:
    """The four (channel group, phase) pairs that a step codes.

    Group g holds the channels c with c mod 4 = g; phase = 2·(row mod 2) + column mod 2.
    """
    return [(group, ORDER[step] ^ group) for group in range(STEPS)]


REGION = 64  # pixels per side of the square that shares one quality index; pictures are padded to whole regions
#: Limit of a picture to be read or decoded; CODEC_MAX_PIXELS sets another. Memory grows by 100 bytes a pixel.
MAX_PIXELS = int(os.environ.get("CODEC_MAX_PIXELS", 50_000_000))
MAX_SIDE = 30_000
STREAM_SUFFIX = ".lic"
PICTURE_SUFFIXES = frozenset(
    ".png .apng .jpg .jpeg .jpe .jfif .mpo .webp .avif .tif .tiff .bmp .gif .heic .heif .hif".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Decoder:
    """One decoder, or a preset: a network together with a rate."""

    name: str
    number: int | None  # in the header of streams; None where a stream cannot suggest it
    network: str  # the name of its weights in the manifest
    title: str
    about: str
    colour: str
    bpp: float | None = None  # the rate taken where neither λ nor a rate is asked for


#: The presets of HiFiC: number and rate, those of Mentzer et al. 2020.
_HIFIC = {"lo": (3, 0.14), "mi": (4, 0.30), "hi": (5, 0.45)}
_GAN = "A GAN for a realistic image; it synthesises detail that was not transmitted."
#: By name. Numbers are in files: never change one, never use one twice.
DECODERS = {
    decoder.name: decoder
    for decoder in (
        Decoder("mse", 0, "mse", "MSE", "The least squared error: faithful, but soft where it is unsure.", "#0d9488"),
        Decoder("perceptual", 1, "perceptual", "Perceptual", "Close in VGG features: crisper edges.", "#d55e00"),
        Decoder("texture", 2, "texture", "Texture", "Keeps the statistics of textures: grass is grassy.", "#56b4e9"),
        Decoder("hific-nogan", 6, "hific-nogan", "HiFiC without GAN", "Close to the eye, by LPIPS.", "#6d5ff5"),
        Decoder("hific", None, "hific", "HiFiC", _GAN, "#db2777"),
        *(Decoder(f"hific-{k}", n, "hific", f"HiFiC {k}", _GAN, "#db2777", bpp) for k, (n, bpp) in _HIFIC.items()),
    )
}
#: The names that a stream can suggest, by their number in its header.
NUMBERED = {decoder.number: decoder.name for decoder in DECODERS.values() if decoder.number is not None}
NUMBERS = {name: number for number, name in NUMBERED.items()}
#: Systems of earlier years, of the classroom; their modules are imported when a stream or a caller names one.
HISTORY = ("cae-2017", "rnn-2018", "importance-2018", "attention-2021")
HISTORY_MAGIC = (b"CAE", b"LIH")
SYNTHESIS = "synthesis"  # the architecture of a decoder whose entry in the manifest names none
OPERATING_POINTS = {decoder.name: decoder.bpp for decoder in DECODERS.values() if decoder.bpp is not None}
