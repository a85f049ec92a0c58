"""Whether one strategy is better than another, told from few repeated runs.

Runs are paired: both strategies share seed and start weights, so what differs between two runs of a pair is the strategy.
The test flips the signs of the differences in all ways (Fisher's randomisation test): if the strategies are alike, each
sign could as well have been the other. It needs no distribution and errs at the stated rate with any number of pairs; with
fewer than six pairs it can never reach 0.05, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from thrifty.errors import DataError
from thrifty.types import FloatArray, IntArray

ALPHA = 0.05
"""Share of comparisons of strategies that are alike which may be called different."""

POWER = 0.8
"""Share of studies that are to find a difference that is there."""

FEWEST_RESAMPLED = 5
"""Runs below which intervals from resampled runs miss the truth too often."""

Figures = Sequence[float] | FloatArray
"""A figure of each run."""

_MOST_EXACT = 20
"""Pairs up to which all signs are tried; beyond, as many are drawn as 20 pairs have."""

_DRAWN, _BLOCK = 1 << 20, 1 << 14
_RESAMPLES, _MOST_ENUMERATED = 20_000, 6
_NEAR = 1e-12


@dataclass(frozen=True, slots=True)
class Comparison:
    """A strategy beside its baseline.

    Attributes:
        pairs: Runs that both have.
        better: Pairs in which the strategy is strictly better.
        worse: Pairs in which it is strictly worse; the others are ties.
        difference: Mean of the differences; above 0 if the strategy is better.
        low: Lower end of the confidence interval of that mean; with one pair, minus infinity.
        high: Upper end.
        p: Two-sided p-value, corrected if strategies were compared together.
        alpha: Level of test and interval.
    """

    pairs: int
    better: int
    worse: int
    difference: float
    low: float
    high: float
    p: float
    alpha: float = ALPHA

    @property
    def is_different(self) -> bool:
        """Whether the difference is shown."""
        return self.p <= self.alpha

    def sentence(self, baseline: str) -> str:
        """In words; the interval has the sign of the difference, so that it holds the number before it.

        >>> Comparison(10, 9, 1, 0.043, 0.021, 0.066, 0.004).sentence("guided random")
        'better than guided random in 9 of 10 seeds, difference 0.043, 95 % interval 0.021 to 0.066 (p = 0.004)'
        >>> Comparison(10, 1, 8, -0.043, -0.066, -0.021, 0.004).sentence("guided random")
        'worse than guided random in 8 of 10 seeds, difference 0.043, 95 % interval 0.021 to 0.066 (p = 0.004)'
        >>> Comparison(5, 5, 0, 0.04, 0.01, 0.07, 0.0625).sentence("guided random")
        'no difference from guided random that 5 seeds can show (0.040 better, 95 % interval 0.010 to 0.070, p = 0.062)'
        """
        is_worse = self.difference < 0
        word, count = ("worse", self.worse) if is_worse else ("better", self.better)
        low, high = (-self.high, -self.low) if is_worse else (self.low, self.high)
        size = abs(self.difference)
        interval = interval_in_words(low, high, self.alpha)
        p = p_in_words(self.p)
        if not self.is_different:
            return (
                f"no difference from {baseline} that {self.pairs} seeds can show "
                f"({size:.3f}{f' {word}' if round(size, 3) else ''}, {interval}, {p})"
            )
        return f"{word} than {baseline} in {count} of {self.pairs} seeds, difference {size:.3f}, {interval} ({p})"


def interval_in_words(low: float, high: float, alpha: float = ALPHA, digits: int = 3) -> str:
    """Both ends, without a minus before a zero; or that there are none.

    >>> interval_in_words(-0.0001, 0.07), interval_in_words(-math.inf, math.inf)
    ('95 % interval 0.000 to 0.070', 'no interval, since so few seeds that all differ alike tell of no spread')
    """
    if math.isinf(low):
        return "no interval, since so few seeds that all differ alike tell of no spread"
    return f"{100 * (1 - alpha):g} % interval {low:z.{digits}f} to {high:z.{digits}f}"


def p_in_words(p: float) -> str:
    """A p-value that is rounded neither to 0 nor onto the level that it is held against.

    >>> p_in_words(0.0625), p_in_words(0.0502), p_in_words(0.00001)
    ('p = 0.062', 'p = 0.0502', 'p < 0.001')
    """
    if p < 0.0005:
        return "p < 0.001"
    digits = 3
    while digits < 6 and round(p, digits) == ALPHA != p:
        digits += 1
    return f"p = {p:.{digits}f}"


def compare(
    strategy: Figures,
    baseline: Figures,
    rng: np.random.Generator,
    *,
    lower_is_better: bool = True,
    alpha: float = ALPHA,
) -> Comparison:
    """Compare two strategies over paired runs.

    Args:
        strategy: A figure of each run, finite.
        baseline: The same of the runs that they are paired with.
        rng: Draws the resamples of the interval, and signs if there are too many pairs to try all.
        lower_is_better: As for miss rates; false for average precision or people found.
        alpha: Level of test and interval, above 0 and below 1.

    Raises:
        DataError: There are no pairs, their numbers differ, or a figure is not finite.
    """
    first, second = (np.asarray(values, dtype=np.float64) for values in (strategy, baseline))
    if first.shape != second.shape or first.ndim != 1 or not first.size:
        raise DataError(
            f"{first.size} and {second.size} runs cannot be compared in pairs; give as many of both, and at least one"
        )
    differences = second - first if lower_is_better else first - second
    if not np.isfinite(differences).all():
        raise DataError("a figure of a run is not finite; leave the run out of both strategies")
    low, high = interval(differences, rng, alpha)
    # Areas are sums, whose last digits depend on how many terms they have: that makes no pair better.
    tie = _NEAR * max(1.0, float(np.abs(first).max()))
    return Comparison(
        pairs=len(differences),
        better=int((differences > tie).sum()),
        worse=int((differences < -tie).sum()),
        difference=float(differences.mean()),
        low=low,
        high=high,
        p=sign_flip_test(differences, rng),
        alpha=alpha,
    )


def sign_flip_test(differences: FloatArray, rng: np.random.Generator) -> float:
    """Two-sided p-value of the mean difference: the share of all signs that give one as far from 0.

    Args:
        differences: `n` finite numbers, one a pair.
        rng: Draws signs where n is over 20; the p-value then has a standard error below 0.0005.

    >>> sign_flip_test(np.array([1.0, 2.0, 3.0]), np.random.default_rng(0))
    0.25
    """
    count = len(differences)
    magnitudes = np.abs(differences)
    seen = abs(float(differences.sum()))
    if count <= _MOST_EXACT:
        sums = np.zeros(1)
        for magnitude in magnitudes:
            sums = np.concatenate([sums + magnitude, sums - magnitude])
        return float((np.abs(sums) >= seen - _NEAR * max(1.0, seen)).mean())
    least = seen - _NEAR * max(1.0, seen)
    hits = 0
    for _ in range(_DRAWN // _BLOCK):
        flips = rng.integers(0, 2, (_BLOCK, count), dtype=np.int8) * 2.0 - 1.0
        hits += int((np.abs(flips @ magnitudes) >= least).sum())
    # The signs that were seen are one of those that could have been drawn.
    return (hits + 1) / (_DRAWN + 1)


def interval(
    differences: FloatArray, rng: np.random.Generator, alpha: float = ALPHA
) -> tuple[float, float]:
    """Confidence interval of the mean by the bootstrap, studentised, which few runs need.

    Each resample's mean is measured in its own standard errors (Efron and Tibshirani 1993, chapter 12): plain
    percentiles of resampled means are too narrow for ten runs or fewer. Fewer than five can be drawn in too few ways, and
    get Student's interval. A resample of one number over and over lies infinitely far from the mean in its own standard errors;
    where such resamples are so many that they decide an end, Student's stands there.

    Args:
        differences: `n` finite numbers.
        rng: Draws the resamples; with six numbers or fewer all are taken.
        alpha: One less the coverage.

    Returns:
        Both ends; the number itself where all are equal, but infinite where they are fewer than the test needs to reach `alpha`
        and not 0: a single number, or a few that agree by the coarseness of a figure, say nothing of their spread.
    """
    count, mean = len(differences), float(differences.mean())
    error = float(differences.std(ddof=1)) / math.sqrt(count) if count > 1 else math.inf
    if not math.isfinite(error):
        return -math.inf, math.inf
    if error <= _NEAR * max(1.0, abs(mean)):
        is_known = abs(mean) <= _NEAR or count >= _fewest(alpha)
        return (mean, mean) if is_known else (-math.inf, math.inf)
    reach = float(stats.t.ppf(1 - alpha / 2, count - 1))
    if count < FEWEST_RESAMPLED:
        return mean - reach * error, mean + reach * error
    drawn = differences[_resamples(count, rng)]
    away = drawn.mean(axis=1) - mean
    away[np.abs(away) <= _NEAR * error] = 0.0
    errors = drawn.std(axis=1, ddof=1) / math.sqrt(count)
    distances = np.copysign(np.inf, away)
    distances[away == 0] = 0.0
    np.divide(away, errors, out=distances, where=errors > _NEAR * error)
    # Without interpolation: between a number and infinity there is nothing.
    ends = np.quantile(distances, [alpha / 2, 1 - alpha / 2], method="inverted_cdf")
    low, high = np.where(np.isfinite(ends), ends, [-reach, reach])
    return mean - float(high) * error, mean - float(low) * error


def _resamples(count: int, rng: np.random.Generator) -> IntArray:
    """All ways to draw so many of as many, where they are few; else some."""
    if count <= _MOST_ENUMERATED:
        return np.indices((count,) * count).reshape(count, -1).T
    return rng.integers(0, count, (_RESAMPLES, count))


def _fewest(alpha: float) -> int:
    """Pairs that the test needs to reach `alpha` at all."""
    return max(2, math.ceil(1 - math.log2(alpha)))


def corrected(comparisons: Mapping[str, Comparison]) -> dict[str, Comparison]:
    """Comparisons with p-values corrected for their number after Holm.

    So that no more than `alpha` of all studies call any strategy different that is not. Give all comparisons that answer one
    question at once, whichever seeds each of them has.

    >>> alike = Comparison(6, 3, 3, 0.0, -0.1, 0.1, 0.9)
    >>> found = corrected({"a": replace(alike, p=0.03), "b": alike})
    >>> found["a"].p, found["b"].p
    (0.06, 0.9)
    """
    p = holm([comparison.p for comparison in comparisons.values()])
    return {
        name: replace(comparison, p=value)
        for (name, comparison), value in zip(comparisons.items(), p, strict=True)
    }


def holm(p: Sequence[float]) -> list[float]:
    """P-values corrected for their number (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p)), key=lambda place: p[place])
    corrected = [0.0] * len(p)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - rank) * p[place]))
        corrected[place] = largest
    return corrected


