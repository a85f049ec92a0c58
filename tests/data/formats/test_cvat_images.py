"""CVAT for images: CVAT's own export of Pascal VOC, held against Datumaro; and small files from CVAT's documentation."""

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

from tests.data.formats.datasets import assert_same, datasets, pictures
from tests.data.formats.judge import Boxes, assert_close, boxes, read_with_datumaro
from thrifty.data.dataset import Category, Dataset, Label, LabelledImage
from thrifty.data.formats.catalogue import FORMATS, read_dataset, recognised, write_dataset
from thrifty.data.formats.format import Trait
from thrifty.data.formats.projection import project
from thrifty.errors import DataError

META = """<meta><task><name>t</name><mode>annotation</mode><labels>
  <label><name>car</name><attributes></attributes></label>
  <label><name>person</name></label>
  <label><name>nose</name><parent>person</parent></label>
</labels></task></meta>"""


def file(folder: Path, body: str, meta: str = META) -> Path:
    path = folder / "annotations.xml"
    content = f"<annotations><version>1.1</version>{meta}{body}</annotations>"
    path.write_text(f'<?xml version="1.0" encoding="utf-8"?>\n{content}', encoding="utf-8")
    return path


def image(body: str, name: str = "a.jpg") -> str:
    return f'<image id="3" name="{name}" width="640" height="480">{body}</image>'


def as_datumaro_reads(dataset: Dataset, content: bytes, folder: Path) -> Boxes:
    """Datumaro reads no file without its pictures."""
    (folder / "images").mkdir(parents=True)
    (folder / "annotations.xml").write_bytes(content)
    pictures(dataset, folder / "images")
    return read_with_datumaro(folder, "cvat")


def test_the_specimen_is_as_datumaro_reads_it_and_comes_back(
    specimens: Path, tmp_path: Path
) -> None:
    path = specimens / "cvat" / "annotations.xml"
    assert [entry.name for entry in recognised(path)] == ["cvat-images"]
    dataset = read_dataset(path)
    assert (len(dataset.images), dataset.label_count, dataset.unread) == (100, 273, {})
    assert [entry.name for entry in dataset.categories][:3] == ["person", "cat", "boat"]
    assert len(dataset.categories) == 20
    assert (dataset.images[0].name, dataset.images[0].id) == ("2007_001585.jpg", 99)
    assert write_dataset(dataset, tmp_path / "again.xml", "cvat-images") == {}
    assert read_dataset(tmp_path / "again.xml") == dataset
    for place, written in enumerate((path, tmp_path / "again.xml")):
        theirs = as_datumaro_reads(dataset, written.read_bytes(), tmp_path / str(place))
        assert_close(boxes(dataset), theirs)


def test_what_is_written_of_turned_boxes_datumaro_reads_as_polygons(tmp_path: Path) -> None:
    from datumaro.components.annotation import AnnotationType  # noqa: PLC0415 (slow)
    from datumaro.components.dataset import Dataset as Judge  # noqa: PLC0415

    outline = (20.0, 10.0, 30.0, 20.0, 20.0, 30.0, 10.0, 20.0)
    label = Label((10, 10, 30, 30), 0, outline=(outline,), occlusion=1, attributes={"a": "b & <c>"})
    dataset = Dataset((Category("big car"),), (LabelledImage("a b.png", 640, 480, (label,)),))
    write_dataset(dataset, tmp_path / "x.xml", "cvat-images")
    as_datumaro_reads(dataset, (tmp_path / "x.xml").read_bytes(), tmp_path / "judge")
    [item] = Judge.import_from(str(tmp_path / "judge"), "cvat")
    [polygon] = item.annotations
    assert polygon.type == AnnotationType.polygon
    assert tuple(polygon.points) == outline
    assert polygon.attributes == {"a": "b & <c>", "occluded": True}


def test_every_kind_of_shape_is_read_or_counted(tmp_path: Path) -> None:
    """By hand, from CVAT's documentation of the format."""
    body = image(
        '<box label="car" occluded="1" source="manual" xtl="10.0" ytl="20" xbr="50" ybr="40" rotation="90.0" '
        'z_order="2" group_id="4"><attribute name="color">red</attribute><attribute name="no"></attribute></box>'
        '<polygon label="person" points="1,2;30.5,4;5,60" occluded="0"/>'
        '<ellipse label="car" cx="100" cy="50" rx="30" ry="10" rotation="90"/>'
        '<box label="dog" xtl="0" ytl="0" xbr="1" ybr="1"/>'
        '<polyline label="car" points="1,2;3,4"/><points label="car" points="1,2"/><cuboid label="car"/>'
        '<mask label="car" rle="3, 5" left="1" top="1" width="2" height="4"/><tag label="car"/>'
        '<skeleton label="person"><points label="nose" points="1,2"/></skeleton>'
    )
    dataset = read_dataset(file(tmp_path, body))
    assert [entry.name for entry in dataset.categories] == ["car", "person", "dog"]
    turned, polygon, ellipse, plain = dataset.images[0].labels
    assert turned.box == pytest.approx((20, 10, 40, 50))
    assert turned.outline is not None
    assert turned.outline[0] == pytest.approx((40, 10, 40, 50, 20, 50, 20, 10))
    assert (turned.occlusion, turned.group, turned.category) == (1, 4, 0)
    assert turned.attributes == {"color": "red", "no": ""}
    assert list(polygon.box) == [1, 2, 30.5, 60]
    assert list(polygon.outline or ()) == [(1, 2, 30.5, 4, 5, 60)]
    assert ellipse.box == pytest.approx((90, 20, 110, 80))
    assert ellipse.outline is None
    assert list(plain.box) == [0, 0, 1, 1]
    assert dataset.unread == {
        "layers of boxes (z_order)": 1,
        "ellipses (the box around them is kept)": 1,
        "polylines": 1,
        "sets of points": 1,
        "cuboids": 1,
        "masks": 1,
        "tags of images": 1,
        "skeletons": 1,
    }


