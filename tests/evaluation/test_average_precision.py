"""COCO's figures, against COCO's own code."""

import contextlib
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from thrifty import boxes as geometry
from thrifty.data.detections.catalogue import read_detections
from thrifty.data.formats.catalogue import read_dataset
from thrifty.errors import DataError
from thrifty.evaluation import average_precision as module
from thrifty.evaluation.average_precision import Precision, average_precision
from thrifty.evaluation.truth import Truth
from thrifty.file_evaluation import Protocol, evaluate_files, truth_of
from thrifty.types import Annotations, Detections

# COCO's code adds 2^-52 to the count under a precision, which shows in the last of sixteen digits where that count is 1.
LAST_DIGIT = 5e-16


def by_coco(
    detections: list[Detections], truth: list[Truth], classes: int
) -> tuple[list[float], list[float]]:
    """AP, AP50, AP75, small, medium, large, recall; and AP of each class."""
    labels: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for number, (one, drawn) in enumerate(zip(detections, truth, strict=True), start=1):
        for place, box in enumerate(geometry.to_xywh(drawn.labels.boxes).tolist()):
            labels.append(
                {
                    "id": len(labels) + 1,
                    "image_id": number,
                    "category_id": int(drawn.labels.classes[place]),
                    "bbox": box,
                    "area": float(drawn.areas[place]),
                    "iscrowd": int(drawn.labels.ignore[place]),
                }
            )
        for place, box in enumerate(geometry.to_xywh(one.boxes).tolist()):
            found.append(
                {
                    "image_id": number,
                    "category_id": int(one.classes[place]),
                    "bbox": box,
                    "score": float(one.scores[place]),
                }
            )
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO()
        reference.dataset = {
            "images": [{"id": number + 1} for number in range(len(truth))],
            "categories": [{"id": number} for number in range(classes)],
            "annotations": labels,
        }
        reference.createIndex()
        judge = COCOeval(reference, reference.loadRes(found), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    overall = [judge.stats[index] for index in (0, 1, 2, 3, 4, 5, 8)]
    table = judge.eval["precision"][:, :, :, 0, -1]
    each = [
        values[values > -1].mean() if (values > -1).any() else -1.0
        for values in (table[:, :, number] for number in range(classes))
    ]
    return overall, each


def values(one: Precision) -> list[float]:
    figures = [one.ap, one.ap50, one.ap75, one.small, one.medium, one.large, one.recall]
    return [-1.0 if math.isnan(value) else value for value in figures]


def random_set(seed: int) -> tuple[list[Detections], list[Truth], int]:
    """Whole-numbered boxes and few scores, so that much is equal; crowds, and areas that are not the boxes'."""
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(1, 4))
    detections, truth = [], []
    for _ in range(int(rng.integers(1, 9))):
        count, more = int(rng.integers(0, 7)), int(rng.integers(0, 12))
        corner = rng.integers(0, 60, (count, 2)).astype(float)
        boxes = np.concatenate([corner, corner + rng.integers(1, 120, (count, 2))], axis=1)
        labels = Annotations(boxes, rng.integers(0, classes, count), rng.random(count) < 0.2)
        truth.append(Truth(labels, areas=rng.integers(1, 12000, count).astype(float)))
        corner = rng.integers(0, 60, (more, 2)).astype(float)
        found = np.concatenate([corner, corner + rng.integers(0, 120, (more, 2))], axis=1)
        if count and more > 1:
            near = boxes[rng.integers(0, count, more // 2)]
            found[: more // 2] = near + rng.integers(-3, 4, near.shape)
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2])
        scores = rng.choice([0.1, 0.3, 0.5, 0.9], more)
        detections.append(Detections(found, scores, rng.integers(0, classes, more)))
    return detections, truth, classes


@pytest.mark.parametrize("seed", range(60))
def test_equals_coco_on_random_detections(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BOXES", 7 if seed % 2 else 50_000)
    detections, truth, classes = random_set(seed)
    if not sum(map(len, detections)):
        pytest.skip("COCO's code takes no empty list")
    ours = average_precision(detections, truth, [str(number) for number in range(classes)])
    overall, each = by_coco(detections, truth, classes)
    assert values(ours.overall) == pytest.approx(overall, abs=LAST_DIGIT, rel=0)
    found = [values(one)[0] for one in ours.classes.values()]
    assert found == pytest.approx(each, abs=LAST_DIGIT, rel=0)


def test_equals_coco_on_real_detections(real_data: Path, specimens: Path) -> None:
    """The Caltech benchmark's published detections on its test set."""
    path = specimens / "caltech" / "annotations_test_1x.json"
    found = real_data.parent / "caltech-eval" / "dt-ACF-Caltech.mat"
    result = evaluate_files(path, found, Protocol.COCO, categories=("person",)).precision
    assert result is not None
    dataset = read_dataset(path, checked=False)
    truth = truth_of(dataset, "coco", ("person",))
    overall, each = by_coco(list(read_detections(found, dataset).images), truth, 1)
    assert values(result.overall) == overall
    assert [values(one)[0] for one in result.classes.values()] == each
    assert 0.1 < result.overall.ap50 < 0.9


def test_hand_computed() -> None:
    truth = [Truth(Annotations(np.array([[0.0, 0, 10, 10], [50, 50, 60, 60]])))]
    found = [Detections(np.array([[0.0, 0, 10, 10], [20, 20, 30, 30]]), np.array([0.9, 0.8]))]
    result = average_precision(found, truth, ["person"])
    # Half of the objects at full precision: 51 of 101 recalls, at every IoU.
    assert result.overall.ap == pytest.approx(51 / 101)
    assert result.overall.recall == pytest.approx(0.5)
    assert result.precisions[:51].tolist() == pytest.approx([1.0] * 51)
    assert result.precisions[51:].tolist() == [0.0] * 50
    assert math.isnan(result.overall.large)


def test_nothing_detected_nothing_there_no_images() -> None:
    empty = Detections(np.zeros((0, 4)), np.zeros(0))
    drawn = Truth(Annotations(np.array([[0.0, 0, 10, 10]])))
    nothing = Truth(Annotations(np.zeros((0, 4))))
    assert average_precision([empty], [drawn], ["person"]).overall.ap == 0.0
    found = Detections(np.array([[0.0, 0, 10, 10]]), np.array([0.5]))
    for detections, truth in (([empty], [nothing]), ([found], [nothing]), ([], [])):
        result = average_precision(detections, truth, ["person"])
        assert math.isnan(result.overall.ap)
        assert np.isnan(result.precisions).all()
    assert math.isnan(average_precision([], [], []).overall.ap50)


def test_a_class_without_objects_does_not_lower_the_mean() -> None:
    drawn = Truth(Annotations(np.array([[0.0, 0, 10, 10]])))
    boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 10]])
    found = Detections(boxes, np.array([0.9, 0.8]), np.array([0, 1]))
    result = average_precision([found], [drawn], ["person", "car"])
    assert result.overall.ap == pytest.approx(1.0)
    assert math.isnan(result.classes["car"].ap)


def test_two_classes_of_one_name_are_refused() -> None:
    with pytest.raises(DataError, match="same name"):
        average_precision([], [], ["a", "a"])
