"""Finds, checks and loads the weights named in weights/manifest.json. Safetensors only, never pickle."""

import functools
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load as load_safetensors
from torch import Tensor

from codec.entropy.coder import TableSet
from codec.entropy.network import IntegerEntropyModel
from codec.entropy.tables import bit_costs, unpack
from codec.errors import WeightsError
from codec.models.entropy_model import HyperAnalysis
from codec.models.gain import byte_lambdas, error_worth
from codec.models.transforms import Y_CHANNELS, Analysis, Synthesis

#: Where the weights are; the environment variable CODEC_WEIGHTS names another folder.
WEIGHTS = Path(os.environ.get("CODEC_WEIGHTS", Path(__file__).resolve().parents[2] / "weights"))


def trunk_id(entropy_file: bytes) -> str:
    """The id that streams carry: eight hexadecimal digits of the SHA-256 of the file that decoding depends on.

    Another analysis transform makes other streams, but all of them decode; so it does not count.
    """
    return hashlib.sha256(entropy_file).hexdigest()[:8]


def manifest() -> dict:
    """The parsed manifest. Raises WeightsError where it is missing or not JSON."""
    path = WEIGHTS / "manifest.json"
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise WeightsError(f"The file '{path}' is missing; restore the weights folder.") from None
    except ValueError:
        raise WeightsError(f"The file '{path}' is damaged; restore the weights folder.") from None


def read_weights(files: dict[str, str]) -> dict[str, Tensor]:
    """The tensors of the files in the weights folder, named with their SHA-256, after that has been checked."""
    tensors: dict[str, Tensor] = {}
    for name, sha256 in files.items():
        path = WEIGHTS / name
        try:
            data = path.read_bytes()
        except OSError:
            raise WeightsError(f"The weights file '{path}' is missing; restore the weights folder.") from None
        if hashlib.sha256(data).hexdigest() != sha256:
            raise WeightsError(f"The weights file '{path}' is damaged (wrong SHA-256); restore the weights folder.")
        tensors |= load_safetensors(data)
    return tensors


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
            rdo=(rdo * error_worth(gain, byte_lambdas()[:, None])).to(device),
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
    return Trunk.from_tensors(read_weights(entry["files"]), name, entry["rdo"], device)


@functools.cache
def load_decoder(trunk: str, decoder: str = "mse", device: str = "cpu") -> Synthesis:
    """A synthesis network g_s for the latents of a trunk. Raises WeightsError where there is none."""
    entry = manifest()["decoders"].get(f"{trunk}/{decoder}")
    if entry is None:
        raise WeightsError(f"There is no '{decoder}' decoder for the weights '{trunk}'; use {', '.join(models())}.")
    net = Synthesis()
    tensors = read_weights(entry["files"])
    net.load_state_dict({k: v.float() for k, v in tensors.items()})
    net = net.to(device=device, memory_format=torch.channels_last)
    return net.eval().requires_grad_(False)


def models() -> tuple[str, ...]:
    """Names of the decoders that the current trunk has."""
    known = manifest()
    return tuple(k.split("/")[1] for k in known["decoders"] if k.split("/")[0] == known["trunk"])
