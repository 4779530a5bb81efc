"""The systems of history by name, each as a codec with a few settings: what the rest of the project knows of them.

A setting is a number from 1, in order of rate: of cae-2017 and of those with a network for each rate one of these, of
rnn-2018 the steps that are sent.
"""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from codec.classroom import autoencoder, store
from codec.classroom.history import attention_2021, container, importance_2018, rnn_2018
from codec.device import Timer
from codec.errors import CodecError, StreamError
from codec.rate import bpp as rate
from codec.spec import HISTORY

MODULES = {module.NAME: module for module in (rnn_2018, importance_2018, attention_2021)}
CAE, CAE_NAME = HISTORY[0], "cae"
DEFAULTS = {CAE: "2", rnn_2018.NAME: "plain", importance_2018.NAME: "middle", attention_2021.NAME: "middle"}
#: The networks behind the settings.
BY_RATE = {
    CAE: ("3", "2", "4", "1"),
    importance_2018.NAME: ("low", "middle", "high"),
    attention_2021.NAME: ("low", "middle", "high"),
}


class Point(NamedTuple):
    """A stream of a system at one of its settings, and what it decodes to."""

    setting: int
    data: bytes
    rgb: np.ndarray  # uint8 (H, W, 3)
    encode_ms: float
    decode_ms: float


def here() -> list[str]:
    """The systems whose weights are here."""
    return [name for name in HISTORY if DEFAULTS[name] in store.manifest().get(CAE_NAME if name == CAE else name, {})]


def check(name: str, lmbda: float | None = None, refine: int = 0) -> None:
    """Raises CodecError for a system whose weights are not here, and for a λ or a refinement, which none has."""
    if lmbda is not None:
        raise CodecError(f"The system '{name}' has no λ; give a rate, or nothing for its usual one.")
    if refine:
        raise CodecError(f"The system '{name}' has no latent that can be refined; leave that out.")
    if name not in here():
        raise CodecError(f"There are no weights for '{name}' here; there are for: {', '.join(here()) or 'none'}.")


def model_digest(name: str) -> str:
    """Eight digits of a hash over the weights of a system."""
    entries = store.manifest().get(CAE_NAME if name == CAE else name, {})
    return hashlib.sha256("".join(sorted(entry["sha256"] for entry in entries.values())).encode()).hexdigest()[:8]


def settings(name: str) -> tuple[int, ...]:
    """All settings of a system."""
    return tuple(range(1, 1 + (rnn_2018.TRAINED if name == rnn_2018.NAME else len(BY_RATE[name]))))


def setting_name(name: str, setting: int) -> str:
    """The network behind a setting, or the steps of rnn-2018 ("3/8")."""
    return f"{setting}/{rnn_2018.TRAINED}" if name == rnn_2018.NAME else BY_RATE[name][setting - 1]


def compress(rgb: np.ndarray, name: str, bpp: float | None = None) -> bytes:
    """uint8 (H, W, 3) -> a stream of a system, at no more than `bpp` where that is given, else at its usual rate.

    Raises CodecError for an image that is too large or a rate that is too low, and WeightsError.
    """
    check(name)
    if bpp is None:
        return coded(rgb, name, DEFAULTS[name])
    height, width = rgb.shape[:2]
    _, data = at_most(rgb, name, int(bpp * width * height / 8))
    if (least := rate(len(data), width, height)) > bpp:
        raise CodecError(f"{bpp:g} bpp cannot be reached: the least for this picture is {least:.4f} bpp.")
    return data


def coded(rgb: np.ndarray, name: str, network: str) -> bytes:
    """A stream by one of a system's networks."""
    return autoencoder.compress(rgb, network) if name == CAE else MODULES[name].compress(rgb, variant=network)


def at_most(rgb: np.ndarray, name: str, size: int) -> tuple[int, bytes]:
    """(setting, stream): the best of a system in no more than `size` bytes, or its smallest where none is that small.

    Raises CodecError, WeightsError.
    """
    if name == rnn_2018.NAME:
        return recurrent_at_most(rgb, size)
    for setting in reversed(settings(name)):
        data = coded(rgb, name, BY_RATE[name][setting - 1])
        if len(data) <= size:
            break
    return setting, data


def recurrent_at_most(rgb: np.ndarray, size: int) -> tuple[int, bytes]:
    """`at_most` of rnn-2018: steps are sent as long as there is room for them."""
    height, width = rgb.shape[:2]
    container.check_size(width, height)
    network, kept = DEFAULTS[rnn_2018.NAME], []

    def stream(segments: list[bytes]) -> bytes:
        return container.write(rnn_2018.NAME, [*rnn_2018.VARIANTS].index(network), width, height, segments)

    for segment, _ in rnn_2018.encode(rgb, rnn_2018.load(network), rnn_2018.TRAINED, None):
        if kept and len(stream([*kept, segment])) > size:
            break
        kept.append(segment)
    return len(kept), stream(kept)


def points(rgb: np.ndarray, name: str, wanted: tuple[int, ...] | None = None) -> Iterator[Point]:
    """A system's streams of a picture at all of its settings, or at those that are wanted, decoded.

    Raises CodecError, WeightsError.
    """
    wanted = settings(name) if wanted is None else wanted
    if name == rnn_2018.NAME:
        yield from recurrent_points(rgb, wanted)
        return
    for setting in wanted:
        timer = Timer()
        with timer.stage("encode"):
            data = coded(rgb, name, BY_RATE[name][setting - 1])
        with timer.stage("decode"):
            decoded = decompress(data)
        yield Point(setting, data, decoded, timer.ms["encode"], timer.ms["decode"])


def recurrent_points(rgb: np.ndarray, wanted: tuple[int, ...]) -> Iterator[Point]:
    """`points` of rnn-2018: all are parts of one stream; encoding and decoding each take their share of its time."""
    timer, most = Timer(), max(wanted)
    with timer.stage("encode"):
        stream = container.read(rnn_2018.compress(rgb, steps=most))
    decoder = rnn_2018.pictures(stream)
    for setting in range(1, most + 1):
        with timer.stage("decode"):
            decoded, _ = next(decoder)
        if setting in wanted:
            part = stream.segments[:setting]
            data = container.write(rnn_2018.NAME, stream.variant, stream.width, stream.height, part)
            yield Point(setting, data, decoded, timer.ms["encode"] * setting / most, timer.ms["decode"])


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
