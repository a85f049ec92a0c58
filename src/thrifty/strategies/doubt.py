r"""Doubt at every pixel, summed up over regions as the paper's score is: entropy, MC-dropout, BALD, ensembles, committees.

| name | pixel score | from |
|---|---|---|
| `entropy` | \(H(p)\) | the paper, section 4 |
| `mc-dropout-0.5`, `mc-dropout-0.1` | \(H(\bar p) - \frac1P \sum_t H(p_t)\), P = 30, that share of channels dropped | the paper, section 4, after Gal |
| `bald` | the same, averaged over all pixels instead of region maxima | Houlsby et al. 2011 |
| `variation-ratio` | \(1 - \max_c \bar p_c\) | Gal 2016 |
| `mean-deviation` | mean over classes of the standard deviation over passes | Gal 2016 |
| `ensemble` | \(\sum_m \mathrm{KL}(p_m \Vert \bar p)\) over M networks | Lakshminarayanan et al. 2017 |
| `white-box` | \(\max_k p_k - \min_k p_k\) over the heads that look at one place [guess] | Roy et al. 2018 |

All are smoothed in time and follow the rules like the paper's score.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from torch import Tensor

from thrifty.maps import ClassMaps
from thrifty.scoring.forms import measure_pixels, score_passes
from thrifty.scoring.regions import RegionSettings
from thrifty.scoring.uncertainty import Measure
from thrifty.strategies.scored import Pipeline, ScoredStrategy
from thrifty.types import FloatArray
from thrifty.views import Maps, Members, Passes, Seen, View


class PixelDoubt(ScoredStrategy):
    """A measure of doubt over the passes that one view gives.

    Args:
        name: The name in recipes and tables.
        measure: Which doubt.
        view: One pass, or several.
        regions: How a frame is divided and summed up.
        pipeline: Smoothing and rules.
    """

    def __init__(
        self,
        name: str,
        measure: Measure,
        view: Maps | Passes | Members,
        regions: RegionSettings,
        pipeline: Pipeline,
    ) -> None:
        super().__init__(name, pipeline)
        self._measure = measure
        self._view = view
        self._regions = regions
        self.views = frozenset({cast(View[object], view)})

    def scores(self, seen: Seen) -> FloatArray:
        """Score each frame of a batch; of an ensemble the sum over its members, as Lakshminarayanan's has it."""
        scores = score_passes(self._passes(seen), self._measure, self._regions)
        factor = self._view.count if isinstance(self._view, Members) else 1
        return np.asarray(scores.numpy(), dtype=np.float64) * factor

    def score_map(self, maps: ClassMaps) -> Tensor | None:
        """Pixel scores, where a single pass makes them."""
        return measure_pixels([maps], self._measure) if isinstance(self._view, Maps) else None

    def _passes(self, seen: Seen) -> Sequence[ClassMaps]:
        if isinstance(self._view, Maps):
            return [seen[self._view]]
        return seen[self._view]
