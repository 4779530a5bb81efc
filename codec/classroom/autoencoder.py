"""The codec `cae-2017` in use: a picture to a file and back, with one of the experiments' weights.

File: "CAE1", experiment, width, height (2 bytes each), then the latents by `huffman.write`, channel by channel.
"""

import functools
from dataclasses import dataclass

import numpy as np
import torch

from codec.classroom import huffman, store
from codec.classroom.cae import CHANNELS, STRIDE, AutoEncoder
from codec.errors import CodecError, StreamError
from codec.inside.ladder import Rung

MAGIC = b"CAE1"
HEADER = 9
EXPERIMENTS = ("1", "2", "3", "4")
CROPS = (64, 128)  # pixels; each experiment was trained on crops of either size
MAX_PIXELS = 4_000_000


def name_of(experiment: str, crop: int) -> str:
    return experiment if crop == CROPS[0] else f"{experiment}-{crop}"


NAMES = tuple(name_of(experiment, crop) for crop in CROPS for experiment in EXPERIMENTS)  # by their number in the file


@functools.cache
def load(name: str) -> AutoEncoder:
    """The network of an experiment. Raises WeightsError."""
    net = AutoEncoder()
    net.load_state_dict(store.tensors("cae", name))
    return net.eval().requires_grad_(False)


def check(width: int, height: int) -> None:
    if width * height > MAX_PIXELS or max(width, height) > 65535:
        raise CodecError(f"The autoencoder takes pictures of up to {MAX_PIXELS // 10**6} megapixels; scale it down.")


@torch.no_grad()
def latents(rgb: np.ndarray, name: str = "1") -> np.ndarray:
    """uint8 (H, W, 3) -> y_hat, int64 (32, ceil(H/8), ceil(W/8)); the edges are repeated to fill the last blocks."""
    net, (height, width) = load(name), rgb.shape[:2]
    check(width, height)
    pad = [(0, -height % STRIDE), (0, -width % STRIDE), (0, 0)]
    x = torch.from_numpy(np.pad(rgb, pad, mode="edge")).permute(2, 0, 1)[None].float() / 255
    return net.quantise(net.analyse(x))[0].long().numpy()


def compress(rgb: np.ndarray, name: str = "1") -> bytes:
    """uint8 (H, W, 3) -> the file. Raises CodecError for a picture that is too large, WeightsError."""
    return pack(latents(rgb, name), rgb.shape[1], rgb.shape[0], name)


def pack(y_hat: np.ndarray, width: int, height: int, name: str) -> bytes:
    head = MAGIC + bytes([NAMES.index(name)]) + width.to_bytes(2, "big") + height.to_bytes(2, "big")
    return head + huffman.write(y_hat.ravel())


def read(data: bytes) -> tuple[np.ndarray, int, int, str]:
    """A file -> y_hat, width, height and the experiment. Raises StreamError."""
    if data[:4] != MAGIC or len(data) < HEADER or data[4] >= len(NAMES):
        raise StreamError("This file is not a stream of the autoencoder 'cae-2017'.")
    width, height = int.from_bytes(data[5:7], "big"), int.from_bytes(data[7:9], "big")
    if not width or not height or width * height > MAX_PIXELS:
        raise StreamError("The compressed data are damaged: they name an impossible size.")
    shape = (CHANNELS, -(-height // STRIDE), -(-width // STRIDE))
    return huffman.read(data[HEADER:], int(np.prod(shape))).reshape(shape), width, height, NAMES[data[4]]


@torch.no_grad()
def decompress(data: bytes) -> np.ndarray:
    """A file -> uint8 (H, W, 3). Raises StreamError, WeightsError."""
    y_hat, width, height, name = read(data)
    x_hat = load(name).synthesise(torch.from_numpy(y_hat).float()[None])[0]
    return (x_hat.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()[:height, :width]


@dataclass(frozen=True)
class Sizes:
    """Bytes of the same latents written in several ways, and what their statistics allow."""

    rungs: list[Rung]
    entropy: float  # bytes


def rung(data: bytes) -> Rung:
    """A whole file as one bar beside an entropy ladder; its header counts as part of the codes."""
    y_hat, _, _, name = read(data)
    table = huffman.table_bytes(data[HEADER:])
    key = "cae" if data[HEADER] == huffman.PLAIN else "cae_runs"
    return Rung(key, len(data) - table, table, {"count": y_hat.size, "experiment": name})


def ladder(y_hat: np.ndarray) -> Sizes:
    """The entropy ladder of this codec's latents, worst first."""
    values = y_hat.ravel()
    _, counts = np.unique(values, return_counts=True)
    span = int(values.max() - values.min()) + 1
    fixed = max(1, int(span - 1).bit_length())
    rungs = [Rung("fixed", -(-len(values) * fixed // 8), values={"bits": fixed, "count": len(values)})]
    for mode, key in ((huffman.PLAIN, "zeros"), (huffman.RUNS, "runs")):
        data = huffman.write_as(values, mode)
        table = huffman.table_bytes(data)
        rungs.append(Rung(key, len(data) - table, table))
    entropy = float(-(counts * np.log2(counts / len(values))).sum() / 8)
    return Sizes(rungs, entropy)
