"""attention-2021: residual blocks with GDN and attention, trained for three measures at once.

After Iwai et al., "Fidelity-controllable extreme image compression with generative adversarial networks", ICPR 2020,
without the GAN, and Cheng et al., "Learned image compression with discretized Gaussian mixture likelihoods and
attention modules", CVPR 2020, for the attention; narrower.

    x ── block s2 ─ block ─ attention ─ block s2 ─ block ─ block s2 ─ attention ─ conv s2 ─► y, 1/16
    y_hat = round(y), y + noise in training ─► one probability table for each channel ─► range coder
    x_hat ◄── the mirror image, with IGDN, and sub-pixel convolutions in place of strides ── y_hat

The loss is λ_d·(w1·MAE + w2·(1 - MS-SSIM) + w3·LPIPS) + λ_R·R. The entropy model is factorized: it knows the channel of
a symbol and nothing else, which the hyperpriors of the same years improved on. A linear path runs beside the networks
(`linear`).
"""

import functools

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec.classroom import store
from codec.classroom.history import container
from codec.classroom.history.linear import Linear
from codec.entropy.range_coder import Decoder, Encoder, TableSet
from codec.entropy.tables import TOTAL, bit_costs
from codec.errors import CodecError, StreamError
from codec.networks.hyperprior import LogisticMixture

NAME = "attention-2021"
STRIDE = 16
WIDTHS = (24, 48, 96)  # at 1/2, 1/4 and 1/8 of the resolution
CHANNELS = 96  # of y
SCALE = 3.0  # of the linear path's components, for images in [0, 1]
BOUND = 100.0  # of what an IGDN takes
SUPPORT = 48  # symbols beyond ±SUPPORT are escapes
#: The networks that are shipped, by their number in files: λ_R, and whether all three measures are in the loss.
VARIANTS = {"low": (8.0, True), "middle": (4.0, True), "high": (2.0, True), "mse": (4.0, False)}
RESCALED = {"low": 0.7, "high": 1.4}  # y, where they go on from another


class GDN(nn.Module):
    """x / sqrt(β + Σ γ·x²), or x·sqrt(…) where it is inverse (Ballé et al., ICLR 2016)."""

    def __init__(self, channels: int, inverse: bool = False):
        super().__init__()
        self.inverse = inverse
        self.beta = nn.Parameter(torch.ones(channels))
        self.gamma = nn.Parameter(0.1 * torch.eye(channels))

    def forward(self, x: Tensor) -> Tensor:
        if self.inverse:  # each multiplies what the one before has multiplied: an outlier would grow without bounds
            x = x.clamp(-BOUND, BOUND)
        norm = F.conv2d(x.square(), self.gamma.abs()[..., None, None], self.beta.abs() + 1e-6)
        return x * (norm.sqrt() if self.inverse else norm.rsqrt())


