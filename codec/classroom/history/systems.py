"""The systems of history by name: what `codec.compress`, `codec.decompress` and the command line know of them."""

from collections.abc import Callable

import numpy as np

from codec.classroom import autoencoder, store
from codec.classroom.history import attention_2021, container, importance_2018, rnn_2018
from codec.errors import CodecError, StreamError
from codec.rate import bpp as rate
from codec.spec import HISTORY

MODULES = {module.NAME: module for module in (rnn_2018, importance_2018, attention_2021)}
CAE, CAE_NAME = HISTORY[0], "cae"
DEFAULTS = {CAE: "2", rnn_2018.NAME: "primed", importance_2018.NAME: "middle", attention_2021.NAME: "middle"}
#: In order of rate; what a target rate is chosen from.
BY_RATE = {
    CAE: ("3", "2", "4", "1"),
    importance_2018.NAME: ("low", "middle", "high"),
    attention_2021.NAME: ("low", "middle", "high"),
}


def here() -> list[str]:
    """The systems whose weights are here."""
    return [name for name in HISTORY if DEFAULTS[name] in store.manifest().get(CAE_NAME if name == CAE else name, {})]


def check(name: str, lmbda: float | None = None) -> None:
    """Raises CodecError for a system whose weights are not here, and for a λ, which none of them has."""
    if lmbda is not None:
        raise CodecError(f"The system '{name}' has no λ; give a rate, or nothing for its usual one.")
    if name not in here():
        raise CodecError(f"There are no weights for '{name}' here; there are for: {', '.join(here()) or 'none'}.")


def compress(rgb: np.ndarray, name: str, bpp: float | None = None) -> bytes:
    """uint8 (H, W, 3) -> a stream of a system, at no more than `bpp` where that is given, else at its usual rate.

    Raises CodecError for an image that is too large or a rate that is too low, and WeightsError.
    """
    check(name)
    if bpp is None:
        return coder(name, DEFAULTS[name])(rgb)
    least = None
    for data in candidates(rgb, name):
        if rate(len(data), rgb.shape[1], rgb.shape[0]) <= bpp:
            return data
        least = data
    least_bpp = rate(len(least), rgb.shape[1], rgb.shape[0])
    raise CodecError(f"{bpp:g} bpp cannot be reached: the least for this picture is {least_bpp:.4f} bpp.")


def candidates(rgb: np.ndarray, name: str):
    """Streams of a system, the largest first."""
    if name == rnn_2018.NAME:  # one stream: what is cut off after a step is another
        stream = container.read(rnn_2018.compress(rgb, steps=rnn_2018.STEPS))
        for count in range(len(stream.segments), 0, -1):
            yield container.write(name, stream.variant, stream.width, stream.height, stream.segments[:count])
    else:
        yield from sorted((coder(name, variant)(rgb) for variant in BY_RATE[name]), key=len, reverse=True)


def coder(name: str, variant: str) -> Callable[[np.ndarray], bytes]:
    if name == CAE:
        return lambda rgb: autoencoder.compress(rgb, variant)
    return lambda rgb: MODULES[name].compress(rgb, variant=variant)


def info(data: bytes) -> dict:
    """The header fields of a stream of any of the systems, its size and its rate. Raises StreamError."""
    if data[: len(autoencoder.MAGIC)] == autoencoder.MAGIC:
        _, width, height, variant = autoencoder.read(data)
        fields = {"system": CAE, "variant": variant, "width": width, "height": height}
    else:
        stream = container.read(data)
        fields = {"system": stream.system, "variant": stream.variant, "width": stream.width, "height": stream.height}
        fields |= {"segments": len(stream.segments), "cut": stream.cut}
    return fields | {"bytes": len(data), "bpp": round(rate(len(data), fields["width"], fields["height"]), 6)}


def decompress(data: bytes) -> np.ndarray:
    """A stream of any of the systems -> uint8 (H, W, 3). Raises StreamError, WeightsError."""
    if data[: len(autoencoder.MAGIC)] == autoencoder.MAGIC:
        return autoencoder.decompress(data)
    if not container.is_one(data):
        raise StreamError("This is not a stream of one of the systems of history.")
    return MODULES[container.read(data).system].decompress(data)
