"""What a reconstruction costs and how far it is from the original.

Every metric takes two uint8 arrays (H, W, 3) of RGB. Rates and PSNR need numpy only; the others come from
`perceptual`, which loads torch, when they are first asked for.
"""

from codec.metrics.pixels import LPIPS_MIN_SIDE, MS_SSIM_MIN_SIDE, ms_ssim_db, psnr
from codec.rate import bpp

__all__ = ["LPIPS_MIN_SIDE", "MS_SSIM_MIN_SIDE", "bpp", "gmsd", "lpips", "ms_ssim", "ms_ssim_db", "psnr", "vif"]


def __getattr__(name: str):
    # torch takes seconds to import; rates and PSNR need not wait for it.
    if name in ("gmsd", "lpips", "ms_ssim", "vif"):
        from codec.metrics import perceptual

        return getattr(perceptual, name)
    raise AttributeError(f"module 'codec.metrics' has no attribute '{name}'")
