"""Finds, checks and loads the weights named in weights/manifest.json. Safetensors only, never pickle."""

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load as load_safetensors
from torch import Tensor

from codec.entropy.integer import IntegerEntropyModel
from codec.entropy.range_coder import TableSet
from codec.entropy.tables import bit_costs, unpack
from codec.errors import CodecError, WeightsError
from codec.networks import storage
from codec.networks.gain import byte_lambdas, rdo_weight
from codec.networks.generator import SYNTHESIS, build, interpolate
from codec.networks.hyperprior import HyperAnalysis
from codec.networks.transforms import Y_CHANNELS, Analysis, Synthesis
from codec.spec import NUMBERED

#: Where the weights are; the environment variable CODEC_WEIGHTS names another folder.
WEIGHTS = Path(os.environ.get("CODEC_WEIGHTS", Path(__file__).resolve().parents[1] / "weights"))


def trunk_id(entropy_file: bytes) -> str:
    """The id that streams carry: eight hexadecimal digits of the SHA-256 of the file that decoding depends on.

    Another analysis transform makes other streams, but all of them decode; so it does not count.
    """
    return hashlib.sha256(entropy_file).hexdigest()[:8]


def manifest() -> dict:
    """The parsed manifest. Raises WeightsError where it is missing or is not one."""
    path = WEIGHTS / "manifest.json"
    try:
        found = json.loads(path.read_text())
        if found["trunk"] not in found["trunks"] or not isinstance(found["decoders"], dict):
            raise ValueError("a manifest without a current trunk")
        return found
    except OSError:
        raise WeightsError(f"The file '{path}' is missing or may not be read; restore the weights folder.") from None
    except (ValueError, KeyError, TypeError):
        raise WeightsError(f"The file '{path}' is damaged; restore the weights folder.") from None


def read_weights(files: dict[str, str]) -> dict[str, Tensor]:
    """The tensors of the files in the weights folder, named with their SHA-256, after that has been checked."""
    tensors: dict[str, Tensor] = {}
    for name, sha256 in files.items():
        tensors |= load_safetensors(read_checked(WEIGHTS / name, sha256))
    return tensors


def read_checked(path: Path, sha256: str) -> bytes:
    """The bytes of a weights file. Raises WeightsError where it is missing or another than it should be."""
    try:
        data = path.read_bytes()
    except OSError:
        message = f"The weights file '{path}' is missing or may not be read; restore the weights folder."
        raise WeightsError(message) from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise WeightsError(f"The weights file '{path}' is damaged (wrong SHA-256); restore the weights folder.")
    return data


@contextlib.contextmanager
def fitting(name: str) -> Iterator[None]:
    """Around making networks of tensors: whole files of another version of this program become a WeightsError."""
    try:
        yield
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, CodecError):
            raise
        raise WeightsError(
            f"The weights '{name}' in '{WEIGHTS}' are for another version of this program; restore the weights folder."
        ) from error


def select(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}


@dataclass
class Trunk:
    """A trunk ready for use: transforms in float32, everything the decoder must agree on in integers."""

    id: str
    g_a: Analysis
    h_a: HyperAnalysis
    gain: Tensor  # float32 (256, C), by byte-valued level
    entropy: IntegerEntropyModel
    y_tables: TableSet
    z_tables: TableSet
    y_costs: Tensor  # float32, bits of each symbol under each table
    z_costs: np.ndarray
    rdo: Tensor  # float32 (256, C): what a squared rounding error is worth in bits; see codec.pipeline
    device: torch.device

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], name: str, rdo: float, device="cpu") -> "Trunk":
        def tables(kind: str) -> TableSet:
            flat, lengths = (tensors[f"tables.{kind}.{part}"].numpy() for part in ("flat", "lengths"))
            return TableSet(unpack(flat, lengths))

        def module(net: torch.nn.Module, prefix: str) -> torch.nn.Module:
            net.load_state_dict({k: v.float() for k, v in select(tensors, prefix).items()})
            net = net.to(device=device, memory_format=torch.channels_last)
            return net.eval().requires_grad_(False)

        y_tables, z_tables, gain = tables("y"), tables("z"), tensors["gain"].float()
        return cls(
            id=name,
            g_a=module(Analysis(), "g_a."),
            h_a=module(HyperAnalysis(Y_CHANNELS), "h_a."),
            gain=gain.to(device),
            entropy=IntegerEntropyModel(select(tensors, "int."), device),
            y_tables=y_tables,
            z_tables=z_tables,
            y_costs=torch.from_numpy(bit_costs(y_tables.tables)).to(device),
            z_costs=bit_costs(z_tables.tables),
            rdo=(rdo * rdo_weight(gain, byte_lambdas()[:, None])).to(device),
            device=torch.device(device),
        )


