"""From a training checkpoint to shipped weights, and back again to go on training from them."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save as save_safetensors
from torch import Tensor

from codec.entropy.integer import LIMIT, ONE
from codec.networks import storage
from codec.networks.hyperprior import T_UNIT, EntropyModel
from codec.networks.model import CodecModel
from codec.networks.restored import entropy_state
from codec.networks.transforms import depths_of
from codec.networks.trunk import Trunk
from codec.pipeline import Codec, Latent, z_index
from codec.spec import BYTE_MAX, N_SCALES, SYNTHESIS, quality_index
from codec.training import data as datasets
from codec.training import storing, tables
from codec.training.losses import REFERENCE_LAMBDA
from codec.weights import Weights

RDO_CANDIDATES = (1.0, 1.4, 2.0, 2.8, 1e6)  # of what theory says an error is worth; the last is plain rounding
Z_SUPPORT = 20
WEIGHT_MAX = 32767  # weights of the integer networks have 16 bits


def architecture_of(state: dict[str, Tensor]) -> str:
    """The name, as `architecture.build` takes it, of the decoder that a state dict belongs to."""
    more = [n - 1 for n in reversed(depths_of(state))]
    name = SYNTHESIS + ("-{}-{}-{}".format(*more) if any(more) else "")
    return name + "".join(f"+{layer}" for layer in ("scales", "noise") if f"{layer}.weight" in state)


def integer_conv(weight: Tensor, bias: Tensor, in_scale=None, out_scale=None) -> dict[str, Tensor]:
    """What `IntegerConv` is loaded from: float weight (out, in, k, k) and bias (out,) -> int16, int64 and shift int8.

    `in_scale` (in,) and `out_scale` (out,) are factors on input and output channels, folded in. Raises ValueError where
    a sum could reach 2^53.
    """
    w, b = weight.detach().double().cpu(), bias.detach().double().cpu()
    if in_scale is not None:
        w = w * in_scale.double().cpu()[None, :, None, None]
    if out_scale is not None:
        w, b = w * out_scale.double().cpu()[:, None, None, None], b * out_scale.double().cpu()
    largest = torch.maximum(w.flatten(1).abs().amax(1), torch.tensor(1e-9, dtype=torch.float64))
    shift = torch.floor(torch.log2(WEIGHT_MAX / largest)).clamp(0, 24)
    q = torch.round(w * torch.exp2(shift)[:, None, None, None])
    bias_int = torch.round(b * ONE * torch.exp2(shift))
    bound = q.flatten(1).abs().sum(1) * LIMIT + bias_int.abs()
    if q.abs().max() > WEIGHT_MAX or bound.max() >= 2**53:
        raise ValueError("The weights are too large for exact integer arithmetic in float64.")
    return {"weight": q.to(torch.int16), "bias": bias_int.to(torch.int64), "shift": shift.to(torch.int8)}


def quantize(model: EntropyModel) -> dict[str, Tensor]:
    """Everything to store of a trained model: flat names -> integer tensors."""
    unit = model.unit
    layers = {
        "up1": integer_conv(model.h_s.up1.weight, model.h_s.up1.bias),
        "up2": integer_conv(model.h_s.up2.weight, model.h_s.up2.bias),
    }
    for i, ctx in enumerate(model.ctx):
        layers[f"ctx{i + 1}"] = integer_conv(ctx.weight, ctx.bias, in_scale=1 / unit)
    out_scale = torch.cat([unit, torch.full_like(unit, T_UNIT)])
    for i, head in enumerate(model.heads):
        layers[f"head{i}a"] = integer_conv(head.conv1.weight, head.conv1.bias)
        if head.inner.weight.any() or head.inner.bias.any():  # weights before it had none
            layers[f"head{i}m"] = integer_conv(head.inner.weight, head.inner.bias)
        layers[f"head{i}b"] = integer_conv(head.conv2.weight, head.conv2.bias, out_scale=out_scale)
    return {f"{layer}.{name}": t for layer, tensors in layers.items() for name, t in tensors.items()}


def trunk_tensors(model: CodecModel, y_tables: list[np.ndarray], z_tables: list[np.ndarray]) -> dict[str, Tensor]:
    """Everything that the trunk's weights files hold."""
    out = {f"g_a.{k}": v.half() for k, v in model.g_a.state_dict().items()}
    out |= {f"h_a.{k}": v.half() for k, v in model.entropy.h_a.state_dict().items()}
    out |= {f"int.{k}": v for k, v in quantize(model.entropy).items()}
    out["gain"] = model.gain.table()
    for name, group in (("y", y_tables), ("z", z_tables)):
        flat, lengths = tables.pack(group)
        out[f"tables.{name}.flat"], out[f"tables.{name}.lengths"] = map(torch.from_numpy, (flat, lengths))
    # Small things that only further training needs.
    out["train.log_gain"], out["train.unit"] = model.gain.log_gain.detach(), model.entropy.unit
    out |= {f"train.z_prior.{k}": v for k, v in model.entropy.z_prior.state_dict().items()}
    return {k: v.detach().cpu().contiguous() for k, v in out.items()}


