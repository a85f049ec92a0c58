"""What the paper says, held against what came out: in words that claim no more than the seeds carry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from thrifty.evaluation.statistics import Comparison, compare
from thrifty.study.headroom import Headroom
from thrifty.study.point import Point
from thrifty.study.studies import Claim


@dataclass(frozen=True, slots=True)
class Answer:
    """A claim beside what came out.

    Attributes:
        claim: What the paper says.
        comparison: The two strategies, paired by seeds; `None` where no seed has both.
        ratio: Mean of one over mean of the other.
        outcome: `better`, `worse`, `alike` where the interval holds the zero, `not asked` where labels do not matter, or
            `nothing` where no seed has both.
    """

    claim: Claim
    comparison: Comparison | None
    ratio: float
    outcome: str

    @property
    def sentence(self) -> str:
        """What the paper says and what came out."""
        claim = self.claim
        names = f"{claim.strategy} beside {claim.than}"
        if self.comparison is None:
            return f"The paper: {claim.paper} Here: no seed has finished {names}."
        if self.outcome == "not asked":
            return f"The paper: {claim.paper} Here: not asked, since labels make no difference to the miss rate."
        found = self.comparison
        what, digits = ("people", 1) if claim.figure == "people" else ("miss rate", 3)
        if claim.figure == "people":
            said = f"{self.ratio:.2f} times the people"
        else:
            word = "lower" if found.difference >= 0 else "higher"
            said = f"{what} {word} by {abs(found.difference):.{digits}f}"
        interval = (
            f"95 % interval of the difference {found.low:.{digits}f} to {found.high:.{digits}f}"
        )
        seeds = "1 seed" if found.pairs == 1 else f"{found.pairs} seeds"
        return f"The paper: {claim.paper} Here: {names}, {said} ({interval}, {seeds}): {self._verdict}."

    @property
    def _verdict(self) -> str:
        expected = self.claim.expected
        if self.outcome == "alike":
            return "as the paper has it" if expected == "alike" else "these seeds cannot tell"
        if self.outcome == expected:
            return "as the paper has it"
        return f"other than the paper has it, {self.outcome}"


def answers(
    claims: Sequence[Claim], points: Sequence[Point], room: Headroom | None
) -> Iterator[Answer]:
    """Each claim beside the points of a run.

    Args:
        claims: Of a study.
        points: Of its run.
        room: Whether labels matter on this set; miss rates are not compared where it says no.
    """
    for claim in claims:
        own, base = (_figures(claim, name, points) for name in (claim.strategy, claim.than))
        seeds = sorted(own.keys() & base.keys())
        if not seeds:
            yield Answer(claim, None, float("nan"), "nothing")
            continue
        first, second = [own[seed] for seed in seeds], [base[seed] for seed in seeds]
        lower = claim.figure == "miss_rate"
        found = compare(first, second, np.random.default_rng(0), lower_is_better=lower)
        total = float(np.sum(second))
        ratio = float(np.sum(first)) / total if total else float("inf")
        yield Answer(claim, found, ratio, _outcome(claim, found, room))


def _outcome(claim: Claim, found: Comparison, room: Headroom | None) -> str:
    if claim.figure == "miss_rate" and room is not None and not room.is_there:
        return "not asked"
    if found.low > 0:
        return "better"
    return "worse" if found.high < 0 else "alike"


def _figures(claim: Claim, strategy: str, points: Sequence[Point]) -> dict[int, float]:
    """By seed, the figure after the cycle that the claim is about."""
    own = [point for point in points if point.strategy == strategy and point.cycle]
    cycles = [point.cycle for point in own]
    if not cycles:
        return {}
    cycle = min(cycles) if claim.cycle == "first" else max(cycles)
    return {
        point.seed: float(point.people) if claim.figure == "people" else point.miss_rate
        for point in own
        if point.cycle == cycle
    }
