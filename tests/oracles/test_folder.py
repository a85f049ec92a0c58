"""A batch in a folder: sent, labelled by hand, collected."""

import json
import os
import shutil
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from tests.data.formats.judge import assert_close, read_with_datumaro
from tests.oracles.batches import (
    CLASSES,
    asked,
    assignment,
    drawn,
    picture,
    real_batch,
    still,
    task,
)
from thrifty.errors import FrameError, OracleError
from thrifty.oracles.folder import FolderTool
from thrifty.oracles.tool import Assignment, Collected, Picture
from thrifty.store.choice_file import read_choices
from thrifty.types import Record

Form = Literal["coco", "yolo", "voc"]
FORMS: tuple[Form, ...] = ("coco", "yolo", "voc")
ROUNDING = 1e-9
"""Pixels: our forms write numbers in full, and lose what adding and dividing them loses."""

BATCH = assignment(
    [
        task(still(1), 1, [(10, 20, 30, 40), (5.25, 0, 100, 80)]),
        task(still(2), 2, [(1, 2, 3, 4)]),
        task(still(3), 3),
    ]
)
ONE, TWO, THREE = (one.record.id for one in BATCH.tasks)


def labels_of(folder: Path, name: str = BATCH.name) -> Path:
    return folder / name / "labels"


def accept(folder: Path, name: str = BATCH.name) -> None:
    """Put the boxes to begin with where labels belong, as they are."""
    shutil.copytree(folder / name / "prelabels", labels_of(folder, name), dirs_exist_ok=True)


def coco(folder: Path, **changes: object) -> None:
    """Put what COCO's prelabels say into `labels/`, with some keys changed."""
    content = json.loads((folder / BATCH.name / "prelabels" / "annotations.json").read_text())
    (labels_of(folder) / "export.json").write_text(json.dumps({**content, **changes}))


def collected(folder: Path, given: Assignment = BATCH, form: Form = "coco") -> Collected:
    tool = FolderTool(folder, form)
    return tool.collect(asked(tool.send(given), given))


@pytest.mark.parametrize("form", FORMS)
def test_real_frames_come_back_as_they_were_drawn(
    real_data: Path, tmp_path: Path, form: Form
) -> None:
    batch = real_batch(real_data)
    sent = FolderTool(tmp_path, form).send(batch)
    files = sorted((tmp_path / batch.name / "images").iterdir())
    assert [path.stem for path in files] == [sent.tasks[one.record.id] for one in batch.tasks]
    for path, one in zip(files, batch.tasks, strict=True):
        assert path.read_bytes() == batch.picture(one.record).content
        with Pillow.open(path) as image:
            assert image.size == (one.record.width, one.record.height)
    accept(tmp_path, batch.name)
    answers = drawn(FolderTool(tmp_path, form).collect(asked(sent, batch)))
    assert len(answers) == len(batch.tasks) == 8
    for one in batch.tasks:
        assert np.abs(answers[one.record.id].boxes - one.found.boxes).max() <= ROUNDING


@pytest.mark.parametrize(
    ("form", "judge", "options"),
    [
        ("coco", "coco_instances", {}),
        ("yolo", "yolo", {}),
        ("voc", "voc_detection", {"coordinate_mode": "voc-one-based"}),
    ],
)
def test_datumaro_reads_pictures_and_boxes(
    real_data: Path, tmp_path: Path, form: Form, judge: str, options: dict[str, str]
) -> None:
    batch = real_batch(real_data)
    sent = FolderTool(tmp_path, form).send(batch)
    images = tmp_path / batch.name / "images"
    place = tmp_path / "judge"
    if form == "coco":
        (place / "annotations").mkdir(parents=True)
        shutil.copy(
            tmp_path / batch.name / "prelabels" / "annotations.json",
            place / "annotations" / "instances_default.json",
        )
        shutil.copytree(images, place / "images" / "default")
    else:
        shutil.copytree(tmp_path / batch.name / "prelabels", place)
        shutil.copytree(images, place / {"yolo": "images", "voc": "JPEGImages"}[form])
    theirs = read_with_datumaro(place, judge, **options)
    ours = {
        sent.tasks[one.record.id]: sorted(("person", list(box)) for box in one.found.boxes)
        for one in batch.tasks
    }
    assert_close(ours, theirs)


