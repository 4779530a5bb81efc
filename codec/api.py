"""compress, decompress, info: the functions that the command line and the page are made of."""

import functools
import importlib
import numbers
from dataclasses import dataclass, field

import numpy as np
from PIL import Image
from torch import Tensor

from codec import bitstream, rate, spec
from codec.bitstream import Stream, info
from codec.device import Timer
from codec.errors import CodecError, StreamError
from codec.pictures.load import load_image
from codec.pictures.sources import read_source
from codec.pipeline import Codec, Latent, Progress
from codec.weights import default

__all__ = ["Coded", "RateResult", "compress", "decompress", "encode", "info", "load"]


@functools.cache
def load(trunk: str = "", device: str = "cpu") -> Codec:
    """The codec with the weights of this id (the current ones by default), loaded once.

    Raises WeightsError where they are missing or damaged.
    """
    return Codec(default().trunk(trunk, device))


@dataclass(frozen=True)
class Coded:
    """The result of an encoding: the bytes, and what is known about them on the way."""

    data: bytes
    stream: Stream
    latent: Latent
    q: int | np.ndarray
    timer: Timer = field(default_factory=Timer)

    @property
    def estimate_bytes(self) -> float:
        """The size of the payload by the probability tables."""
        return (self.latent.y_bits + self.latent.z_bits) / 8

    @property
    def payload_bytes(self) -> int:
        """The size of the payload."""
        return len(self.stream.z) + len(self.stream.y)


@dataclass(frozen=True)
class RateResult:
    """The outcome of a search for a rate. `reached` is False where the target is below the model's range."""

    q: int  # -1 for a map
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
    codec: Codec | None = None,
    y: Tensor | None = None,
    progress: Progress = None,
) -> tuple[Coded, RateResult]:
    """Codes uint8 (H, W, 3) at a λ, at a target rate in bpp or bytes, or at given quality indices q.

    Where the target is below the model's range the smallest stream is returned, with `reached` False. This is
    `compress` with everything that is known on the way; see there for errors. Without any, a model's own rate is
    the target, and as near as one gets to it from above counts as reached. `y` is the result of `codec.analyse`
    where that is at hand. `progress` is told the share that is done.
    """
    if sum(v is not None for v in (lmbda, bpp, max_bytes, q)) > 1:
        raise CodecError("Give either λ or a target rate, not both.")
    default().check_model(model)
    for name, value in (("λ", lmbda), ("The target rate", bpp)):
        check_number(name, value)
    codec = codec or load()
    height, width = rgb.shape[:2]
    bitstream.check_size(width, height)
    asked = any(v is not None for v in (lmbda, bpp, max_bytes, q))
    if not asked:
        bpp = spec.OPERATING_POINTS.get(model)
    if bpp is not None:
        if not (np.isfinite(bpp) and bpp > 0):
            raise CodecError(f"The target rate is {bpp} bpp; it must be a positive number.")
        max_bytes = int(bpp * width * height / 8)
    timer, codings, likely = Timer(), 0, 1 if max_bytes is None else 4
    with timer.stage("analysis"):
        analysed = codec.analyse(rgb, part(progress, 0, 0.5)) if y is None else y

    def code(q: int | np.ndarray) -> Coded:
        nonlocal codings
        with timer.stage("hyperprior and quantisation"):
            latent = codec.quantise(analysed, q, part(progress, 0.5 + 0.5 * codings / likely, 0.5 / likely))
        with timer.stage("range coding"):
            stream = codec.write(latent, width, height, model)
            data = bitstream.write(stream)
        codings += 1
        return Coded(data, stream, latent, q, timer)

    if max_bytes is None:
        q = spec.quality_index(spec.DEFAULT_LAMBDA if lmbda is None else lmbda) if q is None else q
        return code(q), RateResult(q if isinstance(q, int) else -1, True, False, codings)
    limit, kept = max_bytes, {}

    def size_at(q: int) -> int:
        kept[q] = code(q)
        fitting = [at for at, coded in kept.items() if len(coded.data) <= limit]
        for at in set(kept) - {q, max(fitting, default=q)}:
            del kept[at]  # only the best so far is worth its memory
        return len(kept[q].data)

    largest = rate.largest_q(size_at, limit, log_size=rate.by_nonzeros(analysed, codec.trunk.gain))
    q = largest or 0
    coded = kept[q] if q in kept else code(q)
    return coded, RateResult(q, largest is not None or not asked, q == spec.BYTE_MAX, codings)


def history():
    """The systems of earlier years, which are no part of this codec, imported when one is asked for."""
    return importlib.import_module("codec.classroom.history.systems")


def part(progress: Progress, start: float, span: float) -> Progress:
    """Progress within a part of the work."""
    return progress and (lambda share: progress(min(1, start + span * share)))


def check_number(name: str, value) -> None:
    """Raises CodecError for what is given and is no number."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, numbers.Real)):
        raise CodecError(f"{name} has to be a number, not an object of type '{type(value).__name__}'.")


def compress(image, model: str = "mse", *, lmbda: float | None = None, bpp: float | None = None) -> bytes:
    """Compresses a picture into a stream.

    image: a path, the bytes of an image file, a file object, a PIL.Image, or an array (H, W[, 3 or 4]).
    model: the decoder that the stream suggests. lmbda: the trade-off, 0.0005…0.0483 on CompressAI's scale
    (default 0.0067); or bpp: a rate in bits per pixel that the file, header included, does not exceed. hific-lo,
    -mi and -hi are meant for 0.14, 0.30 and 0.45 bpp, and take those by default where the picture allows it. The
    systems of `codec.spec.HISTORY` are models, too; they take a rate or choose their own.

    Raises ImageError (unusable picture), WeightsError, and CodecError (λ out of range, unknown model, or a
    rate below what the model can reach).

    >>> import codec
    >>> from PIL import Image
    >>> data = codec.compress(Image.new("RGB", (96, 64), "teal"), lmbda=0.013)
    >>> codec.decompress(data).size
    (96, 64)
    """
    rgb = load_image(image).rgb
    if model in spec.HISTORY:
        history().check(model, lmbda)
        check_number("The target rate", bpp)
        return history().compress(rgb, model, bpp)
    coded, search = encode(rgb, model=model, lmbda=lmbda, bpp=bpp)
    if not search.reached:
        least = rate.bpp(len(coded.data), rgb.shape[1], rgb.shape[0])
        raise CodecError(f"{bpp:g} bpp cannot be reached: the least for this picture is {least:.4f} bpp.")
    return coded.data


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
