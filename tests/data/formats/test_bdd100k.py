"""BDD100K: files that its toolkit and Scalabel are tested with; and small ones from the formats' definitions, by hand."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.data.formats.datasets import assert_same
from thrifty.data.dataset import Category, Dataset, Label, LabelledImage
from thrifty.data.formats.catalogue import FORMATS, read_dataset, recognised, write_dataset
from thrifty.data.formats.format import Trait
from thrifty.data.formats.projection import project
from thrifty.data.formats.sizes import Sizes
from thrifty.errors import DataError

BOX = {"x1": 10, "y1": 20.5, "x2": 39, "y2": 59.5}


def entry(**changes: Any) -> dict[str, Any]:
    return {"id": "7", "category": "car", "box2d": BOX} | changes


def frame(*labels: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"name": "a.jpg", "labels": list(labels)} | changes


def write(folder: Path, content: object) -> Path:
    path = folder / "labels.json"
    path.write_text(json.dumps(content))
    return path


def only(folder: Path, *labels: dict[str, Any], **changes: Any) -> Label:
    [label] = read_dataset(write(folder, [frame(*labels, **changes)])).images[0].labels
    return label


@pytest.mark.parametrize(
    ("name", "images", "labels", "classes"),
    [
        ("b1c66a42-6f7d68ca", 202, 3241, 6),
        ("bbox_predictions", 202, 5372, 8),
        ("example_annotation", 1, 4, 1),
        ("example_ignore_annotation", 2, 2, 2),
        ("unitest_val_bdd", 1, 34, 5),
    ],
)
def test_specimens_are_read_and_come_back(
    specimens: Path, tmp_path: Path, name: str, images: int, labels: int, classes: int
) -> None:
    path = specimens / "bdd100k" / f"{name}.json"
    assert next(iter(recognised(path))).name == "bdd100k"
    dataset = read_dataset(path)
    assert (len(dataset.images), dataset.label_count, dataset.unread) == (images, labels, {})
    assert len(dataset.categories) == classes
    assert {(image.width, image.height) for image in dataset.images} == {(1280, 720)}
    assert write_dataset(dataset, tmp_path / "again.json", "bdd100k") == {}
    assert_same(read_dataset(tmp_path / "again.json"), dataset, 1e-9)


def test_tracks_and_marks_of_the_specimen(specimens: Path) -> None:
    dataset = read_dataset(specimens / "bdd100k" / "b1c66a42-6f7d68ca.json")
    labels = [label for image in dataset.images for label in image.labels]
    assert len({label.track for label in labels}) == 144
    assert all(label.id is None for label in labels)
    assert sum(label.crowd for label in labels) == 132
    assert sum(label.occlusion for label in labels) == 2404
    assert sum(label.truncation for label in labels) == 212
    assert [image.frame for image in dataset.images] == list(range(202))
    assert {image.video for image in dataset.images} == {"b1c66a42-6f7d68ca"}


def test_width_is_one_more_than_the_difference(specimens: Path) -> None:
    """As Scalabel defines it: `width = x2 - x1 + 1`."""
    path = specimens / "bdd100k" / "bbox_predictions.json"
    given = [entry for image in json.loads(path.read_text()) for entry in image["labels"]]
    found = [label for image in read_dataset(path).images for label in image.labels]
    assert len(found) == len(given)
    for label, drawn in zip(found, given, strict=True):
        box = drawn["box2d"]
        left, top, right, bottom = label.box
        assert (left, top) == (box["x1"], box["y1"])
        assert right - left == pytest.approx(box["x2"] - box["x1"] + 1)
        assert bottom - top == pytest.approx(box["y2"] - box["y1"] + 1)
        assert (label.score, label.id) == (drawn["score"], drawn["id"])


def test_classes_that_mean_ignore_do_unless_a_label_says_otherwise(
    specimens: Path, tmp_path: Path
) -> None:
    dataset = read_dataset(specimens / "bdd100k" / "example_ignore_annotation.json")
    assert [label.ignore for label in dataset.images[0].labels] == [True, False]
    said = only(tmp_path, entry(category="trailer", attributes={"ignored": False}))
    assert not said.ignore
    assert only(tmp_path, entry(attributes={"ignored": True})).ignore


def test_attributes_are_marks_in_capitals_or_not(tmp_path: Path) -> None:
    given = {"Occluded": True, "truncated": True, "Crowd": False, "trafficLightColor": "green"}
    label = only(tmp_path, entry(attributes=given | {"occluded2": 1, "crowd": "many"}))
    assert (label.occlusion, label.truncation, label.crowd) == (1, 1.0, False)
    assert label.attributes == {"trafficLightColor": "green", "occluded2": 1, "crowd": "many"}


def test_an_id_is_a_track_in_videos_only(tmp_path: Path) -> None:
    still, moving = only(tmp_path, entry()), only(tmp_path, entry(), videoName="v", frameIndex=3)
    assert (still.id, still.track) == ("7", None)
    assert (moving.id, moving.track) == (None, "7")


def test_outlines_lines_and_what_is_no_box(tmp_path: Path) -> None:
    corners = [[0, 0], [30, 0], [30, 30], [0, 30]]
    curve = [[0, 0], [0, 40], [30, 40], [30, 0]]
    dataset = read_dataset(
        write(
            tmp_path,
            [
                frame(
                    entry(
                        box2d=None, poly2d=[{"vertices": corners, "types": "LLLL", "closed": True}]
                    ),
                    entry(poly2d=[{"vertices": curve, "types": "LCCL", "closed": True}]),
                    entry(
                        category="lane", box2d=None, poly2d=[{"vertices": corners, "closed": False}]
                    ),
                    entry(box2d=None, poly2d=None, box3d={"alpha": 1}),
                    entry(rle={"counts": "x", "size": [1, 1]}, graph={"nodes": []}),
                    entry(box2d=None),
                    entry(category=None),
                )
            ],
        )
    )
    area, curved, masked = dataset.images[0].labels
    assert list(area.box) == [0, 0, 30, 30]
    assert list(area.outline or ()) == [(0, 0, 30, 0, 30, 30, 0, 30)]
    assert list(curved.box) == [10, 20.5, 40, 60.5]
    assert curved.outline is not None
    points = list(zip(curved.outline[0][::2], curved.outline[0][1::2], strict=True))
    assert [points[0], points[-1]] == [(0, 0), (30, 0)]
    assert points[4] == pytest.approx((15, 30))
    assert masked.outline is None
    assert dataset.unread == {
        "lines (open poly2d)": 1,
        "boxes in space (box3d)": 1,
        "masks in run lengths": 1,
        "graphs of key points": 1,
        "labels without a shape": 1,
        "labels without a class": 1,
    }


def test_the_object_with_config_lists_classes_in_groups_and_a_size(tmp_path: Path) -> None:
    classes = [{"name": "vehicle", "subcategories": [{"name": "car"}, {"name": "bus"}]}, "sign"]
    config = {"imageSize": {"width": 64, "height": 48}, "categories": [*classes, {"name": "x"}]}
    content = {"frames": [frame(entry(category="dog"))], "groups": [{}], "config": config}
    path = write(tmp_path, content)
    assert next(iter(recognised(path))).name == "bdd100k"
    dataset = read_dataset(path)
    assert [(entry.name, entry.supercategory) for entry in dataset.categories] == [
        ("car", "vehicle"), ("bus", "vehicle"), ("sign", ""), ("x", ""), ("dog", ""),
    ]  # fmt: skip
    assert (dataset.images[0].width, dataset.images[0].height) == (64, 48)
    assert dataset.unread == {"groups of frames": 1}


def test_sizes_come_from_the_frame_then_from_who_knows(tmp_path: Path) -> None:
    frames = [frame(size={"width": 9, "height": 8}), frame(name="b.jpg")]
    path = write(tmp_path, frames)
    sized, other = read_dataset(path, sizes=Sizes(size=(5, 4))).images
    assert [(image.width, image.height) for image in (sized, other)] == [(9, 8), (5, 4)]
    assert read_dataset(path).images[1].width == 1280


def test_time_and_address_of_a_frame_come_back(tmp_path: Path) -> None:
    given = frame(timestamp=10000, url="http://x/a.jpg", attributes={"weather": "rain"})
    dataset = read_dataset(write(tmp_path, [given]))
    expected = {"weather": "rain", "timestamp": 10000, "url": "http://x/a.jpg"}
    assert dataset.images[0].attributes == expected
    for name in ("bdd100k", "bdd100k-2018"):
        assert write_dataset(dataset, tmp_path / f"{name}.json", name) == {}
        written = json.loads((tmp_path / f"{name}.json").read_text())
        [image] = written["frames"] if isinstance(written, dict) else written
        assert (image["timestamp"], image["url"]) == (10000, "http://x/a.jpg")
        assert read_dataset(tmp_path / f"{name}.json").images == dataset.images
    assert write_dataset(dataset, tmp_path / "frames", "bdd100k-frames") == {}
    assert (
        json.loads((tmp_path / "frames" / "a.json").read_text())["frames"][0]["timestamp"] == 10000
    )
    assert read_dataset(tmp_path / "frames").images == dataset.images


def test_the_list_of_2018_is_recognised_and_read_the_same(tmp_path: Path) -> None:
    manual = {"manualShape": True, "manualAttributes": True, "id": 0, "category": "person"}
    path = write(tmp_path, [frame(entry(**manual), timestamp=1)])
    assert [entry.name for entry in recognised(path)] == ["bdd100k-2018"]
    assert read_dataset(path) == read_dataset(path, "bdd100k")
    assert read_dataset(path).images[0].labels[0].id == 0


def test_a_file_an_image_is_read(tmp_path: Path) -> None:
    """By hand, from `doc/format.md` of BDD100K's first toolkit: "Old Format (Before 08-28-2018)"."""
    corners = [[0.0, 0.0, "L"], [0.0, 40.0, "C"], [30.0, 40.0, "C"], [30.0, 0.0, "L"]]
    objects = [
        {"id": 1, "category": "person", "attributes": {"occluded": True}, "box2d": BOX},
        {"id": 2, "category": "area/drivable", "poly2d": corners},
        {"id": 3, "category": "lane/single white", "poly2d": corners[:2]},
        {"id": 4, "category": "person", "segments2d": [corners]},
    ]
    content = {
        "name": "b1c66a42-6f7d68ca",
        "attributes": {"weather": "clear"},
        "frames": [{"timestamp": 10000, "objects": objects}, {}],
    }
    folder = tmp_path / "train"
    folder.mkdir()
    path = write(folder, content)
    assert [entry.name for entry in recognised(tmp_path)] == ["bdd100k-frames"]
    dataset = read_dataset(tmp_path)
    assert read_dataset(path) == dataset
    [image] = dataset.images
    assert (image.name, image.width, image.height) == ("b1c66a42-6f7d68ca.jpg", 1280, 720)
    assert image.attributes == {"weather": "clear", "timestamp": 10000}
    person, area = image.labels
    assert list(person.box) == [10, 20.5, 40, 60.5]
    assert (person.id, person.occlusion) == (1, 1)
    assert list(area.box) == [0, 0, 30, 30]
    assert dataset.unread == {
        "frames after the first of an image": 1,
        "lines (open poly2d)": 1,
        "labels without a shape": 1,
    }


