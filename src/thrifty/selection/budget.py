r"""What a cycle may spend.

A budget counts frames, boxes or seconds of labelling. What a frame will cost is only known when it has been labelled; before,
it is what the detector expects: \(c_f = \alpha + \beta\, \hat n_f\) with the expected number of boxes \(\hat n_f\).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thrifty.errors import BudgetError
from thrifty.types import FloatArray, IntArray

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

        What is not affordable after all, `affordable` cuts off.
        """
        if self.costs is None:
            return int(self.amount)
        return _fitting(np.sort(self.costs), self.amount)

    def affordable(self, order: Sequence[int] | IntArray) -> int:
        """How many of the first candidates of an order the budget buys."""
        if self.costs is None:
            return min(len(order), int(self.amount))
        return _fitting(self.costs[np.asarray(order, dtype=np.int64)], self.amount)

    def cost_of(self, index: int) -> float:
        """What one candidate is expected to cost."""
        return 1.0 if self.costs is None else float(self.costs[index])

    def times(self, factor: float) -> Budget:
        """A multiple, for a shortlist; whole frames are rounded up."""
        amount = factor * self.amount
        return Budget(math.ceil(amount) if self.costs is None else amount, self.costs)

    def check(self, candidates: int) -> None:
        """Refuse a budget that buys nothing, or more frames than there are.

        Raises:
            BudgetError: It does.
        """
        if self.costs is None and self.amount > candidates:
            raise BudgetError(
                f"{self.amount:g} frames are to be chosen but only {candidates} are left; lower b or the number of cycles"
            )
        if self.costs is not None and self.amount > 0 and not self.frames:
            least = "no frame is left"
            if candidates:
                least = f"the cheapest frame is expected to cost {self.costs.min():.3g}"
            raise BudgetError(
                f"a budget of {self.amount:g} buys nothing: {least}; raise it or lower the number of cycles"
            )


def _fitting(costs: FloatArray, amount: float) -> int:
    return int(np.searchsorted(np.cumsum(costs), amount * _ROUNDING, side="right"))
