"""LabelMe: real files, and shapes of every kind by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.data.formats.datasets import assert_same
from thrifty.data.dataset import Label
from thrifty.data.formats.catalogue import read_dataset, write_dataset
from thrifty.errors import DataError


def write(folder: Path, shapes: list[dict[str, Any]], name: str = "a", **changes: Any) -> Path:
    content = {
        "imagePath": f"{name}.jpg",
        "imageWidth": 100,
        "imageHeight": 50,
        "imageData": "QUJD",
    }
    path = folder / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content | {"shapes": shapes} | changes))
    return path


def shape(points: list[list[float]], kind: str = "rectangle", **more: Any) -> dict[str, Any]:
    return {"label": "car", "points": points, "shape_type": kind} | more


def test_corners_come_in_any_order_and_circles_become_boxes(tmp_path: Path) -> None:
    shapes = [shape([[30, 5], [10, 45]]), shape([[20, 20], [23, 24]], "circle")]
    [image] = read_dataset(write(tmp_path, shapes)).images
    assert (image.name, image.width, image.height) == ("a.jpg", 100, 50)
    assert [label.box for label in image.labels] == [(10, 5, 30, 45), (15, 15, 25, 25)]


def test_a_polygon_is_an_outline_with_the_box_around_it(tmp_path: Path) -> None:
    more = {
        "group_id": 3, "flags": {"wet": True}, "description": "left one", "score": 0.5,
    }  # fmt: skip
    [image] = read_dataset(
        write(tmp_path, [shape([[1, 2], [9, 2], [5, 8]], "polygon", **more)])
    ).images
    assert image.labels == (
        Label(
            box=(1.0, 2.0, 9.0, 8.0),
            category=0,
            outline=((1.0, 2.0, 9.0, 2.0, 5.0, 8.0),),
            group=3,
            attributes={"wet": True, "description": "left one", "score": 0.5},
        ),
    )


def test_what_encloses_nothing_is_counted(tmp_path: Path) -> None:
    shapes = [
        shape([[1, 1]], "point"),
        shape([[1, 1], [2, 2]], "line"),
        shape([[1, 1], [2, 2], [3, 1]], "linestrip"),
        shape([[0, 0], [5, 5]], "mask", mask="x"),
    ]
    dataset = read_dataset(write(tmp_path, shapes))
    assert dataset.unread == {"points": 1, "lines": 2, "masks (the box is kept)": 1}
    assert dataset.label_count == 1


def test_a_folder_is_read_whole_and_lists_its_classes(tmp_path: Path) -> None:
    write(tmp_path, [shape([[1, 1], [2, 2]])])
    write(tmp_path, [], name="sub/b", imagePath="../elsewhere/b.jpg")
    (tmp_path / "labels.txt").write_text("__ignore__\n_background_\nbus\ncar\n")
    dataset = read_dataset(tmp_path)
    assert [category.name for category in dataset.categories] == ["bus", "car"]
    assert [image.name for image in dataset.images] == ["a.jpg", "sub/b.jpg"]
    assert dataset.images[0].labels[0].category == 1


def test_specimens_come_back_as_they_were(specimens: Path, tmp_path: Path) -> None:
    """The same three pictures lie there as Pascal VOC, written from these numbers: 1-based there, plain here."""
    dataset = read_dataset(specimens / "misc" / "labelme_format")
    assert (len(dataset.images), dataset.label_count, dataset.unread) == (3, 8, {})
    assert write_dataset(dataset, tmp_path / "again", "labelme") == {}
    assert_same(read_dataset(tmp_path / "again"), dataset, 0)
    voc = read_dataset(specimens / "misc" / "pascalvoc_format")
    for image, other in zip(dataset.images, voc.images, strict=True):
        assert (image.name, image.width, image.height) == (other.name, other.width, other.height)
        for label, twin in zip(image.labels, other.labels, strict=True):
            left, top, right, bottom = twin.box
            assert label.box == (left + 1, top + 1, right, bottom)


@pytest.mark.parametrize(
    ("shapes", "changes", "message"),
    [
        ([shape([[1, 1], [2, 2]], label="")], {}, "shape 0 has no label"),
        ([shape([[1, 1], [2]])], {}, "shape 0: Expected `array` of length 2"),
        ([], {"imageWidth": 0}, "size 0x50 has no pixels"),
        ([], {"imagePath": "/"}, "imagePath: the picture's name"),
    ],
)
def test_what_cannot_be_is_refused(
    tmp_path: Path, shapes: list[dict[str, Any]], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=rf"a\.json: {message}"):
        read_dataset(write(tmp_path, shapes, **changes))