def seeds_needed(
    difference: float, spread: float, alpha: float = ALPHA, power: float = POWER
) -> int:
    """Paired runs that it takes to see a difference.

    By the paired t-test, whose power is close to the sign-flip test's; but never fewer than that test needs to reach
    `alpha` at all.

    Args:
        difference: Mean difference to be seen, not 0.
        spread: Standard deviation of the differences between the runs of a pair, >= 0.
        alpha: Level of the test.
        power: Share of studies that are to see it, above `alpha` and below 1.

    Raises:
        DataError: The difference is 0, or it would take over a million runs.

    >>> seeds_needed(0.04, 0.04), seeds_needed(0.04, 0.0)
    (10, 6)
    """
    least = _fewest(alpha)
    if difference == 0:
        raise DataError(
            "no number of runs shows a difference of 0; say how large a difference matters"
        )
    effect = abs(difference) / spread if spread > 0 else math.inf
    if _power(least, effect, alpha) >= power:
        return least
    low, high = least, 2 * least
    while _power(high, effect, alpha) < power:
        low, high = high, 2 * high
        if high > _MOST_RUNS:
            raise DataError(
                f"a difference of {difference:g} beside a spread of {spread:g} takes over a million runs to see"
            )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _power(middle, effect, alpha) >= power else (middle, high)
    return high


_MOST_RUNS = 1 << 20


def _power(count: int, effect: float, alpha: float) -> float:
    """Share of studies of `count` pairs in which the t-test finds a difference of `effect` standard deviations."""
    if math.isinf(effect):
        return 1.0
    shift = effect * math.sqrt(count)
    edge = stats.t.ppf(1 - alpha / 2, count - 1)
    # SciPy knows no number where a tail has all of the mass, or next to none of it.
    near = float(stats.nct.sf(edge, count - 1, shift))
    far = float(stats.nct.cdf(-edge, count - 1, shift))
    return (1.0 if math.isnan(near) else near) + (0.0 if math.isnan(far) else far)