@functools.cache
def load_trunk(name: str = "", device: str = "cpu") -> Trunk:
    """The trunk of this id, or the current one. Raises WeightsError where it is not at hand."""
    known = manifest()
    name = name or known["trunk"]
    entry = known["trunks"].get(name)
    if entry is None:
        raise WeightsError(
            f"The stream was made with the weights '{name}', which are not here; "
            f"this installation has: {', '.join(known['trunks'])}."
        )
    with fitting(name):
        return Trunk.from_tensors(read_weights(entry["files"]), name, entry["rdo"], device)


#: Operating points of one decoder: they share its weights unless the manifest has their own.
SHARED = {"hific-lo": "hific", "hific-mi": "hific", "hific-hi": "hific"}
BETWEEN = 2  # interpolated decoders kept: a slider is moved to and fro, and each holds 20 MB


def resolve(trunk: str, decoder: str) -> tuple[str, dict]:
    """The name of the decoder in the manifest, and its entry there. Raises WeightsError where there is none."""
    known = manifest()["decoders"]
    for name in (decoder, SHARED.get(decoder)):
        if f"{trunk}/{name}" in known:
            return name, known[f"{trunk}/{name}"]
    raise WeightsError(f"There is no '{decoder}' decoder for the weights '{trunk}'; use {', '.join(models())}.")


def assemble(architecture: str, state: dict[str, Tensor], device: str) -> Synthesis:
    """A network of this architecture with these weights, ready for use."""
    with torch.device("meta"):  # its random weights would only cost time
        net = build(architecture)
    net.load_state_dict(state, assign=True)
    net = net.to(device=device, memory_format=torch.channels_last)
    return net.eval().requires_grad_(False)


@functools.cache
def load_decoder(trunk: str, decoder: str = "mse", device: str = "cpu") -> Synthesis:
    """A synthesis network g_s for the latents of a trunk. Raises WeightsError where there is none."""
    name, entry = resolve(trunk, decoder)
    if name != decoder:
        return load_decoder(trunk, name, device)
    with fitting(f"{trunk}/{name}"):
        base = storage.to_float(read_weights(entry["base"])) if "base" in entry else None
        tensors = storage.to_float(read_weights(entry["files"]), base)
        return assemble(entry.get("architecture", SYNTHESIS), tensors, device)


def load_between(trunk: str, decoder: str, realism: float, device: str = "cpu") -> Synthesis:
    """The decoder at `realism` between the fidelity decoder it was fine-tuned from (0) and itself (1).

    Raises CodecError where there is no such pair or realism is out of range, and WeightsError.
    """
    check_range(realism)
    partner = partner_of(trunk, decoder)
    if realism in (0, 1):
        return load_decoder(trunk, decoder if realism else partner, device)
    return _between(trunk, resolve(trunk, decoder)[0], partner, float(realism), device)


@functools.lru_cache(maxsize=BETWEEN)
def _between(trunk: str, decoder: str, partner: str, realism: float, device: str) -> Synthesis:
    ends = [load_decoder(trunk, name, device).state_dict() for name in (partner, decoder)]
    return assemble(resolve(trunk, decoder)[1].get("architecture", SYNTHESIS), interpolate(*ends, realism), device)


def check_range(realism: float) -> None:
    if not 0 <= realism <= 1:  # not a number fails as well
        raise CodecError(f"Realism is {realism:g}; it must lie between 0 and 1.")


def partner_of(trunk: str, decoder: str) -> str:
    """The fidelity decoder that this one was fine-tuned from. Raises CodecError where the manifest names none."""
    name, entry = resolve(trunk, decoder)
    if "partner" in entry:
        return entry["partner"]
    pairs = [n for n in decoders(trunk) if "partner" in resolve(trunk, n)[1]]
    advice = f"there is for: {', '.join(pairs)}" if pairs else "none of the decoders here has a choice"
    raise CodecError(f"There is no realism to choose for the decoder '{name}'; {advice}.")


def models() -> tuple[str, ...]:
    """Names of the decoders of the current trunk that a stream can suggest."""
    return tuple(n for n in decoders(manifest()["trunk"]) if n in NUMBERED.values())


def decoders(trunk: str) -> tuple[str, ...]:
    """Every name by which a stream of this trunk can be decoded, in the order of their numbers in streams."""
    own = [k.split("/")[1] for k in manifest()["decoders"] if k.split("/")[0] == trunk]
    names = {*own, *(point for point, name in SHARED.items() if name in own)}
    order = {name: number for number, name in NUMBERED.items()}
    return tuple(sorted(names, key=lambda n: (order.get(n, len(order)), n)))
