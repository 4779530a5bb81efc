"""The wide convolutions, by Winograd's algorithm, give what the library's give."""

import pytest
import torch

from codec.networks.layers import WIDE, Conv


@pytest.mark.parametrize("size", [(3, 5), (4, 4), (9, 18), (32, 48), (130, 70)])
@pytest.mark.parametrize("rows", [0, 1])
def test_a_wide_convolution_is_the_librarys_but_for_rounding(size, rows):
    torch.manual_seed(0)
    net = Conv(WIDE, 24, 3, padding=1)
    x = torch.randn(1, WIDE, *size).contiguous(memory_format=torch.channels_last)
    wanted = torch.nn.functional.conv2d(x.double(), net.weight.double(), net.bias.double(), 1, (rows, 1))
    with torch.inference_mode():
        got = net.padded(x, rows)
    assert got.shape == wanted.shape and (got - wanted).abs().max() < 1e-4


def test_new_weights_are_noticed_and_gradients_flow():
    net, x = Conv(WIDE, 8, 3, padding=1), torch.randn(1, WIDE, 8, 8)
    with torch.no_grad():
        before = net(x)
        net.weight.mul_(2)
        net.bias.mul_(2)
        assert torch.allclose(net(x), 2 * before, atol=1e-3)
    net(x).sum().backward()
    assert net.weight.grad is not None and net.weight.grad.abs().sum() > 0


def test_weights_that_replace_others_are_noticed():
    torch.manual_seed(1)
    net, other, x = (*(Conv(WIDE, 8, 3, padding=1) for _ in range(2)), torch.randn(1, WIDE, 8, 8))
    with torch.no_grad():
        net(x)
        wanted = other(x)
        net.load_state_dict(other.state_dict(), assign=True)
        assert torch.equal(net(x), wanted)
