r"""What a choice saves against chance, told by a random sample that is labelled beside it.

Each labelled frame teaches something: objects, or mistakes of the detector that its labels correct. If chosen frames teach
\(\bar c\) each and random ones \(\bar r\), then chance would need \(n\,\bar c/\bar r\) frames to teach what \(n\) chosen ones do, and the
choice has saved \(n(\bar c/\bar r - 1)\).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from thrifty.types import FloatArray

FEWEST = 5
"""Frames of either kind below which nothing is said."""
_RESAMPLES = 4000
_ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Saving:
    """How much more chosen frames teach than random ones.

    Attributes:
        chosen: Chosen frames that are labelled (n).
        random: Random frames that are.
        ratio: Of the means; infinite where random frames teach nothing, NaN where none does.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    chosen: int
    random: int
    ratio: float
    low: float
    high: float

    @property
    def frames(self) -> float:
        """Random frames that need not be labelled, < 0 where chance would have done better."""
        return self.chosen * (self.ratio - 1)

    @property
    def is_told(self) -> bool:
        """Whether the interval leaves chance out on one side."""
        return self.low > 1 or self.high < 1


def saving(chosen: FloatArray, random: FloatArray, rng: np.random.Generator) -> Saving | None:
    """Compare what chosen and random frames teach.

    Args:
        chosen: `N` numbers >= 0, one a frame.
        random: `M` likewise.
        rng: Draws the resamples of the percentile bootstrap, frames within their kind. Where all frames of one kind teach
            nothing, an exact binomial bound takes its place.

    Returns:
        The ratio and its interval; `None` with fewer than five frames of either kind.

    >>> told = saving(np.full(20, 4.0), np.full(5, 2.0), np.random.default_rng(0))
    >>> told.ratio, told.frames, told.low, told.high
    (2.0, 20.0, 2.0, 2.0)
    """
    if min(len(chosen), len(random)) < FEWEST:
        return None
    ratios = _ratio(_resampled(chosen, rng), _resampled(random, rng))
    ratios = ratios[~np.isnan(ratios)]
    ratio = float(_ratio(chosen.mean(keepdims=True), random.mean(keepdims=True))[0])
    if math.isnan(ratio) or not len(ratios):
        return Saving(len(chosen), len(random), math.nan, 0.0, math.inf)
    # Of frames that all teach nothing the bootstrap knows nothing but nothing.
    if not random.any():
        least = float(np.quantile(_resampled(chosen, rng), _ALPHA / 2))
        return Saving(len(chosen), len(random), ratio, least / _at_most(random, chosen), math.inf)
    if not chosen.any():
        least = float(np.quantile(_resampled(random, rng), _ALPHA / 2))
        most = math.inf if least == 0 else _at_most(chosen, random) / least
        return Saving(len(chosen), len(random), ratio, 0.0, most)
    # Of the drawn values themselves: between a finite and an infinite one nothing can be interpolated.
    low, high = (
        float(np.quantile(ratios, share, method="nearest"))
        for share in (_ALPHA / 2, 1 - _ALPHA / 2)
    )
    return Saving(len(chosen), len(random), ratio, low, high)


def _at_most(nothing: FloatArray, others: FloatArray) -> float:
    """Upper bound of the mean of frames none of which taught anything.

    The exact bound of the share that may teach (Clopper and Pearson 1934), times what frames of the other kind teach where
    they do.
    """
    share = 1 - (_ALPHA / 2) ** (1 / len(nothing))
    return float(share * others[others > 0].mean())


def _resampled(values: FloatArray, rng: np.random.Generator) -> FloatArray:
    count = len(values)
    return np.asarray(values[rng.integers(0, count, (_RESAMPLES, count))].mean(axis=1))


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(above / below)
