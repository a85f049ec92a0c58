"""The verdict: what the figures say in a sentence or two, and no more than the seeds carry."""

from __future__ import annotations

import math

import numpy as np

from thrifty.evaluation.statistics import compare
from thrifty.report.summary import Row, Spread, Summary, count, number
from thrifty.strategies.names import REFERENCES

PAPER_RATIO = 2.08
"""People in the method's frames per person in guided-random's, as the paper reports it for Caltech."""


def verdict(summary: Summary) -> tuple[str, ...]:
    """What the run says, in one or two sentences that claim no more than the seeds carry."""
    if not summary.strategies:
        return (_unfinished(summary),)
    pair = _pair(summary)
    return _alone(summary) if pair is None else _compared(*pair)


def _unfinished(summary: Summary) -> str:
    if summary.start is None:
        return "This run has no figures yet."
    return (
        f"No cycle is finished yet: the start weights miss {number(_mean(summary.start.miss), 2)} of the people "
        f"at one false positive per image."
    )


def _mean(figure: Spread | None) -> float | None:
    return figure.mean if figure else None


def _pair(summary: Summary) -> tuple[Row, Row] | None:
    """The strategy in question and its reference, after the last cycle that both have finished."""
    others = [name for name in summary.strategies if name != summary.reference]
    if summary.reference is None or not others:
        return None
    subject = next((name for name in others if name not in REFERENCES), others[0])
    own, base = (
        {row.cycle: row for row in summary.of(name)} for name in (subject, summary.reference)
    )
    cycle = max((cycle for cycle in own if cycle and cycle in base), default=0)
    return (own[cycle], base[cycle]) if cycle else None


def _alone(summary: Summary) -> tuple[str, ...]:
    others = [name for name in summary.strategies if name not in REFERENCES]
    row = summary.of((others or list(summary.strategies))[0])[-1]
    before = (
        f"; the start weights miss {number(_mean(summary.start.miss), 2)}" if summary.start else ""
    )
    plural = (
        f"mean of {len(row.points)} seeds"
        if len(row.points) > 1
        else "one seed, which shows no spread"
    )
    return (
        (
            f"After {count(row.labelled.mean)} labelled frames {row.strategy} misses "
            f"{number(_mean(row.miss), 2)} of the people at one false positive per image ({plural}){before}."
        ),
        _why_alone(summary),
    )


def _why_alone(summary: Summary) -> str:
    if summary.reference is None:
        return "Nothing was chosen at random beside it, so this page cannot say whether the choice beats chance."
    if len(summary.strategies) == 1:
        return "No other choice is in this run, so there is nothing to compare it with."
    return f"No cycle is finished both in it and in {summary.reference}, so there is nothing to compare yet."


def _compared(own: Row, base: Row) -> tuple[str, ...]:
    digits = _digits(_mean(own.miss), _mean(base.miss))
    first = (
        f"After {count(own.labelled.mean)} labelled frames {own.strategy} misses {number(_mean(own.miss), digits)} of "
        f"the people at one false positive per image, {base.strategy} {number(_mean(base.miss), digits)} "
        f"({_seeds(own, base)})."
    )
    return first, _people(own, base)


def _digits(one: float | None, other: float | None) -> int:
    """Two digits, or three where two would make different figures look equal."""
    return 3 if one != other and number(one, 2) == number(other, 2) else 2


def _seeds(own: Row, base: Row) -> str:
    if own.miss is None or base.miss is None:
        return "there is no miss rate to compare"
    if own.miss.count == base.miss.count == 1:
        return "one seed, which shows no spread"
    ours, theirs = (
        {p.seed: p.miss_rate for p in row.points if math.isfinite(p.miss_rate)}
        for row in (own, base)
    )
    shared = ours.keys() & theirs.keys()
    lower = sum(ours[seed] < theirs[seed] for seed in shared)
    counts = (
        str(own.miss.count)
        if own.miss.count == base.miss.count
        else f"{own.miss.count} and {base.miss.count}"
    )
    told = f"means of {counts} seeds; {own.strategy} is the lower in {lower} of {len(shared)}"
    if len(shared) < 2:
        return told
    seeds = sorted(shared)
    comparison = compare(
        [ours[seed] for seed in seeds], [theirs[seed] for seed in seeds], np.random.default_rng(0)
    )
    shown = (
        "which is no chance"
        if comparison.is_different
        else "which these seeds cannot tell from chance"
    )
    return f"{told}, {shown}, p = {comparison.p:.3f}"


def _people(own: Row, base: Row) -> str:
    if own.ratio is None:
        return f"{_title(base.strategy)}’s frames hold no people, so there is no ratio of people found."
    paper = base.strategy == REFERENCES[0] and own.strategy not in REFERENCES
    tail = f"; the paper reports {PAPER_RATIO} on Caltech" if paper else ""
    return f"Its chosen frames hold {number(own.ratio, 2)} times the people that {base.strategy}’s hold{tail}."


def _title(name: str) -> str:
    return name[:1].upper() + name[1:]
