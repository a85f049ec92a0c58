"""Caltech `.vbb`. No specimen is at hand: files are made with SciPy, by the fields that Caltech's toolbox defines."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from tests.data.formats.datasets import assert_same
from tests.data.norpix import write_seq
from thrifty.data.dataset import Category, Dataset, Label, LabelledImage
from thrifty.data.formats.catalogue import read_dataset, write_dataset
from thrifty.errors import DataError

FIELDS = ("id", "pos", "occl", "lock", "posv")


def objects(*entries: tuple[int, list[float], int, list[float]]) -> np.ndarray:
    """The objects of one frame: track, box, whether occluded, box of the visible part."""
    table = np.zeros((1, len(entries)), dtype=[(name, object) for name in FIELDS])
    for place, (track, box, occluded, visible) in enumerate(entries):
        row = (track, np.array([box], float), occluded, 0, np.array([visible], float))
        for name, value in zip(FIELDS, row, strict=True):
            table[name][0, place] = value
    return table


def write_vbb(path: Path, frames: list[np.ndarray], labels: list[str], **changes: object) -> Path:
    lists = np.empty((1, len(frames)), dtype=object)
    for number, drawn in enumerate(frames):
        lists[0, number] = drawn
    count = len(labels)
    content: dict[str, object] = {
        "nFrame": len(frames),
        "objLists": lists,
        "maxObj": count,
        "objInit": np.ones((1, count)),
        "objLbl": np.array([labels], dtype=object),
        "objStr": np.ones((1, count)),
        "objEnd": np.ones((1, count)),
        "objHide": np.zeros((1, count)),
        "altered": 0,
        "log": np.zeros((1, 0)),
        "logLen": 0,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"A": content | changes}, appendmat=False)
    return path


NONE = np.zeros((0, 0))
ZERO = [0.0, 0.0, 0.0, 0.0]


@pytest.fixture
def vbb(tmp_path: Path) -> Path:
    """Three frames: a person, the person half hidden beside some people, nobody."""
    first = objects((1, [11, 21, 5, 10], 0, ZERO))
    second = objects((1, [12, 21, 5, 10], 1, [12, 21, 5, 4]), (2, [101, 1, 50, 60], 0, ZERO))
    return write_vbb(tmp_path / "set00" / "V000.vbb", [first, second, NONE], ["person", "people"])


def test_boxes_are_1_based_and_frames_belong_to_the_seq_file(vbb: Path, tmp_path: Path) -> None:
    dataset = read_dataset(tmp_path / "set00")
    assert [entry.name for entry in dataset.categories] == ["person", "people"]
    assert [image.name for image in dataset.images] == [f"V000.seq#{n}" for n in range(3)]
    assert [(image.video, image.frame) for image in dataset.images] == [
        ("V000.seq", n) for n in range(3)
    ]
    one, two, three = (image.labels for image in dataset.images)
    assert one == (Label((10, 20, 15, 30), 0, track=1),)
    assert two == (
        Label((11, 20, 16, 30), 0, track=1, occlusion=1, visible=(11, 20, 16, 24)),
        Label((100, 0, 150, 60), 1, track=2, crowd=True),
    )
    assert three == ()
    assert (dataset.images[0].width, dataset.images[0].height) == (640, 480)
    assert read_dataset(vbb).images == dataset.images
    assert read_dataset(tmp_path).images[0].name == "set00/V000.seq#0"


def test_the_size_is_the_videos_where_it_lies_beside(vbb: Path) -> None:
    write_seq(vbb.with_suffix(".seq"), [np.zeros((60, 160, 3), np.uint8)], 2)
    image = read_dataset(vbb).images[0]
    assert (image.width, image.height) == (160, 60)


def test_it_is_written_as_it_was(vbb: Path, tmp_path: Path) -> None:
    dataset = read_dataset(tmp_path / "set00")
    lost = write_dataset(dataset, tmp_path / "again", "caltech")
    assert lost == {}
    assert_same(read_dataset(tmp_path / "again"), dataset, 0)
    given, again = (
        loadmat(path, squeeze_me=True, struct_as_record=False)["A"]
        for path in (vbb, tmp_path / "again" / "V000.vbb")
    )
    assert given._fieldnames == again._fieldnames
    assert again.nFrame == 3
    assert list(again.objLbl) == ["person", "people"]
    assert (list(again.objStr), list(again.objEnd)) == ([1, 2], [2, 2])
    for one, other in zip(given.objLists[1], again.objLists[1], strict=True):
        assert (one.id, one.occl) == (other.id, other.occl)
        np.testing.assert_array_equal(one.pos, other.pos)
        np.testing.assert_array_equal(one.posv, other.posv)


def test_tracks_that_are_no_numbers_are_numbered_anew_and_told(tmp_path: Path) -> None:
    labels = (Label((0, 0, 1, 1), 0, track="ann"), Label((5, 5, 6, 6), 0))
    image = LabelledImage("v/img7.png", 640, 480, labels, video="v", frame=7)
    lost = write_dataset(Dataset((Category("person"),), (image,)), tmp_path / "out", "caltech")
    assert lost == {
        "names of images (named after video and frame)": 1,
        "track ids (numbered anew)": 2,
    }
    [again] = read_dataset(tmp_path / "out").images
    assert (again.name, [label.track for label in again.labels]) == ("v.seq#7", [1, 2])


def test_stills_have_no_place(tmp_path: Path) -> None:
    image = LabelledImage("a.png", 640, 480, (Label((0, 0, 1, 1), 0),))
    with pytest.raises(DataError, match="no place for images outside videos"):
        write_dataset(Dataset((Category("person"),), (image,)), tmp_path / "out", "caltech")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("frames", "changes", "message"),
    [
        ([objects((3, [1, 1, 1, 1], 0, ZERO))], {}, "names track 3 of 1"),
        ([objects((1, [1, 1, 1], 0, ZERO))], {}, "pos holds 3 numbers instead of 4"),
        ([NONE], {"nFrame": 2}, "lists objects for 1 frames of 2"),
        ([NONE], {"nFrame": "x"}, "nFrame is no number"),
        ([np.ones((1, 1))], {}, "an object is no structure"),
        ([objects((1, [1, 1, 1, 1], 0, ZERO))], {"objLbl": np.array([[4]])}, "names track 1 of 0"),
    ],
)
def test_what_contradicts_itself_is_refused(
    tmp_path: Path, frames: list[np.ndarray], changes: dict[str, object], message: str
) -> None:
    path = write_vbb(tmp_path / "V000.vbb", frames, ["person"], **changes)
    with pytest.raises(DataError, match=rf"V000\.vbb: .*{message}"):
        read_dataset(path)
