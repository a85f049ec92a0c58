"""YOLO: the specimen has classes only, so the rest is written by hand, by Ultralytics' and Darknet's documentation."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.data.formats.datasets import assert_same
from tests.data.formats.judge import assert_close, boxes, read_with_datumaro
from thrifty.data.dataset import Category, Dataset, Label, LabelledImage
from thrifty.data.formats.catalogue import read_dataset, recognised, write_dataset
from thrifty.data.formats.guard import read_yaml
from thrifty.data.formats.sizes import Sizes
from thrifty.errors import DataError

NAMES = "names: [car, person]\n"
SIZES = Sizes(size=(100, 50))


def write(folder: Path, *pictures: str, **files: str) -> Path:
    """A data set: texts, `/` in their names given as `__` and `.` as `_`; and pictures of 100 x 50."""
    for name, content in files.items():
        place = folder / (name.replace("__", "/").replace("_", "."))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, encoding="utf-8")
    for name in pictures:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (100, 50)).save(folder / name)
    return folder


def names(folder: Path) -> list[str]:
    return [image.name for image in read_dataset(folder, "yolo", SIZES).images]


def labels(folder: Path, line: str, head: str = NAMES) -> tuple[Label, ...]:
    write(folder, data_yaml=head + "train: train.txt", train_txt="./images/a.jpg")
    write(folder, labels__a_txt=line)
    [image] = read_dataset(folder, sizes=SIZES).images
    return image.labels


def test_the_specimen_lists_twenty_classes_and_no_images(specimens: Path) -> None:
    folder = specimens / "misc" / "yolo_format"
    assert [entry.name for entry in recognised(folder)] == ["yolo"]
    dataset = read_dataset(folder)
    assert [entry.name for entry in dataset.categories][:3] == ["person", "cat", "boat"]
    assert (len(dataset.categories), dataset.images) == (20, ())
    assert dataset.unread == {"lists of images that were not found": 1}
    assert read_dataset(folder / "obj.data") == dataset


def test_a_box_is_given_by_its_centre_and_shares(tmp_path: Path) -> None:
    write(tmp_path, "images/train/a.jpg", data_yaml=NAMES + "train: images/train")
    write(tmp_path, labels__train__a_txt="1 0.5 0.5 0.25 0.5\n\n0 0.1 0.1 0.4 0.4 0.75\n")
    dataset = read_dataset(tmp_path)
    expected = (Label((37.5, 12.5, 62.5, 37.5), 1), Label((-10, -5, 30, 15), 0, score=0.75))
    assert_same(
        dataset,
        Dataset(
            (Category("car"), Category("person")),
            (LabelledImage("train/a.jpg", 100, 50, expected),),
        ),
    )


def test_longer_lines_are_outlines(tmp_path: Path) -> None:
    box = (10.0, 10.0, 50.0, 40.0)
    outline = ((10.0, 10.0, 50.0, 10.0, 50.0, 40.0),)
    assert labels(tmp_path, "0 0.1 0.2 0.5 0.2 0.5 0.8") == (Label(box, 0, outline=outline),)
    assert labels(tmp_path, "0 0.1 0.2 0.5 0.2 0.5 0.8 0.25") == (
        Label(box, 0, outline=outline, score=0.25),
    )
    assert labels(tmp_path, "0 0.1 0.2 0.5 0.2 0.5 0.8 0.1 0.8")[0].box == box


def test_key_points_are_counted(tmp_path: Path) -> None:
    line = "0 0.5 0.5 0.25 0.5 0.5 0.5 2 0.4 0.4 1"
    [label] = labels(tmp_path, line, NAMES + "kpt_shape: [2, 3]\n")
    assert label.box == (37.5, 12.5, 62.5, 37.5)
    assert label.outline is None
    assert read_dataset(tmp_path, sizes=SIZES).unread == {"sets of key points": 1}


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("train: images/a", ["a/1.jpg", "a/2.png"]),
        ("path: .\ntrain: [images/b, images/a]", ["b/3.jpg", "a/1.jpg", "a/2.png"]),
        ("path: images\ntrain: a\nval: b\ntest:", ["a/1.jpg", "a/2.png", "b/3.jpg"]),
        ("path: /datasets/mine\ntrain: images/b", ["b/3.jpg"]),
        ("train: ../images/b\nval: ../nowhere/images", ["b/3.jpg"]),
        ("train: list.txt", ["b/3.jpg", "a/1.jpg", "a/4.jpg"]),
    ],
)
def test_images_are_those_that_data_yaml_leads_to(
    tmp_path: Path, yaml: str, expected: list[str]
) -> None:
    write(tmp_path, "images/a/2.png", "images/a/1.jpg", "images/b/3.jpg", "images/c/5.jpg")
    lines = ["./images/b/3.jpg", "data/images/a/1.jpg", "", "images/b/3.jpg", "images/a/4.jpg"]
    write(tmp_path, data_yaml=NAMES + yaml, list_txt="\r\n".join(lines), images__a__no_md="x")
    assert names(tmp_path) == expected
    assert names(tmp_path / "data.yaml") == expected


def test_absolute_paths_count_if_they_stay_in_the_folder(tmp_path: Path) -> None:
    write(tmp_path, "images/1.jpg", list_txt=f"{tmp_path}/images/1.jpg\n")
    write(tmp_path, data_yaml=f"{NAMES}path: {tmp_path}\ntrain: {tmp_path}/list.txt")
    assert names(tmp_path) == ["1.jpg"]


def test_pictures_beside_labels_are_found(tmp_path: Path) -> None:
    write(tmp_path, "train/images/a.jpg", data_yaml=NAMES + "train: train/images")
    write(tmp_path, train__labels__a_txt="0 0.5 0.5 0.25 0.5")
    dataset = read_dataset(tmp_path)
    assert [(image.name, len(image.labels)) for image in dataset.images] == [
        ("train/images/a.jpg", 1)
    ]


def test_darknets_layout(tmp_path: Path) -> None:
    described = "classes = 2\ntrain = data/train.txt\nvalid=data/none.txt\nnames = data/obj.names\n"
    write(tmp_path, "obj_train_data/a.jpg", obj_data=described, obj_names="car\nperson\n")
    write(tmp_path, train_txt="data/obj_train_data/a.jpg\ndata/obj_train_data/b.jpg\n")
    (tmp_path / "obj_train_data" / "a.txt").write_text("1 0.5 0.5 0.25 0.5\n")
    dataset = read_dataset(tmp_path)
    assert [image.name for image in dataset.images] == [
        "obj_train_data/a.jpg", "obj_train_data/b.jpg",
    ]  # fmt: skip
    assert dataset.images[0].labels == (Label((37.5, 12.5, 62.5, 37.5), 1),)
    assert dataset.unread == {"lists of images that were not found": 1}


def test_the_boxes_are_those_that_datumaro_reads(tmp_path: Path) -> None:
    write(
        tmp_path,
        "images/train/a.jpg",
        "images/train/b.jpg",
        data_yaml=NAMES + "train: images/train",
    )
    lines = "".join(f"{n % 2} 0.{n}3 0.5{n} 0.1{n}7 0.0{n}91\n" for n in range(10))
    write(tmp_path, labels__train__a_txt=lines, labels__train__b_txt="")
    ours = boxes(read_dataset(tmp_path))
    theirs = read_with_datumaro(tmp_path, "yolo")
    assert_close({name.removeprefix("train/"): one for name, one in ours.items()}, theirs)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=4))
def test_any_names_of_classes_come_back(
    tmp_path_factory: pytest.TempPathFactory, titles: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("names")
    write_dataset(Dataset(tuple(map(Category, titles)), ()), folder / "out", "yolo")
    assert [entry.name for entry in read_dataset(folder / "out").categories] == titles
    described = read_yaml(folder / "out" / "data.yaml")
    assert described == yaml.safe_load((folder / "out" / "data.yaml").read_bytes())


def test_what_is_written(tmp_path: Path) -> None:
    label = Label((37.5, 12.5, 62.5, 37.5), 0)
    images = (LabelledImage("s/a.jpg", 100, 50, (label,)), LabelledImage("v.avi#3", 100, 50))
    write_dataset(Dataset((Category("a *b"),), images), tmp_path / "out", "yolo")
    files = {
        path.relative_to(tmp_path / "out").as_posix(): path.read_text()
        for path in (tmp_path / "out").rglob("*.*")
    }
    assert files == {
        "data.yaml": 'path: .\ntrain: train.txt\nnames:\n  0: "a \\x2Ab"\n',
        "train.txt": "./images/s/a.jpg\n./images/v.avi#3\n",
        "labels/s/a.txt": "0 0.5 0.5 0.25 0.5\n",
        "labels/v.avi#3.txt": "",
    }


def test_pictures_that_would_share_a_label_file_are_refused(tmp_path: Path) -> None:
    images = (LabelledImage("a.jpg", 9, 9), LabelledImage("a.png", 9, 9))
    with pytest.raises(DataError, match=r"a\.png: .* would share one with a\.jpg; rename one"):
        write_dataset(Dataset((), images), tmp_path / "out", "yolo")
    assert not list(tmp_path.iterdir())


def test_an_outline_that_is_not_the_box_s_is_lost(tmp_path: Path) -> None:
    label = Label((0, 0, 50, 50), 0, outline=((0, 0, 9, 0, 9, 9),))
    dataset = Dataset((Category("a"),), (LabelledImage("a.jpg", 100, 50, (label,)),))
    assert write_dataset(dataset, tmp_path / "out", "yolo") == {"outlines (the box is kept)": 1}
    assert read_dataset(tmp_path / "out", sizes=SIZES).images[0].labels[0].box == label.box


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 0.5 0.5 0.1 0.1", "line 1: class 2 is none of the 2 that have a name"),
        ("-1 0.5 0.5 0.1 0.1", "line 1: class -1 is none"),
        ("car 0.5 0.5 0.1 0.1", "line 1: class: 'car' is no number"),
        ("0 0.5 0.5 0.1 x", "line 1: 'x' is no number"),
        ("0 0.5 0.5", "line 1: has 3 numbers instead of 5"),
        ("0 0.5 0.5 0.1 0.1 nan", "line 1: the score is no finite number"),
    ],
)
def test_lines_that_make_no_sense_are_refused(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"labels/a\.txt: .*{message}"):
        labels(tmp_path, line)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: images\n", "has no names of classes"),
        ("names: {0: a, 2: b}\n", "names are not numbered 0, 1, 2"),
        ("names: [a, true]\n", "a name of a class is no text; put it in quotes"),
        ("names: [[a]]\n", "a name of a class is no text"),
        ("names: [a]\ntrain: 3\n", "train is no path, nor a list of some"),
        ("names: [a]\ntrain: nowhere\n", "none of the images it speaks of is there, such as 'now"),
        ("names: [a]\npath: /\ntrain: /etc\n", "none of the images it speaks of is there"),
        ("names: [a]\npath: [a]\n", "path is no text"),
        ("names: [a]\nkpt_shape: [17, [3]]\n", "kpt_shape is no pair"),
        ("names: [a]\nkpt_shape: 17\n", "kpt_shape is no pair"),
        ("- a\n", "is no list of keys and values"),
        ("names: *a\n", "uses YAML aliases"),
        ("names: !!python/object/apply:os.system [ls]\n", "not valid YAML"),
    ],
)
def test_other_descriptions_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(DataError, match=rf"data\.yaml: .*{message}") as caught:
        read_dataset(tmp_path / "data.yaml", "yolo", SIZES)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("line", ["/etc/passwd", "../../../a.jpg", "./../a.jpg", "a\x01.jpg", "."])
def test_a_list_leads_nowhere_else(tmp_path: Path, line: str) -> None:
    write(tmp_path, data_yaml=NAMES + "train: train.txt", train_txt=f"{line}\n")
    if line == "../../../a.jpg":
        assert names(tmp_path) == ["a.jpg"]
    else:
        with pytest.raises(DataError, match=r"train\.txt: line 1"):
            names(tmp_path)


def test_a_size_that_nobody_knows_is_asked_for(tmp_path: Path) -> None:
    write(
        tmp_path, data_yaml=NAMES + "train: train.txt", train_txt="./images/a.jpg\n./images/b.jpg"
    )
    write(tmp_path, labels__a_txt="0 0.5 0.5 0.25 0.5")
    with pytest.raises(DataError, match=r"labels/a\.txt: the size of image 'a\.jpg' is not known"):
        read_dataset(tmp_path)
    (tmp_path / "labels" / "a.txt").unlink()
    assert [image.width for image in read_dataset(tmp_path).images] == [None, None]


def test_neither_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds neither data\.yaml nor obj\.data"):
        read_dataset(tmp_path, "yolo")
    (tmp_path / "obj.data").write_text("classes 3\n")
    with pytest.raises(DataError, match="line 1 is no NAME = VALUE"):
        read_dataset(tmp_path, "yolo")
    (tmp_path / "obj.data").write_text("names = data/obj.names\n")
    with pytest.raises(DataError, match="the list of names it speaks of is not there"):
        read_dataset(tmp_path, "yolo")
