"""Choosing from a scored pool what people shall label next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thrifty.chance import stage_seed
from thrifty.scored_pool import Looking
from thrifty.scoring.smoothing import smooth
from thrifty.selection.budget import Budget
from thrifty.selection.choosing import Choice, choose_among
from thrifty.selection.closeness import Candidates, Rule
from thrifty.selection.ranking import check_finite, why_ranked
from thrifty.store.choice_file import ChosenRow, Earlier
from thrifty.store.scored_frames import ScoredFrames
from thrifty.strategies.catalogue import surroundings
from thrifty.strategies.scored import ScoredStrategy
from thrifty.strategies.strategy import Decision, Labelled
from thrifty.types import FloatArray

NOTHING = Earlier((), (), np.zeros(0, dtype=np.int64))
"""No frame was chosen earlier."""

_IN_WORDS = {
    Rule.CURRENT: "close to one chosen before it",
    Rule.LATER: "close to one of an earlier choice",
}


@dataclass(frozen=True, slots=True)
class HeldFrame:
    """A frame that a rule passed over.

    Attributes:
        row: The frame, as if it had been chosen; its rank means nothing.
        rule: Which rule.
        because: Id of the chosen frame.
        distance: How far apart they are, in what the rule measures.
    """

    row: ChosenRow
    rule: str
    because: str
    distance: float


@dataclass(frozen=True, slots=True)
class Selected:
    """A choice, and what it passed over.

    Attributes:
        rows: In the order taken.
        held: Highest first.
    """

    rows: Sequence[ChosenRow]
    held: Sequence[HeldFrame]


def select_frames(
    frames: ScoredFrames,
    budget: int,
    looking: Looking,
    earlier: Earlier = NOTHING,
    labelled: Labelled | None = None,
    seed: int = 0,
) -> Selected:
    """What a strategy takes of a pool.

    Strategies that rank by a score go through arrays alone: of ten million frames no object is made.

    Args:
        frames: `N` frames with what was observed of them.
        budget: Frames to take.
        looking: The strategy.
        earlier: What has been chosen earlier: it is not chosen again, and keeps its neighbours out by the second rule.
        labelled: What is known of labelled frames; if left out, what was observed of those chosen earlier.
        seed: Decides what is left to chance.

    Returns:
        As many rows as the budget says.

    Raises:
        BudgetError: There are fewer frames than that.
        ScoreError: A score is not finite.
    """
    left = frames.without(earlier.ids)
    strategy = looking.strategy
    if isinstance(strategy, ScoredStrategy) and _by_score_alone(strategy, looking):
        choice, scores, ranked, reasons = _ranked(left, budget, strategy, earlier)
    else:
        known = labelled or _known(frames, looking, earlier)
        decision = _decided(left, budget, looking, known, seed)
        choice, scores, ranked = decision.choice, decision.scores, decision.smoothed
        reasons = decision.reasons or tuple("" for _ in choice.chosen)
    rows = [
        left.row(rank, one.index, float(scores[one.index]), float(ranked[one.index]), said)
        for rank, (one, said) in enumerate(zip(choice.chosen, reasons, strict=True), start=1)
    ]
    held = [
        HeldFrame(
            left.row(0, one.index, float(scores[one.index]), float(ranked[one.index]), ""),
            one.rule,
            one.because,
            one.distance,
        )
        for one in choice.held
    ]
    return Selected(rows, held)


def _by_score_alone(strategy: ScoredStrategy, looking: Looking) -> bool:
    pipeline = strategy.pipeline
    plain = pipeline.balance == 0 and pipeline.diversity == 1 and not looking_back(looking)
    own = type(strategy).decide is not ScoredStrategy.decide
    return plain and not own and not pipeline.rules.looks_at_pictures


def looking_back(looking: Looking) -> bool:
    """Whether labelled frames are looked at too."""
    return looking.strategy.looks_back or surroundings(looking.settings).looks_back


def _ranked(
    left: ScoredFrames, budget: int, strategy: ScoredStrategy, earlier: Earlier
) -> tuple[Choice, FloatArray, FloatArray, tuple[str, ...]]:
    """As `Pipeline.decide`, on arrays."""
    pipeline = strategy.pipeline
    numbers: dict[str, int] = {}
    timeline, before = left.timeline(numbers), earlier.timeline(numbers)
    scores = left.scores
    check_finite(left.ids, scores)
    smoothed = smooth(scores, timeline, pipeline.weights)
    known = Candidates(earlier.ids, before)
    candidates = Candidates(left.ids, timeline)
    choice = choose_among(candidates, smoothed, budget, pipeline.rules, known)
    steps = ["its neighbours in time"] if len(pipeline.weights) > 1 else []
    told = why_ranked(scores, smoothed, choice.indices, pipeline.measure, steps)
    reasons = [said + _conceded(one.dropped) for one, said in zip(choice.chosen, told, strict=True)]
    return choice, scores, smoothed, tuple(reasons)


def _conceded(dropped: Sequence[Rule]) -> str:
    near = " or ".join(_IN_WORDS[rule] for rule in dropped)
    return f"; taken although it may be {near}, since too few were left" if near else ""


def _known(frames: ScoredFrames, looking: Looking, earlier: Earlier) -> Labelled:
    """Of frames chosen earlier, what was observed in this very pass."""
    chosen = frames.only(earlier.ids)
    columns = chosen.observed if looking_back(looking) and len(chosen) else {}
    none = np.zeros(looking.settings.detector.class_count, dtype=np.int64)
    return Labelled(chosen.candidates(), columns, {}, none)


def _decided(
    left: ScoredFrames, budget: int, looking: Looking, known: Labelled, seed: int
) -> Decision:
    candidates = left.candidates()
    wanted = Budget(budget)
    wanted.check(len(candidates))
    rng = np.random.default_rng(stage_seed(seed, 0, "select"))
    return looking.strategy.decide(candidates, left.observed, wanted, known, rng)
