"""COCO average precision, by faster-coco-eval.

The figures are those of COCO's own code to the last digit; this module hands the boxes over, class by class and some images
at a time, since the library wants a dictionary for every box. COCO knows crowds (a detection inside one is no false
alarm), but no other ignore regions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thrifty import boxes as geometry
from thrifty.errors import DataError
from thrifty.evaluation.truth import Truth
from thrifty.types import Detections, FloatArray, IntArray

if TYPE_CHECKING:
    from faster_coco_eval import COCOeval_faster

_RECALLS = np.linspace(0.0, 1.0, 101)
_SIZES = 4
"""All objects, and small, medium and large ones."""
_NOTHING = np.zeros((10, 101, 0, _SIZES)), np.zeros((10, 0, _SIZES))
_BOXES = 50_000
"""Boxes that are handed over at a time."""


@dataclass(frozen=True, slots=True)
class Precision:
    """Average precision of one class, or the mean over the classes that have objects.

    All lie in [0, 1], and are NaN where there are no objects.

    Attributes:
        ap: Mean over IoU 0.5, 0.55, ..., 0.95, of all objects.
        ap50: At IoU 0.5.
        ap75: At IoU 0.75.
        small: `ap` of objects of less than 32 x 32 pixels.
        medium: From there to 96 x 96.
        large: Beyond.
        recall: Share of the objects found by 100 detections an image and class, mean over the same IoUs.
    """

    ap: float
    ap50: float
    ap75: float
    small: float
    medium: float
    large: float
    recall: float


@dataclass(frozen=True, slots=True, eq=False)
class AveragePrecision:
    """What COCO's measure says of detections.

    Attributes:
        overall: Over all classes.
        classes: Class by class.
        recalls: `101` float64, 0 to 1.
        precisions: `101` float64, precision at each recall with IoU 0.5, mean over the classes that have objects.
    """

    overall: Precision
    classes: Mapping[str, Precision]
    recalls: FloatArray
    precisions: FloatArray


def average_precision(
    detections: Sequence[Detections], truth: Sequence[Truth], classes: Sequence[str]
) -> AveragePrecision:
    """COCO's measure over a test set.

    Args:
        detections: Of each image; `classes` of them index the names. Of equal scores the first image's count first.
        truth: Of the same images in the same order. A label marked `ignore` is a crowd to COCO.
        classes: Names.

    Raises:
        DataError: Two classes have the same name.
    """
    if len(set(classes)) < len(classes):
        raise DataError("two classes have the same name; rename one of them")
    found = _Boxes.of_detections(detections)
    drawn = _Boxes.of_truth(truth)
    tables = [_table(found.of(number), drawn.of(number)) for number in range(len(classes))]
    # The order of the axes is the library's: another would change the last digit of a mean.
    precision = np.concatenate([_NOTHING[0], *(table[0] for table in tables)], axis=2)
    recall = np.concatenate([_NOTHING[1], *(table[1] for table in tables)], axis=1)
    return AveragePrecision(
        _summary(precision, recall),
        {name: _summary(*tables[number]) for number, name in enumerate(classes)},
        _RECALLS,
        _mean_curve(precision[0, :, :, 0]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Boxes:
    """Boxes of all images, one after the other.

    Attributes:
        images: `N` int64, number of the image.
        classes: `N` int64.
        sides: `N x 4` float64, left, top, width, height.
        extra: Name and `N` values of what else the library asks for.
    """

    images: IntArray
    classes: IntArray
    sides: FloatArray
    extra: Mapping[str, FloatArray]

    @classmethod
    def of_detections(cls, detections: Sequence[Detections]) -> _Boxes:
        sides = _sides([found.boxes for found in detections])
        scores = _joined([found.scores for found in detections])
        extra = {"score": scores, "area": sides[:, 2] * sides[:, 3]}
        classes = _joined([found.classes for found in detections])
        return cls(_numbers(detections), classes.astype(np.int64), sides, extra)

    @classmethod
    def of_truth(cls, truth: Sequence[Truth]) -> _Boxes:
        sides = _sides([drawn.labels.boxes for drawn in truth])
        crowds = _joined([drawn.labels.ignore for drawn in truth])
        extra = {"area": _joined([drawn.areas for drawn in truth]), "iscrowd": crowds}
        classes = _joined([drawn.labels.classes for drawn in truth])
        numbers = _numbers([drawn.labels for drawn in truth])
        return cls(numbers, classes.astype(np.int64), sides, extra)

    def of(self, number: int) -> _Boxes:
        """Those of one class."""
        return self._where(np.flatnonzero(self.classes == number))

    def between(self, first: int, last: int) -> _Boxes:
        """Those of the images from one number on, up to and without another."""
        start, stop = np.searchsorted(self.images, (first, last)).tolist()
        return self._where(slice(start, stop))

    def _where(self, chosen: slice | IntArray) -> _Boxes:
        extra = {name: values[chosen] for name, values in self.extra.items()}
        return _Boxes(self.images[chosen], self.classes[chosen], self.sides[chosen], extra)

    def entries(self) -> Iterator[dict[str, Any]]:
        """As the library wants them. COCO's own code takes an object with the id 0 for none, so they count from 1."""
        names = tuple(self.extra)
        columns = [self.images.tolist(), self.sides.tolist()]
        columns += [values.tolist() for values in self.extra.values()]
        for number, (image, sides, *values) in enumerate(zip(*columns, strict=True), start=1):
            entry = {"id": number, "image_id": image, "category_id": 0, "bbox": sides}
            yield (
                entry | {"iscrowd": 0, "segmentation": None} | dict(zip(names, values, strict=True))
            )


