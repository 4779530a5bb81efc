"""What can be concluded from paired comparisons by several voters.

SciPy alone: it is there with scikit-image, while statsmodels would bring pandas and patsy for Holm's five lines, and
choix (0.4) has no ties. The Bradley–Terry fit is Newton's method on all bootstrap samples at once, which a general
optimiser would take one after another: 1,000 samples take milliseconds.

Arrays: `counts` is (…, M, M, 2) over methods i, j: counts[i, j, WIN] how often i was preferred to j, counts[i, j, TIE]
= counts[j, i, TIE] how often neither.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from scipy import stats

WIN, TIE = 0, 1
LEVEL = 0.95
SAMPLES = 1000  # of the bootstrap
#: Standard deviation of the prior on each log strength and on log ν, about 0: e³ = 20 to 1 is nothing unusual.
PRIOR = 3.0
NEWTON_STEPS, LARGEST_STEP, TOLERANCE = 60, 1.0, 1e-10
POWER = 0.8


def binomial(wins: int, losses: int) -> float:
    """Exact two-sided p of a number of wins against chance, ties left out; 1 where there is no vote."""
    return float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def holm(p: list[float]) -> list[float]:
    """p values adjusted for their number (Holm 1979): each step's is multiplied by how many are left."""
    order = np.argsort(p)
    stepped = np.maximum.accumulate([min(1.0, p[at] * (len(p) - rank)) for rank, at in enumerate(order)])
    adjusted = np.empty(len(p))
    adjusted[order] = stepped
    return adjusted.tolist()


def wilson(share: float, n: float, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's interval (1927) for a share of n votes; n and share·n need not be whole, as ties are split."""
    if n <= 0:
        return 0.0, 1.0
    z = stats.norm.ppf((1 + level) / 2)
    middle, half = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = ((middle + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return max(0.0, float(low)), min(1.0, float(high))


@functools.lru_cache(4096)
def detectable(n: int, alpha: float = 1 - LEVEL, power: float = POWER) -> float | None:
    """The smallest true share, in whole percents, that n votes tell from 50 % with this power; None where none."""
    if n < 1:
        return None
    outcomes = np.arange(n + 1)
    below = stats.binom.cdf(outcomes, n, 0.5)
    rejected = 2 * np.minimum(below, below[::-1]) <= alpha  # the exact test, which is symmetric
    for percent in range(51, 100):
        if stats.binom.pmf(outcomes, n, percent / 100)[rejected].sum() >= power:
            return percent / 100
    return None


# --- Bradley–Terry with ties --------------------------------------------------------------------------------


def davidson(counts: np.ndarray, prior: float = PRIOR) -> tuple[np.ndarray, np.ndarray]:
    """Log strengths (…, M), mean 0, and log ν (…) of Davidson's model, most probable after the votes.

    P(i beats j) ∝ πᵢ, P(j beats i) ∝ πⱼ, P(tie) ∝ ν·√(πᵢπⱼ) with π = exp(θ) (Davidson, "On extending the Bradley–Terry
    model to accommodate ties in paired comparison experiments", JASA 1970); without ties this is Bradley–Terry (1952).
    The prior, normal with deviation `prior` on each θ and on log ν, keeps a method that always wins finite.
    Where there are no ties at all, log ν is -inf.
    """
    m = counts.shape[-2]
    i, j = np.triu_indices(m, 1)
    seen = np.stack([counts[..., i, j, WIN], counts[..., j, i, WIN], counts[..., i, j, TIE]], -1).astype(float)
    ties = bool(seen[..., 2].any())
    x = np.zeros((len(i), 3, m + 1))  # features of the three outcomes of a pair: log P = x·(θ, log ν) + constant
    pair = np.arange(len(i))
    x[pair, 0, i] = x[pair, 1, j] = 1
    x[pair, 2, i] = x[pair, 2, j] = 0.5
    x[pair, 2, m] = 1
    outcomes, size = (3, m + 1) if ties else (2, m)
    x, seen = x[:, :outcomes, :size], seen[..., :outcomes]
    n, total, precision = seen.sum(-1), np.einsum("...po,pod->...d", seen, x), np.eye(size) / prior**2
    at = np.zeros((*counts.shape[:-3], size))
    for _ in range(NEWTON_STEPS):
        p = np.exp(np.einsum("pod,...d->...po", x, at))
        p /= p.sum(-1, keepdims=True)
        mean = np.einsum("...po,pod->...pd", p, x)
        gradient = total - np.einsum("...p,...pd->...d", n, mean) - at / prior**2
        spread = np.einsum("...po,pod,poe->...pde", p, x, x) - mean[..., :, None] * mean[..., None, :]
        step = np.linalg.solve(np.einsum("...p,...pde->...de", n, spread) + precision, gradient[..., None])[..., 0]
        step /= np.maximum(1, np.abs(step).max(-1, keepdims=True) / LARGEST_STEP)  # concave, so short steps arrive
        at = at + step
        if np.abs(step).max(initial=0) < TOLERANCE:
            break
    theta = at[..., :m] - at[..., :m].mean(-1, keepdims=True)
    return theta, at[..., m] if ties else np.full(at.shape[:-1], -np.inf)


# --- voters -------------------------------------------------------------------------------------------------


def resampled(voters: int, rng: np.random.Generator, samples: int = SAMPLES) -> np.ndarray:
    """How often each voter is drawn, (samples, voters): whole voters, for the trials of one depend on each other."""
    return rng.multinomial(voters, np.full(voters, 1 / voters), samples).astype(np.float64)


def interval(values: np.ndarray, voters: int, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """The expanded percentile interval of bootstrap values (samples, …) over a number of voters.

    Plain percentiles are too narrow for few voters, as if t were normal and the variance had no n - 1; the tails are
    widened for both (Hesterberg, "What teachers should know about the bootstrap", The American Statistician 2015).
    """
    if voters < 2:
        return np.full(values.shape[1:], -np.inf), np.full(values.shape[1:], np.inf)
    quantile = stats.t.ppf((1 + level) / 2, voters - 1) * math.sqrt(voters / (voters - 1))
    tail = float(stats.norm.cdf(-quantile))
    low, high = np.quantile(values, (tail, 1 - tail), axis=0)
    return low, high


# --- which measure predicts the votes -----------------------------------------------------------------------


def tau(preference: np.ndarray, measure: np.ndarray) -> np.ndarray:
    """Kendall's τ-b (1945) over comparisons: signs of `preference` (…, units) against signs of `measure` (units,).

    A unit is one image and two methods, so that only renditions of one image are ever compared. preference is how
    much the first is preferred (0 for even), measure by how much it is better. For one image whose pairs were all
    compared this is `scipy.stats.kendalltau`. NaN where nothing differs.
    """
    a, b = np.sign(preference), np.sign(measure)
    both = np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(both > 0, (a * b).sum(-1) / both, np.nan)
