"""Means of decoders' weights, as checkpoints: what is shipped of several runs from the same start.

Decoders that were fine-tuned from one network lie in one valley of the loss, and what is in between is a decoder, too:
often a better one than any of them (Wortsman et al., "Model soups", ICML 2022; Wang et al., "ESRGAN", 2018).
"""

import json
import math
from pathlib import Path

import torch
from torch import Tensor

from codec.models.generator import SYNTHESIS, extend
from codec.training.latents import decoder_entry, read_decoder


def checkpoint_of(source: str, weights: str) -> dict:
    """A decoder's checkpoint, or what stands for one of a decoder of the weights folder. Raises ValueError, OSError."""
    if source.endswith(".pt"):
        return torch.load(source, map_location="cpu", weights_only=True)
    entry = decoder_entry(weights, source)
    return {
        "decoder": source,
        "trunk": json.loads((Path(weights) / "manifest.json").read_text())["trunk"],
        "recipe": {"architecture": entry.get("architecture", SYNTHESIS)},
        "total_steps": entry["steps"],
        "ema": read_decoder(weights, source),
    }


def mean(states: list[tuple[float, dict[str, Tensor]]]) -> dict[str, Tensor]:
    """Σ share·state in float32, in the shape of the largest. Raises ValueError; see `generator.extend`.

    What a smaller one lacks is taken from the largest, too, but with zeros in its last layer.
    """
    floats = [(share, {k: v.float() for k, v in state.items()}) for share, state in states]
    largest = max((state for _, state in floats), key=len)
    whole = [(share, extend(state, largest)) for share, state in floats]
    return {k: sum(share * state[k] for share, state in whole) for k in largest}


def words(parts: list[tuple[float, str, int]]) -> str:
    """A mixture in a line, as the manifest says it, of shares, names and steps."""
    signed = (f"{'-' if share < 0 else '+'} {abs(share):.4g}·{name} after {n:,} steps" for share, name, n in parts)
    return " ".join(signed).removeprefix("+ ")


def mix(parts: list[str], out: str, weights: str = "weights") -> str:
    """Writes a checkpoint with Σ share·weights; returns the mixture in words.

    parts: "SOURCE=SHARE", a source being a decoder's checkpoint or the name of a decoder in the folder `weights`. The
    first must be a checkpoint, to whose training the mixture is ascribed. Shares may be negative; they add up to 1. The
    mixture has the largest of the architectures. Raises ValueError where the shares do not, where the sources were
    trained on different trunks, or where their architectures do not contain each other.
    """
    pairs = [part.rpartition("=") for part in parts]
    sources, shares = [source for source, _, _ in pairs], [float(share) for _, _, share in pairs]
    if not math.isclose(sum(shares), 1, abs_tol=1e-6):
        raise ValueError(f"The shares add up to {sum(shares):g}; they must add up to 1.")
    if not sources[0].endswith(".pt"):
        raise ValueError(f"The first source, '{sources[0]}', must be a checkpoint: the mixture is ascribed to its run.")
    saved = [checkpoint_of(source, weights) for source in sources]
    if len(trunks := {part["trunk"] for part in saved}) > 1:
        raise ValueError(f"The sources were trained on different trunks: {', '.join(sorted(trunks))}.")
    kept = ("decoder", "start", "trunk", "recipe", "settings", "total_steps", "total_seconds")
    mixed = {k: saved[0][k] for k in kept}
    states = [(share, part["ema"]) for share, part in zip(shares, saved, strict=True)]
    largest = max(saved, key=lambda part: len(part["ema"]))
    mixed["recipe"] = mixed["recipe"] | {"architecture": largest["recipe"]["architecture"]}
    mixed["ema"] = mean(states)
    names = [(share, part["decoder"], part["total_steps"]) for share, part in zip(shares, saved, strict=True)]
    mixed["mixture"] = words(names)
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    torch.save(mixed, out)
    print(f"wrote {out}: {mixed['mixture']}")
    return mixed["mixture"]
