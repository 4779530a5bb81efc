"""A set to vote on: square crops of a few images, as several methods give them back at the same size in bytes.

As a file it is a ZIP: `setup.json`, and for each image and method `crops/IMAGE-METHOD.webp`, lossless; the original
is the method "original". `read` takes such a file from anybody: every size is limited before anything is unpacked, and
images are decoded in the processes for strangers' images.

What is shown to voters is PNG without metadata. The PNGs of one image all have the same number of bytes, so that a
length says nothing about a method (`evened`).
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image

from codec import baselines
from codec.errors import CodecError
from codec.pictures.load import png_bytes
from codec.pictures.sandbox import read_picture

SIDE = 480  # pixels of a crop, which phones show one to one
ORIGINAL, CATCH = "original", "catch"
FORMAT = 1
#: Every measure that a set can have, and whether more of it is better.
MEASURES = {"psnr": True, "ms_ssim": True, "gmsd": False, "vif": True, "lpips": False, "dists": False}
#: The decoder that a measure was part of the training of; none had another one in its loss.
TRAINED = {"psnr": "mse", "lpips": "hific"}
FOLDER = Path(__file__).with_name("sets")
SHIPPED = FOLDER / "shipped.zip"  # by `python -m codec.vote make-set`

MIN_IMAGES, MAX_IMAGES = 2, 12
MIN_METHODS, MAX_METHODS = 2, 6
MAX_FILE = 30_000_000
MAX_SETUP = 100_000
MAX_CROP = 1_500_000  # 480·480·3 = 691,200 bytes of pixels; lossless WebP is never much larger
MAX_TEXT = 200

NOT_A_SET = "This is not a set for a vote; choose a ZIP file that 'Save the set' has written."
TOO_LARGE = f"A set for a vote has at most {MAX_FILE // 10**6} MB; this file is larger, or claims to be."


class SetError(CodecError):
    """A file that is no set, or a damaged one."""


@dataclass(frozen=True)
class VoteSet:
    """setup: what `setup.json` holds, checked. crops: uint8 (SIDE, SIDE, 3) by (image's index, method or ORIGINAL)."""

    setup: dict
    crops: Mapping[tuple[int, str], np.ndarray]

    @property
    def images(self) -> list[dict]:
        return self.setup["images"]

    @property
    def methods(self) -> list[str]:
        return [method["key"] for method in self.setup["methods"]]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return list(combinations(self.methods, 2))

    @property
    def id(self) -> str:
        """The same for the same pixels and setup, however they are packed: rooms with it can be pooled."""
        digest = hashlib.sha256(json.dumps(self.setup, sort_keys=True).encode())
        for key in sorted(self.crops):
            digest.update(repr(key).encode() + self.crops[key].tobytes())
        return digest.hexdigest()[:32]


def catch(original: np.ndarray) -> np.ndarray:
    """What nobody who looks takes for the original: JPEG at quality 1."""
    return baselines.decode(baselines.encode(original, "jpeg", 1))


# --- for voters ---------------------------------------------------------------------------------------------


def pngs(voted: VoteSet) -> dict[tuple[int, str], bytes]:
    """The PNG of every crop, and of every image's CATCH; those of one image are equally long."""
    encoded = {}
    for image in range(len(voted.images)):
        crops = {key: voted.crops[image, key] for key in (ORIGINAL, *voted.methods)}
        crops[CATCH] = catch(crops[ORIGINAL])
        for key, data in evened({key: png_bytes(rgb) for key, rgb in crops.items()}).items():
            encoded[image, key] = data
    return encoded


def evened(files: dict[str, bytes]) -> dict[str, bytes]:
    """PNG files with a chunk of padding before the end, so that all have the length of the longest."""
    end = b"\0\0\0\0IEND\xaeB`\x82"
    longest = max(map(len, files.values())) + 12
    padded = {}
    for key, data in files.items():
        body = np.random.default_rng(0).bytes(longest - len(data) - 12)  # noise, which no proxy compresses
        kind = b"paDd"  # ancillary, private, safe to copy: readers pass it over
        chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        padded[key] = data.removesuffix(end) + chunk + end
    return padded


# --- files --------------------------------------------------------------------------------------------------


def write(voted: VoteSet, method: int = 2) -> bytes:
    """The set as a ZIP file. method: 0…6 of WebP; the higher, the smaller and slower, without other pixels."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        _add(file, "setup.json", json.dumps(voted.setup, indent=1, ensure_ascii=False).encode())
        for image, key in sorted(voted.crops):
            crop = io.BytesIO()
            Image.fromarray(voted.crops[image, key]).save(crop, "WEBP", lossless=True, quality=100, method=method)
            _add(file, crop_name(image, key), crop.getvalue())
    return buffer.getvalue()


def _add(file: zipfile.ZipFile, name: str, data: bytes) -> None:
    file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)


def crop_name(image: int, key: str) -> str:
    return f"crops/{image}-{key}.webp"


def read(data: bytes) -> VoteSet:
    """The set in the bytes of a file from anybody. Raises SetError with one sentence."""
    if len(data) > MAX_FILE:
        raise SetError(TOO_LARGE)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            setup = checked(json.loads(_member(file, "setup.json", MAX_SETUP)))
            keys = [
                (i, k) for i in range(len(setup["images"])) for k in (ORIGINAL, *(m["key"] for m in setup["methods"]))
            ]
            if sorted(file.namelist()) != sorted(["setup.json", *(crop_name(*key) for key in keys)]):
                raise SetError(NOT_A_SET)
            packed = {key: _member(file, crop_name(*key), MAX_CROP) for key in keys}
    except SetError:
        raise
    except Exception as error:  # zipfile raises a dozen kinds for damaged files
        raise SetError(NOT_A_SET) from error
    crops = {}
    for key, member in packed.items():
        crops[key] = read_picture(member, max_pixels=SIDE * SIDE).rgb
        if crops[key].shape != (SIDE, SIDE, 3):
            raise SetError(f"A crop in this set is not of {SIDE}×{SIDE} pixels; prepare the set again.")
    return VoteSet(setup, crops)


def _member(file: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """A member of at most `limit` bytes, whatever its header claims."""
    with file.open(name) as member:
        data = member.read(limit + 1)
    if len(data) > limit:
        raise SetError(TOO_LARGE)
    return data


def checked(setup: object) -> dict:
    """A setup with the fields that are known and no others. Raises SetError, or what a wrong type gives."""
    if not isinstance(setup, dict) or setup.get("format") != FORMAT:
        raise SetError(NOT_A_SET)
    methods = [{"key": _key(m["key"]), "title": _text(m["title"])} for m in setup["methods"]]
    keys = [m["key"] for m in methods]
    images = []
    for image in setup["images"]:
        renditions = {}
        for key in keys:
            given = image["renditions"][key]
            renditions[key] = {
                "bytes": int(_number(given["bytes"])),
                "setting": _text(given["setting"]),
                "measures": {_key(k): _number(v) for k, v in sorted(given["measures"].items())[:12]},
            }
        sizes = {name: int(_number(image[name])) for name in ("width", "height", "left", "top")}
        images.append({"name": _text(image["name"]), **sizes, "renditions": renditions})
    if len(set(keys)) != len(keys) or {ORIGINAL, CATCH} & set(keys):
        raise SetError(NOT_A_SET)
    if not (MIN_METHODS <= len(keys) <= MAX_METHODS and MIN_IMAGES <= len(images) <= MAX_IMAGES):
        raise SetError(f"A set has {MIN_IMAGES} to {MAX_IMAGES} images and {MIN_METHODS} to {MAX_METHODS} methods.")
    texts = {name: _text(setup[name]) for name in ("preset", "weights", "created")}
    return {"format": FORMAT, **texts, "bpp": _number(setup["bpp"]), "methods": methods, "images": images}


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
        raise SetError(NOT_A_SET)
    return value


def _key(value: object) -> str:
    if not isinstance(value, str) or len(value) > 40 or not re.fullmatch(r"[a-z0-9_@.-]+", value):
        raise SetError(NOT_A_SET)
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or abs(value) > 1e12:
        raise SetError(NOT_A_SET)
    return value
