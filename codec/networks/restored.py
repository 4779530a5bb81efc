"""The trained form of a trunk, with gradients, out of its shipped tensors; `codec.training.export` makes these."""

import torch
from torch import Tensor

from codec.entropy.integer import ONE
from codec.networks.hyperprior import T_UNIT, EntropyModel
from codec.networks.transforms import Y_CHANNELS

HEAD_LAYERS = {"a": "conv1", "m": "inner", "b": "conv2"}  # of a step, as stored and as trained


def entropy_state(trunk: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of an `EntropyModel`, float32, up to the rounding of the stored integers."""
    state = {k: v.float() for k, v in trunk.items() if k.startswith("h_a.")}
    state |= {k.removeprefix("train."): v for k, v in trunk.items() if k.startswith("train.z_prior")}
    unit = state["unit"] = trunk["train.unit"]
    out_scale = torch.cat([unit, torch.full_like(unit, T_UNIT)]).double()

    def layer(stored: str, name: str) -> None:
        step = torch.exp2(-trunk[f"int.{stored}.shift"].double())
        weight = trunk[f"int.{stored}.weight"].double() * step[:, None, None, None]
        bias = trunk[f"int.{stored}.bias"].double() * step / ONE
        if stored.startswith("ctx"):
            weight = weight * unit.double()[None, :, None, None]
        if stored.startswith("head") and stored.endswith("b"):
            weight, bias = weight / out_scale[:, None, None, None], bias / out_scale
        state[f"{name}.weight"], state[f"{name}.bias"] = weight.float(), bias.float()

    for key in trunk:
        if key.startswith("int.") and key.endswith(".weight"):
            stored = key.split(".")[1]
            if stored.startswith("up"):
                layer(stored, f"h_s.{stored}")
            elif stored.startswith("ctx"):
                layer(stored, f"ctx.{int(stored[3:]) - 1}")
            else:
                layer(stored, f"heads.{stored[4]}.{HEAD_LAYERS[stored[5]]}")
    return state


def entropy_model(trunk: dict[str, Tensor], device: str | torch.device = "cpu") -> EntropyModel:
    """The entropy model of a trunk in float32, for gradients with respect to latents; its weights have none."""
    model, state = EntropyModel(Y_CHANNELS), entropy_state(trunk)
    for name, parameter in model.named_parameters():
        if ".inner." in name:  # trunks of before have none, which is the same as zeros
            state.setdefault(name, torch.zeros_like(parameter))
    model.load_state_dict(state)
    return model.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
