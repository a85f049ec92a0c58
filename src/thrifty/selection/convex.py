r"""Convex selection by dissimilarity: representatives that every frame can be described by.

E. Elhamifar, G. Sapiro, A. Yang and S. S. Sastry, A Convex Optimization Framework for Active Learning, ICCV 2013:

\[ \min_Z\; \lambda \lVert C Z \rVert_{1,q} + \mathrm{tr}(D^\top Z), \quad Z \ge 0,\; \mathbf 1^\top Z = \mathbf 1^\top \]

with \(C = \mathrm{diag}(c)\): a frame with a low c is cheap to take, and c is low where the detector is unsure, or where
little that is labelled is near. Solved by ADMM, as theirs is; q is 2 or infinity.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from thrifty.errors import ScoreError
from thrifty.types import FloatArray

SIGMA = 20.0
"""What a sure frame costs, where an unsure one costs 1."""


def confidence(doubt: FloatArray, distance: FloatArray, sigma: float = SIGMA) -> FloatArray:
    r"""The smaller of \(\sigma - (\sigma - 1) E / \max E\) and \(\sigma - (\sigma - 1) d / \max d\): `N` in [1, sigma].

    Args:
        doubt: `N`, >= 0: how unsure the detector is.
        distance: `N`, >= 0: distance to the nearest labelled frame.
        sigma: > 1.
    """
    parts = [
        sigma - (sigma - 1) * values / (values.max(initial=0.0) or 1.0)
        for values in (doubt, distance)
    ]
    return np.asarray(np.minimum(*parts))


def descriptions(
    dissimilarity: FloatArray,
    costs: FloatArray,
    weight: float,
    norm: Literal["l2", "linf"] = "l2",
    steps: int = 2000,
    tolerance: float = 1e-5,
) -> FloatArray:
    """Z of the program: how much each frame describes each other.

    Args:
        dissimilarity: `N x N`, >= 0; entry i, j is how badly i describes j.
        costs: `N`, > 0: the diagonal of C.
        weight: lambda, > 0, as a share of the least value at which one frame describes all.
        norm: Of the rows of C Z.
        steps: Most iterations.
        tolerance: Mean change at which it ends.

    Returns:
        `N x N` float64, >= 0, columns adding up to 1.

    Raises:
        ScoreError: A number is not finite, or a cost or the weight is not positive.
    """
    count = len(dissimilarity)
    if not (np.isfinite(dissimilarity).all() and np.isfinite(costs).all()):
        raise ScoreError("dissimilarities and costs must be finite")
    if (costs <= 0).any() or weight <= 0:
        raise ScoreError("costs and weight must be positive")
    if count == 0:
        return np.zeros((0, 0))
    scaled = dissimilarity / (dissimilarity.max() or 1.0)
    penalty = weight * _largest_weight(scaled, costs)
    # One step size for all problems of this scale: the rows of Z are of the size 1 / N.
    rho = 0.1
    pulled = np.full((count, count), 1.0 / count)
    multiplier = np.zeros((count, count))
    shrunk = pulled
    for _ in range(steps):
        shrunk = _shrink(pulled - (multiplier + scaled) / rho, penalty * costs / rho, norm)
        before = pulled
        pulled = _onto_simplex(shrunk + multiplier / rho)
        multiplier += rho * (shrunk - pulled)
        change = max(np.abs(shrunk - pulled).mean(), np.abs(pulled - before).mean())
        if change * count <= tolerance:
            break
    return pulled


def _largest_weight(dissimilarity: FloatArray, costs: FloatArray) -> float:
    """The weight at which the most central frame describes all others (for l2, where it is known)."""
    sums = dissimilarity.sum(axis=1)
    apart = dissimilarity - dissimilarity[int(sums.argmin())]
    gains, sizes = apart.sum(axis=1), (apart**2).sum(axis=1)
    clear = gains > 1e-9 * len(dissimilarity)
    if clear.any():
        largest = np.sqrt(len(dissimilarity)) / 2 * float((sizes[clear] / gains[clear]).max())
    else:
        # All are as central: what the l1 norm would give.
        largest = float(np.abs(apart).sum(axis=1).max()) / 2
    return float(max(largest / costs.mean(), 1e-9))


def _shrink(values: FloatArray, thresholds: FloatArray, norm: Literal["l2", "linf"]) -> FloatArray:
    """Proximal step of the norm over rows."""
    if norm == "l2":
        lengths = np.sqrt((values**2).sum(axis=1))
        factor = np.maximum(0.0, 1 - thresholds / np.maximum(lengths, 1e-300))
        return np.asarray(values * factor[:, None])
    # By Moreau's identity: what the projection onto the ball of the dual norm, l1, takes away.
    return np.stack(
        [row - _onto_ball(row, bound) for row, bound in zip(values, thresholds, strict=True)]
    )


def _onto_ball(row: FloatArray, bound: float) -> FloatArray:
    """Projection onto the l1 ball of a radius."""
    size = np.abs(row)
    if size.sum() <= bound:
        return row
    return np.asarray(np.sign(row) * _onto_simplex(size[:, None], bound)[:, 0])


def _onto_simplex(values: FloatArray, total: float = 1.0) -> FloatArray:
    """Projection of every column onto what is >= 0 and adds up to a total (J. Duchi et al., ICML 2008)."""
    ordered = -np.sort(-values, axis=0)
    sums = np.cumsum(ordered, axis=0) - total
    places = np.arange(1, len(values) + 1)[:, None]
    last = (ordered - sums / places > 0).sum(axis=0)
    shift = sums[last - 1, np.arange(values.shape[1])] / last
    return np.asarray(np.maximum(values - shift, 0.0))
