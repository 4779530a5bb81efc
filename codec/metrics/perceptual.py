"""The metrics that need torch: MS-SSIM, GMSD and VIF, and LPIPS on its networks in `alexnet`."""

import numpy as np
import torch
from pytorch_msssim import ms_ssim as by_library
from torch import Tensor

from codec.metrics.pixels import LPIPS_MIN_SIDE, MS_SSIM_MIN_SIDE


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float | None:
    """Multi-scale structural similarity, 0…1 (Wang, Simoncelli and Bovik, Asilomar 2003), 1 for equal pictures.

    Five scales, window 11 with deviation 1.5, the mean over R, G and B, as learned compression reports it.
    None where a side has fewer than MS_SSIM_MIN_SIDE pixels: there it is not defined, and a smaller window
    would give a number of another scale. Raises ValueError as `psnr` does, and for other than three colours.
    """
    _check_rgb(a, b, "MS-SSIM")
    if min(a.shape[:2]) < MS_SSIM_MIN_SIDE:
        return None
    with torch.inference_mode():
        return float(by_library(_batch(a), _batch(b), data_range=255))


def lpips(a: np.ndarray, b: np.ndarray) -> float | None:
    """LPIPS v0.1 with AlexNet (Zhang et al., CVPR 2018), 0 for equal pictures; see `codec.metrics.alexnet`.

    None where a side has fewer than LPIPS_MIN_SIDE pixels, which AlexNet's strides leave nothing of. Raises
    ValueError as `ms_ssim` does, and WeightsError where its weights are missing or damaged.
    """
    _check_rgb(a, b, "LPIPS")
    if min(a.shape[:2]) < LPIPS_MIN_SIDE:
        return None
    from codec.metrics import alexnet  # a second of torchvision: when the first LPIPS is computed

    with torch.inference_mode():
        return float(alexnet.load()(_batch(a) / 127.5 - 1, _batch(b) / 127.5 - 1))


def gmsd(a: np.ndarray, b: np.ndarray) -> float:
    """Gradient magnitude similarity deviation of luma (Xue et al., IEEE TIP 2014), 0 for equal pictures; no unit.

    It has no trained part. Raises ValueError as `ms_ssim` does.
    """
    return _by_piq("gmsd", "GMSD", a, b)


def vif(a: np.ndarray, b: np.ndarray) -> float:
    """Visual information fidelity of luma, in the pixel domain (Sheikh and Bovik, IEEE TIP 2006); 1 for equal pictures.

    It has no trained part. a: the original. Raises ValueError as `ms_ssim` does, and for sides below 41 pixels.
    """
    return _by_piq("vif_p", "VIF", a, b)


def _by_piq(name: str, title: str, a: np.ndarray, b: np.ndarray) -> float:
    _check_rgb(a, b, title)
    import piq  # when a vote is prepared: nothing else needs it

    with torch.inference_mode():
        # Its first argument is what was made of the second: VIF is not symmetric.
        return float(getattr(piq, name)(_batch(b), _batch(a), data_range=255.0))


def _check_rgb(a: np.ndarray, b: np.ndarray, name: str) -> None:
    if not all(isinstance(x, np.ndarray) and x.dtype == np.uint8 and x.ndim == 3 and x.shape[2] == 3 for x in (a, b)):
        raise ValueError(f"{name} is defined here for two uint8 arrays of height × width × 3.")
    if a.shape != b.shape:
        raise ValueError(f"{name} needs two pictures of one size, not {a.shape} and {b.shape}.")


def _batch(rgb: np.ndarray) -> Tensor:
    """uint8 (H, W, 3) -> float32 (1, 3, H, W), 0…255."""
    return torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float().contiguous()
