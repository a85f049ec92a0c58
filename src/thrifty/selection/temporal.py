"""Choosing b frames under the paper's two temporal rules.

* A frame chosen in this cycle keeps every frame within `current` places out of the rest of this cycle (the
  first rule, 15 in the paper).
* A frame chosen in an earlier cycle keeps every frame within `later` places out of all later cycles (the second
  rule, 2 in the paper).

A cycle is promised b labels, so where the rules leave fewer than b frames they give way one after the other:
the first rule is dropped for a second pass over the ranking (as in the authors' code), and only then the second.
Stills have no neighbours and are always free to be chosen. Choosing without rules is `Rules(0, 0)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from thrifty.errors import BudgetError
from thrifty.selection.ranking import Ids, rank
from thrifty.timeline import STILL, Timeline
from thrifty.types import BoolArray, FloatArray, Record


@dataclass(frozen=True, slots=True)
class Rules:
    """Reach of both rules, in places of the sequence; 0 switches a rule off."""

    current: int = 15
    later: int = 2


class Rule(StrEnum):
    """Which rule held a frame back."""

    CURRENT = "current"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Chosen:
    """One chosen frame: its index in the candidates, and the rules that had given way when it was taken."""

    index: int
    dropped: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """A frame that outranked the last chosen one but was held back.

    Attributes:
        index: Its index in the candidates.
        rule: The rule that held it.
        because: Id of the chosen frame it is too close to.
        distance: Places between the two.
    """

    index: int
    rule: Rule
    because: str
    distance: int


@dataclass(frozen=True, slots=True)
class Choice:
    """What a cycle takes, in the order taken, and what the rules passed over."""

    chosen: tuple[Chosen, ...]
    held: tuple[Held, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """N unlabelled frames, as arrays.

    Attributes:
        ids: Distinct ids.
        timeline: Where they stand in time.
    """

    ids: Ids
    timeline: Timeline

    def __len__(self) -> int:
        return len(self.timeline)


def choose(
    candidates: Sequence[Record],
    scores: FloatArray,
    budget: int,
    rules: Rules,
    earlier: Sequence[Record] = (),
) -> Choice:
    """Take the `budget` best frames that the rules allow.

    Args:
        candidates: `N` unlabelled records with distinct ids, in any order.
        scores: `N` finite scores, higher first; ties go to the smaller id.
        budget: Frames to take, b >= 0.
        rules: Reach of the temporal rules.
        earlier: Records chosen in earlier cycles (a start set from elsewhere does not belong here).

    Returns:
        Exactly `budget` frames, and those that were passed over in their favour.

    Raises:
        BudgetError: There are fewer candidates than `budget`.
        ScoreError: A score is not finite.
    """
    numbers: dict[str, int] = {}
    now, before = (
        Candidates([record.id for record in records], Timeline.of(records, numbers))
        for records in (candidates, earlier)
    )
    return choose_among(now, scores, budget, rules, before)


def choose_among(
    candidates: Candidates,
    scores: FloatArray,
    budget: int,
    rules: Rules,
    earlier: Candidates | None = None,
) -> Choice:
    """As `choose`, on arrays: of ten million frames only the best few thousand are ever ordered.

    Args:
        candidates: `N` unlabelled frames.
        scores: `N` finite scores.
        budget: Frames to take, b >= 0.
        rules: Reach of the temporal rules.
        earlier: Frames chosen in earlier cycles, sequences numbered alike.

    Raises:
        BudgetError: There are fewer candidates than `budget`.
        ScoreError: A score is not finite.
    """
    if budget > len(candidates):
        raise BudgetError(
            f"{budget} frames are to be chosen but only {len(candidates)} are left; lower b or the number of cycles"
        )
    blocks = _Blocks(candidates)
    if earlier is not None:
        blocks.block_all(earlier, rules.later)
    ranking = _Ranking(candidates.ids, scores, budget)
    taken: list[Chosen] = []
    free = np.ones(len(candidates), dtype=np.bool_)
    # A rule that has given way is dropped for the rest of the cycle.
    for dropped in ((), (Rule.CURRENT,), (Rule.CURRENT, Rule.LATER)):
        for index in ranking:
            if len(taken) == budget:
                break
            if free[index] and not blocks.hold(index, dropped):
                free[index] = False
                taken.append(Chosen(int(index), dropped))
                blocks.block(index, rules.current)
    return Choice(tuple(taken), tuple(blocks.held(ranking, taken, free)))


class _Ranking:
    """Candidates best first, ordered as far as somebody looks."""

    def __init__(self, ids: Ids, scores: FloatArray, budget: int) -> None:
        self._ids, self._scores = ids, scores
        self._order = rank(ids, scores, _LOOK_AHEAD * max(budget, 1))

    def __iter__(self) -> Iterator[int]:
        at = 0
        while True:
            while at < len(self._order):
                yield int(self._order[at])
                at += 1
            if at == len(self._scores):
                return
            self._order = rank(self._ids, self._scores, _FURTHER * at)

    def before(self, chosen: set[int]) -> list[int]:
        """All that stand above the lowest of the chosen, which have all been looked at."""
        places = np.flatnonzero(np.isin(self._order, list(chosen)))
        return [int(index) for index in self._order[: places[-1]]]


# With the paper's rules one choice holds back up to 30 frames.
_LOOK_AHEAD = 64
_FURTHER = 8


class _Blocks:
    """Who is blocked by whom: per candidate and rule, the chosen frame that came first."""

    def __init__(self, candidates: Candidates) -> None:
        self._ids, self._timeline = candidates.ids, candidates.timeline
        order = self._timeline.order
        self._sequences = self._timeline.sequences[order]
        self._places = self._timeline.places[order]
        count = len(candidates)
        self._blockers: dict[Rule, dict[int, tuple[str, int]]] = {rule: {} for rule in Rule}
        self._blocked: dict[Rule, BoolArray] = {
            rule: np.zeros(count, dtype=np.bool_) for rule in Rule
        }

    def block_all(self, earlier: Candidates, reach: int) -> None:
        timeline = earlier.timeline
        for index in range(len(earlier)):
            where = (int(timeline.sequences[index]), int(timeline.places[index]))
            self._block(earlier.ids[index], where, reach, Rule.LATER)

    def block(self, index: int, reach: int) -> None:
        where = (int(self._timeline.sequences[index]), int(self._timeline.places[index]))
        self._block(self._ids[index], where, reach, Rule.CURRENT)

    def _block(self, chosen: str, where: tuple[int, int], reach: int, rule: Rule) -> None:
        sequence, place = where
        if reach < 1 or sequence == STILL:
            return
        begin = int(np.searchsorted(self._sequences, sequence, side="left"))
        end = int(np.searchsorted(self._sequences, sequence, side="right"))
        places = self._places[begin:end]
        first = begin + int(np.searchsorted(places, place - reach, side="left"))
        last = begin + int(np.searchsorted(places, place + reach, side="right"))
        members = self._timeline.order[first:last]
        blockers = self._blockers[rule]
        for member, other in zip(members.tolist(), self._places[first:last].tolist(), strict=True):
            blockers.setdefault(member, (chosen, abs(other - place)))
        self._blocked[rule][members] = True

    def hold(self, index: int, dropped: Sequence[Rule]) -> bool:
        return any(bool(self._blocked[rule][index]) for rule in Rule if rule not in dropped)

    def held(self, ranking: _Ranking, taken: Sequence[Chosen], free: BoolArray) -> Iterator[Held]:
        """The frames ranked above the lowest choice that stayed behind."""
        if taken:
            above = ranking.before({choice.index for choice in taken})
            yield from (self._reason(index) for index in above if free[index])

    def _reason(self, index: int) -> Held:
        rule = next(rule for rule in (Rule.LATER, Rule.CURRENT) if self._blocked[rule][index])
        because, distance = self._blockers[rule][index]
        return Held(index, rule, because, distance)