def test_the_folder_says_what_it_is_and_what_to_do(tmp_path: Path) -> None:
    FolderTool(tmp_path).send(BATCH)
    folder = tmp_path / BATCH.name
    assert list(read_choices([folder / "chosen.csv"]).ids) == [ONE, TWO, THREE]
    first, row = (folder / "chosen.csv").read_text().splitlines()[:2]
    assert first.startswith("rank,id,path,frame,score,")
    assert row.startswith("1,still-0001,street/1.jpg,,2.5,2.5,,")
    text = (folder / "README.txt").read_text()
    assert all(word in text for word in ("batch-003", "street", "labels/", *CLASSES))


def test_coco_tells_how_sure_the_detector_is(tmp_path: Path) -> None:
    FolderTool(tmp_path).send(BATCH)
    content = json.loads((tmp_path / BATCH.name / "prelabels" / "annotations.json").read_text())
    assert [entry["score"] for entry in content["annotations"]] == [0.9, 0.5, 0.9]


def test_names_are_plain_distinct_and_in_order(tmp_path: Path) -> None:
    sources = ("day/漢字.jpg", "night/漢字.jpg", "a b/c'd.JPG", "a.b/c.png", "x" * 300 + ".png")
    tasks = [
        task(replace(still(rank), source=source), rank, [(1, 1, 9, 9)])
        for rank, source in enumerate(sources, start=1)
    ]
    tasks.append(task(Record("v", "a/b.mp4", 100, 80, "v", 3, 12), 6))
    batch = assignment(tasks)
    sent = FolderTool(tmp_path).send(batch)
    names = sorted(path.name for path in (tmp_path / batch.name / "images").iterdir())
    assert [name[:5] for name in names] == ["00001", "00002", "00003", "00004", "00005", "00006"]
    assert all(name.isascii() and len(name) < 64 and name.count(".") == 1 for name in names)
    assert names[5].startswith("00006-b-mp4-12-")
    assert names[5].endswith(".png")
    accept(tmp_path)
    assert drawn(FolderTool(tmp_path).collect(asked(sent, batch))).keys() == {
        one.record.id for one in tasks
    }


@pytest.mark.parametrize("rename", ["{}.png", "night/{}.tiff", "C:\\x\\{}.jpg", "0a1b2c3d-{}.jpg"])
def test_frames_are_found_under_the_names_that_tools_give(tmp_path: Path, rename: str) -> None:
    sent = FolderTool(tmp_path).send(BATCH)
    image = {"id": 1, "file_name": rename.format(sent.tasks[TWO])}
    coco(tmp_path, images=[image], annotations=[])
    assert drawn(collected(tmp_path)).keys() == {TWO}


@pytest.mark.parametrize("form", FORMS)
def test_nothing_labelled_is_no_answer(tmp_path: Path, form: Form) -> None:
    found = collected(tmp_path, form=form)
    assert (list(found.answers), dict(found.left_out)) == ([], {})
    shutil.rmtree(labels_of(tmp_path))
    FolderTool(tmp_path, form).send(BATCH)
    assert not collected(tmp_path, form=form).answers