def restore(trunk: dict[str, Tensor], decoder: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a trainable codec from shipped tensors; the inverse of `trunk_tensors` up to rounding."""
    state = {k: v.float() for k, v in trunk.items() if k.startswith("g_a.")}
    state |= {f"g_s.{k}": v.float() for k, v in decoder.items()}
    state["gain.log_gain"] = trunk["train.log_gain"]
    return state | {f"entropy.{k}": v for k, v in entropy_state(trunk).items()}


def shipped_state(folder: str | Path) -> dict[str, Tensor]:
    """The trainable state of the weights in a folder, to start a run from."""
    weights = Weights(folder)
    return restore(weights.trunk_tensors(), weights.decoder_state("mse"))


def widened(before: dict[str, Tensor], model: CodecModel) -> dict[str, Tensor]:
    """The state of a narrower codec in the shape of `model`, computing the same on the part of the ladder it had.

    New residual blocks start as identity. The ladder of levels has grown at its lower end: gains are extrapolated
    there, and whatever reads the level, scaled to 0…1, is made to read the new scale.
    """
    fresh, new = model.state_dict(), model.top + 1 - len(before["gain.log_gain"])
    state = {k: before.get(k, v) for k, v in fresh.items()}
    for name in fresh.keys() - before.keys():
        if name.endswith((".conv2.weight", ".conv2.bias", ".inner.weight", ".inner.bias")):
            state[name] = torch.zeros_like(fresh[name])
    if not new:
        return state
    gain = before["gain.log_gain"]
    slope = (gain[2] - gain[0]) / 2
    lower = torch.stack([gain[0] - slope * (new - i) for i in range(new)])
    state["gain.log_gain"] = torch.cat([lower, gain])
    stretch = model.top / (model.top - new)  # level before = stretch·level - offset, both in 0…1
    offset = new / (model.top - new)
    readers = ["entropy.h_s.up1", "g_s.head", *(f"entropy.heads.{i}.conv2" for i in range(4))]
    for name in readers:
        weight, bias = state[f"{name}.weight"].clone(), state[f"{name}.bias"].clone()
        bias -= offset * weight[:, -1].flatten(1).sum(1)
        weight[:, -1] *= stretch
        state[f"{name}.weight"], state[f"{name}.bias"] = weight, bias
    for name in ("g_s.deblocking.step", "g_s.deblocking.movement"):
        at, more = state[name]
        state[name] = torch.stack([at - offset * more, stretch * more])
    return state


class Counts:
    """Occurrences of symbols under each table, the escape last."""

    def __init__(self, z_channels: int):
        self.y_limits = np.array([tables.support(i) for i in range(N_SCALES)])
        self.z_limits = np.full(z_channels, Z_SUPPORT)
        self.y, self.z = (np.zeros(int((2 * m + 2).sum()), np.int64) for m in (self.y_limits, self.z_limits))

    def add(self, latent: Latent) -> None:
        for q, index in zip(latent.y, latent.index, strict=True):
            self._count(self.y, self.y_limits, q, index)
        self._count(self.z, self.z_limits, latent.z.ravel(), z_index(latent.z.shape))

    @staticmethod
    def _count(total: np.ndarray, limits: np.ndarray, values: np.ndarray, index: np.ndarray) -> None:
        limit = limits[index]
        starts = np.concatenate([[0], np.cumsum(2 * limits + 2)[:-1]])
        column = np.where(np.abs(values) > limit, 2 * limit + 1, values + limit)
        total += np.bincount(starts[index] + column, minlength=len(total))

    def tables(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The probability tables of y and z that fit what was counted."""
        y = np.split(self.y, np.cumsum(2 * self.y_limits + 2)[:-1])
        return tables.fit_y(y), tables.fit_z(self.z.reshape(len(self.z_limits), -1))


def count_symbols(codec: Codec, crops: Iterable[np.ndarray], rng: np.random.Generator) -> Counts:
    """Codes every crop at three levels spread over the range."""
    counts = Counts(len(codec.trunk.z_tables))
    for crop in crops:
        y = codec.analyse(crop)
        for third in range(3):
            counts.add(codec.quantise(y, int((third + rng.random()) / 3 * BYTE_MAX)))
    return counts


def fit(model: CodecModel, crops: list[np.ndarray], rdo: float, rounds: int = 2, device="cpu") -> dict[str, Tensor]:
    """Trunk tensors whose probability tables are fitted to what the encoder really codes on `crops`."""
    z_tables = [tables.normalize(np.ones(2 * Z_SUPPORT + 2)) for _ in model.entropy.z_prior.mean]
    tensors = trunk_tensors(model, tables.fit_y(), z_tables)
    for _ in range(rounds):  # rounding depends on the tables, and the tables on rounding
        trunk = Trunk.from_tensors(tensors, "unnamed!", rdo, device)
        counts = count_symbols(Codec(trunk), crops, np.random.default_rng(1))
        tensors = trunk_tensors(model, *counts.tables())
    return tensors


SCORED = (0.0005, 0.0018, 0.0067, 0.025)  # values of λ that every version has


def score(codec: Codec, g_s, images: list[np.ndarray]) -> dict:
    """Mean weighted R + λ·D over images and levels, with R from the tables and D from 8-bit pictures."""
    rows = []
    for rgb in images:
        y = codec.analyse(rgb)
        for lmbda in SCORED:
            latent = codec.quantise(y, quality_index(lmbda, codec.trunk.anchors))
            decoded = codec.synthesise(latent, g_s, rgb.shape[1], rgb.shape[0])
            mse = float(np.mean((decoded.astype(np.float32) - rgb) ** 2))
            bpp = (latent.y_bits + latent.z_bits) / (rgb.shape[0] * rgb.shape[1])
            rows.append(((bpp + lmbda * mse) * (lmbda / REFERENCE_LAMBDA) ** -0.5, bpp, 10 * np.log10(255**2 / mse)))
    table = np.array(rows).reshape(len(images), len(SCORED), 3).mean(0)
    return {
        "score": round(float(table[:, 0].mean()), 5),
        "bpp": table[:, 1].round(4).tolist(),
        "psnr": table[:, 2].round(3).tolist(),
    }


def revision() -> str:
    try:
        return subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def export(
    checkpoint: str,
    out: str,
    data: str,
    validation: str,
    crops: int = 48,
    device: str = "cpu",
    eight_bit: bool = False,
) -> None:
    """Writes entropy-ID, analysis-ID and mse-ID.safetensors and the manifest to the folder `out`.

    `eight_bit` stores the decoder in half the bytes; see `codec.networks.storage` for what that costs.
    """
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    model = CodecModel()
    model.load_state_dict(saved["ema"])
    model.requires_grad_(False)
    state = model.g_s.state_dict()
    stored = storing.to_int8(state) if eight_bit else {k: v.half().contiguous() for k, v in state.items()}
    model.g_s.load_state_dict(storage.to_float(stored))
    g_s = model.g_s.eval().to(device)
    source = datasets.Crops(data)
    batch = source.sample(np.random.default_rng(0), crops, 384).permute(0, 2, 3, 1).numpy()
    images = [np.asarray(datasets.read_rgb(p)) for p in datasets.image_files(validation)]

    best = None
    for rdo in RDO_CANDIDATES:
        tensors = fit(model, batch[:16], rdo, device=device)
        result = score(Codec(Trunk.from_tensors(tensors, "unnamed!", rdo, device)), g_s, images[::4])
        print(f"rdo {rdo:g}: {result}", flush=True)
        if best is None or result["score"] < best[0]:
            best = (result["score"], rdo)
    rdo = best[1]
    tensors = fit(model, list(batch), rdo, device=device)
    final = score(Codec(Trunk.from_tensors(tensors, "unnamed!", rdo, device)), g_s, images)
    print(f"final, rdo {rdo:g}: {final}", flush=True)

    weights = Weights(out)
    for old in weights.folder.glob("*-????????.safetensors"):
        old.unlink()
    analysis = {k: v for k, v in tensors.items() if k.startswith(("g_a.", "h_a.", "train."))}
    entropy = {k: v for k, v in tensors.items() if k not in analysis}
    name = storing.trunk_id(save_safetensors(entropy))

    def write(kind: str, part: dict[str, Tensor]) -> dict[str, str]:
        data = save_safetensors(part)
        print(f"writes {kind}-{name}.safetensors ({len(data):,} bytes)")
        return storing.write_file(weights, f"{kind}-{name}.safetensors", data)

    common = {
        "steps": saved["total_steps"],
        "wall_minutes": round(saved["total_seconds"] / 60, 1),
        "seed": saved["settings"]["seed"],
        "data": datasets.DATA,
        "revision": revision(),
        "validation": {"set": "41 images of CID22's validation split", **final},
    }
    entry = {
        "files": write("entropy", entropy) | write("analysis", analysis),
        "architecture": "KLT + residual 3×3 transforms, mean–scale hyperprior with four-step context",
        "lambda": [model.anchors[0], model.anchors[-1]],
        "rdo": rdo,
        "device": saved["settings"]["device"],
        **common,
    }
    decoder = {
        "files": write("mse", stored),
        "architecture": architecture_of(state),
        "loss": "R + λ·255²·MSE",
        **common,
    }
    storing.write_manifest(weights, {"trunk": name, "trunks": {name: entry}, "decoders": {f"{name}/mse": decoder}})
