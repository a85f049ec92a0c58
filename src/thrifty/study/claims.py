"""What the paper says, held against what came out: in words that claim no more than the seeds carry.

The interval of the paired differences decides. The exact test stands beside it, but with five seeds it can never fall below 0.062, whatever
the difference; the claims of a study are few, were written before its run, and are not corrected for being several.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from thrifty.evaluation.statistics import Comparison, compare, interval_in_words, p_in_words
from thrifty.study.headroom import Headroom
from thrifty.study.point import Point
from thrifty.study.studies import Claim


@dataclass(frozen=True, slots=True)
class Answer:
    """A claim beside what came out.

    Attributes:
        claim: What the paper says.
        comparison: The two strategies, paired by seeds; `None` where no seed has both.
        ratio: Sum of one over the sum of the other, >= 0; `None` where that is zero.
        outcome: `better` or `worse` where the interval leaves out the zero, `alike` where it holds it, `one seed`, `not asked` where
            labels were not shown to matter, or `nothing` where no seed has both.
    """

    claim: Claim
    comparison: Comparison | None
    ratio: float | None
    outcome: str

    @property
    def sentence(self) -> str:
        """What the paper says and what came out."""
        whose = "Expected" if self.claim.ours else "The paper"
        return f"{whose}: {self.claim.paper} Here: {self._here}."

    @property
    def _here(self) -> str:
        claim, found = self.claim, self.comparison
        names = f"{claim.strategy} beside {claim.than}"
        if found is None:
            return f"no seed has finished {names}"
        if self.outcome == "not asked":
            return "not asked, since these seeds do not show that labels matter to the miss rate"
        size, low, high = found.difference, found.low, found.high
        if claim.figure == "people":
            times = (
                "which finds nobody" if self.ratio is None else f"{self.ratio:.2f} times the people"
            )
            said = f"{names}, {times}"
            unit, digits, flip = " people more", 1, False
        else:
            flip = size < 0
            said = f"{names}, miss rate {'higher' if flip else 'lower'} by {abs(size):.3f}"
            unit, digits = "", 3
        if found.pairs == 1:
            return f"{said} in one seed, from which nothing can be told"
        if flip:
            low, high = -high, -low
        interval = interval_in_words(low, high, digits=digits) + unit * math.isfinite(low)
        return f"{said} ({interval}, {found.pairs} seeds, {p_in_words(found.p)}): {self._verdict}"

    @property
    def _verdict(self) -> str:
        if self.outcome == "alike":
            return "no difference that these seeds can show"
        whose = "expected" if self.claim.ours else "the paper has it"
        if self.outcome == self.claim.expected:
            return f"as {whose}"
        return f"other than {whose}, {self.outcome}"


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
            yield Answer(claim, None, None, "nothing")
            continue
        first, second = [own[seed] for seed in seeds], [base[seed] for seed in seeds]
        lower = claim.figure == "miss_rate"
        found = compare(first, second, np.random.default_rng(0), lower_is_better=lower)
        total = float(np.sum(second))
        ratio = float(np.sum(first)) / total if total else None
        yield Answer(claim, found, ratio, _outcome(claim, found, room))


def _outcome(claim: Claim, found: Comparison, room: Headroom | None) -> str:
    if claim.figure == "miss_rate" and room is not None and not room.is_there:
        return "not asked"
    if found.pairs == 1:
        return "one seed"
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
