"""DivProto: entropy of a frame's objects, alike ones counted once, under constraints that grow the diversity of the choice.

J. Wu, J. Chen and D. Huang, Entropy-based Active Learning for Object Detection with Progressive Diversity Constraint, CVPR 2022.

* Entropy-based suppression: of a frame's objects the most uncertain one counts, and those of its class whose features are
  alike (cosine over 0.5) do not; then the next.
* Frames are looked at by that sum. A frame whose every class has a prototype, the entropy-weighted mean of its objects'
  features, close (cosine over 0.7) to that of a frame chosen in this cycle is passed over.
* Three quarters of the choice are shared out among the half of the classes that have fewest labels: there each frame must show one
  of them, with a score of at least 0.3, that has not had its share. For the rest all frames are looked at again. With one
  class there is no such rule.

Where too few frames are left, the last rule gives way first, then the one before it. Of a frame with more than 20 objects
the 20 surest count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
_SHOWING, _UNLIKE, _ANY = 2, 1, 0


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
        quota = _quota(labelled.instances, count)
        first = math.ceil(FIRST * count) if quota else 0
        # What was passed over for want of a rare class may still be the best of the rest.
        for rules, most in ((_SHOWING, first), (_UNLIKE, count), (_ANY, count)):
            for index in order.tolist():
                if len(taken) >= most:
                    break
                own = prototypes(objects, index)
                gap = _closeness(own, chosen)
                if index in taken or (rules is not _ANY and gap > CLOSE):
                    continue
                wanted = _shown(objects, index, quota)
                if rules is _SHOWING and not wanted:
                    continue
                short = rules is not _SHOWING and len(taken) < first
                taken[index] = _reason(float(scores[index]), gap, rules, short=short)
                for kind in wanted:
                    quota[kind] -= 1
                for kind, vector in own.items():
                    chosen.setdefault(kind, []).append(vector)
        choice = Choice(tuple(Chosen(index) for index in taken), ())
        return Decision(scores, scores, choice, tuple(taken.values()))


def _quota(instances: IntArray, count: int) -> dict[int, int]:
    """How often each of the rare classes must be shown: three quarters of the choice, shared out; no class if there is only one."""
    if len(instances) < 2:
        return {}
    rare = np.argsort(instances, kind="stable")[: math.ceil(RARE * len(instances))].tolist()
    return dict.fromkeys(rare, math.ceil(FIRST * count / len(rare)))


def _shown(objects: Objects, index: int, quota: Mapping[int, int]) -> list[int]:
    """The rare classes that a frame shows and that have not been shown often enough."""
    sure = objects.classes[index][objects.scores[index] >= SHOWN]
    return [kind for kind, left in quota.items() if left > 0 and (sure == kind).any()]


def _closeness(own: dict[int, Vectors], chosen: dict[int, list[Vectors]]) -> float:
    """Of a frame's classes the one least like what was chosen: cosine to the closest prototype; -1 for a new class."""
    if not own:
        return -1.0
    return min(
        max((float(vector @ other) for other in chosen.get(kind, ())), default=-1.0)
        for kind, vector in own.items()
    )


def _reason(score: float, gap: float, rules: int, *, short: bool) -> str:
    near = (
        "unlike all chosen before" if gap < 0 else f"cosine {gap:.2f} to the closest chosen before"
    )
    said = f"entropy {score:.3g}, {near}"
    if rules is _ANY and gap > CLOSE:
        return f"{said}; taken although it is like others, since too few were left"
    if short:
        return f"{said}; taken although it shows no rare class, since too few were left"
    return said
