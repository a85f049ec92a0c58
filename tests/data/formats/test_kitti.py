"""KITTI: no specimen is at hand; the lines are the devkit's own example and ones written by hand, by its readme."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.data.formats.datasets import assert_same
from tests.data.formats.judge import assert_close, boxes, read_with_datumaro
from thrifty.data.dataset import Category, Dataset, Label, LabelledImage
from thrifty.data.formats.catalogue import read_dataset, recognised, write_dataset
from thrifty.errors import DataError

PEDESTRIAN = "Pedestrian 0.25 2 -0.2 712.4 143 810.73 307.92 1.89 0.48 1.2 1.84 1.47 8.41 0.01\n"
DONT_CARE = "DontCare -1 -1 -10 503.89 169.71 590.61 190.13 -1 -1 -1 -1000 -1000 -1000 -10\n"
FLAT = "big%20car 0 0 0 1 2 3 4 0 0 0 0 0 0 0 0.5\n"


def write(folder: Path, content: str, name: str = "training/label_2/000000.txt") -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content, encoding="utf-8")
    return folder


def test_columns_become_labels_and_are_written_as_they_were(tmp_path: Path) -> None:
    write(tmp_path / "in", PEDESTRIAN + DONT_CARE + "\n" + FLAT)
    dataset = read_dataset(tmp_path / "in")
    assert [entry.name for entry in dataset.categories] == ["Pedestrian", "DontCare", "big car"]
    [image] = dataset.images
    assert image.name == "000000.png"
    assert image.labels == (
        Label(
            (712.4, 143, 810.73, 307.92), 0, occlusion=2, truncation=0.25,
            attributes={
                "alpha": -0.2,
                "dimensions": [1.89, 0.48, 1.2],
                "location": [1.84, 1.47, 8.41],
                "rotation_y": 0.01,
            },
        ),
        Label((503.89, 169.71, 590.61, 190.13), 1, ignore=True),
        Label((1, 2, 3, 4), 2, score=0.5),
    )  # fmt: skip
    assert write_dataset(dataset, tmp_path / "out", "kitti") == {}
    unknown = "big%20car 0 0 -10 1 2 3 4 -1 -1 -1 -1000 -1000 -1000 -10 0.5\n"
    written = (tmp_path / "out" / "label_2" / "000000.txt").read_text()
    assert written == PEDESTRIAN + DONT_CARE + unknown
    assert_same(read_dataset(tmp_path / "out"), dataset, 0)


@pytest.mark.parametrize("inner", ["training/label_2", "label_2", "."])
def test_the_folder_may_be_any_of_three(tmp_path: Path, inner: str) -> None:
    write(tmp_path, PEDESTRIAN, f"{inner}/a.txt")
    write(tmp_path, "", f"{inner}/sub/b.txt")
    assert [entry.name for entry in recognised(tmp_path)] == ["kitti"]
    dataset = read_dataset(tmp_path)
    assert {image.name: len(image.labels) for image in dataset.images} == {
        "a.png": 1, "sub/b.png": 0,
    }  # fmt: skip
    assert read_dataset(tmp_path / inner / "a.txt").label_count == 1


def test_the_boxes_are_those_that_datumaro_reads(tmp_path: Path) -> None:
    write(tmp_path, PEDESTRIAN + DONT_CARE + FLAT.replace("%20", "-"))
    write(tmp_path, DONT_CARE, "training/label_2/sub/1.txt")
    theirs = read_with_datumaro(tmp_path, "kitti_detection")
    assert_close(boxes(read_dataset(tmp_path)), theirs)


def test_pictures_tell_size_and_suffix(tmp_path: Path) -> None:
    write(tmp_path, "", "label_2/a.txt")
    write(tmp_path, "", "label_2/b.png.txt")
    (tmp_path / "image_2").mkdir()
    Image.new("L", (30, 20)).save(tmp_path / "image_2" / "a.jpg")
    a, b = read_dataset(tmp_path).images
    assert (a.name, a.width, a.height) == ("a.jpg", 30, 20)
    assert (b.name, b.width) == ("b.png", None)


NAMES = ["a.png", "s/a.jpg", "a.jpg.png", "v.avi#3", "v.avi#3.png", "B.PNG", "a.png.jpg", "x"]


def test_names_come_back_whatever_their_suffix(tmp_path: Path) -> None:
    images = tuple(LabelledImage(name) for name in NAMES[:-1])
    write_dataset(Dataset((), images), tmp_path / "out", "kitti")
    assert (tmp_path / "out" / "label_2" / "a.txt").is_file()
    assert (tmp_path / "out" / "label_2" / "s" / "a.jpg.txt").is_file()
    found = read_dataset(tmp_path / "out").images
    assert sorted(image.name for image in found) == sorted(NAMES[:-1])
    with pytest.raises(DataError, match="x: KITTI calls label files after pictures"):
        write_dataset(Dataset((), (LabelledImage(NAMES[-1]),)), tmp_path / "no", "kitti")
    assert not (tmp_path / "no").exists()


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8))
def test_any_name_of_a_class_comes_back(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    folder = tmp_path_factory.mktemp("names")
    image = LabelledImage("a.png", labels=(Label((0, 0, 1, 1), 0),))
    write_dataset(Dataset((Category(name),), (image,)), folder / "out", "kitti")
    assert read_dataset(folder / "out").categories == (Category(name),)


def test_a_percent_that_encodes_nothing_is_kept(tmp_path: Path) -> None:
    write(tmp_path, FLAT.replace("big%20car", "50%ff%"))
    assert read_dataset(tmp_path).categories == (Category("50%ff%"),)


def test_what_has_no_column_is_told(tmp_path: Path) -> None:
    attributes = {"pose": "left", "alpha": 1, "rotation_y": True, "dimensions": [1.0, 2.0]}
    labels = (
        Label((0, 0, 1, 1), 0, attributes=attributes),
        Label((0, 0, 1, 1), 1, attributes={"alpha": 0, "location": [0, 0, 0]}),
    )
    dataset = Dataset(
        (Category("car"), Category("DontCare")), (LabelledImage("a.png", labels=labels),)
    )
    lost = write_dataset(dataset, tmp_path / "out", "kitti")
    assert lost == {"attributes of boxes": 3}
    first, second = read_dataset(tmp_path / "out").images[0].labels
    assert (first.ignore, first.attributes) == (False, {"alpha": 1})
    assert (second.ignore, second.attributes) == (True, {"alpha": 0, "location": [0, 0, 0]})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("car 0 0", "line 1: has 3 columns instead of 15"),
        (PEDESTRIAN.strip() + " 1 1", "has 17 columns"),
        (PEDESTRIAN.replace("712.4", "x"), "line 1: 'x' is no number"),
        (PEDESTRIAN.replace("0.25", "1.5"), "truncated is 1.5, none of 0 to 1"),
        (PEDESTRIAN.replace("0.25", "nan"), "truncated is nan"),
        (PEDESTRIAN.replace(" 2 ", " 4 "), "occluded is 4, none of 0 to 3"),
        (PEDESTRIAN.replace(" 2 ", " 0.5 "), "occluded: '0.5' is no whole number"),
        (PEDESTRIAN.replace("8.41", "inf"), "a column is no finite number"),
    ],
)
def test_lines_that_make_no_sense_are_refused(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"000000\.txt: .*{message}"):
        read_dataset(write(tmp_path, line), "kitti")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no label files"):
        read_dataset(tmp_path, "kitti")
