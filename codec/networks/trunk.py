"""The trunk in use: the networks, tables and numbers that encoder and decoder share."""

import importlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from codec.entropy.integer import StepNetworks
from codec.entropy.range_coder import TableSet
from codec.entropy.tables import bit_costs, unpack
from codec.networks.transforms import Y_CHANNELS, Y_UNIT, Analysis, HyperAnalysis, depths_of
from codec.spec import ANCHORS, BYTE_MAX, COARSER, LADDERS, LOWEST, lambda_from_level


def byte_lambdas(anchors: tuple[float, ...] = ANCHORS) -> Tensor:
    """λ of every quality index from 0 on, float32 (256,), on CompressAI's scale."""
    top = len(anchors) - 1
    return torch.tensor([lambda_from_level(i / BYTE_MAX * top, anchors) for i in range(BYTE_MAX + 1)])


def rdo_weight(gain: Tensor, lmbda: Tensor) -> Tensor:
    """The λ·255²·MSE, in bits, of a squared error of 1 in y·gain, if g_s were the transposed KLT; shape of gain.

    The KLT is orthonormal in units of Y_UNIT, and the MSE is a mean over three colours.
    """
    return lmbda * Y_UNIT**2 / (3 * gain**2)


@dataclass
class Trunk:
    """The transforms are float32. All that encoder and decoder must agree on is integers."""

    id: str
    anchors: tuple[float, ...]  # the ladder of λ
    g_a: Analysis
    h_a: HyperAnalysis
    gain: Tensor  # float32 (384, C), what multiplies y at each q from LOWEST on (Cui et al., CVPR 2021)
    entropy: StepNetworks
    y_tables: TableSet
    z_tables: TableSet
    y_costs: Tensor  # float32, bits of each symbol under each table; see `tables.bit_costs`
    z_costs: np.ndarray
    rdo: Tensor  # float32 (384, C): bits that a squared rounding error is worth; see `rdo_weight`
    device: torch.device

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], name: str, rdo: float, device="cpu") -> "Trunk":
        """The trunk of the tensors of its files. rdo: a factor on `rdo_weight`. Raises KeyError or RuntimeError."""

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
        accelerate = importlib.import_module("codec.entropy.bytewise").accelerate  # where the processor allows it
        q = torch.arange(LOWEST, BYTE_MAX + 1)
        row = q.clamp(min=0)
        return cls(
            id=name,
            anchors=anchors,
            g_a=module(Analysis(depths=depths_of(select("g_a."))), "g_a."),
            h_a=module(HyperAnalysis(Y_CHANNELS), "h_a."),
            gain=(gain[row] * COARSER ** (row - q)[:, None]).to(device),
            entropy=accelerate(StepNetworks(select("int."), device)),
            y_tables=y_tables,
            z_tables=z_tables,
            y_costs=torch.from_numpy(bit_costs(y_tables.tables)).to(device),
            z_costs=bit_costs(z_tables.tables),
            # Below the ladder λ falls as the square of the gains, so what an error of one step is worth stays.
            rdo=(rdo * rdo_weight(gain, byte_lambdas(anchors)[:, None]))[row].to(device),
            device=torch.device(device),
        )
