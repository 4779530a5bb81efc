"""How a decoder is named, built, enlarged and interpolated with another.

All decoders are `transforms.Synthesis` with more or fewer residual blocks at each resolution. A new block passes its
input on unchanged, so a larger decoder can start from a smaller one and can be interpolated with it. A block costs
4.6 kMAC per pixel at every resolution, but 1.2, 0.3 and 0.07 million weights at 1/16, 1/8 and 1/4.
"""

import re

import torch
from torch import Tensor

from codec.networks.transforms import Synthesis


def build(architecture: str) -> Synthesis:
    """A network with random weights. Raises ValueError for an architecture that does not exist.

    "synthesis", or "synthesis-a-b-c" with a, b and c more residual blocks at 1/16, 1/8 and 1/4. "+scales" follows
    where it reads the entropy model's scales, and then "+noise" where it reads noise.
    """
    name = re.fullmatch(r"synthesis(?:-(\d)-(\d)-(\d))?(\+scales)?(\+noise)?", architecture)
    if not name:
        raise ValueError(f"There is no decoder architecture '{architecture}'.")
    *counts, scales, noise = name.groups()
    depths = tuple(1 + int(n or 0) for n in reversed(counts))
    return Synthesis(depths=depths, scales=bool(scales), noise=bool(noise))


def assemble(architecture: str, state: dict[str, Tensor], device: str = "cpu") -> Synthesis:
    """A network with these weights, ready for use. Raises RuntimeError where they do not fit the architecture."""
    with torch.device("meta"):  # its random weights would only cost time
        net = build(architecture)
    net.load_state_dict(state, assign=True)
    net = net.to(device=device, memory_format=torch.channels_last)
    return net.eval().requires_grad_(False)


def extend(state: dict[str, Tensor], larger: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a smaller network, in the architecture of a larger one, which computes the same with them.

    Blocks that `state` lacks come from `larger`, with zeros in their last layer. Layers that read the scales or noise
    are zero. Raises ValueError where the larger network does not contain the smaller one.
    """
    missing = {k: v for k, v in larger.items() if k not in state}
    if state.keys() - larger or any(not re.search(r"\.conv\d\.|^scales\.|^noise\.", k) for k in missing):
        raise ValueError("The decoders' architectures do not contain each other.")
    added = {k: torch.zeros_like(v) if re.search(r"\.conv2\.|^scales|^noise", k) else v for k, v in missing.items()}
    return {k: state[k] if k in state else added[k] for k in larger}


def interpolate(fidelity: dict[str, Tensor], realism: dict[str, Tensor], t: float) -> dict[str, Tensor]:
    """Weights (1 - t)·fidelity + t·realism, t in [0, 1], in the architecture of `realism`.

    One decoder was fine-tuned from the other, so all between the two are decoders as well (Iwai et al.,
    "Fidelity-controllable extreme image compression with generative adversarial networks", ICPR 2020).
    """
    start = extend(fidelity, realism)
    return {k: torch.lerp(start[k], realism[k], t) for k in realism}
