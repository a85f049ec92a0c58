"""The order of worth: highest score first, ties by id, whatever the order of the pool."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from thrifty.errors import ScoreError
from thrifty.types import FloatArray, IntArray


class Ids(Protocol):
    """N ids by number: a list, or a column that is read when asked."""

    def __len__(self) -> int:
        """N."""
        ...

    def __getitem__(self, index: int, /) -> str:
        """One id."""
        ...


def rank(ids: Ids, scores: FloatArray, count: int | None = None) -> IntArray:
    """Indices of the frames from most to least worth labelling.

    Args:
        ids: `N` distinct ids. Only those of the frames returned are looked at, and of those that tie with the last of them.
        scores: `N` finite scores, higher first.
        count: How many of the best are wanted; all if left out. A longer ranking always begins with a shorter one.

    Returns:
        Distinct int64 in 0..N-1, as many as are wanted and there are; equal scores are ordered by id.

    Raises:
        ScoreError: As `check_finite`.

    >>> rank(["b", "a", "c"], np.array([1.0, 1.0, 2.0]))
    array([2, 1, 0])
    """
    scores = np.asarray(scores, dtype=np.float64)
    check_finite(ids, scores)
    members = _best(ids, scores, len(scores) if count is None else count)
    names = np.array([ids[int(member)] for member in members], dtype=np.str_)
    return members[np.lexsort((names, -scores[members]))]


def check_finite(ids: Ids, scores: FloatArray) -> None:
    """Refuse scores that cannot be ranked, before anything is made of them: a mean with its neighbours would name another frame.

    Args:
        ids: `N` ids.
        scores: `N` float64.

    Raises:
        ScoreError: A score is NaN or infinite; the message names the frame.
    """
    finite = np.isfinite(scores)
    if not finite.all():
        worst = int(np.flatnonzero(~finite)[0])
        raise ScoreError(
            f"frame {ids[worst]}: score is {scores[worst]}; every score must be finite to be ranked"
        )


def why_ranked(
    scores: FloatArray,
    ranked: FloatArray,
    indices: Sequence[int],
    measure: str = "its score",
    steps: Sequence[str] = (),
) -> list[str]:
    """In words, where frames stand in the order, and where they stood before something was done to their scores.

    Args:
        scores: `N` scores as they were made.
        ranked: `N` scores as they were ranked.
        indices: Which frames.
        measure: What the score is.
        steps: What lies between the two.

    >>> why_ranked(np.array([1.0, 3.0, 2.0]), np.array([2.5, 1.0, 2.0]), [0], steps=["its neighbours"])
    ['rank 1 of 3 by its score, 3 before its neighbours counted']
    """
    places, before = _places(ranked, indices), _places(scores, indices)
    told = []
    for place, was in zip(places, before, strict=True):
        moved = f", {was} before {' and '.join(steps)} counted" if steps and was != place else ""
        told.append(f"rank {place} of {len(scores)} by {measure}{moved}")
    return told


def _places(scores: FloatArray, indices: Sequence[int]) -> list[int]:
    """Place of each frame in the order of scores, from 1; equal scores share the first."""
    ascending = np.sort(scores)
    wanted = scores[np.asarray(indices, dtype=np.int64)]
    higher = len(scores) - np.searchsorted(ascending, wanted, side="right")
    return [int(count) + 1 for count in higher]


def _best(ids: Ids, scores: FloatArray, count: int) -> IntArray:
    """The best so many, in any order."""
    if count >= len(scores):
        return np.arange(len(scores), dtype=np.int64)
    if count < 1:
        return np.zeros(0, dtype=np.int64)
    at = len(scores) - count
    last = np.partition(scores, at)[at]
    above, tied = np.flatnonzero(scores > last), np.flatnonzero(scores == last)
    # All may tie where a detector finds nothing in most frames: their ids are looked at one by one, and few are held.
    smallest = heapq.nsmallest(count - len(above), map(int, tied), key=ids.__getitem__)
    return np.concatenate([above, np.array(smallest, dtype=np.int64)])
