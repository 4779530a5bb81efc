import contextlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_entropy import IntegerEntropyModel

from codec.entropy import integer
from codec.entropy.range_coder import Decoder, Encoder, TableSet
from codec.entropy.tables import TOTAL, bit_costs, escape_bits, unpack
from codec.errors import StreamError
from codec.networks.hyperprior import LOG_STEP, SIGMA_MIN, EntropyModel, step_masks
from codec.spec import N_SCALES
from codec.training import tables
from codec.training.export import integer_conv, quantize

GAUSSIANS = TableSet(tables.fit_y())


def code(symbols: np.ndarray, index: np.ndarray) -> bytes:
    encoder = Encoder()
    encoder.put(symbols, index, GAUSSIANS)
    return encoder.finish()


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(-(2**20), 2**20), st.integers(0, N_SCALES - 1)), max_size=80))
def test_any_symbols_survive_even_far_beyond_the_tables(pairs):
    symbols = np.array([s for s, _ in pairs], dtype=np.int32)
    index = np.array([i for _, i in pairs], dtype=np.uint8)
    assert (Decoder(code(symbols, index)).get(index, GAUSSIANS) == symbols).all()


def test_size_is_the_tables_own_estimate():
    rng = np.random.default_rng(0)
    index = rng.integers(0, N_SCALES, 50_000).astype(np.uint8)
    sigma = SIGMA_MIN * np.exp(LOG_STEP * index)
    symbols = np.rint(rng.normal(0, sigma)).astype(np.int32)
    symbols[::5000] = 3000  # a few escapes
    costs = bit_costs(GAUSSIANS.tables)
    centre = costs.shape[1] // 2
    bits = costs[index, np.clip(symbols + centre, 0, 2 * centre)]
    limits = GAUSSIANS.limits[index]
    escapes = np.abs(symbols) > limits
    assert escapes.sum() >= 10
    bits[escapes] += escape_bits(np.abs(symbols) - limits - 1)[escapes]
    bits[escapes] -= escape_bits(centre - limits - 1)[escapes]  # what the widest column had counted
    assert abs(8 * len(code(symbols, index)) - bits.sum()) < 0.002 * bits.sum() + 64


@settings(max_examples=50)
@given(st.binary(max_size=400), st.integers(0, 2**32 - 1))
def test_random_payloads_decode_or_raise_the_one_exception(data, seed):
    index = np.random.default_rng(seed).integers(0, N_SCALES, 500).astype(np.uint8)
    with contextlib.suppress(StreamError):
        assert len(Decoder(data).get(index, GAUSSIANS)) == 500


def test_tables_are_positive_and_sum_to_the_total():
    counts = [np.arange(2 * tables.support(i) + 2) for i in range(N_SCALES)]
    for made in (tables.fit_y(), tables.fit_y(counts), tables.fit_z(np.eye(5, 42, dtype=np.int64) * 1000)):
        for table in made:
            assert table.min() >= 1 and table.sum() == TOTAL


def test_a_malformed_table_is_refused():
    with pytest.raises(ValueError):
        TableSet([np.array([1, 2, 3, 4], dtype=np.int32)])


@given(st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_normalize_keeps_the_order_of_frequencies(n, seed):
    weights = np.sort(np.random.default_rng(seed).exponential(size=n))
    frequencies = tables.normalize(weights)
    assert frequencies.sum() == TOTAL and (np.diff(frequencies) >= -1).all()


def test_packed_tables_unpack():
    made = tables.fit_y()
    assert all((a == b).all() for a, b in zip(made, unpack(*tables.pack(made)), strict=True))


def to_fixed(x: torch.Tensor) -> torch.Tensor:
    """A float tensor, to the nearest fixed-point number."""
    return torch.round(x.double() * integer.ONE)


def random_model(seed: int = 0) -> EntropyModel:
    torch.manual_seed(seed)
    model = EntropyModel(16)
    model.init_scales(torch.linspace(9, 0.3, 16), 4.0)
    return model.eval().requires_grad_(False)


def test_integer_convolution_is_the_float_one_up_to_fixed_point():
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(8, 5, 3, padding=1)
    stored = integer_conv(conv.weight, conv.bias)
    x = torch.randn(2, 8, 9, 7) * 3
    got = integer.IntegerConv.load(stored)(to_fixed(x)) / integer.ONE
    assert torch.allclose(got.float(), conv(x), atol=3e-3)


def test_integer_convolution_is_the_same_in_pieces(monkeypatch):
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(8, 5, 3, padding=1)
    layer = integer.IntegerConv.load(integer_conv(conv.weight, conv.bias))
    x = to_fixed(torch.randn(1, 8, 23, 17) * 100)
    whole = layer(x)
    monkeypatch.setattr(integer, "MAX_COLUMNS", 40)
    assert torch.equal(whole, layer(x))


def test_weights_that_could_overflow_are_refused():
    with pytest.raises(ValueError):
        integer_conv(torch.full((1, 2**16, 1, 1), 30000.0), torch.zeros(1))


def test_integer_network_agrees_with_the_trained_one_and_with_itself():
    model = random_model()
    net = IntegerEntropyModel(quantize(model))
    z = torch.randint(-5, 6, (1, 64, 3, 2))
    level = torch.randint(0, 256, (1, 1, 3, 2), dtype=torch.uint8)
    psi = net.psi(z, level)
    float_psi = model.h_s(z.float(), level.float() / 255)
    assert torch.allclose(psi.float() / integer.ONE, float_psi, atol=0.02)

    level16 = integer.upsample(level)
    y_hat = to_fixed(torch.randn(1, 16, 12, 8) * 4)
    for step in range(4):
        known = torch.zeros(1, 16, 12, 8, dtype=torch.bool)
        for mask in step_masks(16, 12, 8)[:step]:
            known |= mask
        seen = torch.where(known, y_hat, 0.0)
        mu, index = net.step(step, psi, level16, seen)
        want_mu, want_t = model.predict(step, float_psi, level16.float() / 255, (seen / integer.ONE).float())
        assert torch.allclose((mu / integer.ONE).float(), integer.gather(want_mu, step), atol=0.05)
        assert ((index.float() - integer.gather(want_t, step)).abs() < 0.6).all()
        both = net.step(step, psi.expand(3, -1, -1, -1), level16.expand(3, -1, -1, -1), seen.expand(3, -1, -1, -1))
        assert all(torch.equal(part[2:], alone) for part, alone in zip(both, (mu, index), strict=True))


def test_gather_and_scatter_are_inverse_and_follow_the_masks():
    x = torch.arange(8 * 4 * 6, dtype=torch.float64).view(1, 8, 4, 6)
    rebuilt = torch.full_like(x, -1)
    for step, mask in enumerate(step_masks(8, 4, 6)):
        values = integer.gather(x, step)
        assert sorted(values.flatten().tolist()) == sorted(x[0][mask].tolist())
        integer.scatter(rebuilt, step, values)
    assert torch.equal(rebuilt, x)


def test_every_symbol_belongs_to_one_step():
    assert (step_masks(12, 6, 4).sum(0) == 1).all()
