"""Measures what is shipped: results/classroom-mnist.json and results/classroom-cae.json."""

import json
from pathlib import Path

import numpy as np
import torch

from codec.classroom import autoencoder, digits, prior, store
from codec.classroom.mnist import distortion
from codec.classroom.mnist_training import load_digits
from codec.metrics import psnr
from codec.pictures.load import load_image
from codec.provenance import pictures_in, versions
from codec.results import write_json

REPORT = {
    "source": "P. G. Basile, 2024",
    "untrained": {"distortion": 0.147, "bits": 20.3, "lambda": 2000, "d": 10},
}
CAE_REPORT = {
    "source": "R. Meynard, V. des Déserts, S. Perret, 2018: faces (CelebA) at 64×64, 4200 of them, 60 epochs",
    "1": {"mse": 93.5, "psnr": 29.1, "bpp": 0.340},
    "2": {"mse": 258.2, "psnr": 24.2, "bpp": 0.196},
    "3": {"mse": 961.3, "psnr": 18.4, "bpp": 0.113},
    "4": {"mse": 98.6, "psnr": 28.9, "bpp": 0.346},
}
DIFFERENCES = [
    "Photographs instead of faces, which are easier: they are all alike.",
    "The report's code has half as many numbers as the picture, 1.5 a pixel; ours has 32 for each 8×8 pixels, 0.5 a "
    "pixel, and narrower layers.",
    "Ours counts whole files, header and table included, over pixels. The report does not say how it counts: a Huffman "
    "code spends at least one bit on a number, so its 0.340 bpp cannot be a file of 1.5 numbers a pixel.",
    "In ours a run of zeros may be written as its length: 0.5 numbers a pixel would otherwise take at least 0.5 bpp.",
    "Experiment 1 has no price of rate, in ours as in the report. Its rate is whatever range the numbers grow to: the "
    "report trained slowly (steps of 10⁻⁴) from numbers that were all 0 and says that few epochs kept its files small; "
    "ours, at 10⁻³, uses the range that it finds useful.",
    "The entropy term is that of a batch's soft histogram, in bits per pixel. Its weight is chosen for the report's "
    "rates: the report's 0.01 is for another scale, as are its weights of the features.",
    "Experiments 1 to 3 start from one network that was trained on the MSE alone, on crops of 64×64, and experiment 4 "
    "goes on from experiment 1. All end with weights of four to five bits each.",
]


@torch.no_grad()
def measure(codec: digits.DigitCodec, x: np.ndarray, labels: np.ndarray, strings: int) -> dict:
    """One model on digits x uint8 (n, 28, 28): what it estimates, what it writes, and how far off it is."""
    y = codec.analyse(x)
    noise = torch.rand(y.shape, generator=torch.Generator().manual_seed(1)) - 0.5
    pixels = torch.from_numpy(x).float()[:, None] / 255
    noisy, bits = codec.net(pixels, noise)  # as in training
    row = {"name": codec.name, "lambda": codec.lmbda, "d": codec.d, "digits": len(x)}
    row["in_training"] = {"bits": bits.mean().item(), "distortion": distortion(noisy, pixels).mean().item()}
    for mode, seed in (("rounded", None), ("dithered", 0)):
        steps = np.stack([codec.steps(seed, i) for i in range(len(x))])
        q = np.round(y - steps / 32).astype(int)
        x_hat = codec.synthesise(q + steps / 32)
        error = np.abs(x_hat.astype(float) - x).mean((1, 2)) / 255
        quality = np.array([psnr(a, b) for a, b in zip(x, x_hat, strict=True)])
        estimates = [codec.estimate(q[i], seed, i) for i in range(strings)]
        texts = [codec.compress(y[i], seed, i) for i in range(strings)]
        for i in range(0, strings, 50):
            assert (codec.decompress(texts[i], seed, i) == q[i] + steps[i] / 32).all()
        row[mode] = {
            "bits_estimated": float(np.mean(estimates)),
            "bits_real": 8 * float(np.mean([len(t) for t in texts])),
            "distortion": float(error.mean()),
            "psnr": float(quality.mean()),
            "psnr_by_digit": [round(float(quality[labels == k].mean()), 2) for k in range(10)],
        }
        if seed is None:
            coder, tables = prior.Encoder(), codec.tables(None, 0)
            coder.put(q[:strings].ravel(), np.tile(np.arange(codec.d), strings), tables)
            row[mode]["bits_real_in_one_stream"] = 8 * len(coder.finish()) / strings
    return rounded(row)


