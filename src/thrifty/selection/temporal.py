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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from thrifty.errors import BudgetError
from thrifty.selection.ranking import rank
from thrifty.types import BoolArray, FloatArray, IntArray, Record


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
    if budget > len(candidates):
        raise BudgetError(
            f"{budget} frames are to be chosen but only {len(candidates)} are left; lower b or the number of cycles"
        )
    order = rank([record.id for record in candidates], scores)
    timeline = _Timeline(candidates)
    timeline.block_all(earlier, rules.later, Rule.LATER)
    taken: list[Chosen] = []
    free = np.ones(len(candidates), dtype=np.bool_)
    # A rule that has given way is dropped for the rest of the cycle.
    for dropped in ((), (Rule.CURRENT,), (Rule.CURRENT, Rule.LATER)):
        for index in order:
            if len(taken) == budget:
                break
            if free[index] and not timeline.is_blocked(index, dropped):
                free[index] = False
                taken.append(Chosen(int(index), dropped))
                timeline.block(candidates[index], rules.current, Rule.CURRENT)
    return Choice(tuple(taken), tuple(timeline.held(order, taken, free)))


class _Timeline:
    """Who is blocked by whom: per candidate and rule, the chosen frame that came first."""

    def __init__(self, candidates: Sequence[Record]) -> None:
        self._sequences = _by_sequence(candidates)
        count = len(candidates)
        self._blockers: dict[Rule, dict[int, tuple[str, int]]] = {rule: {} for rule in Rule}
        self._blocked: dict[Rule, BoolArray] = {
            rule: np.zeros(count, dtype=np.bool_) for rule in Rule
        }

    def block_all(self, records: Sequence[Record], reach: int, rule: Rule) -> None:
        for record in records:
            self.block(record, reach, rule)

    def block(self, record: Record, reach: int, rule: Rule) -> None:
        if (
            reach < 1
            or record.place is None
            or record.sequence is None
            or record.sequence not in self._sequences
        ):
            return
        members, places = self._sequences[record.sequence]
        first = np.searchsorted(places, record.place - reach, side="left")
        last = np.searchsorted(places, record.place + reach, side="right")
        blockers = self._blockers[rule]
        for member, place in zip(members[first:last], places[first:last], strict=True):
            blockers.setdefault(int(member), (record.id, abs(int(place) - record.place)))
        self._blocked[rule][members[first:last]] = True

    def is_blocked(self, index: int, dropped: Sequence[Rule]) -> bool:
        return any(bool(self._blocked[rule][index]) for rule in Rule if rule not in dropped)

    def held(self, order: IntArray, taken: Sequence[Chosen], free: BoolArray) -> list[Held]:
        """The frames ranked above the lowest choice that stayed behind."""
        if not taken:
            return []
        chosen = {choice.index for choice in taken}
        lowest = max(place for place, index in enumerate(order) if int(index) in chosen)
        return [self._reason(int(index)) for index in order[:lowest] if free[index]]

    def _reason(self, index: int) -> Held:
        rule = next(rule for rule in (Rule.LATER, Rule.CURRENT) if self._blocked[rule][index])
        because, distance = self._blockers[rule][index]
        return Held(index, rule, because, distance)


def _by_sequence(records: Sequence[Record]) -> Mapping[str, tuple[IntArray, IntArray]]:
    """Candidates of each sequence: their indices and places, in order of time."""
    groups: dict[str, list[tuple[int, int]]] = {}
    for index, record in enumerate(records):
        if record.sequence is not None and record.place is not None:
            groups.setdefault(record.sequence, []).append((record.place, index))
    ordered = {name: np.array(sorted(pairs), dtype=np.int64) for name, pairs in groups.items()}
    return {name: (pairs[:, 1], pairs[:, 0]) for name, pairs in ordered.items()}
