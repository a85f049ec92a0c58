"""What a detector should have found in one image, with all that a protocol asks about it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from thrifty import boxes as geometry
from thrifty.types import Annotations, FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The labels of one image.

    Attributes:
        labels: Objects and ignore regions.
        visibility: `N` float64, visible share of each box; infinity where nothing is said to be hidden, which is how the
            Caltech benchmark tells an object that is not occluded from one of which all is visible. Infinity if left out.
        areas: `N` float64, square pixels: of the object where somebody drew its outline, else of the box. Of the boxes
            if left out.

    Raises:
        ValueError: The arrays differ in length.
    """

    labels: Annotations
    visibility: FloatArray = field(default_factory=lambda: np.zeros(0))
    areas: FloatArray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        count = len(self.labels)
        visibility = self.visibility if len(self.visibility) else np.full(count, np.inf)
        areas = self.areas if len(self.areas) else geometry.area(self.labels.boxes)
        if not len(visibility) == len(areas) == count:
            raise ValueError(f"{count} labels, {len(visibility)} visibilities, {len(areas)} areas")
        object.__setattr__(self, "visibility", np.asarray(visibility, dtype=np.float64))
        object.__setattr__(self, "areas", np.asarray(areas, dtype=np.float64))
