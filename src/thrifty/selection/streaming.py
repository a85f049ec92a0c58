"""k-centre over a stream, and the smallest set that leaves no frame farther than a radius.

The published description of streaming core-sets for this use is not at hand [guess]: this is the doubling algorithm of M.
Charikar, C. Chekuri, T. Feder and R. Motwani (Incremental Clustering and Dynamic Information Retrieval, STOC 1997), in
merge-and-reduce form. It looks at every frame once, keeps no more than b centres, and ends within eight times the best
radius.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from thrifty.errors import BudgetError
from thrifty.selection.k_centre import Features, checked, k_centre
from thrifty.types import FloatArray, IntArray

_STRIP = 32
"""Numbers of a feature that are added up before anybody asks whether it is too far away already."""


def cover_within(features: Features, radius: float, covered: Features | None = None) -> IntArray:
    """Frames, in order, that no earlier one and none of the covered lies within a radius of.

    Every frame is then within the radius of one that was taken or covered, and no two that were taken are.

    Args:
        features: `N x D` in the order of the stream, finite.
        radius: >= 0.
        covered: `M x D`.

    Raises:
        ScoreError: A feature is NaN or infinite.
    """
    features = checked(features)
    centres = _Centres(features.shape[1], covered)
    taken: list[int] = []
    row = 0
    while (row := centres.first_beyond(features, row, radius)) < len(features):
        taken.append(row)
        centres.add(features[row])
        row += 1
    return np.array(taken, dtype=np.int64)


class _Centres:
    """Rows that a stream is held against, in memory that grows with them."""

    def __init__(self, size: int, covered: Features | None) -> None:
        self._known = np.zeros((0, size), np.float32) if covered is None else checked(covered, size)
        self.keep(np.zeros((0, size), np.float32))

    def keep(self, rows: Features) -> None:
        """These and what is covered, and no others."""
        self._count = len(self._known) + len(rows)
        self._rows = np.zeros((max(16, 2 * self._count), self._known.shape[1]), np.float32)
        self._rows[: len(self._known)] = self._known
        self._rows[len(self._known) : self._count] = rows

    def add(self, row: Features) -> None:
        """One more."""
        if self._count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[self._count] = row
        self._count += 1

    def first_beyond(self, features: Features, start: int, radius: float) -> int:
        """The first row from `start` on that none of them lies within the radius of; N if there is none.

        The radius of a stream is the distance of two of its frames, so ties are common, and a sum that was added up in another
        order may miss by its last bit. The compiled loop leaves them to the sum that the radius comes from.
        """
        row, number = start, 0
        while True:
            row, number = _first_unsure(features, row, number, self._rows, self._count, radius)
            if number < 0:
                return int(row)
            step = features[row].astype(np.float64) - self._rows[number]
            if math.sqrt((step**2).sum()) <= radius:
                row, number = row + 1, 0
            else:
                number += 1


@numba.njit(nogil=True, cache=True)
def _first_unsure(
    features: Features, start: int, first: int, centres: Features, count: int, radius: float
) -> tuple[int, int]:
    """The first row that is not near a centre for sure, from the centre `first` of row `start` on.

    With it a centre at the radius but for rounding, or -1 if all are farther away. N and -1 where all rows are near one.
    """
    # No order of adding up moves a sum of squares by as much as a billionth.
    surely, hopeless = radius * radius * (1.0 - 1e-9), radius * radius * (1.0 + 1e-9)
    for row in range(start, len(features)):
        is_near = False
        for number in range(first if row == start else 0, count):
            total = _squared_up_to(hopeless, features[row], centres[number])
            if total <= surely:
                is_near = True
                break
            if total <= hopeless:
                return row, number
        if not is_near:
            return row, -1
    return len(features), -1


@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _squared_up_to(limit: float, feature: Features, centre: Features) -> float:
    """The squared distance, or part of it that is beyond the limit already."""
    total = 0.0
    for start in range(0, len(feature), _STRIP):
        # Slices, since their indices cannot be negative: only then does the compiler make vectors of the loop.
        ours, theirs = feature[start : start + _STRIP], centre[start : start + _STRIP]
        for column in range(len(ours)):
            step = np.float64(ours[column]) - np.float64(theirs[column])
            total += step * step
        if total > limit:
            break
    return total


def streaming_k_centre(features: Features, count: int, covered: Features | None = None) -> IntArray:
    """Centres of a stream, kept at no more than `count` by doubling the radius and merging what is then close.

    Args:
        features: `N x D` in the order of the stream, which must not depend on the pool's: that of ids; finite.
        count: Frames to take.
        covered: `M x D` of what is labelled; nothing is taken within the radius of it.

    Returns:
        `count` distinct int64; where merging left fewer, the farthest of the others fill up.

    Raises:
        BudgetError: There are fewer frames than `count`.
        ScoreError: A feature is NaN or infinite.
    """
    features = checked(features)
    if count > len(features):
        raise BudgetError(f"{count} frames are to be chosen but only {len(features)} are left")
    if count == 0:
        return np.zeros(0, dtype=np.int64)
    known = np.zeros((0, features.shape[1])) if covered is None else covered.astype(np.float64)
    around = _Centres(features.shape[1], covered)
    radius = 0.0
    centres: list[int] = []
    row = 0
    while (row := around.first_beyond(features, row, radius)) < len(features):
        centres.append(row)
        around.add(features[row])
        row += 1
        while len(centres) > count:
            points = features[centres].astype(np.float64)
            radius = 2 * radius or _closest(points, known) or np.finfo(np.float64).tiny
            kept = cover_within(features[centres], radius, covered)
            centres = [centres[place] for place in kept.tolist()]
            around.keep(features[centres])
    return _filled(features, centres, count, covered)


def _closest(points: FloatArray, known: FloatArray) -> float:
    """Least distance above zero among the points and to what is known; 0 if there is none."""
    every = np.concatenate([points, known])
    least = np.inf
    # Row by row: all at once would take as much memory as there are pairs, times the length of a feature.
    for point in points:
        squared = ((every - point) ** 2).sum(axis=1)
        least = min(least, float(squared[squared > 0].min(initial=np.inf)))
    return math.sqrt(least) if math.isfinite(least) else 0.0


def _filled(
    features: Features, centres: list[int], count: int, covered: Features | None
) -> IntArray:
    if len(centres) == count:
        return np.array(centres, dtype=np.int64)
    others = np.setdiff1d(np.arange(len(features)), centres)
    around = features[centres] if covered is None else np.concatenate([covered, features[centres]])
    more = k_centre(features[others], count - len(centres), around if len(around) else None)
    return np.concatenate([np.array(centres, dtype=np.int64), others[more]])
