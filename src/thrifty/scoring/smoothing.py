r"""Temporal smoothing of frame scores inside one video: equation 6.

\(\hat z_t = \sum_i w_{i-t}\, z_i \,/\, \sum_i w_{i-t}\), over the scored frames `i` of the same video with
\(|i - t| \le \Delta t\). A frame that has no score (labelled already, or unreadable) takes no part in either
sum, so nothing is read across a gap, a border, or from another video.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from thrifty.timeline import STILL, Timeline
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


def triangular_weights(reach: int = REACH) -> FloatArray:
    """Weights that fall in a straight line to zero just beyond the reach.

    >>> triangular_weights(1)
    array([0.5, 1. , 0.5])
    """
    offsets = np.arange(-reach, reach + 1, dtype=np.float64)
    return 1.0 - np.abs(offsets) / (reach + 1)


def uniform_weights(reach: int = REACH) -> FloatArray:
    """The same weight for every frame within reach.

    >>> uniform_weights(1)
    array([1., 1., 1.])
    """
    return np.ones(2 * reach + 1)


def smooth(scores: FloatArray, timeline: Timeline, weights: FloatArray) -> FloatArray:
    """Smooth each score with its neighbours in time (equation 6).

    Args:
        scores: `N` finite frame scores.
        timeline: Where the frames stand; a still's score stays as it is.
        weights: `2 D + 1` non-negative weights for distances -D..D, the middle one positive.

    Returns:
        `N` float64, in the order given.
    """
    smoothed = np.empty(len(scores), dtype=np.float64)
    _smooth_sorted(
        np.asarray(scores, dtype=np.float64),
        timeline.sequences,
        timeline.places,
        timeline.order,
        np.asarray(weights, dtype=np.float64),
        smoothed,
    )
    return smoothed


@njit(nogil=True, cache=True)
def _smooth_sorted(
    scores: FloatArray,
    sequences: IntArray,
    places: IntArray,
    order: IntArray,
    weights: FloatArray,
    smoothed: FloatArray,
) -> None:
    """Walk through the frames by sequence and place with a window that moves along."""
    reach = len(weights) // 2
    first = 0
    for at in range(len(order)):
        frame = order[at]
        sequence, place = sequences[frame], places[frame]
        if sequence == STILL:
            smoothed[frame] = scores[frame]
            continue
        while sequences[order[first]] != sequence or places[order[first]] < place - reach:
            first += 1
        total = norm = 0.0
        for neighbour in range(first, len(order)):
            other = order[neighbour]
            if sequences[other] != sequence or places[other] > place + reach:
                break
            weight = weights[places[other] - place + reach]
            total += weight * scores[other]
            norm += weight
        smoothed[frame] = total / norm
