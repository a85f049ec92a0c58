"""Boxes out of a Parquet file: found for every frame, in order, and refused in one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.command import thrifty
from tests.tiny import VIDEO_FRAMES, TinyData
from thrifty.detectors.catalogue import identify, open_detector
from thrifty.detectors.precomputed_boxes import PrecomputedBoxes
from thrifty.errors import CapabilityError, DataError
from thrifty.types import Frame, Need, Record


def frame(source: str, number: int | None = None) -> Frame:
    record = Record(source, source, 60, 40, None if number is None else "v", number, number)
    return Frame(record, np.zeros((40, 60, 3), dtype=np.uint8), 1.0)


COLUMNS: dict[str, list[Any]] = {
    "source": ["a/clip.mp4", "one.png", "a/clip.mp4", "a/clip.mp4", "a/clip.mp4", "empty.png"],
    "frame": [3, None, 3, 4, 3, None],
    "x1": [0.0, 1.0, 5.0, 2.0, 7.0, None],
    "y1": [0.0, 1.0, 5.0, 2.0, 7.0, None],
    "x2": [9.0, 9.0, 9.0, 9.0, 9.0, None],
    "y2": [9.0, 9.0, 9.0, 9.0, 9.0, None],
    "score": [0.2, 0.5, 0.9, 0.1, 0.2, None],
    "class": [1, 0, 2, 0, 0, None],
    "probabilities": [[0.2, 0.8], [1.0, 0.0], [0.5, 0.5], [0.0, 0.0], [0.1, 0.2], None],
}


def write(path: Path, **changed: list[Any] | None) -> Path:
    columns = {name: values for name, values in (COLUMNS | changed).items() if values is not None}
    pq.write_table(pa.table(columns), path)
    return path


def test_gaps_and_long_text_as_other_libraries_write_them(tmp_path: Path) -> None:
    path = write(tmp_path / "found.parquet", frame=[3.0, np.nan, 3.0, 4.0, 3.0, np.nan])
    table = pq.read_table(path)
    long = table["source"].cast(pa.large_string())
    pq.write_table(table.set_column(0, "source", long), path)
    video, still = PrecomputedBoxes(path).detect([frame("a/clip.mp4", 3), frame("one.png")])
    assert (len(video), len(still)) == (3, 1)


def test_every_frame_has_its_boxes_surest_first(tmp_path: Path) -> None:
    detector = PrecomputedBoxes(write(tmp_path / "found.parquet"))
    assert detector.gives == {Need.BOXES}
    third, fourth, one, empty = detector.detect(
        [frame("a/clip.mp4", 3), frame("a/clip.mp4", 4), frame("one.png"), frame("empty.png")]
    )
    assert third.boxes.tolist() == [[5, 5, 9, 9], [0, 0, 9, 9], [7, 7, 9, 9]]
    assert third.scores.tolist() == [0.9, 0.2, 0.2]
    assert third.classes.tolist() == [2, 1, 0]
    assert third.probabilities is not None
    assert third.probabilities.tolist() == [[0.5, 0.5], [0.2, 0.8], [0.1, 0.2]]
    assert fourth.boxes.tolist() == [[2, 2, 9, 9]]
    assert one.scores.tolist() == [0.5]
    assert len(empty) == 0
    with pytest.raises(CapabilityError, match="holds boxes alone, no class maps"):
        detector.class_maps([frame("one.png")])


def test_what_is_optional_may_be_left_out(tmp_path: Path) -> None:
    path = write(
        tmp_path / "found.parquet",
        **{"frame": None, "class": None, "probabilities": None},
        source=["a.png", "b.png", "a.png", "c.png", "a.png", "d.png"],
    )
    [found] = PrecomputedBoxes(path).detect([frame("a.png")])
    assert found.scores.tolist() == [0.9, 0.2, 0.2]
    assert found.classes.tolist() == [0, 0, 0]
    assert found.probabilities is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"score": None}, "has no column 'score'"),
        ({"source": [1, 2, 3, 4, 5, 6]}, "'source' must name a file in every row"),
        ({"source": ["a", "b", None, "c", "d", "e"]}, "'source' must name a file in every row"),
        ({"x1": ["a"] * 6}, "'x1' holds string; give numbers"),
        ({"frame": [0.5] * 6}, "'frame' holds fractions; give whole numbers"),
        ({"probabilities": [[0.1], [0.1, 0.2], [], [], [], []]}, "lists of different lengths"),
    ],
)
def test_another_table_is_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "found.parquet", **changed)
    with pytest.raises(DataError, match=message):
        open_detector(f"boxes:{path}")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"score": [0.2, np.nan, 0.9, 0.1, 0.2, None]}, "a box of one.png is not finite"),
        ({"x2": [9.0, 0.5, 9.0, 9.0, 9.0, None]}, "a box of one.png is not finite, or ends before"),
        ({"source": ["a/clip.mp4", "x.png", *COLUMNS["source"][2:]]}, "one.png: has no row in"),
    ],
)
def test_an_unsound_box_and_a_missing_frame_are_named(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    detector = PrecomputedBoxes(write(tmp_path / "found.parquet", **changed))
    with pytest.raises(DataError, match=message):
        detector.detect([frame("one.png")])


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "found.parquet").write_text("none")
    for name in ("found.parquet", "absent.parquet"):
        with pytest.raises(DataError, match="cannot be read as Parquet"):
            open_detector(f"boxes:{tmp_path / name}")


def test_a_pool_is_chosen_from_by_boxes_alone(tmp_path: Path, tiny: TinyData) -> None:
    # Frame 17 is the one of whose box the detector was least sure.
    scores = [0.5 if number == 17 else 0.95 for number in range(VIDEO_FRAMES)]
    count = range(VIDEO_FRAMES)
    columns: dict[str, list[Any]] = {"source": [tiny.video.name for _ in count], "frame": [*count]}
    columns |= {name: [4.0 for _ in count] for name in ("x1", "y1")}
    columns |= {name: [30.0 for _ in count] for name in ("x2", "y2")}
    path = tmp_path / "found.parquet"
    pq.write_table(
        pa.table(columns | {"score": scores, "probabilities": [[score] for score in scores]}), path
    )
    out = tmp_path / "chosen.csv"
    asked = ["--detector", f"boxes:{path}", "--strategy", "black-box", "-b", 1]
    done = thrifty("select", tiny.video, *asked, "--smoothing", 0, "--out", out)
    assert done.returncode == 0, done.stderr
    assert out.read_text().splitlines()[1].split(",")[3] == "17"
    before = identify(f"boxes:{path}")
    write(path)
    assert identify(f"boxes:{path}") != before
