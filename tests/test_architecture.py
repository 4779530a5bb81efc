"""The networks of decoders beside mse, and how they are stored."""

import numpy as np
import pytest
import torch
from safetensors.torch import save

from codec import strips
from codec.networks import storage
from codec.networks.architecture import build, extend, interpolate
from codec.networks.transforms import GRAIN, GRAIN_PERIOD, Synthesis, noise_field
from codec.training import storing


@pytest.fixture(scope="module")
def opened():
    """A network whose added blocks do something, and a smaller one with the weights that the two share."""
    torch.manual_seed(1)
    net, plain = build("synthesis-1-1-1").eval(), Synthesis().eval()
    plain.load_state_dict({k: v for k, v in net.state_dict().items() if k in plain.state_dict()})
    return net, plain


def test_blocks_added_to_a_synthesis_change_nothing_until_they_are_trained(opened):
    _, plain = opened
    y_hat, level = 20 * torch.randn(1, 320, 4, 4), torch.full((1, 1, 4, 4), 0.3)
    grown = build("synthesis-1-0-2").eval()
    assert [len(stage) for stage in (grown.res16, grown.res8, grown.res4)] == [2, 1, 3]
    state = extend(plain.state_dict(), grown.state_dict())
    grown.load_state_dict(state)
    with torch.no_grad():
        assert torch.equal(grown(y_hat, level), plain(y_hat, level))
        for stage in (grown.res16, grown.res4):  # each of the new blocks can learn: what comes first is not zero
            assert stage[-1].conv1.weight.abs().mean() > 0.001
            stage[-1].conv2.weight.normal_(std=0.05)
        opened_up = grown(y_hat, level)
        assert (opened_up - plain(y_hat, level)).abs().mean() > 1e-3
        for t, expected in ((0.0, plain(y_hat, level)), (1.0, opened_up)):
            middle = build("synthesis-1-0-2").eval()
            middle.load_state_dict(interpolate(plain.state_dict(), grown.state_dict(), t))
            assert torch.allclose(middle(y_hat, level), expected, atol=1e-5)


def test_scales_change_nothing_until_they_are_trained_and_then_do():
    torch.manual_seed(2)
    plain, grown = Synthesis().eval(), build("synthesis+scales").eval()
    assert build("synthesis-1-1-1+scales").scales is not None and build("synthesis-1-1-1").scales is None
    y_hat, level, scales = 20 * torch.randn(1, 320, 4, 4), torch.full((1, 1, 4, 4), 0.3), torch.rand(1, 320, 4, 4)
    grown.load_state_dict(extend(plain.state_dict(), grown.state_dict()))
    with torch.no_grad():
        assert torch.equal(grown(y_hat, level, scales), plain(y_hat, level))
        grown.scales.weight.normal_(std=0.02)
        first, second = grown(y_hat, level, scales), grown(y_hat, level, scales.flip(3))
        assert (first - second).abs().mean() > 1e-3
        half = build("synthesis+scales").eval()
        half.load_state_dict(interpolate(plain.state_dict(), grown.state_dict(), 0.5))
        assert torch.allclose(half.scales.weight, grown.scales.weight / 2)


def test_noise_is_the_same_everywhere_and_never_of_the_lattice():
    g = noise_field(70, 20)
    assert g.shape == (1, GRAIN, 70, 20) and g.dtype == torch.float32 and g.abs().max() <= 1
    assert torch.equal(noise_field(3, 200)[..., :20], g[:, :, :3]) and torch.equal(noise_field(70, 20), g)
    assert g[0, 0, 0, 0].item() == pytest.approx(2 * 0.5488135 - 1)  # the first number of NumPy's seed 0
    g = noise_field(GRAIN_PERIOD, GRAIN_PERIOD).flatten(2)[0]
    assert g.mean(1).abs().max() < 0.05 and (g.corrcoef() - torch.eye(GRAIN)).abs().max() < 0.07


def test_noise_changes_nothing_until_it_is_trained_and_then_does_without_a_seam():
    torch.manual_seed(3)
    plain, grown = Synthesis().eval(), build("synthesis-0-1-0+noise").eval()
    assert plain.noise is None and build("synthesis-1-1-1+scales+noise").noise is not None
    y_hat, level = torch.randn(1, 320, 4, 1).expand(-1, -1, -1, 40), torch.full((1, 1, 4, 40), 0.5)
    latent = (y_hat, level, None, noise_field(4, 40))
    grown.load_state_dict(extend(plain.state_dict(), grown.state_dict()))
    with torch.no_grad():
        assert torch.equal(grown(*latent), plain(y_hat, level))
        grown.noise.weight.normal_(std=0.5)
        whole, in_strips = (strips.synthesise(grown, latent, 640, 64, side).astype(int) for side in (None, 16))
        calm = strips.synthesise(plain, latent[:2], 640, 64, None).astype(int)
    inside = slice(320, 336), slice(336, 352)  # two patches of the same latents
    assert (calm[:, inside[0]] == calm[:, inside[1]]).all() and (
        whole[:, inside[0]] != whole[:, inside[1]]
    ).mean() > 0.1
    assert np.abs(whole - in_strips).max() <= 1 and (whole != in_strips).mean() < 0.01


def test_unknown_architectures_and_strangers_are_errors(opened):
    for name in ("synthesis+sigma", "generator-1-1-1", "synthesis-1-2", "synthesis-0-0-12"):
        with pytest.raises(ValueError, match="architecture"):
            build(name)
    with pytest.raises(ValueError):
        extend(opened[0].state_dict(), opened[1].state_dict())


