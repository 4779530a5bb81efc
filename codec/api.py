"""compress and decompress: the functions that the command line and the page use."""

import functools
import importlib
import numbers
from dataclasses import dataclass

import numpy as np
from PIL import Image
from torch import Tensor

from codec import bitstream, rate, spec
from codec.bitstream import Stream
from codec.device import Timer
from codec.errors import CodecError, StreamError
from codec.pictures.load import load_image
from codec.pictures.sources import read_source
from codec.pipeline import Codec, Latent, Progress
from codec.spec import PSNR
from codec.weights import default

#: Modules that are imported with their first use: the systems of earlier years, and what searches slowly.
history = functools.partial(importlib.import_module, "codec.classroom.history.systems")
refining = functools.partial(importlib.import_module, "codec.refining")
screen_content = functools.partial(importlib.import_module, "codec.screen")


@functools.cache
def load(trunk: str = "", device: str = "cpu") -> Codec:
    """The codec with the weights of this id (the current ones by default), loaded once.

    Raises WeightsError where they are missing or damaged.
    """
    return Codec(default().trunk(trunk, device))


@dataclass(frozen=True)
class Coded:
    """The result of an encoding: the bytes, and the intermediate results. q is an index, or a map of them."""

    data: bytes
    stream: Stream
    latent: Latent
    q: int | np.ndarray
    timer: Timer


@dataclass(frozen=True)
class RateResult:
    """The outcome of a search for a rate. `reached` is False where the target is below the model's range."""

    q: int | None  # None for a map
    reached: bool
    at_top: bool  # the best quality there is fits into the target
    codings: int


def encode(
    rgb: np.ndarray,
    *,
    model: str = "mse",
    lmbda: float | None = None,
    bpp: float | None = None,
    max_bytes: int | None = None,
    q: int | np.ndarray | None = None,
    refine: int = 0,
    tune: str = PSNR,
    codec: Codec | None = None,
    y: Tensor | None = None,
    screen: bool = True,
    progress: Progress = None,
) -> tuple[Coded, RateResult]:
    """Codes uint8 (H, W, 3) at a λ, at a target rate in bpp or bytes, or at given quality indices q.

    This is `compress` with all its intermediate results; see there for errors. Where the target is below the model's
    range, the result is the smallest stream, with `reached` False. Without λ, rate and q the target is the model's own
    rate, and the smallest stream counts as reached. `refine` and `tune`: see `codec.refining`, slow. `y`: the result of
    `codec.analyse` where there is one. `screen`: letters and line art may become an overlay, see `codec.screen`; not at
    given quality indices. `progress` is told the share that is done.
    """
    given = sum(v is not None for v in (lmbda, bpp, max_bytes, q))
    if given > 1:
        raise CodecError("Give either λ or a target rate, not both.")
    default().check_model(model)
    for name, value in (("λ", lmbda), ("The target rate", bpp)):
        check_number(name, value)
    if refine != 0 or tune != PSNR:
        refining().check(refine, tune)
    codec = codec or load()
    height, width = rgb.shape[:2]
    bitstream.check_size(width, height)
    if not given:
        bpp = spec.OPERATING_POINTS.get(model)
    if bpp is not None:
        if not (np.isfinite(bpp) and bpp > 0):
            raise CodecError(f"The target rate is {bpp} bpp; it must be a positive number.")
        max_bytes = int(bpp * width * height / 8)
    timer, codings, likely = Timer(), 0, 1 if max_bytes is None else 4
    quick, more = None if refine else progress, dict[str, Tensor]()
    with timer.stage("analysis"):
        analysed = codec.analyse(rgb, part(quick, 0, 0.5)) if y is None else y

    def code(q: int | np.ndarray) -> Coded:
        nonlocal codings
        with timer.stage("hyperprior and quantisation"):
            latent = codec.quantise(analysed, q, part(quick, 0.5 + 0.5 * codings / likely, 0.5 / likely), **more)
        with timer.stage("range coding"):
            stream = codec.write(latent, width, height, model)
            data = bitstream.write(stream)
        codings += 1
        return Coded(data, stream, latent, q, timer)

    def search_latent(q: int | np.ndarray) -> None:
        nonlocal analysed, more
        if refine:
            with timer.stage("refinement"):
                analysed, more["z"], more["rdo"] = refining().refine(codec, rgb, analysed, q, refine, tune, progress)

    def finished(coded: Coded, result: RateResult) -> tuple[Coded, RateResult]:
        asked = {"model": model, "refine": refine, "tune": tune}
        return screen_content().improve(rgb, coded, result, codec, max_bytes, **asked) if screen else (coded, result)

    if max_bytes is None:
        screen = screen and q is None
        q = spec.quality_index(spec.DEFAULT_LAMBDA if lmbda is None else lmbda) if q is None else q
        search_latent(q)
        return finished(code(q), RateResult(q if isinstance(q, int) else None, True, False, codings))
    limit, kept = max_bytes, {}

    def size_at(q: int) -> int:
        kept[q] = code(q)
        fitting = [at for at, coded in kept.items() if len(coded.data) <= limit]
        for at in set(kept) - {q, max(fitting, default=q)}:
            del kept[at]  # only the best so far is worth its memory
        return len(kept[q].data)

    estimate = rate.by_nonzeros(analysed, codec.trunk.gain)
    largest = rate.largest_q(size_at, limit, estimate, bottom=spec.LOWEST)
    if refine:
        guess = spec.LOWEST if largest is None else largest
        search_latent(guess)
        kept.clear()
        largest = rate.largest_q(size_at, limit, estimate, guess=guess, bottom=spec.LOWEST)
    q = spec.LOWEST if largest is None else largest
    coded = kept[q] if q in kept else code(q)
    return finished(coded, RateResult(q, largest is not None or not given, q == spec.BYTE_MAX, codings))


