"""Every form of detection files: what it says comes out, and what is wrong with it is one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from thrifty.data.dataset import Category, Dataset, LabelledImage
from thrifty.data.detections.catalogue import (
    is_filtered_truth,
    read_detections,
    read_filtered_truth,
)
from thrifty.data.formats.catalogue import read_dataset
from thrifty.errors import DataError

TRUTH = Dataset(
    (Category("person", 5), Category("dog", 2)),
    (LabelledImage("a/one.png", 100, 80, id=11), LabelledImage("a/000042.png", 100, 80, id="x")),
)
CALTECH = Dataset(
    (Category("person"),),
    tuple(
        LabelledImage(f"set06_V00{video}_I{frame:05d}.jpg", 640, 480)
        for video in (0, 1)
        for frame in (29, 59)
    ),
)


def results(path: Path, *entries: Any) -> Path:
    path.write_text(json.dumps(entries))
    return path


def entry(image: Any = 11, category: Any = 5, box: Any = (1, 2, 3, 4), score: Any = 0.5) -> Any:
    return {"image_id": image, "category_id": category, "bbox": list(box), "score": score}


def test_coco_results(tmp_path: Path) -> None:
    path = results(
        tmp_path / "r.json",
        entry(score=0.25) | {"segmentation": {"counts": "xyz"}, "id": 9},
        entry("x", 2, (0.5, 0, 10, 0), 0.75),
        entry(score=0.5),
    )
    found = read_detections(path, TRUTH)
    assert found.classed
    one, two = found.images
    assert one.boxes.tolist() == [[1, 2, 4, 6]] * 2
    assert one.scores.tolist() == [0.25, 0.5]
    assert one.classes.tolist() == [0, 0]
    assert two.boxes.tolist() == [[0.5, 0, 10.5, 0]]
    assert two.classes.tolist() == [1]
    assert [len(one) for one in read_detections(results(path), TRUTH).images] == [0, 0]


def test_images_without_ids_go_by_their_names(tmp_path: Path) -> None:
    nameless = Dataset(
        (Category("person"), Category("dog")),
        tuple(LabelledImage(image.name, 100, 80) for image in TRUTH.images),
    )
    for name in ("a/000042.png", "000042.png", "000042", 42):
        found = read_detections(results(tmp_path / "r.json", entry(name, 2)), nameless)
        assert [len(one) for one in found.images] == [0, 1]
        assert found.images[1].classes.tolist() == [1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[{]", "not valid JSON"),
        ('{"images": [], "annotations": []}', "is no list of results"),
        (json.dumps([entry(99)]), "result 0 is of image 99, which the labels do not hold"),
        (json.dumps([entry(), entry(category=1)]), "result 1 is of category 1"),
        (json.dumps([entry(box=(1, 2, -3, 4))]), "box 0 has a negative side"),
        (json.dumps([entry(box=(1, 2, 3))]), "length"),
        (json.dumps([{"image_id": 11}]), "category_id"),
        ('[{"image_id": 11, "category_id": 5, "bbox": [1, 2, 1e999, 4], "score": 0.5}]', "r.json"),
        ("", "is empty"),
    ],
)
def test_bad_coco_results(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"r\.json") as caught:
        read_detections(path, TRUTH)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def algorithm(tmp_path: Path) -> Path:
    """Two videos in the benchmark's two layouts; a frame that nobody asks for among them."""
    folder = tmp_path / "ALGORITHM" / "set06"
    (folder / "V001").mkdir(parents=True)
    (folder / "V000.txt").write_text(
        "30,10,20,4.1,10,0.5\n30 11 20 4.1 10 0.25\n\n31,0,0,9,9,1\n60, 1, 2, 3, 4, 7.5\n"
    )
    (folder / "V001" / "I00029.txt").write_text("")
    (folder / "V001" / "I00059.txt").write_text("5,6,7,8,-1.5\n")
    return folder.parent


def test_caltech_text(algorithm: Path) -> None:
    found = read_detections(algorithm, CALTECH)
    assert not found.classed
    assert [one.scores.tolist() for one in found.images] == [[0.5, 0.25], [7.5], [], [-1.5]]
    assert found.images[0].boxes[0] == pytest.approx([10, 20, 14.1, 30])
    only = Dataset(CALTECH.categories, CALTECH.images[:2])
    single = read_detections(algorithm / "set06" / "V000.txt", only)
    assert [one.scores.tolist() for one in single.images] == [[0.5, 0.25], [7.5]]


def test_labels_that_were_moved_to_0_take_the_boxes_with_them(algorithm: Path) -> None:
    """Our `.vbb` reader subtracts the 1 that MATLAB counts from."""
    moved = Dataset(
        CALTECH.categories,
        (LabelledImage("set06/V000.seq#29", 640, 480, video="set06/V000.seq", frame=29),),
    )
    [one] = read_detections(algorithm / "set06" / "V000.txt", moved).images
    assert one.boxes[0] == pytest.approx([9, 19, 13.1, 29])


