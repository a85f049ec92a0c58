"""Open Images: an export of Pascal VOC in its form, held against COCO's of the same, and lines as Open Images has them."""

from pathlib import Path

import pytest
from PIL import Image

from tests.data.formats.datasets import assert_same, pictures
from tests.data.formats.judge import assert_close, boxes, read_with_datumaro
from thrifty.data.dataset import Category, Dataset, Label, LabelledImage
from thrifty.data.formats.catalogue import read_dataset, recognised, write_dataset
from thrifty.data.formats.sizes import Sizes
from thrifty.errors import DataError

HEADER = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,"
    "IsDepiction,IsInside"
)
SIZES = Sizes(size=(100, 50))


def write(folder: Path, *rows: str, header: str = HEADER, name: str = "boxes.csv") -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join([header, *rows, ""]))
    return folder / name


def label(folder: Path, row: str, header: str = HEADER) -> Label:
    [image] = read_dataset(write(folder, row, header=header), sizes=SIZES).images
    return image.labels[0]


def test_the_specimen_is_as_coco_has_it_and_comes_back(specimens: Path, tmp_path: Path) -> None:
    path = specimens / "misc" / "openimages_format" / "all_bounding_boxes.csv"
    coco = read_dataset(specimens / "misc" / "coco_format" / "coco_format_v2_instances_v2.json")
    pictures(coco, tmp_path)
    assert [entry.name for entry in recognised(path)] == ["openimages"]
    dataset = read_dataset(path, sizes=Sizes(tmp_path))
    assert (len(dataset.images), dataset.label_count, dataset.unread) == (100, 273, {})
    # COCO's file was made of whole pixels, this one of shares rounded to 10 digits.
    assert_close(boxes(dataset), boxes(coco), 1e-6)
    assert write_dataset(dataset, tmp_path / "again.csv", "openimages") == {}
    assert_same(read_dataset(tmp_path / "again.csv"), dataset, 1e-9)


def test_the_boxes_are_those_that_datumaro_reads(tmp_path: Path) -> None:
    write(
        tmp_path,
        "0001eeaf4aed83f9,xclick,/m/0cmf2,1,0.022673,0.964201,0.0712,0.8005,1,0,1,0,0",
        "0001eeaf4aed83f9,activemil,/m/01g317,1,0.1,0.35,0.2,0.9,0,1,0,0,1",
        name="train-annotations-bbox.csv",
    )
    (tmp_path / "class-descriptions-boxable.csv").write_text(
        "/m/0cmf2,Airplane\n/m/01g317,Person\n"
    )
    (tmp_path / "images" / "train").mkdir(parents=True)
    Image.new("L", (1024, 768)).save(tmp_path / "images" / "train" / "0001eeaf4aed83f9.jpg")
    dataset = read_dataset(
        tmp_path / "train-annotations-bbox.csv", sizes=Sizes(tmp_path / "images" / "train")
    )
    assert dataset.images[0].name == "0001eeaf4aed83f9.jpg"
    machine = {"Airplane": "/m/0cmf2", "Person": "/m/01g317"}
    ours = {
        name: sorted((machine[title], corners) for title, corners in found)
        for name, found in boxes(dataset).items()
    }
    assert_close(ours, read_with_datumaro(tmp_path, "open_images"))
    one, two = dataset.images[0].labels
    assert (one.occlusion, one.truncation, one.crowd, one.score) == (1, 0.0, True, None)
    assert one.attributes == {"Source": "xclick", "IsDepiction": False, "IsInside": False}
    assert (two.occlusion, two.truncation, two.crowd) == (0, 1.0, False)
    assert two.attributes == {"Source": "activemil", "IsDepiction": False, "IsInside": True}
    write_dataset(dataset, tmp_path / "again.csv", "openimages")
    given = (tmp_path / "train-annotations-bbox.csv").read_text()
    again = (tmp_path / "again.csv").read_text()
    for title, name in machine.items():
        again = again.replace(title, name)
    assert [row.split(",")[:4] for row in again.split()] == [
        row.split(",")[:4] for row in given.split()
    ]
    assert [row.split(",")[8:] for row in again.split()] == [
        row.split(",")[8:] for row in given.split()
    ]


def test_commas_points_and_unknown_marks_are_read(tmp_path: Path) -> None:
    comma = label(tmp_path, 'a.png,,car,,"0,25",1,"0,5","0,75",,,,,')
    point = label(tmp_path, "a.png,,car,,0.25,1,0.5,0.75,-1,-1,-1,-1,-1")
    assert comma == point == Label((25, 25, 100, 37.5), 0)
    assert label(tmp_path, "a.png,,car,,0.25,1,0.5,0.75,1.0,0,0,0.0,-1") == Label(
        (25, 25, 100, 37.5), 0, occlusion=1, attributes={"IsDepiction": False}
    )