def test_frames_of_a_video_task_are_called_after_the_video(tmp_path: Path) -> None:
    meta = META.replace("</task>", "<source>drive.mp4</source></task>")
    dataset = read_dataset(file(tmp_path, image("", "frame_000003"), meta))
    [found] = dataset.images
    assert (found.name, found.video, found.frame) == ("drive.mp4#3", "drive.mp4", 3)


def project_meta(*sources: str) -> str:
    """Of a project whose tasks, numbered from 7, are of videos, or of pictures where there is no source."""
    tasks = "".join(
        f"<task><id>{key}</id>{f'<source>{source}</source>' if source else ''}</task>"
        for key, source in enumerate(sources, start=7)
    )
    labels = "<labels><label><name>car</name></label></labels>"
    return f"<meta><project><name>p</name><tasks>{tasks}</tasks>{labels}</project></meta>"


def test_images_of_a_project_are_called_after_the_video_of_their_task(tmp_path: Path) -> None:
    body = (
        '<image id="3" name="frame_000003" task_id="7" width="4" height="3"/>'
        '<image id="9" name="a.jpg" task_id="8" width="4" height="3"/>'
    )
    dataset = read_dataset(file(tmp_path, body, project_meta("drive.mp4", "")))
    assert [image.name for image in dataset.images] == ["drive.mp4#3", "a.jpg"]
    dataset = read_dataset(file(tmp_path, body.replace('"8"', '"7"'), project_meta("drive.mp4")))
    assert [image.name for image in dataset.images] == ["drive.mp4#3", "drive.mp4#9"]


@pytest.mark.parametrize("sources", [("day.mp4", "night.mp4"), ("", "night.mp4")])
def test_a_video_whose_frames_are_numbered_after_those_of_another_task_is_refused(
    tmp_path: Path, sources: tuple[str, ...]
) -> None:
    body = '<image id="103" name="frame_000103" task_id="8" width="4" height="3"/>'
    with pytest.raises(DataError, match="is of several tasks.*; export each task on its own"):
        read_dataset(file(tmp_path, body, project_meta(*sources)))


def test_archives_and_folders_are_read(tmp_path: Path) -> None:
    path = file(tmp_path, image('<box label="car" xtl="0" ytl="0" xbr="9" ybr="9"/>'))
    with zipfile.ZipFile(tmp_path / "task.zip", "w") as archive:
        archive.write(path, "annotations.xml")
        archive.writestr("images/a.jpg", b"")
    assert read_dataset(tmp_path / "task.zip") == read_dataset(tmp_path) == read_dataset(path)


def test_images_of_a_project_keep_subset_and_task(tmp_path: Path) -> None:
    body = '<image id="0" name="a.jpg" subset="train" task_id="7" width="4" height="3"></image>'
    meta = META.replace("task>", "project>")
    [found] = read_dataset(file(tmp_path, body, meta)).images
    assert found.attributes == {"subset": "train", "task_id": "7"}


def test_what_cvat_cannot_number_is_numbered_anew_or_lost() -> None:
    plain = Label((0, 0, 9, 9), 0)
    labels = (replace(plain, group="left"), replace(plain, group=0), replace(plain, group=3))
    images = (LabelledImage("a.jpg", 10, 10, labels, id="x"), LabelledImage("b.jpg", 10, 10, id=4))
    kept, losses = project(Dataset((Category("car"),), images), FORMATS["cvat-images"])
    assert [entry.id for entry in kept.images] == [0, 1]
    assert [entry.group for entry in kept.images[0].labels] == [None, None, 3]
    assert losses == {Trait.GROUPS: 2, Trait.IMAGE_IDS: 2}


