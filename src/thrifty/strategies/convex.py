"""Convex selection by dissimilarity (Elhamifar et al. 2013): see `thrifty.selection.convex`.

The program grows with the square of the pool: where there are more candidates than `most`, those are taken first that the
greedy k-centre choice would take, so that what is left out is close to something kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from torch import Tensor

from thrifty.maps import ClassMaps
from thrifty.scoring.forms import score_passes
from thrifty.scoring.object_features import Vectors, frame_features
from thrifty.scoring.regions import RegionSettings
from thrifty.scoring.uncertainty import Measure
from thrifty.selection.budget import Budget
from thrifty.selection.choosing import Choice, Chosen
from thrifty.selection.convex import confidence, descriptions
from thrifty.selection.k_centre import k_centre, nearest
from thrifty.selection.ranking import rank
from thrifty.strategies.diverse import FEATURES, by_id, vectors
from thrifty.strategies.scored import SCORE
from thrifty.strategies.strategy import Columns, Decision, Labelled
from thrifty.types import Annotations, FloatArray, Record
from thrifty.views import Features, Maps, Seen, View

_LAYER = Features("deep")


class Convex:
    """Representatives of the pool that are in doubt, or far from what is labelled.

    Args:
        regions: How the entropy of a frame is summed up.
        weight: lambda, as a share of the least at which one frame describes all.
        most: Candidates that enter the program.
        name: The name in recipes and tables.
    """

    looks_back = True
    cycles: int | None = None
    views = frozenset({cast(View[object], Maps()), cast(View[object], _LAYER)})

    def __init__(
        self, regions: RegionSettings, weight: float = 0.1, most: int = 1000, name: str = "convex"
    ) -> None:
        self.name = name
        self._regions = regions
        self._weight = weight
        self._most = most

    def observe(self, seen: Seen, labels: Sequence[Annotations] | None = None) -> Columns:  # noqa: ARG002 - no labels
        """Entropy, `B`, and mean features, `B x D`."""
        doubt = score_passes([seen[Maps()]], Measure.ENTROPY, self._regions)
        return {SCORE: doubt.numpy(), FEATURES: frame_features(seen[_LAYER])}

    def score_map(self, maps: ClassMaps) -> Tensor | None:  # noqa: ARG002 - the choice is made of whole frames
        """There is none."""
        return None

    def decide(
        self,
        candidates: Sequence[Record],
        observed: Columns,
        budget: Budget,
        labelled: Labelled,
        rng: np.random.Generator,  # noqa: ARG002 - nothing is left to chance
    ) -> Decision:
        """Take the frames that stand for most others."""
        features = vectors(observed[FEATURES])
        doubt = np.asarray(observed[SCORE], dtype=np.float64)
        covered = vectors(labelled.columns[FEATURES]) if labelled.columns else None
        count, order = budget.frames, by_id(candidates)
        if len(order) > self._most:
            order = np.sort(order[k_centre(features[order], max(self._most, count), covered)])
        shares = np.zeros(len(features))
        shares[order] = self._shares(features[order], doubt[order], covered)
        ids = [record.id for record in candidates]
        # Of those that stand for nobody, the more doubtful first.
        ties = doubt / (2e9 * (doubt.max(initial=0.0) or 1.0))
        taken = rank(ids, shares.round(6) + ties, count)
        reasons = tuple(f"stands for {shares[index]:.1f} frames" for index in taken)
        chosen = tuple(Chosen(int(index)) for index in taken)
        return Decision(doubt, shares, Choice(chosen, ()), reasons)

    def _shares(self, features: Vectors, doubt: FloatArray, covered: Vectors | None) -> FloatArray:
        """How many frames each stands for, itself included."""
        exact = features.astype(np.float64)
        squares = (exact**2).sum(axis=1)
        apart = np.sqrt(np.maximum(squares[:, None] + squares - 2 * exact @ exact.T, 0.0))
        costs = confidence(doubt, nearest(features, covered))
        return np.asarray(descriptions(apart, costs, self._weight).sum(axis=1))