@pytest.mark.parametrize(
    ("source", "confidence", "score"),
    [
        ("xclick", "1", None),
        ("xclick", "0.5", 0.5),
        ("", "1", 1.0),
        ("machine", "1", 1.0),
        ("", "-1", None),
        ("", '"0,5"', 0.5),
    ],
)
def test_confidence_is_a_score_unless_people_drew_the_box(
    tmp_path: Path, source: str, confidence: str, score: float | None
) -> None:
    assert label(tmp_path, f"a.png,{source},car,{confidence},0,1,0,1,,,,,").score == score


def test_columns_come_in_any_order_and_others_are_counted(tmp_path: Path) -> None:
    header = "YMax,YMin,XMax,XMin,LabelName,ImageID,XClick1X,Note"
    path = write(tmp_path, "1,0.5,1,0,car,a,0.5,", "1,0,1,0,car,a,-1,x", header=header)
    dataset = read_dataset(path, sizes=SIZES)
    assert dataset.images[0].name == "a.jpg"
    assert [entry.box for entry in dataset.images[0].labels] == [(0, 25, 100, 50), (0, 0, 100, 50)]
    assert dataset.unread == {"values of column 'XClick1X'": 1, "values of column 'Note'": 1}


def test_names_with_commas_quotes_and_lines_come_back(tmp_path: Path) -> None:
    image = LabelledImage('a, "b".png', 100, 50, (Label((0, 0, 50, 50), 0),))
    dataset = Dataset((Category('c,\n"d"'),), (image,))
    write_dataset(dataset, tmp_path / "out.csv", "openimages")
    assert_same(read_dataset(tmp_path / "out.csv", sizes=SIZES), dataset)


def test_what_has_no_place_is_told(tmp_path: Path) -> None:
    attributes = {"Source": "xclick", "IsInside": 1, "pose": "left"}
    labels = (
        Label((0, 0, 9, 9), 1, score=1.0, attributes=attributes),
        Label((0, 0, 9, 9), 1, score=1.0, attributes={"Source": ""}),
    )
    images = (LabelledImage("a.png", 100, 50, labels), LabelledImage("b.png", 100, 50))
    dataset = Dataset((Category("bus"), Category("car")), images)
    assert write_dataset(dataset, tmp_path / "out.csv", "openimages") == {
        "images without boxes": 1,
        "classes without boxes": 1,
        "scores": 1,
        "attributes of boxes": 3,
    }
    [image] = read_dataset(tmp_path / "out.csv", sizes=SIZES).images
    assert [entry.score for entry in image.labels] == [None, 1.0]
    assert [entry.attributes for entry in image.labels] == [{"Source": "xclick"}, {}]


def test_a_size_that_nobody_knows_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, "a,,car,,0,1,0,1,,,,,")
    with pytest.raises(DataError, match=r"line 2: the size of image 'a\.jpg' is not known"):
        read_dataset(path)
    (tmp_path / "images").mkdir()
    Image.new("L", (30, 20)).save(tmp_path / "images" / "a.jpg")
    assert read_dataset(path).images[0].width == 30


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.png,,car,,0,1,0", "line 2: has 7 columns, not 13"),
        ("a.png,,car,,0,1,0,x,,,,,", "line 2: YMax: 'x' is no number"),
        ("a.png,,car,,0,1,0,,,,,,", "line 2: YMax: '' is no number"),
        ("a.png,,,,0,1,0,1,,,,,", "line 2 has no LabelName"),
        ("a.png,,car,,0,1,0,1,2,,,,", "line 2: IsOccluded is '2', neither 1, 0 nor -1"),
        ("a.png,,car,,0,1,0,1,,,,,yes", "line 2: IsInside is 'yes'"),
        ("a.png,,car,nan,0,1,0,1,,,,,", "Confidence is no finite number"),
        ("../a.png,,car,,0,1,0,1,,,,,", "is no path below a folder"),
        (",,car,,0,1,0,1,,,,,", "the picture's name '' is no path"),
        ('"' + "a" * 200_000, r"is no CSV \(field larger than"),
    ],
)
def test_rows_that_make_no_sense_are_refused(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"boxes\.csv: .*{message}"):
        read_dataset(write(tmp_path, row), "openimages", SIZES)


def test_other_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no column ImageID; check that it is Open Images'"):
        read_dataset(write(tmp_path, header="a,b"), "openimages")
    (tmp_path / "boxes.csv").write_bytes(b"")
    with pytest.raises(DataError, match="has no column"):
        read_dataset(tmp_path / "boxes.csv", "openimages")
    (tmp_path / "class-descriptions-boxable.csv").write_text("/m/1\n")
    with pytest.raises(DataError, match=r"class-descriptions-boxable\.csv: line 1: has 1 columns"):
        read_dataset(write(tmp_path), "openimages")


def test_names_without_a_place_are_refused(tmp_path: Path) -> None:
    labels = (Label((0, 0, 9, 9), 0),)
    for name, title, message in (
        ("a", "car", "takes a name without a suffix for that of a .jpg picture"),
        ("a.png", "", "no place for a class called ''"),
    ):
        dataset = Dataset((Category(title),), (LabelledImage(name, 9, 9, labels),))
        with pytest.raises(DataError, match=message):
            write_dataset(dataset, tmp_path / "out.csv", "openimages")
    assert not list(tmp_path.iterdir())
