"""DivProto: entropy of a frame's objects, alike ones counted once, under constraints that grow the diversity of the choice.

J. Wu, J. Chen and D. Huang, Entropy-based Active Learning for Object Detection with Progressive Diversity Constraint, CVPR 2022.

* Entropy-based suppression: of a frame's objects the most uncertain one counts, and those of its class whose features are
  alike (cosine over 0.5) do not; then the next.
* Frames are looked at by that sum. A frame whose every class has a prototype, the entropy-weighted mean of its objects'
  features, close (cosine over 0.7) to that of a frame chosen in this cycle is passed over.
* Of the first three quarters of the choice each frame must show, with a score of at least 0.3, one of the half of the classes
  that have fewest labels; with one class there is no such rule.

Where too few frames are left, the last rule gives way first, then the one before it. Of a frame with more than 20 objects
the 20 surest count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np
from torch import Tensor

from thrifty.maps import ClassMaps
from thrifty.scoring.object_features import Objects, Vectors, objects_of
from thrifty.selection.budget import Budget
from thrifty.selection.choosing import Choice, Chosen
from thrifty.selection.ranking import rank
from thrifty.strategies.strategy import Columns, Decision, Labelled
from thrifty.types import Annotations, FloatArray, IntArray, Record
from thrifty.views import Boxes, Features, Seen, View

ALIKE, CLOSE, SHOWN = 0.5, 0.7, 0.3
RARE, FIRST = 0.5, 0.75
_LAYER = Features("last")


def distinct_entropy(objects: Objects) -> FloatArray:
    """Sum of the entropies of each frame's objects, alike ones counted once: `B`, nats."""
    return np.array([_distinct(objects, number) for number in range(len(objects.scores))])


def _distinct(objects: Objects, number: int) -> float:
    left = [
        place for place in range(objects.classes.shape[1]) if objects.classes[number, place] >= 0
    ]
    total = 0.0
    while left:
        best = max(left, key=lambda place: (objects.entropies[number, place], -place))
        total += float(objects.entropies[number, best])
        features = objects.features[number]
        left = [
            place
            for place in left
            if place != best
            and not (
                objects.classes[number, place] == objects.classes[number, best]
                and float(features[place] @ features[best]) > ALIKE
            )
        ]
    return total


def prototypes(objects: Objects, number: int) -> dict[int, Vectors]:
    """For each class in a frame the entropy-weighted mean of its objects' features, of length one."""
    found = {}
    for kind in np.unique(objects.classes[number][objects.classes[number] >= 0]).tolist():
        own = objects.classes[number] == kind
        weights = objects.entropies[number][own] + 1e-12
        mean = (weights[:, None] * objects.features[number][own]).sum(axis=0)
        found[kind] = (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)
    return found


class DivProto:
    """Entropy with progressive diversity."""

    name = "div-proto"
    looks_back = False
    cycles: int | None = None
    views = frozenset({cast(View[object], Boxes()), cast(View[object], _LAYER)})

    def observe(self, seen: Seen, labels: Sequence[Annotations] | None = None) -> Columns:  # noqa: ARG002 - the loop counts labels
        """The frames' objects."""
        objects = objects_of(seen[_LAYER], seen[Boxes()], seen.sizes)
        return {
            "features": objects.features,
            "classes": objects.classes,
            "scores": objects.scores,
            "entropies": objects.entropies,
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
        """Go down the ranking, passing over what is alike or shows no rare class."""
        objects = Objects(
            np.asarray(observed["features"], np.float32),
            np.asarray(observed["classes"], np.int64),
            np.asarray(observed["scores"], np.float64),
            np.asarray(observed["entropies"], np.float64),
        )
        scores = distinct_entropy(objects)
        order = rank([record.id for record in candidates], scores)
        count = budget.frames
        taken: dict[int, str] = {}
        chosen: dict[int, list[Vectors]] = {}
        rare = _rare(labelled.instances)
        for rules in (2, 1, 0):
            for index in order.tolist():
                if len(taken) == count:
                    break
                if index in taken:
                    continue
                own = prototypes(objects, index)
                must_show = rules == 2 and len(taken) < math.ceil(FIRST * count)
                if must_show and len(rare) and not _shows(objects, index, rare):
                    continue
                gap = _closeness(own, chosen)
                if rules >= 1 and gap > CLOSE:
                    continue
                taken[index] = _reason(float(scores[index]), gap, rules, rare)
                for kind, vector in own.items():
                    chosen.setdefault(kind, []).append(vector)
        choice = Choice(tuple(Chosen(index) for index in taken), ())
        return Decision(scores, scores, choice, tuple(taken.values()))


def _rare(instances: IntArray) -> IntArray:
    """The half of the classes that have fewest labels; none if there is only one class."""
    if len(instances) < 2:
        return np.zeros(0, dtype=np.int64)
    return np.argsort(instances, kind="stable")[: math.ceil(RARE * len(instances))]


def _shows(objects: Objects, index: int, rare: IntArray) -> bool:
    sure = objects.scores[index] >= SHOWN
    return bool((sure & np.isin(objects.classes[index], rare)).any())


def _closeness(own: dict[int, Vectors], chosen: dict[int, list[Vectors]]) -> float:
    """Of a frame's classes the one least like what was chosen: cosine to the closest prototype; -1 for a new class."""
    if not own:
        return -1.0
    return min(
        max((float(vector @ other) for other in chosen.get(kind, ())), default=-1.0)
        for kind, vector in own.items()
    )


def _reason(score: float, gap: float, rules: int, rare: IntArray) -> str:
    near = (
        "unlike all chosen before" if gap < 0 else f"cosine {gap:.2f} to the closest chosen before"
    )
    said = f"entropy {score:.3g}, {near}"
    if rules == 2 or (rules == 1 and not len(rare)):
        return said
    what = "it shows no rare class" if rules == 1 else "it is like others"
    return f"{said}; taken although {what}, since too few were left"
