import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO

from tests.data.formats.datasets import assert_same
from tests.data.formats.judge import assert_close, boxes, read_with_datumaro
from thrifty.data.dataset import Label, LabelledImage
from thrifty.data.formats.catalogue import read_dataset, write_dataset
from thrifty.errors import DataError


def write(folder: Path, **changes: Any) -> Path:
    content: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "a.png", "width": 100, "height": 50}],
        "annotations": [{"id": 7, "image_id": 1, "category_id": 3, "bbox": [10, 20, 30, 25]}],
        "categories": [{"id": 3, "name": "person"}],
    }
    path = folder / "set.json"
    path.write_text(json.dumps(content | changes))
    return path


def read_coco(path: Path) -> tuple[LabelledImage, ...]:
    return read_dataset(path, "coco").images


def annotation(**changes: Any) -> list[dict[str, Any]]:
    return [{"id": 7, "image_id": 1, "category_id": 3, "bbox": [10, 20, 30, 25]} | changes]


def test_boxes_become_xyxy(tmp_path: Path) -> None:
    [image] = read_coco(write(tmp_path))
    assert image.annotations().boxes.tolist() == [[10, 20, 40, 45]]
    assert image.annotations().ignore.tolist() == [False]
    assert image.video is None


def test_crowds_and_ignored_objects_are_ignore_regions(tmp_path: Path) -> None:
    both = annotation(iscrowd=1) + annotation(id=8, ignore=1) + annotation(id=9)
    [image] = read_coco(write(tmp_path, annotations=both))
    assert image.annotations().ignore.tolist() == [True, True, False]
    assert len(image.annotations().objects) == 1


def test_images_without_annotations_are_kept(tmp_path: Path) -> None:
    [image] = read_coco(write(tmp_path, annotations=[]))
    assert len(image.annotations()) == 0


def test_a_box_that_reaches_past_the_border_is_kept_as_drawn(tmp_path: Path) -> None:
    [image] = read_coco(write(tmp_path, annotations=annotation(bbox=[-5, 20, 30, 100])))
    assert image.annotations().boxes.tolist() == [[-5, 20, 25, 120]]


@pytest.mark.parametrize(
    ("box", "problem"),
    [
        ([10, 10, 0, 5], "has no area"),
        ([10, 10, 5, -1], "has no area"),
        ([100, 10, 5, 5], "lies outside its image of 100x50 pixels"),
        ([10, -9, 5, 5], "lies outside"),
    ],
)
def test_impossible_boxes_name_annotation_and_file(
    tmp_path: Path, box: list[float], problem: str
) -> None:
    with pytest.raises(DataError, match=rf"set.json: a.png: box 0 \(id 7\) .* {problem}"):
        read_coco(write(tmp_path, annotations=annotation(bbox=box)))


