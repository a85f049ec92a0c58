r"""PPAL: uncertainty weighted by how hard each class is, then frames whose objects are unlike each other.

C. Yang, L. Huang and E. J. Crowley, Plug and Play Active Learning for Object Detection, CVPR 2024.

1. A class is as hard as its labelled objects are for the detector: \(d_c\) is the mean of
   \(1 - P^\xi\, \mathrm{IoU}^{1-\xi}\) over them, with the box of their class that overlaps them most, and
   \(w_c = 1 + \alpha\beta \ln(1 + \gamma d_c)\), \(\gamma = e^{1/\alpha} - 1\). A frame's uncertainty is the sum over its boxes of
   \(w_c H\). The paper follows d along the training; here it is taken from the labelled frames with the trained detector.
2. Of the 4 b most uncertain frames b are chosen that stand for the others: k-medoids, begun with k-centre, where two frames
   are as alike as their objects: each object with the most similar one of its class in the other frame, weighted by its score.

Of a frame with more than 20 objects the 20 surest count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np
from torch import Tensor

from thrifty import boxes as geometry
from thrifty.maps import ClassMaps
from thrifty.scoring.box_scores import distributions
from thrifty.scoring.object_features import Objects, objects_of
from thrifty.selection.budget import Budget
from thrifty.selection.choosing import Choice, Chosen
from thrifty.selection.ranking import rank
from thrifty.strategies.strategy import Columns, Decision, Labelled
from thrifty.types import Annotations, Detections, FloatArray, IntArray, Record
from thrifty.views import Boxes, Features, Seen, View

ALPHA, BETA, XI = 0.3, 0.2, 0.6
_MORE = 4
_STEPS = 20
_LAYER = Features("last")


def difficulty(
    found: Detections, drawn: Annotations, classes: int
) -> tuple[FloatArray, FloatArray]:
    """Sum of the difficulties of a labelled frame's objects, and their number, by class: `C` each."""
    sums, counts = np.zeros(classes), np.zeros(classes)
    overlaps = geometry.iou(drawn.objects, found.boxes)
    told = distributions(found)[:, :-1]
    for row, kind in zip(overlaps, drawn.classes[~drawn.ignore].tolist(), strict=True):
        own = row * (found.classes == kind)
        best = int(own.argmax()) if len(own) else -1
        # Where a detector tells one probability only, it is that of the box's own class.
        sure = told[best, kind if found.probabilities is not None else 0] if best >= 0 else 0.0
        reached = sure**XI * own[best] ** (1 - XI) if best >= 0 else 0.0
        sums[kind] += 1.0 - reached
        counts[kind] += 1
    return sums, counts


def class_weights(sums: FloatArray, counts: FloatArray) -> FloatArray:
    """What a box of each class weighs, in [1, 1 + beta]; 1 for classes without labelled objects.

    >>> class_weights(np.array([0.0, 3.0]), np.array([2.0, 3.0])).round(6).tolist()
    [1.0, 1.2]
    """
    mean = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    gamma = math.exp(1 / ALPHA) - 1
    return np.asarray(1 + ALPHA * BETA * np.log1p(gamma * mean))


def likeness(objects: Objects) -> FloatArray:
    """How alike the frames are by their objects, `N x N` in [-1, 1]; 0 where one has none of the other's classes."""
    count = len(objects.scores)
    one_way = np.zeros((count, count))
    present = objects.classes >= 0
    weights = np.where(present, objects.scores, 0.0)
    totals = weights.sum(axis=1)
    every = objects.features.reshape(-1, objects.features.shape[-1]).T
    for number in range(count):
        # Objects of this frame against all objects of all frames.
        cosines = (objects.features[number] @ every).reshape(-1, *objects.features.shape[:2])
        same = present[number][:, None, None] & (
            objects.classes[number][:, None, None] == objects.classes[None]
        )
        best = np.where(same, cosines, -np.inf).max(axis=2)
        best = np.where(np.isfinite(best), best, 0.0)
        one_way[number] = weights[number] @ best / max(float(totals[number]), 1e-12)
    return (one_way + one_way.T) / 2


