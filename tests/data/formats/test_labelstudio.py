"""Label Studio: the exports that its own converter is tested with; and small files from its documentation, by hand."""

import cmath
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.data.formats.datasets import assert_same
from thrifty.data.dataset import Category, Dataset, Label, LabelledImage
from thrifty.data.formats.catalogue import FORMATS, read_dataset, recognised, write_dataset
from thrifty.data.formats.format import Trait
from thrifty.data.formats.keyframes import SURE
from thrifty.data.formats.projection import project
from thrifty.data.formats.sizes import Sizes
from thrifty.errors import DataError

BOX = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}
IMAGE = {"image": "/data/upload/1/a.jpg"}


def result(kind: str = "rectanglelabels", **changes: Any) -> dict[str, Any]:
    """A result, as Label Studio 1 writes them, on a picture of 200 x 100 pixels."""
    value = BOX | {kind: ["car"]}
    common = {
        "from_name": "label",
        "to_name": "image",
        "type": kind,
        "image_rotation": 0,
        "id": "r",
    }
    return common | {"original_width": 200, "original_height": 100, "value": value} | changes


def task(*results: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"id": 7, "data": IMAGE, "annotations": [{"id": 1, "result": list(results)}]} | changes


def write(folder: Path, *tasks: dict[str, Any]) -> Path:
    path = folder / "export.json"
    path.write_text(json.dumps(tasks))
    return path


def labels(folder: Path, *results: dict[str, Any]) -> tuple[Label, ...]:
    [image] = read_dataset(write(folder, task(*results))).images
    return image.labels


@pytest.mark.parametrize(
    ("name", "images", "boxes", "unread"),
    [
        ("export_yolo_data", 2, 4, {"annotations by others": 1}),
        ("export_yolo_data_obb", 3, 25, {}),
        ("export_yolo_data_polygons", 1, 1, {}),
        ("json_min", 1, 1, {}),
    ],
)
def test_specimens_are_read_and_come_back(
    specimens: Path, tmp_path: Path, name: str, images: int, boxes: int, unread: dict[str, int]
) -> None:
    path = specimens / "labelstudio" / f"{name}.json"
    assert [entry.name for entry in recognised(path)] == ["labelstudio"]
    dataset = read_dataset(path)
    assert (len(dataset.images), dataset.label_count, dataset.unread) == (images, boxes, unread)
    assert write_dataset(dataset, tmp_path / "again.json", "labelstudio") == unread
    assert_same(read_dataset(tmp_path / "again.json"), dataset, 1e-9)


def test_turned_rectangles_of_the_specimen_turn_about_their_top_left_corner(
    specimens: Path,
) -> None:
    """Worked out anew with complex numbers, where a turn is a factor."""
    path = specimens / "labelstudio" / "export_yolo_data_obb.json"
    drawn = json.loads(path.read_text())[0]["annotations"][0]["result"]
    found = read_dataset(path).images[0].labels
    assert len(found) == len(drawn) == 23
    for label, entry in zip(found, drawn, strict=True):
        value, width, height = entry["value"], entry["original_width"], entry["original_height"]
        corner = complex(value["x"] * width, value["y"] * height) / 100
        turn = cmath.exp(1j * math.radians(value["rotation"]))
        across, down = value["width"] * width / 100, value["height"] * height * 1j / 100
        corners = [corner + turn * side for side in (0, across, across + down, down)]
        assert label.outline is not None
        assert label.outline[0] == pytest.approx(
            [part for point in corners for part in (point.real, point.imag)]
        )
        assert label.box[0] == pytest.approx(min(point.real for point in corners))
        assert label.box[3] == pytest.approx(max(point.imag for point in corners))


def test_of_two_annotations_the_ground_truth_or_else_the_last_valid_is_read(tmp_path: Path) -> None:
    def annotation(label: str, **marks: bool) -> dict[str, Any]:
        return {"result": [result(value=BOX | {"rectanglelabels": [label]})], **marks}

    cases: list[tuple[list[dict[str, Any]], str]] = [
        ([annotation("a"), annotation("b")], "b"),
        ([annotation("a"), annotation("b", was_cancelled=True)], "a"),
        ([annotation("a", ground_truth=True), annotation("b")], "a"),
        ([annotation("a"), annotation("b", skipped=True), annotation("c")], "c"),
    ]
    for annotations, expected in cases:
        found = read_dataset(write(tmp_path, task(annotations=annotations)))
        assert [entry.name for entry in found.categories] == [expected]
    assert found.unread == {"annotations that were cancelled": 1, "annotations by others": 1}


