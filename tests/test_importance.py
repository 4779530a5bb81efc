"""Where the bits went, and what the prior draws."""

import numpy as np
import pytest
from conftest import picture

from codec.api import encode
from codec.bitstream import read, write
from codec.errors import CodecError
from codec.inside import bits, prior, roi


@pytest.fixture(scope="module")
def coded(codec):
    rgb = picture(200, 130, seed=3, grain=25)
    rgb[:, 120:] = 128  # an empty part, which should cost next to nothing
    return encode(rgb, lmbda=0.0067)[0]


def test_blocks_sum_to_the_payload_and_follow_the_content(codec, coded):
    symbols = codec.read(read(coded.data))
    blocks = bits.block_bits(codec, symbols, bits.payload_bytes(coded.stream))
    assert blocks.shape == (12, 16) and blocks.min() >= 0
    assert blocks.sum() == pytest.approx(8 * bits.payload_bytes(coded.stream), rel=1e-9)
    assert blocks[:, :6].mean() > 5 * blocks[:, 9:12].mean()


def test_costs_are_what_the_encoder_estimated(codec, coded):
    symbols = codec.read(read(coded.data))
    total = float(bits.symbol_bits(codec, symbols).sum()) + float(bits.hyper_bits(codec, symbols).sum())
    assert total / 8 == pytest.approx(bits.estimate_bytes(coded.latent), rel=1e-4)


def test_the_ledger_sums_to_the_file(coded):
    assert sum(bits.ledger(coded.stream).values()) == len(coded.data)


def test_samples_follow_their_seed_and_cost_what_the_prior_says(codec):
    first, again, other = (prior.sample(codec, 2, 3, 120, seed) for seed in (1, 1, 2))
    assert (first.y_hat == again.y_hat).all() and not (first.y_hat == other.y_hat).all()
    # A sample is a stream like any other: it can be written, and reads back as itself.
    stream = read(write(codec.write(first, 192, 128)))
    assert (codec.read(stream).y_hat == first.y_hat).all()
    blocks = bits.block_bits(codec, first, len(stream.z) + len(stream.y))
    estimate = float(bits.symbol_bits(codec, first).sum()) + float(bits.hyper_bits(codec, first).sum())
    assert blocks.sum() == pytest.approx(estimate, rel=0.02, abs=64)


def test_temperature_zero_is_the_likeliest_latent(codec):
    one, other = (prior.sample(codec, 1, 1, 200, seed, temperature=0.0) for seed in (5, 6))
    assert (one.y_hat == other.y_hat).all()


def test_drawn_symbols_have_the_tables_frequencies(codec):
    tables, row = codec.trunk.y_tables, 40
    drawn = prior.draw(tables, np.full(200_000, row), np.random.default_rng(0), 1.0)
    table = tables.tables[row]
    limit = int(tables.limits[row])
    seen = np.bincount(drawn + limit, minlength=2 * limit + 1) / len(drawn)
    assert np.abs(seen - table[:-1] / table.sum()).max() < 0.005


def test_all_channels_give_the_picture_back_and_fewer_give_less(codec, coded):
    symbols = codec.read(read(coded.data))
    everything, share = prior.keep_channels(codec, symbols, 320)
    assert (everything.y_hat == symbols.y_hat).all() and share == pytest.approx(1)
    some, share = prior.keep_channels(codec, symbols, 10)
    assert 0 < share < 1 and not (some.y_hat == symbols.y_hat).all()
    side_only = prior.sample(codec, *symbols.z.shape[1:], 120, 0, 0.0, z=symbols.z)
    assert (side_only.z == symbols.z).all()


@pytest.mark.parametrize("values", [(0, 1, 0, 0), (100, 100, 0, 0), (1, 1, 300, 0), (1, 1, 0, 0, 3.0)])
def test_senseless_samples_are_refused(codec, values):
    with pytest.raises(CodecError):
        prior.sample(codec, *values)


def test_huffman_lengths_of_a_known_code():
    from codec.inside.ladder import huffman_lengths

    assert huffman_lengths(np.array([8, 4, 2, 1, 1])).tolist() == [1, 2, 3, 4, 4]
    assert huffman_lengths(np.array([5])).tolist() == [1]


def test_every_rung_of_the_ladder_is_shorter(codec, coded):
    from codec.inside.ladder import ladder

    stream = read(coded.data)
    rungs = ladder(codec.read(stream), stream)
    assert [r.total for r in rungs] == sorted((r.total for r in rungs), reverse=True)
    assert rungs[-1].total == bits.payload_bytes(coded.stream)
    assert rungs[1].symbols * 8 >= sum(len(q) for q in coded.latent.y)  # a Huffman symbol takes a bit at least


