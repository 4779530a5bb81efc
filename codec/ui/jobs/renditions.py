"""The pictures that can be compared: what each decoder makes of the same stream, each classical codec of as many bytes,
each system of history of no more, and the autoencoder of 2017, which has one rate, its own.

They are kept, up to a limit, by what they were made from: a class that clicks on one example decodes it once.
"""

import functools
import hashlib
import operator
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codec import api, baselines, bitstream
from codec.classroom import autoencoder, store
from codec.classroom.history import systems
from codec.device import Timer
from codec.errors import CodecError
from codec.metrics import bpp, lpips, ms_ssim, psnr
from codec.pictures.load import load_image, png_bytes
from codec.pictures.sandbox import read_picture
from codec.ui.hosting.queue import is_called_off
from codec.ui.jobs import common
from codec.ui.jobs.gpu import where_it_fits
from codec.ui.names import BASELINES, BY_BYTES, CAE, DECODERS, HISTORICAL, OURS, SYSTEMS
from codec.ui.texts import t, written
from codec.weights import default

HISTORICAL_PIXELS = 2_000_000  # it takes seconds a megapixel
SUFFIXES = {"jpeg": ".jpg", "webp": ".webp", "jpeg2000": ".j2k", "avif": ".avif", "heic": ".heic", "jxl": ".jxl"}
SUFFIXES |= dict.fromkeys(CAE, ".cae") | dict.fromkeys(SYSTEMS, ".lic")
KEPT_BYTES = 256_000_000
ENTRY_BYTES = 1000  # of a small value with its key, which has digests in it
MEASURED_PIXELS = 6_000_000  # MS-SSIM and LPIPS of more take gigabytes


@dataclass(frozen=True)
class Rendition:
    """A picture (PNG) and the file it was decoded from. `data` is None where that is the stream itself."""

    key: str
    name: str
    png: bytes
    size: int
    psnr: float | None = None
    encode_ms: float | None = None
    decode_ms: float | None = None
    data: bytes | None = None
    note: str = ""


@dataclass(frozen=True)
class Encoding:
    """A stream, and what is said about how it came about."""

    data: bytes
    q: int  # the quality index
    reached: bool  # False where the target is below the model's range
    at_top: bool  # the best quality there is fits into the target
    encode_ms: float


@dataclass(frozen=True)
class Measures:
    """The slow numbers; None where one is not defined for the picture."""

    ms_ssim: float | None = None
    lpips: float | None = None


class Cache:
    """Values by key, the least recently used dropped beyond a number of bytes; none is made twice at once."""

    def __init__(self, limit: int):
        self.limit, self.total = limit, 0
        self.kept: OrderedDict[tuple, tuple[object, int]] = OrderedDict()
        self.making: dict[tuple, threading.Lock] = {}
        self.lock = threading.Lock()

    def get(self, key: tuple):
        """The value, or None."""
        with self.lock:
            if key not in self.kept:
                return None
            self.kept.move_to_end(key)
            return self.kept[key][0]

    def put(self, key: tuple, value, size: int = ENTRY_BYTES) -> None:
        with self.lock:
            self.total += size - self.kept.pop(key, (None, 0))[1]
            self.kept[key] = (value, size)
            while self.total > self.limit and len(self.kept) > 1:
                self.total -= self.kept.popitem(last=False)[1][1]

    def get_or_make(self, key: tuple, make, size_of=lambda value: ENTRY_BYTES):
        """The value, made now unless it is there; whoever asks meanwhile waits for it."""
        with self.lock:
            turn = self.making.setdefault(key, threading.Lock())
        with turn:
            try:
                value = self.get(key)
                if value is None:
                    value = make()
                    self.put(key, value, size_of(value))
            finally:
                with self.lock:
                    self.making.pop(key, None)
        return value


CACHE = Cache(KEPT_BYTES)


def digest(data: bytes | np.ndarray) -> str:
    """SHA-256 of bytes or of an array."""
    return hashlib.sha256(data if isinstance(data, bytes) else np.ascontiguousarray(data)).hexdigest()


def png_of(rgb: np.ndarray) -> bytes:
    """The PNG of a picture, uint8 (H, W, 3); the next click for the same one finds it made."""
    return CACHE.get_or_make(("png", rgb.shape, digest(rgb)), lambda: png_bytes(rgb), len)


