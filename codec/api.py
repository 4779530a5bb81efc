"""compress, decompress, info: the functions that the command line and the page are made of."""

import functools
from dataclasses import dataclass

import numpy as np
from PIL import Image
from torch import Tensor

from codec import bitstream, rate, spec
from codec import weights as registry
from codec.device import Timer
from codec.errors import CodecError
from codec.pictures.load import load_image
from codec.pipeline import Codec, Coded, Latent
from codec.rate import bpp as bits_per_pixel
from codec.spec import DEFAULT_LAMBDA


@functools.cache
def load(trunk: str = "", device: str = "cpu") -> Codec:
    """The codec with the weights of this id (the current ones by default), loaded once.

    Raises WeightsError where they are missing or damaged.
    """
    return Codec(registry.load_trunk(trunk, device))


@dataclass(frozen=True)
class RateResult:
    """What a search for a rate came to. `reached` is False where the target is below the model's range."""

    q: int
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
    progress=None,
) -> tuple[Coded, RateResult]:
    """Codes uint8 (H, W, 3) at a λ, at a target rate in bpp or bytes, or at given quality indices q.

    Where the target is below the model's range the smallest stream is returned, with `reached` False. This is
    `compress` with everything that is known on the way; see there for errors. Without any, a model's own rate is
    the target, and as near as one gets to it from above counts as reached. `y` is what `codec.analyse` has
    made of the picture already. `progress` is told the share that is done.
    """
    if sum(v is not None for v in (lmbda, bpp, max_bytes, q)) > 1:
        raise CodecError("Give either λ or a target rate, not both.")
    check_model(model)
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
    timer = Timer()
    with timer.stage("analysis"):
        y = codec.analyse(rgb, progress and (lambda share: progress(share / 2))) if y is None else y
    made: dict[int, tuple[Latent, bytes]] = {}
    codings = 0

    def code(at: int | np.ndarray) -> tuple[Latent, bytes]:
        nonlocal codings
        codings += 1
        with timer.stage("hyperprior and quantisation"):
            before, likely = codings - 1, 1 if max_bytes is None else 4
            part = progress and (lambda share: progress(0.5 + 0.5 * min(1, (before + share) / likely)))
            symbols = codec.quantise(y, at, part)
        with timer.stage("range coding"):
            return symbols, codec.write(symbols, width, height, model)

    def size_at(at: int) -> int:
        made[at] = code(at)
        size = len(made[at][1])
        fitting = [k for k, (_, data) in made.items() if len(data) <= max_bytes]
        for k in [k for k in made if k not in (max(fitting, default=None), at)]:
            del made[k]  # only the best so far is worth its memory
        return size

    reached = True
    if max_bytes is not None:
        found = rate.largest_q(size_at, max_bytes, log_size=rate.by_nonzeros(y, codec.trunk.gain))
        reached = found is not None or not asked
        q = 0 if found is None else found
        symbols, data = made[q] if q in made else code(q)
    else:
        q = spec.quality_index(DEFAULT_LAMBDA if lmbda is None else lmbda) if q is None else q
        symbols, data = code(q)
    top = max_bytes is not None and q == spec.BYTE_MAX
    stream = bitstream.read(data)
    payload = len(stream.z) + len(stream.y)
    coded = Coded(data, q, (symbols.y_bits + symbols.z_bits) / 8, payload, symbols, timer)
    return coded, RateResult(q if isinstance(q, int) else -1, reached, top, codings)


def check_model(model: str) -> None:
    if model not in registry.models():
        raise CodecError(f"There is no model '{model}'; there are: {', '.join(registry.models())}.")


def check_decoder(decoder: str | None, realism: float | None = None, trunk: str = "") -> None:
    """Raises CodecError for a decoder that this trunk (by default the current) has not, or a realism it has not.

    No decoder means the one that a stream will suggest.
    """
    if realism is not None:
        registry.check_range(realism)
    trunk = trunk or registry.manifest()["trunk"]
    known = registry.decoders(trunk)
    if decoder is None or not known:  # without any, the trunk itself is missing, which loading it will say
        return
    if decoder not in known:
        raise CodecError(f"There is no decoder '{decoder}'; there are: {', '.join(known)}.")
    if realism is not None:
        registry.partner_of(trunk, decoder)


def compress(image, model: str = "mse", *, lmbda: float | None = None, bpp: float | None = None) -> bytes:
    """Compresses a picture into a stream.

    image: a path, the bytes of an image file, a file object, a PIL.Image, or an array (H, W[, 3 or 4]).
    model: the decoder that the stream suggests. lmbda: the trade-off, 0.0005…0.0483 on CompressAI's scale
    (default 0.0067); or bpp: a rate in bits per pixel that the file, header included, does not exceed. hific-lo,
    -mi and -hi are meant for 0.14, 0.30 and 0.45 bpp, and take those by default where the picture allows it.

    Raises ImageError (unusable picture), WeightsError, and CodecError (λ out of range, unknown model, or a
    rate below what the model can reach).

    >>> import codec
    >>> from PIL import Image
    >>> data = codec.compress(Image.new("RGB", (96, 64), "teal"), lmbda=0.013)
    >>> codec.decompress(data).size
    (96, 64)
    """
    rgb = load_image(image).rgb
    coded, found = encode(rgb, model=model, lmbda=lmbda, bpp=bpp)
    if not found.reached:
        least = bits_per_pixel(len(coded.data), rgb.shape[1], rgb.shape[0])
        raise CodecError(f"{bpp:g} bpp cannot be reached: the least for this picture is {least:.4f} bpp.")
    return coded.data


def decompress(data: bytes, decoder: str | None = None, realism: float | None = None) -> Image.Image:
    """Decodes a stream to an RGB picture, by the decoder it suggests unless another is named.

    realism: from 0, the fidelity decoder that a generative one was fine-tuned from, to 1, that decoder itself.

    Raises StreamError (not a stream, damaged, too large), WeightsError (made with weights that are not here), and
    CodecError (unknown decoder; realism out of range, or none to choose for this decoder).
    """
    stream = bitstream.read(data)
    check_decoder(decoder, realism, stream.trunk)
    return Image.fromarray(load(stream.trunk).decode(data, decoder, realism=realism))


def info(data: bytes) -> dict:
    """Every header field of a stream, its sizes in bytes and its rate, fit for JSON."""
    stream = bitstream.read(data)
    uniform = isinstance(stream.q, int)
    level = (
        {"level": stream.q, "lambda": round(spec.lambda_of(stream.q), 6)}
        if uniform
        else {
            "level_map": {
                "rows": stream.regions[0],
                "columns": stream.regions[1],
                "min": int(stream.q.min()),
                "max": int(stream.q.max()),
            }
        }
    )
    return {
        "version": bitstream.VERSION,
        "trunk": stream.trunk,
        "decoder": stream.decoder,
        "width": stream.width,
        "height": stream.height,
        **level,
        "bytes": len(data),
        "header_bytes": len(data) - len(stream.z) - len(stream.y),
        "z_bytes": len(stream.z),
        "y_bytes": len(stream.y),
        "bpp": round(bits_per_pixel(len(data), stream.width, stream.height), 6),
    }
