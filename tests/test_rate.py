import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec import rate, spec
from codec.errors import CodecError
from codec.inside.roi import exponential
from codec.spec import ANCHORS, TOP, lambda_from_level, level_from_lambda


@given(st.floats(spec.LAMBDA_MIN, spec.LAMBDA_MAX))
def test_lambda_survives_the_byte(lmbda):
    assert math.isclose(spec.lambda_of(spec.quality_index(lmbda)), lmbda, rel_tol=0.012)


@given(st.floats(0, TOP))
def test_level_and_lambda_are_inverse(level):
    assert math.isclose(level_from_lambda(lambda_from_level(level)), level, abs_tol=1e-9)


def test_anchors_are_whole_levels():
    assert [round(level_from_lambda(a), 9) for a in ANCHORS] == list(range(TOP + 1))


@pytest.mark.parametrize("lmbda", [0.0, -1.0, 0.0001, 1.0, math.nan, math.inf])
def test_lambda_out_of_range_is_refused_with_the_range(lmbda):
    with pytest.raises(CodecError, match=r"0\.0005 and 0\.0483"):
        spec.quality_index(lmbda)


@given(st.floats(0.004, 0.02), st.integers(500, 50_000), st.integers(100, 400_000), st.integers(0, 60))
def test_the_search_finds_the_largest_level_that_fits(slope, smallest, target, wobble):
    calls = []

    def size(level: int) -> int:
        calls.append(level)
        return int(smallest * math.exp(slope * level)) + (wobble if level % 2 else 0)

    found = rate.largest_q(size, target, exponential, guess=127)
    assert len(calls) <= 12
    if found is None:
        assert size(0) > target
    else:
        assert size(found) <= target
        # The next level but one is clear of the wobble.
        assert found >= 254 or size(found + 2) > target - wobble
