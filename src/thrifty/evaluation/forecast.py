r"""What the next labels are likely to buy: a power law through the models so far.

Errors of detectors fall with the labels about as \(e(n) = a\,n^{-b}\) (Hestness et al. 2017, "Deep Learning Scaling is Predictable,
Empirically"), which is a straight line in logarithms. Through few points the line is uncertain, and its prediction interval says how much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEWEST = 3
"""Models below which nothing is forecast."""
_ALPHA = 0.2
_LEAST_ERROR = 1e-4


@dataclass(frozen=True, slots=True)
class Forecast:
    """What an error will be after more labels.

    Attributes:
        frames: Labelled frames then.
        now: The error that the law gives for the present.
        then: And after the next labels.
        low: Lower end of the 80 % prediction interval of `then`.
        high: Upper end.
    """

    frames: int
    now: float
    then: float
    low: float
    high: float

    @property
    def gain(self) -> float:
        """By how much the error is expected to fall."""
        return self.now - self.then


def forecast(frames: Sequence[int], errors: Sequence[float], more: int) -> Forecast | None:
    """Fit the law by least squares in logarithms, and read it further on.

    Args:
        frames: Labelled frames that each model has learned from, >= 1.
        errors: Of the models, in [0, 1].
        more: Frames to be labelled next, >= 1.

    Returns:
        The forecast; `None` with fewer than three models, or if all have learned from equally many frames.

    >>> told = forecast([10, 20, 40], [0.8, 0.4, 0.2], 40)
    >>> round(told.now, 6), round(told.then, 6), round(told.low, 6), round(told.high, 6)
    (0.2, 0.1, 0.1, 0.1)
    """
    from scipy.stats import t  # noqa: PLC0415 - takes long to load

    x = np.log(np.asarray(frames, dtype=np.float64))
    y = np.log(np.maximum(np.asarray(errors, dtype=np.float64), _LEAST_ERROR))
    if len(x) < FEWEST or not np.ptp(x):
        return None
    spread = float(((x - x.mean()) ** 2).sum())
    slope = float((x - x.mean()) @ (y - y.mean())) / spread
    left = y - y.mean() - slope * (x - x.mean())
    error = math.sqrt(float(left @ left) / (len(x) - 2))
    last = max(frames)
    at = math.log(last + more)
    middle = float(y.mean()) + slope * (at - float(x.mean()))
    reach = float(t.ppf(1 - _ALPHA / 2, len(x) - 2)) * error
    reach *= math.sqrt(1 + 1 / len(x) + (at - float(x.mean())) ** 2 / spread)
    now = float(y.mean()) + slope * (math.log(last) - float(x.mean()))
    # No error is above 1; a law that rises would leave what a float can hold.
    now, middle, low, high = (
        math.exp(min(0.0, value)) for value in (now, middle, middle - reach, middle + reach)
    )
    return Forecast(last + more, now, middle, low, high)
