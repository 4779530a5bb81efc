"""Packs what a training needs into small folders, for a machine that has nothing but PyTorch."""

import random
import shutil
from pathlib import Path

from PIL import Image
from safetensors.torch import load_file, save_file

from codec.training import data as datasets
from codec.training import storing, vgg

MIB = 1 << 20


def pack(
    data: str,
    validation: str,
    out: str,
    backbones: str = "",
    mib: str = "40",
    images: int = 12,
    eight_bit: bool = False,
    seed: int = 0,
) -> None:
    """Fills OUT/0, OUT/1… with disjoint random parts of the training pictures, as many MiB each as `mib` says.

    OUT/0 also gets validation/, `images` of the held-out ones, spread over all, without loss, and backbones/, if
    `backbones` names their folder; `eight_bit` halves that, at features that are off by 2 %.
    """
    folder = Path(out)
    if folder.exists():
        shutil.rmtree(folder)
    files = datasets.image_files(data)
    random.Random(seed).shuffle(files)
    for number, limit in enumerate(float(m) * MIB for m in mib.split(",")):
        used = count = 0
        while files and used + files[-1].stat().st_size <= limit:
            file = files.pop()
            target = folder / str(number) / "train" / file.parent.name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
            used, count = used + file.stat().st_size, count + 1
        print(f"{folder / str(number)}: {count} pictures, {used / MIB:.1f} MiB")
    print(f"{len(files)} pictures are in no part")
    first = folder / "0"
    (first / "validation").mkdir(parents=True)
    held_out = datasets.image_files(validation)
    for file in held_out[:: max(1, len(held_out) // images)][:images]:
        target = first / "validation" / (file.stem + ".webp")
        Image.fromarray(datasets.read_rgb(file)).save(target, "WEBP", lossless=True, method=6)
    if backbones:
        (first / "backbones").mkdir()
        source, target = Path(backbones) / vgg.FILE, first / "backbones" / vgg.FILE
        if eight_bit:
            save_file(storing.to_int8(load_file(source)), target)
        else:
            shutil.copyfile(source, target)
    for part in sorted(first.iterdir()):
        size = sum(f.stat().st_size for f in part.rglob("*") if f.is_file())
        print(f"{part}: {size / MIB:.1f} MiB")