def _write(name: str, text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_text(text)

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_write("set06/V000.txt", "30,1,2,3,4"), "V000.txt: line 1 has 5 numbers instead of 6"),
        (_write("set06/V000.txt", "30,1,2,3,4,x"), "V000.txt: line 1: '30,1,2,3,4,x' is no row"),
        (_write("set06/V000.txt", "0,1,2,3,4,5"), "V000.txt: has a frame that is no number"),
        (_write("set06/V000.txt", "30,1,2,nan,4,5"), "V000.txt: row 0 holds a number that is not"),
        (_write("set06/V000.txt", "30,1,2,-3,4,5"), "set06/V000, frame 29: box 0 has a negative"),
        (lambda folder: (folder / "set06/V000.txt").unlink(), "V000.txt: no such file"),
    ],
)
def test_bad_caltech_text(algorithm: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(algorithm)
    with pytest.raises(DataError) as caught:
        read_detections(algorithm, CALTECH)
    assert message in str(caught.value)


def test_labels_that_tell_no_place_do_not_go_with_caltech_text(algorithm: Path) -> None:
    with pytest.raises(DataError, match="tells no place"):
        read_detections(algorithm, TRUTH)
    with pytest.raises(DataError, match="holds one video and the labels hold 2"):
        read_detections(algorithm / "set06" / "V000.txt", CALTECH)


def cells(*tables: Any) -> np.ndarray:
    made = np.empty((1, len(tables)), dtype=object)
    for number, table in enumerate(tables):
        made[0, number] = np.asarray(table, dtype=np.float64)
    return made


def test_matlab(tmp_path: Path) -> None:
    path = tmp_path / "dt.mat"
    savemat(path, {"dt": cells([[1, 2, 3, 4, 55]], np.zeros((0, 5)))})
    one, two = read_detections(path, TRUTH).images
    assert one.boxes.tolist() == [[1, 2, 4, 6]]
    assert one.scores.tolist() == [55]
    assert len(two) == 0
    savemat(path, {"gt": cells([[1, 2, 3, 4, 0], [5, 6, 7, 8, 1]], [])})
    assert is_filtered_truth(path)
    assert not is_filtered_truth(tmp_path / "other.json")
    truth = read_filtered_truth(path)
    assert [label.ignore for label in truth.images[0].labels] == [False, True]
    assert truth.images[1].labels == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"dt": cells([[1, 2, 3, 4, 5]])}, "detections of 1 images, and the labels are of 2"),
        ({"dt": cells([[1, 2, 3, 4, 5, 6]], [])}, "image 0: is of shape 1x6 instead of Nx5"),
        ({"dt": cells([[1, 2, 3, 4, np.nan]], [])}, "image 0: box 0 is not five finite numbers"),
        ({"gt": cells([], [])}, "holds no cells 'dt'"),
        ({"dt": np.zeros(3)}, "holds no cells 'dt'"),
    ],
)
def test_bad_matlab(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    path = tmp_path / "dt.mat"
    savemat(path, content)
    with pytest.raises(DataError) as caught:
        read_detections(path, TRUTH)
    assert message in str(caught.value)


def test_the_benchmark_s_detections_in_all_forms(specimens: Path, tmp_path: Path) -> None:
    """The published detections, written as COCO results and as text, come back as they are in MATLAB."""
    file = specimens.parent / "caltech-eval" / "dt-ACF-Caltech.mat"
    truth = read_dataset(specimens / "caltech" / "annotations_test_1x.json", checked=False)
    person = next(c.id for c in truth.categories if c.name == "person")
    tables = loadmat(file)["dt"].ravel()
    entries = []
    for image, table in zip(truth.images, tables, strict=True):
        for *box, score in table.reshape(-1, 5).tolist():
            entries.append(entry(image.id, person, box, score))
            name = image.name
            video = tmp_path / "text" / name[:5] / f"{name[6:10]}.txt"
            video.parent.mkdir(parents=True, exist_ok=True)
            with video.open("a") as text:
                text.write(",".join(map(repr, [int(name[12:17]) + 1, *box, score])) + "\n")
    for image in truth.images:
        path = tmp_path / "text" / image.name[:5] / f"{image.name[6:10]}.txt"
        path.touch()
    json_file = results(tmp_path / "all.json", *entries)
    expected = read_detections(file, truth).images
    assert sum(map(len, expected)) == len(entries) > 10_000
    for path in (json_file, tmp_path / "text"):
        for one, other in zip(expected, read_detections(path, truth).images, strict=True):
            assert np.array_equal(one.boxes, other.boxes)
            assert np.array_equal(one.scores, other.scores)


def test_what_is_of_no_form(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        read_detections(tmp_path / "none.json", TRUTH)
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(DataError, match="of no known form"):
        read_detections(tmp_path / "a.csv", TRUTH)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="of no known form"):
        read_detections(tmp_path / "empty", TRUTH)
