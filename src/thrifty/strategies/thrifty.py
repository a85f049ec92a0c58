"""The strategy of the house: divergence, with a detector that goes on learning.

The detector of a cycle begins from the weights of the cycle before (a warm start), where the paper's begins from the start weights
every time. What it has learned from few labels is not thrown away, for the same number of steps a cycle.
"""

from __future__ import annotations

from thrifty.strategies.divergence import Divergence


class Thrifty(Divergence):
    """Divergence, whose detector goes on from cycle to cycle (`thrifty.strategies.strategy.goes_on`)."""

    warm = True