class Job:
    """A picture and the stream that was made of it."""

    def __init__(self, stream: bytes, original: str | Path, rgb: np.ndarray | None = None):
        self.stream, self.original, self._rgb, self._symbols = stream, Path(original), rgb, {}

    @functools.cached_property
    def id(self) -> tuple[str, str]:
        return digest(self.stream), digest(self.original.read_bytes())

    @functools.cached_property
    def rgb(self) -> np.ndarray:
        header = bitstream.read(self.stream)
        rgb = read_picture(self.original).rgb if self._rgb is None else self._rgb
        if rgb.shape[:2] != (header.height, header.width):
            raise CodecError(t("errors.other_size"))
        return rgb

    def symbols(self, device: str, progress=None):
        """The entropy-decoded stream, once for all decoders, and the milliseconds that took."""
        if device not in self._symbols:
            self._symbols = {device: self._read(device, progress)}
        return self._symbols[device]

    def _read(self, device: str, progress):
        timer = Timer()
        with timer.stage("read"):
            latents = common.read(self.stream, device, progress)
        return *latents, timer.ms["read"]

    def decoder(self, key: str) -> str:
        """The name of the network behind a key of ours: the one that the stream suggests behind "ours"."""
        header = bitstream.read(self.stream)
        return default().resolve(header.decoder if key == OURS else key, header.trunk)[0]


def encoding(rgb: np.ndarray, model: str, wanted: dict, progress=None) -> Encoding:
    """The stream of a picture, uint8 (H, W, 3), at the λ or rate `wanted`, as `api.encode` takes it. Raises CodecError.

    A number that is typed asks for it when the field is left, and the click on the button that follows once more.
    """
    key = (digest(rgb), rgb.shape, model, *wanted.items())
    return CACHE.get_or_make(key, lambda: encode(rgb, model, wanted, progress), lambda e: len(e.data) + ENTRY_BYTES)


def encode(rgb: np.ndarray, model: str, wanted: dict, progress) -> Encoding:
    def work(device: str):
        return api.encode(rgb, model=model, codec=api.load(device=device), progress=progress, **wanted)

    coded, search = where_it_fits(work)
    return Encoding(coded.data, coded.q, search.reached, search.at_top, sum(coded.timer.ms.values()))


def networks() -> list[str]:
    """Names of the decoders that are here, each network once: HiFiC's three points may share one."""
    return [name for name in default().networks() if name in DECODERS]


def historical() -> list[str]:
    """Keys of the experiments of 2017 and of the other systems of history that are here."""
    try:
        experiments, here = store.manifest().get("cae", {}), systems.here()
    except CodecError:  # said where one is asked for
        return []
    return [key for key in HISTORICAL if (CAE[key] in experiments if key in CAE else key in here)]


def trained(key: str) -> str:
    """How long a system of history was trained, in a sentence: its picture says little about the paper's."""
    entry = store.entry("cae", CAE[key]) if key in CAE else store.entry(key, systems.DEFAULTS[key])
    return t("history.trained", key=key, steps=entry["steps"], batch=entry["batch"], start=entry["start"])


def rendition(job: Job, key: str, realism: float | None = None, progress=None, equal: str = BY_BYTES) -> Rendition:
    """The picture of this key: a decoder's name, "ours", a classical codec's, or "cae-2017". Raises CodecError.

    equal: what a classical codec has in common with the stream: one of EQUALS.
    """
    if key in CAE:
        return CACHE.get_or_make((job.id[1], key), lambda: of_autoencoder(job, key), weight)
    if key in SYSTEMS:
        return CACHE.get_or_make((*job.id, key), lambda: of_system(job, key), weight)
    if key in BASELINES:
        return CACHE.get_or_make((*job.id, key, equal), lambda: of_baseline(job, key, equal), weight)
    name = job.decoder(key)
    return CACHE.get_or_make((*job.id, name, realism), lambda: of_decoder(job, name, realism, progress), weight)


def weight(result: Rendition) -> int:
    return len(result.png) + len(result.data or b"") + ENTRY_BYTES


