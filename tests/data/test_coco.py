import json
from pathlib import Path
from typing import Any

import pytest

from thrifty.data.coco import read_coco
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


def annotation(**changes: Any) -> list[dict[str, Any]]:
    return [{"id": 7, "image_id": 1, "category_id": 3, "bbox": [10, 20, 30, 25]} | changes]


def test_boxes_become_xyxy(tmp_path: Path) -> None:
    [image] = read_coco(write(tmp_path))
    assert image.annotations.boxes.tolist() == [[10, 20, 40, 45]]
    assert image.annotations.ignore.tolist() == [False]
    assert image.video is None


def test_crowds_and_ignored_objects_are_ignore_regions(tmp_path: Path) -> None:
    both = annotation(iscrowd=1) + annotation(id=8, ignore=1) + annotation(id=9)
    [image] = read_coco(write(tmp_path, annotations=both))
    assert image.annotations.ignore.tolist() == [True, True, False]
    assert len(image.annotations.objects) == 1


def test_images_without_annotations_are_kept(tmp_path: Path) -> None:
    [image] = read_coco(write(tmp_path, annotations=[]))
    assert len(image.annotations) == 0


def test_a_box_that_reaches_past_the_border_is_kept_as_drawn(tmp_path: Path) -> None:
    [image] = read_coco(write(tmp_path, annotations=annotation(bbox=[-5, 20, 30, 100])))
    assert image.annotations.boxes.tolist() == [[-5, 20, 25, 120]]


@pytest.mark.parametrize(
    ("box", "problem"),
    [
        ([10, 10, 0, 5], "has no area"),
        ([10, 10, 5, -1], "has no area"),
        ([100, 10, 5, 5], "lies outside its image of 100x50 pixels"),
        ([10, -9, 5, 5], "lies outside"),
        ([10, float("nan"), 5, 5], "is not four finite numbers"),
        ([10, 10, 5], "is not four finite numbers"),
    ],
)
def test_impossible_boxes_name_annotation_and_file(
    tmp_path: Path, box: list[float], problem: str
) -> None:
    with pytest.raises(DataError, match=rf"set.json: annotation 7 on a.png: box .* {problem}"):
        read_coco(write(tmp_path, annotations=annotation(bbox=box)))


def test_unknown_images_and_categories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="annotation 7 names image 9"):
        read_coco(write(tmp_path, annotations=annotation(image_id=9)))
    with pytest.raises(DataError, match="annotation 7 names category 9"):
        read_coco(write(tmp_path, annotations=annotation(category_id=9)))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not valid JSON"),
        ("[]", "top level is no object"),
        ("{}", "key 'images' is missing"),
        ('{"images": 3, "annotations": [], "categories": []}', "not a COCO detection file"),
        (
            '{"images": [{"id": 1}], "annotations": [], "categories": []}',
            "key 'file_name' is missing",
        ),
        ("[" * 100_000, "not valid JSON"),
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
    with pytest.raises(DataError, match=r"image 1 \(b.png\) has the id of a.png"):
        read_coco(write(tmp_path, images=[image, image | {"file_name": "b.png"}]))
    with pytest.raises(DataError, match="size 0x50 has no pixels"):
        read_coco(write(tmp_path, images=[image | {"width": 0}]))


def test_a_missing_file_says_how_to_point_at_the_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="THRIFTY_DATA"):
        read_coco(tmp_path / "gone.json")


@pytest.mark.parametrize(
    ("name", "images", "objects"),
    [("pets09", 795, 4650), ("camvid", 530, 879), ("pennfudan", 170, 423)],
)
def test_real_files_are_read_whole(real_data: Path, name: str, images: int, objects: int) -> None:
    entries = read_coco(real_data / name / "annotations.json")
    assert (len(entries), sum(len(entry.annotations.objects) for entry in entries)) == (
        images,
        objects,
    )
