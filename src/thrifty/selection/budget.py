r"""What a cycle may spend.

A budget counts frames, boxes or seconds of labelling. What a frame will cost is only known when it has been labelled; before,
it is what the detector expects: \(c_f = \alpha + \beta\, \hat n_f\) with the expected number of boxes \(\hat n_f\).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from thrifty.errors import BudgetError
from thrifty.types import BoolArray, FloatArray, IntArray

_ROUNDING = 1 + 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Budget:
    """What a cycle may spend on N candidates.

    Attributes:
        amount: In the unit of the costs; whole frames without costs.
        costs: `N` expected costs, > 0; each candidate costs 1 if left out.
        exact: Whether the choice of greatest total score is wanted, and not only the greedy one.
    """

    amount: float
    costs: FloatArray | None = None
    exact: bool = False

    @property
    def frames(self) -> int:
        """The most frames that it can buy: for strategies that choose one frame after the other.

        What is not affordable after all, `bought` passes over.
        """
        if self.costs is None:
            return int(self.amount)
        cheapest = np.cumsum(np.sort(self.costs))
        return int(np.searchsorted(cheapest, self.amount * _ROUNDING, side="right"))

    def bought(self, order: Sequence[int] | IntArray) -> list[int]:
        """Places of an order of candidates that the budget buys: down the order, whatever still fits.

        >>> Budget(10.0, np.array([6.0, 5.0, 3.0, 1.0])).bought([0, 1, 2, 3])
        [0, 2, 3]
        """
        if self.costs is None:
            return list(range(min(len(order), int(self.amount))))
        left = self.amount * _ROUNDING
        places = []
        for place, cost in enumerate(self.costs[np.asarray(order, dtype=np.int64)].tolist()):
            if cost <= left:
                left -= cost
                places.append(place)
        return places

    @property
    def within_reach(self) -> BoolArray | None:
        """Which candidates cost no more than all there is to spend, `N`; `None` without costs."""
        return None if self.costs is None else self.costs <= self.amount * _ROUNDING

    def of(self, places: BoolArray | IntArray) -> Budget:
        """The same for some of the candidates."""
        return self if self.costs is None else replace(self, costs=self.costs[places])

    def cost_of(self, index: int) -> float:
        """What one candidate is expected to cost."""
        return 1.0 if self.costs is None else float(self.costs[index])

    def times(self, factor: float) -> Budget:
        """A multiple, for a shortlist, which is never an exact one; whole frames are rounded up."""
        amount = factor * self.amount
        return Budget(math.ceil(amount) if self.costs is None else amount, self.costs)

    def at_most(self, candidates: int) -> Budget:
        """The same, but no more frames than there are."""
        return (
            self if self.costs is not None else replace(self, amount=min(self.amount, candidates))
        )

    def check(self, candidates: int) -> None:
        """Refuse a budget that buys nothing, or more frames than there are.

        Raises:
            BudgetError: It does.
        """
        if self.costs is None and self.amount > candidates:
            raise BudgetError(
                f"{self.amount:g} frames are to be chosen but only {candidates} are left; lower the budget, or the cycles of a recipe"
            )
        if self.costs is not None and self.amount > 0 and not self.frames:
            least = "no frame is left"
            if candidates:
                least = f"the cheapest frame is expected to cost {self.costs.min():.3g}"
            raise BudgetError(
                f"a budget of {self.amount:g} buys nothing: {least}; raise it or lower the number of cycles"
            )
