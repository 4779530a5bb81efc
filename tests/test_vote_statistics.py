"""What is concluded from votes: published examples, SciPy's own, simulated rooms, and the rules fixed in advance."""

import json
import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from voting import METHODS, filled, opened, small_set

from codec.vote import charts, results, simulate, statistics, trials
from codec.vote.ballots import Hands, Vote
from codec.vote.statistics import TIE, WIN
from codec.vote.store import Store

ROOT = Path(__file__).parents[1]
FLAT = 1e6  # a prior as good as none, for what others have published
#: Games of the American League East in 1987, row against column (Agresti, "Categorical Data Analysis", 2002, p. 438).
BASEBALL = """
    Milwaukee 0 7 9 7 7 9 11
    Detroit 6 0 7 5 11 9 9
    Toronto 4 6 0 7 7 8 12
    New_York 6 8 6 0 6 7 10
    Boston 6 2 6 7 0 7 12
    Cleveland 4 4 5 6 6 0 6
    Baltimore 2 4 1 3 1 7 0
"""
#: Six brands of chocolate pudding: i, j, preferences for i, for j, and ties (Davidson, JASA 1970).
PUDDING = """
    1 2 19 22 16   1 3 16 19 12   2 3 19 19 10   1 4 18 23 13   2 4 23 19 9   3 4 19 20 15   1 5 13 19 18
    2 5 16 20 12   3 5 16 15 17   4 5 17 14 16   1 6 18 21 12
    2 6 22 20 12   3 6 13 18 10   4 6 14 19 18   5 6 11 21 12
"""


def test_bradley_terry_gives_agrestis_abilities():
    wins = np.array([[int(n) for n in row.split()[1:]] for row in BASEBALL.strip().splitlines()])
    theta, log_nu = statistics.davidson(np.stack([wins, 0 * wins], -1), FLAT)
    assert (theta - theta[-1]).round(2).tolist() == [1.58, 1.44, 1.29, 1.25, 1.11, 0.68, 0]
    assert log_nu == -np.inf


def test_ties_give_davidsons_worths():
    rows, counts = np.array(PUDDING.split(), int).reshape(-1, 5), np.zeros((6, 6, 2))
    for i, j, first, second, ties in rows:
        counts[i - 1, j - 1, WIN], counts[j - 1, i - 1, WIN] = first, second
        counts[i - 1, j - 1, TIE] = counts[j - 1, i - 1, TIE] = ties
    theta, log_nu = statistics.davidson(counts, FLAT)
    worth = np.exp(theta) / np.exp(theta).sum()
    # Davidson stopped after seven steps; the values are those of the vignette of R's PlackettLuce.
    assert worth == pytest.approx([0.1388005, 0.1729985, 0.1617420, 0.1653930, 0.1586805, 0.2023855], abs=5e-5)
    assert np.exp(log_nu) == pytest.approx(0.7468147, abs=2e-5)


def test_many_samples_at_once_are_fitted_as_one_alone_and_a_method_that_always_wins_stays_finite():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 9, (5, 4, 4, 2)).astype(float)
    counts[..., TIE] += np.swapaxes(counts[..., TIE], 1, 2)
    counts[0, 0, :, WIN], counts[0, :, 0] = 20, 0
    theta, _ = statistics.davidson(counts)
    assert theta == pytest.approx(np.stack([statistics.davidson(one)[0] for one in counts]), abs=1e-6)
    assert np.isfinite(theta).all() and theta[0].argmax() == 0


def test_holm_and_the_exact_test():
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.binomial(8, 2) == pytest.approx(112 / 1024) and statistics.binomial(0, 0) == 1


@pytest.mark.parametrize(("k", "n"), [(0, 7), (5, 9), (30, 40)])
def test_wilsons_interval_is_scipys(k, n):
    assert statistics.wilson(k / n, n) == pytest.approx(tuple(stats.binomtest(k, n).proportion_ci(method="wilson")))


@pytest.mark.parametrize("n", [12, 60])
def test_the_detectable_share_is_the_smallest_with_the_power(n):
    def power(share: float) -> float:
        rejected = [k for k in range(n + 1) if stats.binomtest(k, n).pvalue <= 0.05]
        return sum(stats.binom.pmf(k, n, share) for k in rejected)

    share = statistics.detectable(n)
    assert power(share) >= 0.8 > power(share - 0.01)
    assert statistics.detectable(3) is None  # not even 3 : 0 is clear


def test_tau_of_one_image_is_scipys():
    quality, votes = np.array([3.0, 1.0, 2.0, 5.0]), np.array([0.2, 0.1, 0.4, 0.9])
    i, j = np.triu_indices(4, 1)
    assert statistics.tau(votes[i] - votes[j], quality[i] - quality[j]) == pytest.approx(
        stats.kendalltau(quality, votes).statistic
    )


def test_intervals_of_simulated_rooms_hold_the_truth():
    few = simulate.coverage(15, 12, "different")
    assert few["strengths_held"] >= 0.88 and few["pairs_held_bootstrap"] >= 0.85
    full = json.loads((ROOT / "results" / "vote-coverage.json").read_text())["coverage"]
    assert {row["scenario"] for row in full} == set(simulate.SCENARIOS) and min(row["rooms"] for row in full) >= 1000
    kinds = ("strengths_held", "pairs_held_bootstrap", "pairs_held_wilson")
    assert all(0.93 <= row[kind] <= 0.97 for row in full for kind in kinds)
    held = sorted(100 * row["strengths_held"] for row in full)
    document = " ".join((ROOT / "docs" / "voting.md").read_text().split())
    assert f"hold the truth in {held[0]:.1f} to {held[-1]:.1f} %" in document


