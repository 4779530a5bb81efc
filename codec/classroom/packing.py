"""Makes what is shipped of what was trained: small files, and the manifest that names them."""

import io
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

from codec.classroom import digits, store
from codec.classroom.mnist import DigitNet, distortion
from codec.classroom.mnist_training import load_digits
from codec.models import storage

RANKS = (8, 16, 24, 32, 48)
TOLERANCE = 0.01  # of the loss, that storing may cost
CREDIT = (
    "MNIST (Y. LeCun, C. Cortes, C. J. C. Burges), Creative Commons Attribution-Share Alike 3.0: twenty test digits "
    "of each class, 0 first, the first of each class in the order of the test set, arranged in one picture"
)


def components(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (out,) of a layer's outputs (n, out), and their principal components, the largest first (out, 64)."""
    torch.manual_seed(0)  # the method is a random one
    mean = outputs.mean(0)
    return mean, torch.pca_lowrank(outputs - mean, max(RANKS), center=False, niter=4)[2]


def low_rank(layer: nn.Linear, mean: Tensor, basis: Tensor) -> nn.Sequential:
    """W·x + b as a product of two: projected on principal components of its outputs, basis (out, rank).

    What the layer really puts out spans far fewer dimensions than it has, since digits are few among all pictures.
    """
    rank = basis.shape[1]
    first, second = nn.Linear(layer.in_features, rank, bias=False), nn.Linear(rank, layer.out_features)
    with torch.no_grad():
        first.weight.copy_(basis.T @ layer.weight)
        second.weight.copy_(basis)
        second.bias.copy_(mean + basis @ (basis.T @ (layer.bias - mean)))
    return nn.Sequential(first, second)


@torch.no_grad()
def spread(net: DigitNet, x: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Mean and components of what the two large layers put out for pictures x."""
    dense = net.g_a[:6](x)
    return [components(dense), components(net.g_s[:3](net.g_a[6:](dense).round()))]


def narrowed(net: DigitNet, found: list[tuple[Tensor, Tensor]], rank: int) -> DigitNet:
    """The same codec with its two large layers of this rank, stored in 8 bits; `found` by `spread`."""
    small = DigitNet(len(net.log_scale), rank)
    small.load_state_dict({k: v for k, v in net.state_dict().items() if k in small.state_dict()}, strict=False)
    (mean_a, basis_a), (mean_s, basis_s) = found
    small.g_a[5] = low_rank(net.g_a[5], mean_a, basis_a[:, :rank])
    small.g_s[2] = low_rank(net.g_s[2], mean_s, basis_s[:, :rank])
    small.load_state_dict(storage.to_float(storage.to_int8(small.state_dict())))
    return small.eval()


@torch.no_grad()
def loss(net: DigitNet, x: Tensor, lmbda: float) -> float:
    """R + λ·D with a noise that is always the same."""
    noise = torch.rand(len(x), len(net.log_scale), generator=torch.Generator().manual_seed(1)) - 0.5
    x_hat, bits = net(x, noise)
    return float((bits + lmbda * distortion(x_hat, x)).mean())


def pack_mnist(data: str, run: str, out: str) -> None:
    """Stores every trained model at the smallest rank that costs at most one per cent of its loss on training
    digits; then 200 test digits, and the latents of all test digits where d = 2."""
    folder, log, entries = Path(out), json.loads((Path(run) / "log.json").read_text()), {}
    x = load_digits(data, "train", 3000)[0]
    x, held = x[:2000], x[2000:3000]
    for name, said in log.items():
        net = DigitNet(said["d"])
        net.load_state_dict(load_file(Path(run) / f"{name}.safetensors"))
        net.eval().requires_grad_(False)
        whole, found = loss(net, held, said["lambda"]), spread(net, x)
        for rank in RANKS:
            small = narrowed(net, found, rank)
            cost = loss(small, held, said["lambda"]) / whole - 1
            if cost <= TOLERANCE:
                break
        print(f"{name}: rank {rank}, loss {whole:.2f} {100 * cost:+.2f} %", flush=True)
        state = storage.to_int8(small.state_dict())
        state.pop("log_scale")
        entries[name] = store.add_file(folder, f"mnist-{name}.safetensors", save_safetensors(state))
        entries[name] |= {k: v for k, v in said.items() if k != "progress"} | {"rank": rank}
        entries[name] |= {"scales": digits.scales_of(small).tolist(), "cost_of_storing": round(cost, 5)}
    store.update(folder, "mnist", entries)
    store.update(folder, "digits", pack_digits(folder, data))


def pack_digits(folder: Path, data: str) -> dict:
    """The digits that are shipped, as one PNG."""
    with np.load(data) as arrays:
        images, labels = arrays["test_images"], arrays["test_labels"]
    places = np.concatenate([np.flatnonzero(labels == label)[: store.EACH] for label in range(store.CLASSES)])
    buffer = io.BytesIO()
    Image.fromarray(store.sheet_of(images[places])).save(buffer, "PNG", optimize=True)
    return store.add_file(folder, "digits.png", buffer.getvalue()) | {"credit": CREDIT}


def pack_cae(run: str, out: str) -> None:
    """Stores every trained autoencoder in 8 bits."""
    entries = {}
    for name, said in json.loads((Path(run) / "log.json").read_text()).items():
        state = load_file(Path(run) / f"{name}.safetensors")
        entries[name] = store.add_file(Path(out), f"cae-{name}.safetensors", save_safetensors(storage.to_int8(state)))
        entries[name] |= {k: v for k, v in said.items() if k != "progress"}
    store.update(Path(out), "cae", entries)
