"""Doubt about the boxes that are drawn: localisation, black box, and margins weighted by class.

The formulas stand in `thrifty.scoring.box_scores`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from thrifty.scoring import box_scores
from thrifty.scoring.box_scores import Aggregate
from thrifty.selection.budget import Budget
from thrifty.strategies.scored import Pipeline, ScoredStrategy
from thrifty.strategies.strategy import Columns, Decision, Labelled
from thrifty.types import Annotations, Detections, FloatArray, Record
from thrifty.views import Boxes, NoisyBoxes, Proposals, Seen


class BoxDoubt(ScoredStrategy):
    """A measure of the boxes of one frame.

    Args:
        name: The name in recipes and tables.
        measure: From a frame's detections to its score.
        pipeline: Smoothing and rules.
    """

    views = frozenset({Boxes()})

    def __init__(
        self, name: str, measure: Callable[[Detections], float], pipeline: Pipeline
    ) -> None:
        super().__init__(name, pipeline)
        self._measure = measure

    def scores(self, seen: Seen) -> FloatArray:
        """The measure of each frame: `B` float64."""
        return np.array([self._measure(found) for found in seen[Boxes()]])


class Tightness(ScoredStrategy):
    """LT/C of Kao et al.: a box that is sure of its class and not of its place, or the other way round."""

    views = frozenset({Proposals()})

    def scores(self, seen: Seen) -> FloatArray:
        """`B` float64 in [0, 1]."""
        return np.array([box_scores.tightness(found) for found in seen[Proposals()]])


class Stability(ScoredStrategy):
    """LS+C of Kao et al.: boxes that move when noise is added, classes in doubt.

    Args:
        name: The name in recipes and tables.
        pipeline: Smoothing and rules.
        noise: The levels.
    """

    def __init__(self, name: str, pipeline: Pipeline, noise: NoisyBoxes | None = None) -> None:
        super().__init__(name, pipeline)
        self._noise = noise or NoisyBoxes()
        self.views = frozenset({Boxes(), self._noise})

    def scores(self, seen: Seen) -> FloatArray:
        """`B` float64 in [-1, 1]."""
        noisy = seen[self._noise]
        return np.array(
            [
                box_scores.stability(found, [level[index] for level in noisy])
                for index, found in enumerate(seen[Boxes()])
            ]
        )


class Margin(ScoredStrategy):
    """1-vs-2 margins of Brust et al. over a frame's boxes, rare classes weighing more.

    What a class weighs is known only when labels are counted, so what is observed is kept class by class.

    Args:
        name: The name in recipes and tables.
        how: Sum, mean or maximum over boxes.
        pipeline: Smoothing and rules.
    """

    views = frozenset({Boxes()})

    def __init__(self, name: str, how: Aggregate, pipeline: Pipeline) -> None:
        super().__init__(name, pipeline)
        self._how = how

    def scores(self, seen: Seen) -> FloatArray:
        """With all classes weighing one: `B` float64."""
        return np.array([box_scores.margin(found, self._how) for found in seen[Boxes()]])

    def observe(self, seen: Seen, labels: Sequence[Annotations] | None = None) -> Columns:  # noqa: ARG002 - labels are counted elsewhere
        """Sum (or maximum) of the margins of each class, `B x C`, and boxes, `B`."""
        how: Aggregate = "max" if self._how == "max" else "sum"
        found = seen[Boxes()]
        rows = [[box_scores.margin(part, how) for part in _by_class(one)] for one in found]
        # Where nothing is, a detector may leave out how likely each class is.
        columns = max(
            (len(row) for row, one in zip(rows, found, strict=True) if len(one)), default=0
        )
        columns = columns or max(map(len, rows), default=1)
        rows = [row if len(row) == columns else [0.0] * columns for row in rows]
        return {"by_class": np.array(rows), "boxes": np.array([len(one) for one in found])}

    def decide(
        self,
        candidates: Sequence[Record],
        observed: Columns,
        budget: Budget,
        labelled: Labelled,
        rng: np.random.Generator,  # noqa: ARG002 - nothing is left to chance
    ) -> Decision:
        """Weigh the classes by how rare they are among the labels, and rank."""
        by_class = np.asarray(observed["by_class"], dtype=np.float64)
        counts = np.zeros(max(by_class.shape[1], len(labelled.instances)), dtype=np.float64)
        counts[: len(labelled.instances)] = labelled.instances
        weighted = by_class * box_scores.class_weights(counts)[: by_class.shape[1]]
        scores = weighted.max(axis=1) if self._how == "max" else weighted.sum(axis=1)
        if self._how == "mean":
            scores = scores / np.maximum(np.asarray(observed["boxes"], dtype=np.float64), 1.0)
        return self.pipeline.decide(candidates, scores, observed, budget, labelled)


def _by_class(found: Detections) -> list[Detections]:
    """The boxes of each class that the detector tells the probability of; all together where it tells none."""
    if found.probabilities is None:
        return [found]
    return [found.take(found.classes == number) for number in range(found.probabilities.shape[1])]
