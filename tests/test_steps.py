"""The steps of the entropy model on phases of the latent give what the reference gives, whatever they are fed."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_entropy import IntegerEntropyModel

from codec.entropy import bytewise
from codec.entropy.integer import LIMIT, ONE, IntegerConv, StepNetworks, Walk, gather, scatter, upsample
from codec.spec import STEPS
from codec.training.export import integer_conv
from codec.weights import default


def stored(deeper: bool) -> dict:
    """The shipped networks, if asked with a residual layer in every head, which weights before had not."""
    tensors = {k.removeprefix("int."): v for k, v in default().trunk_tensors().items() if k.startswith("int.")}
    if deeper:
        torch.manual_seed(0)
        width = len(tensors["head0a.bias"])
        for step in range(STEPS):
            layer = integer_conv(torch.randn(width, width, 1, 1) / width**0.5, torch.randn(width))
            tensors |= {f"head{step}m.{k}": v for k, v in layer.items()}
    return tensors


@pytest.fixture(scope="module")
def products():
    """Bytes are multiplied as on processors that can; where this one cannot, exactly, by another way."""
    with pytest.MonkeyPatch.context() as patch:
        if not bytewise.usable():
            patch.setattr(torch, "_int_mm", lambda a, b: (a.double() @ b.double()).int())
            patch.setattr(bytewise, "usable", lambda: True)
        yield


@pytest.fixture(scope="module", params=["shipped", "deeper heads", "bytes"])
def networks(request, products):
    tensors = stored(request.param == "deeper heads")
    fast = StepNetworks(tensors)
    return bytewise.accelerate(fast) if request.param == "bytes" else fast, IntegerEntropyModel(tensors)


@settings(max_examples=12, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 4), st.integers(0, 2**31), st.sampled_from([1, 30, 900, LIMIT / ONE, 1e7, 1e12])
)
def test_every_step_is_the_reference_bit_for_bit(networks, rows, columns, seed, size):
    networks, reference = networks
    torch.manual_seed(seed)
    z = torch.randint(-20, 21, (1, 64, rows, columns)).float()
    q = torch.randint(0, 256, (1, 1, rows, columns)).to(torch.uint8)
    y = torch.round(torch.randn(1, networks.channels, 4 * rows, 4 * columns, dtype=torch.float64) * size * ONE)
    known, walk = torch.zeros_like(y), networks.walk(networks, z, q)
    psi = reference.psi(z, q)
    for step in range(STEPS):
        mu, index = reference.step(step, psi, upsample(q), known)
        fast_mu, fast_index = walk.predict(step)
        assert torch.equal(mu[0], fast_mu) and torch.equal(index[0], fast_index)
        values = gather(y, step)
        scatter(known, step, values)
        walk.put(step, values[0])


def test_a_value_beyond_three_bytes_takes_the_other_way(networks):
    networks, reference = networks
    z, q = torch.zeros(1, 64, 2, 3), torch.zeros(1, 1, 2, 3, dtype=torch.uint8)
    psi = reference.psi(z, q)
    for late in range(STEPS - 1):
        for size in (bytewise.LARGEST, bytewise.LARGEST + 1, -bytewise.LARGEST, -bytewise.LARGEST - 1, LIMIT, 1e9):
            known, walk = torch.zeros(1, networks.channels, 8, 12, dtype=torch.float64), networks.walk(networks, z, q)
            for step in range(STEPS):
                mu, index = reference.step(step, psi, upsample(q), known)
                fast_mu, fast_index = walk.predict(step)
                assert torch.equal(mu[0], fast_mu) and torch.equal(index[0], fast_index), (late, size, step)
                values = torch.randint(-9999, 9999, (1, 4, networks.group, 24)).double()
                values[..., 0] = size if step == late else values[..., 0]
                scatter(known, step, values)
                walk.put(step, values[0])
            if isinstance(walk, bytewise.ByteWalk):
                assert (walk.bytes is None) == (abs(size) > bytewise.LARGEST)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]), st.integers(0, 2**31), st.integers(0, 24))
def test_a_convolution_of_bytes_is_the_plain_one(products, height, width, kernel, seed, bits):
    torch.manual_seed(seed)
    layer = integer_conv(torch.randn(7, 5, kernel, kernel), torch.randn(7))
    layer["weight"] //= 2
    layer["weight"][0, 0, 0, 0], layer["weight"][1, 0, 0, 0], layer["weight"][2, 0, 0, 0] = 32767, -32768, 32640
    plain = IntegerConv.load(layer)
    fast = bytewise.ByteConv(plain)
    x = torch.randint(-(2**bits), 2**bits, (1, 5, height, width)).double()
    assert torch.equal(fast(x), plain(x))
    assert torch.equal(fast(x.repeat(2, 1, 1, 1)), plain(x.repeat(2, 1, 1, 1)))


@pytest.mark.parametrize("row", [[32767, -32767], [32640, -32640], [-32768, 32640]])
def test_weights_that_two_bytes_do_not_hold_are_refused(row):
    weight = torch.tensor(row, dtype=torch.float64).view(1, 1, 2)
    with pytest.raises(ValueError, match="two bytes"):
        bytewise.Matrix(weight, torch.ones(1, 1, dtype=torch.float64))


def saturating(a, b):
    """Products of bytes as by AVX2: those of neighbours are summed in 16 bits, which do not hold every sum."""
    pairs = (a.int()[:, :, None] * b.int()[None]).unflatten(1, (-1, 2)).sum(2)
    return pairs.clamp(-32768, 32767).sum(1).int()


def missing(a, b):
    raise RuntimeError("not implemented for this processor")


@pytest.mark.parametrize("product", [saturating, missing])
def test_a_processor_that_multiplies_bytes_wrong_is_not_asked_to(product, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: True, raising=False)
    monkeypatch.setattr(torch, "_int_mm", product, raising=False)
    bytewise.usable.cache_clear()
    try:
        assert not bytewise.usable()
        networks = bytewise.accelerate(StepNetworks(stored(False)))
        assert networks.walk is Walk and not isinstance(networks.layers["up2"], bytewise.ByteConv)
    finally:
        bytewise.usable.cache_clear()
