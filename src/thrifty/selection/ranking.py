"""The order of worth: highest score first, ties by id, whatever the order of the pool."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from thrifty.errors import ScoreError
from thrifty.types import FloatArray, IntArray


def rank(ids: Sequence[str], scores: FloatArray) -> IntArray:
    """Indices of the frames from most to least worth labelling.

    Args:
        ids: `N` distinct ids.
        scores: `N` finite scores, higher first.

    Returns:
        `N` int64, a permutation of 0..N-1; equal scores are ordered by id.

    Raises:
        ScoreError: A score is NaN or infinite; the message names the frame.

    >>> rank(["b", "a", "c"], np.array([1.0, 1.0, 2.0]))
    array([2, 1, 0])
    """
    scores = np.asarray(scores, dtype=np.float64)
    finite = np.isfinite(scores)
    if not finite.all():
        worst = int(np.flatnonzero(~finite)[0])
        raise ScoreError(
            f"frame {ids[worst]}: score is {scores[worst]}; every score must be finite to be ranked"
        )
    return np.lexsort((np.asarray(ids, dtype=np.str_), -scores)).astype(np.int64)
