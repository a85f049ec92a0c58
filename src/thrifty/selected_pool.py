"""Choosing from a scored pool what people shall label next."""

from __future__ import annotations

import numpy as np

from thrifty.scoring.smoothing import smooth
from thrifty.selection.choosing import choose_among
from thrifty.selection.closeness import Candidates, Rule, Rules
from thrifty.selection.ranking import why_ranked
from thrifty.store.choice_file import ChosenRow, Earlier, ScoredFrames, ids_of
from thrifty.types import FloatArray

NOTHING = Earlier((), (), np.zeros(0, dtype=np.int64))
"""No frame was chosen earlier."""

_IN_WORDS = {
    Rule.CURRENT: "close to one chosen before it",
    Rule.LATER: "close to one of an earlier choice",
}


def select_frames(
    frames: ScoredFrames,
    budget: int,
    rules: Rules,
    weights: FloatArray,
    earlier: Earlier = NOTHING,
) -> list[ChosenRow]:
    """The best frames of a pool, smoothed in time (equation 6) and under the temporal rules.

    Args:
        frames: `N` scored frames.
        budget: Frames to take.
        rules: Reach of the temporal rules.
        weights: Of equation 6, for the distances -D..D.
        earlier: What has been chosen earlier: it is not chosen again, and keeps its neighbours out by the second rule.

    Returns:
        As many rows as the budget says, in the order taken.

    Raises:
        BudgetError: There are fewer frames than that.
        ScoreError: A score is not finite.
    """
    numbers: dict[str, int] = {}
    left = frames.without(earlier.ids)
    timeline, before = left.timeline(numbers), earlier.timeline(numbers)
    scores = left.scores
    ids = ids_of(left)
    smoothed = smooth(scores, timeline, weights)
    known = Candidates(earlier.ids, before)
    choice = choose_among(Candidates(ids, timeline), smoothed, budget, rules, known)
    steps = ["its neighbours in time"] if len(weights) > 1 else []
    told = why_ranked(scores, smoothed, choice.indices, steps=steps)
    rows = []
    for rank, (one, said) in enumerate(zip(choice.chosen, told, strict=True), start=1):
        near = " or ".join(_IN_WORDS[rule] for rule in one.dropped)
        because = f"; taken although it may be {near}, since too few were left" if near else ""
        rows.append(left.row(rank, one.index, float(smoothed[one.index]), said + because))
    return rows
