"""CALD: frames whose boxes change when the picture is altered, then those whose classes the labels lack.

W. Yu, S. Zhu, T. Yang and C. Chen, Consistency-based Active Learning for Object Detection, CVPR Workshops 2022. First the 1.2 b
frames of the highest consistency score (`thrifty.scoring.box_scores.consistency`); among them, one by one, the frame whose
classes differ most from those labelled so far (Jensen-Shannon divergence). With one class the second step changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from thrifty.scoring.box_scores import consistency, distributions, jensen_shannon
from thrifty.selection.budget import Budget
from thrifty.selection.choosing import Choice, Chosen
from thrifty.strategies.scored import SCORE, Pipeline, ScoredStrategy, held_by
from thrifty.strategies.strategy import Columns, Decision, Labelled
from thrifty.types import Annotations, Detections, FloatArray, Record
from thrifty.views import AlteredBoxes, Boxes, Seen

_MORE = 1.2


class Consistency(ScoredStrategy):
    """Consistency under alterations, and class balance.

    Args:
        name: The name in recipes and tables.
        pipeline: Smoothing and rules.
        altered: Which alterations.
    """

    def __init__(self, name: str, pipeline: Pipeline, altered: AlteredBoxes | None = None) -> None:
        super().__init__(name, pipeline)
        self._altered = altered or AlteredBoxes()
        self.views = frozenset({Boxes(), self._altered})

    def scores(self, seen: Seen) -> FloatArray:
        """Minus the distance to the consistency that teaches most: `B` float64."""
        altered = seen[self._altered]
        return np.array(
            [
                consistency(found, [one[index] for one in altered])
                for index, found in enumerate(seen[Boxes()])
            ]
        )

    def observe(self, seen: Seen, labels: Sequence[Annotations] | None = None) -> Columns:  # noqa: ARG002 - the loop counts labels
        """The score, `B`, and for each class the highest probability of any box, `B x C`."""
        classes = np.stack([_highest(found) for found in seen[Boxes()]])
        return {SCORE: self.scores(seen), "classes": classes}

    def decide(
        self,
        candidates: Sequence[Record],
        observed: Columns,
        budget: Budget,
        labelled: Labelled,
        rng: np.random.Generator,
    ) -> Decision:
        """Take 1.2 b by score, and of those b by their classes."""
        classes = np.asarray(observed["classes"], dtype=np.float64)
        if classes.shape[1] < 2 or budget.frames == len(candidates):
            return super().decide(candidates, observed, budget, labelled, rng)
        wider = budget.times(_MORE).at_most(len(candidates))
        first = super().decide(candidates, observed, wider, labelled, rng)
        known = np.zeros(classes.shape[1])
        known[: len(labelled.instances)] = labelled.instances[: len(known)]
        # What was taken against a rule is only wanted where there is not enough else.
        left = [one for one in first.choice.chosen if not one.dropped]
        later = [one for one in first.choice.chosen if one.dropped]
        taken: list[Chosen] = []
        reasons: list[str] = []
        while len(taken) < budget.frames and (left or later):
            left, later = (left, later) if left else (later, [])
            rows = np.stack([_softmax(classes[one.index]) for one in left])
            gain = jensen_shannon(rows, np.broadcast_to(_share(known), rows.shape))
            best = int(gain.argmax())
            taken.append(left.pop(best))
            known = known + classes[taken[-1].index]
            reasons.append(f"its classes differ by {gain[best]:.3f} from those labelled and chosen")
        choice = Choice(tuple(taken), held_by(candidates, first.choice, taken))
        return Decision(first.scores, first.smoothed, choice, tuple(reasons))


def _highest(found: Detections) -> FloatArray:
    rows = distributions(found)[:, :-1]
    return np.asarray(rows.max(axis=0, initial=0.0))


def _softmax(row: FloatArray) -> FloatArray:
    powers = np.exp(row - row.max())
    return np.asarray(powers / powers.sum())


def _share(counts: FloatArray) -> FloatArray:
    total = counts.sum()
    return counts / total if total > 0 else np.full(len(counts), 1 / len(counts))