def test_tasks_that_nobody_has_annotated_are_no_images_and_empty_annotations_are(
    tmp_path: Path,
) -> None:
    cancelled = {"result": [], "was_cancelled": True}
    tasks = (
        task(),
        task(annotations=[], predictions=[{"result": []}], drafts=[{}]),
        task(annotations=[cancelled]),
        task(data={"text": "no picture"}),
    )
    dataset = read_dataset(write(tmp_path, *tasks))
    assert [(image.name, image.labels) for image in dataset.images] == [("a.jpg", ())]
    assert dataset.unread == {
        "tasks that nobody has annotated": 2,
        "predictions": 1,
        "drafts": 1,
        "annotations that were cancelled": 1,
        "tasks without a picture or a video": 1,
    }


def test_how_the_picture_was_shown_changes_nothing(tmp_path: Path) -> None:
    """Label Studio's own test of rotating a picture expects the same numbers at every turn."""
    for degrees in (0, 90, 180, 270):
        [label] = labels(tmp_path, result(image_rotation=degrees))
        assert label.box == pytest.approx((20, 20, 80, 60))
        assert label.id == "r"


def test_shape_label_and_answers_of_one_region_are_put_together(tmp_path: Path) -> None:
    shape = BOX | {"rotation": 90}
    [label] = labels(
        tmp_path,
        result("choices", from_name="pose", value=shape | {"choices": ["left"]}),
        result("rectangle", value=shape, score=0.5, meta={"text": ["a note"]}),
        result("labels", value=shape | {"labels": ["bus"]}),
        result("choices", from_name="sure", value=shape | {"choices": ["true"]}),
        result("choices", from_name="colours", value=shape | {"choices": ["red", "blue"]}),
        result("textarea", from_name="plate", value=shape | {"text": ["AB 1"]}),
        result("number", from_name="wheels", value=shape | {"number": 4}),
        result("rating", from_name="stars", value=shape | {"rating": 5}),
    )
    assert label.box == pytest.approx((20 - 40, 20, 20, 20 + 60))
    assert label.score == 0.5
    assert label.attributes == {
        "pose": "left", "meta.text": "a note", "sure": True, "colours": ["red", "blue"],
        "plate": "AB 1", "wheels": 4, "stars": 5,
    }  # fmt: skip


def test_what_is_no_box_is_counted_and_answers_about_the_picture_are_its_attributes(
    tmp_path: Path,
) -> None:
    corners = [[10, 20], [50, 20], [50, 80]]
    ellipse = {"x": 50, "y": 50, "radiusX": 10, "radiusY": 5, "rotation": 90}
    dataset = read_dataset(
        write(
            tmp_path,
            task(
                result(id="1", value=BOX | {"rectanglelabels": ["car", "van"]}),
                result(
                    "polygonlabels", id="2", value={"points": corners, "polygonlabels": ["car"]}
                ),
                result(
                    "polygonlabels",
                    id="3",
                    value={"points": corners, "closed": False, "polygonlabels": ["car"]},
                ),
                result("ellipselabels", id="4", value=ellipse | {"ellipselabels": ["car"]}),
                result(
                    "keypointlabels",
                    id="5",
                    value={"x": 1, "y": 2, "width": 1, "keypointlabels": ["car"]},
                ),
                result(
                    "brushlabels", id="6", value={"rle": [1], "format": "rle", "brushlabels": ["a"]}
                ),
                result("rectangle", id="7", value=BOX),
                result("rectanglelabels", id="8", value=BOX | {"rectanglelabels": []}),
                {"type": "relation", "from_id": "1", "to_id": "2", "direction": "right"},
                result("vectorlabels", id="9", value={"vertices": [], "vectorlabels": ["car"]}),
                result("oddity", id="10", value={}),
                result("choices", id="11", from_name="weather", value={"choices": ["rain"]}),
                data=IMAGE | {"camera": 3},
            ),
        )
    )
    [image] = dataset.images
    assert image.attributes == {"camera": 3, "weather": "rain"}
    assert [list(map(round, label.box)) for label in image.labels] == [
        [20, 20, 80, 60],
        [20, 20, 100, 80],
        [95, 30, 105, 70],
    ]
    assert list(image.labels[1].outline or ()) == [(20, 20, 100, 20, 100, 80)]
    assert dataset.unread == {
        "further labels of a region (the first is kept)": 1,
        "polygons that are not closed": 1,
        "ellipses (the box around them is kept)": 1,
        "key points": 1,
        "brush strokes and masks": 1,
        "regions without a label": 2,
        "relations between regions": 1,
        "vectors": 1,
        "results of type 'oddity'": 1,
    }


