"""A folder for any tool: what is written can be read by others, and what they put there comes back."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.oracles.assignments import asked, assignment, found, picture, records
from thrifty.data.formats.catalogue import read_dataset, write_dataset
from thrifty.errors import DataError, FrameError, OracleError
from thrifty.oracles.folder import FolderTool
from thrifty.oracles.tool import Picture
from thrifty.types import Record

ROUNDING = {"coco": 1e-6, "yolo": 0.01, "voc": 1.0}
"""Pixels that a form may move a side by: VOC holds whole ones."""


@pytest.mark.parametrize("form", list(ROUNDING))
def test_prelabels_given_back_are_the_detector_s_boxes(form: str, tmp_path: Path) -> None:
    frames = records(6)
    tool = FolderTool(tmp_path, form)
    sent = tool.send(assignment(frames))
    assert tool.collect(asked(sent, frames)).answers == ()
    folder = tmp_path / "batch-001"
    pictures = sorted((folder / "images").iterdir())
    assert [path.name.partition("-")[2] for path in pictures] == [f"{one.id}.png" for one in frames]
    assert pictures[0].read_bytes() == picture(frames[0]).content
    shutil.copytree(folder / "prelabels", folder / "labels", dirs_exist_ok=True)
    collected = tool.collect(asked(sent, frames))
    assert collected.left_out == {}
    answers = {answer.record_id: answer.drawn for answer in collected.answers}
    assert set(answers) == {record.id for record in frames}
    for record in frames:
        boxes = found(record.frame or 0)
        assert answers[record.id].boxes == pytest.approx(boxes.boxes, abs=ROUNDING[form])
        assert answers[record.id].classes.tolist() == boxes.classes.tolist()


def test_labels_come_partly_and_in_another_form(tmp_path: Path) -> None:
    frames = records(4)
    tool = FolderTool(tmp_path, "coco")
    sent = tool.send(assignment(frames))
    folder = tmp_path / "batch-001"
    whole = read_dataset(folder / "prelabels" / "annotations.json")
    few = replace(whole, images=whole.images[:2])
    write_dataset(few, folder / "labels" / "from-a-tool.xml", "cvat-images")
    collected = tool.collect(asked(sent, frames))
    assert [answer.record_id for answer in collected.answers] == [one.id for one in frames[:2]]
    (folder / "labels" / "from-a-tool.xml").write_text("<")
    with pytest.raises(DataError, match=r"from-a-tool\.xml"):
        tool.collect(asked(sent, frames))


def test_what_cannot_be_taken_is_counted(tmp_path: Path) -> None:
    frames = records(2)
    tool = FolderTool(tmp_path, "coco")
    sent = tool.send(assignment(frames))
    dataset = read_dataset(tmp_path / "batch-001" / "prelabels" / "annotations.json")
    first, second = dataset.images
    wild = replace(first.labels[0], box=(-10.0, -10.0, 20.0, 500.0))
    gone = replace(first.labels[0], box=(900.0, 10.0, 950.0, 20.0))
    images = (replace(first, labels=(wild, gone)), replace(second, name="other.png"))
    lion = replace(dataset.categories[1], name="lion")
    told = replace(dataset, images=images, categories=(dataset.categories[0], lion))
    write_dataset(told, tmp_path / "batch-001" / "labels" / "a.json", "coco")
    collected = tool.collect(asked(sent, frames))
    assert collected.answers[0].drawn.boxes.tolist() == [[0, 0, 20, 100]]
    assert collected.left_out == {
        "boxes without area in their frame": 1,
        "pictures that are not of this batch": 1,
    }


def test_sending_again_completes_and_leaves_labels_alone(tmp_path: Path) -> None:
    frames = records(4)
    left = [2]

    def failing(record: Record) -> Picture:
        left[0] -= 1
        if left[0] < 0:
            raise FrameError("no such frame")
        return picture(record)

    tool = FolderTool(tmp_path, "voc")
    with pytest.raises(FrameError):
        tool.send(replace(assignment(frames), picture=failing))
    mine = tmp_path / "batch-001" / "labels" / "mine.txt"
    mine.write_text("mine")
    tool.send(assignment(frames))
    assert mine.read_text() == "mine"
    assert len(list((tmp_path / "batch-001" / "images").iterdir())) == 4
    assert "every person" in (tmp_path / "batch-001" / "README.txt").read_text()
    assert not list(tmp_path.rglob(".*"))


def test_what_goes_wrong_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OracleError, match="choose from coco, yolo, voc"):
        FolderTool(tmp_path, "excel")
    frames = records(1)
    sent = FolderTool(tmp_path).send(assignment(frames))
    shutil.rmtree(tmp_path / "batch-001")
    with pytest.raises(OracleError, match="is gone; restore it"):
        FolderTool(tmp_path).collect(asked(sent, frames))
    (tmp_path / "file").write_text("")
    with pytest.raises(OracleError, match="cannot be written"):
        FolderTool(tmp_path / "file").send(assignment(frames))
