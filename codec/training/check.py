"""Is this machine fit to train on, and how fast? Does it decode what another device encoded?"""

import copy
import importlib.util
import tempfile
import time
from dataclasses import replace

import numpy as np
import torch

from codec.inside.prior import rebuild
from codec.networks.model import CAUTION, CodecModel
from codec.networks.transforms import Synthesis
from codec.networks.trunk import Trunk
from codec.pipeline import Codec, Latent
from codec.training import data as datasets
from codec.training import tables
from codec.training.decoders import Settings, Trainer
from codec.training.export import Z_SUPPORT, trunk_tensors
from codec.weights import default

LEVELS = (20, 90, 200)


def replay(codec: Codec, latent: Latent) -> tuple[bool, torch.Tensor]:
    """Decodes known symbols on the codec's device, as reading a stream does but for the range coder.

    Returns whether every scale index is the one the encoder had, and y_hat in fixed point, float64 (1, C, h, w).
    """
    again = rebuild(codec, latent.z, latent.q, lambda step, mu, index: torch.from_numpy(latent.y[step]))
    same = all(np.array_equal(*pair) for pair in zip(again.index, latent.index, strict=True))
    return same, again.y_hat.cpu()


def on_devices(model: CodecModel, devices: tuple[str, ...]) -> list[tuple[Codec, Synthesis]]:
    """A codec in training as it would be shipped, but for its probability tables, and its g_s, on each device."""
    z_tables = [tables.normalize(np.ones(2 * Z_SUPPORT + 2)) for _ in model.entropy.z_prior.mean]
    tensors = trunk_tensors(model, tables.fit_y(), z_tables)
    return [
        (
            Codec(Trunk.from_tensors(tensors, "00000000", CAUTION, device)),
            copy.deepcopy(model.g_s).to(device).eval().requires_grad_(False),
        )
        for device in devices
    ]


def equality(rgb: np.ndarray, device: str, codecs: list[tuple[Codec, Synthesis]] | None = None) -> bool:
    """Encodes a picture on the CPU and on `device`, decodes each on the other, prints and returns whether all agree.

    The codecs, each with its g_s, are those of the current weights unless they are given.
    """
    if codecs is None:
        codecs = [Codec(default().trunk(device=name)) for name in ("cpu", device)]
        codecs = [(codec, codec.decoder("mse")) for codec in codecs]
    height, width = rgb.shape[:2]
    coder = importlib.util.find_spec("constriction") is not None
    agreed = True
    for (source, _), (target, _) in (codecs, codecs[::-1]):
        for level in LEVELS:
            latent = source.quantise(source.analyse(rgb), level)
            same, y_hat = replay(target, latent)
            same &= torch.equal(y_hat, latent.y_hat.cpu())
            if coder:
                stream = source.write(latent, width, height)
                same &= torch.equal(target.read(stream).y_hat.cpu(), latent.y_hat.cpu())
            one, other = (
                codec.synthesise(moved(latent, codec), g_s, width, height).astype(int) for codec, g_s in codecs
            )
            apart = np.abs(one - other)
            print(
                f"level {level}, encoded on {source.device}, decoded on {target.device}: "
                f"{'every symbol and y_hat the same' if same else 'NOT THE SAME'}"
                f"{'' if coder else ' (without the range coder, which is not installed)'}; pictures differ by at most "
                f"{apart.max()} of 255, in {100 * (apart > 0).mean():.3f} % of the values",
                flush=True,
            )
            agreed &= same
    return agreed


def moved(latent: Latent, codec: Codec) -> Latent:
    """The same latent on the codec's device."""
    return replace(latent, y_hat=latent.y_hat.to(codec.device))


def throughput(settings: Settings, steps: int) -> dict[str, float]:
    """Milliseconds of a training step and of the frozen trunk, and the memory it took; prints them."""
    device = torch.device(settings.device)

    def timed(work, count: int) -> float:
        for i in range(3):
            work(i)
        if device.type == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        for i in range(count):
            work(i)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return 1e3 * (time.perf_counter() - start) / count

    trainer = Trainer(settings)
    crops = datasets.Crops(settings.data)
    cells = settings.crop // 64
    x = crops.sample(np.random.default_rng(0), settings.batch, settings.crop)
    level = torch.full((settings.batch, 1, cells, cells), 100, dtype=torch.uint8)
    row = {"trunk_ms": timed(lambda i: trainer.trunk.encode(x, level), steps)}
    latent, pixels = trainer.trunk.encode(x, level), x.to(device).float().div(255)
    row["step_ms"] = timed(lambda i: trainer.learn(pixels, latent), steps)
    rng = np.random.default_rng(1)
    row["crops_ms"] = timed(lambda i: crops.sample(rng, settings.batch, settings.crop), steps)
    if device.type == "cuda":
        row["memory_gib"] = torch.cuda.max_memory_allocated() / (1 << 30)
    row = {k: round(v, 2) for k, v in row.items()}
    where = f"{settings.device}, {settings.batch} crops of {settings.crop}²{', compiled' if settings.compile else ''}"
    print(f"{settings.decoder} on {where}: {row}", flush=True)
    return row


def check(settings: Settings, steps: int = 10) -> bool:
    """Throughput of one decoder's training and, on another device than the CPU, whether both decode the same."""
    with tempfile.TemporaryDirectory() as folder:
        settings.run = folder
        throughput(settings, steps)
    rgb = datasets.read_rgb(datasets.image_files(settings.validation)[0])
    return equality(rgb, settings.device)