def key(frame: int, x: float, *, enabled: bool = True, rotation: float = 0) -> dict[str, Any]:
    shape = {"x": x, "y": 0, "width": 10, "height": 10, "rotation": rotation}
    return shape | {"frame": frame, "enabled": enabled, "time": frame / 25}


def track(*keys: dict[str, Any], count: float = 6, **changes: Any) -> dict[str, Any]:
    value = {"framesCount": count, "duration": 1, "sequence": list(keys), "labels": ["car"]}
    return result("videorectangle", value=value, **changes)


def video(folder: Path, *tracks: dict[str, Any], **data: object) -> Dataset:
    given = {"video": "https://example.com/sets/v.mp4?token=1"} | data
    return read_dataset(write(folder, task(*tracks, data=given)))


def test_rectangles_of_a_video_move_while_they_are_enabled(tmp_path: Path) -> None:
    first = track(key(1, 0), key(4, 30, enabled=False), key(6, 50))
    second = track(key(5, 0), id="12", count=5.2)
    dataset = video(tmp_path, first, second, camera=3)
    assert [image.name for image in dataset.images] == [f"sets/v.mp4#{n}" for n in range(6)]
    lefts = {
        image.frame: [round(label.box[0]) for label in image.labels] for image in dataset.images
    }
    assert lefts == {0: [0], 1: [20], 2: [40], 3: [60], 4: [0], 5: [100, 0]}
    last = dataset.images[-1]
    assert [(label.track, label.id) for label in last.labels] == [("r", None), (12, None)]
    assert (last.video, last.width, last.height) == ("sets/v.mp4", 200, 100)
    assert (last.id, last.attributes) == (None, {"camera": 3})


def test_a_video_that_states_no_size_is_asked_for_it(tmp_path: Path) -> None:
    unsized = track(key(1, 10), original_width=None, original_height=None)
    with pytest.raises(DataError, match=r"size of image 'sets/v.mp4#0' is not known"):
        video(tmp_path, unsized)
    found = read_dataset(tmp_path / "export.json", sizes=Sizes(size=(400, 300)))
    assert found.images[0].labels[0].box == pytest.approx((40, 0, 80, 30))


def test_shapes_in_the_wrong_medium_are_counted(tmp_path: Path) -> None:
    dataset = read_dataset(write(tmp_path, task(track(key(1, 0)))))
    assert (dataset.label_count, dataset.unread) == (0, {"tracks on a picture": 1})
    dataset = video(tmp_path, result())
    assert (dataset.images, dataset.unread) == ((), {"regions of a whole video": 1})