@pytest.mark.parametrize("form", FORMS)
def test_a_frame_without_boxes_is_answered_and_one_that_is_missing_is_not(
    tmp_path: Path, form: Form
) -> None:
    FolderTool(tmp_path, form).send(BATCH)
    accept(tmp_path)
    if form == "coco":
        content = json.loads((labels_of(tmp_path) / "annotations.json").read_text())
        del content["images"][1]
        kept = [entry for entry in content["annotations"] if entry["image_id"] != 2]
        changed = {**content, "annotations": kept}
        (labels_of(tmp_path) / "annotations.json").write_text(json.dumps(changed))
    else:
        [file] = labels_of(tmp_path).rglob("00002-*.*")
        file.unlink()
    answers = drawn(collected(tmp_path, form=form))
    assert answers.keys() == {ONE, THREE}
    assert (len(answers[ONE]), len(answers[THREE])) == (2, 0)
    assert answers[ONE].classes.tolist() == [0, 1]


def test_bare_yolo_files_are_read_by_the_project_s_classes_or_those_beside_them(
    tmp_path: Path,
) -> None:
    sent = FolderTool(tmp_path, "yolo").send(BATCH)
    (labels_of(tmp_path) / f"{sent.tasks[ONE]}.txt").write_text("1 0.5 0.5 0.2 0.25\n")
    (labels_of(tmp_path) / f"{sent.tasks[THREE]}.txt").write_text("")
    answers = drawn(collected(tmp_path))
    assert answers.keys() == {ONE, THREE}
    assert (answers[ONE].boxes.tolist(), answers[ONE].classes.tolist()) == ([[40, 30, 60, 50]], [1])
    (labels_of(tmp_path) / "classes.txt").write_text("dog\nperson\n")
    assert drawn(collected(tmp_path))[ONE].classes.tolist() == [0]
    (labels_of(tmp_path) / f"{sent.tasks[ONE]}.txt").write_text("7 0.5 0.5 0.2 0.25\n")
    with pytest.raises(
        OracleError, match=rf"labels/{sent.tasks[ONE]}.txt: line 1: class 7 is none"
    ):
        collected(tmp_path)


def test_what_is_labelled_again_counts_as_it_is_now(tmp_path: Path) -> None:
    FolderTool(tmp_path).send(BATCH)
    coco(tmp_path)
    assert len(drawn(collected(tmp_path))[ONE]) == 2
    box = {"id": 1, "image_id": 1, "category_id": 2, "bbox": [1, 2, 3, 4]}
    coco(tmp_path, annotations=[box])
    answers = drawn(collected(tmp_path))
    assert answers[ONE].boxes.tolist() == [[1, 2, 4, 6]]
    assert (answers[ONE].classes.tolist(), len(answers[TWO])) == ([1], 0)


def test_of_several_exports_the_last_that_names_a_frame_counts(tmp_path: Path) -> None:
    sent = FolderTool(tmp_path).send(BATCH)
    coco(tmp_path)
    later = labels_of(tmp_path) / "a" / "night.json"
    later.parent.mkdir()
    later.write_text(
        json.dumps(
            {"images": [{"id": 9, "file_name": f"{sent.tasks[ONE]}.jpg"}], "annotations": []}
        )
    )
    os.utime(labels_of(tmp_path) / "export.json", (1, 1))
    answers = drawn(collected(tmp_path))
    assert (len(answers[ONE]), len(answers[TWO])) == (0, 1)


@pytest.mark.parametrize("form", FORMS)
def test_an_archive_is_read_as_what_it_holds(tmp_path: Path, form: Form) -> None:
    FolderTool(tmp_path, form).send(BATCH)
    source = tmp_path / BATCH.name / "prelabels"
    with zipfile.ZipFile(labels_of(tmp_path) / "export.zip", "w") as archive:
        for path in source.rglob("*"):
            archive.write(path, f"job 1/{path.relative_to(source)}")
    assert drawn(collected(tmp_path, form=form)).keys() == {ONE, TWO, THREE}


