r"""The strategy of the house: divergence once the detector has earned its say, and a detector that goes on learning.

Two things are other than in the paper:

- **Cold start.** A detector that has never seen anything like the pool finds as many objects in one frame as in the next. Its doubt
  is about everything, and where it doubts most there is least to learn from. How much the expected objects
  \(E_f = \sum_{B \in f} p_B\), with \(p_B\) the scores of the boxes found, vary between the frames of the pool tells such a detector
  from a competent one before any label is bought: over CamVid, one trained on 170 stills varied by 0.25 to 0.31 of the mean and one
  that had seen 14 frames by 1.05; over the rendered dusk one trained on rendered daylight by 1.13. So below half of the mean the
  cycle is left to chance, under the same rules.
- **Warm start.** The detector of a cycle goes on from the weights of the cycle before, where the paper's begins from the start
  weights every time. What it has learned from few labels is not thrown away, for the same number of steps a cycle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from torch import Tensor

from thrifty.maps import ClassMaps
from thrifty.scoring.forms import DivergenceSettings, pixel_scores, score_frames
from thrifty.selection.budget import Budget
from thrifty.strategies.random import Random
from thrifty.strategies.scored import SCORE, Pipeline
from thrifty.strategies.strategy import Columns, Decision, Labelled
from thrifty.types import Annotations, Record
from thrifty.views import Boxes, Maps, Seen, View

_OBJECTS = "objects"
TELLS_APART = 0.5
"""Standard deviation of the expected objects over their mean, from which the detector has earned its say."""


class Thrifty:
    """Divergence, by chance at a cold start, with a detector that goes on learning.

    Args:
        settings: Radius, regions, statistic (equations 1 to 5).
        pipeline: Smoothing (equation 6) and rules.
        name: The name in recipes and tables.
    """

    views = frozenset({cast(View[object], Maps()), cast(View[object], Boxes())})
    looks_back = False
    cycles: int | None = None
    warm = True

    def __init__(
        self,
        settings: DivergenceSettings | None = None,
        pipeline: Pipeline | None = None,
        name: str = "thrifty",
    ) -> None:
        self.name = name
        self.settings = settings or DivergenceSettings()
        self.pipeline = pipeline or Pipeline()

    def observe(self, seen: Seen, labels: Sequence[Annotations] | None = None) -> Columns:  # noqa: ARG002 - no labels are looked at
        """Divergence and expected objects of each frame: `B` float64 each, >= 0."""
        doubt = np.asarray(score_frames(seen[Maps()], self.settings).numpy(), dtype=np.float64)
        objects = np.array([float(found.scores.sum()) for found in seen[Boxes()]])
        return {SCORE: doubt, _OBJECTS: objects}

    def score_map(self, maps: ClassMaps) -> Tensor:
        """The doubt of every pixel (equation 4): `B x H x W` floating, nats."""
        return pixel_scores(maps, self.settings.radius)

    def decide(
        self,
        candidates: Sequence[Record],
        observed: Columns,
        budget: Budget,
        labelled: Labelled,
        rng: np.random.Generator,
    ) -> Decision:
        """Rank by divergence, or by chance as long as the detector does not tell frames apart."""
        spread = variation(observed[_OBJECTS])
        if spread >= TELLS_APART:
            scores = np.asarray(observed[SCORE], dtype=np.float64)
            return self.pipeline.decide(candidates, scores, observed, budget, labelled)
        chance = Random(self.pipeline, self.name)
        decision = chance.decide(candidates, observed, budget, labelled, rng)
        why = (
            f"drawn by chance: the objects expected in frames vary by {spread:.2f} of their mean, less than {TELLS_APART}, so the "
            "detector does not tell frames apart yet"
        )
        return replace(decision, reasons=(why,) * len(decision.choice.chosen))


def variation(values: object) -> float:
    """Standard deviation over mean; 0 where all values are zero.

    >>> variation([1.0, 3.0]), variation([0.0, 0.0])
    (0.5, 0.0)
    """
    numbers = np.asarray(values, dtype=np.float64)
    mean = float(numbers.mean())
    return float(numbers.std()) / mean if mean > 0 else 0.0
