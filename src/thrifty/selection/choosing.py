"""Choosing what a budget buys, best first, under rules that hold frames back.

* A frame chosen in this cycle keeps every frame within `current` places out of the rest of this cycle (the paper's
  first rule, 15).
* A frame chosen in an earlier cycle keeps every frame within `later` places out of all later cycles (its second rule, 2).
* Likewise what shows the same picture: see `closeness`.

A cycle is promised b labels, so where the rules leave fewer than the budget buys they give way one after the other: the first
is dropped for a second pass over the ranking (as in the authors' code), and so on. Stills have no neighbours in time.
Choosing without rules is `Rules(0, 0)`.

Where frames cost differently, the greedy form ranks by score per cost. The exact form first takes the set of greatest total score
that breaks no rule: the knapsack problem, solved as an integer program with the rules as constraints. What that leaves of the
budget is spent as in the greedy form.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from thrifty.errors import BudgetError
from thrifty.selection.budget import Budget
from thrifty.selection.closeness import (
    GIVING_WAY,
    Candidates,
    Closeness,
    Pictures,
    Rule,
    Rules,
    closeness,
)
from thrifty.selection.ranking import Ids, rank
from thrifty.timeline import Timeline
from thrifty.types import BoolArray, FloatArray, IntArray, Record


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
        distance: Between the two, in the rule's unit: places, widths or bits.
    """

    index: int
    rule: Rule
    because: str
    distance: float


@dataclass(frozen=True, slots=True)
class Choice:
    """What a cycle takes, in the order taken, and what the rules passed over."""

    chosen: tuple[Chosen, ...]
    held: tuple[Held, ...]

    @property
    def indices(self) -> list[int]:
        """The chosen frames' indices, in the order taken."""
        return [one.index for one in self.chosen]


def choose(
    candidates: Sequence[Record],
    scores: FloatArray,
    budget: Budget | int,
    rules: Rules,
    earlier: Sequence[Record] = (),
    pictures: tuple[Pictures, Pictures] | None = None,
) -> Choice:
    """Take the best frames that the budget buys and the rules allow.

    Args:
        candidates: `N` unlabelled records with distinct ids, in any order.
        scores: `N` finite scores, higher first; ties go to the smaller id.
        budget: What may be spent, or frames to take.
        rules: Reach of the rules.
        earlier: `M` records chosen in earlier cycles (a start set from elsewhere does not belong here).
        pictures: Of the candidates and of those chosen earlier, for the rules that ask.

    Returns:
        Exactly as many frames as a budget of frames says, and those that were passed over in their favour.

    Raises:
        BudgetError: The budget buys nothing, or there are fewer candidates than it has frames; or there are too many
            candidates for an exact choice, or none was found in time.
        ScoreError: A score is not finite.
    """
    numbers: dict[str, int] = {}
    shown = pictures or (None, None)
    now, before = (
        Candidates([record.id for record in records], Timeline.of(records, numbers), seen)
        for records, seen in zip((candidates, earlier), shown, strict=True)
    )
    return choose_among(now, scores, budget, rules, before)


def choose_among(
    candidates: Candidates,
    scores: FloatArray,
    budget: Budget | int,
    rules: Rules,
    earlier: Candidates | None = None,
) -> Choice:
    """As `choose`, on arrays: of ten million frames only the best few thousand are ever ordered.

    Args:
        candidates: `N` unlabelled frames.
        scores: `N` finite scores.
        budget: What may be spent, or frames to take.
        rules: Reach of the rules.
        earlier: Frames chosen in earlier cycles, sequences numbered alike.

    Raises:
        BudgetError: As `choose`.
        ScoreError: As `choose`.
    """
    budget = budget if isinstance(budget, Budget) else Budget(budget)
    budget.check(len(candidates))
    blocks = _Blocks(candidates, rules)
    if earlier is not None:
        blocks.block_all(earlier)
    # Of two frames that teach as much the cheaper goes first.
    worth = scores if budget.costs is None else (scores - min(0.0, scores.min())) / budget.costs
    choice = _Greedy(blocks, _Ranking(candidates.ids, worth, budget.frames), budget, len(scores))
    if budget.exact:
        choice.take(_best_set(blocks, candidates.ids, scores, budget))
    choice.spend()
    return choice.made()


class _Greedy:
    """Down the ranking, once with all rules, and again with ever fewer while the budget buys more."""

    def __init__(self, blocks: _Blocks, ranking: _Ranking, budget: Budget, count: int) -> None:
        self._blocks, self._ranking, self._budget = blocks, ranking, budget
        self._taken: list[Chosen] = []
        self._free = np.ones(count, dtype=np.bool_)
        self._left = budget.amount
        self._slack = 1e-9 * budget.amount

    def take(self, wanted: BoolArray) -> None:
        """A set that keeps the rules and the budget, best first."""
        count = int(wanted.sum())
        for index in self._ranking:
            if len(self._taken) == count:
                return
            if wanted[index]:
                self._take(index, ())

    def spend(self) -> None:
        """The rest of the budget."""
        costs = self._budget.costs
        least = 1.0 if costs is None else float(costs.min(initial=np.inf))
        for dropped in self._blocks.concessions():
            for index in self._ranking:
                if self._left + self._slack < least:
                    return
                if self._buys(index) and not self._blocks.hold(index, dropped):
                    self._take(index, dropped)

    def made(self) -> Choice:
        """What was taken, and what a rule kept behind."""
        held = self._blocks.held(self._ranking, self._taken, self._free)
        return Choice(tuple(self._taken), tuple(held))

    def _buys(self, index: int) -> bool:
        return bool(self._free[index]) and self._budget.cost_of(index) <= self._left + self._slack

    def _take(self, index: int, dropped: tuple[Rule, ...]) -> None:
        self._free[index] = False
        self._left -= self._budget.cost_of(index)
        self._taken.append(Chosen(index, dropped))
        self._blocks.block(index)