def _sides(parts: Sequence[FloatArray]) -> FloatArray:
    """Left, top, width, height as they stood in a file: a corner less a corner has lost its last digits."""
    sides = geometry.to_xywh(_joined(parts, 4))
    return np.concatenate([sides[:, :2], sides[:, 2:].round(9)], axis=1)


def _joined(parts: Sequence[Any], columns: int | None = None) -> FloatArray:
    shape = (0,) if columns is None else (0, columns)
    return np.concatenate([np.zeros(shape), *parts])


def _numbers(images: Sequence[Detections | Any]) -> IntArray:
    return np.repeat(np.arange(len(images)), [len(image) for image in images]).astype(np.int64)


def _table(found: _Boxes, drawn: _Boxes) -> tuple[FloatArray, FloatArray]:
    """Precision, IoU x recall x class x size, and recall, IoU x class x size, of one class; -1 without objects."""
    judge: Any = None
    parts: list[Any] = []
    images: list[int] = []
    for first, last in _batches(found, drawn):
        judge = _judged(found.between(first, last), drawn.between(first, last))
        parts.append(judge._evalImgs_cpp)
        images += judge.params.imgIds
    if judge is None:
        return np.full((10, 101, 1, _SIZES), -1.0), np.full((10, 1, _SIZES), -1.0)
    ranges = judge.params.areaRng
    precisions, recalls = [], []
    for size, limits in enumerate(ranges):
        # One size at a time: the library copies all that it accumulates.
        counts = [len(part) // len(ranges) for part in parts]
        judge._evalImgs_cpp = [
            one
            for part, count in zip(parts, counts, strict=True)
            for one in part[size * count : (size + 1) * count]
        ]
        judge._paramsEval.areaRng, judge._paramsEval.imgIds = [limits], images
        judge.accumulate()
        precisions.append(np.asarray(judge.eval["precision"])[:, :, :, 0, -1])
        recalls.append(np.asarray(judge.eval["recall"])[:, :, 0, -1])
    return np.stack(precisions, axis=-1), np.stack(recalls, axis=-1)


def _batches(found: _Boxes, drawn: _Boxes) -> Iterator[tuple[int, int]]:
    """Runs of images that together have about so many boxes: the first, and the one after the last."""
    images = np.sort(np.concatenate([found.images, drawn.images]))
    first = 0
    for place in range(_BOXES, len(images) + _BOXES, _BOXES):
        last = int(images[min(place, len(images)) - 1]) + 1
        if last > first:
            yield first, last
        first = last


def _judged(found: _Boxes, drawn: _Boxes) -> COCOeval_faster:
    """The library's judge after it matched, image by image, but before it accumulated."""
    from faster_coco_eval import COCO, COCOeval_faster  # noqa: PLC0415 - few need it

    numbers = np.union1d(found.images, drawn.images).tolist()
    frame = {"images": [{"id": number} for number in numbers], "categories": [{"id": 0}]}
    sides = []
    for boxes in (drawn, found):
        side = COCO()
        side.dataset = frame | {"annotations": list(boxes.entries())}
        side.createIndex()
        sides.append(side)
    judge = COCOeval_faster(*sides, "bbox", print_function=lambda *_: None, separate_eval=True)
    judge.evaluate()
    return judge


def _summary(precision: FloatArray, recall: FloatArray) -> Precision:
    every, small, medium, large = (_mean(precision[..., size]) for size in range(_SIZES))
    ap50, ap75 = _mean(precision[0, ..., 0]), _mean(precision[5, ..., 0])
    return Precision(every, ap50, ap75, small, medium, large, _mean(recall[..., 0]))


def _mean(values: FloatArray) -> float:
    kept = values[values > -1]
    return float(np.mean(kept)) if kept.size else math.nan


def _mean_curve(values: FloatArray) -> FloatArray:
    """Mean over the classes that have objects, of recall x class; NaN without any."""
    kept = values[:, (values > -1).all(axis=0)]
    return kept.mean(axis=1) if kept.size else np.full(len(values), np.nan)
