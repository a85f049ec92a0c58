"""The paper's strategy: local divergence, max-pooled regions, temporal smoothing, both temporal rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from thrifty.maps import ClassMaps
from thrifty.scoring.forms import DivergenceSettings, pixel_scores, score_frames
from thrifty.scoring.smoothing import gaussian_weights, smooth
from thrifty.selection.temporal import Rules, choose
from thrifty.strategies.strategy import Decision
from thrifty.timeline import Timeline
from thrifty.types import FloatArray, Need, Record


@dataclass(frozen=True, eq=False)
class Divergence:
    """Equations 1 to 6 and both rules of section 3.

    Attributes:
        settings: Radius, regions, statistic (equations 1 to 5).
        weights: Weights of equation 6 for the distances -D..D.
        rules: Reach of the temporal rules.
        name: The name in recipes and tables.
    """

    settings: DivergenceSettings = field(default_factory=DivergenceSettings)
    weights: FloatArray = field(default_factory=gaussian_weights)
    rules: Rules = field(default_factory=Rules)
    name: str = "divergence"
    needs: frozenset[Need] = frozenset({Need.CLASS_MAPS})

    def score_map(self, maps: ClassMaps) -> Tensor:
        """Score every pixel (equation 4): `B x H x W` floating, nats."""
        return pixel_scores(maps, self.settings.radius)

    def observe(self, maps: ClassMaps) -> FloatArray:
        """Score each frame of a batch (equations 1 to 5): `B` float64, nats."""
        return np.asarray(score_frames(maps, self.settings).numpy(), dtype=np.float64)

    def decide(
        self,
        candidates: Sequence[Record],
        observed: FloatArray | None,
        budget: int,
        earlier: Sequence[Record],
        rng: np.random.Generator,  # noqa: ARG002 - nothing is left to chance
    ) -> Decision:
        """Smooth within each video (equation 6), rank, and choose under the rules."""
        if observed is None:
            raise ValueError("divergence needs the scores that `observe` returns")
        smoothed = smooth(observed, Timeline.of(candidates), self.weights)
        return Decision(
            observed, smoothed, choose(candidates, smoothed, budget, self.rules, earlier)
        )
