"""What is found to be wrong with data sets that were made wrong on purpose, and nothing else."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from tests.tiny import TinyData
from thrifty.data.check import Checked, Finding, Kind, check, tally
from thrifty.data.dataset import Category, Dataset, Label, LabelledImage
from thrifty.data.folders import Folders
from thrifty.data.formats.catalogue import read_dataset


def draw(path: Path, seed: int) -> LabelledImage:
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    Pillow.fromarray(np.kron(blocks, np.ones((8, 8, 1), np.uint8))).save(path)
    return LabelledImage(path.name, 64, 48, (Label((1, 1, 9, 9), 0),))


def as_set(
    folder: Path,
    *images: LabelledImage,
    name: str = "train",
    classes: tuple[str, ...] = ("person",),
) -> Checked:
    dataset = Dataset(tuple(map(Category, classes)), images)
    return Checked(name, dataset, Folders((folder,)))


def found(*sets: Checked) -> list[tuple[str, str, str]]:
    return [(entry.kind.value, entry.where, entry.what) for entry in check(sets)]


def test_a_sound_set_has_no_findings(tmp_path: Path, tiny: TinyData) -> None:
    assert found(as_set(tmp_path, draw(tmp_path / "a.png", 1), draw(tmp_path / "b.png", 2))) == []
    video = read_dataset(tiny.root / "video.json")
    assert check([Checked("video", video, Folders((tiny.root,)))]) == []


def test_files_that_are_missing_broken_or_of_another_size(tmp_path: Path, tiny: TinyData) -> None:
    sound = draw(tmp_path / "a.png", 1)
    (tmp_path / "broken.png").write_bytes(b"none")
    shutil.copy(tiny.video, tmp_path / "clip.avi")
    (tmp_path / "cut.avi").write_bytes(tiny.video.read_bytes()[:3000])
    named = [
        replace(sound, name=name) for name in ("gone.png", "broken.png", "clip.avi#99", "cut.avi#1")
    ]
    labelled_on_a_proxy = replace(sound, name="clip.avi#3", width=320, height=240)
    findings = found(as_set(tmp_path, *named, replace(sound, width=60), labelled_on_a_proxy))
    assert [entry[:2] for entry in findings] == [
        ("missing file", "train: gone.png"),
        ("missing file", "train: clip.avi#99"),
        ("unreadable file", "train: broken.png"),
        ("unreadable file", "train: cut.avi#1"),
        ("wrong size", "train: a.png"),
        ("wrong size", "train: clip.avi#3"),
    ]
    assert findings[1][2] == "the video has 40 frames, so none with number 99"
    assert findings[4][2] == "is 64x48 pixels, its annotations say 60x48"
    assert findings[5][2] == "is 96x64 pixels, its annotations say 320x240"


def test_boxes_that_cannot_be_or_are_drawn_twice(tmp_path: Path) -> None:
    sound = draw(tmp_path / "a.png", 1)
    box = sound.labels[0]
    labels = (
        box,
        box,
        replace(box, box=(5, 5, 5, 9)),
        replace(box, box=(float("nan"), 0, 1, 1)),
        replace(box, box=(64, 0, 70, 9)),
    )
    assert found(as_set(tmp_path, replace(sound, labels=labels))) == [
        ("impossible box", "train: a.png", "box 2 [5, 5, 5, 9] has no area"),
        ("impossible box", "train: a.png", "box 3 [nan, 0, 1, 1] is not four finite numbers"),
        (
            "impossible box",
            "train: a.png",
            "box 4 [64, 0, 70, 9] lies outside its image of 64x48 pixels",
        ),
        ("drawn twice", "train: a.png", "boxes 0 and 1 are the same"),
    ]


def test_duplicates_in_a_set_and_leaks_between_sets(tmp_path: Path) -> None:
    first = draw(tmp_path / "a.png", 1)
    shutil.copy(tmp_path / "a.png", tmp_path / "b.png")
    shutil.copy(tmp_path / "a.png", tmp_path / "c.png")
    train = as_set(tmp_path, first, first, replace(first, name="b.png"))
    test = as_set(tmp_path, replace(first, name="c.png"), name="test")
    assert found(train, test) == [
        ("duplicate", "train: a.png", "is listed twice"),
        ("duplicate", "train: b.png", "has the content of a.png"),
        ("leak", "test: c.png", "has the content of train: a.png"),
    ]


def test_a_picture_saved_again_is_shown_but_is_no_error(tmp_path: Path) -> None:
    first = draw(tmp_path / "a.png", 1)
    Pillow.open(tmp_path / "a.png").save(tmp_path / "b.jpg")
    findings = check([as_set(tmp_path, first, replace(first, name="b.jpg"))])
    assert findings == [Finding(Kind.SIMILAR, "train: b.jpg", "looks like train: a.png")]
    assert not findings[0].is_error


def test_one_video_in_two_sets_is_a_leak_under_any_name(tmp_path: Path, tiny: TinyData) -> None:
    shutil.copy(tiny.video, tmp_path / "one.avi")
    shutil.copy(tiny.video, tmp_path / "two.avi")
    frames = [LabelledImage(f"one.avi#{n}", video="one.avi", frame=n) for n in range(3)]
    other = LabelledImage("two.avi#30", video="two.avi", frame=30)
    pool, test = as_set(tmp_path, *frames, name="pool"), as_set(tmp_path, other, name="test")
    assert found(pool, test) == [
        ("leak", "one.avi", "has frames in several sets: 3 in pool, 1 in test")
    ]
    assert found(pool) == []


def test_class_names_that_differ_in_spelling_only(tmp_path: Path) -> None:
    image = replace(draw(tmp_path / "a.png", 1), labels=())
    one = as_set(tmp_path, image, classes=("Person", "traffic light", "car"))
    other = as_set(
        tmp_path,
        replace(image, labels=()),
        name="test",
        classes=("person", "Traffic_Light", "truck"),
    )
    names = [entry for entry in check([one, other]) if entry.kind is Kind.CLASSES]
    assert [entry.what for entry in names] == [
        "differ in spelling only: 'Person', 'person'",
        "differ in spelling only: 'Traffic_Light', 'traffic light'",
    ]
    assert {entry.where for entry in names} == {"test, train"}
    assert tally(names) == {Kind.CLASSES: 2}


@pytest.mark.parametrize("name", ["pets09", "pennfudan", "bccd"])
def test_the_real_sets_are_sound(real_data: Path, name: str) -> None:
    path = real_data / name
    folders = Folders((path, path / "images"))
    findings = check([Checked(name, read_dataset(path / "annotations.json"), folders)])
    assert [finding for finding in findings if finding.is_error] == []
