"""Pascal VOC: the benchmark's own files and ImageNet's, held against Datumaro; and small ones written by hand."""

from pathlib import Path

import pytest
from PIL import Image

from tests.data.formats.datasets import assert_same
from tests.data.formats.judge import assert_close, boxes, read_with_datumaro
from thrifty.data.dataset import Category, Dataset, Label, LabelledImage
from thrifty.data.formats.catalogue import read_dataset, recognised, write_dataset
from thrifty.data.formats.sizes import Sizes
from thrifty.errors import DataError

BOX = "<bndbox><xmin>11</xmin><ymin>21</ymin><xmax>40.5</xmax><ymax>45</ymax></bndbox>"
SIZE = "<size><width>100</width><height>50</height><depth>3</depth></size>"
PERSON = f"<object><name>person</name>{BOX}</object>"


def write(folder: Path, content: str, name: str = "a.xml") -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"<annotation>{content}</annotation>")
    return folder / name


def listed(folder: Path, source: Path) -> Path:
    """A copy as Datumaro needs it: it reads what lists in `ImageSets` name, and nothing else."""
    (folder / "Annotations").mkdir(parents=True)
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    files = sorted(source.rglob("*.xml"))
    for file in files:
        (folder / "Annotations" / file.name).write_bytes(file.read_bytes())
    stems = "".join(f"{file.stem}\n" for file in files)
    (folder / "ImageSets" / "Main" / "train.txt").write_text(stems)
    return folder


@pytest.mark.parametrize(("kind", "posed"), [("pascalvoc_format", 6), ("imagenet_format", 0)])
def test_specimens_are_as_datumaro_reads_them_and_come_back(
    specimens: Path, tmp_path: Path, kind: str, posed: int
) -> None:
    source = specimens / "misc" / kind
    dataset = read_dataset(source)
    assert (len(dataset.images), dataset.label_count, dataset.unread) == (3, 8, {})
    assert sorted(entry.name for entry in dataset.categories) == ["aeroplane", "person"]
    assert [(image.width, image.height) for image in dataset.images] == [
        (486, 500), (500, 281), (500, 366),
    ]  # fmt: skip
    labels = [label for image in dataset.images for label in image.labels]
    assert sum("pose" in label.attributes for label in labels) == posed
    theirs = read_with_datumaro(
        listed(tmp_path / "theirs", source), "voc_detection", coordinate_mode="voc-one-based"
    )
    assert_close(boxes(dataset), theirs)
    assert write_dataset(dataset, tmp_path / "again", "voc") == {}
    assert_same(read_dataset(tmp_path / "again"), dataset, 0)
    again = read_with_datumaro(tmp_path / "again", "voc_detection", coordinate_mode="voc-one-based")
    assert_close(again, theirs, 0)


def test_a_box_of_one_pixel_is_one_pixel_wide(tmp_path: Path) -> None:
    one = BOX.replace("40.5", "11").replace("45", "21")
    path = write(tmp_path, f"<filename>a.jpg</filename>{SIZE}<object><name>x</name>{one}</object>")
    [image] = read_dataset(path).images
    assert image == LabelledImage("a.jpg", 100, 50, (Label((10, 20, 11, 21), 0),))


def test_marks_pose_and_attributes_are_kept(tmp_path: Path) -> None:
    attribute = "<attribute><name>hat</name><value> red &amp; blue</value></attribute>"
    content = (
        f"<object><name>person</name>{BOX}<difficult>1</difficult><truncated>1</truncated>"
        f"<occluded>1</occluded><pose>Left</pose><attributes>{attribute}</attributes></object>"
        f"<object><name>person</name>{BOX}<difficult/><truncated>0.25</truncated>"
        "<occluded>2</occluded><pose>Unspecified</pose></object>"
    )
    dataset = read_dataset(write(tmp_path, SIZE + content))
    first, second = dataset.images[0].labels
    assert first == Label(
        (10, 20, 40.5, 45), 0, ignore=True, occlusion=1, truncation=1.0,
        attributes={"pose": "Left", "hat": " red & blue"},
    )  # fmt: skip
    assert second == Label((10, 20, 40.5, 45), 0, occlusion=2, truncation=0.25)
    assert write_dataset(dataset, tmp_path / "again", "voc") == {
        "degrees of occlusion (kept as a mark)": 1,
        "degrees of truncation (kept as a mark)": 1,
    }
    assert read_dataset(tmp_path / "again").images[0].labels[0] == first


@pytest.mark.parametrize(
    ("value", "box", "kept"),
    [
        ("90.0", (12.75, 17.25, 37.75, 47.75), {}),
        ("0.0", (10, 20, 40.5, 45), {"rotation": "0.0"}),
        ("left", (10, 20, 40.5, 45), {"rotation": "left"}),
        ("inf", (10, 20, 40.5, 45), {"rotation": "inf"}),
    ],
)
def test_a_rectangle_that_cvat_turned_lies_in_the_upright_box_around_it(
    tmp_path: Path, value: str, box: tuple[float, ...], kept: dict[str, str]
) -> None:
    attribute = f"<attribute><name>rotation</name><value>{value}</value></attribute>"
    content = f"<object><name>x</name>{BOX}<attributes>{attribute}</attributes></object>"
    [label] = read_dataset(write(tmp_path, SIZE + content)).images[0].labels
    assert label.box == pytest.approx(box)
    assert label.attributes == kept


