r"""How unsure a detector is of the boxes it draws: one number per frame, higher meaning more worth labelling.

Every function takes the detections of one frame. Where a detector tells the probability of every class, a box's
distribution is that of all classes and of none of them; else that of its own class and of anything else. Frames without
detections get the least score that a measure has: nothing was found that could be doubted.

Sources: `margin`: C.-A. Brust, C. Kaeding and J. Denzler, Active Learning for Deep Object Detection, VISAPP 2019; B.
Settles, Active Learning Literature Survey, 2009. `tightness`, `stability`: C.-C. Kao, T.-Y. Lee, P. Sen and M.-Y. Liu,
Localization-Aware Active Learning for Object Detection, ACCV 2018. `least_confident_class`, `entropies`: S. Roy, A.
Unmesh and V. P. Namboodiri, Deep Active Learning for Object Detection, BMVC 2018, as far as known [guess].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from thrifty import boxes as geometry
from thrifty.types import Detections, FloatArray

Aggregate = Literal["sum", "mean", "max"]


def distributions(detections: Detections) -> FloatArray:
    """Probability of every class and, in the last column, of none: `N x (C + 1)`, rows adding up to 1.

    Yes-or-no probabilities that add up to more than one are scaled down.

    >>> some = Detections(np.array([[0.0, 0, 1, 1]]), np.array([0.7]))
    >>> distributions(some).round(2).tolist()
    [[0.7, 0.3]]
    """
    given = detections.probabilities
    known = detections.scores[:, None] if given is None else given
    known = np.clip(known, 0.0, 1.0)
    known = known / np.maximum(known.sum(axis=1, keepdims=True), 1.0)
    rest = np.maximum(0.0, 1.0 - known.sum(axis=1, keepdims=True))
    return np.concatenate([known, rest], axis=1)


def entropy_of(rows: FloatArray) -> FloatArray:
    """Entropy of each row, nats."""
    logs = np.log(rows, out=np.zeros_like(rows), where=rows > 0)
    return np.asarray(-(rows * logs).sum(axis=-1)) + 0.0


def surest(detections: Detections) -> FloatArray:
    """The greatest probability that a box gives to any class, `N`."""
    return np.asarray(distributions(detections)[:, :-1].max(axis=1, initial=0.0))


def aggregated(values: FloatArray, how: Aggregate) -> float:
    """One number out of those of a frame's boxes; 0 for none."""
    if not len(values):
        return 0.0
    if how == "max":
        return float(values.max())
    return float(values.sum() if how == "sum" else values.mean())


def margin(detections: Detections, how: Aggregate, weights: FloatArray | None = None) -> float:
    r"""1-vs-2 margin: \((1 - (p_1 - p_2))^2\) of the two likeliest answers, over boxes.

    Args:
        detections: Of one frame.
        how: Sum, mean or maximum over boxes.
        weights: `C`, of the box's likeliest class: see `class_weights`.
    """
    rows = np.sort(distributions(detections), axis=1)
    values = (1.0 - (rows[:, -1] - rows[:, -2])) ** 2
    if weights is not None:
        values = values * weights[detections.classes]
    return aggregated(values, how)


def class_weights(instances: Sequence[int] | FloatArray) -> FloatArray:
    """`(instances + classes) / (instances of the class + 1)`: rare classes weigh more.

    Args:
        instances: Labelled objects of each class so far.

    >>> class_weights([8, 0]).tolist()
    [1.1111111111111112, 10.0]
    """
    counts = np.asarray(instances, dtype=np.float64)
    return np.asarray((counts.sum() + len(counts)) / (counts + 1.0))


def tightness(detections: Detections) -> float:
    r"""LT/C: one less the least \(|T + P - 1|\) over boxes, with T the IoU of a box and its proposal, in [0, 1].

    A box that is sure of its class but not of its place, or the other way round, makes the frame worth labelling. A
    detector of fixed boxes refines nothing: its proposals are what other heads say, see `Detections.proposals`.

    Raises:
        ValueError: The detector tells no proposals.
    """
    if detections.proposals is None:
        raise ValueError("localisation tightness needs the proposals of boxes")
    if not len(detections):
        return 0.0
    overlaps = _iou_of_pairs(detections.boxes, detections.proposals)
    return 1.0 - float(np.abs(overlaps + surest(detections) - 1.0).min())


