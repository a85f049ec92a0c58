r"""Temporal smoothing of frame scores inside one video: equation 6.

\(\hat z_t = \sum_i w_{i-t}\, z_i \,/\, \sum_i w_{i-t}\), over the scored frames `i` of the same video with
\(|i - t| \le \Delta t\). A frame that has no score (labelled already, or unreadable) takes no part in either
sum, so nothing is read across a gap, a border, or from another video.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from thrifty.types import FloatArray, IntArray

REACH = 5
SIGMA = 3.0


def gaussian_weights(reach: int = REACH, sigma: float = SIGMA) -> FloatArray:
    """Weights `exp(-t^2 / (2 sigma^2))` for t = -reach..reach, not normalised.

    >>> gaussian_weights(1, 1.0).round(4)
    array([0.6065, 1.    , 0.6065])
    """
    offsets = np.arange(-reach, reach + 1, dtype=np.float64)
    return np.asarray(np.exp(-(offsets**2) / (2.0 * sigma**2)))


def smooth(
    scores: FloatArray,
    sequences: Sequence[str | None],
    places: IntArray,
    weights: FloatArray,
) -> FloatArray:
    """Smooth each score with its neighbours in time (equation 6).

    Args:
        scores: `N` finite frame scores.
        sequences: `N` names of videos; `None` marks a still, whose score stays as it is.
        places: `N` int64 places in the video; distinct within one video. Ignored for stills.
        weights: `2 D + 1` non-negative weights for distances -D..D, the middle one positive.

    Returns:
        `N` float64, in the order given.
    """
    scores = np.asarray(scores, dtype=np.float64)
    names, groups = np.unique([name or "" for name in sequences], return_inverse=True)
    smoothed = scores.copy()
    for group, name in enumerate(names):
        if name:
            members = np.flatnonzero(groups == group)
            smoothed[members] = _smooth_one(scores[members], places[members], weights)
    return smoothed


def _smooth_one(scores: FloatArray, places: IntArray, weights: FloatArray) -> FloatArray:
    reach = len(weights) // 2
    order = np.argsort(places, kind="stable")
    ordered, at = scores[order], places[order]
    total, norm = weights[reach] * ordered, np.full(len(ordered), weights[reach])
    for distance in (d for d in range(-reach, reach + 1) if d):
        partner = np.searchsorted(at, at + distance).clip(max=len(at) - 1)
        present = at[partner] == at + distance
        weight = weights[reach + distance] * present
        total = total + weight * ordered[partner]
        norm = norm + weight
    smoothed = np.empty_like(scores)
    smoothed[order] = total / norm
    return smoothed
