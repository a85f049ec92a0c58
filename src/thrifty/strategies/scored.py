"""What strategies have in common that give each frame a score: smoothing in time (equation 6), and both temporal rules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from thrifty.maps import ClassMaps
from thrifty.scoring.smoothing import gaussian_weights, smooth
from thrifty.selection.temporal import Rules, choose
from thrifty.strategies.strategy import Columns, Decision, Labelled
from thrifty.timeline import Timeline
from thrifty.types import Annotations, FloatArray, Record
from thrifty.views import Seen, View

SCORE = "score"
"""The column that holds a frame's score."""


@dataclass(frozen=True, eq=False)
class Pipeline:
    """From scores to a choice.

    Attributes:
        weights: Weights of equation 6 for the distances -D..D; a single one smooths nothing.
        rules: Reach of the temporal rules.
    """

    weights: FloatArray = field(default_factory=gaussian_weights)
    rules: Rules = field(default_factory=Rules)

    def decide(
        self,
        candidates: Sequence[Record],
        scores: FloatArray,
        budget: int,
        labelled: Labelled,
    ) -> Decision:
        """Smooth within each video, rank, and choose under the rules."""
        smoothed = smooth(scores, Timeline.of(candidates), self.weights)
        choice = choose(candidates, smoothed, budget, self.rules, labelled.records)
        return Decision(scores, smoothed, choice)


class ScoredStrategy(ABC):
    """A strategy whose observation is a number a frame.

    Attributes:
        name: The name in recipes, tables and on pages.
        pipeline: What becomes of the scores.
    """

    views: frozenset[View[object]] = frozenset()
    looks_back = False
    cycles: int | None = None

    def __init__(self, name: str, pipeline: Pipeline) -> None:
        self.name = name
        self.pipeline = pipeline

    @abstractmethod
    def scores(self, seen: Seen) -> FloatArray:
        """Score each frame of a batch: `B` float64, finite."""

    def observe(self, seen: Seen, labels: Sequence[Annotations] | None = None) -> Columns:  # noqa: ARG002 - scores need no labels
        """The scores."""
        return {SCORE: self.scores(seen)}

    def score_map(self, maps: ClassMaps) -> Tensor | None:  # noqa: ARG002 - most have none
        """There is none, unless a strategy says otherwise."""
        return None

    def decide(
        self,
        candidates: Sequence[Record],
        observed: Columns,
        budget: int,
        labelled: Labelled,
        rng: np.random.Generator,  # noqa: ARG002 - nothing is left to chance
    ) -> Decision:
        """Rank by the scores."""
        scores = np.asarray(observed[SCORE], dtype=np.float64)
        return self.pipeline.decide(candidates, scores, budget, labelled)
