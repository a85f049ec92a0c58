"""Open Images: a real file with decimal commas, and rows by hand after the columns that the data set documents."""

from pathlib import Path

import pytest
from PIL import Image as Pillow

from tests.data.formats.datasets import assert_same
from thrifty.data.dataset import Label
from thrifty.data.formats.catalogue import read_dataset, write_dataset
from thrifty.data.formats.sizes import Sizes
from thrifty.errors import DataError

HEAD = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
SIZE = Sizes(size=(200, 100))


def write(folder: Path, *rows: str, head: str = HEAD) -> Path:
    path = folder / "boxes.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def test_shares_become_pixels_and_marks_are_kept(tmp_path: Path) -> None:
    (tmp_path / "class-descriptions-boxable.csv").write_text(
        '/m/01g317,Person\n/m/0k4j,"Car, big"\n'
    )
    path = write(
        tmp_path,
        "000a,xclick,/m/01g317,1,0.1,0.5,0.2,0.4,1,0,0,0,1",
        '000a,activemil,/m/0k4j,0.75,0,1,"0,25","0,5",-1,1,1,-1,',
        "b.png,,tree,1,0,1,0,1,,,,,",
    )
    dataset = read_dataset(path, sizes=SIZE)
    assert [category.name for category in dataset.categories] == ["Person", "Car, big", "tree"]
    first, second = dataset.images
    assert (first.name, second.name) == ("000a.jpg", "b.png")
    assert first.labels == (
        Label(
            (20.0, 20.0, 100.0, 40.0),
            0,
            occlusion=1,
            attributes={"source": "xclick", "depiction": False, "inside": True},
        ),
        Label(
            (0.0, 25.0, 200.0, 50.0),
            1,
            crowd=True,
            truncation=1.0,
            score=0.75,
            attributes={"source": "activemil"},
        ),
    )
    assert second.labels[0].attributes == {}


def test_the_specimen_has_the_boxes_of_the_same_set_in_coco(
    specimens: Path, tmp_path: Path
) -> None:
    """Shares of the pictures' sizes, which the COCO file tells; both were written from the same numbers."""
    coco = read_dataset(specimens / "misc" / "coco_format" / "coco_format_v2_instances_v2.json")
    for image in coco.images:
        Pillow.new("1", (image.width or 0, image.height or 0)).save(tmp_path / image.name)
    path = specimens / "misc" / "openimages_format" / "all_bounding_boxes.csv"
    dataset = read_dataset(path, sizes=Sizes(tmp_path))
    assert (len(dataset.images), dataset.label_count) == (100, 273)
    ours = {image.name: image for image in dataset.images}
    for image in coco.images:
        found = ours[image.name].labels
        assert len(found) == len(image.labels)
        names = sorted(dataset.categories[label.category].name for label in found)
        assert names == sorted(coco.categories[label.category].name for label in image.labels)
        boxes = sorted(tuple(round(side) for side in label.box) for label in found)
        assert boxes == sorted(label.box for label in image.labels)
    assert write_dataset(dataset, tmp_path / "again.csv", "openimages") == {}
    assert_same(read_dataset(tmp_path / "again.csv", sizes=Sizes(tmp_path)), dataset, 1e-9)


@pytest.mark.parametrize(
    ("rows", "head", "message"),
    [
        (["a,b"], HEAD, "line 2 has 2 values for 13 columns"),
        (["a,,car,1,x,1,0,1,,,,,"], HEAD, "line 2: XMin: 'x' is no number"),
        (["a,,,1,0,1,0,1,,,,,"], HEAD, "line 2 has no LabelName"),
        (['"a,,,1,0,1,0,1,,,,,'], HEAD, "line 2 is no row of values"),
        ([], "ImageID,Source", "has no column LabelName"),
        (["../a,,car,1,0,1,0,1,,,,,"], HEAD, "line 2: the picture's name"),
    ],
)
def test_what_is_no_table_of_boxes_is_refused(
    tmp_path: Path, rows: list[str], head: str, message: str
) -> None:
    with pytest.raises(DataError, match=rf"boxes\.csv: {message}"):
        read_dataset(write(tmp_path, *rows, head=head), sizes=SIZE)


def test_unknown_sizes_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, "a,,car,1,0,1,0,1,,,,,")
    with pytest.raises(DataError, match=r"size of image 'a\.jpg' is not known and .*--images DIR"):
        read_dataset(path)
