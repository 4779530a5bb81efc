"""How many times the bytes HEIC needs to look as close, by a measure that no decoder was trained on, too.

k of a decoder at a rate is the factor on that rate at which HEIC has the same mean of a measure. HEIC is measured at
`FACTORS` times the rate, and its curve is interpolated linearly over the logarithm of the size. Beyond its ends k is
"<" or ">" and the factor there.

The measures: LPIPS on AlexNet and on VGG-16, which the hific decoders are trained for, and DISTS, which no loss has
(Ding et al., "Image quality assessment: unifying structure and texture similarity", TPAMI 2020). VGG-16 comes from a
folder of backbones, so nothing is downloaded.
"""

import functools
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import DISTS_pytorch
import lpips as lpips_package
import numpy as np
import torch
import torchvision
from safetensors.torch import load_file
from torch import Tensor, nn

from codec import baselines, bitstream
from codec.api import encode, load
from codec.device import threads
from codec.evaluation.measure import model_digest, over_folder
from codec.metrics import lpips, psnr
from codec.networks import storage
from codec.pictures.load import load_image
from codec.results import OURS, decoder_of, is_ours
from codec.training.vgg import FILE
from codec.weights import default

TARGETS = (0.14, 0.30)  # bpp
FACTORS = (0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
AGAINST = "heic"
MEASURES = ("lpips", "lpips_vgg", "dists")  # less is better


@functools.cache
def networks(backbones: str) -> tuple[nn.Module, nn.Module]:
    """LPIPS on VGG-16 and DISTS with the convolutions in a folder. Raises FileNotFoundError where they are not."""
    path = Path(backbones) / FILE
    if not backbones or not path.exists():
        raise FileNotFoundError(f"The measures need '{FILE}', which is not in '{backbones}'; name it with --backbones.")
    vgg = torchvision.models.vgg16(weights=None)
    vgg.load_state_dict(storage.to_float(load_file(path)), strict=False)  # the classifier stays random and unused
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Both packages ask torchvision for its pretrained network, which would be a download.
        with mock.patch.object(torchvision.models, "vgg16", lambda **_: vgg):
            distance = lpips_package.LPIPS(net="vgg", verbose=False)
            texture = DISTS_pytorch.DISTS(load_weights=False)
    weights = torch.load(Path(DISTS_pytorch.__file__).parent / "weights.pt", map_location="cpu", weights_only=True)
    texture.alpha.data, texture.beta.data = weights["alpha"], weights["beta"]
    return distance.eval().requires_grad_(False), texture.eval().requires_grad_(False)


class Original:
    """An image that many decoded ones are compared with: its features are computed once.

    The packages take images; here their networks are handed features, first the original's, then the decoded's.
    """

    def __init__(self, rgb: np.ndarray, backbones: str):
        """rgb: uint8 (H, W, 3), sides at least 64."""
        self.rgb, (self.lpips_network, self.dists_network) = rgb, networks(backbones)

    @torch.no_grad()
    def lpips_features(self, rgb: np.ndarray) -> list[Tensor]:
        return list(self.lpips_network.net(self.lpips_network.scaling_layer(2 * batch(rgb) - 1)))

    @torch.no_grad()
    def dists_features(self, rgb: np.ndarray) -> list[Tensor]:
        return self.dists_network.forward_once(batch(rgb))

    @functools.cached_property
    def _lpips(self) -> list[Tensor]:
        return self.lpips_features(self.rgb)

    @functools.cached_property
    def _dists(self) -> list[Tensor]:
        return self.dists_features(self.rgb)

    def lpips_vgg(self, decoded: np.ndarray) -> float:
        """LPIPS on VGG-16 of a decoded image, uint8 of the same shape."""
        features, none = [self._lpips, self.lpips_features(decoded)], torch.zeros(1, 3, 64, 64)
        with mock.patch.object(self.lpips_network.net, "forward", side_effect=features):
            return self.lpips_network(none, none).item()

    def dists(self, decoded: np.ndarray) -> float:
        """DISTS of a decoded image, uint8 of the same shape."""
        features = [self._dists, self.dists_features(decoded)]
        with mock.patch.object(self.dists_network, "forward_once", side_effect=features):
            return self.dists_network(None, None).item()

    def measures(self, decoded: np.ndarray) -> dict[str, float]:
        """Every measure of a decoded image of the same shape, and its PSNR."""
        return {
            "psnr": psnr(self.rgb, decoded),
            "lpips": lpips(self.rgb, decoded),
            "lpips_vgg": self.lpips_vgg(decoded),
            "dists": self.dists(decoded),
        }


def batch(rgb: np.ndarray) -> Tensor:
    """uint8 (H, W, 3) -> float32 (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float() / 255


def points(name: str, data: bytes, target: float, codecs: list[str], backbones: str) -> list[dict]:
    """A picture by decoders of ours at `target` bpp, and by AGAINST at FACTORS times the size of that stream."""
    rgb, rows = load_image(data).rgb, []
    original = Original(rgb, backbones)

    def add(codec: str, factor: float, size: int, decoded: np.ndarray, fits: bool) -> None:
        values = {k: round(v, 5) for k, v in original.measures(decoded).items()}
        rows.append(
            {"image": name, "codec": codec, "setting": target, "factor": factor, "bytes": size, "fits": fits} | values
        )

    with threads(1):
        model = load()
        coded, result = encode(rgb, bpp=target, codec=model)
        for codec in codecs:
            if is_ours(codec):
                decoded = model.decode(bitstream.read(coded.data), decoder_of(codec))
                add(codec, 1.0, len(coded.data), decoded, result.reached)
                rows[-1] |= {"weights": model.trunk.id, "model": model_digest(codec)}
            else:
                for factor in FACTORS:
                    best = baselines.encode_at_most(rgb, codec, int(len(coded.data) * factor))
                    add(codec, factor, len(best.data), best.rgb, best.fits)
                    rows[-1] |= {"model": model_digest(codec)}
    return rows


def evaluate(
    folder: Path, out: Path, backbones: str, workers: int | None = None, targets: Sequence[float] = TARGETS
) -> dict:
    """Measures what `out` does not hold yet, at the targets in bpp, and writes it there. Returns the whole contents."""
    codecs = [OURS, *(f"{OURS}:{name}" for name in default().networks() if name != "mse"), AGAINST]

    def jobs(paths: list[Path], rows: list[dict]) -> list[tuple]:
        done = {(r["image"], r["setting"], r["codec"]) for r in rows}
        pending = []
        for path in paths:
            for target in targets:
                wanted = [c for c in codecs if (path.name, target, c) not in done]
                pending += [(str(path), target, wanted, str(Path(backbones).resolve()))] if wanted else []
        return pending

    return over_folder(folder, out, codecs, points, jobs, summarize, workers, "pool", None, keys=("bytes", *MEASURES))


def summarize(result: dict) -> dict:
    """Adds `worth`: per target and codec the mean of every measure, AGAINST's curve, and k by every measure."""
    result["worth"] = []
    for target in sorted({p["setting"] for p in result["points"]}):
        at = [p for p in result["points"] if p["setting"] == target]
        # HEIC cannot always get as small as the smallest factor asks: only pictures on which it always can.
        whole = {p["image"] for p in at} - {p["image"] for p in at if not p["fits"]}
        at = [p for p in at if p["image"] in whole]
        if not at:
            continue
        curve = [
            {"factor": factor} | mean([p for p in at if (p["codec"], p["factor"]) == (AGAINST, factor)])
            for factor in FACTORS
        ]
        rows = {}
        for codec in sorted({p["codec"] for p in at if is_ours(p["codec"])}):
            own = mean([p for p in at if p["codec"] == codec])
            factors = [point["bytes"] / own["bytes"] for point in curve]
            rows[codec] = own | {"k": {m: k_of(own[m], factors, [p[m] for p in curve]) for m in MEASURES}}
        result["worth"].append({"target_bpp": target, "pictures": len(whole), AGAINST: curve, "codecs": rows})
    return result


def mean(rows: list[dict]) -> dict:
    return {key: round(float(np.mean([r[key] for r in rows])), 4) for key in ("bytes", "psnr", *MEASURES)}


def k_of(value: float, factors: list[float], curve: list[float]) -> float | str:
    """The factor at which a falling curve has this value, or "<" or ">" and the end that it is beyond."""
    if value >= curve[0]:
        return f"<{factors[0]:.2f}"
    if value <= curve[-1]:
        return f">{factors[-1]:.2f}"
    # np.interp wants its first argument to rise: a measure falls where the size rises.
    falling = np.minimum.accumulate(curve)
    return round(math.exp(np.interp(-value, -falling, np.log(factors))), 3)