def test_what_cannot_be_taken_is_counted(tmp_path: Path) -> None:
    sent = FolderTool(tmp_path).send(BATCH)
    images = [
        {"id": 1, "file_name": f"{sent.tasks[ONE]}.jpg", "width": 100, "height": 80},
        {"id": 2, "file_name": "somebody else's.jpg"},
    ]
    categories = [{"id": 1, "name": "dog"}, {"id": 7, "name": "red car"}]
    boxes = [(7, [90, 70, 50, 50]), (1, [0, 0, 9, 9]), (7, [100, 0, 9, 9]), (7, [5, 5, 0, 9])]
    annotations = [
        {"id": number, "image_id": 1, "category_id": category, "bbox": box}
        for number, (category, box) in enumerate(boxes)
    ]
    annotations.append({"id": 9, "image_id": 2, "category_id": 7, "bbox": [1, 1, 9, 9]})
    coco(tmp_path, images=images, categories=categories, annotations=annotations)
    found = collected(tmp_path)
    assert found.left_out == {
        "boxes on frames that are not of this batch": 1,
        "boxes of class 'dog', which the project does not have": 1,
        "a box that lies outside its image of 100x80 pixels": 1,
        "a box that has no area": 1,
    }
    answers = drawn(found)
    assert answers.keys() == {ONE}
    assert (answers[ONE].boxes.tolist(), answers[ONE].classes.tolist()) == (
        [[90, 70, 100, 80]],
        [1],
    )


def test_marks_of_regions_that_do_not_count_are_kept(tmp_path: Path) -> None:
    FolderTool(tmp_path).send(BATCH)
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 1}
    coco(tmp_path, annotations=[box])
    assert drawn(collected(tmp_path))[ONE].ignore.tolist() == [True]


def test_boxes_of_the_class_ignore_are_regions_that_do_not_count(tmp_path: Path) -> None:
    FolderTool(tmp_path).send(BATCH)
    coco(
        tmp_path,
        categories=[{"id": 1, "name": "ignore"}, {"id": 7, "name": "red car"}],
        annotations=[
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]},
            {"id": 2, "image_id": 1, "category_id": 7, "bbox": [5, 6, 7, 8]},
        ],
    )
    found = collected(tmp_path)
    answer = drawn(found)[ONE]
    assert (answer.boxes.tolist(), answer.ignore.tolist()) == (
        [[1, 2, 4, 6], [5, 6, 12, 14]],
        [True, False],
    )
    assert (answer.classes.tolist(), dict(found.left_out)) == ([0, 1], {})