def test_coverage_is_the_painted_share_of_every_region():
    painted = np.zeros((70, 130), bool)
    painted[:32, :64] = True
    painted[64:, 128:] = True  # a region of 6×2 pixels at the corner
    assert roi.coverage(painted) == pytest.approx(np.array([[0.5, 0, 0], [0, 0, 1]]))


@pytest.mark.parametrize("factor", [2.0, 16.0, 64.0])
def test_a_painted_part_gains_and_the_file_does_not_grow(codec, factor):
    rgb = picture(320, 256, seed=5, grain=25)
    y, painted = codec.analyse(rgb), np.zeros(rgb.shape[:2], bool)
    painted[64:192, 64:192] = True
    uniform, found = encode(rgb, lmbda=0.013, codec=codec, y=y)
    region = roi.encode_painted(codec, y, painted, factor, len(uniform.data), start=found.q)
    assert 0.95 * len(uniform.data) < len(region.data) <= len(uniform.data) and region.codings <= 12
    assert (read(region.data).q_map() == region.levels).all()
    assert region.levels[1:3, 1:3].min() > region.levels[0].max()
    before, after = (roi.psnr_in_and_out(rgb, codec.decode(read(d)), painted) for d in (uniform.data, region.data))
    assert after[0] > before[0] + 0.2 and after[1] < before[1]
    shares = []
    for data in (uniform.data, region.data):
        symbols = codec.read(read(data))
        shares.append(roi.share_inside(bits.block_bits(codec, symbols, len(data)), painted))
    assert 0 < shares[0] < shares[1] < 1


def test_everything_painted_is_the_uniform_stream_again(codec):
    rgb = picture(128, 128, seed=6)
    y, everything = codec.analyse(rgb), np.ones((128, 128), bool)
    uniform, found = encode(rgb, lmbda=0.0067, codec=codec, y=y)
    region = roi.encode_painted(codec, y, everything, 8.0, len(uniform.data), start=found.q)
    assert len(region.data) <= len(uniform.data)
    assert roi.psnr_in_and_out(rgb, codec.decode(read(region.data)), everything)[1] is None


def test_senseless_paintings_are_refused(codec):
    y, nothing = codec.analyse(picture(64, 64)), np.zeros((64, 64), bool)
    with pytest.raises(CodecError, match="Nothing is painted"):
        roi.encode_painted(codec, y, nothing, 4.0, 1000)
    with pytest.raises(CodecError, match="between 1 and 64"):
        roi.encode_painted(codec, y, ~nothing, 0.5, 1000)
    with pytest.raises(CodecError, match="does not fit into 10 bytes"):
        roi.encode_painted(codec, y, ~nothing, 4.0, 10)


def test_mean_and_integers_make_the_latent_and_the_histogram_counts_them(codec, coded):
    symbols = codec.read(read(coded.data))
    channel = int(bits.symbol_bits(codec, symbols)[0].sum((1, 2)).argmax())
    seen = bits.expectation(codec, symbols, channel)
    assert np.allclose(seen.mu + seen.q, seen.y_hat, atol=1e-3) and seen.sigma.min() > 0.1
    values, counts, expected = bits.histogram(codec, symbols, channel)
    assert counts.sum() == seen.q.size and (values[counts > 0] == np.unique(seen.q)).all()
    assert expected.sum() == pytest.approx(seen.q.size, rel=0.02)
    assert counts[values == 0] == pytest.approx(expected[values == 0], rel=0.3)


def test_a_strip_goes_from_one_picture_to_the_other(codec):
    first, second = picture(128, 128, seed=1), picture(128, 128, seed=2)
    strip = prior.interpolate(codec, first, second, 150, 3)
    assert len(strip) == 3
    for rgb, symbols in ((first, strip[0]), (second, strip[-1])):
        assert (symbols.y_hat == codec.quantise(codec.analyse(rgb), 150).y_hat).all()
    for values in ((150, 1), (150, 100), (300, 3)):
        with pytest.raises(CodecError):
            prior.interpolate(codec, first, second, *values)
    with pytest.raises(CodecError, match="one size"):
        prior.interpolate(codec, first, second[:64], 150, 3)


def test_crops_are_of_the_middle():
    rgb = picture(100, 80)
    assert (prior.crop(rgb, 64) == rgb[8:72, 18:82]).all()
    with pytest.raises(CodecError, match="at least 128"):
        prior.crop(rgb, 128)


def test_spoiling_changes_what_it_says_and_nothing_else(codec, coded):
    from codec.entropy.integer import ONE

    symbols = codec.read(read(coded.data))
    one, channel = prior.spoil(symbols, 5, 2, 3, by=4), prior.spoil(symbols, 5)
    difference = one.y_hat - symbols.y_hat
    assert difference[0, 5, 2, 3] == 4 * ONE and (difference != 0).sum() == 1
    assert (channel.y_hat[0, 5] == 0).all() and (channel.y_hat[0, 6] == symbols.y_hat[0, 6]).all()
