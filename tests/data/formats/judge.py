"""What Datumaro reads in annotation files, to be held against ours."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from thrifty.data.dataset import Dataset

Boxes = Mapping[str, list[tuple[str, list[float]]]]
"""By the image's name without suffix: class and corners of each box, sorted."""

ROUNDING = 0.011
"""Datumaro rounds coordinates to 0.01 pixels."""


def read_with_datumaro(path: Path, name: str, **options: Any) -> Boxes:
    """Boxes as Datumaro's importer of that name reads them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from datumaro.components.annotation import AnnotationType  # noqa: PLC0415
        from datumaro.components.dataset import Dataset as Judge  # noqa: PLC0415

        found = Judge.import_from(str(path), name, **options)
        classes = found.categories()[AnnotationType.label]
        return {
            item.id: sorted(
                (classes[entry.label].name, [float(value) for value in entry.points])
                for entry in item.annotations
                if entry.type == AnnotationType.bbox
            )
            for item in found
        }


def boxes(dataset: Dataset) -> Boxes:
    """Boxes as we read them."""
    return {
        image.name.rsplit(".", 1)[0]: sorted(
            (dataset.categories[label.category].name, list(label.box)) for label in image.labels
        )
        for image in dataset.images
    }


def assert_close(found: Boxes, expected: Boxes, tolerance: float = ROUNDING) -> None:
    """Equal but for the rounding, pixels."""
    assert found.keys() == expected.keys()
    for name, ours in found.items():
        theirs = expected[name]
        assert [entry[0] for entry in ours] == [entry[0] for entry in theirs], name
        for one, other in zip(ours, theirs, strict=True):
            assert all(abs(a - b) <= tolerance for a, b in zip(one[1], other[1], strict=True)), name