def test_pictures_of_another_size_are_refused(tmp_path: Path) -> None:
    sent = FolderTool(tmp_path).send(BATCH)
    name = f"{sent.tasks[ONE]}.jpg"
    coco(
        tmp_path,
        images=[{"id": 1, "file_name": name, "width": 50, "height": 40}],
        annotations=[],
    )
    with pytest.raises(
        OracleError, match=r"export\.json: 00001.* is 50x40 there and was sent as 100x80"
    ):
        collected(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"", "labels/a.json: annotations of no known format"),
        ("a.json", b'{"images": [', "labels/a.json: .*truncated"),
        ("a.json", b"\xff\x00", "labels/a.json: annotations of no known format"),
        ("a.xml", b"<annotation><size>", "labels/a.xml: not well-formed XML"),
        ("a.zip", b"PK\x03\x04", "labels/a.zip: cannot be unpacked"),
        ("data.yaml", b"names: [\ntrain: images\n", "labels/data.yaml: not valid YAML"),
        ("notes.txt", b"all done", "labels: holds no annotations of a known format"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    FolderTool(tmp_path).send(BATCH)
    (labels_of(tmp_path) / name).write_bytes(content)
    with pytest.raises(OracleError, match=message) as caught:
        collected(tmp_path)
    assert "\n" not in str(caught.value)


def test_what_is_damaged_in_an_archive_is_named_as_in_the_archive(tmp_path: Path) -> None:
    FolderTool(tmp_path).send(BATCH)
    with zipfile.ZipFile(labels_of(tmp_path) / "x.zip", "w") as archive:
        archive.writestr("annotations/instances.json", '{"images": [')
    with pytest.raises(OracleError, match=r"labels/x\.zip/annotations/instances\.json: ") as caught:
        collected(tmp_path)
    assert tempfile.gettempdir() + "/thrifty-" not in str(caught.value)


@pytest.mark.parametrize("form", FORMS)
def test_a_stop_anywhere_is_made_good_by_sending_again(tmp_path: Path, form: Form) -> None:
    class Killed(BaseException):
        pass

    def dies_at(count: int) -> Assignment:
        left = iter(range(count))

        def read(record: Record) -> Picture:
            if next(left, None) is None:
                raise Killed
            return picture(record)

        return assignment(BATCH.tasks, read)

    for count in range(3):
        with pytest.raises(Killed):
            FolderTool(tmp_path, form).send(dies_at(min(count, 1)))
        assert len(list((tmp_path / BATCH.name / "images").iterdir())) == min(count, 2)
        assert not (tmp_path / BATCH.name / "prelabels").exists()
    whole = FolderTool(tmp_path / "at once", form).send(BATCH)
    assert FolderTool(tmp_path, form).send(dies_at(1)).tasks == whole.tasks
    assert files_of(tmp_path / BATCH.name) == files_of(tmp_path / "at once" / BATCH.name)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    sent = FolderTool(tmp_path, "voc").send(BATCH)
    folder = tmp_path / BATCH.name
    before = files_of(folder)
    (folder / "images" / f".{sent.tasks[ONE]}.jpg.a1b2c3_d").write_bytes(b"half")
    (folder / ".chosen.csv.a1b2c3_d").write_bytes(b"half")
    (folder / ".prelabels.a1b2c3_d").mkdir()
    (folder / "images" / ".DS_Store").write_bytes(b"theirs")
    FolderTool(tmp_path, "voc").send(BATCH)
    assert files_of(folder) == {**before, "images/.DS_Store": b"theirs"}
    assert not (folder / ".prelabels.a1b2c3_d").exists()


@pytest.mark.parametrize("form", FORMS)
def test_what_people_have_made_is_never_touched(tmp_path: Path, form: Form) -> None:
    FolderTool(tmp_path, form).send(BATCH)
    accept(tmp_path)
    for path in (tmp_path / BATCH.name).rglob("*.*"):
        if "labels" in path.parent.as_posix() and path.is_file():
            path.write_bytes(path.read_bytes() + b"\n")
    before = files_of(tmp_path / BATCH.name)
    FolderTool(tmp_path, form).send(BATCH)
    assert files_of(tmp_path / BATCH.name) == before
    assert drawn(collected(tmp_path, form=form)).keys() == {ONE, TWO, THREE}


def test_another_batch_of_that_name_is_refused(tmp_path: Path) -> None:
    FolderTool(tmp_path).send(BATCH)
    before = files_of(tmp_path)
    with pytest.raises(
        OracleError, match=r"chosen\.csv: names other frames than batch-003 of street"
    ):
        FolderTool(tmp_path).send(assignment(BATCH.tasks[:2]))
    assert files_of(tmp_path) == before


def test_a_frame_that_cannot_be_read_is_the_frame_s_error(tmp_path: Path) -> None:
    def read(record: Record) -> Picture:
        raise FrameError(f"{record.label}: cannot be decoded")

    with pytest.raises(FrameError, match=r"1\.jpg: cannot be decoded"):
        FolderTool(tmp_path).send(assignment(BATCH.tasks, read))


def test_batches_may_move_together(tmp_path: Path) -> None:
    sent = FolderTool(tmp_path / "here").send(BATCH)
    (tmp_path / "here").rename(tmp_path / "there")
    batch = tmp_path / "there" / BATCH.name
    shutil.copytree(batch / "prelabels", batch / "labels", dirs_exist_ok=True)
    collected = FolderTool(tmp_path / "there").collect(asked(sent, BATCH))
    assert len(collected.answers) == len(BATCH.tasks)


def test_the_export_that_was_written_last_counts_whichever_folder_is_older(tmp_path: Path) -> None:
    tool = FolderTool(tmp_path)
    batch = assignment([task(still(1), 1, [(0, 0, 20, 80)])])
    sent = tool.send(batch)
    accept(tmp_path)
    labels = tmp_path / batch.name / "labels"
    export, *_ = labels.rglob("*.json")
    for name in ("anna", "ben"):
        (labels / name).mkdir()
        shutil.copy(export, labels / name / "labels.json")
    export.unlink()
    text = (labels / "anna" / "labels.json").read_text()
    moved = json.loads(text)
    moved["annotations"][0]["bbox"] = [5, 5, 10, 10]
    # Over her first file: her folder stays older than the other.
    (labels / "anna" / "labels.json").write_text(json.dumps(moved))
    os.utime(labels / "anna" / "labels.json", ns=(2**61, 2**61))
    assert drawn(tool.collect(asked(sent, batch)))[ONE].boxes.tolist() == [[5, 5, 15, 15]]


def test_a_folder_that_cannot_be_written_or_is_gone_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OracleError, match="file/batch-003.* cannot be used"):
        FolderTool(tmp_path / "file").send(BATCH)
    sent = FolderTool(tmp_path).send(BATCH)
    shutil.rmtree(tmp_path / BATCH.name)
    with pytest.raises(OracleError, match="batch-003: the batch is gone"):
        FolderTool(tmp_path).collect(asked(sent, BATCH))


