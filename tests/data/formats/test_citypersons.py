"""CityPersons: the benchmark's own files, held against SciPy's reader and the benchmark's own JSON."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from tests.data.formats.datasets import assert_same
from thrifty.data.dataset import Category, Dataset, Label, LabelledImage
from thrifty.data.formats.catalogue import read_dataset, write_dataset
from thrifty.errors import DataError


@pytest.mark.parametrize(("name", "images", "labels"), [("train", 2975, 27770), ("val", 500, 5795)])
def test_specimens_come_back_as_they_were(
    specimens: Path, tmp_path: Path, name: str, images: int, labels: int
) -> None:
    dataset = read_dataset(specimens / "citypersons" / f"anno_{name}.mat")
    assert (len(dataset.images), dataset.label_count) == (images, labels)
    assert write_dataset(dataset, tmp_path / "again.mat", "citypersons") == {}
    assert_same(read_dataset(tmp_path / "again.mat"), dataset, 0)


def test_scipy_sees_the_same_rows_in_what_is_given_and_what_is_written(
    specimens: Path, tmp_path: Path
) -> None:
    path = specimens / "citypersons" / "anno_val.mat"
    write_dataset(read_dataset(path), tmp_path / "again.mat", "citypersons")
    given = loadmat(path)["anno_val_aligned"]
    written = loadmat(tmp_path / "again.mat")["anno_train_aligned"]
    assert given.shape == written.shape == (1, 500)
    for one, other in zip(given[0], written[0], strict=True):
        rows, again = one[0, 0]["bbs"].astype(float), other[0, 0]["bbs"]
        assert one[0, 0]["im_name"] == other[0, 0]["im_name"]
        assert one[0, 0]["cityname"] == other[0, 0]["cityname"]
        np.testing.assert_array_equal(rows.reshape(-1, 10), again.reshape(-1, 10))


def test_the_benchmarks_json_has_the_same_boxes(specimens: Path) -> None:
    """Its JSON calls everything a pedestrian, and marks as `ignore` what is none, and what is low or hidden."""
    ours = read_dataset(specimens / "citypersons" / "anno_val.mat")
    theirs = read_dataset(specimens / "citypersons" / "val_gt.json")
    for image, other in zip(ours.images, theirs.images, strict=True):
        assert (image.name, image.width, image.height) == (other.name, other.width, other.height)
        for label, twin in zip(image.labels, other.labels, strict=True):
            assert label.box == twin.box
            assert label.crowd == twin.crowd
            assert label.visible == twin.visible
            assert not label.ignore or twin.ignore


def test_a_group_is_a_crowd_and_class_0_an_ignore_region(tmp_path: Path) -> None:
    rows = np.array(
        [
            [0, 1, 2, 3, 4, 0, 0, 0, 0, 0],
            [5, 10, 2, 3, 4, 24001, 11, 2, 1, 4],
            [1, 20, 2, 3, 4, 24002, 20, 2, 3, 4],
        ],
        dtype=np.uint16,
    )
    entry = {"cityname": "aachen", "im_name": "aachen_1.png", "bbs": rows}
    savemat(tmp_path / "a.mat", {"anno_train_aligned": np.array([entry], dtype=object)})
    [image] = read_dataset(tmp_path / "a.mat").images
    assert [(label.ignore, label.crowd, label.id) for label in image.labels] == [
        (True, False, None),
        (False, True, 24001),
        (False, False, 24002),
    ]
    assert [label.visible for label in image.labels] == [None, (11, 2, 12, 6), (20, 2, 23, 6)]
    assert image.labels[1].box == (10, 2, 13, 6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"other": 1}, "no variable whose name begins with anno_"),
        ({"anno_x": np.ones((2, 2))}, "image 0 is no structure"),
        ({"anno_x": {"bbs": 1}}, "image 0 has no im_name"),
        ({"anno_x": {"im_name": "a", "bbs": "x"}}, r"image 0 \(a\) has no table bbs"),
        ({"anno_x": {"im_name": "a", "bbs": np.ones((2, 3))}}, "3 columns instead of 10"),
        ({"anno_x": {"im_name": "a", "bbs": np.full((1, 10), 6)}}, "none of 0 to 5"),
    ],
)
def test_what_is_no_such_file_is_refused(
    tmp_path: Path, content: dict[str, Any], message: str
) -> None:
    savemat(tmp_path / "a.mat", content)
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path / "a.mat")


def test_other_classes_cannot_be_written_and_nothing_is_left(tmp_path: Path) -> None:
    image = LabelledImage("a.png", 2048, 1024, (Label((0, 0, 1, 1), 0),))
    with pytest.raises(DataError, match="CityPersons has no class 'car'"):
        write_dataset(Dataset((Category("car"),), (image,)), tmp_path / "a.mat", "citypersons")
    assert not list(tmp_path.iterdir())