def of_decoder(job: Job, name: str, realism: float | None, progress=None) -> Rendition:
    timer = Timer()

    def draw(device: str) -> tuple[np.ndarray, float]:
        stream, codec, symbols, read_ms = job.symbols(device, progress and (lambda share: progress(0.4 * share)))
        g_s, part = codec.decoder(name, realism), progress and (lambda share: progress(0.4 + 0.6 * share))
        with timer.stage("synthesis"):
            return codec.synthesise(symbols, g_s, stream.width, stream.height, part), read_ms

    rgb, read_ms = where_it_fits(draw)
    return Rendition(
        name,
        DECODERS.get(name, name) + ("" if realism is None else t("decoders.at_realism", realism=realism)),
        png_bytes(rgb),
        len(job.stream),
        psnr(job.rgb, rgb),
        decode_ms=read_ms + timer.ms["synthesis"],
    )


def of_baseline(job: Job, name: str, equal: str) -> Rendition:
    timer = Timer()
    with timer.stage("encode"):
        if equal == BY_BYTES:
            result = baselines.encode_at_most(job.rgb, name, len(job.stream))
        else:
            result = baselines.encode_as_good(job.rgb, name, as_good(job, equal))
    with timer.stage("decode"):
        baselines.decode(result.data)
    title, quality = f"{BASELINES[name]} ({result.setting})", psnr(job.rgb, result.rgb)
    png, size, times = png_bytes(result.rgb), len(result.data), (timer.ms["encode"], timer.ms["decode"])
    return Rendition(name, title, png, size, quality, *times, result.data, result.note)


def as_good(job: Job, equal: str):
    """A function of a decoded picture: is it at least as good as what the stream decodes to, by this measure?"""
    ours = rendition(job, OURS)
    of, better = {
        "psnr": (psnr, operator.ge),
        "ms_ssim": (ms_ssim, operator.ge),
        "lpips": (lpips, operator.le),
    }[equal]
    wanted = of(job.rgb, pixels(ours.png))
    if wanted is None or job.rgb.shape[0] * job.rgb.shape[1] > MEASURED_PIXELS:
        raise CodecError(t("compare.not_equal_here"))

    def is_as_good(decoded: np.ndarray) -> bool:
        if is_called_off():
            raise CodecError(t("errors.called_off"))
        return better(of(job.rgb, decoded), wanted)

    return is_as_good


def of_autoencoder(job: Job, key: str) -> Rendition:
    (height, width), name, timer = job.rgb.shape[:2], CAE[key], Timer()
    refuse_large(job, key)
    autoencoder.load(name)
    with timer.stage("encode"):
        data = autoencoder.compress(job.rgb, name)
    with timer.stage("decode"):
        rgb = autoencoder.decompress(data)
    experiment = "" if name == "1" else t("cae.experiment_short", name=name)
    return Rendition(
        key,
        f"cae-2017{experiment}, {written(bpp(len(data), width, height), '.2f')} bpp",
        png_bytes(rgb),
        len(data),
        psnr(job.rgb, rgb),
        timer.ms["encode"],
        timer.ms["decode"],
        data,
    )


def refuse_large(job: Job, key: str) -> None:
    """Raises CodecError for a picture that takes a system of history too long."""
    if job.rgb.shape[0] * job.rgb.shape[1] > HISTORICAL_PIXELS:
        raise CodecError(t("history.too_large", key=key, most=HISTORICAL_PIXELS / 1e6))


def of_system(job: Job, key: str) -> Rendition:
    """Of no more bytes than the stream, or of as few as the system can."""
    refuse_large(job, key)
    timer = Timer()
    with timer.stage("encode"):
        setting, data = systems.at_most(job.rgb, key, len(job.stream))
    with timer.stage("decode"):
        rgb = systems.decompress(data)
    fits, quality = len(data) <= len(job.stream), psnr(job.rgb, rgb)
    note = "" if fits else t("history.not_as_small", key=key, size=len(data))
    how = t("history.setting", key=key, setting=systems.setting_name(key, setting))
    times = timer.ms["encode"], timer.ms["decode"]
    return Rendition(key, how, png_bytes(rgb), len(data), quality, *times, data, note)


def pixels(png: bytes) -> np.ndarray:
    """uint8 (H, W, 3) of a rendition's PNG."""
    return load_image(png).rgb


def measure(job: Job, result: Rendition) -> Measures:
    """MS-SSIM and LPIPS against the original."""

    def work() -> Measures:
        if job.rgb.shape[0] * job.rgb.shape[1] > MEASURED_PIXELS:
            return Measures()
        rgb = pixels(result.png)
        return Measures(ms_ssim(job.rgb, rgb), lpips(job.rgb, rgb))

    return CACHE.get_or_make(("measures", job.id[1], digest(result.png)), work)
