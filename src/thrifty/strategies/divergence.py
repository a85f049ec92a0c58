"""The paper's strategy: local divergence, max-pooled regions, temporal smoothing, both temporal rules."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from thrifty.maps import ClassMaps
from thrifty.scoring.forms import DivergenceSettings, pixel_scores, score_frames
from thrifty.strategies.scored import Pipeline, ScoredStrategy
from thrifty.types import FloatArray
from thrifty.views import Maps, Seen


class Divergence(ScoredStrategy):
    """Equations 1 to 6 and both rules of section 3.

    Args:
        settings: Radius, regions, statistic (equations 1 to 5).
        pipeline: Smoothing (equation 6) and rules.
        name: The name in recipes and tables.
        warm: Whether its detector goes on learning; that makes it the strategy of the house.
    """

    views = frozenset({Maps()})

    def __init__(
        self,
        settings: DivergenceSettings | None = None,
        pipeline: Pipeline | None = None,
        name: str = "divergence",
        *,
        warm: bool = False,
    ) -> None:
        super().__init__(name, pipeline or Pipeline(), warm=warm)
        self.settings = settings or DivergenceSettings()

    def score_map(self, maps: ClassMaps) -> Tensor:
        """Score every pixel (equation 4): `B x H x W` floating, nats."""
        return pixel_scores(maps, self.settings.radius)

    def scores(self, seen: Seen) -> FloatArray:
        """Score each frame of a batch (equations 1 to 5): `B` float64, nats."""
        scores = score_frames(seen[Maps()], self.settings)
        return np.asarray(scores.numpy(), dtype=np.float64)