class Block(nn.Module):
    """Two convolutions, each followed by (I)GDN, and a skip; (B, C, H, W) -> (B, out, H/s, W/s)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, inverse: bool = False):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1)
        self.norm1 = GDN(outputs, inverse)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.norm2 = GDN(outputs, inverse)
        same = stride == 1 and inputs == outputs
        # A 1×1 convolution of stride 2 looks at every fourth pixel only, and PyTorch 2.14's gradient of it crashes.
        self.skip = nn.Identity() if same else nn.Sequential(nn.AvgPool2d(stride), nn.Conv2d(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(x) + self.norm2(self.conv2(F.leaky_relu(self.norm1(self.conv1(x)))))


class Up(nn.Module):
    """A convolution whose channels become pixels (Shi et al. 2016), with a skip; (B, C, H, W) -> (B, out, 2H, 2W)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv = nn.Conv2d(inputs, 4 * outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, 4 * outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(F.leaky_relu(self.conv(x)) + self.skip(x), 2)


class Attention(nn.Module):
    """x times a mask in (0, 1) that a convolution makes of it, plus x."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def mask(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.conv(x))

    def forward(self, x: Tensor) -> Tensor:
        return x + x * self.mask(x)


class Network(nn.Module):
    """g_a, g_s and the entropy model. Images are in [0, 1]."""

    def __init__(self):
        super().__init__()
        (a, b, c), inverse = WIDTHS, {"inverse": True}
        self.g_a = nn.Sequential(
            *(Block(3, a, 2), Block(a, a), Attention(a), Block(a, b, 2), Block(b, b), Block(b, c, 2), Block(c, c)),
            *(Attention(c), nn.Conv2d(c, CHANNELS, 3, 2, padding=1), nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)),
        )
        self.g_s = nn.Sequential(
            *(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), Up(CHANNELS, c), Attention(c), Block(c, c, **inverse)),
            *(Up(c, b), Block(b, b, **inverse), Block(b, b, **inverse), Up(b, a), Attention(a)),
            *(Block(a, a, **inverse), Up(a, a // 2), nn.Conv2d(a // 2, 3, 3, padding=1)),
        )
        self.linear = Linear(STRIDE, CHANNELS)
        self.prior = LogisticMixture(CHANNELS)
        for last in (self.g_a[-1], self.g_s[-1]):
            nn.init.zeros_(last.weight)

    @torch.no_grad()
    def begin(self, x: Tensor) -> None:
        """Fits the linear path, and the prior to its components, to crops x (B, 3, H, W)."""
        self.linear.fit(x, SCALE)
        scale = self.linear.analyse(x).std((0, 2, 3)).clamp(min=0.1)
        self.prior.mean.mul_(scale[:, None])
        self.prior.log_scale.copy_((0.4 * scale).log()[:, None].expand_as(self.prior.log_scale))

    @torch.no_grad()
    def rescale(self, factor: float) -> None:
        """y becomes `factor` times as large and means the same: where the training for another rate begins."""
        for first in (self.g_a[-1].weight, self.g_a[-1].bias, self.linear.down.weight, self.linear.down.bias):
            first.mul_(factor)
        for last in (self.g_s[0].weight, self.linear.up.weight):
            last.div_(factor)
        self.prior.mean.mul_(factor)
        self.prior.log_scale.add_(np.log(factor))

    def analyse(self, x: Tensor) -> Tensor:
        """x (B, 3, H, W) -> y (B, 96, H/16, W/16)."""
        return self.g_a(2 * x - 1) + self.linear.analyse(x)

    def synthesise(self, y_hat: Tensor) -> Tensor:
        """y_hat -> x_hat (B, 3, 16h, 16w), not clipped."""
        return self.g_s(y_hat) / 2 + self.linear.synthesise(y_hat)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x -> x_hat, and the bits of each symbol; with noise for rounding in training."""
        y = self.analyse(x).float()
        y_hat = y + torch.rand_like(y) - 0.5 if self.training else torch.round(y)
        return self.synthesise(y_hat), self.prior.bits(y_hat)


def tables_of(prior: LogisticMixture) -> np.ndarray:
    """int64 (96, 2·SUPPORT + 2): the probability of every symbol of a channel and of the escape, of sum TOTAL."""
    symbols = torch.arange(-SUPPORT, SUPPORT + 1).float().view(1, 1, -1, 1).expand(1, CHANNELS, -1, 1)
    with torch.no_grad():
        p = 2.0 ** -prior.bits(symbols)[0, :, :, 0].double().numpy()
    p = np.concatenate([p, np.maximum(1 - p.sum(1, keepdims=True), 1e-6)], 1)
    counts = 1 + np.floor(p / p.sum(1, keepdims=True) * (TOTAL - p.shape[1])).astype(np.int64)
    counts[np.arange(CHANNELS), counts.argmax(1)] += TOTAL - counts.sum(1)
    return counts


@functools.cache
def load(variant: str = "middle") -> tuple[Network, TableSet]:
    """A network that is shipped, and its probability tables. Raises WeightsError."""
    net, tensors = Network(), store.tensors(NAME, variant)
    tables = tensors.pop("tables").long().numpy()  # made once, with the weights: floats round otherwise elsewhere
    net.load_state_dict(tensors)
    return net.eval().requires_grad_(False), TableSet([*tables])


@torch.inference_mode()
def latents(rgb: np.ndarray, net: Network) -> np.ndarray:
    """uint8 (H, W, 3) -> y_hat int32 (96, h, w)."""
    pad = [(0, -rgb.shape[0] % STRIDE), (0, -rgb.shape[1] % STRIDE), (0, 0)]
    x = torch.from_numpy(np.pad(rgb, pad, mode="edge")).permute(2, 0, 1)[None].float() / 255
    return torch.round(net.analyse(x))[0].clamp(-(2**20), 2**20).int().numpy()


@torch.inference_mode()
def masks(rgb: np.ndarray, variant: str = "middle") -> list[np.ndarray]:
    """The masks of the four attention modules for uint8 (H, W, 3), each the mean over its channels, (h, w) in (0, 1).

    Two lie on the way to y, at 1/2 and 1/8 of the resolution, and two on the way back.
    """
    (net, _), maps = load(variant), []
    modules = [module for module in net.modules() if isinstance(module, Attention)]

    def keep(module: Attention, inputs: tuple[Tensor], output: Tensor) -> None:
        maps.append(module.mask(inputs[0])[0].mean(0).numpy())

    hooks = [module.register_forward_hook(keep) for module in modules]
    try:
        net.synthesise(torch.from_numpy(latents(rgb, net)).float()[None])
    finally:
        for hook in hooks:
            hook.remove()
    return maps


def channel_of(shape: tuple[int, ...]) -> np.ndarray:
    """The channel of every element of an array (96, h, w), flat: the number of its table."""
    return np.repeat(np.arange(CHANNELS, dtype=np.uint8), shape[1] * shape[2])


def bits(y_hat: np.ndarray, tables: TableSet) -> float:
    """What the tables say that y_hat takes."""
    costs = bit_costs(tables.tables)
    widest = costs.shape[1] // 2
    return float(costs[channel_of(y_hat.shape), y_hat.ravel().clip(-widest, widest) + widest].sum(dtype=np.float64))


def compress(rgb: np.ndarray, *, variant: str = "middle") -> bytes:
    """uint8 (H, W, 3) -> the file; `variant` has the rate. Raises CodecError, WeightsError."""
    if variant not in VARIANTS:
        raise CodecError(f"{NAME} has the networks {', '.join(VARIANTS)}.")
    container.check_size(rgb.shape[1], rgb.shape[0])
    (net, tables), coder = load(variant), Encoder()
    y_hat = latents(rgb, net)
    coder.put(y_hat.ravel(), channel_of(y_hat.shape), tables)
    return container.write(NAME, [*VARIANTS].index(variant), rgb.shape[1], rgb.shape[0], [coder.finish()])


def symbols_of(stream: container.Container) -> np.ndarray:
    """A parsed file -> y_hat, int32 (96, h, w), the same on every machine. Raises StreamError, WeightsError."""
    if stream.variant >= len(VARIANTS) or len(stream.segments) != 1 or stream.cut:
        raise StreamError(f"{container.DAMAGED}: it is not whole.")
    _, tables = load([*VARIANTS][stream.variant])
    shape = CHANNELS, -(-stream.height // STRIDE), -(-stream.width // STRIDE)
    return Decoder(stream.segments[0]).get(channel_of(shape), tables).reshape(shape)


@torch.inference_mode()
def decompress(data: bytes) -> np.ndarray:
    """A file -> uint8 (H, W, 3). Raises StreamError, WeightsError."""
    stream = container.read(data)
    y_hat, (net, _) = symbols_of(stream), load([*VARIANTS][stream.variant])
    x_hat = net.synthesise(torch.from_numpy(y_hat).float()[None])[0, :, : stream.height, : stream.width]
    return (x_hat.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