def _iou_of_pairs(first: FloatArray, second: FloatArray) -> FloatArray:
    low, high = np.maximum(first[:, :2], second[:, :2]), np.minimum(first[:, 2:], second[:, 2:])
    shared = np.clip(high - low, 0.0, None).prod(axis=1)
    union = geometry.area(first) + geometry.area(second) - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def stability(detections: Detections, noisy: Sequence[Detections]) -> float:
    r"""LS+C: \(\max_B (1 - P) - S_I\), in [-1, 1].

    \(S_B\) is the mean over noise levels of the IoU of a box with the nearest box found under that noise, and \(S_I\) their
    mean, weighted by P: a frame is worth labelling where a class is in doubt or boxes move when noise is added.

    Args:
        detections: Of the frame as it is.
        noisy: Of the same frame with noise added, a level each.
    """
    if not len(detections):
        return -1.0
    sure = surest(detections)
    nearest = [_nearest_iou(detections.boxes, found.boxes) for found in noisy]
    stable = np.mean(nearest, axis=0) if nearest else np.ones(len(sure))
    weight = sure.sum()
    mean = float((sure * stable).sum() / weight) if weight > 0 else 0.0
    return float((1.0 - sure).max()) - mean


def _nearest_iou(boxes: FloatArray, others: FloatArray) -> FloatArray:
    return np.asarray(geometry.iou(boxes, others).max(axis=1, initial=0.0))


def least_confident_class(detections: Detections) -> float:
    """Black box: one less the least, over the classes found, of the class's highest score, in [0, 1]."""
    if not len(detections):
        return 0.0
    highest = [
        float(detections.scores[detections.classes == kind].max())
        for kind in np.unique(detections.classes)
    ]
    return 1.0 - min(highest)


def entropies(detections: Detections, how: Aggregate) -> float:
    """Black box: sum, mean or maximum of the boxes' entropies, nats."""
    return aggregated(entropy_of(distributions(detections)), how)


BASE_CONSISTENCY = 1.3
"""The consistency that teaches most, as CALD found it."""


def consistency(detections: Detections, altered: Sequence[Detections]) -> float:
    r"""CALD: minus the mean over alterations of \(\min_k |m_k - 1.3|\).

    For each box k and the nearest box found in the altered picture,
    \(m = \mathrm{IoU} + \tfrac12 (1 - \mathrm{JS}(s, s'))(\max s + \max s')\) with s the boxes' distributions: 2 where
    nothing changed. Not the most inconsistent frames teach most, since on those the detector is at a loss.

    W. Yu, S. Zhu, T. Yang and C. Chen, Consistency-based Active Learning for Object Detection, CVPR Workshops 2022.

    Args:
        detections: Of the frame as it is.
        altered: Of the same frame flipped, cut out, or made smaller; boxes in the frame's own pixels.
    """
    if not len(detections) or not altered:
        return -BASE_CONSISTENCY
    return -float(np.mean([_distance_to_base(detections, found) for found in altered]))


def _distance_to_base(detections: Detections, found: Detections) -> float:
    if not len(found):
        # No box answers: overlap and likeness of all are 0.
        return BASE_CONSISTENCY
    overlaps = geometry.iou(detections.boxes, found.boxes)
    nearest = overlaps.argmax(axis=1)
    one, other = distributions(detections), distributions(found)[nearest]
    alike = (1.0 - jensen_shannon(one, other)) * (
        one[:, :-1].max(axis=1) + other[:, :-1].max(axis=1)
    )
    values = overlaps.max(axis=1) + 0.5 * alike
    return float(np.abs(values - BASE_CONSISTENCY).min())


def jensen_shannon(first: FloatArray, second: FloatArray) -> FloatArray:
    """Jensen-Shannon divergence of rows, to base 2, so that it lies in [0, 1]."""
    mean = (first + second) / 2
    gain = entropy_of(mean) - (entropy_of(first) + entropy_of(second)) / 2
    return np.asarray(np.clip(gain / np.log(2.0), 0.0, 1.0))