# --- trials -------------------------------------------------------------------------------------------------


def test_every_comparison_gets_as_many_votes_and_no_image_comes_twice_in_a_row():
    given, rng, left = Counter(), random.Random(1), Counter()
    for _ in range(30):
        own = trials.design(5, "abcd", given, rng)
        assert all(a.image != b.image for a, b in pairwise(own))
        assert Counter(t.kind for t in own) == {trials.VOTE: 10, trials.REPEAT: 1, trials.CHECK: 1}
        again = next(t for t in own if t.kind == trials.REPEAT)
        pair = (again.image, {again.left, again.right})
        assert [t.kind for t in own if (t.image, {t.left, t.right}) == pair] == [trials.VOTE, trials.REPEAT]
        for t in own:
            if t.kind == trials.VOTE:
                given[(t.image, *sorted((t.left, t.right)))] += 1
                left[t.left < t.right] += 1
    assert len(given) == 30 and max(given.values()) - min(given.values()) <= 1
    assert 0.4 < left[True] / 300 < 0.6


# --- the rules ----------------------------------------------------------------------------------------------


def room_of(tmp_path, voters: int) -> tuple[dict, list[Vote]]:
    store = Store(tmp_path)
    code, _ = opened(store)
    filled(store, code, voters)
    votes = store.votes(code)
    store.close()
    return small_set().setup, votes


def test_who_does_not_look_is_left_out_and_the_repeat_counts_for_nobody(tmp_path):
    setup, votes = room_of(tmp_path, 8)
    summary = results.analyse(setup, votes)
    assert (summary["voters"], summary["left_out"], summary["votes"]) == (8, 0, 80)
    assert summary["asked_twice"] == 8 >= summary["consistent"]
    blind = votes[0].voter
    other = {trials.LEFT: trials.RIGHT, trials.RIGHT: trials.LEFT}
    failed = [replace(v, choice=other[v.choice]) if v.voter == blind and v.kind == trials.CHECK else v for v in votes]
    summary = results.analyse(setup, failed)
    assert (summary["voters"], summary["left_out"], summary["votes"]) == (8, 1, 70)
    early = [v for v in votes if v.voter != blind or v.kind != trials.CHECK]  # left before the check
    assert results.analyse(setup, early)["votes"] == 80


def test_fewer_than_five_voters_are_never_shown(tmp_path):
    setup, votes = room_of(tmp_path, 4)
    assert results.analyse(setup, votes) == {
        **{"voters": 4, "left_out": 0, "votes": 40, "ties": 0, "asked_twice": 4, "withheld": True},
        "consistent": results.consistency(votes)[0],
    }


def test_the_room_prefers_what_it_was_made_to_and_psnr_does_not(tmp_path):
    setup, votes = room_of(tmp_path, 30)
    summary = results.analyse(setup, votes)
    assert [row["key"] for row in sorted(summary["scale"], key=lambda r: r["score"])] == list(METHODS)
    assert all(row["low"] < row["score"] < row["high"] for row in summary["scale"])
    by_name = {row["name"]: row for row in summary["measures"]}
    assert by_name["lpips"]["tau"] > 0.8 and by_name["psnr"]["tau"] < -0.8 and by_name["ms_ssim"]["tau"] is None
    last = summary["pairs"][-1]
    assert (last["first"], last["second"], last["clear"]) == ("mse", "hific", True) and last["psnr"] > 0
    assert last["p"] <= last["p_holm"] and last["wilson"][0] < last["share"] < last["wilson"][1] < 0.5
    text = charts.bars(summary, {m: m for m in METHODS}, lambda key, **_: key, masked=True)
    assert not any(name in text for name in (*METHODS, *map(charts.colour_of, METHODS)))


def test_ties_are_half_a_vote_in_shares_and_none_in_tests():
    votes = [
        Vote("r", str(n), 1, trials.VOTE, "closer", 0, "mse", "hific", choice)
        for n, choice in enumerate([trials.LEFT] * 6 + [trials.RIGHT] * 2 + [trials.TIE] * 4)
    ]
    summary = results.analyse(small_set(4, ("mse", "hific")).setup, votes)
    (pair,) = summary["pairs"]
    assert pair["share"] == pytest.approx(8 / 12) and pair["p"] == pytest.approx(statistics.binomial(6, 2))
    assert summary["ties"] == 4 and summary["nu"] > 0
    assert pair["wilson"] == pytest.approx(statistics.wilson(8 / 12, 12))


def test_hands_are_counted_as_votes():
    hands = [Hands(0, "mse", "hific", 3, 9, 2), Hands(1, "mse", "hific", 4, 10, 0)]
    summary = results.analyse(small_set(4, ("mse", "hific")).setup, results.raised(hands, "closer"))
    (pair,) = summary["pairs"]
    assert (pair["wins"], pair["losses"], pair["ties"]) == (7, 19, 2)
