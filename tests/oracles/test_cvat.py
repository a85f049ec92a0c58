"""A batch for CVAT as files: what CVAT takes and gives, held against Datumaro, its own converter."""

import json
import shutil
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.formats.judge import assert_close, read_with_datumaro
from tests.oracles.batches import asked, assignment, drawn, real_batch, still, task
from thrifty.data.formats.catalogue import read_dataset
from thrifty.errors import OracleError
from thrifty.oracles.cvat import CvatFiles
from thrifty.oracles.tool import Assignment, Collected, Picture
from thrifty.types import Record

BATCH = assignment(
    [
        task(still(1), 1, [(10, 20, 30, 40), (5.25, 0, 100, 80)]),
        task(still(2), 2, [(1, 2, 3, 4)]),
        task(still(3), 3),
    ]
)
ONE, TWO, THREE = (one.record.id for one in BATCH.tasks)
META = "<meta><task><labels><label><name>person</name></label></labels></task></meta>"


def frame(number: int, source: str = "day/drive.mp4") -> Record:
    return Record(f"{source}-{number}", source, 100, 80, source, number, number)


VIDEO = assignment(
    [task(frame(30), 1, [(1, 2, 3, 4)]), task(frame(0), 2), task(frame(31), 3, [(5, 6, 7, 8)])]
)


def labels_of(folder: Path) -> Path:
    return folder / BATCH.name / "labels"


def exported(folder: Path, body: str, meta: str = META) -> None:
    """Put an export of CVAT into `labels/`, as the archive that CVAT gives."""
    with zipfile.ZipFile(labels_of(folder) / "task_1.zip", "w") as archive:
        archive.writestr("annotations.xml", f"<annotations>{meta}{body}</annotations>")


def collected(folder: Path, given: Assignment = BATCH) -> Collected:
    tool = CvatFiles(folder)
    return tool.collect(asked(tool.send(given), given))