_MOST_EXACT = 20_000
_SECONDS = 60.0


def _best_set(blocks: _Blocks, ids: Ids, scores: FloatArray, budget: Budget) -> BoolArray:
    """Which candidates make the greatest total score; those that earlier choices hold back are out.

    Time decides only whether there is an answer, never which.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415 - takes long to load
    from scipy.sparse import csr_array  # noqa: PLC0415

    count = len(scores)
    if count > _MOST_EXACT:
        raise BudgetError(
            f"{count} candidates are too many for an exact choice (at most {_MOST_EXACT}); take the greedy form"
        )
    costs = np.ones(count) if budget.costs is None else budget.costs
    groups = [costs.nonzero()[0], *blocks.cliques()]
    weights = np.concatenate([costs, *(np.ones(len(group)) for group in groups[1:])])
    bounds = np.array([budget.amount, *np.ones(len(groups) - 1)])
    starts = np.cumsum([0, *(len(group) for group in groups)])
    table = csr_array((weights, np.concatenate(groups), starts), shape=(len(groups), count))
    worth = scores - min(0.0, float(scores.min(initial=0.0)))
    free = np.array([not blocks.hold(index, ()) for index in range(count)])
    # Among sets worth the same the order of the unknowns decides: it must not be the pool's.
    order = np.argsort(np.array([ids[index] for index in range(count)], dtype=np.str_))
    result = milp(
        # On a scale of its own, since the solver's tolerances are absolute.
        c=-worth[order] / (float(worth.max(initial=0.0)) or 1.0),
        integrality=np.ones(count),
        bounds=Bounds(0, free[order].astype(np.float64)),
        constraints=LinearConstraint(table[:, order], -np.inf, bounds),
        options={"time_limit": _SECONDS, "mip_rel_gap": 0.0},
    )
    if result.status != 0:
        raise BudgetError(
            f"no exact choice among {count} candidates was found in {_SECONDS:.0f} s; take the greedy form"
        )
    wanted = np.zeros(count, dtype=np.bool_)
    wanted[order] = result.x > 0.5
    return wanted


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

    def __init__(self, candidates: Candidates, rules: Rules) -> None:
        self._candidates = candidates
        self._near: dict[Rule, Closeness] = closeness(candidates, rules)
        self._blockers: dict[Rule, dict[int, tuple[str, float]]] = {rule: {} for rule in self._near}
        self._blocked: dict[Rule, BoolArray] = {
            rule: np.zeros(len(candidates), dtype=np.bool_) for rule in self._near
        }

    def concessions(self) -> Iterator[tuple[Rule, ...]]:
        """What is dropped: nothing, then one rule more at a time."""
        active = [rule for rule in GIVING_WAY if rule in self._near]
        return (tuple(active[:count]) for count in range(len(active) + 1))

    def cliques(self) -> Iterator[IntArray]:
        """Candidates that keep each other out of one cycle."""
        for rule, near in self._near.items():
            if rule is not Rule.LATER:
                yield from near.cliques()

    def block_all(self, earlier: Candidates) -> None:
        """What was chosen in earlier cycles."""
        for index in range(len(earlier)):
            for rule in self._near:
                if rule is not Rule.CURRENT:
                    self._block(rule, earlier, index)

    def block(self, index: int) -> None:
        """What has been chosen in this one."""
        for rule in self._near:
            if rule is not Rule.LATER:
                self._block(rule, self._candidates, index)

    def _block(self, rule: Rule, frames: Candidates, index: int) -> None:
        members, distances = self._near[rule].around(frames, index)
        blocked = self._blocked[rule]
        fresh = ~blocked[members]
        blockers, because = self._blockers[rule], frames.ids[index]
        for member, distance in zip(
            members[fresh].tolist(), distances[fresh].tolist(), strict=True
        ):
            blockers[member] = (because, distance)
        blocked[members] = True

    def hold(self, index: int, dropped: Sequence[Rule]) -> bool:
        return any(
            bool(blocked[index]) for rule, blocked in self._blocked.items() if rule not in dropped
        )

    def held(self, ranking: _Ranking, taken: Sequence[Chosen], free: BoolArray) -> Iterator[Held]:
        """The frames ranked above the lowest choice that a rule kept behind."""
        if not taken:
            return
        for index in ranking.before({choice.index for choice in taken}):
            if free[index] and self.hold(index, ()):
                yield self._reason(index)

    def _reason(self, index: int) -> Held:
        rule = next(
            rule
            for rule in reversed(GIVING_WAY)
            if rule in self._near and self._blocked[rule][index]
        )
        because, distance = self._blockers[rule][index]
        return Held(index, rule, because, distance)
