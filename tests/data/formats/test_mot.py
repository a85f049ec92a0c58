"""MOTChallenge: no specimen is at hand; files are written by hand, by the benchmark's instructions and CVAT's."""

import zipfile
from pathlib import Path

import pytest
from PIL import Image

from tests.data.formats.datasets import assert_same
from tests.data.formats.judge import assert_close, boxes, read_with_datumaro
from thrifty.data.dataset import Category, Dataset, Label, LabelledImage
from thrifty.data.formats.catalogue import read_dataset, recognised, write_dataset
from thrifty.data.formats.mot_sequence import CLASSES
from thrifty.errors import DataError

INFO = (
    "[Sequence]\nname=MOT17-02\nimDir=img1\nframeRate=30\nseqLength=3\nimWidth=640\nimHeight=480\n"
    "imExt=.jpg\n"
)
BOXES = "1,1,10.5,20,30,40,1,1,0.5\n3,2,1,2,3,4,0,3,1\n\n3,-1,5,5,9,9,1,13,-1\n"


def write(folder: Path, content: str = BOXES, info: str = INFO, **files: str) -> Path:
    (folder / "gt").mkdir(parents=True, exist_ok=True)
    (folder / "gt" / "gt.txt").write_text(content)
    if info:
        (folder / "seqinfo.ini").write_text(info)
    for name, text in files.items():
        (folder / "gt" / f"{name}.txt").write_text(text)
    return folder


def test_a_folder_of_videos(tmp_path: Path) -> None:
    write(tmp_path / "train" / "MOT17-02")
    write(tmp_path / "train" / "x", "1,1,1,1,5,5,1,1,1\n", INFO.replace("480", "200"))
    assert [entry.name for entry in recognised(tmp_path)] == ["mot"]
    dataset = read_dataset(tmp_path / "train")
    assert [entry.name for entry in dataset.categories] == list(CLASSES)
    assert dataset.unread == {"frame rates": 2}
    assert [(image.name, image.video, image.frame) for image in dataset.images[:4]] == [
        ("MOT17-02/img1/000001.jpg", "MOT17-02", 0),
        ("MOT17-02/img1/000002.jpg", "MOT17-02", 1),
        ("MOT17-02/img1/000003.jpg", "MOT17-02", 2),
        ("x/img1/000001.jpg", "x", 0),
    ]
    assert [(image.width, image.height) for image in dataset.images[2:4]] == [
        (640, 480), (640, 200),
    ]  # fmt: skip
    one, two, three = (image.labels for image in dataset.images[:3])
    assert one == (Label((10.5, 20, 40.5, 60), 0, track=1, visibility=0.5),)
    assert two == ()
    assert three == (
        Label((1, 2, 4, 6), 2, ignore=True, track=2, visibility=1.0),
        Label((5, 5, 14, 14), 12),
    )
    assert write_dataset(dataset, tmp_path / "out", "mot") == {"frame rates": 2}
    again = read_dataset(tmp_path / "out")
    assert_same(again, dataset, 0)
    assert again.unread == {}
    written = (tmp_path / "out" / "MOT17-02" / "seqinfo.ini").read_text()
    assert written == INFO.replace("frameRate=30", "frameRate=0")
    assert not (tmp_path / "out" / "MOT17-02" / "gt" / "frames.txt").exists()


def test_one_video_is_called_as_it_calls_itself(tmp_path: Path) -> None:
    folder = write(tmp_path / "here")
    for path in (folder, folder / "gt" / "gt.txt"):
        assert [entry.name for entry in recognised(path)] == ["mot"]
        assert read_dataset(path).images[0].name == "MOT17-02/img1/000001.jpg"


def test_the_boxes_are_those_that_datumaro_reads(tmp_path: Path) -> None:
    write(tmp_path / "a", BOXES.replace("13", "12").replace("\n\n", "\n"))
    ours = boxes(read_dataset(tmp_path))
    theirs = read_with_datumaro(tmp_path, "mot_seq")
    titles = {
        "person_on_vehicle": "person on vehicle",
        "non_mot_vehicle": "non motorized vehicle",
        "static_person": "static person",
        "occluder_on_ground": "occluder on the ground",
        "occluder_full": "occluder full",
    }
    renamed = {
        str(int(name.rsplit("/", 1)[1])): sorted(
            (titles.get(title, title), corners) for title, corners in found
        )
        for name, found in ours.items()
    }
    assert_close(renamed, theirs)


def test_datumaro_reads_what_is_written(tmp_path: Path) -> None:
    write(tmp_path / "a", labels="big car\nperson\n", content="2,7,1.25,2,3,4,1,2,0.5\n")
    dataset = read_dataset(tmp_path)
    write_dataset(dataset, tmp_path / "out", "mot")
    theirs = read_with_datumaro(tmp_path / "out", "mot_seq")
    assert_close({"1": [], "2": [("person", [1.25, 2.0, 4.25, 6.0])], "3": []}, theirs)


def test_cvats_archive_has_neither_seqinfo_nor_a_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "task 7.zip", "w") as archive:
        archive.writestr("gt/gt.txt", "2,1,1,2,3,4,1,2,1.0\n")
        archive.writestr("gt/labels.txt", "car\nperson\n")
    dataset = read_dataset(tmp_path / "task 7.zip")
    assert [entry.name for entry in dataset.categories] == ["car", "person"]
    assert [(image.name, image.width) for image in dataset.images] == [
        ("task 7/img1/000001.jpg", None), ("task 7/img1/000002.jpg", None),
    ]  # fmt: skip
    assert dataset.images[1].labels[0].category == 1


