"""The steps of the entropy model on phases of the latent give what the reference gives, whatever they are fed."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_entropy import IntegerEntropyModel

from codec.entropy.integer import LIMIT, ONE, StepNetworks, Walk, gather, scatter, upsample
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


@pytest.fixture(scope="module", params=[False, True], ids=["shipped", "deeper heads"])
def networks(request):
    tensors = stored(request.param)
    return StepNetworks(tensors), IntegerEntropyModel(tensors)


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
    known, walk = torch.zeros_like(y), Walk(networks, z, q)
    psi = reference.psi(z, q)
    for step in range(STEPS):
        mu, index = reference.step(step, psi, upsample(q), known)
        fast_mu, fast_index = walk.predict(step)
        assert torch.equal(mu[0], fast_mu) and torch.equal(index[0], fast_index)
        values = gather(y, step)
        scatter(known, step, values)
        walk.put(step, values[0])
    assert torch.equal(walk.y_hat, y)
