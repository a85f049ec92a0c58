r"""k-centre: the frames that leave no other frame far from all that are labelled.

Greedy (O. Sener and S. Savarese, Active Learning for Convolutional Neural Networks: A Core-Set Approach, ICLR 2018,
algorithm 1; the farthest-first traversal of T. Gonzalez, 1985, within twice the best radius):
\(u = \arg\max_i \min_{j \in s} \lVert x_i - x_j \rVert\), one frame at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numba
import numpy as np
import numpy.typing as npt

from thrifty.errors import BudgetError, ScoreError
from thrifty.types import FloatArray, IntArray

Features = npt.NDArray[np.float32]
"""`N x D` float32."""

_BLOCK = 1 << 16
_BAND = 4096
"""Frames that a thread looks at before it says what it found."""


def k_centre(features: Features, count: int, covered: Features | None = None) -> IntArray:
    """Greedy k-centre.

    Args:
        features: `N x D`, finite. They come in an order that does not depend on the pool's, such as that of ids: of
            frames equally far the first is taken.
        count: Frames to take.
        covered: `M x D` of frames that are labelled already. Without any, the first frame taken is the one farthest from
            the mean of all.

    Returns:
        `count` distinct int64 in 0..N-1, in the order taken: so the first b of a longer choice are the choice of b.

    Raises:
        BudgetError: There are fewer frames than `count`.
        ScoreError: A feature is NaN or infinite.
    """
    features = checked(features)
    if count > len(features):
        raise BudgetError(f"{count} frames are to be chosen but only {len(features)} are left")
    centres = [] if covered is None else list(checked(covered, features.shape[1]))
    reach = _Reach(features)
    for centre in centres:
        reach.add(centre)
    taken: list[int] = []
    if not centres and count:
        mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
        taken.append(int(_squared(features, mean).argmax()))
        reach.add(features[taken[0]])
    while len(taken) < count:
        # What has been taken is at distance 0, and so may be what equals it: such frames come last, in order.
        farthest = reach.farthest(taken)
        taken.append(farthest)
        reach.add(features[farthest])
    return np.array(taken, dtype=np.int64)


def checked(features: Features, width: int | None = None) -> Features:
    """Features as contiguous float32.

    Raises:
        ScoreError: They are no table (of that width), or one is NaN or infinite.
    """
    features = np.ascontiguousarray(features, dtype=np.float32)
    if features.ndim != 2:
        raise ScoreError(
            f"features are a table of frames and numbers, not of shape {features.shape}"
        )
    if width is not None and features.shape[1] != width:
        raise ScoreError(
            f"frames have {width} features, those labelled {features.shape[1]}; ask the same layer of both"
        )
    for start in range(0, len(features), _BLOCK):
        finite = np.isfinite(features[start : start + _BLOCK]).all(axis=1)
        if not finite.all():
            row = start + int(np.flatnonzero(~finite)[0])
            raise ScoreError(f"the features of frame {row} are not finite; check the detector")
    return features


def _squared(features: Features, centre: Features) -> npt.NDArray[np.float32]:
    """Squared distances, in blocks: the differences of a whole pool would take its memory again."""
    found = np.empty(len(features), dtype=np.float32)
    for start in range(0, len(features), _BLOCK):
        difference = features[start : start + _BLOCK] - centre
        found[start : start + _BLOCK] = np.einsum("nd,nd->n", difference, difference)
    return found


def nearest(features: Features, others: Features | None) -> FloatArray:
    """Distance of each frame to the nearest other.

    Args:
        features: `N x D`, finite.
        others: `M x D`, finite.

    Returns:
        `N` float64, rounded as float32; zeros where there are no others.

    Raises:
        ScoreError: A feature is NaN or infinite.
    """
    if others is None or not len(others):
        return np.zeros(len(features))
    reach = _Reach(checked(features))
    for other in checked(others, features.shape[1]):
        reach.add(other)
    return np.sqrt(reach.squared.astype(np.float64))


def apart_from_before(taken: Features, covered: Features | None = None) -> list[float]:
    """Distance of each frame to the nearest that was covered or taken before it; infinity where there was none.

    Args:
        taken: `n x D` in the order taken, finite.
        covered: `M x D`.

    >>> apart_from_before(np.array([[3.0], [5.0], [3.0]]), np.array([[0.0]]))
    [3.0, 2.0, 0.0]
    """
    is_known = covered is not None and len(covered)
    around = nearest(taken, covered) if is_known else np.full(len(taken), np.inf)
    apart = []
    for number, own in enumerate(taken):
        apart.append(float(around[number]))
        around = np.minimum(around, np.linalg.norm(taken - own, axis=1))
    return apart


class _Reach:
    """For every frame the squared distance to its nearest centre, kept while centres come in."""

    def __init__(self, features: Features) -> None:
        self._features = features
        count = len(features)
        self._nearest = np.full(count, np.inf, dtype=np.float32)
        self._owner = np.zeros(count, dtype=np.int64)
        self._centres = np.zeros((16, features.shape[1]), dtype=np.float32)
        self._count = 0
        self._bands = _Bands(count)

    def add(self, centre: Features) -> None:
        """A further centre."""
        if self._count == len(self._centres):
            self._centres = np.concatenate([self._centres, np.zeros_like(self._centres)])
        between = _squared(self._centres[: self._count], centre)
        self._centres[self._count] = centre
        update = partial(
            _update, self._features, centre, between, self._count, self._nearest, self._owner
        )
        self._bands.each(update)
        self._count += 1

    @property
    def squared(self) -> npt.NDArray[np.float32]:
        """Squared distances to the nearest centre."""
        return self._nearest

    def farthest(self, taken: list[int]) -> int:
        """The frame farthest from all centres that has not been taken; of equals the first."""
        best = int(self._nearest.argmax())
        if self._nearest[best] > 0:
            return best
        left = np.ones(len(self._nearest), dtype=np.bool_)
        left[taken] = False
        return int(np.flatnonzero(left)[0])


class _Bands:
    """A pool in parts, each for a thread of our own: Numba's break where two Python threads start them at once."""

    def __init__(self, count: int) -> None:
        parts = min(os.cpu_count() or 1, -(-count // _BAND))
        self._edges = np.linspace(0, count, max(parts, 1) + 1).astype(int).tolist()
        # The threads end when this object is gone.
        self._threads = ThreadPoolExecutor(parts) if parts > 1 else None

    def each(self, update: Callable[[int, int], None]) -> None:
        if self._threads is None:
            update(0, self._edges[-1])
            return
        list(self._threads.map(update, self._edges[:-1], self._edges[1:]))


@numba.njit(nogil=True, cache=True, fastmath=True)
def _update(
    features: Features,
    centre: Features,
    between: npt.NDArray[np.float32],
    number: int,
    nearest: npt.NDArray[np.float32],
    owner: IntArray,
    start: int,
    stop: int,
) -> None:
    """Move what is nearer to a new centre over to it.

    A frame stays with its centre if that is at most half as far from it as from the new one: then, by the triangle
    inequality, the new one cannot be nearer, and nothing has to be computed.
    """
    size = features.shape[1]
    for row in range(start, stop):
        if number and between[owner[row]] > np.float32(4.001) * nearest[row]:
            continue
        total = np.float32(0.0)
        for column in range(size):
            step = features[row, column] - centre[column]
            total += step * step
        if total < nearest[row]:
            nearest[row] = total
            owner[row] = number
