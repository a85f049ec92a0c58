"""k-centre over a stream, and the smallest set that leaves no frame farther than a radius.

The published description of streaming core-sets for this use is not at hand [guess]: this is the doubling algorithm of M.
Charikar, C. Chekuri, T. Feder and R. Motwani (Incremental Clustering and Dynamic Information Retrieval, STOC 1997), in
merge-and-reduce form. It looks at every frame once, keeps no more than b centres, and ends within eight times the best
radius.
"""

from __future__ import annotations

import numpy as np

from thrifty.errors import BudgetError
from thrifty.selection.k_centre import Features, k_centre
from thrifty.types import FloatArray, IntArray


def cover_within(features: Features, radius: float, covered: Features | None = None) -> IntArray:
    """Frames, in order, that no earlier one and none of the covered lies within a radius of.

    Every frame is then within the radius of one that was taken or covered, and no two that were taken are.

    Args:
        features: `N x D` in the order of the stream.
        radius: >= 0.
        covered: `M x D`.
    """
    centres = np.zeros((0, features.shape[1])) if covered is None else covered.astype(np.float64)
    taken: list[int] = []
    for row, feature in enumerate(features.astype(np.float64)):
        if not len(centres) or _nearest(feature, centres) > radius:
            taken.append(row)
            centres = np.concatenate([centres, feature[None]])
    return np.array(taken, dtype=np.int64)


def _nearest(feature: FloatArray, centres: FloatArray) -> float:
    return float(np.sqrt(((centres - feature) ** 2).sum(axis=1).min()))


def streaming_k_centre(features: Features, count: int, covered: Features | None = None) -> IntArray:
    """Centres of a stream, kept at no more than `count` by doubling the radius and merging what is then close.

    Args:
        features: `N x D` in the order of the stream, which must not depend on the pool's: that of ids.
        count: Frames to take.
        covered: `M x D` of what is labelled; nothing is taken within the radius of it.

    Returns:
        `count` distinct int64; where merging left fewer, the farthest of the others fill up.

    Raises:
        BudgetError: There are fewer frames than `count`.
    """
    if count > len(features):
        raise BudgetError(f"{count} frames are to be chosen but only {len(features)} are left")
    if count == 0:
        return np.zeros(0, dtype=np.int64)
    known = np.zeros((0, features.shape[1])) if covered is None else covered.astype(np.float64)
    points = features.astype(np.float64)
    radius = 0.0
    centres: list[int] = []
    for row in range(len(points)):
        around = np.concatenate([known, points[centres]])
        if len(around) and _nearest(points[row], around) <= radius:
            continue
        centres.append(row)
        while len(centres) > count:
            radius = 2 * radius or _closest(points[centres], known) or np.finfo(np.float64).tiny
            kept = cover_within(features[centres], radius, covered)
            centres = [centres[place] for place in kept.tolist()]
    return _filled(features, centres, count, covered)


def _closest(points: FloatArray, known: FloatArray) -> float:
    """Least distance above zero among the points and to what is known."""
    every = np.concatenate([points, known])
    distances = np.sqrt(((points[:, None] - every[None]) ** 2).sum(axis=-1))
    return float(distances[distances > 0].min(initial=np.inf)) if (distances > 0).any() else 0.0


def _filled(
    features: Features, centres: list[int], count: int, covered: Features | None
) -> IntArray:
    if len(centres) == count:
        return np.array(centres, dtype=np.int64)
    others = np.setdiff1d(np.arange(len(features)), centres)
    around = features[centres] if covered is None else np.concatenate([covered, features[centres]])
    more = k_centre(features[others], count - len(centres), around if len(around) else None)
    return np.concatenate([np.array(centres, dtype=np.int64), others[more]])