def rounded(value, places: int = 4):
    """Every float of nested dicts and lists, rounded."""
    if isinstance(value, float):
        return round(value, places)
    if isinstance(value, dict):
        return {k: rounded(v, places) for k, v in value.items()}
    return [rounded(v, places) for v in value] if isinstance(value, list) else value


def mnist(data: str, out: str, digits_used: int, strings: int) -> None:
    """Every shipped model for digits, and the untrained one, on test digits in random order."""
    x, labels = load_digits(data, "test", digits_used)
    x = (x[:, 0] * 255).round().to(torch.uint8).numpy()
    points = []
    for name in [digits.UNTRAINED, *store.manifest()["mnist"]]:
        points.append(measure(digits.load(name), x, labels, min(strings, len(x))))
        print(json.dumps(points[-1]), flush=True)
    plane = {}
    if "l2000-d2" in store.manifest()["mnist"]:
        y = digits.load("l2000-d2").analyse(x[:1000])
        plane = {"y": np.round(y, 2).tolist(), "labels": labels[:1000].tolist()}
    result = {
        "what": f"{len(x)} test digits of MNIST, picked at random; bits of rounded latents over {strings} of them",
        "report": REPORT,
        "trained": trained("mnist"),
        "versions": versions(),
        "plane": plane,
        "points": points,
    }
    write_json(Path(out), result)


def trained(kind: str) -> dict:
    """What the manifest says of the training of each model."""
    hidden = ("file", "sha256", "lambda", "d", "scales")
    return {k: {n: v for n, v in e.items() if n not in hidden} for k, e in store.manifest()[kind].items()}


def crops(data: str, size: int, each: int) -> np.ndarray:
    """uint8 (n, size, size, 3): from each picture, the middles of the first `each` of its four quarters."""
    cut = []
    for path in pictures_in(Path(data)):
        rgb = load_image(path).rgb
        height, width = rgb.shape[:2]
        for k in range(each):
            top, left = ((1 + 2 * (k // 2)) * height - 2 * size) // 4, ((1 + 2 * (k % 2)) * width - 2 * size) // 4
            cut.append(rgb[top : top + size, left : left + size])
    return np.stack(cut)


def cae(data: str, run: str, out: str, each: int) -> None:
    """Every shipped autoencoder on crops of held-out photographs, of the size that it was trained on: MSE, PSNR, and
    bpp of real files."""
    points = []
    for size in autoencoder.CROPS:
        x = crops(data, size, each)
        for experiment in autoencoder.EXPERIMENTS:
            name = autoencoder.name_of(experiment, size)
            files = [autoencoder.compress(rgb, name) for rgb in x]
            decoded = [autoencoder.decompress(f) for f in files]
            errors = [float(((a.astype(float) - b) ** 2).mean()) for a, b in zip(x, decoded, strict=True)]
            y_hat = [autoencoder.read(f)[0] for f in files]
            sizes = [autoencoder.ladder(y) for y in y_hat]
            points.append(
                {
                    "experiment": experiment,
                    "crop": size,
                    "crops": len(x),
                    "mse": float(np.mean(errors)),
                    "psnr": float(np.mean([psnr(a, b) for a, b in zip(x, decoded, strict=True)])),
                    "bpp": 8 * float(np.mean([len(f) for f in files])) / size**2,
                    "bpp_plain_huffman": 8 * float(np.mean([s.rungs[1].total for s in sizes])) / size**2,
                    "bpp_entropy": 8 * float(np.mean([s.entropy for s in sizes])) / size**2,
                }
            )
            print(json.dumps(points[-1]), flush=True)
    log_file = Path(run) / "log.json"
    progress = {k: v["progress"] for k, v in json.loads(log_file.read_text()).items()} if log_file.exists() else {}
    if not progress and Path(out).exists():
        progress = json.loads(Path(out).read_text()).get("progress", {})
    result = {"report": CAE_REPORT, "differences": DIFFERENCES}
    result |= {"trained": trained("cae"), "versions": versions()}
    write_json(Path(out), rounded(result | {"progress": progress, "points": points}))