def test_names_of_the_oldest_format_are_those_of_pictures(tmp_path: Path) -> None:
    names = ["a.jpg", "a.png", "b.png.jpg", "one.avi#3", "noted", "x/y.jpg"]
    dataset = Dataset((), tuple(LabelledImage(name, 1280, 720) for name in names))
    assert write_dataset(dataset, tmp_path / "out", "bdd100k-frames") == {
        "names of images (named after video and frame)": 1
    }
    found = read_dataset(tmp_path / "out", "bdd100k-frames")
    expected = {name if name != "noted" else "noted.jpg" for name in names}
    assert {image.name for image in found.images} == expected


def test_what_a_label_has_no_place_for_is_counted() -> None:
    plain = Label((0, 0, 9, 9), 0, attributes={"Crowd": "yes", "x": 1})
    odd = ((0.0, 0.0, 9.0, 0.0, 9.0),)
    two = ((0.0, 0.0, 9.0, 0.0, 9.0, 9.0), (1.0, 1.0, 2.0, 1.0, 2.0, 2.0))
    labels = (replace(plain, outline=odd, id=5, track=6), replace(plain, outline=two))
    images = (
        LabelledImage("a.jpg", 1280, 720, labels),
        LabelledImage("b.jpg", 1280, 720, labels, video="v", frame=0),
    )
    dataset = Dataset((Category("car"),), images)
    kept, losses = project(dataset, FORMATS["bdd100k"])
    assert losses == {
        Trait.ATTRIBUTES: 4,
        Trait.OUTLINES: 2,
        Trait.TRACKS: 1,
        Trait.LABEL_IDS: 1,
        Trait.TRACK_NUMBERS: 1,
    }
    assert [(label.id, label.track) for label in kept.images[0].labels] == [(5, None), (1, None)]
    assert [(label.id, label.track) for label in kept.images[1].labels] == [(None, 6), (None, 2)]
    _, losses = project(dataset, FORMATS["bdd100k-frames"])
    assert losses[Trait.OUTLINES] == 4


