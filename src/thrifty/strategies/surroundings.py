"""What the steps after the scores need to know of every frame, whatever the strategy: the recipe asks for it, not the strategy.

| column | rows | for |
|---|---|---|
| `expected objects` | `N x C` float64: sum of the detector's scores, class by class | class balance, costs |
| `picture features` | `N x D` float32: mean of the deepest head's features | diversity in feature space |
| `picture hash` | `N` uint64 | the rule on pictures |
| `picture motion` | `N` float64, widths since the video began | the rule on motion |

The first two are observed with the strategy's own views, in the same pass; the last two depend on the pictures alone and are
found once a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from thrifty.scoring.object_features import Vectors, frame_features
from thrifty.selection.closeness import Pictures
from thrifty.strategies.strategy import Columns
from thrifty.types import Detections, FloatArray
from thrifty.views import Boxes, Features, Seen, View

EXPECTED = "expected objects"
FEATURE = "picture features"
HASH = "picture hash"
MOTION = "picture motion"

_BOXES: View[object] = cast(View[object], Boxes())
_LAYER = Features("deep")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Which columns a recipe asks for.

    Attributes:
        classes: C.
        objects: Whether objects are to be expected.
        features: Whether features are wanted, of labelled frames too.
    """

    classes: int = 1
    objects: bool = False
    features: bool = False

    @property
    def views(self) -> frozenset[View[object]]:
        """How the detector must be asked."""
        return frozenset({_BOXES} if self.objects else set()) | frozenset(
            {cast(View[object], _LAYER)} if self.features else set()
        )

    @property
    def looks_back(self) -> bool:
        """Whether labelled frames are looked at too."""
        return self.features

    def observe(self, seen: Seen) -> Columns:
        """`B` rows of each column that is wanted and that the detector knows."""
        columns: dict[str, np.ndarray] = {}
        if self.objects:
            columns[EXPECTED] = np.stack([self._expected(found) for found in seen[Boxes()]])
        if self.features:
            columns[FEATURE] = frame_features(seen[_LAYER])
        return columns

    def _expected(self, found: Detections) -> FloatArray:
        kinds = found.classes if self.classes > 1 else np.zeros(len(found), dtype=np.int64)
        counts = np.bincount(kinds, found.scores, minlength=self.classes)
        return np.asarray(counts[: self.classes], dtype=np.float64)


def pictures_of(columns: Columns) -> Pictures:
    """What the pictures say, out of the columns; nothing where there are no frames."""
    hashes, motions = columns.get(HASH, np.zeros(0)), columns.get(MOTION, np.zeros(0))
    return Pictures(np.asarray(hashes, np.uint64), np.asarray(motions, np.float64))


def feature_vectors(columns: Columns) -> Vectors:
    """The features of the pictures."""
    return np.asarray(columns[FEATURE], dtype=np.float32)
