"""From the colours of an opened picture to sRGB: those that its file declares, its ICC profile, CMYK and Lab."""

from __future__ import annotations

import io
from contextlib import suppress

import numpy as np
from PIL import Image, ImageCms

from codec.errors import ImageError
from codec.pictures import colour, declarations
from codec.pictures.files import DAMAGED, pillow_errors

_BAD_PROFILE = "Its ICC profile could not be read and was ignored."


def declared_colour(image: Image.Image, data: bytes, bits: int, notes: list[str]) -> colour.Colour | None:
    """The colour that the file declares, where it is for `colour.to_srgb` to convert; None where it is sRGB, or where
    LittleCMS converts it by its profile, in 8 bits. In `image.info` only a profile that counts is left, and that of a
    BMP is put there."""
    profile = image.info.get("icc_profile")
    declared = None
    if image.format == "PNG" and data:
        if profile and declarations.png_has_cicp(data):
            del image.info["icc_profile"]
            profile = None
        elif profile and not _is_profile(profile):  # what the other chunks say holds then
            notes.append(_BAD_PROFILE)
            del image.info["icc_profile"]
            profile = None
        if not profile:
            declared = declarations.of_png(data)
    elif image.format in ("AVIF", "HEIF") and data and not profile:
        declared = declarations.of_iso(data)
    elif image.format == "BMP":
        with pillow_errors(DAMAGED):
            profile = declarations.bmp_profile(data)
        if profile:
            image.info["icc_profile"] = profile
    if profile and bits > 8 and image.format in ("PNG", "TIFF"):
        declared = declarations.of_profile(profile)
    return None if declared is None or declared.plain else declared


def _is_profile(profile: bytes) -> bool:
    with suppress(Exception):
        ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return True
    return False


def in_declared_colour(
    base: Image.Image, declared: colour.Colour, deep: np.ndarray | None, bits: int, notes: list[str]
) -> Image.Image | None:
    """`base` (grey or RGB) in sRGB; None for samples that are neither."""
    if base.mode == "1":
        base = base.convert("L")
    samples = np.asarray(base)
    if base.mode.startswith("I;16") and bits == 16:
        samples = samples.astype(np.uint16)
    elif base.mode == "P":
        samples = np.asarray(base.convert("RGB"))
    elif base.mode not in ("L", "RGB"):
        return None
    elif deep is not None and deep.shape[:2] == samples.shape[:2] and samples.ndim == 3:
        samples = deep[..., :3]
    if bits > 8:
        notes.append(f"{bits}-bit samples were scaled to 8 bits.")
    if declared.hdr:
        notes.append(f"Its HDR brightness ({declared.hdr}) was tone-mapped: {colour.WHITE_NITS:g} nits are white.")
    notes.append(f"Converted from {declared.name} to sRGB.")
    return Image.fromarray(colour.to_srgb(samples, declared))


def to_srgb(image: Image.Image, info: dict, notes: list[str]) -> Image.Image:
    """Mode RGB, through the embedded ICC profile in `info` where there is one that fits."""
    if image.mode == "CMYK":
        notes.append("Converted from CMYK.")
    elif image.mode == "LAB":
        notes.append("Converted from Lab colours.")
    elif image.mode not in ("L", "RGB"):
        with pillow_errors(DAMAGED):
            image = image.convert("L" if image.mode == "1" else "RGB")
    if "icc_profile" in info and image.mode != "LAB":  # Lab is absolute: its profile says nothing more
        try:
            return _through_profile(image, info["icc_profile"], notes)
        except ImageError:
            notes.append(_BAD_PROFILE)
    with pillow_errors(DAMAGED):
        return image if image.mode == "RGB" else image.convert("RGB")


def _through_profile(image: Image.Image, profile: bytes, notes: list[str]) -> Image.Image:
    """`image` (L, RGB or CMYK) as sRGB. ImageError where the profile is damaged or for other pixels."""
    with pillow_errors(_BAD_PROFILE):
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        name = " ".join(ImageCms.getProfileDescription(source).split())[:80] or "unnamed"
        if space == "RGB" and image.mode == "L":  # grey files tagged with an RGB profile are common
            image = image.convert("RGB")
        if {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(space) != image.mode:
            raise ImageError(_BAD_PROFILE)
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            image.mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    if _changes_nothing(transform, image.mode):
        return image.convert("RGB")
    with pillow_errors(_BAD_PROFILE):
        converted = ImageCms.applyTransform(image, transform)
    notes.append(f"Converted from its ICC profile '{name}' to sRGB.")
    return converted


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a profile is sRGB by its effect; names mislead both ways ("c2", "sRGB-elle-V2-g10")."""
    if mode == "CMYK":
        return False
    levels = np.arange(0, 256, 15, dtype=np.uint8)  # 0 and 255 are among them
    colours = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
    if mode == "L":
        colours = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    probe = Image.fromarray(colours[..., 0] if mode == "L" else colours)
    with pillow_errors(_BAD_PROFILE):
        result = np.asarray(ImageCms.applyTransform(probe, transform))
    return int(np.abs(result.astype(int) - colours).max()) <= 2  # the roundings of two transfer curves
