"""Is this machine fit to train on, and how fast? Does it decode what another device encoded?"""

import importlib.util
import tempfile
import time

import numpy as np
import torch

from codec import bitstream
from codec import weights as registry
from codec.entropy.integer import ONE, scatter, upsample
from codec.pipeline import Codec, Latent
from codec.spec import STEPS
from codec.training import data as datasets
from codec.training.decoders import Settings, Trainer

LEVELS = (20, 90, 200)


@torch.inference_mode()
def replay(codec: Codec, symbols: Latent) -> tuple[bool, torch.Tensor]:
    """Decodes known symbols on the codec's device, as reading a stream does but for the range coder.

    Returns whether every scale index is the one the encoder had, and y_hat in fixed point, float64 (1, C, h, w).
    """
    device, entropy, same = codec.device, codec.trunk.entropy, True
    level64 = torch.from_numpy(symbols.q.copy()).to(device)[None, None]
    level16 = upsample(level64)
    psi = entropy.psi(torch.from_numpy(symbols.z).to(device)[None], level64)
    y_hat = torch.zeros(symbols.y_hat.shape, dtype=torch.float64, device=device)
    for step in range(STEPS):
        mu, index = entropy.step(step, psi, level16, y_hat)
        same &= np.array_equal(index.flatten().cpu().numpy(), symbols.index[step])
        q = torch.from_numpy(symbols.y[step]).to(device).view(mu.shape)
        scatter(y_hat, step, q.double() * ONE + mu)
    return same, y_hat.cpu()


def equality(rgb: np.ndarray, device: str) -> bool:
    """Encodes a picture on the CPU and on `device`, decodes each on the other, prints and returns whether all agree."""
    codecs = [Codec(registry.load_trunk(device=name), name) for name in ("cpu", device)]
    height, width = rgb.shape[:2]
    coder = importlib.util.find_spec("constriction") is not None
    agreed = True
    for source, target in (codecs, codecs[::-1]):
        for level in LEVELS:
            symbols = source.quantise(source.analyse(rgb), level)
            same, y_hat = replay(target, symbols)
            same &= torch.equal(y_hat, symbols.y_hat.cpu())
            if coder:
                stream = bitstream.read(source.write(symbols, width, height))
                same &= torch.equal(target.read(stream).y_hat.cpu(), symbols.y_hat.cpu())
            one, other = (
                codec.synthesise(symbols_on(symbols, codec), codec.decoder("mse"), width, height).astype(int)
                for codec in codecs
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


def symbols_on(symbols: Latent, codec: Codec) -> Latent:
    return Latent(symbols.z, symbols.y, symbols.index, symbols.y_hat.to(codec.device), symbols.q)


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
    found = {"trunk_ms": timed(lambda i: trainer.trunk.encode(x, level), steps)}
    latent, pixels = trainer.trunk.encode(x, level), x.to(device).float().div(255)
    found["step_ms"] = timed(lambda i: trainer.step(pixels, latent), steps)
    rng = np.random.default_rng(1)
    found["crops_ms"] = timed(lambda i: crops.sample(rng, settings.batch, settings.crop), steps)
    if device.type == "cuda":
        found["memory_gib"] = torch.cuda.max_memory_allocated() / (1 << 30)
    found = {k: round(v, 2) for k, v in found.items()}
    where = f"{settings.device}, {settings.batch} crops of {settings.crop}²{', compiled' if settings.compile else ''}"
    print(f"{settings.decoder} on {where}: {found}", flush=True)
    return found


def check(settings: Settings, steps: int = 10) -> bool:
    """Throughput of one decoder's training and, on another device than the CPU, whether both decode the same."""
    with tempfile.TemporaryDirectory() as folder:
        settings.run = folder
        throughput(settings, steps)
    rgb = datasets.read_rgb(datasets.image_files(settings.validation)[0])
    return equality(rgb, settings.device)