def test_parts_are_counted(tmp_path: Path) -> None:
    part = f"<part><name>head</name>{BOX}</part>"
    content = f"<object><name>x</name>{BOX}{part}{part}<polygon><x1>1</x1></polygon></object>"
    dataset = read_dataset(write(tmp_path, SIZE + content))
    assert dataset.unread == {"parts of objects": 2, "objects' element <polygon>": 1}
    assert dataset.label_count == 1


def test_folders_of_pictures_are_kept(tmp_path: Path) -> None:
    bare, named = "<filename>a.jpg</filename>", "<filename>night/b.jpg</filename>"
    write(tmp_path / "Annotations", bare + SIZE, "day/a.xml")
    write(tmp_path / "Annotations", named + SIZE, "night/b.xml")
    write(tmp_path / "Annotations", SIZE, "c.xml")
    dataset = read_dataset(tmp_path)
    assert sorted(image.name for image in dataset.images) == ["c.jpg", "day/a.jpg", "night/b.jpg"]
    write_dataset(dataset, tmp_path / "again", "voc")
    assert (tmp_path / "again" / "Annotations" / "day" / "a.xml").is_file()
    assert_same(read_dataset(tmp_path / "again"), dataset)


@pytest.mark.parametrize("size", ["", SIZE.replace("100", "0")])
def test_a_size_that_is_not_told_is_the_pictures(tmp_path: Path, size: str) -> None:
    write(tmp_path / "Annotations", f"<filename>a.png</filename><segmented>0</segmented>{size}")
    assert read_dataset(tmp_path).images[0].width is None
    (tmp_path / "JPEGImages").mkdir()
    Image.new("L", (30, 20)).save(tmp_path / "JPEGImages" / "a.png")
    [image] = read_dataset(tmp_path).images
    assert (image.width, image.height) == (30, 20)
    assert read_dataset(tmp_path, sizes=Sizes(size=(7, 8))).images[0].width == 7


def test_classes_come_in_the_order_of_labelmap(tmp_path: Path) -> None:
    write(tmp_path / "Annotations", SIZE + PERSON)
    rows = ["# label:color_rgb:parts:actions", "background:0,0,0::", "a:b:128,0,0::", "person:::"]
    (tmp_path / "labelmap.txt").write_text("\n".join(rows))
    dataset = read_dataset(tmp_path)
    assert [entry.name for entry in dataset.categories] == ["a:b", "person"]
    assert dataset.images[0].labels[0].category == 1


def test_pictures_of_one_stem_get_files_of_their_own(tmp_path: Path) -> None:
    images = tuple(LabelledImage(name, 9, 9) for name in ("a.jpg", "a.png", "b.jpg", "v.avi#3"))
    write_dataset(Dataset((), images), tmp_path / "out", "voc")
    files = sorted(path.name for path in (tmp_path / "out" / "Annotations").iterdir())
    assert files == ["a.jpg.xml", "a.png.xml", "b.xml", "v.avi#3.xml"]


@pytest.mark.parametrize("name", ["#1", "", "a\nb"])
def test_classes_that_labelmap_has_no_place_for_are_refused(tmp_path: Path, name: str) -> None:
    dataset = Dataset((Category(name),), (LabelledImage("a.png", 9, 9),))
    with pytest.raises(DataError, match="has no place for a class called"):
        write_dataset(dataset, tmp_path / "out", "voc")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<object/>", "object 0 has no name"),
        ("<object><name>x</name></object>", r"object 0 \('x'\) has no bndbox"),
        (f"{PERSON}{PERSON.replace('40.5', 'x')}", "object 1: xmax: 'x' is no number"),
        (PERSON.replace("<xmin>11</xmin>", ""), "xmin: nothing is no number"),
        (PERSON.replace("</name>", "</name><truncated>x</truncated>"), "truncated: 'x' is no"),
        (PERSON.replace("</name>", "</name><occluded>nan</occluded>"), "nan is no mark"),
        (SIZE.replace("100", "-1"), "size -1x50 has no pixels"),
        (SIZE.replace("100", "1e400"), "size: '1e400' is no whole number"),
        ("<filename>../../a.png</filename>", "is no path below a folder"),
        ("<filename>a&#10;b.png</filename>", "has characters that no file name has"),
        ("<object>", "not well-formed XML"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=rf"a\.xml: .*{message}") as caught:
        read_dataset(path, "voc")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotations/>", "holds no <annotation>"),
        ("<a><annotation/><annotation/></a>", "holds several <annotation>"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><annotation>&b;</annotation>", "declares a document type"),
        ("", "not well-formed XML"),
    ],
)
def test_other_xml_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path / "a.xml", "voc")


def test_labelme_s_old_xml_and_cvat_s_are_not_taken_for_it(tmp_path: Path) -> None:
    write(tmp_path, "<filename>a</filename><object><polygon/></object>")
    assert recognised(tmp_path / "a.xml") == []
