"""The generator of the `hific` decoders, and how any decoder is named, built and mixed with another.

    y_hat, level ─ head ─ ResBlock ─ NormBlock × a ─► up ─ ResBlock ─ NormBlock × b ─► up ─ ResBlock ─ NormBlock × c ─ …
                          at 1/16                          at 1/8                          at 1/4

It is `transforms.Synthesis` with residual blocks of HiFiC's generator (Mentzer et al. 2020: 3×3, ChannelNorm, ReLU,
3×3, ChannelNorm, + input) added at each resolution. A new block passes its input on, so a generator can start
from the weights of a Synthesis, and can be interpolated with it. A block costs 4.6 kMAC per pixel at every
resolution, but 1.2, 0.3 and 0.07 million weights.
"""

import re

import torch
from torch import Tensor

from codec.networks.layers import NormBlock
from codec.networks.transforms import WIDTHS, Synthesis, reach

SYNTHESIS = "synthesis"


class Generator(Synthesis):
    """g_s with `counts` more blocks at 1/16, 1/8 and 1/4 of the resolution; shapes as `Synthesis`."""

    def __init__(self, counts: tuple[int, int, int] = (1, 1, 1), scales: bool = False, noise: bool = False):
        super().__init__(scales=scales, noise=noise)
        places = zip((self.res16, self.res8, self.res4), reversed(WIDTHS), counts, strict=True)
        for stage, width, count in places:
            stage.extend(NormBlock(width) for _ in range(count))
        self.margin += reach(reversed(counts))


def build(architecture: str) -> Synthesis:
    """A network, with random weights, of an architecture named as in the manifest.

    "synthesis"; "synthesis-a-b-c" with a, b and c more of its residual blocks at 1/16, 1/8 and 1/4; "generator-a-b-c"
    with as many of HiFiC's; any of them followed by "+scales" where it reads the entropy model's scales, too, and by
    "+noise" where it reads noise.
    Raises ValueError.
    """
    found = re.fullmatch(r"(synthesis|generator(?=-))(?:-(\d)-(\d)-(\d))?(\+scales)?(\+noise)?", architecture)
    if not found:
        raise ValueError(f"There is no decoder architecture '{architecture}'.")
    kind, *counts, scales, noise = found.groups()
    extra = {"scales": bool(scales), "noise": bool(noise)}
    counts = tuple(int(n or 0) for n in counts)
    if kind == "generator":
        return Generator(counts, **extra)
    return Synthesis(depths=tuple(1 + n for n in reversed(counts)), **extra)


def assemble(architecture: str, state: dict[str, Tensor], device: str = "cpu") -> Synthesis:
    """A network of this architecture with these weights, ready for use."""
    with torch.device("meta"):  # its random weights would only cost time
        net = build(architecture)
    net.load_state_dict(state, assign=True)
    net = net.to(device=device, memory_format=torch.channels_last)
    return net.eval().requires_grad_(False)


def extend(state: dict[str, Tensor], larger: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a smaller network, in the shape of a larger one that computes the same.

    The blocks that `state` lacks come from `larger` with zeros in their last layer, and what reads the scales or
    noise is zero. Raises ValueError where the two do not belong to networks that contain each other.
    """
    missing = [k for k in larger if k not in state]
    parts = (".norm", ".conv", "scales.", "noise.")
    if any(k not in larger for k in state) or any(not any(part in k for part in parts) for k in missing):
        raise ValueError("The decoders' architectures do not contain each other.")
    shut = [k for k in missing if ".norm2." in k or k.startswith(("scales.", "noise."))]
    shut += [k for k in missing if ".conv2." in k and k.replace(".conv2.", ".norm2.") not in larger]
    closed = {k: torch.zeros_like(larger[k]) if k in shut else larger[k] for k in missing}
    return {k: state.get(k, closed.get(k)) for k in larger}


def interpolate(fidelity: dict[str, Tensor], realism: dict[str, Tensor], t: float) -> dict[str, Tensor]:
    """Weights (1 - t)·fidelity + t·realism, t in [0, 1], in the architecture of `realism`.

    Iwai et al., "Fidelity-controllable extreme image compression with generative adversarial networks",
    ICPR 2020: of two decoders of which one was fine-tuned from the other, all in between are decoders as well.
    """
    start = extend(fidelity, realism)
    return {k: torch.lerp(start[k], realism[k], t) for k in realism}
