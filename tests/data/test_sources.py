import json
import shutil
from pathlib import Path

import pytest

from tests.tiny import TinyData
from thrifty.config import FilesSource, Filter, StreetSource
from thrifty.data.sources import open_source
from thrifty.errors import DataError, FrameError
from thrifty.types import Unreadable


def copy(tiny: TinyData, folder: Path) -> Path:
    shutil.copytree(tiny.root, folder / "data")
    return folder / "data"


def test_stills_are_named_by_content(tiny: TinyData, tmp_path: Path) -> None:
    root = copy(tiny, tmp_path)
    source = FilesSource(annotations="stills.json", images="stills")
    before = {record.id for record in open_source(source, root).frames.records}
    content = (root / "stills.json").read_text().replace("still1.png", "other.png")
    (root / "stills" / "still1.png").rename(root / "stills" / "other.png")
    (root / "stills.json").write_text(content)
    assert {record.id for record in open_source(source, root).frames.records} == before


def test_equal_files_are_one_frame_and_reported(tiny: TinyData, tmp_path: Path) -> None:
    root = copy(tiny, tmp_path)
    shutil.copy(root / "stills" / "still1.png", root / "stills" / "still2.png")
    content = json.loads((root / "stills.json").read_text())
    content["annotations"][1]["bbox"] = content["annotations"][0]["bbox"]
    (root / "stills.json").write_text(json.dumps(content))
    opened = open_source(FilesSource(annotations="stills.json", images="stills"), root)
    assert len(opened.frames) == 7
    assert opened.duplicates == (("still2.png", "still1.png"),)


def test_equal_files_with_different_boxes_are_refused(tiny: TinyData, tmp_path: Path) -> None:
    root = copy(tiny, tmp_path)
    shutil.copy(root / "stills" / "still1.png", root / "stills" / "still2.png")
    with pytest.raises(
        DataError, match="still2.png has the content of still1.png but other labels"
    ):
        open_source(FilesSource(annotations="stills.json", images="stills"), root)


def test_a_range_of_frames_and_every_nth(tiny: TinyData) -> None:
    opened = open_source(FilesSource(annotations="video.json", frames=(10, 29), every=3), tiny.root)
    assert [record.frame for record in opened.frames.records] == [10, 13, 16, 19, 22, 25, 28]
    assert [record.place for record in opened.frames.records] == [3, 4, 5, 6, 7, 8, 9]


def test_pictures_are_resized_and_labels_stay_in_stored_pixels(tiny: TinyData) -> None:
    opened = open_source(
        FilesSource(annotations="stills.json", images="stills", scale=0.5), tiny.root
    )
    record = opened.frames.records[0]
    frame = opened.frames.load(record)
    assert frame.image.shape == (32, 48, 3)
    assert opened.labels[record.id].boxes[0, 3] - opened.labels[record.id].boxes[0, 1] == 28


def test_low_objects_become_ignore_regions(tiny: TinyData) -> None:
    low = open_source(
        FilesSource(annotations="stills.json", images="stills", filter=Filter(min_height=29)),
        tiny.root,
    )
    assert all(drawn.ignore.all() for drawn in low.labels.values())


def test_an_unreadable_picture_is_an_entry_in_the_stream_not_an_end(
    tiny: TinyData, tmp_path: Path
) -> None:
    root = copy(tiny, tmp_path)
    (root / "stills" / "still3.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    opened = open_source(FilesSource(annotations="stills.json", images="stills"), root)
    results = list(opened.frames.stream(opened.frames.records))
    broken = [result for result in results if isinstance(result, Unreadable)]
    assert len(results) == 8
    assert [result.record.source for result in broken] == ["still3.png"]
    assert "still3.png: cannot decode this picture" in broken[0].reason
    with pytest.raises(FrameError):
        opened.frames.load(broken[0].record)


def test_a_truncated_picture_is_unreadable(tiny: TinyData, tmp_path: Path) -> None:
    root = copy(tiny, tmp_path)
    path = root / "stills" / "still3.png"
    path.write_bytes(path.read_bytes()[:2000])
    opened = open_source(FilesSource(annotations="stills.json", images="stills"), root)
    assert (
        sum(
            isinstance(result, Unreadable) for result in opened.frames.stream(opened.frames.records)
        )
        == 1
    )


def test_missing_pictures_are_counted(tiny: TinyData, tmp_path: Path) -> None:
    root = copy(tiny, tmp_path)
    (root / "stills" / "still3.png").unlink()
    with pytest.raises(
        DataError,
        match=r"still3.png: no such file \(1 of 8 files that stills.json names are missing\)",
    ):
        open_source(FilesSource(annotations="stills.json", images="stills"), root)


def test_annotations_of_another_video_are_refused(tiny: TinyData, tmp_path: Path) -> None:
    root = copy(tiny, tmp_path)
    content = json.loads((root / "video.json").read_text())
    content["images"][-1]["file_name"] = "clip.avi#40"
    (root / "video.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="names frame 40 but the video holds 40"):
        open_source(FilesSource(annotations="video.json"), root)


def test_settings_that_leave_nothing_are_refused(tiny: TinyData) -> None:
    with pytest.raises(DataError, match=r"no frames of video \['other'\]"):
        open_source(FilesSource(annotations="video.json", videos=("other",)), tiny.root)
    with pytest.raises(DataError, match="no frame is left"):
        open_source(FilesSource(annotations="video.json", frames=(90, 99)), tiny.root)
    with pytest.raises(DataError, match="pass --data DIR or set THRIFTY_DATA"):
        open_source(FilesSource(annotations="video.json"), None)


def test_a_list_says_which_images_to_take(tiny: TinyData, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(tiny.root, root)
    (root / "some.txt").write_text("still7\nstill2.png\n\n")
    source = FilesSource(annotations="stills.json", images="stills", list="some.txt")
    names = [record.source for record in open_source(source, root).frames.records]
    assert sorted(names) == ["still2.png", "still7.png"]
    (root / "some.txt").write_text("still7\nother\n")
    with pytest.raises(DataError, match="some.txt: names 'other'"):
        open_source(source, root)
    missing = FilesSource(annotations="stills.json", images="stills", list="none.txt")
    with pytest.raises(DataError, match="none.txt: no such file"):
        open_source(missing, root)


def test_classes_are_numbered_by_the_detector_s_names(real_data: Path) -> None:
    source = FilesSource(annotations="bccd/annotations.json", images="bccd/images", every=60)
    names = ("Platelets", "RBC", "WBC")
    own, renumbered = open_source(source, real_data), open_source(source, real_data, names)
    for key, drawn in own.labels.items():
        # The file's order is RBC, WBC, Platelets.
        assert [(1, 2, 0)[kind] for kind in drawn.classes] == renumbered.labels[
            key
        ].classes.tolist()
    with pytest.raises(DataError, match="class 'RBC', which the recipe's detector"):
        open_source(source, real_data, ("Platelets", "WBC"))
    only = FilesSource(
        annotations="bccd/annotations.json",
        images="bccd/images",
        every=60,
        filter=Filter(classes=("WBC",), regions=("RBC", "Platelets")),
    )
    labels = open_source(only, real_data, ("WBC",)).labels
    assert sum(len(one.objects) for one in labels.values()) > 0


def test_the_street_shows_people() -> None:
    street = StreetSource(kind="street", look="daylight", drives=6, length=2)
    drawn = open_source(street, None, ("car", "person")).labels
    assert {kind for one in drawn.values() for kind in one.classes.tolist()} == {1}
    with pytest.raises(DataError, match="the rendered street: holds objects of class 'person'"):
        open_source(street, None, ("car",))
