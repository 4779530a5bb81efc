"""Times CompressAI's models, in an interpreter of its own that has CompressAI installed; knows nothing of this codec.

Answers one line of JSON on its standard output for every line of JSON on its standard input:

    {"do": "start", "threads": 2, "picture": "x.npy", "models": {"mbt2018-mean": 0.307}, "quality": 3}
        -> {"versions": {...}, "models": {"mbt2018-mean": {"bpp": ..., "transforms_ms": ..., ...}}}
    {"do": "run", "model": "mbt2018-mean"} -> {"encode_ms": ..., "decode_ms": ..., "bytes": ...}
    {"do": "stop"}

What is timed is the whole of `model.compress` and `model.decompress`, CompressAI's own code, entropy coder and all,
with networks of the right shape but untrained, since their weights cannot be had offline. For the networks that
makes no difference. The entropy coder, however, would see latents of a rate of their own, so they are brought to the
rate that CompressAI has published for this quality: the last layer of what predicts the scales is set to predict
every channel's true deviation, and the latents (by one factor for all) are scaled until the model's own tables say
that it takes this many bits. The loops of the autoregressive model run as they are; most of their time goes into
calls that depend on no value.
"""

import json
import math
import os
import statistics
import sys
import time
import types

import numpy as np
import torch
import torch.nn.functional as F

TRANSFORM_RUNS = 5
ROLES = {"g_a": ("x", "y"), "h_a": ("y", "z"), "h_s": ("z", "scales"), "g_s": ("y", "x_hat")}


def answer(request: dict, state: dict) -> dict:
    if request["do"] == "start":
        return start(state, **{k: v for k, v in request.items() if k != "do"})
    if request["do"] == "run":
        return run(state["models"][request["model"]], state["x"])
    raise ValueError(f"There is nothing to do for '{request['do']}'.")


def start(state: dict, threads: int, picture: str, models: dict[str, float], quality: int) -> dict:
    """Builds the models for a picture, uint8 (H, W, 3) in a .npy file, each to code it at its rate in bpp."""
    stood_in = stand_in("torchvision")
    import compressai
    from compressai.zoo import image_models

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    rgb = np.load(picture)
    height, width = rgb.shape[:2]
    x = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255
    state["x"] = F.pad(x, (0, -width % 64, 0, -height % 64))  # with zeros, as CompressAI's own evaluation does
    state["models"], described = {}, {}
    for name, target in models.items():
        model = image_models[name](quality=quality, pretrained=False).eval()
        model.update()
        state["models"][name] = model
        rates = set_rate(model, state["x"], target * height * width)
        described[name] = {key: round(value / (height * width), 4) for key, value in rates.items()} | {
            "published_bpp": target,
            "transforms_ms": {key: round(value, 1) for key, value in transform_times(model, state["x"]).items()},
            "parameters": sum(p.numel() for p in model.parameters()),
        }
    versions = {"python": sys.version.split()[0], "torch": torch.__version__, "compressai": compressai.__version__}
    return {"versions": versions, "stood_in": stood_in, "threads": torch.get_num_threads(), "models": described}


def stand_in(name: str) -> list[str]:
    """Puts an empty module in the place of one that CompressAI imports for other things than its image models."""
    try:
        __import__(f"{name}.transforms")
        return []
    except Exception:  # not installed, or built for another torch
        for key in [k for k in sys.modules if k == name or k.startswith(name + ".")]:
            del sys.modules[key]
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].transforms = sys.modules[f"{name}.transforms"] = types.ModuleType(f"{name}.transforms")
        return [name]


@torch.inference_mode()
def set_rate(model: torch.nn.Module, x: torch.Tensor, bits: float) -> dict[str, float]:
    """Scales the latents and sets the predicted scales so that the tables give `bits` in all. The bits they give."""
    y = model.g_a(x)
    mean, deviation = y.mean((0, 2, 3), keepdim=True), y.std((0, 2, 3), keepdim=True)
    forward = [1.0]
    model.g_a.register_forward_hook(lambda module, inputs, output: (output - mean) * forward[0])
    # Where the scales come from, and after them, if they are predicted, the means.
    predictor = getattr(model, "entropy_parameters", model.h_s)
    last = [m for m in predictor.modules() if isinstance(m, torch.nn.Conv2d)][-1]
    last.weight.zero_()
    last.bias.zero_()
    channels = y.shape[1]

    def bits_of_y(factor: float) -> float:
        forward[0] = factor
        last.bias[:channels] = factor * deviation.flatten()
        scales = (factor * deviation).expand_as(y)
        _, likelihood = model.gaussian_conditional((y - mean) * factor, scales)
        return float(-likelihood.double().log2().sum())

    def bits_of_z() -> float:
        z = model.h_a(model.g_a(x).abs() if type(model).__name__ == "ScaleHyperprior" else model.g_a(x))
        return float(-model.entropy_bottleneck(z)[1].double().log2().sum())

    # An untrained model of z is wide: it takes several bits a symbol whatever it sees, more than a trained one.
    side = bits_of_z()
    wanted = max(bits - side, bits / 4)
    low, high = 1e-6, 1e6
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if bits_of_y(middle) < wanted else (low, middle)
    return {"table_y_bpp": bits_of_y(high), "table_z_bpp": bits_of_z()}


def clock(function, *arguments) -> tuple[float, object]:
    """Milliseconds of a call, and what it returned."""
    begin = time.perf_counter()
    result = function(*arguments)
    return 1e3 * (time.perf_counter() - begin), result


@torch.inference_mode()
def transform_times(model: torch.nn.Module, x: torch.Tensor) -> dict[str, float]:
    """Median milliseconds of the four networks by themselves."""
    times: dict[str, list[float]] = {name: [] for name in ROLES}
    for _ in range(TRANSFORM_RUNS + 1):
        given = {"x": x}
        for name, (source, target) in ROLES.items():
            elapsed, given[target] = clock(getattr(model, name), given[source])
            times[name].append(elapsed)
    return {name: statistics.median(times_of[1:]) for name, times_of in times.items()}


@torch.inference_mode()
def run(model: torch.nn.Module, x: torch.Tensor) -> dict:
    """One picture through the whole model and back."""
    encode_ms, coded = clock(model.compress, x)
    decode_ms, decoded = clock(model.decompress, coded["strings"], coded["shape"])
    if decoded["x_hat"].shape != x.shape:
        raise ValueError(f"{tuple(decoded['x_hat'].shape)} was decoded of {tuple(x.shape)}.")
    size = sum(len(string) for strings in coded["strings"] for string in strings)
    return {"encode_ms": encode_ms, "decode_ms": decode_ms, "bytes": size}


def main() -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints goes where it disturbs no one
    state: dict = {}
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "stop":
            return
        try:
            reply = answer(request, state)
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=out, flush=True)


if __name__ == "__main__":
    main()