def test_a_class_that_the_form_has_no_place_for_is_told(tmp_path: Path) -> None:
    with pytest.raises(OracleError, match="has no place for a class called '#'"):
        FolderTool(tmp_path, "voc").send(assignment(BATCH.tasks, classes=("#", "b")))


def test_boxes_are_cut_at_the_frame_s_edge_before_people_see_them(tmp_path: Path) -> None:
    boxes = [(-5, -5, 20, 200), (200, 0, 300, 50), (np.nan, 0, 1, 1)]
    batch = assignment([task(still(1), 1, boxes)])
    tool = FolderTool(tmp_path)
    sent = tool.send(batch)
    accept(tmp_path)
    assert drawn(tool.collect(asked(sent, batch)))[ONE].boxes.tolist() == [[0, 0, 20, 80]]


edges = st.tuples(st.floats(0, 1), st.floats(0, 1)).filter(
    lambda pair: abs(pair[0] - pair[1]) > 1e-3
)


@settings(max_examples=25)
@given(st.data(), st.sampled_from(FORMS))
def test_boxes_that_people_accept_come_back_as_the_detector_s(
    data: st.DataObject, form: Form
) -> None:
    tasks = []
    for rank in range(1, data.draw(st.integers(1, 3)) + 1):
        width, height = data.draw(st.integers(1, 3000)), data.draw(st.integers(1, 3000))
        sides = data.draw(st.lists(st.tuples(edges, edges), max_size=4))
        boxes = [
            (min(x) * width, min(y) * height, max(x) * width, max(y) * height) for x, y in sides
        ]
        tasks.append(task(still(rank, size=(width, height)), rank, boxes))
    batch = assignment(tasks, lambda record: Picture(b"looked at by nobody", ".jpg"))
    with tempfile.TemporaryDirectory() as folder:
        tool = FolderTool(Path(folder), form)
        sent = tool.send(batch)
        accept(Path(folder))
        found = tool.collect(asked(sent, batch))
    assert (len(found.answers), dict(found.left_out)) == (len(tasks), {})
    for one in tasks:
        answer = drawn(found)[one.record.id]
        assert answer.classes.tolist() == one.found.classes.tolist()
        assert np.allclose(answer.boxes, one.found.boxes, rtol=0, atol=ROUNDING)