def test_pictures_tell_what_seqinfo_does_not(tmp_path: Path) -> None:
    write(tmp_path / "a", "1,1,1,2,3,4,1,1,1\n", info="")
    (tmp_path / "a" / "img1").mkdir()
    for number in (1, 2, 3):
        Image.new("L", (30, 20)).save(tmp_path / "a" / "img1" / f"{number:06d}.png")
    images = read_dataset(tmp_path).images
    assert [image.name for image in images] == [f"a/img1/00000{n}.png" for n in (1, 2, 3)]
    assert {(image.width, image.height) for image in images} == {(30, 20)}


def test_lines_of_2015_are_pedestrians(tmp_path: Path) -> None:
    write(tmp_path, "1,4,1,2,3,4,1,-1,-1,-1\n2,4,1,2,3,4,1,7.5,2,0\n")
    dataset = read_dataset(tmp_path)
    assert dataset.unread == {"frame rates": 1, "places in the world": 1}
    assert dataset.images[0].labels == (Label((1, 2, 4, 6), 0, track=4),)
    assert dataset.categories[0].name == "pedestrian"


def test_frames_of_video_files_keep_their_names_and_gaps_stay_gaps(tmp_path: Path) -> None:
    images = tuple(
        LabelledImage(f"d/v.avi#{frame}", 640, 480, video="d/v.avi", frame=frame)
        for frame in (2, 700_000)
    )
    dataset = Dataset((Category("a"),), images)
    assert write_dataset(dataset, tmp_path / "out", "mot") == {}
    folder = tmp_path / "out" / "d" / "v.avi"
    assert (folder / "gt" / "frames.txt").read_text() == "3\n700001\n"
    assert "seqLength=700001" in (folder / "seqinfo.ini").read_text()
    assert_same(read_dataset(tmp_path / "out"), dataset)


def test_what_has_no_place_is_told(tmp_path: Path) -> None:
    images = (
        LabelledImage("still.png", 640, 480),
        LabelledImage(
            "a.png", 640, 480, (Label((0, 0, 1, 1), 0, track="ann"),), video="v", frame=0
        ),
        LabelledImage("b.png", 600, 480, (Label((0, 0, 1, 1), 0, track=5),), video="v", frame=1),
        LabelledImage("w/img1/000001.bmp", 9, 9, video="w", frame=0),
    )
    lost = write_dataset(Dataset((Category("a"),), images), tmp_path / "out", "mot")
    assert lost == {
        "images outside videos": 1,
        "names of images (named after video and frame)": 2,
        "sizes of images": 2,
        "track ids (numbered anew)": 2,
    }
    one, two, three = read_dataset(tmp_path / "out").images
    assert (one.name, two.name, three.name) == (
        "v/img1/000001.png", "v/img1/000002.png", "w/img1/000001.bmp",
    )  # fmt: skip
    assert (one.width, one.labels[0].track, two.labels[0].track) == (None, 1, 2)


@pytest.mark.parametrize("frames", [(3, 3), (-1, 0)])
def test_frames_that_cannot_be_are_not_written(tmp_path: Path, frames: tuple[int, int]) -> None:
    images = tuple(
        LabelledImage(f"{place}.png", 9, 9, video="v", frame=frame)
        for place, frame in enumerate(frames)
    )
    with pytest.raises(DataError, match="v: two images are the same frame, or one is before"):
        write_dataset(Dataset((), images), tmp_path / "out", "mot")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,1,1,1,1,1", "line 1: has 6 columns instead of 9"),
        ("0,1,1,1,1,1,1,1,1", "line 1: frame 0: frames count from 1"),
        ("1.5,1,1,1,1,1,1,1,1", "'1.5' is no whole number"),
        ("1,1,1,1,1,x,1,1,1", "'x' is no number"),
        ("1,1,1,1,1,1,1,14,1", "class 14 is none of 1 to 13"),
        ("1,1,1,1,1,1,1,0,1", "class 0 is none of 1 to 13"),
        ("1,1,1,1,1,1,1,1,nan", "a column is no finite number"),
        ("4,1,1,1,1,1,1,1,1", "frame 4 has boxes, but is not said to be there"),
    ],
)
def test_lines_that_make_no_sense_are_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"gt\.txt: .*{message}"):
        read_dataset(write(tmp_path, content), "mot")


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ("name=a\n", r"seqinfo\.ini: is no INI file \(File contains no section headers"),
        ("[Other]\nname=a\n", r"has no section \[Sequence\]"),
        ("[Sequence]\nseqLength=x\n", "seqlength: 'x' is no number"),
        ("[Sequence]\nseqLength=-1\n", "seqlength is -1"),
        ("[Sequence]\nseqLength=1e12\n", "has 1000000000000 frames, over 524288"),
        ("[Sequence]\nimExt=.exe\n", "imExt '.exe' is no picture's"),
        ("[Sequence]\nimDir=../..\n", "imDir: the picture's name '../..' is no path below"),
        ("[Sequence]\nname=/etc\n", "is no path below a folder"),
        ("[Sequence]\nname=a\nname=b\n", "is no INI file"),
    ],
)
def test_other_descriptions_are_refused(tmp_path: Path, info: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_dataset(write(tmp_path, "", info), "mot")
    assert "\n" not in str(caught.value)


def test_lists_are_checked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a class has no name"):
        read_dataset(write(tmp_path, labels="car\n\nperson\n"))
    with pytest.raises(DataError, match="frame 0: frames count from 1"):
        read_dataset(write(tmp_path, "", labels="car\n", frames="0\n"))
    with pytest.raises(DataError, match="holds no gt/gt.txt"):
        read_dataset(tmp_path / "gt", "mot")
