"""The classroom: the codec for digits, the autoencoder of 2017, and their tabs."""

import contextlib
import hashlib
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from codec.classroom import digits, huffman, prior, store
from codec.classroom.mnist import DigitNet
from codec.errors import StreamError

SYMBOLS = st.lists(st.integers(-40, 40), min_size=1, max_size=60).map(np.array)


def shipped(kind: str) -> list[str]:
    path = store.folder() / "manifest.json"
    return list(json.loads(path.read_text()).get(kind, {})) if path.exists() else []


# --- the prior and its strings -------------------------------------------------------------------------------------


def test_tables_are_the_same_integers_everywhere():
    flat = np.concatenate([prior.table(s, int(u)) for s in (1, 77, 1000, 4321) for u in (0, *prior.STEPS)])
    digest = hashlib.sha256(flat.astype("<i4").tobytes()).hexdigest()
    assert digest.startswith("c942a74c8da38efc")


@pytest.mark.parametrize("scale", [30, 1000, 5000])
@pytest.mark.parametrize("step", [-15, 0, 7])
def test_a_table_is_the_logistic_between_two_edges(scale, step):
    counts = prior.table(scale, step)
    limit = len(counts) // 2 - 1
    edges = (np.arange(-limit, limit + 2) - 0.5 + step / 32) / (scale / 1000)
    wanted = np.diff(1 / (1 + np.exp(-edges)))
    assert np.abs(counts[:-1] / prior.TOTAL - wanted).max() < 1e-4 and counts.sum() == prior.TOTAL


@given(SYMBOLS, st.integers(1, 6000), st.sampled_from([0, *prior.STEPS.tolist()]))
def test_a_string_decodes_and_is_near_its_information(q, scale, step):
    tables = prior.tables_of(np.full(len(q), scale), np.full(len(q), step))
    text = prior.encode(q, tables)
    assert (prior.decode(text, tables) == q).all()
    if (np.abs(q) <= tables.limits[0]).all():
        assert 8 * len(text) <= prior.bits(q, tables) + 9 + len(q) * 0.01


def test_strings_are_as_long_as_the_estimate_on_average():
    rng, scales = np.random.default_rng(0), np.full(10, 1500)
    draws = np.round(1.5 * rng.logistic(size=(300, 10))).astype(int)
    tables = prior.tables_of(scales)
    real = 8 * np.mean([len(prior.encode(q, tables)) for q in draws])
    assert 0 <= real - np.mean([prior.bits(q, tables) for q in draws]) < 6


def test_the_untrained_codec_costs_what_the_report_says():
    """Latents near 0 under ten logistics of scale 1 and noise: 10·log2(1/0.245) = 20.3 bits."""
    net = DigitNet(10).initialise(0)
    with torch.no_grad():
        assert 20.2 < float(net.bits(torch.zeros(1, 10)).sum()) < 20.4


def test_dither_is_shared_by_seed_and_fills_its_interval():
    a = np.concatenate([prior.dither_steps(3, i, 50) for i in range(200)])
    assert (a == np.concatenate([prior.dither_steps(3, i, 50) for i in range(200)])).all()
    assert set(a) == set(prior.STEPS) and abs(a.mean()) < 1


def test_the_rate_of_the_networks_prior_is_that_of_the_tables():
    net = DigitNet(4)
    with torch.no_grad():
        net.log_scale.copy_(torch.tensor([0.1, 0.5, 1.0, 2.0]).log())
        q = torch.tensor([[0.0, 1, -2, 3]])
        wanted = float(net.bits(q).sum())
    assert prior.bits(q[0].numpy(), prior.tables_of(digits.scales_of(net))) == pytest.approx(wanted, abs=0.01)


# --- Huffman -------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from([0] * 8 + list(range(-31, 32))), min_size=1, max_size=400).map(np.array))
def test_huffman_gives_back_what_it_was_given(values):
    for mode in (huffman.PLAIN, huffman.RUNS):
        data = huffman.write_as(values, mode)
        assert (huffman.read(data, len(values)) == values).all()


@pytest.mark.parametrize("count", [1, 2, 3, 8, 100])
def test_runs_of_zeros(count):
    values = np.zeros(count, int)
    data = huffman.write(values)
    assert (huffman.read(data, count) == values).all() and len(data) <= 12


def test_a_huffman_code_is_within_a_bit_of_the_entropy():
    values = np.round(np.random.default_rng(0).laplace(0, 2, 20000)).astype(int).clip(-31, 31)
    _, counts = np.unique(values, return_counts=True)
    entropy = -(counts * np.log2(counts / len(values))).sum()
    data = huffman.write_as(values, huffman.PLAIN)
    assert entropy <= 8 * (len(data) - huffman.table_bytes(data)) + 8 < entropy + len(values)


def test_no_code_is_longer_than_its_half_byte():
    counts = np.array([1, 1] + [2**k for k in range(1, 30)])
    lengths = huffman.code_lengths(counts)
    assert lengths.max() <= huffman.LONGEST and (2.0**-lengths).sum() <= 1


@given(st.binary(max_size=80))
def test_nonsense_never_decodes_by_accident_or_crashes(data):
    with contextlib.suppress(StreamError):
        assert len(huffman.read(data, 64)) == 64


def test_a_cut_stream_is_refused():
    data = huffman.write(np.random.default_rng(0).integers(-20, 20, 500))
    for length in (0, 2, 5, len(data) // 2, len(data) - 1):
        with pytest.raises(StreamError):
            huffman.read(data[:length], 500)