@pytest.mark.parametrize(
    ("outline", "kept"),
    [
        (((0.0, 0.0, 9.0, 0.0, 9.0, 9.0),), True),
        (((0.0, 0.0, 9.04, 0.0, 9.0, 9.0),), True),
        (((0.0, 0.0, 9.1, 0.0, 9.0, 9.0),), False),
        (((0.0, 0.0, 9.0, 9.0),), False),
        (((0.0, 0.0, 9.0, 0.0, 9.0, 9.0), (1.0, 1.0, 2.0, 1.0, 2.0, 2.0)), False),
        (((0.0, 0.0, 9.0, 0.0, 9.0, 9.0, 1.0),), False),
        ((), False),
    ],
)
def test_one_polygon_stands_for_its_box_if_it_is_around_it(
    outline: tuple[tuple[float, ...], ...], *, kept: bool
) -> None:
    image = LabelledImage("a.jpg", 10, 10, (Label((0, 0, 9, 9), 0, outline=outline),), id=0)
    found, losses = project(Dataset((Category("car"),), (image,)), FORMATS["cvat-images"])
    assert (found.images[0].labels[0].outline is not None) is kept
    assert losses == ({} if kept else {Trait.OUTLINES: 1})


@given(dataset=datasets())
def test_the_same_data_set_gives_the_same_bytes(dataset: Dataset) -> None:
    entry = FORMATS["cvat-images"]
    kept, _ = project(dataset, entry)
    assert list(entry.write(kept)) == list(entry.write(kept))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('<image id="0" width="1" height="1"/>', "an <image> has no name"),
        ('<image id="x" name="a"/>', "a: id: 'x' is no number"),
        ('<image id="0.5" name="a"/>', "a: id: '0.5' is no whole number"),
        ('<image id="0" name="a" width="0" height="9"/>', "a: size 0x9 has no pixels"),
        ('<image id="0" name="../a"/>', r"the picture's name '../a' is no path below a folder"),
        (image('<box xtl="0" ytl="0" xbr="9" ybr="9"/>'), "a.jpg: a <box> has no label"),
        (image('<box label="car" xtl="0" ytl="0" xbr="9"/>'), "a.jpg: ybr: nothing is no number"),
        (image('<box label="car" xtl="0,5" ytl="0" xbr="9" ybr="9"/>'), "xtl: '0,5' is no number"),
        (
            image('<box label="car" xtl="0" ytl="0" xbr="9" ybr="9" rotation="up"/>'),
            "rotation: 'up' is no number",
        ),
        (
            image('<box label="car" xtl="0" ytl="0" xbr="9" ybr="9" group_id="1.5"/>'),
            "group_id: '1.5' is no whole number",
        ),
        (image('<polygon label="car" points="1,2;3"/>'), "points of a polygon are no pairs"),
        (image('<polygon label="car"/>'), "points of a polygon are no pairs"),
        (image('<ellipse label="car" cx="1"/>'), "cy: nothing is no number"),
        (image('<box label="car" xtl="nan" ytl="0" xbr="9" ybr="9"/>'), "not four finite numbers"),
        (
            image('<box label="car" xtl="0" ytl="0" xbr="9" ybr="9" rotation="inf"/>'),
            "not four finite numbers",
        ),
        ('<track id="0" label="car"/>', "is CVAT's format for video; name the format cvat-video"),
        ("<image", "not well-formed XML"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(tmp_path: Path, body: str, message: str) -> None:
    path = file(tmp_path, body)
    with pytest.raises(DataError, match=message) as caught:
        read_dataset(path, "cvat-images")
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_other_xml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<annotation><object/></annotation>")
    assert "cvat-images" not in [entry.name for entry in recognised(tmp_path / "a.xml")]
    with pytest.raises(DataError, match="holds neither <meta> nor <image>"):
        read_dataset(tmp_path / "a.xml", "cvat-images")


@pytest.mark.parametrize("name", ["a\x01.jpg", "../a.jpg"])
def test_names_that_cannot_be_written_are_refused_and_nothing_is_left(
    tmp_path: Path, name: str
) -> None:
    dataset = Dataset((Category("car"),), (LabelledImage(name, 10, 10, id=0),))
    with pytest.raises(DataError, match="rename it"):
        write_dataset(dataset, tmp_path / "a.xml", "cvat-images")
    dataset = Dataset((Category("c\x01"),), (LabelledImage("a.jpg", 10, 10, id=0),))
    with pytest.raises(DataError, match="has control characters, which XML has no place for"):
        write_dataset(dataset, tmp_path / "a.xml", "cvat-images")
    assert not list(tmp_path.iterdir())


def test_line_breaks_in_texts_come_back(tmp_path: Path) -> None:
    label = Label((0, 0, 9, 9), 0, attributes={"a\n b": " one\r\n\ttwo "})
    dataset = Dataset((Category("big\tcar "),), (LabelledImage("a.jpg", 10, 10, (label,), id=0),))
    assert write_dataset(dataset, tmp_path / "a.xml", "cvat-images") == {}
    assert_same(read_dataset(tmp_path / "a.xml"), dataset)
