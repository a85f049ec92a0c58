"""k-centre that leaves some outliers alone.

O. Sener and S. Savarese (ICLR 2018), algorithm 2: the smallest radius at which b more centres cover all frames but a few
outliers, by bisection; whether a radius will do is an integer program, which SciPy's HiGHS decides.
"""

from __future__ import annotations

import numpy as np

from thrifty.selection.k_centre import Features, checked, k_centre
from thrifty.types import FloatArray, IntArray

_NODES = 100
"""Of a solver's search, after which a radius counts as too small."""
_MOST_EXACT = 500
_BLOCK = 4096


def robust_k_centre(
    features: Features, count: int, covered: Features | None = None, outliers: float = 1e-4
) -> IntArray:
    """k-centre that leaves some outliers uncovered.

    Exact programs grow with the square of the pool. Of more than 500 frames, the 500 that the greedy choice takes first stand for
    the others, each for those that it is nearest to. A radius that a fixed share of the search does not decide counts as
    too small: so the choice is the same on any machine, and the greedy one is what is left in the worst case.

    Args:
        features: As `k_centre`.
        count: Frames to take; from 500 on the choice is the greedy one.
        covered: As `k_centre`.
        outliers: Share of the frames that need not be covered (10^-4 in the paper), in [0, 1).

    Returns:
        `count` distinct int64, those of the greedy choice first that are kept.

    Raises:
        BudgetError: There are fewer frames than `count`.
        ScoreError: A feature is NaN or infinite.
    """
    features = checked(features)
    order = k_centre(features, max(count, min(len(features), _MOST_EXACT)), covered)
    greedy = order[:count]
    if not 0 < count < min(len(features), _MOST_EXACT):
        return greedy
    representatives = np.sort(order)
    spare = int(outliers * len(features))
    program = _Program(
        features[representatives], _represented(features, representatives), spare, covered
    )
    best = program.solve(np.searchsorted(representatives, greedy))
    return _filled(representatives[best], greedy, count)


def _represented(features: Features, representatives: IntArray) -> IntArray:
    """How many frames are nearest to each of some."""
    owners = [
        _distances(features[start : start + _BLOCK], features[representatives]).argmin(axis=1)
        for start in range(0, len(features), _BLOCK)
    ]
    return np.bincount(np.concatenate(owners), minlength=len(representatives))


class _Program:
    """The smallest radius at which some centres cover `N` frames but a few, and those centres.

    Args:
        features: `N x D`.
        weights: `N`, how many frames each counts for.
        spare: Frames that need not be covered.
        covered: `M x D`.
    """

    def __init__(
        self, features: Features, weights: IntArray, spare: int, covered: Features | None
    ) -> None:
        self._weights, self._spare = weights, spare
        self._distances = _distances(features, features)
        self._to_covered = np.full(len(features), np.inf)
        if covered is not None and len(covered):
            known = checked(covered, features.shape[1])
            self._to_covered = _distances(features, known).min(axis=1)

    def solve(self, start: IntArray) -> IntArray:
        """Centres, no more than those of a choice that is known, and no farther from what they cover."""
        # The radius is a distance between two frames, or to one that is covered.
        known = self._to_covered[np.isfinite(self._to_covered)]
        radii = np.unique(np.concatenate([self._distances.ravel(), known]))
        best, low = start, 0
        high = int(np.searchsorted(radii, self._radius(start)))
        while low < high:
            middle = (low + high) // 2
            found = self._cover(float(radii[middle]), len(start))
            if found is None:
                low = middle + 1
            else:
                best, high = found, middle
        return best

    def _radius(self, centres: IntArray) -> float:
        reach = np.minimum(self._to_covered, self._distances[:, centres].min(axis=1))
        order = np.argsort(-reach, kind="stable")
        left_out = np.cumsum(self._weights[order])
        return float(reach[order][np.searchsorted(left_out, self._spare, side="right")])

    def _cover(self, radius: float, count: int) -> IntArray | None:
        """Centres that leave no more than can be spared farther away than the radius, or `None` if none were found."""
        from scipy.optimize import (  # noqa: PLC0415 - takes long to load
            Bounds,
            LinearConstraint,
            milp,
        )
        from scipy.sparse import csr_array, eye_array, hstack  # noqa: PLC0415

        need = np.flatnonzero(self._to_covered > radius)
        if not len(need):
            return np.zeros(0, dtype=np.int64)
        frames, open_ = len(self._distances), len(need)
        # Unknowns: which frame is a centre, and which of those that need one goes without.
        near = csr_array((self._distances[need] <= radius).astype(np.float64))
        rows = hstack([near, eye_array(open_)]).tocsr()
        sums = np.zeros((2, frames + open_))
        sums[0, :frames], sums[1, frames:] = 1, self._weights[need]
        result = milp(
            c=sums[1],
            integrality=np.ones(frames + open_),
            bounds=Bounds(0, 1),
            constraints=[
                LinearConstraint(rows, 1, np.inf),
                LinearConstraint(sums, -np.inf, [count, self._spare]),
            ],
            options={"node_limit": _NODES},
        )
        if result.x is None:
            return None
        return np.flatnonzero(result.x[:frames] > 0.5).astype(np.int64)


def _distances(first: Features, second: Features) -> FloatArray:
    one, two = first.astype(np.float64), second.astype(np.float64)
    squared = (one**2).sum(1)[:, None] + (two**2).sum(1) - 2 * one @ two.T
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))


def _filled(chosen: IntArray, greedy: IntArray, count: int) -> IntArray:
    """As many as asked for: where fewer centres will do, the greedy choice fills up."""
    first = greedy[np.isin(greedy, chosen)].tolist()
    order = dict.fromkeys([*first, *chosen.tolist(), *greedy.tolist()])
    return np.array(list(order)[:count], dtype=np.int64)
