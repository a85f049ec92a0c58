"""What becomes of regions that are no objects, in formats with and without a place for them."""

from dataclasses import replace
from pathlib import Path

import pytest

from thrifty.data.dataset import Category, Dataset, Label, LabelledImage
from thrifty.data.formats.catalogue import FORMATS, read_dataset, write_dataset
from thrifty.data.formats.format import Trait
from thrifty.data.formats.projection import project

OBJECT = Label((1, 1, 9, 9), 0)
IGNORED, CROWD = replace(OBJECT, ignore=True), replace(OBJECT, crowd=True)
BOTH = replace(OBJECT, ignore=True, crowd=True)


def dataset(*labels: Label, name: str = "person") -> Dataset:
    return Dataset((Category(name),), (LabelledImage("a.png", 10, 10, labels),))


@pytest.mark.parametrize(
    ("form", "kept", "losses"),
    [
        ("coco", (OBJECT, IGNORED, CROWD, BOTH), {}),
        ("voc", (OBJECT, IGNORED, IGNORED, IGNORED), {Trait.CROWD: 2}),
        ("openimages", (OBJECT, CROWD, CROWD), {Trait.IGNORE: 2}),
        ("yolo", (OBJECT,), {Trait.IGNORE: 2, Trait.CROWD: 2}),
        ("kitti", (OBJECT,), {Trait.IGNORE: 2, Trait.CROWD: 2, Trait.SIZES: 1}),
    ],
)
def test_no_region_becomes_an_object(
    form: str, kept: tuple[Label, ...], losses: dict[Trait, int]
) -> None:
    found, lost = project(dataset(OBJECT, IGNORED, CROWD, BOTH), FORMATS[form])
    assert (found.images[0].labels, lost) == (kept, losses)


def test_a_class_that_means_regions_keeps_them() -> None:
    found, lost = project(dataset(OBJECT, IGNORED, name="DontCare"), FORMATS["kitti"])
    assert found.images[0].labels == (IGNORED, IGNORED)
    assert lost == {Trait.SIZES: 1}


def test_an_image_of_regions_alone_is_empty_where_they_have_no_place(tmp_path: Path) -> None:
    told = write_dataset(dataset(IGNORED, CROWD), tmp_path / "out", "yolo")
    assert told == {
        "ignore regions (left out)": 1,
        "crowds (ignore regions, or left out)": 1,
    }
    assert (tmp_path / "out" / "labels" / "a.txt").read_text() == ""
    (again,) = read_dataset(tmp_path / "out").images
    assert again.labels == ()
    found, lost = project(dataset(IGNORED), FORMATS["openimages"])
    assert found.images == ()
    assert lost == {Trait.IGNORE: 1, Trait.EMPTY_IMAGES: 1, Trait.EMPTY_CATEGORIES: 1}