@pytest.mark.parametrize("name", ["bdd100k", "bdd100k-2018", "bdd100k-frames"])
def test_names_that_lead_elsewhere_are_not_written(tmp_path: Path, name: str) -> None:
    dataset = Dataset((), (LabelledImage("../a.jpg", 1280, 720),))
    with pytest.raises(DataError, match="is no path below a folder"):
        write_dataset(dataset, tmp_path / "out", name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (5, "Expected `object | array`, got `int`"),
        ([5], "Expected `object`, got `int`"),
        ([{}], "Object missing required field `name`"),
        ([frame(name="a\nb")], "has characters that no file name has"),
        ([frame(name="/a.jpg")], "is no path below a folder"),
        ([frame(frameIndex=-1)], "Expected `int` >= 0"),
        ([frame(frameIndex=10**12)], "Expected `int` <= 999999999"),
        ([frame(size={"width": 0, "height": 1})], "Expected `int` >= 1"),
        ([{"name": "a.jpg", "labels": [5]}], "a.jpg: label 0: Expected `object`, got `int`"),
        ([frame(entry(box2d={"x1": 1}))], "a.jpg: label 0: Object missing required field `y1`"),
        ([frame(entry(box2d=BOX | {"x1": "1"}))], "Expected `float`, got `str`"),
        ([frame(entry(poly2d=[{"vertices": [[1]]}]))], "Expected `array` of length 2"),
        ([frame(entry(poly2d=[[1, 2]]))], "Expected `array` of length 3"),
        ([frame(entry(box2d=BOX | {"x2": 1}))], r"a.jpg: box 0 \(id 7\) .* has no area"),
        ({"frames": [], "config": {"categories": 5}}, r"Expected `array \| null`, got `int`"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_in_one_line(tmp_path: Path, content: Any, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=message) as caught:
        read_dataset(path, "bdd100k")
    assert "\n" not in str(caught.value)


def test_classes_nested_without_end_are_refused(tmp_path: Path) -> None:
    deep = '{"name":"a","subcategories":[' * 5000 + "]}" * 5000
    path = tmp_path / "a.json"
    path.write_text(f'{{"frames":[],"config":{{"categories":[{deep}]}}}}')
    with pytest.raises(DataError, match="nested too deep"):
        read_dataset(path)


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no .json files"):
        read_dataset(tmp_path, "bdd100k-frames")
