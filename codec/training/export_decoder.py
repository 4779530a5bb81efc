"""From a decoder's checkpoint, or from the trunk before, to shipped weights: a file of integers and its entry."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save as save_safetensors
from torch import Tensor

from codec.metrics import alexnet
from codec.networks import storage
from codec.networks.architecture import assemble
from codec.networks.transforms import Synthesis
from codec.pipeline import Codec
from codec.training import data as datasets
from codec.training import storing
from codec.training.decoders import validation_levels
from codec.training.export import revision
from codec.training.latents import read_decoder
from codec.training.recipes import Recipe, formula
from codec.weights import Weights

NEW = ("files", "base", "architecture", "revision", "validation")  # what `add` writes itself
BASE = "mse"  # every other decoder is stored as its difference from this one


@torch.inference_mode()
def measure(codec: Codec, g_s: Synthesis, images: list[np.ndarray], levels: list[int]) -> dict:
    """Estimated bpp, PSNR and LPIPS of a decoder at byte-valued levels, means over images uint8 (H, W, 3)."""
    metric, rows = alexnet.load(str(codec.device)), []

    def tensor(rgb: np.ndarray) -> Tensor:
        return torch.from_numpy(rgb.copy()).to(codec.device).permute(2, 0, 1)[None].float() / 127.5 - 1

    for rgb in images:
        y = codec.analyse(rgb)
        for level in levels:
            symbols = codec.quantise(y, level)
            decoded = codec.synthesise(symbols, g_s, rgb.shape[1], rgb.shape[0])
            mse = max(1e-3, float(np.mean((decoded.astype(np.float32) - rgb) ** 2)))
            bpp = (symbols.y_bits + symbols.z_bits) / (rgb.shape[0] * rgb.shape[1])
            rows.append((bpp, 10 * np.log10(255**2 / mse), metric(tensor(decoded), tensor(rgb)).item()))
    means = np.array(rows).reshape(len(images), len(levels), 3).mean(0)
    return {"level_bytes": levels, **{k: means[:, i].round(4).tolist() for i, k in enumerate(("bpp", "psnr", "lpips"))}}


def export_decoder(
    checkpoint: str,
    out: str,
    validation: str,
    name: str = "",
    partner: str = "",
    images: int = 0,
    device: str = "cpu",
    data: str = datasets.DATA,
) -> dict:
    """Writes NAME-TRUNK.safetensors to the weights folder `out` and its entry in the manifest, nothing else.

    name: of the decoder, by default as trained. partner: the fidelity decoder to interpolate with, by default the
    recipe's. images: how many of the validation images to measure, 0 for all. data: what it was trained on, in words.
    Returns the entry. Raises ValueError where the decoder belongs to another trunk than the folder's, or is too large a
    file.
    """
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    recipe, weights = Recipe(**saved["recipe"]), Weights(out)
    name, partner = name or saved["decoder"], partner or recipe.partner
    trunk = weights.current
    if saved["trunk"] != trunk:
        raise ValueError(f"'{checkpoint}' was trained on the trunk '{saved['trunk']}', but '{out}' holds '{trunk}'.")
    if partner and partner not in weights.networks():
        raise ValueError(f"The decoder to interpolate with, '{partner}', is not in '{out}'.")
    facts = {
        "loss": formula(recipe),
        **({"mixture": saved["mixture"]} if "mixture" in saved else {}),
        "weights": recipe.weights,
        "levels": list(recipe.levels),
        **({"skew": skew} if (skew := saved["settings"].get("skew", 1.0)) != 1 else {}),
        "start": saved["start"],
        **({"partner": partner} if partner else {}),
        "steps": saved["total_steps"],
        "wall_minutes": round(saved["total_seconds"] / 60, 1),
        "batch": [saved["settings"]["batch"], saved["settings"]["crop"]],
        "optimizer": saved["settings"]["optimizer"],
        "device": saved["settings"]["device"],
        "seed": saved["settings"]["seed"],
        "data": data,
    }
    return add(weights, name, recipe.architecture, saved["ema"], facts, validation, images, device)


def add(
    weights: Weights,
    name: str,
    architecture: str,
    state: dict[str, Tensor],
    facts: dict,
    validation: str,
    images: int = 0,
    device: str = "cpu",
) -> dict:
    """Stores a decoder's weights beside the mse decoder's, measures what is stored, enters it in the manifest.

    facts: what the entry says besides. Returns the entry. Raises ValueError where the file would be too large.
    """
    base = weights.decoder_state(BASE)
    stored = storing.to_difference(state, base)
    data = save_safetensors(stored)
    if len(data) > storing.FILE_BYTES:
        raise ValueError(f"The decoder takes {len(data):,} bytes; a weights file may have {storing.FILE_BYTES:,}.")

    codec = Codec(weights.trunk(device=device), weights)
    trunk = codec.trunk.id
    g_s = assemble(architecture, storage.to_float(stored, base), device)  # as it will be loaded
    paths = datasets.image_files(validation)
    paths = paths[:: max(1, len(paths) // images)][:images] if images else paths
    measured = measure(codec, g_s, [datasets.read_rgb(p) for p in paths], validation_levels(*facts["levels"]))

    file = f"{name}-{trunk}.safetensors"
    entry = {
        "files": storing.write_file(weights, file, data),
        "base": weights.resolve(BASE)[1]["files"],  # and whose differences they hold
        "architecture": architecture,
        **facts,
        "revision": revision(),
        "validation": {"set": f"{len(paths)} images of {Path(validation).name}", **measured},
    }
    storing.write_entry(weights, name, entry)
    print(f"wrote {file} ({len(data):,} bytes): {measured}")
    return entry


def follow(checkpoint: str, before: str, out: str, validation: str, images: int = 0, device: str = "cpu") -> None:
    """Brings the decoders of the weights folder `before` to the trunk of `out`, which was exported from `checkpoint`.

    Each gets its old weights plus what training the trunk on has changed in the synthesis that they all were
    fine-tuned from: decoder + (new mse - old mse), the task arithmetic of Ilharco et al. ("Editing models with task
    arithmetic", ICLR 2023). That holds as long as the new trunk was trained on from the old one. The manifest names the
    trunk that a decoder was trained on. Raises ValueError where the shapes differ, or where `out` holds another
    trunk than the checkpoint's.
    """
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)["ema"]
    new = {k.removeprefix("g_s."): v.float() for k, v in saved.items() if k.startswith("g_s.")}
    old, stored = read_decoder(before, "mse"), read_decoder(out, "mse")
    if not same_shapes(new, stored) or any((new[k] - w).abs().max() > w.abs().max() / 50 for k, w in stored.items()):
        raise ValueError(f"The trunk of '{out}' was not exported from '{checkpoint}'.")  # but for rounding
    weights = Weights(before)
    for name in weights.networks():
        if name == "mse":
            continue
        entry, state = weights.resolve(name)[1], weights.decoder_state(name)
        shared = {k: v for k, v in state.items() if k in old}  # it may have more: see `architecture.extend`
        if not (same_shapes(old, shared) and same_shapes(new, shared)):
            raise ValueError(f"The decoder '{name}' of '{before}' is of another shape than that of '{checkpoint}'.")
        moved = state | {k: v + (new[k] - old[k]) for k, v in shared.items()}
        facts = {k: v for k, v in entry.items() if k not in NEW}
        facts = {"trained_on": weights.current} | facts
        add(Weights(out), name, entry["architecture"], moved, facts, validation, images, device)


def same_shapes(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return {k: v.shape for k, v in a.items()} == {k: v.shape for k, v in b.items()}
