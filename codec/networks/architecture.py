"""How a decoder is named, built, extended by blocks and interpolated with another.

All decoders are `transforms.Synthesis` with more or fewer residual blocks at each resolution. A new block passes its
input on unchanged, so a larger decoder can start from a smaller one and can be interpolated with it. A block costs
4.6 kMAC per pixel at every resolution, but 1.2, 0.3 and 0.07 million weights at 1/16, 1/8 and 1/4.
"""

import re

import torch
from torch import Tensor

from codec.networks.transforms import Synthesis, depths_of

SYNTHESIS = "synthesis"


def build(architecture: str) -> Synthesis:
    """A network, with random weights, of an architecture named as in the manifest.

    "synthesis"; "synthesis-a-b-c" with a, b and c more residual blocks at 1/16, 1/8 and 1/4; either followed by
    "+scales" where it reads the entropy model's scales, too, and by "+noise" where it reads noise. Raises ValueError.
    """
    name = re.fullmatch(r"synthesis(?:-(\d)-(\d)-(\d))?(\+scales)?(\+noise)?", architecture)
    if not name:
        raise ValueError(f"There is no decoder architecture '{architecture}'.")
    *counts, scales, noise = name.groups()
    depths = tuple(1 + int(n or 0) for n in reversed(counts))
    return Synthesis(depths=depths, scales=bool(scales), noise=bool(noise))


def assemble(architecture: str, state: dict[str, Tensor], device: str = "cpu") -> Synthesis:
    """A network of this architecture with these weights, ready for use."""
    with torch.device("meta"):  # its random weights would only cost time
        net = build(architecture)
    net.load_state_dict(state, assign=True)
    net = net.to(device=device, memory_format=torch.channels_last)
    return net.eval().requires_grad_(False)


def architecture_of(state: dict[str, Tensor]) -> str:
    """The name of the network that a state dict belongs to."""
    more = [n - 1 for n in reversed(depths_of(state))]
    name = SYNTHESIS + ("-{}-{}-{}".format(*more) if any(more) else "")
    return name + "".join(f"+{part}" for part in ("scales", "noise") if f"{part}.weight" in state)


def extend(state: dict[str, Tensor], larger: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a smaller network, in the shape of a larger one that computes the same.

    The blocks that `state` lacks come from `larger` with zeros in their last layer, and what reads the scales or
    noise is zero. Raises ValueError where the two do not belong to networks that contain each other.
    """
    missing = [k for k in larger if k not in state]
    if any(k not in larger for k in state) or any(not re.search(r"\.conv\d\.|^scales\.|^noise\.", k) for k in missing):
        raise ValueError("The decoders' architectures do not contain each other.")
    shut = [k for k in missing if ".conv2." in k or k.startswith(("scales.", "noise."))]
    closed = {k: torch.zeros_like(larger[k]) if k in shut else larger[k] for k in missing}
    return {k: state.get(k, closed.get(k)) for k in larger}


def interpolate(fidelity: dict[str, Tensor], realism: dict[str, Tensor], t: float) -> dict[str, Tensor]:
    """Weights (1 - t)·fidelity + t·realism, t in [0, 1], in the architecture of `realism`.

    Iwai et al., "Fidelity-controllable extreme image compression with generative adversarial networks",
    ICPR 2020: of two decoders of which one was fine-tuned from the other, all in between are decoders as well.
    """
    start = extend(fidelity, realism)
    return {k: torch.lerp(start[k], realism[k], t) for k in realism}
