"""Every real annotation file is read, written in its own format and read again: nothing is lost, and counts are known."""

from pathlib import Path

import pytest
from PIL import Image as Pillow

from tests.data.formats.datasets import assert_same
from thrifty.data.formats.catalogue import FORMATS, read_dataset, recognised, write_dataset
from thrifty.data.formats.sizes import Sizes

NOTHING: dict[str, int] = {}

SPECIMENS = [
    ("bdd100k/b1c66a42-6f7d68ca.json", "bdd100k", 202, 3241, NOTHING),
    ("bdd100k/bbox_predictions.json", "bdd100k", 202, 5372, NOTHING),
    ("bdd100k/example_annotation.json", "bdd100k", 1, 4, NOTHING),
    ("bdd100k/example_ignore_annotation.json", "bdd100k", 2, 2, NOTHING),
    ("bdd100k/unitest_val_bdd.json", "bdd100k", 1, 34, NOTHING),
    ("caltech/annotations_test_1x.json", "coco", 4024, 5142, NOTHING),
    ("citypersons/anno_train.mat", "citypersons", 2975, 27770, NOTHING),
    ("citypersons/anno_val.mat", "citypersons", 500, 5795, NOTHING),
    ("citypersons/val_gt.json", "coco", 500, 5795, NOTHING),
    ("cvat/annotations.xml", "cvat-images", 100, 273, NOTHING),
    ("labelstudio/export_yolo_data.json", "labelstudio", 2, 4, {"annotations by others": 1}),
    ("labelstudio/export_yolo_data_obb.json", "labelstudio", 3, 25, NOTHING),
    ("labelstudio/export_yolo_data_polygons.json", "labelstudio", 1, 1, NOTHING),
    ("labelstudio/json_min.json", "labelstudio", 1, 1, NOTHING),
    ("misc/coco_format/coco_format_v1_instances_default.json", "coco", 100, 273, NOTHING),
    ("misc/coco_format/coco_format_v2_instances_v2.json", "coco", 100, 273, NOTHING),
    ("misc/imagenet_format", "voc", 3, 8, NOTHING),
    ("misc/labelme_format", "labelme", 3, 8, NOTHING),
    ("misc/openimages_format/all_bounding_boxes.csv", "openimages", 100, 273, NOTHING),
    ("misc/pascalvoc_format", "voc", 3, 8, NOTHING),
    ("misc/yolo_format", "yolo", 0, 0, {"lists of images that were not found": 1}),
]


@pytest.fixture(scope="session")
def pictures(specimens: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blank pictures of the sizes that one of the files states, for the files of the same set that state none."""
    folder = tmp_path_factory.mktemp("pictures")
    stated = specimens / "misc" / "coco_format" / "coco_format_v2_instances_v2.json"
    for image in read_dataset(stated).images:
        Pillow.new("1", (image.width or 1, image.height or 1)).save(folder / image.name)
    return folder


@pytest.mark.parametrize(("name", "format_name", "images", "labels", "unread"), SPECIMENS)
def test_a_specimen_comes_back_as_it_was(
    specimens: Path,
    pictures: Path,
    tmp_path: Path,
    name: str,
    format_name: str,
    images: int,
    labels: int,
    unread: dict[str, int],
) -> None:
    assert recognised(specimens / name)[0].name == format_name
    sizes = Sizes(pictures if format_name == "openimages" else None)
    dataset = read_dataset(specimens / name, sizes=sizes)
    assert (len(dataset.images), dataset.label_count) == (images, labels)
    assert dataset.unread == unread
    place = tmp_path / f"again{FORMATS[format_name].suffix}"
    assert write_dataset(dataset, place, format_name) == unread
    assert_same(read_dataset(place, format_name, sizes), dataset)


def test_no_specimen_is_forgotten(specimens: Path) -> None:
    """All files but the video, which tests/data/test_norpix.py reads."""
    known = [specimens / name for name, *_ in SPECIMENS]
    for path in specimens.rglob("*"):
        if path.is_file() and path.suffix != ".seq":
            assert any(path == one or one in path.parents for one in known), path
