import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec import bitstream
from codec.bitstream import Stream
from codec.errors import StreamError
from codec.inside.bits import ledger
from codec.spec import LOWEST, NUMBERED


def make(width=100, height=70, level: int | np.ndarray = 90, z=b"zzz", y=b"yyyyy") -> Stream:
    return Stream("0123abcd", "mse", width, height, level, z, y)


@given(
    st.integers(1, 30_000),
    st.integers(1, 1600),
    st.integers(LOWEST, 255),
    st.binary(max_size=300),
    st.binary(max_size=300),
    st.sampled_from(list(NUMBERED.values())),
    st.binary(max_size=300),
)
def test_every_field_survives(width, height, level, z, y, decoder, overlay):
    stream = Stream("0123abcd", decoder, width, height, level, z, y, overlay)
    assert bitstream.read(bitstream.write(stream)) == stream


def test_a_uniform_level_costs_a_small_header():
    assert ledger(make())["header"] <= 20


@pytest.mark.parametrize("kind, q", [(2, 0), (2, 129), (2, 255), (3, 5), (7, 5), (8, 5), (255, 5)])
def test_an_index_that_is_never_written_is_refused(kind, q):
    data = bytearray(bitstream.write(make(level=-5)))
    at = data.index(bytes([2, 5]))
    data[at : at + 2] = [kind, q]
    with pytest.raises(StreamError, match="never written"):
        bitstream.read(bytes(data))


def test_a_level_map_survives():
    level = np.random.default_rng(0).integers(0, 256, (2, 2), dtype=np.uint8)
    found = bitstream.read(bitstream.write(make(level=level)))
    assert (found.q == level).all() and (found.q_map() == level).all()


def test_a_flat_map_becomes_a_uniform_level():
    assert bitstream.read(bitstream.write(make(level=np.full((2, 2), 7, np.uint8)))).q == 7


def test_a_map_below_the_ladder_is_not_written():
    with pytest.raises(StreamError, match="0 to 255"):
        bitstream.write(make(level=np.array([[-3, 200]], dtype=np.int16)))


def test_every_single_changed_byte_is_refused():
    data = bitstream.write(make(level=np.array([[1, 2], [3, 4]], np.uint8)))
    for position in range(len(data)):
        for flip in (1, 0x80, 0xFF):
            damaged = bytearray(data)
            damaged[position] ^= flip
            with pytest.raises(StreamError):
                bitstream.read(bytes(damaged))


def test_every_truncation_is_refused():
    data = bitstream.write(make())
    for length in range(len(data)):
        with pytest.raises(StreamError):
            bitstream.read(data[:length])


@given(st.binary(max_size=200), st.booleans())
def test_random_bytes_raise_nothing_but_stream_errors(data, plausible):
    with pytest.raises(StreamError):
        bitstream.read((b"LIC\1" if plausible else b"") + data)


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (30_001, 1), (10_000, 10_000), (2**34, 2**34)])
def test_sizes_beyond_the_limits_are_refused_before_anything_is_allocated(size):
    width, height = size
    head = b"LIC\1" + bytes(4) + b"\0" + bitstream._varint(width) + bitstream._varint(height)
    with pytest.raises(StreamError):
        bitstream.read(head + bytes(20))


def test_a_map_that_inflates_beyond_its_size_is_refused():
    import zlib

    bomb = zlib.compress(bytes(10_000_000), 9)
    head = b"LIC\1" + bytes(4) + b"\0" + bytes([64, 64]) + b"\1" + bitstream._varint(len(bomb)) + bomb + b"\0"
    with pytest.raises(StreamError, match="map of levels"):
        bitstream.read(head + zlib.crc32(head).to_bytes(4, "little"))


@pytest.mark.parametrize(
    "data, words", [(b"", "empty"), (b"\x89PNG....", "not a compressed stream"), (b"LIC\7", "version 7")]
)
def test_foreign_files_get_a_sentence_that_names_the_matter(data, words):
    with pytest.raises(StreamError, match=words):
        bitstream.read(data)
