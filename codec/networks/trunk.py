"""The trunk in use: the networks, tables and numbers that encoder and decoder share, made of the stored tensors."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from codec.entropy.integer import StepNetworks
from codec.entropy.range_coder import TableSet
from codec.entropy.tables import bit_costs, unpack
from codec.networks.gain import byte_lambdas, rdo_weight
from codec.networks.transforms import Y_CHANNELS, Analysis, HyperAnalysis, depths_of
from codec.spec import LADDERS


@dataclass
class Trunk:
    """A trunk ready for use: transforms in float32, everything the decoder must agree on in integers."""

    id: str
    anchors: tuple[float, ...]  # the ladder of λ
    g_a: Analysis
    h_a: HyperAnalysis
    gain: Tensor  # float32 (256, C), by quality index
    entropy: StepNetworks
    y_tables: TableSet
    z_tables: TableSet
    y_costs: Tensor  # float32, bits of each symbol under each table
    z_costs: np.ndarray
    rdo: Tensor  # float32 (256, C): what a squared rounding error is worth in bits; see `gain.rdo_weight`
    device: torch.device

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], name: str, rdo: float, device="cpu") -> "Trunk":
        def select(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        def tables(kind: str) -> TableSet:
            flat, lengths = (tensors[f"tables.{kind}.{part}"].numpy() for part in ("flat", "lengths"))
            return TableSet(unpack(flat, lengths))

        def module(net: torch.nn.Module, prefix: str) -> torch.nn.Module:
            net.load_state_dict({k: v.float() for k, v in select(prefix).items()})
            net = net.to(device=device, memory_format=torch.channels_last)
            return net.eval().requires_grad_(False)

        y_tables, z_tables, gain = tables("y"), tables("z"), tensors["gain"].float()
        anchors = LADDERS[len(tensors["train.log_gain"])]
        return cls(
            id=name,
            anchors=anchors,
            g_a=module(Analysis(depths=depths_of(select("g_a."))), "g_a."),
            h_a=module(HyperAnalysis(Y_CHANNELS), "h_a."),
            gain=gain.to(device),
            entropy=StepNetworks(select("int."), device),
            y_tables=y_tables,
            z_tables=z_tables,
            y_costs=torch.from_numpy(bit_costs(y_tables.tables)).to(device),
            z_costs=bit_costs(z_tables.tables),
            rdo=(rdo * rdo_weight(gain, byte_lambdas(anchors)[:, None])).to(device),
            device=torch.device(device),
        )
