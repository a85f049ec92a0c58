r"""What strategies have in common that give each frame a score: from scores to a choice.

In this order, each step switched by the recipe:

1. smoothing in time (equation 6), each video by itself;
2. **class balance**: the score times \(\sum_c \hat n_c w_c / \sum_c \hat n_c\), the mean weight of the objects that the detector
   expects, with \(w_c = ((\bar n + 1) / (n_c + 1))^\gamma\) for \(n_c\) labelled objects of a class and \(\bar n\) of the mean class;
3. ranking under the rules of `selection.closeness`, as far as the budget goes;
4. **diversity in feature space**: the ranking buys `diversity` times the budget, and of that k-centre takes what leaves no frame
   of the shortlist far from what is labelled or chosen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from thrifty.maps import ClassMaps
from thrifty.scoring.smoothing import gaussian_weights, smooth
from thrifty.selection.budget import Budget
from thrifty.selection.choosing import Choice, Chosen, Held, choose
from thrifty.selection.closeness import Rules
from thrifty.selection.k_centre import apart_from_before, k_centre
from thrifty.selection.ranking import check_finite, why_ranked
from thrifty.strategies.strategy import Columns, Decision, Labelled
from thrifty.strategies.surroundings import (
    EXPECTED,
    feature_vectors,
    pictures_of,
)
from thrifty.timeline import Timeline
from thrifty.types import Annotations, FloatArray, IntArray, Record
from thrifty.views import Seen, View

SCORE = "score"
"""The column that holds a frame's score."""


@dataclass(frozen=True, eq=False)
class Pipeline:
    """From scores to a choice.

    Attributes:
        weights: Weights of equation 6 for the distances -D..D; a single one smooths nothing.
        rules: What holds frames back.
        balance: gamma of the class weights, >= 0; 0 switches them off.
        diversity: Length of the shortlist in budgets, >= 1; 1 switches it off.
        measure: What the score is, in words.
    """

    weights: FloatArray = field(default_factory=gaussian_weights)
    rules: Rules = field(default_factory=Rules)
    balance: float = 0.0
    diversity: float = 1.0
    measure: str = "its score"

    def decide(
        self,
        candidates: Sequence[Record],
        scores: FloatArray,
        observed: Columns,
        budget: Budget,
        labelled: Labelled,
    ) -> Decision:
        """Smooth, weigh, rank and choose.

        Args:
            candidates: `N` records.
            scores: `N` finite scores.
            observed: `N` rows, of which the surroundings are looked at where a step needs them.
            budget: What may be spent.
            labelled: What is known of labelled frames.

        Raises:
            BudgetError: As `choose`.
            ScoreError: A score is not finite.
        """
        check_finite([record.id for record in candidates], scores)
        smoothed = smooth(scores, Timeline.of(candidates), self.weights)
        weights = self._class_weights(observed, labelled)
        ranked = smoothed if weights is None else (smoothed - min(0.0, smoothed.min())) * weights
        wide = budget
        if self.diversity > 1:
            wide = budget.times(self.diversity).at_most(len(candidates))
        choice = self._choose(candidates, ranked, observed, wide, labelled)
        apart: list[float] | None = None
        if self.diversity > 1:
            choice, apart = _diverse(candidates, choice, observed, budget, labelled)
        reasons = self._reasons(choice, scores, ranked, weights, apart, budget)
        return Decision(scores, ranked, choice, reasons)

    def _choose(
        self,
        candidates: Sequence[Record],
        scores: FloatArray,
        observed: Columns,
        budget: Budget,
        labelled: Labelled,
    ) -> Choice:
        pictures = None
        if self.rules.looks_at_pictures:
            pictures = pictures_of(observed), pictures_of(labelled.pictures)
        earlier = [*labelled.records, *labelled.waiting]
        return choose(candidates, scores, budget, self.rules, earlier, pictures)

    def _class_weights(self, observed: Columns, labelled: Labelled) -> FloatArray | None:
        if not self.balance:
            return None
        expected = np.asarray(observed[EXPECTED], dtype=np.float64)
        return class_balance(expected, labelled.instances, self.balance)

    def _reasons(
        self,
        choice: Choice,
        scores: FloatArray,
        ranked: FloatArray,
        weights: FloatArray | None,
        apart: Sequence[float] | None,
        budget: Budget,
    ) -> tuple[str, ...]:
        """For each chosen frame which steps brought it here."""
        steps = [
            *(["its neighbours in time"] if len(self.weights) > 1 else []),
            *(["its classes"] if weights is not None else []),
        ]
        reasons = []
        told = why_ranked(scores, ranked, choice.indices, self.measure, steps)
        for number, (index, said) in enumerate(zip(choice.indices, told, strict=True)):
            parts = [said]
            if weights is not None:
                parts.append(f"classes weigh {weights[index]:.2f}")
            if apart is not None:
                parts.append(f"{apart[number]:.3g} in features from the nearest labelled or chosen")
            if budget.costs is not None:
                parts.append(f"expected to cost {budget.cost_of(index):.3g}")
            reasons.append("; ".join(parts))
        return tuple(reasons)


