"""Means of decoders' weights, as checkpoints: what is shipped of several runs from the same start.

Decoders that were fine-tuned from one network lie in one valley of the loss, and what is in between is a decoder, too:
often a better one than any of them (Wortsman et al., "Model soups", ICML 2022; Wang et al., "ESRGAN", 2018).
"""

import math
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from codec.networks.architecture import extend
from codec.results import mixture
from codec.spec import SYNTHESIS
from codec.training.latents import decoder_entry, read_decoder
from codec.training.recipes import RECIPES
from codec.weights import Weights


def checkpoint_of(source: str, weights: str) -> dict:
    """A decoder's checkpoint, or what stands for one: a NAME in the folder `weights`, or a FOLDER/NAME.

    Raises ValueError, OSError.
    """
    if source.endswith(".pt"):
        return torch.load(source, map_location="cpu", weights_only=True)
    folder, _, name = source.rpartition("/")
    folder = folder or weights
    entry = decoder_entry(folder, name)
    batch, crop = entry.get("batch", (None, None))
    changed = {k: entry[k] for k in ("weights", "levels") if k in entry}
    return {
        "decoder": name,
        "start": entry.get("start", "trunk"),
        "trunk": Weights(folder).current,
        "recipe": asdict(replace(RECIPES[name], **changed, architecture=entry.get("architecture", SYNTHESIS))),
        "settings": {
            "batch": batch,
            "crop": crop,
            **{k: entry.get(k) for k in ("optimizer", "device", "seed")},
            "skew": entry.get("skew", 1.0),
        },
        "total_steps": entry["steps"],
        "total_seconds": 60 * entry["wall_minutes"],
        "ema": read_decoder(folder, name),
        **({"mixture": entry["mixture"]} if "mixture" in entry else {}),
    }


def mean(states: list[tuple[float, dict[str, Tensor]]]) -> dict[str, Tensor]:
    """Σ share·state in float32, in the shape of the largest. Raises ValueError; see `architecture.extend`.

    What a smaller one lacks is taken from the largest, too, but with zeros in its last layer.
    """
    floats = [(share, {k: v.float() for k, v in state.items()}) for share, state in states]
    largest = max((state for _, state in floats), key=len)
    whole = [(share, extend(state, largest)) for share, state in floats]
    return {k: sum(share * state[k] for share, state in whole) for k in largest}


def parts_of(sources: list[tuple[float, dict]]) -> list[dict]:
    """What a mean of checkpoints with these shares consists of, as the manifest has it; means among them are opened."""
    shares: dict[tuple[str, int], float] = {}
    for share, source in sources:
        whole = [{"decoder": source["decoder"], "steps": source["total_steps"], "share": 1.0}]
        for part in source.get("mixture") or whole:
            run = part["decoder"], part["steps"]
            shares[run] = shares.get(run, 0.0) + share * part["share"]
    kept = {run: share for run, share in shares.items() if not math.isclose(share, 0, abs_tol=1e-6)}
    return [{"decoder": name, "steps": steps, "share": float(f"{v:.4g}")} for (name, steps), v in kept.items()]


def mix(terms: list[str], out: str, weights: str = "weights") -> str:
    """Writes a checkpoint with Σ share·weights; returns the mixture in words.

    terms: "SOURCE=SHARE", a source being a decoder's checkpoint, the name of a decoder in the folder `weights`, or
    FOLDER/NAME. The mixture is ascribed to the training of the first. Shares may be negative; they add up to 1. The
    mixture has the largest of the architectures. Raises ValueError where the shares do not, where the sources were
    trained on different trunks, or where their architectures do not contain each other.
    """
    pairs = [term.rpartition("=") for term in terms]
    sources, shares = [source for source, _, _ in pairs], [float(share) for _, _, share in pairs]
    if not math.isclose(sum(shares), 1, abs_tol=1e-6):
        raise ValueError(f"The shares add up to {sum(shares):g}; they must add up to 1.")
    saved = [checkpoint_of(source, weights) for source in sources]
    if saved[0]["decoder"] == "mse":
        raise ValueError("The mse decoder belongs to its trunk; a mixture is ascribed to another, which must be first.")
    if len(trunks := {checkpoint["trunk"] for checkpoint in saved}) > 1:
        raise ValueError(f"The sources were trained on different trunks: {', '.join(sorted(trunks))}.")
    kept = ("decoder", "start", "trunk", "recipe", "settings", "total_steps", "total_seconds")
    mixed = {k: saved[0][k] for k in kept}
    states = [(share, checkpoint["ema"]) for share, checkpoint in zip(shares, saved, strict=True)]
    largest = max(saved, key=lambda checkpoint: len(checkpoint["ema"]))
    mixed["recipe"] = mixed["recipe"] | {"architecture": largest["recipe"]["architecture"]}
    mixed["ema"] = mean(states)
    mixed["mixture"] = parts_of(list(zip(shares, saved, strict=True)))
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    torch.save(mixed, out)
    words = mixture(mixed["mixture"])
    print(f"wrote {out}: {words}")
    return words