@pytest.mark.parametrize(
    ("tracks", "message"),
    [
        ([track(key(0, 0))], "there is no frame 0"),
        ([track(key(10**12, 0))], "there is no frame 1000000000000"),
        ([track(count=10**12)], "framesCount 1e\\+12 is no number of frames"),
        ([track(count=-1)], "framesCount -1 is no number of frames"),
        ([track(count=SURE + 1)], "frames, which is out of proportion"),
        ([track(key(1, 0), key(SURE + 3, 0))], "labels are to be filled in, which is out of prop"),
        ([track({"frame": 1})], "Object missing required field `x`"),
    ],
)
def test_videos_that_claim_too_much_are_refused(
    tmp_path: Path, tracks: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        video(tmp_path, *tracks)


def test_json_min_is_read(tmp_path: Path) -> None:
    """By hand, from the documentation: values of results by the name of their control, a record an annotation."""
    shape = BOX | {"original_width": 200, "original_height": 100}
    record = {
        "image": "s3://bucket/set/a.jpg", "id": 4, "annotator": 1, "annotation_id": 5, "lead_time": 2.5,
        "created_at": "2024", "updated_at": "2024", "weather": "rain",
        "tag": [shape | {"rectanglelabels": ["car"]}, shape | {"rectanglelabels": ["bus"]}],
    }  # fmt: skip
    later = record | {"tag": [shape | {"rectanglelabels": ["van"]}], "annotation_id": 6}
    path = write(tmp_path, record, later, record | {"id": 9, "tag": []})
    assert [entry.name for entry in recognised(path)] == ["labelstudio"]
    dataset = read_dataset(path)
    assert [(image.name, image.id) for image in dataset.images] == [
        ("set/a.jpg", 4),
        ("set/a.jpg", 9),
    ]
    assert dataset.unread == {"annotations by others": 1}
    assert dataset.images[0].attributes == {"weather": "rain"}
    [label] = dataset.images[0].labels
    assert dataset.categories[label.category].name == "van"
    assert label.box == pytest.approx((20, 20, 80, 60))


@pytest.mark.parametrize("name", ["a b/ä漢.jpg", "one.avi#3", "a&b=c?d=e%20f+g.png", "data:x.jpg"])
def test_any_name_comes_back(tmp_path: Path, name: str) -> None:
    dataset = Dataset((), (LabelledImage(name, 8, 6),))
    assert write_dataset(dataset, tmp_path / "a.json", "labelstudio") == {}
    [image] = read_dataset(tmp_path / "a.json").images
    assert (image.name, image.width) == (name, 8)


def test_ids_are_numbers_where_they_were(tmp_path: Path) -> None:
    plain = Label((0, 0, 4, 4), 0)
    given: list[int | str | None] = [1, "2", "03", "x", -4, None]
    drawn = tuple(replace(plain, id=key) for key in given)
    dataset = Dataset((Category("car"),), (LabelledImage("a.jpg", 8, 6, drawn),))
    assert write_dataset(dataset, tmp_path / "a.json", "labelstudio") == {}
    [image] = read_dataset(tmp_path / "a.json").images
    assert [label.id for label in image.labels] == [1, 2, "03", "x", -4, 3]


def test_attributes_that_label_studio_has_no_question_for_become_text() -> None:
    label = Label((0, 0, 4, 4), 0, id=1, attributes={"list": [1, 2], "none": None, "n": 1.5})
    image = LabelledImage("a.jpg", 8, 6, (label,), attributes={"width": 3, "frame": 1, "x": [1]})
    kept, losses = project(Dataset((Category("car"),), (image,)), FORMATS["labelstudio"])
    assert kept.images[0].labels[0].attributes == {"list": "[1, 2]", "none": "null", "n": 1.5}
    assert kept.images[0].attributes == {"x": [1]}
    assert losses == {Trait.TYPED_ATTRIBUTES: 2, Trait.IMAGE_ATTRIBUTES: 2}


def test_a_size_is_needed_only_where_there_are_boxes(tmp_path: Path) -> None:
    dataset = Dataset((Category("car"),), (LabelledImage("a.jpg"),))
    assert write_dataset(dataset, tmp_path / "a.json", "labelstudio") == {
        "classes without boxes": 1
    }
    assert read_dataset(tmp_path / "a.json").images == dataset.images
    image = LabelledImage("a.jpg", labels=(Label((0, 0, 4, 4), 0, id=1),))
    with pytest.raises(DataError, match="its size is not known, and Label Studio needs it"):
        write_dataset(Dataset((Category("car"),), (image,)), tmp_path / "b.json", "labelstudio")


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([5], "task 0: Expected `object`, got `int`"),
        ([task(data=5)], "task 0: Expected `object`, got `int`"),
        ([task(annotations=5)], "Expected `array | null`, got `int`"),
        ([task(result(value=5))], r"task 0 \(id '7'\): Expected `object`, got `int`"),
        ([task(result(value=BOX | {"x": "1"}))], "Expected `float`, got `str`"),
        ([task(result(value=BOX | {"rectanglelabels": "car"}))], "Expected `array | null`"),
        ([task(result("polygonlabels", value={"points": [[1]]}))], "Expected `array` of length 2"),
        ([task(result(original_width=0))], "the size of image 'a.jpg' is not known"),
        ([task(result(original_width="200"))], r"Expected `float \| null`, got `str`"),
        ([task(id="a\nb", data={"image": "a\nb.jpg"})], "has characters that no file name has"),
        ([task(data={"image": "/data/local-files/?d=../a.jpg"})], "is no path below a folder"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(
    tmp_path: Path, tasks: list[Any], message: str
) -> None:
    path = write(tmp_path, *tasks)
    with pytest.raises(DataError, match=message) as caught:
        read_dataset(path, "labelstudio")
    assert "\n" not in str(caught.value)


def test_boxes_without_area_are_found(tmp_path: Path) -> None:
    path = write(tmp_path, task(result(value=BOX | {"width": 0, "rectanglelabels": ["car"]})))
    with pytest.raises(DataError, match=r"a.jpg: box 0 \(id r\) .* has no area"):
        read_dataset(path)
