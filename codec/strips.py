"""Runs the transforms over large pictures strip by strip, from top to bottom, so that memory stays bounded.

Each convolution keeps the last rows of its input until the next strip brings what lies below them. Nothing is computed
twice, there is no seam, and the maps of a strip fit into the cache. A layer's output lags a row behind its input, so a
residual block keeps its input until its branch has caught up.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec.networks.layers import Conv, ResidualBlock, act, asinh
from codec.networks.transforms import PATCH, Y_UNIT, Analysis, Synthesis
from codec.spec import REGION

WHOLE_PIXELS = 2_500_000  # a picture of at most this size goes in one piece
ANALYSED, SYNTHESISED = 500_000, 1_000_000  # pixels of a strip, about; sums, and so streams, depend on the former

Layer = Callable[[Tensor, bool], Tensor]  # the next rows, and whether they are the last -> the rows that are done


def strip_rows(width: int, height: int, strip: int | None, pixels: int) -> int:
    """Rows of latents in a strip of a padded picture, of about `pixels`; `strip` asks for a height in pixels."""
    if strip is not None:
        return max(1, strip // PATCH)
    return height // PATCH if width * height <= WHOLE_PIXELS else max(1, pixels // (width * PATCH))


def channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def joined(above: Tensor | None, below: Tensor) -> Tensor:
    return below if above is None or not above.shape[2] else torch.cat([above, below], 2)


# --- layers that are fed strips -----------------------------------------------------------------------------


def convolution(conv: Conv) -> Layer:
    """A 3×3 convolution of stride 1 or 2; the strips of one of stride 2 have an even number of rows in all."""
    stride, kept = conv.stride[0], None

    def run(x: Tensor, last: bool) -> Tensor:
        nonlocal kept
        if kept is None and last:
            return conv(x)
        x = F.pad(x, (0, 0, 1, 0)) if kept is None else torch.cat([kept, x], 2)
        if last and stride == 1:
            x = F.pad(x, (0, 0, 0, 1))
        count = max(0, (x.shape[2] - 3) // stride + 1)
        kept = x[:, :, count * stride :]
        if not count:
            return x.new_empty(1, conv.out_channels, 0, x.shape[3] // stride)
        x = channels_last(x[:, :, : (count - 1) * stride + 3])
        return conv.padded(x, 0)

    return run


def added(branch: Layer, straight: Callable[[Tensor], Tensor] = lambda x: x) -> Layer:
    """straight(x) + branch(x), where straight works row by row."""
    waiting = None

    def run(x: Tensor, last: bool) -> Tensor:
        nonlocal waiting
        done, waiting = branch(x, last), joined(waiting, straight(x))
        total = waiting[:, :, : done.shape[2]] + done
        waiting = waiting[:, :, done.shape[2] :]
        return total

    return run


def residual(block: ResidualBlock) -> Layer:
    first, second = convolution(block.conv1), convolution(block.conv2)
    return added(lambda x, last: second(act(first(act(x), last)), last))


def chain(*layers: Layer) -> Layer:
    def run(x: Tensor, last: bool) -> Tensor:
        for layer in layers:
            x = layer(x, last)
        return x

    return run


def stage(blocks: nn.Sequential) -> Layer:
    return chain(*map(residual, blocks))


def rowwise(work: Callable[[Tensor], Tensor]) -> Layer:
    return lambda x, last: work(x)


# --- g_a ----------------------------------------------------------------------------------------------------


def analysis(g_a: Analysis) -> Layer:
    """`Analysis.forward`, fed strips of x whose heights are multiples of 16."""
    activated = rowwise(act)
    network = chain(
        rowwise(lambda x: F.pixel_unshuffle(2 * x - 1, 4)),
        *(convolution(g_a.head), stage(g_a.res4), activated, convolution(g_a.down8)),
        *(stage(g_a.res8), activated, convolution(g_a.down16), stage(g_a.res16), activated, convolution(g_a.tail)),
        rowwise(Tensor.float),
    )

    def linear(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return g_a.klt(x.float())

    return added(network, linear)


def analyse(g_a: Analysis, rgb: np.ndarray, device, strip: int | None, progress=None) -> Tensor:
    """uint8 (H, W, 3) -> y float32 (1, C, h, w) of the picture padded by replication to whole regions."""
    height, width = rgb.shape[:2]
    full_width, full_height = (-(-n // REGION) * REGION for n in (width, height))
    rows = PATCH * strip_rows(full_width, full_height, strip, ANALYSED)
    # Clipped indices replicate the last row and column into the padding.
    columns = np.clip(np.arange(full_width), None, width - 1)
    layer, done = analysis(g_a), []
    for top in range(0, full_height, rows):
        bottom = min(top + rows, full_height)
        some = rgb[np.clip(np.arange(top, bottom), None, height - 1)[:, None], columns]
        x = torch.from_numpy(some).to(device).permute(2, 0, 1)[None].float() / 255
        done.append(layer(channels_last(x), bottom == full_height))
        if progress:
            progress(bottom / full_height)
    return torch.cat(done, 2)


# --- g_s ----------------------------------------------------------------------------------------------------


def detail(g_s: Synthesis) -> Callable[..., Tensor]:
    """What the network of `Synthesis.forward` adds to the linear path, fed rows of its inputs."""
    head = convolution(g_s.head)
    scales_head = convolution(g_s.scales) if g_s.scales is not None else None
    noise_head = convolution(g_s.noise) if g_s.noise is not None else None
    activated, doubled = rowwise(act), rowwise(lambda x: F.pixel_shuffle(x, 2))
    network = chain(
        *(stage(g_s.res16), activated, convolution(g_s.up8), doubled),
        *(stage(g_s.res8), activated, convolution(g_s.up4), doubled),
        *(stage(g_s.res4), activated, convolution(g_s.tail), rowwise(lambda x: F.pixel_shuffle(x, 4))),
    )

    def run(
        last: bool, y_hat: Tensor, level: Tensor, scales: Tensor | None = None, noise: Tensor | None = None
    ) -> Tensor:
        with torch.autocast(y_hat.device.type, enabled=False):
            h = head(torch.cat([asinh(y_hat.float()), level.float()], 1), last)
            h = h if scales_head is None else h + scales_head(scales.float(), last)
            h = h if noise_head is None else h + noise_head(noise, last)
        return network(h, last).float() * (Y_UNIT / 255)

    return run


def pictures(g_s: Synthesis, latent: tuple[Tensor | None, ...], rows: int) -> Iterator[Tensor]:
    """x_hat in strips (1, 3, n, W) from top to bottom; `rows` of latents are fed at a time."""
    y_hat, level = latent[0], latent[1]
    count = y_hat.shape[2]
    network, waiting = detail(g_s), None
    ready = done = 0  # rows of latents whose picture is there, and that have left
    above = None  # the pictures of the blocks from done - 1 on, their edges not yet filtered
    for top in range(0, count, rows):
        bottom = min(top + rows, count)
        last = bottom == count
        part = (None if p is None else channels_last(p[:, :, top:bottom]) for p in latent)
        waiting = joined(waiting, network(last, *part))
        blocks = waiting.shape[2] // PATCH
        if not blocks:
            continue
        with torch.autocast(y_hat.device.type, enabled=False):
            above = joined(above, linear(g_s, y_hat, ready, ready + blocks) + waiting[:, :, : blocks * PATCH])
            waiting, ready = waiting[:, :, blocks * PATCH :], ready + blocks
            until = ready if last else ready - 1  # the lower half of the last block waits for the one below
            first = max(0, done - 1)
            if until > done:
                filtered = g_s.deblocking(above.clone(), level[:, :, first:ready].float())
                yield filtered[:, :, (done - first) * PATCH : (until - first) * PATCH]
                above, done = above[:, :, (max(0, until - 1) - first) * PATCH :], until


def linear(g_s: Synthesis, y_hat: Tensor, top: int, bottom: int) -> Tensor:
    """The linear path's picture of rows of latents, into which those above and below reach."""
    first, end = max(0, top - 1), min(y_hat.shape[2], bottom + 1)
    return g_s.klt(y_hat[:, :, first:end].float())[:, :, (top - first) * PATCH : (bottom - first) * PATCH]


def synthesise(
    g_s: Synthesis, latent: tuple[Tensor | None, ...], width: int, height: int, strip: int | None, progress=None
) -> np.ndarray:
    """What g_s takes, y_hat (1, C, h, w) and maps of its height and width or None -> uint8 (height, width, 3)."""
    full_width, full_height = latent[0].shape[3] * PATCH, latent[0].shape[2] * PATCH
    rows = strip_rows(full_width, full_height, strip, SYNTHESISED)
    whole = rows * PATCH >= full_height
    rgb, top = np.empty((height, width, 3), dtype=np.uint8), 0
    strips = [g_s(*(p if p is None else channels_last(p) for p in latent))] if whole else pictures(g_s, latent, rows)
    for x_hat in strips:
        bottom = min(top + x_hat.shape[2], height)
        part = x_hat[0, :, : max(0, bottom - top), :width].float()
        rgb[top:bottom] = part.mul(255).round_().clamp_(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        top += x_hat.shape[2]
        if progress:
            progress(min(1.0, top / full_height))
    return rgb
