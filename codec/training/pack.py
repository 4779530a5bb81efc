"""Packs what a decoder's training needs into one small folder, for a machine that has nothing but PyTorch."""

import io
import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.torch import load_file, save_file

from codec.training import data as datasets
from codec.training import storing, vgg

MIB = 1 << 20


def tile_bytes(tile: np.ndarray, quality: int) -> bytes:
    """JPEG, 4:4:4: colours at full resolution, as the training images have them."""
    buffer = io.BytesIO()
    Image.fromarray(tile).save(buffer, "JPEG", quality=quality, subsampling=0, optimize=True)
    return buffer.getvalue()


def pack(
    data: str,
    validation: str,
    out: str,
    backbones: str = "",
    mib: float = 24.0,
    tile: int = 384,
    quality: int = 95,
    images: int = 12,
    eight_bit: bool = False,
    seed: int = 0,
    down_weight: str = "bsds500=0.3",
) -> dict[str, int]:
    """Fills OUT/train, OUT/validation and, if `backbones` names their folder, OUT/backbones; returns their bytes.

    train: `mib` of random tiles, drawn as a training draws its crops (same weights and scales), flips included.
    validation: `images` of the held-out ones, spread over all, without loss. backbones: `eight_bit` halves them, at
    features that are off by 2 %, and distances by 0.2 %. Each part can be carried alone.
    """
    folder = Path(out)
    for part in ("train", "validation", "backbones"):
        if (folder / part).exists():
            shutil.rmtree(folder / part)
    (folder / "train" / "tiles").mkdir(parents=True)
    (folder / "validation").mkdir(parents=True)
    crops = datasets.Crops(data, {k: float(v) for k, v in (kv.split("=") for kv in down_weight.split(",") if kv)})
    rng, used, count = np.random.default_rng(seed), 0, 0
    while True:
        picture = crops.sample(rng, 1, tile)[0].permute(1, 2, 0).numpy()
        content = tile_bytes(picture, quality)
        if used + len(content) > mib * MIB:
            break
        (folder / "train" / "tiles" / f"{count:05d}.jpg").write_bytes(content)
        used, count = used + len(content), count + 1
    files = datasets.image_files(validation)
    for file in files[:: max(1, len(files) // images)][:images]:
        target = folder / "validation" / (file.stem + ".webp")
        Image.fromarray(datasets.read_rgb(file)).save(target, "WEBP", lossless=True, method=6)
    if backbones:
        (folder / "backbones").mkdir()
        source, target = Path(backbones) / vgg.FILE, folder / "backbones" / vgg.FILE
        if eight_bit:
            save_file(storing.to_int8(load_file(source)), target)
        else:
            shutil.copyfile(source, target)
    sizes = {p.name: sum(f.stat().st_size for f in p.rglob("*") if f.is_file()) for p in sorted(folder.iterdir())}
    print(f"{count} tiles of {tile}²; " + ", ".join(f"{k} {v / MIB:.1f} MiB" for k, v in sizes.items()))
    print(f"together {sum(sizes.values()) / MIB:.1f} MiB in '{out}'")
    return sizes