def one_box(folder: Path, name: str) -> None:
    """Put a COCO file into `labels/` that has one image, with a box on it."""
    content = {
        "images": [{"id": 1, "file_name": name, "width": 100, "height": 80}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": 1, "name": "person"}],
    }
    (labels_of(folder) / "x.json").write_text(json.dumps(content))


def test_datumaro_reads_pictures_and_boxes(real_data: Path, tmp_path: Path) -> None:
    batch = real_batch(real_data)
    sent = CvatFiles(tmp_path).send(batch)
    place = tmp_path / "judge"
    place.mkdir()
    shutil.copy(tmp_path / batch.name / "prelabels" / "annotations.xml", place)
    shutil.copytree(tmp_path / batch.name / "images", place / "images")
    ours = {
        sent.tasks[one.record.id]: sorted(("person", list(box)) for box in one.found.boxes)
        for one in batch.tasks
    }
    assert_close(ours, read_with_datumaro(place, "cvat"))
    shutil.copy(
        place / "annotations.xml", labels_of(tmp_path).parent.parent / batch.name / "labels"
    )
    answers = drawn(CvatFiles(tmp_path).collect(asked(sent, batch)))
    for one in batch.tasks:
        assert answers[one.record.id].boxes.tolist() == one.found.boxes.tolist()


def test_the_manifest_lists_the_pictures_as_cvat_s_tool_would(
    real_data: Path, tmp_path: Path
) -> None:
    """By CVAT's documentation: version and type, then a line a picture, names without suffix."""
    batch = real_batch(real_data)
    CvatFiles(tmp_path).send(batch)
    images = tmp_path / batch.name / "images"
    version, kind, *rows = map(json.loads, (images / "manifest.jsonl").read_text().splitlines())
    assert (version, kind) == ({"version": "1.1"}, {"type": "images"})
    names = [row["name"] + row["extension"] for row in rows]
    assert sorted([*names, "manifest.jsonl"]) == sorted(path.name for path in images.iterdir())
    assert names == sorted(names)
    assert rows[0] == {
        "name": "00001-PennPed00021-cf3ede20",
        "extension": ".jpg",
        "width": 712,
        "height": 436,
        "meta": {"related_images": []},
    }


def test_what_cvat_exports_of_images_is_read(tmp_path: Path) -> None:
    sent = CvatFiles(tmp_path).send(BATCH)
    exported(
        tmp_path,
        f'<image id="0" name="{sent.tasks[ONE]}.jpg" width="100" height="80">'
        '<box label="person" xtl="90" ytl="-3" xbr="120" ybr="20.5"/>'
        '<box label="red car" xtl="20" ytl="10" xbr="40" ybr="20" rotation="90"/>'
        '<box label="dog" xtl="1" ytl="1" xbr="4" ybr="2"/><points label="person" points="1,2"/></image>'
        f'<image id="2" name="{sent.tasks[THREE]}.jpg" width="100" height="80"/>',
    )
    found = collected(tmp_path)
    answers = drawn(found)
    assert answers.keys() == {ONE, THREE}
    assert np.allclose(answers[ONE].boxes, np.array([[90, 0, 100, 20.5], [25, 5, 35, 25]]))
    assert (answers[ONE].classes.tolist(), len(answers[THREE])) == ([0, 1], 0)
    assert found.left_out == {
        "boxes of class 'dog', which the project does not have": 1,
        "sets of points": 1,
    }


def test_an_image_task_exported_as_a_video_is_matched_by_the_order_of_the_frames(
    tmp_path: Path,
) -> None:
    CvatFiles(tmp_path).send(BATCH)
    meta = META.replace("<task>", "<task><name>t</name><size>3</size><mode>annotation</mode>")
    box = 'outside="0" keyframe="1" xtl="1" ytl="2" xbr="3" ybr="4"'
    gone = box.replace('outside="0"', 'outside="1"')
    exported(
        tmp_path,
        f'<track id="0" label="red car"><box frame="1" {box}/><box frame="2" {gone}/></track>',
        meta,
    )
    answers = drawn(collected(tmp_path))
    assert answers.keys() == {ONE, TWO, THREE}
    assert (answers[TWO].boxes.tolist(), answers[TWO].classes.tolist()) == ([[1, 2, 3, 4]], [1])
    assert len(answers[ONE]) == len(answers[THREE]) == 0


def head(kind: str, mode: str, size: bool) -> str:
    """What CVAT writes of a task or a job of three frames, from the second one on; of a video its size too."""
    given = f"<mode>{mode}</mode>" if mode else ""
    wide = "<original_size><width>100</width><height>80</height></original_size>" if size else ""
    return (
        f"<meta><{kind}><id>7</id><size>2</size>{given}<overlap>0</overlap><subset>default</subset>"
        "<start_frame>1</start_frame><stop_frame>2</stop_frame><frame_filter></frame_filter>"
        f"<labels><label><name>person</name></label></labels></{kind}><dumped>2026</dumped>{wide}</meta>"
    )


TRACK = (
    '<track id="0" label="person"><box frame="1" outside="0" keyframe="1" xtl="1" ytl="2" xbr="3" ybr="4"/>'
    '<box frame="2" outside="1" keyframe="1" xtl="1" ytl="2" xbr="3" ybr="4"/></track>'
)


@pytest.mark.parametrize(
    ("kind", "mode"), [("job", "annotation"), ("job", ""), ("task", "annotation")]
)
def test_a_job_of_pictures_is_matched_by_their_order(tmp_path: Path, kind: str, mode: str) -> None:
    CvatFiles(tmp_path).send(BATCH)
    exported(tmp_path, TRACK, head(kind, mode, size=False))
    answers = drawn(collected(tmp_path))
    assert {key: answer.boxes.tolist() for key, answer in answers.items()} == {
        TWO: [[1, 2, 3, 4]],
        THREE: [],
    }


@pytest.mark.parametrize("mode", ["interpolation", ""])
def test_a_job_of_a_video_is_no_part_of_the_batch(tmp_path: Path, mode: str) -> None:
    """It names neither itself nor the video; its frame 1 is not the batch's second picture."""
    CvatFiles(tmp_path).send(BATCH)
    exported(tmp_path, TRACK, head("job", mode, size=True))
    with pytest.raises(
        OracleError, match=r"task_1.zip.*: does not name its video.*; export the task"
    ):
        collected(tmp_path)


def test_a_task_of_pictures_called_after_a_video_is_none(tmp_path: Path) -> None:
    CvatFiles(tmp_path).send(VIDEO)
    meta = head("task", "annotation", size=False).replace("<id>", "<name>drive.mp4</name><id>")
    exported(tmp_path, TRACK, meta)
    answers = drawn(collected(tmp_path, VIDEO))
    _, second, third = (one.record.id for one in VIDEO.tasks)
    assert {key: len(answer) for key, answer in answers.items()} == {second: 1, third: 0}


def test_coco_as_cvat_packs_it_is_read(tmp_path: Path) -> None:
    sent = CvatFiles(tmp_path).send(BATCH)
    content = {
        "images": [{"id": 1, "file_name": f"{sent.tasks[TWO]}.jpg", "width": 100, "height": 80}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": 1, "name": "red car"}],
    }
    with zipfile.ZipFile(labels_of(tmp_path) / "task_1.zip", "w") as archive:
        archive.writestr("annotations/instances_default.json", json.dumps(content))
        archive.writestr(f"images/default/{sent.tasks[TWO]}.jpg", b"")
    answers = drawn(collected(tmp_path))
    assert answers.keys() == {TWO}
    assert answers[TWO].boxes.tolist() == [[1, 2, 4, 6]]


def test_frames_of_another_video_task_are_no_pictures_of_the_batch(tmp_path: Path) -> None:
    """COCO of a video task calls frames by their number in the video, which is no place in the batch."""
    CvatFiles(tmp_path).send(BATCH)
    one_box(tmp_path, "frame_000001.PNG")
    found = collected(tmp_path)
    assert not found.answers
    assert found.left_out == {"boxes on frames that are not of this batch": 1}


def test_a_box_on_a_frame_of_a_video_ends_on_the_next(tmp_path: Path) -> None:
    CvatFiles(tmp_path).send(VIDEO)
    [path] = (tmp_path / BATCH.name / "video").iterdir()
    assert path.name.startswith("drive-mp4-")
    dataset = read_dataset(path, "cvat-video")
    boxes = {image.name: [label.box for label in image.labels] for image in dataset.images}
    assert boxes == {
        "drive.mp4#0": [],
        "drive.mp4#1": [],
        "drive.mp4#30": [(1, 2, 3, 4)],
        "drive.mp4#31": [(5, 6, 7, 8)],
    }


def test_a_video_task_of_the_whole_video_answers_for_the_chosen_frames(tmp_path: Path) -> None:
    CvatFiles(tmp_path).send(VIDEO)
    [path] = (tmp_path / BATCH.name / "video").iterdir()
    text = path.read_text().replace('xbr="3.0"', 'xbr="33.0"')
    (labels_of(tmp_path) / "annotations.xml").write_text(text)
    answers = drawn(collected(tmp_path, VIDEO))
    boxes = [answers[one.record.id].boxes.tolist() for one in VIDEO.tasks]
    assert boxes == [[[1, 2, 33, 4]], [], [[5, 6, 7, 8]]]


def test_videos_of_one_name_have_files_of_their_own_and_their_export_is_not_guessed_at(
    tmp_path: Path,
) -> None:
    batch = assignment(
        [
            task(frame(3), 1, [(1, 2, 3, 4)]),
            task(frame(3, "night/drive.mp4"), 2, [(5, 6, 7, 8)]),
        ]
    )
    sent = CvatFiles(tmp_path).send(batch)
    paths = sorted((tmp_path / BATCH.name / "video").iterdir())
    assert len(paths) == 2
    shutil.copy(paths[0], labels_of(tmp_path) / "annotations.xml")
    found = CvatFiles(tmp_path).collect(asked(sent, batch))
    assert not found.answers
    assert found.left_out == {"boxes on frames that are not of this batch": 1}


TWO_CAMERAS = assignment(
    [task(frame(100, "cam1/0001.mp4"), 1), task(frame(250, "cam2/0001.mp4"), 2)]
)


@pytest.mark.parametrize(
    ("name", "answered"),
    [
        ("0001.mp4#100", None),
        ("0001.mp4#250", None),
        ("cam1/0001.mp4#100", 0),
        ("cam1/0001.mp4#250", None),
        ("C:\\videos\\cam2\\0001.mp4#250", 1),
        ("uploads/cam2/0001.mp4#250", 1),
        ("cam3/0001.mp4#250", None),
        ("1.mp4#250", None),
    ],
)
def test_of_videos_of_one_name_the_folder_tells_which_is_meant(
    tmp_path: Path, name: str, answered: int | None
) -> None:
    """A frame's number tells nothing: the other video has a frame of that number too, outside the batch."""
    CvatFiles(tmp_path).send(TWO_CAMERAS)
    one_box(tmp_path, name)
    found = collected(tmp_path, TWO_CAMERAS)
    expected = [] if answered is None else [TWO_CAMERAS.tasks[answered].record.id]
    assert [answer.record_id for answer in found.answers] == expected
    assert sum(found.left_out.values()) == (answered is None)


def test_videos_of_one_path_in_two_pools_are_not_told_apart(tmp_path: Path) -> None:
    another = replace(frame(9), id="another-9", sequence="another")
    batch = assignment([task(frame(3), 1), task(another, 2)])
    CvatFiles(tmp_path).send(batch)
    one_box(tmp_path, "day/drive.mp4#3")
    assert not collected(tmp_path, batch).answers


def test_the_instructions_speak_of_videos_where_there_are_some(tmp_path: Path) -> None:
    CvatFiles(tmp_path / "stills").send(BATCH)
    CvatFiles(tmp_path / "video").send(VIDEO)
    stills, video = (
        (tmp_path / part / BATCH.name / "README.txt").read_text() for part in ("stills", "video")
    )
    assert all(word in stills for word in ("batch-003", "manifest.jsonl", "person, red car"))
    assert "CVAT for video" in video
    assert "CVAT for video" not in stills


def test_sending_again_changes_nothing_and_completes_what_is_missing(tmp_path: Path) -> None:
    sent = CvatFiles(tmp_path).send(VIDEO)
    exported(tmp_path, "")
    files = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    assert CvatFiles(tmp_path).send(VIDEO) == sent
    assert {path: path.read_bytes() for path in files} == files
    for path in files:
        if "labels" not in path.parts:
            path.unlink()
    CvatFiles(tmp_path).send(VIDEO)
    assert {path: path.read_bytes() for path in files} == files


def test_an_export_of_another_project_s_version_of_the_pictures_is_refused(tmp_path: Path) -> None:
    sent = CvatFiles(tmp_path).send(BATCH)
    exported(tmp_path, f'<image id="0" name="{sent.tasks[ONE]}.jpg" width="50" height="40"/>')
    with pytest.raises(OracleError, match=r"task_1\.zip: .* is 50x40 there and was sent as 100x80"):
        collected(tmp_path)


def test_damaged_exports_are_named(tmp_path: Path) -> None:
    CvatFiles(tmp_path).send(BATCH)
    exported(tmp_path, "<image")
    with pytest.raises(OracleError, match=r"task_1\.zip/annotations\.xml: not well-formed XML"):
        collected(tmp_path)


def test_a_class_that_xml_has_no_place_for_is_told(tmp_path: Path) -> None:
    with pytest.raises(OracleError, match="has control characters"):
        CvatFiles(tmp_path).send(assignment(BATCH.tasks, classes=("a\x01", "b")))


@settings(max_examples=25)
@given(
    st.lists(
        st.lists(
            st.tuples(*[st.floats(0, 50, width=32)] * 2, *[st.floats(50.5, 100, width=32)] * 2),
            max_size=3,
        ),
        min_size=1,
        max_size=3,
    )
)
def test_boxes_that_people_accept_come_back_exactly(
    boxes: list[list[tuple[float, float, float, float]]],
) -> None:
    tasks = [
        task(still(rank, size=(100, 100)), rank, rows) for rank, rows in enumerate(boxes, start=1)
    ]
    batch = assignment(tasks, lambda record: Picture(b"looked at by nobody", ".jpg"))
    with tempfile.TemporaryDirectory() as folder:
        tool = CvatFiles(Path(folder))
        sent = tool.send(batch)
        shutil.copy(
            Path(folder) / batch.name / "prelabels" / "annotations.xml", labels_of(Path(folder))
        )
        answers = drawn(tool.collect(asked(sent, batch)))
    for one in tasks:
        assert answers[one.record.id].boxes.tolist() == one.found.boxes.tolist()
        assert answers[one.record.id].classes.tolist() == one.found.classes.tolist()