def medoids(distances: FloatArray, count: int) -> IntArray:
    """k-medoids from a k-centre start: `count` indices whose frames lie, together, closest to all others."""
    chosen = [int(distances.sum(axis=1).argmin())]
    while len(chosen) < count:
        gap = distances[:, chosen].min(axis=1)
        gap[chosen] = -1.0
        chosen.append(int(gap.argmax()))
    for _ in range(_STEPS):
        owner = distances[:, chosen].argmin(axis=1)
        owner[chosen] = np.arange(count)
        moved = [
            int(members[distances[np.ix_(members, members)].sum(axis=0).argmin()])
            for members in (np.flatnonzero(owner == place) for place in range(count))
        ]
        if moved == chosen:
            break
        chosen = moved
    return np.array(chosen, dtype=np.int64)


class Ppal:
    """Difficulty-calibrated uncertainty with category-conditioned matching similarity."""

    name = "ppal"
    looks_back = True
    cycles: int | None = None
    views = frozenset({cast(View[object], Boxes()), cast(View[object], _LAYER)})

    def observe(self, seen: Seen, labels: Sequence[Annotations] | None = None) -> Columns:
        """The frames' objects, and of labelled frames how hard they are."""
        found = seen[Boxes()]
        objects = objects_of(seen[_LAYER], found, seen.sizes)
        classes = max(
            1, *(0 if one.probabilities is None else one.probabilities.shape[1] for one in found)
        )
        sums, counts = np.zeros((len(found), classes)), np.zeros((len(found), classes))
        for number, drawn in enumerate(labels or ()):
            sums[number], counts[number] = difficulty(
                found[number], _within(drawn, classes), classes
            )
        return {
            "features": objects.features,
            "classes": objects.classes,
            "scores": objects.scores,
            "entropies": objects.entropies,
            "hard": sums,
            "objects": counts,
        }

    def score_map(self, maps: ClassMaps) -> Tensor | None:  # noqa: ARG002 - boxes have no map
        """There is none."""
        return None

    def decide(
        self,
        candidates: Sequence[Record],
        observed: Columns,
        budget: Budget,
        labelled: Labelled,
        rng: np.random.Generator,  # noqa: ARG002 - nothing is left to chance
    ) -> Decision:
        """The most uncertain, and of those the ones that stand for the others."""
        known, count = labelled.columns, budget.frames
        classes = np.asarray(observed["classes"], dtype=np.int64)
        width = np.asarray(observed["hard"]).shape[1]
        weights = np.ones(width)
        if known:
            sums, counts = (np.asarray(known[name], np.float64) for name in ("hard", "objects"))
            weights = class_weights(sums.sum(axis=0), counts.sum(axis=0))
        of_box = np.where(classes >= 0, weights[np.clip(classes, 0, width - 1)], 0.0)
        scores = (of_box * np.asarray(observed["entropies"], np.float64)).sum(axis=1)
        ids = [record.id for record in candidates]
        wider = rank(ids, scores, _MORE * count)
        objects = Objects(
            np.asarray(observed["features"], np.float32)[wider],
            classes[wider],
            np.asarray(observed["scores"], np.float64)[wider],
            np.asarray(observed["entropies"], np.float64)[wider],
        )
        distances = 1.0 - likeness(objects)
        np.fill_diagonal(distances, 0.0)
        places = medoids(distances, count) if count else np.zeros(0, np.int64)
        owner = distances[:, places].argmin(axis=1) if count else np.zeros(0, np.int64)
        # Among equals each stands for itself.
        owner[places] = np.arange(count)
        stands = np.bincount(owner, minlength=count)
        reasons = tuple(
            f"uncertainty {scores[wider[place]]:.3g}, rank {place + 1}; stands for {int(number)} of the {len(wider)} most uncertain"
            for place, number in zip(places.tolist(), stands, strict=True)
        )
        chosen = tuple(Chosen(int(wider[place])) for place in places)
        return Decision(scores, scores, Choice(chosen, ()), reasons)


def _within(drawn: Annotations, classes: int) -> Annotations:
    """With one class it does not matter what objects are called."""
    if classes > 1:
        return drawn
    return Annotations(drawn.boxes, np.zeros(len(drawn), dtype=np.int64), drawn.ignore)
