"""What strangers' streams can do; `python -m tests.fuzz streams` does the same a hundred thousand times."""

import numpy as np
import pytest
from conftest import picture
from fuzz import streams
from hypothesis import given, settings
from hypothesis import strategies as st

import codec as package
from codec import bitstream
from codec.bitstream import Stream
from codec.errors import StreamError, WeightsError

SAMPLES = streams.samples()
kinds = st.lists(st.tuples(st.sampled_from(sorted(streams.KINDS)), st.integers(0, 2**32 - 1)), min_size=1, max_size=2)


@settings(max_examples=150)
@given(st.sampled_from(SAMPLES), kinds)
def test_mutated_streams_decode_or_raise_the_documented_errors(codec, data, edits):
    kind, seed = edits[0]
    data = streams.mutate(data, SAMPLES, kind, np.random.default_rng(seed))
    for _, seed in edits[1:]:
        data = streams.flipped(data, np.random.default_rng(seed))
    assert streams.outcome(data) in ("decoded", "StreamError", "WeightsError")


@settings(max_examples=40)
@given(st.sampled_from(SAMPLES), st.sampled_from(["payload", "header"]), st.integers(0, 2**32 - 1))
def test_what_the_checksum_vouches_for_is_no_safer(codec, data, kind, seed):
    data = streams.mutate(data, SAMPLES, kind, np.random.default_rng(seed))
    assert streams.outcome(data) in ("decoded", "StreamError", "WeightsError")


def test_no_single_changed_byte_goes_unnoticed():
    rng = np.random.default_rng(0)
    assert sum(streams.single_bytes(data, rng, 2000) for data in SAMPLES) == 0


@pytest.mark.parametrize("size", [(30_000, 1_600), (5_000, 5_000), (640, 480)])
@pytest.mark.parametrize("payload", [0, 40])
def test_a_short_stream_cannot_claim_a_large_picture(codec, size, payload, monkeypatch):
    monkeypatch.setattr(codec.trunk.entropy, "walk", lambda *_: pytest.fail("it went on to decode"))
    data = streams.sealed(Stream(codec.trunk.id, "mse", *size, 128, bytes(payload), bytes(payload)))
    with pytest.raises(StreamError, match=f"too few for a picture of {size[0]}×{size[1]} pixels"):
        codec.decode(bitstream.read(data))


def test_real_streams_are_longer_than_the_least(codec):
    """The likeliest pictures of all: flat ones, at the lowest rate."""
    for size in ((1, 1), (64, 64), (512, 256)):
        for shade in (0, 128, 255):
            rgb = np.full((*size, 3), shade, np.uint8)
            assert package.decompress(package.compress(rgb, lmbda=0.0005)).size == size[::-1]


def test_a_length_that_lies_is_refused(codec):
    stream = bitstream.read(package.compress(picture(100, 80)))
    start = bitstream._header(stream)
    for length in (len(stream.z) + len(stream.y) + 1, 2**31, 2**34):
        lying = start[: -len(bitstream._varint(len(stream.z)))] + bitstream._varint(length)
        with pytest.raises(StreamError, match="ends before its payload"):
            bitstream.read(streams.sealed(stream, start=lying))


def test_a_stream_of_other_weights_says_so():
    with pytest.raises(WeightsError, match="not here"):
        package.decompress(streams.sealed(Stream("deadbeef", "mse", 64, 64, 0, bytes(99), b"")))


def test_escapes_cost_little_each(codec, monkeypatch):
    """A payload made of nothing but escapes takes the slow way for every symbol: it has to stay bounded."""
    from codec.entropy import range_coder
    from codec.entropy.range_coder import Decoder, Encoder

    index = np.zeros(20_000, np.uint8)
    coder = Encoder()
    coder.put(np.full(len(index), 2**20, np.int32), index, codec.trunk.y_tables)
    calls, uniform = [], range_coder.uniform
    monkeypatch.setattr(range_coder, "uniform", lambda size: calls.append(size) or uniform(size))
    assert (Decoder(coder.finish()).get(index, codec.trunk.y_tables) == 2**20).all()
    assert len(calls) <= 4 * len(index)