def class_balance(expected: FloatArray, instances: IntArray, gamma: float) -> FloatArray:
    r"""Weight of each frame by how rare the classes are that it is expected to show.

    Args:
        expected: `N x C`, expected objects of each class.
        instances: Labelled objects of each class, at least `C` of them.
        gamma: Exponent; 0 gives every frame 1.

    Returns:
        `N` float64: \(\sum_c \hat n_c w_c / \sum_c \hat n_c\) with \(w_c = ((\bar n + 1)/(n_c + 1))^\gamma\); 1 where nothing is
        expected.

    >>> class_balance(np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 0.0]]), np.array([9, 0]), 1.0)
    array([0.55 , 3.025, 1.   ])
    """
    counts = np.asarray(instances, dtype=np.float64)[: expected.shape[1]]
    rarity = ((counts.mean() + 1) / (counts + 1)) ** gamma
    total = expected.sum(axis=1)
    weighted = expected @ rarity
    return np.asarray(np.divide(weighted, total, out=np.ones(len(expected)), where=total > 0))


def _diverse(
    candidates: Sequence[Record],
    choice: Choice,
    observed: Columns,
    budget: Budget,
    labelled: Labelled,
) -> tuple[Choice, list[float]]:
    """Of a shortlist, what lies far apart; and each one's distance to what was there before it."""
    # What was taken against a rule is only wanted where there is not enough else.
    listed = [one for one in choice.chosen if not one.dropped]
    others = [one for one in choice.chosen if one.dropped]
    features = feature_vectors(observed)
    covered = feature_vectors(labelled.columns) if labelled.columns else None
    # With costs the first of the order may be passed over, so all are wanted.
    count = len(listed) if budget.costs is not None else min(len(listed), budget.frames)
    order = k_centre(features[[one.index for one in listed]], count, covered)
    ordered = [*(listed[place] for place in order.tolist()), *others]
    taken = tuple(ordered[place] for place in budget.bought([one.index for one in ordered]))
    held = held_by(candidates, choice, taken)
    apart = apart_from_before(features[[one.index for one in taken]], covered)
    return replace(choice, chosen=taken, held=held), apart


def held_by(
    candidates: Sequence[Record], shortlist: Choice, taken: Sequence[Chosen]
) -> tuple[Held, ...]:
    """What is held back where only some of a shortlist are taken: a frame that stayed on it holds nobody back."""
    kept = {candidates[one.index].id for one in taken}
    gone = {candidates[one.index].id for one in shortlist.chosen} - kept
    return tuple(one for one in shortlist.held if one.because not in gone)


class ScoredStrategy(ABC):
    """A strategy whose observation is a number a frame.

    Attributes:
        name: The name in recipes, tables and on pages.
        pipeline: What becomes of the scores.
        warm: Whether its detector goes on learning from cycle to cycle (`thrifty.strategies.strategy.goes_on`).
    """

    views: frozenset[View[object]] = frozenset()
    looks_back = False
    cycles: int | None = None
    warm = False

    def __init__(self, name: str, pipeline: Pipeline, *, warm: bool = False) -> None:
        self.name = name
        self.pipeline = pipeline
        # A subclass may have said so already.
        self.warm = self.warm or warm

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
        budget: Budget,
        labelled: Labelled,
        rng: np.random.Generator,  # noqa: ARG002 - nothing is left to chance
    ) -> Decision:
        """Rank by the scores."""
        scores = np.asarray(observed[SCORE], dtype=np.float64)
        return self.pipeline.decide(candidates, scores, observed, budget, labelled)