def part(progress: Progress, start: float, span: float) -> Progress:
    """A progress function for a part of the work: its 0…1 is start…start + span of the whole."""
    return progress and (lambda share: progress(min(1, start + span * share)))


def check_number(name: str, value) -> None:
    """Raises CodecError for a value that is neither None nor a number."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, numbers.Real)):
        raise CodecError(f"{name} has to be a number, not an object of type '{type(value).__name__}'.")


def compress(
    image, model: str = "mse", *, lmbda: float | None = None, bpp: float | None = None, refine: int = 0, tune=PSNR
) -> bytes:
    """Compresses a picture into a stream.

    image: a path, the bytes of an image file, a file object, a PIL.Image, or an array (H, W[, 3 or 4]).
    model: the decoder that the stream suggests. lmbda: the trade-off, 0.0005…0.0483 on CompressAI's scale
    (default 0.0067); or bpp: a rate in bits per pixel that the file, header included, does not exceed. hific-lo,
    -mi and -hi are meant for 0.14, 0.30 and 0.45 bpp, and take those by default where the picture allows it. The
    systems of `codec.spec.HISTORY` are models, too; they take a rate or choose their own. refine: 0…64 iterations of a
    search for fewer bytes at the same quality, see `codec.refining`; eight take twenty times as long as encoding.
    tune: what quality is to it, "psnr" or "ms-ssim".

    Raises ImageError (unusable picture), WeightsError, and CodecError (λ out of range, unknown model, or a
    rate below what the model can reach).

    >>> import codec
    >>> from PIL import Image
    >>> data = codec.compress(Image.new("RGB", (96, 64), "teal"), lmbda=0.013)
    >>> codec.decompress(data).size
    (96, 64)
    """
    return compress_rgb(load_image(image).rgb, model, lmbda, bpp, refine, tune)[0]


def compress_rgb(
    rgb: np.ndarray, model: str, lmbda: float | None, bpp: float | None, refine: int = 0, tune: str = PSNR
) -> tuple[bytes, bool]:
    """`compress` of uint8 (H, W, 3): the stream, and whether it has the best quality there is."""
    if model in spec.HISTORY:
        history().check(model, lmbda, refine or tune != PSNR)
        check_number("The target rate", bpp)
        return history().compress(rgb, model, bpp), False
    coded, search = encode(rgb, model=model, lmbda=lmbda, bpp=bpp, refine=refine, tune=tune)
    if not search.reached:
        least = rate.bpp(len(coded.data), rgb.shape[1], rgb.shape[0])
        raise CodecError(f"{bpp:g} bpp cannot be reached: the least for this picture is {least:.4f} bpp.")
    return coded.data, search.at_top


def decompress(source, decoder: str | None = None, realism: float | None = None) -> Image.Image:
    """Decodes a stream to an RGB picture, by the decoder it suggests unless another is named.

    source: the bytes of a stream, or its path or a binary file object. realism: from 0, the fidelity decoder that a
    generative one was fine-tuned from, to 1, that decoder itself.

    Raises StreamError (not a stream, damaged, too large), WeightsError (made with weights that are not here), and
    CodecError (unknown decoder; realism out of range, or none to choose for this decoder).
    """
    data = read_source(source, StreamError)
    if data[:3] in spec.HISTORY_MAGIC:
        return Image.fromarray(history().decompress(data))
    stream = bitstream.read(data)
    check_number("Realism", realism)
    default().check(decoder, realism, stream.trunk)
    return Image.fromarray(load(stream.trunk).decode(stream, decoder, realism))
