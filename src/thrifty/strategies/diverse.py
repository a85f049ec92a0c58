"""Choices that look at how frames differ from each other and from what is labelled: core-sets and farthest-first.

| name | choice | features | from |
|---|---|---|---|
| `core-set` | greedy k-centre | deepest head's | Sener and Savarese 2018 |
| `core-set-robust` | k-centre that leaves outliers | deepest head's | likewise |
| `farthest-first` | the same greedy step, in the layer before the class scores | last | Geifman and El-Yaniv 2017 |
| `streaming-core-set` | doubling k-centre over the stream [guess] | deepest head's | Rohan et al. |

Frames are ordered by id before any of them, so the order of the pool changes nothing. No temporal rule holds a frame back:
what is alike is not chosen twice anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
from torch import Tensor

from thrifty.maps import ClassMaps
from thrifty.scoring.object_features import Vectors, frame_features
from thrifty.selection.budget import Budget
from thrifty.selection.choosing import Choice, Chosen
from thrifty.selection.k_centre import apart_from_before, nearest
from thrifty.strategies.strategy import Columns, Decision, Labelled
from thrifty.types import Annotations, IntArray, Record
from thrifty.views import Features, Seen, View

FEATURES = "features"
"""The column that holds a frame's features."""


class Diverse:
    """A choice by features alone.

    Args:
        name: The name in recipes and tables.
        layer: Which features.
        choose: From `N x D` features, a number of frames and the `M x D` features of labelled frames to indices.
    """

    looks_back = True
    cycles: int | None = None

    def __init__(
        self,
        name: str,
        layer: Literal["last", "deep"],
        choose: Callable[[Vectors, int, Vectors | None], IntArray],
    ) -> None:
        self.name = name
        self._view = Features(layer)
        self._choose = choose
        self.views = frozenset({cast(View[object], self._view)})

    def observe(self, seen: Seen, labels: Sequence[Annotations] | None = None) -> Columns:  # noqa: ARG002 - features alone
        """Mean features of each frame: `B x D`."""
        return {FEATURES: frame_features(seen[self._view])}

    def score_map(self, maps: ClassMaps) -> Tensor | None:  # noqa: ARG002 - features have no pixels
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
        """Choose; the score of a frame is its distance to the nearest labelled one."""
        features = vectors(observed[FEATURES])
        covered = vectors(labelled.columns[FEATURES]) if labelled.columns else None
        order = by_id(candidates)
        taken = order[self._choose(features[order], budget.frames, covered)]
        return decision(features, covered, taken)


def by_id(candidates: Sequence[Record]) -> IntArray:
    """Indices of the candidates in the order of their ids."""
    return np.argsort(np.array([record.id for record in candidates], dtype=np.str_), kind="stable")


def vectors(column: npt.NDArray[np.generic]) -> Vectors:
    """A column of features as float32."""
    return np.asarray(column, dtype=np.float32)


def decision(features: Vectors, covered: Vectors | None, taken: IntArray) -> Decision:
    """A choice by distance, and how far each chosen frame was from all that was labelled or taken before it."""
    scores = nearest(features, covered)
    reasons = tuple(
        f"{gap:.3g} away from the nearest frame labelled or chosen before it"
        if np.isfinite(gap)
        else "nothing was labelled or chosen before it"
        for gap in apart_from_before(features[taken], covered)
    )
    chosen = tuple(Chosen(int(index)) for index in taken)
    return Decision(scores, scores, Choice(chosen, ()), reasons)
