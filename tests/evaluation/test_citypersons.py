"""CityPersons' four setups: on its real annotations, with detections made of them, against loops."""

from pathlib import Path

import numpy as np
import pytest

from tests.evaluation import references
from thrifty import boxes as geometry
from thrifty.data.dataset import Dataset
from thrifty.data.formats.catalogue import read_dataset
from thrifty.evaluation.protocols import CITY_PERSONS, Setup
from thrifty.evaluation.truth import Truth
from thrifty.file_evaluation import truth_of
from thrifty.types import Annotations, Detections

# Height and visible share, from and up to, ends included.
RANGES = {
    "reasonable": ((50, 1e9), (0.65, 1e9)),
    "small": ((50, 75), (0.65, 1e9)),
    "heavy": ((50, 1e9), (0.2, 0.65)),
    "all": ((20, 1e9), (0.2, 1e9)),
}


@pytest.fixture(scope="module")
def validation(specimens: Path) -> Dataset:
    return read_dataset(specimens / "citypersons" / "val_gt.json", checked=False)


@pytest.fixture(scope="module")
def truth(validation: Dataset) -> list[Truth]:
    return truth_of(validation, "citypersons")


def imagined(truth: list[Truth], rng: np.random.Generator) -> list[Detections]:
    """A detector that finds most, imprecisely, and some that is not there; scores repeat."""
    made = []
    for drawn in truth:
        boxes = drawn.labels.boxes[rng.random(len(drawn.labels)) < 0.8]
        size = boxes[:, 2:] - boxes[:, :2]
        moved = boxes + np.concatenate([size, size], axis=1) * rng.normal(0, 0.1, boxes.shape)
        corner = rng.uniform(0, 1500, (rng.integers(0, 4), 2))
        wrong = np.concatenate([corner, corner + rng.uniform(20, 200, corner.shape)], axis=1)
        found = np.concatenate([moved, wrong])
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2])
        made.append(Detections(found, rng.integers(1, 40, len(found)) / 40))
    return made


@pytest.mark.parametrize("setup", CITY_PERSONS, ids=lambda setup: setup.name)
def test_equals_loops_on_the_real_validation_set(setup: Setup, truth: list[Truth]) -> None:
    (low, high), (least, most) = RANGES[setup.name]
    detections = imagined(truth, np.random.default_rng(3))
    images, objects = [], 0
    for found, drawn in zip(detections, truth, strict=True):
        heights = geometry.to_xywh(drawn.labels.boxes)[:, 3].round(9)
        ignore = [
            bool(marked) or not (low <= height <= high) or not (least <= visible <= most)
            for marked, height, visible in zip(
                drawn.labels.ignore, heights, drawn.visibility, strict=True
            )
        ]
        kept = [
            index
            for index, (_, top, _, bottom) in enumerate(found.boxes)
            if low / 1.25 <= bottom - top < high * 1.25
        ]
        seen = Detections(found.boxes[kept], found.scores[kept])
        images.append(
            references.match(seen, Annotations(drawn.labels.boxes, ignore=np.array(ignore)), 0.5)
        )
        objects += ignore.count(False)
    curve = setup.curve(detections, truth)
    assert objects > 100
    assert curve.log_average == pytest.approx(references.log_average(images, objects), abs=1e-12)
    for fppi in (0.01, 0.1, 1.0):
        assert curve.at(fppi) == pytest.approx(references.miss_rate(images, objects, fppi))
    assert 0.05 < curve.log_average < 0.95


def test_both_files_of_the_benchmark_hold_the_same_objects(
    truth: list[Truth], specimens: Path
) -> None:
    """The JSON that its evaluation code reads, and the MATLAB annotations it was made of."""
    annotations = read_dataset(specimens / "citypersons" / "anno_val.mat", checked=False)
    from_annotations = truth_of(annotations, "citypersons")
    for setup in CITY_PERSONS:
        counts = [
            sum(len(setup.select(drawn).objects) for drawn in source)
            for source in (truth, from_annotations)
        ]
        assert counts[0] == counts[1] > 0, setup.name


def test_only_the_surest_thousand_of_an_image_are_looked_at() -> None:
    boxes = np.tile([0.0, 0, 40, 100], (1200, 1))
    boxes[:200, 3] = 10
    scores = np.linspace(1, 0, 1200)
    admitted = CITY_PERSONS[0].admit(Detections(boxes, scores))
    # The two hundred that are too small are among the thousand, and then left out.
    assert len(admitted) == 800
    assert (admitted.scores.max(), admitted.scores.min()) == (scores[200], scores[999])
