"""labelme: its own export of Pascal VOC, held against VOC's files; Datumaro does not know the format."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.data.formats.datasets import assert_same
from tests.data.formats.judge import boxes
from thrifty.data.dataset import Category, Dataset, Label, LabelledImage
from thrifty.data.formats.catalogue import read_dataset, recognised, write_dataset
from thrifty.errors import DataError

RECTANGLE: dict[str, Any] = {
    "label": "car",
    "points": [[40, 45.5], [10, 20]],
    "shape_type": "rectangle",
}


def write(folder: Path, *shapes: dict[str, Any], name: str = "a.json", **changes: Any) -> Path:
    content: dict[str, Any] = {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": "a.jpg",
        "imageData": None,
        "imageHeight": 50,
        "imageWidth": 100,
    }
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content | changes))
    return folder / name


def test_specimens_are_pascal_voc_s_boxes_and_come_back(specimens: Path, tmp_path: Path) -> None:
    folder = specimens / "misc" / "labelme_format"
    assert [entry.name for entry in recognised(folder)] == ["labelme"]
    assert [entry.name for entry in recognised(folder / "2007_000027.json")] == ["labelme"]
    dataset = read_dataset(folder)
    assert (len(dataset.images), dataset.label_count, dataset.unread) == (3, 8, {})
    assert dataset.images[0].name == "2007_000027.jpg"
    assert (dataset.images[0].width, dataset.images[0].height) == (486, 500)
    # labelme was given VOC's numbers as they are, so its left and top are one more.
    voc = boxes(read_dataset(specimens / "misc" / "pascalvoc_format"))
    moved = {
        name: [
            (title, [left + 1, top + 1, right, bottom]) for title, (left, top, right, bottom) in one
        ]
        for name, one in voc.items()
    }
    assert boxes(dataset) == moved
    assert write_dataset(dataset, tmp_path / "again", "labelme") == {}
    assert_same(read_dataset(tmp_path / "again"), dataset, 0)
    written = json.loads((tmp_path / "again" / "2007_000027.json").read_text())
    given = json.loads((folder / "2007_000027.json").read_text())
    assert written["shapes"][0]["points"] == given["shapes"][0]["points"]
    assert written["imageData"] is None
    assert (tmp_path / "again" / "labels.txt").read_text() == "person\naeroplane\n"


def test_corners_come_in_any_order_and_what_is_said_is_kept(tmp_path: Path) -> None:
    shape = RECTANGLE | {
        "group_id": 3,
        "flags": {"parked": True, "wet": False},
        "description": "odd",
        "attributes": {"colour": "red", "doors": 4},
        "difficult": True,
        "score": 0.5,
        "line_color": [1, 2, 3],
        "kie_linking": [],
    }
    path = write(tmp_path, shape, flags={"night": True})
    dataset = read_dataset(path)
    [image] = dataset.images
    assert image == LabelledImage(
        "a.jpg",
        100,
        50,
        (
            Label(
                (10, 20, 40, 45.5), 0, ignore=True, group=3, score=0.5,
                attributes={
                    "parked": True, "wet": False, "description": "odd", "colour": "red", "doors": 4,
                },
            ),
        ),
        attributes={"night": True},
    )  # fmt: skip
    assert dataset.unread == {}
    assert write_dataset(dataset, tmp_path / "out", "labelme") == {}
    assert read_dataset(tmp_path / "out").images == dataset.images


@pytest.mark.parametrize(
    ("kind", "points", "box"),
    [
        ("polygon", [[1, 2], [9, 2], [5, 8]], (1, 2, 9, 8)),
        ("rotation", [[5, 0], [9, 4], [5, 8], [1, 4]], (1, 0, 9, 8)),
        ("oriented_rectangle", [[5, 0], [9, 4], [5, 8], [1, 4]], (1, 0, 9, 8)),
        (None, [[1, 2], [9, 2], [5, 8]], (1, 2, 9, 8)),
    ],
)
def test_polygons_and_turned_rectangles_are_outlines(
    tmp_path: Path, kind: str | None, points: list[list[float]], box: tuple[float, ...]
) -> None:
    shape = {"label": "car", "points": points, "shape_type": kind, "direction": 0.7}
    dataset = read_dataset(write(tmp_path, shape))
    [label] = dataset.images[0].labels
    assert label.box == box
    assert label.outline == (tuple(value for point in points for value in point),)
    assert dataset.unread == {}


def test_four_corners_are_a_rectangle_too(tmp_path: Path) -> None:
    shape = RECTANGLE | {"points": [[1, 2], [9, 2], [9, 8], [1, 8]]}
    assert read_dataset(write(tmp_path, shape)).images[0].labels == (Label((1, 2, 9, 8), 0),)


def test_circles_and_masks_keep_their_box_and_the_rest_is_counted(tmp_path: Path) -> None:
    shapes = [
        {"label": "a", "points": [[50, 20], [53, 24]], "shape_type": "circle"},
        {"label": "a", "points": [[1, 2], [3, 4]], "shape_type": "mask", "mask": "iVBO"},
        {"label": "b", "points": [[1, 2]], "shape_type": "point"},
        {"label": "b", "points": [[1, 2], [3, 4]], "shape_type": "line"},
        {"label": "b", "points": [[1, 2], [3, 4]], "shape_type": "linestrip"},
        {"label": "b", "points": [[1, 2]] * 8, "shape_type": "cuboid"},
        RECTANGLE | {"text": "B-1", "checked": False},
    ]
    dataset = read_dataset(write(tmp_path, *shapes))
    assert [label.box for label in dataset.images[0].labels] == [
        (45, 15, 55, 25), (1, 2, 4, 5), (10, 20, 40, 45.5),
    ]  # fmt: skip
    assert [entry.name for entry in dataset.categories] == ["a", "car"]
    assert dataset.unread == {
        "circles (the box around them is kept)": 1,
        "masks (the box around them is kept)": 1,
        "points": 1,
        "lines": 2,
        "shapes of unknown kinds": 1,
        "shapes' key 'text'": 1,
    }


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("a.jpg", "json/a.jpg"),
        ("..\\images\\a.jpg", "images/a.jpg"),
        ("../../../images/a.jpg", "images/a.jpg"),
        ("/home/me/a.jpg", "json/a.jpg"),
        ("C:\\me\\a.jpg", "json/a.jpg"),
        ("sub/./a.jpg", "json/sub/a.jpg"),
    ],
)
def test_paths_are_relative_to_the_json_file(tmp_path: Path, given: str, name: str) -> None:
    write(tmp_path, name="json/a.json", imagePath=given)
    assert read_dataset(tmp_path).images[0].name == name


def test_classes_without_boxes_stand_in_labels_txt(tmp_path: Path) -> None:
    write(tmp_path, RECTANGLE)
    (tmp_path / "labels.txt").write_text("bus\n\ncar\n")
    dataset = read_dataset(tmp_path)
    assert [entry.name for entry in dataset.categories] == ["bus", "car"]
    assert dataset.images[0].labels[0].category == 1


def test_a_size_that_is_not_told_is_the_pictures(tmp_path: Path) -> None:
    write(tmp_path, imageWidth=None)
    assert read_dataset(tmp_path).images[0].width is None
    Image.new("L", (30, 20)).save(tmp_path / "a.jpg")
    assert read_dataset(tmp_path).images[0].width == 30


def test_a_picture_in_the_file_is_not_looked_at(tmp_path: Path) -> None:
    write(tmp_path, RECTANGLE, imageData="no picture" * 1000)
    assert read_dataset(tmp_path).label_count == 1


def test_images_keep_what_is_true_or_false(tmp_path: Path) -> None:
    image = LabelledImage("a.png", 9, 9, attributes={"night": False, "rain": "much", "n": 1})
    assert write_dataset(Dataset((), (image,)), tmp_path / "out", "labelme") == {
        "attributes of images": 2
    }
    assert read_dataset(tmp_path / "out").images[0].attributes == {"night": False}


def test_pictures_of_one_stem_get_files_of_their_own(tmp_path: Path) -> None:
    frame = LabelledImage("v.avi#3", 9, 9, video="v.avi", frame=3)
    images = (LabelledImage("s/a.jpg", 9, 9), LabelledImage("s/a.png", 9, 9), frame)
    write_dataset(Dataset((), images), tmp_path / "out", "labelme")
    files = {path.name for path in (tmp_path / "out").rglob("*.json")}
    assert files == {"a.jpg.json", "a.png.json", "v.avi#3.json"}
    assert_same(read_dataset(tmp_path / "out"), Dataset((), images))


@pytest.mark.parametrize(
    ("image", "title", "message"),
    [
        ("a\\b.png", "a", "takes a backslash for a slash"),
        ("../a.png", "a", "no file can be called after it"),
        ("a.png", "a\nb", "labels.txt has no place for a class called"),
    ],
)
def test_names_without_a_place_are_refused(
    tmp_path: Path, image: str, title: str, message: str
) -> None:
    dataset = Dataset((Category(title),), (LabelledImage(image, 9, 9),))
    with pytest.raises(DataError, match=message):
        write_dataset(dataset, tmp_path / "out", "labelme")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (RECTANGLE | {"points": [[1, 2]]}, "shape 0: 1 points make no rectangle"),
        (RECTANGLE | {"points": []}, "shape 0: 0 points make no rectangle"),
        ({"label": "a", "points": []}, "0 points make no polygon"),
        (RECTANGLE | {"shape_type": "circle", "points": [[1, 2]] * 3}, "3 points make no circle"),
        (RECTANGLE | {"points": [[1, 2, 3]]}, "shape 0: Expected `array` of length 2"),
        (RECTANGLE | {"points": [["1", 2]]}, "Expected `float`, got `str`"),
        (RECTANGLE | {"label": 3}, "Expected `str`, got `int`"),
        (RECTANGLE | {"flags": {"a": 1}}, "Expected `bool`, got `int`"),
        ({"points": []}, "missing required field `label`"),
    ],
)
def test_shapes_that_make_no_sense_are_refused(
    tmp_path: Path, shape: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=rf"a\.json: .*{message}"):
        read_dataset(write(tmp_path, shape))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"imagePath": ""}, "the picture's name '.' is no path below a folder"),
        ({"imagePath": None}, "Expected `str`, got `null`"),
        ({"imageWidth": 0}, "size 0x50 has no pixels"),
        ({"shapes": {}}, "Expected `array`, got `object`"),
    ],
)
def test_files_that_make_no_sense_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_dataset(write(tmp_path, **changes), "labelme")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no JSON files"):
        read_dataset(tmp_path, "labelme")
