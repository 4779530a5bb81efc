"""The filter against block edges in decoded pictures."""

import pytest
import torch

from codec.networks.deblocking import BLOCK, Deblocking

LEVEL = torch.full((1, 1, 4, 4), 0.1)


@pytest.fixture(scope="module")
def deblock():
    with torch.no_grad():
        yield Deblocking()


def blocks(step: float) -> torch.Tensor:
    """Grey, with the right half lighter by a step in 0…255: (1, 3, 64, 64)."""
    x = torch.full((1, 3, 4 * BLOCK, 4 * BLOCK), 0.4)
    x[..., 2 * BLOCK :] += step / 255
    return x


def test_a_small_step_between_smooth_blocks_becomes_a_ramp(deblock):
    x = blocks(6)
    y = deblock(x, LEVEL)
    steps = 255 * y[0, 0, 20].diff()
    assert steps.min() > -0.1 and steps.max() < 2  # of the 6 that were in one place
    assert torch.allclose(y[..., : BLOCK + 8], x[..., : BLOCK + 8]) and torch.allclose(y, y[:, :, :1])
    assert torch.allclose(deblock(x.mT.contiguous(), LEVEL), y.mT, atol=1e-6)  # rows as columns


def test_an_edge_of_the_picture_stays(deblock):
    x = blocks(90)
    assert torch.equal(deblock(x, LEVEL), x)


def test_where_the_picture_moves_only_what_touches_the_edge_is_changed(deblock):
    x = blocks(6)
    x[:, :, :, 1::2] += 30 / 255
    changed = (deblock(x, LEVEL) - x).abs().amax((0, 1, 2)) > 1e-6
    assert changed[2 * BLOCK - 2 : 2 * BLOCK + 2].all() and changed.sum() <= 12  # 3 edges, 2 pixels on each side


def test_what_has_no_steps_is_left_as_it_is(deblock):
    x = torch.linspace(0, 1, 64).view(1, 1, 1, 64).expand(1, 3, 64, 64)
    flat = torch.full((1, 3, 64, 64), 0.7)
    assert torch.equal(deblock(flat, LEVEL), flat)
    assert (deblock(x, LEVEL) - x).abs().max() < 0.01  # a slope has a step of its own, which looks like any other


def test_the_limits_follow_the_level_from_place_to_place(deblock):
    """At a high level a step of this size is part of the picture; a region of interest has one beside a low level."""
    x, level = blocks(22), LEVEL.clone()
    level[:, :, :2] = 1.0
    change = (deblock(x, level) - x).abs()
    assert change[:, :, :24].max() == 0 and change[:, :, 40:].max() > 0.01
