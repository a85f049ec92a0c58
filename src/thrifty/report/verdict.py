"""The verdict: what the figures say in a sentence or two, and no more than the seeds carry."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from thrifty.config import PEOPLE
from thrifty.evaluation.statistics import Comparison, compare, corrected, p_in_words
from thrifty.report.summary import Row, Spread, Summary, count, number
from thrifty.strategies.names import REFERENCES

_PAPER_PAIR = ("divergence", "guided-random")
PAPER_RATIO = 2.08
"""People in the method's frames per person in guided-random's, as the paper reports it for Caltech."""


def verdict(summary: Summary, *, ranked: bool = True) -> tuple[str, ...]:
    """What the run says, in one or two sentences that claim no more than the seeds carry.

    Args:
        summary: The figures.
        ranked: Whether miss rates may be held against each other: not where labels were not shown to matter.
    """
    if not summary.strategies:
        return (_unfinished(summary),)
    subject = _subject(summary)
    pair = _pair(summary, subject) if subject else None
    if pair is None:
        return _alone(summary)
    return _compared(summary, *pair, _comparisons(summary) if ranked else None)


def _unfinished(summary: Summary) -> str:
    if summary.start is None:
        return "This run has no figures yet."
    return (
        f"No cycle is finished yet: the start weights miss {number(_mean(summary.start.miss), 2)} of the {summary.objects} "
        f"at one false positive per image."
    )


def _mean(figure: Spread | None) -> float | None:
    return figure.mean if figure else None


def _others(summary: Summary) -> list[str]:
    return [name for name in summary.strategies if name != summary.reference]


def _subject(summary: Summary) -> str | None:
    """The strategy in question."""
    others = _others(summary)
    if summary.reference is None or not others:
        return None
    return next((name for name in others if name not in REFERENCES), others[0])


def _pair(summary: Summary, name: str) -> tuple[Row, Row] | None:
    """A strategy and the reference, after the last cycle that can be held against one of the reference."""
    for row in reversed(summary.of(name)):
        if row.cycle and (base := summary.beside(row)) is not None:
            return row, base
    return None


def _comparisons(summary: Summary) -> dict[str, Comparison]:
    """All strategies beside the reference, corrected for their number as below on the page."""
    pairs = {name: _pair(summary, name) for name in _others(summary)}
    return corrected(
        {
            name: comparison
            for name, pair in pairs.items()
            if pair is not None and (comparison := _comparison(*pair)) is not None
        }
    )


def _comparison(own: Row, base: Row) -> Comparison | None:
    """Over the seeds in which both have a miss rate."""
    ours, theirs = (
        {p.seed: p.miss_rate for p in row.points if math.isfinite(p.miss_rate)}
        for row in (own, base)
    )
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        return None
    return compare(
        [ours[seed] for seed in seeds], [theirs[seed] for seed in seeds], np.random.default_rng(0)
    )


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
            f"{number(_mean(row.miss), 2)} of the {summary.objects} at one false positive per image ({plural}){before}."
        ),
        _why_alone(summary),
    )


def _why_alone(summary: Summary) -> str:
    if summary.reference is None:
        return "Nothing was chosen at random beside it, so this page cannot say whether the choice beats chance."
    if len(summary.strategies) == 1:
        return "No other choice is in this run, so there is nothing to compare it with."
    return f"No cycle is finished both in it and in {summary.reference}, so there is nothing to compare yet."


def _compared(
    summary: Summary, own: Row, base: Row, comparisons: Mapping[str, Comparison] | None
) -> tuple[str, ...]:
    digits = _digits(_mean(own.miss), _mean(base.miss))
    ours, theirs = count(own.labelled.mean), count(base.labelled.mean)
    # Budgets in boxes or seconds buy each strategy another number of frames.
    after = "" if ours == theirs else f" after {theirs}"
    first = (
        f"After {ours} labelled frames {own.strategy} misses {number(_mean(own.miss), digits)} of "
        f"the {summary.objects} at one false positive per image, {base.strategy} {number(_mean(base.miss), digits)}{after} "
        f"({_unranked(own) if comparisons is None else _seeds(own, base, comparisons.get(own.strategy))})."
    )
    return first, _found(summary.objects, own, base)


def _digits(one: float | None, other: float | None) -> int:
    """Two digits, or three where two would make different figures look equal."""
    return 3 if one != other and number(one, 2) == number(other, 2) else 2


def _unranked(own: Row) -> str:
    plural = f"means of {len(own.points)} seeds" if len(own.points) > 1 else "one seed"
    return f"{plural}; that labels matter on this set is not shown, so neither is called the better"


def _seeds(own: Row, base: Row, comparison: Comparison | None) -> str:
    if own.miss is None or base.miss is None:
        return "there is no miss rate to compare"
    if own.miss.count == base.miss.count == 1:
        return "one seed, which shows no spread"
    counts = (
        str(own.miss.count)
        if own.miss.count == base.miss.count
        else f"{own.miss.count} and {base.miss.count}"
    )
    told = f"means of {counts} seeds"
    if comparison is None:
        return f"{told}; no seed is in both"
    told = f"{told}; {own.strategy} is the lower in {comparison.better} of {comparison.pairs}"
    if comparison.pairs < 2:
        return told
    shown = (
        "which is no chance"
        if comparison.is_different
        else "which these seeds cannot tell from chance"
    )
    return f"{told}, {shown}, {p_in_words(comparison.p)}"


def _found(objects: str, own: Row, base: Row) -> str:
    if own.ratio is None:
        return f"{_title(base.strategy)}’s frames hold no {objects}, so there is no ratio of {objects} found."
    paper = objects == PEOPLE and (own.strategy, base.strategy) == _PAPER_PAIR
    tail = f"; the paper reports {PAPER_RATIO} on Caltech" if paper else ""
    return f"Its chosen frames hold {number(own.ratio, 2)} times the {objects} that {base.strategy}’s hold{tail}."


def _title(name: str) -> str:
    return name[:1].upper() + name[1:]