def test_unknown_images_and_categories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"annotation 0 \(id 7\) names image 9"):
        read_coco(write(tmp_path, annotations=annotation(image_id=9)))
    with pytest.raises(DataError, match=r"annotation 0 \(id 7\) names category 9"):
        read_coco(write(tmp_path, annotations=annotation(category_id=9)))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("{", "not valid JSON"),
        ("[]", "Expected `object`, got `array`"),
        ("{}", "missing required field `images`"),
        ('{"images": 3, "annotations": [], "categories": []}', r"got `int` - at `\$.images`"),
        (
            '{"images": [{"id": 1}], "annotations": [], "categories": []}',
            "image 1 has no file_name",
        ),
        ('{"images": ' + "[" * 100_000, "Expected `object`, got `array`"),
        ('{"images": [], "info": ' + "[" * 100_000, "nested too deep"),
    ],
)
def test_what_is_no_coco_file_is_refused_in_one_line(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = tmp_path / "set.json"
    path.write_text(text)
    with pytest.raises(DataError, match=problem) as caught:
        read_coco(path)
    assert "\n" not in str(caught.value)


def test_two_images_with_one_id_and_images_without_pixels_are_refused(tmp_path: Path) -> None:
    image = {"id": 1, "file_name": "a.png", "width": 100, "height": 50}
    with pytest.raises(DataError, match="two images have the id 1"):
        read_coco(write(tmp_path, images=[image, image | {"file_name": "b.png"}]))
    with pytest.raises(DataError, match="size 0x50 has no pixels"):
        read_coco(write(tmp_path, images=[image | {"width": 0}]))


@pytest.mark.parametrize(
    "box", ["[10, NaN, 5, 5]", "[10, 10, 5]", '[1, 2, 3, "4"]', "[1, 2, 3, 1e999]"]
)
def test_boxes_that_are_not_four_numbers_are_refused(tmp_path: Path, box: str) -> None:
    path = write(tmp_path)
    path.write_text(path.read_text().replace("[10, 20, 30, 25]", box))
    with pytest.raises(DataError, match=r"set\.json: (annotation 0: |not valid JSON: )"):
        read_coco(path)


def test_what_others_added_to_coco_is_understood(tmp_path: Path) -> None:
    more = {
        "ignore": 1, "vis_bbox": [12, 20, 10, 25], "vis_ratio": 0.25, "obj_id": 5, "occl": 1,
        "attributes": {"pose": "left", "sure": True}, "segmentation": [[10, 20, 40, 20, 40, 45]],
    }  # fmt: skip
    image = {
        "id": 1,
        "file_name": "v.avi#4",
        "width": 100,
        "height": 50,
        "video_id": 2,
        "frame_id": 4,
    }
    path = write(
        tmp_path,
        images=[image],
        annotations=annotation(**more),
        videos=[{"id": 2, "name": "v.avi"}],
    )
    dataset = read_dataset(path)
    [image_read] = dataset.images
    [label] = image_read.labels
    assert (image_read.video, image_read.frame) == ("v.avi", 4)
    assert label == Label(
        box=(10.0, 20.0, 40.0, 45.0),
        category=0,
        id=7,
        ignore=True,
        occlusion=1,
        visible=(12.0, 20.0, 22.0, 45.0),
        visibility=0.25,
        outline=((10.0, 20.0, 40.0, 20.0, 40.0, 45.0),),
        track=5,
        attributes={"pose": "left", "sure": True},
    )


@pytest.mark.parametrize(
    ("degrees", "box"),
    [(90.0, (20, 10, 30, 40)), (-270, (20, 10, 30, 40)), (180.0, (10, 20, 40, 30))],
)
def test_a_rectangle_that_cvat_turned_lies_in_the_upright_box_around_it(
    tmp_path: Path, degrees: float, box: tuple[float, ...]
) -> None:
    given = {"occluded": False, "rotation": degrees}
    path = write(
        tmp_path, annotations=annotation(bbox=[10, 20, 30, 10], area=300, attributes=given)
    )
    [label] = read_coco(path)[0].labels
    assert label.box == pytest.approx(box)
    assert (label.attributes, label.area) == ({"occluded": False}, None)
    write_dataset(read_dataset(path), tmp_path / "again.json", "coco")
    [again] = read_coco(tmp_path / "again.json")[0].labels
    assert again.box == pytest.approx(box)
    assert again.attributes == label.attributes


def test_a_slanted_rectangle_by_hand(tmp_path: Path) -> None:
    """40 x 20 pixels about (50, 25), turned by 30 degrees: its own area is smaller than the box's."""
    given = annotation(bbox=[30, 15, 40, 20], area=800, attributes={"rotation": 30.0})
    [label] = read_coco(write(tmp_path, annotations=given))[0].labels
    wide, high = 20 * 0.75**0.5 + 10 * 0.5, 20 * 0.5 + 10 * 0.75**0.5
    assert label.box == pytest.approx((50 - wide, 25 - high, 50 + wide, 25 + high))
    assert (label.area, len(label.outline or ())) == (800, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"attributes": {"rotation": 0.0}},
        {"attributes": {"rotation": 360}},
        {"attributes": {"rotation": "left"}},
        {"attributes": {"rotation": True}},
        {"attributes": {"rotation": None}},
        {"attributes": {"rotation": 90}, "segmentation": [[10, 20, 40, 20, 40, 45]]},
        {"attributes": {"rotation": 90}, "segmentation": {"size": [1, 1], "counts": "x"}},
    ],
)
def test_other_attributes_of_that_name_turn_nothing(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    [label] = read_coco(write(tmp_path, annotations=annotation(**changes)))[0].labels
    assert list(label.box) == [10, 20, 40, 45]
    assert label.attributes == changes["attributes"]


def test_what_has_no_place_is_counted_and_told_on_writing(tmp_path: Path) -> None:
    annotations = annotation(keypoints=[1, 2, 3], segmentation={"size": [1, 1], "counts": "x"})
    dataset = read_dataset(write(tmp_path, annotations=annotations))
    unread = {"annotations' key 'keypoints'": 1, "masks in run lengths (the box is kept)": 1}
    assert dataset.unread == unread
    assert write_dataset(dataset, tmp_path / "again.json", "coco") == unread


def test_ids_that_occur_twice_are_told(tmp_path: Path) -> None:
    path = write(tmp_path, annotations=annotation() + annotation(bbox=[1, 1, 5, 5]))
    lost = write_dataset(read_dataset(path), tmp_path / "again.json", "coco")
    assert lost == {"ids of boxes that occur twice (all are numbered anew)": 2}
    assert [label.id for label in read_coco(tmp_path / "again.json")[0].labels] == [1, 2]


@pytest.mark.parametrize(
    ("name", "images", "labels"),
    [
        ("caltech/annotations_test_1x.json", 4024, 5142),
        ("citypersons/val_gt.json", 500, 5795),
        ("misc/coco_format/coco_format_v1_instances_default.json", 100, 273),
        ("misc/coco_format/coco_format_v2_instances_v2.json", 100, 273),
    ],
)
def test_specimens_come_back_as_they_were(
    specimens: Path, tmp_path: Path, name: str, images: int, labels: int
) -> None:
    dataset = read_dataset(specimens / name)
    assert (len(dataset.images), dataset.label_count, dataset.unread) == (images, labels, {})
    assert write_dataset(dataset, tmp_path / "again.json", "coco") == {}
    assert_same(read_dataset(tmp_path / "again.json"), dataset, 1e-9)


@pytest.mark.parametrize("name", ["v1_instances_default", "v2_instances_v2"])
def test_pycocotools_sees_the_same_boxes(specimens: Path, tmp_path: Path, name: str) -> None:
    path = specimens / "misc" / "coco_format" / f"coco_format_{name}.json"
    dataset = read_dataset(path)
    write_dataset(dataset, tmp_path / "again.json", "coco")
    with contextlib.redirect_stdout(io.StringIO()):
        judge = COCO(str(tmp_path / "again.json"))
    for image in dataset.images:
        entries = judge.loadAnns(judge.getAnnIds(imgIds=[image.id]))
        assert judge.loadImgs([image.id])[0]["file_name"] == image.name
        for label, entry in zip(image.labels, entries, strict=True):
            left, top, right, bottom = label.box
            assert entry["bbox"] == [left, top, right - left, bottom - top]
            assert entry["category_id"] == dataset.categories[label.category].id
            assert entry["id"] == label.id


@pytest.mark.parametrize(
    ("name", "images", "objects"),
    [("pets09", 795, 4650), ("camvid", 530, 879), ("pennfudan", 170, 423)],
)
def test_real_files_are_read_whole(real_data: Path, name: str, images: int, objects: int) -> None:
    entries = read_coco(real_data / name / "annotations.json")
    assert (len(entries), sum(len(entry.annotations().objects) for entry in entries)) == (
        images,
        objects,
    )


@pytest.mark.parametrize("name", ["v1_instances_default", "v2_instances_v2"])
def test_the_boxes_are_those_that_datumaro_reads(
    specimens: Path, tmp_path: Path, name: str
) -> None:
    dataset = read_dataset(specimens / "misc" / "coco_format" / f"coco_format_{name}.json")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "images").mkdir()
    write_dataset(dataset, tmp_path / "annotations" / "instances_default.json", "coco")
    assert_close(boxes(dataset), read_with_datumaro(tmp_path, "coco_instances"))