def test_strips_of_a_larger_decoder_show_no_seam(opened):
    net, _ = opened
    y_hat, level = 20 * torch.randn(1, 320, 16, 8), torch.rand(1, 1, 16, 8)
    with torch.inference_mode():
        whole = strips.synthesise(net, (y_hat, level), 121, 250, None)
        for height in (16, 48, 128):
            parts = strips.synthesise(net, (y_hat, level), 121, 250, height)
            assert np.abs(whole.astype(int) - parts).max() <= 1 and (whole != parts).mean() < 0.01


def test_eight_bit_storage(opened):
    state = opened[0].state_dict()
    stored = storing.to_int8(state)
    weights = sum(v.numel() for v in state.values() if v.ndim > 1)
    expected = weights + state[storage.KLT][: storing.KLT_FIRST].numel()  # bytes, and 2 % for scales, vectors and names
    assert expected < len(save(stored)) < 1.02 * expected < storing.FILE_BYTES
    back = storage.to_float(stored)
    assert back.keys() == state.keys()
    for name, w in state.items():
        if w.ndim < 2:
            assert torch.equal(back[name], w)
        elif name == storage.KLT:  # half a step of the scale of a picture's colour, and the first in 16 bits
            n = storing.KLT_FIRST
            assert torch.equal(back[name][:n], w[:n].half().float())
            assert ((back[name] - w)[n:].abs() <= 0.5005 * w[n:].abs().amax((2, 3), keepdim=True) / 127).all()
        else:  # a step of the scales of its output and its input channel, which are of one place; half of one in sum
            row = storage.along(stored[name + storage.ROW], w, 0)
            column = storage.along(stored[name + storage.COLUMN], w, 1)
            errors = (back[name] - w) / (row * column)
            assert (errors.abs() <= 1.001).all() and (errors.sum((2, 3)).abs() <= 0.501).all(), name


def test_an_input_channel_with_small_weights_keeps_its_digits():
    """What comes in by it may be large: all that a scale for each output channel would leave of it is zeros."""
    w = torch.randn(16, 8, 3, 3, generator=torch.Generator().manual_seed(0)) * torch.logspace(0, -3, 8).view(1, 8, 1, 1)
    back = storage.to_float(storing.to_int8({"w": w}))["w"]
    error = ((back - w).square().mean((0, 2, 3)) / w.square().mean((0, 2, 3))).sqrt()
    assert error.max() < 0.2  # with a scale for each output only it is 1


def test_a_fine_tuned_decoder_is_stored_as_its_difference(opened):
    """In half the bytes, and nearer to what it is than in eight bits of its own."""
    net, plain = opened
    generator = torch.Generator().manual_seed(2)
    base = storage.to_float(storing.to_int8(plain.state_dict()))
    state = {k: v + 0.01 * v.std().nan_to_num() * torch.randn(v.shape, generator=generator) for k, v in base.items()}
    state |= {k: v for k, v in net.state_dict().items() if k not in base}  # blocks that the base lacks
    stored = storing.to_difference(state, base)
    back, alone = storage.to_float(stored, base), storage.to_float(storing.to_int8(state))
    assert back.keys() == state.keys()
    for name, w in state.items():
        error, other = ((found[name] - w).square().mean().sqrt() for found in (back, alone))
        assert error <= 1e-6 or name not in base or error < other, name
        if name not in base or w.ndim < 2:
            assert torch.equal(back[name], alone[name]), name
    kernels = sum(base[k].numel() for k in base if base[k].ndim > 1 and k != storage.KLT)
    added = sum(v.numel() for k, v in state.items() if k not in base and v.ndim > 1)
    expected = kernels / 2 + state[storage.KLT].numel() + added
    assert expected < len(save(stored)) < 1.03 * expected
    with pytest.raises(KeyError):
        storage.to_float(stored, {k: v for k, v in base.items() if k != "head.weight"})


def test_half_bytes_spare_the_many_weights_for_the_few():
    """Fifteen values up to the largest weight would leave most weights near 0 with none."""
    w = torch.distributions.Laplace(0.0, 1.0).sample((16, 32, 3, 3))
    none = {"w": torch.zeros_like(w)}
    back = storage.to_float(storing.to_difference({"w": w}, none), none)["w"]
    step = w.abs().amax((1, 2, 3), keepdim=True) / 7
    assert (back - w).square().mean() < 0.8 * ((w / step).round() * step - w).square().mean()
    assert (back - w).square().mean() < 0.1 * w.square().mean()


def test_integers_share_bytes_and_part_again():
    for count in (15, 14):  # the last byte is half empty, or not
        q = torch.arange(-7, count - 7, dtype=torch.int8)
        halves = storing.packed(q)
        assert halves.dtype == torch.uint8 and halves.numel() == (count + 1) // 2
        assert torch.equal(storage.unpacked(halves, q.shape), q)
    with pytest.raises(RuntimeError):
        storage.unpacked(halves, torch.Size((4, 4)))


def test_nothing_and_halves_are_stored_as_they_are():
    zero = storing.to_int8({"w": torch.zeros(2, 3)})
    assert torch.equal(storage.to_float(zero)["w"], torch.zeros(2, 3))
    half = {"w": torch.randn(2, 3).half()}
    assert torch.equal(storage.to_float(half)["w"], half["w"].float())


def test_interpolation_meets_its_ends(opened):
    net, plain = opened
    ends = plain.state_dict(), net.state_dict()
    y_hat, level = 20 * torch.randn(1, 320, 4, 4), torch.full((1, 1, 4, 4), 0.3)
    middle = build("synthesis-1-1-1").eval()
    with torch.no_grad():
        for t, expected in ((0.0, plain), (1.0, net)):
            middle.load_state_dict(interpolate(*ends, t))
            assert torch.allclose(middle(y_hat, level), expected(y_hat, level), atol=1e-5)
