"""The benchmark's own published figures and its own choice of objects, from its published files."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from thrifty import boxes
from thrifty.data.formats.catalogue import read_dataset
from thrifty.evaluation.protocols import CALTECH, Setup
from thrifty.evaluation.truth import Truth
from thrifty.file_evaluation import Protocol, evaluate_files
from thrifty.types import Annotations, Detections

SETUPS = {setup.name: setup for setup in CALTECH}
REASONABLE = SETUPS["reasonable"]


@pytest.fixture(scope="module")
def files(real_data: Path) -> Path:
    return real_data.parent / "caltech-eval"


def test_acf_caltech_comes_out_as_published(files: Path) -> None:
    result = evaluate_files(
        files / "gt-Reasonable.mat", files / "dt-ACF-Caltech.mat", Protocol.CALTECH
    )
    figures = result.setups["reasonable"]
    assert (result.images, figures.objects) == (4024, 1014)
    assert figures.curve.log_average == pytest.approx(0.442191, abs=1e-6)
    assert figures.curve.at(1.0) == pytest.approx(0.2387, abs=5e-5)


def test_acf_caltech_comes_out_of_the_annotations_themselves(files: Path, specimens: Path) -> None:
    """Not from boxes that the benchmark has selected, but from its annotations by this protocol."""
    result = evaluate_files(
        specimens / "caltech" / "annotations_test_1x.json",
        files / "dt-ACF-Caltech.mat",
        Protocol.CALTECH,
    )
    figures = result.setups["reasonable"]
    assert figures.objects == 1014
    assert figures.curve.log_average == pytest.approx(0.442191, abs=1e-6)
    counts = {name: one.objects for name, one in result.setups.items()}
    assert counts["occ-none"] + counts["occ-partial"] == 1014
    assert counts["near"] > counts["large"] > 0
    assert counts["all"] > counts["medium"] > counts["far"] > 0
    assert "crowds" in result.notes[0]


def test_the_same_objects_and_regions_are_selected(files: Path, specimens: Path) -> None:
    selected = loadmat(files / "gt-Reasonable.mat")["gt"].ravel()
    dataset = read_dataset(specimens / "caltech" / "annotations_test_1x.json", checked=False)
    names = [category.name for category in dataset.categories]
    for image, published in zip(dataset.images, selected, strict=True):
        labels = [label for label in image.labels if names[label.category] != "person-fa"]
        drawn = Annotations(
            np.array([label.box for label in labels]).reshape(-1, 4),
            ignore=np.array([names[label.category] != "person" for label in labels], dtype=bool),
        )
        visible = np.array([_share(label.visible, label.box) for label in labels])
        ours = REASONABLE.select(Truth(drawn, visible))
        theirs = published.astype(float).reshape(-1, 5)
        assert ours.ignore.tolist() == (theirs[:, 4] > 0).tolist(), image.name
        assert np.allclose(ours.boxes, boxes.from_xywh(theirs[:, :4]), atol=1e-6), image.name


def _share(part: tuple[float, ...] | None, whole: tuple[float, ...]) -> float:
    if part is None:
        return np.inf
    return ((part[2] - part[0]) * (part[3] - part[1])) / (
        (whole[2] - whole[0]) * (whole[3] - whole[1])
    )


def _person(height: float, left: float = 100.0, top: float = 100.0) -> list[float]:
    return [left, top, left + 30.0, top + height]


def _selected(setup: Setup, box: list[float], visibility: float) -> bool:
    truth = Truth(Annotations(np.array([box])), np.array([visibility]))
    return bool(len(setup.select(truth).objects))


@pytest.mark.parametrize(
    ("name", "box", "visibility", "counts"),
    [
        ("reasonable", _person(50), np.inf, True),
        ("reasonable", _person(49.9), np.inf, False),
        ("reasonable", _person(60), 0.65, True),
        ("reasonable", _person(60), 0.64, False),
        ("reasonable", _person(60, left=4.9), np.inf, False),
        ("reasonable", _person(60, left=605), np.inf, True),
        ("reasonable", _person(60, left=605.1), np.inf, False),
        ("reasonable", _person(60, top=415.1), np.inf, False),
        ("all", _person(20), 0.2, True),
        ("all", _person(20), 0.19, False),
        ("large", _person(100), np.inf, True),
        ("near", _person(80), np.inf, True),
        ("near", _person(80), 0.9, False),
        ("medium", _person(30), np.inf, True),
        ("medium", _person(80), np.inf, False),
        ("far", _person(29.9), np.inf, True),
        ("far", _person(30), np.inf, False),
        ("occ-none", _person(60), np.inf, True),
        ("occ-none", _person(60), 1.0, False),
        ("occ-partial", _person(60), 1.0, True),
        ("occ-partial", _person(60), np.inf, False),
        ("occ-heavy", _person(60), 0.65, True),
        ("occ-heavy", _person(60), 0.66, False),
    ],
)
def test_who_counts(name: str, box: list[float], visibility: float, counts: bool) -> None:
    assert _selected(SETUPS[name], box, visibility) is counts


def test_objects_get_the_aspect_and_regions_keep_theirs() -> None:
    labels = Annotations(np.array([_person(100), _person(100)]), ignore=np.array([False, True]))
    selected = REASONABLE.select(Truth(labels))
    assert selected.boxes.tolist() == [[94.5, 100, 135.5, 200], [100, 100, 130, 200]]


def test_detections_far_from_the_heights_are_dropped() -> None:
    heights = [23.9, 24.0, 99.9, 100.0]
    detections = Detections(np.array([_person(height) for height in heights]), np.ones(4))
    admitted = SETUPS["medium"].admit(detections).boxes
    assert (admitted[:, 3] - admitted[:, 1]).round(6).tolist() == [24.0, 99.9]
    assert ((admitted[:, 2] - admitted[:, 0]) / (admitted[:, 3] - admitted[:, 1])).round(
        6
    ).tolist() == [0.41, 0.41]
