import threading
from pathlib import Path

import numpy as np
import pytest

from thrifty.errors import RunError
from thrifty.store.schema import ChoiceRow, EvaluationRow, HeldRow, Key, UnreadableRow
from thrifty.store.store import Outcome, open_store
from thrifty.types import Annotations

KEY = Key(3, "divergence", 1)


def test_what_a_stage_leaves_is_there_after_reopening(tmp_path: Path) -> None:
    drawn = Annotations(
        np.array([[1.5, 2, 3, 4], [5, 6, 7, 8]]), np.array([0, 2]), np.array([False, True])
    )
    choices = [ChoiceRow(0, "b", 2.0, 1.9, ""), ChoiceRow(1, "a", 1.0, 1.1, "current")]
    with open_store(tmp_path / "run", "r", "d") as store:
        artifact = store.write_file("weights", "w.bin", b"abc")
        store.finish(
            KEY,
            "select",
            Outcome(choices=choices, held=[HeldRow("c", 1.5, "current", "b", 2)]),
            1.0,
        )
        store.finish(
            KEY,
            "collect",
            Outcome(labels={"a": Annotations(np.zeros((0, 4))), "b": drawn}, batch="x"),
            2.0,
        )
        store.finish(KEY, "train", Outcome(artifacts=[artifact]), 3.0)
        store.finish(
            KEY,
            "evaluate",
            Outcome(evaluation=EvaluationRow(0.5, 0.6, 0.3, 0.4, [0.0, 1.0], [0.9, 0.5])),
            4.0,
        )
    with open_store(tmp_path / "run", "r", "d") as store:
        assert store.choices(KEY) == choices
        assert store.held(KEY) == [HeldRow("c", 1.5, "current", "b", 2)]
        labels = store.labels(KEY)
        assert len(labels["a"]) == 0
        assert labels["b"].boxes.tolist() == drawn.boxes.tolist()
        assert labels["b"].classes.tolist() == [0, 2]
        assert labels["b"].ignore.tolist() == [False, True]
        assert store.batch(KEY) == "x"
        assert store.file(KEY, "weights").read_bytes() == b"abc"
        assert store.evaluation(KEY) == EvaluationRow(0.5, 0.6, 0.3, 0.4, [0.0, 1.0], [0.9, 0.5])
        assert store.evaluation(Key(3, "random", 1)) is None
        assert store.is_done(KEY, "select")
        assert not store.is_done(KEY, "score")
        assert store.seconds() == 10.0


def test_a_stage_that_fails_to_commit_leaves_no_row(tmp_path: Path) -> None:
    twice = [ChoiceRow(0, "a", 1.0, 1.0, ""), ChoiceRow(0, "b", 1.0, 1.0, "")]
    with open_store(tmp_path / "run", "r", "d") as store:
        with pytest.raises(RunError):
            store.finish(
                KEY,
                "select",
                Outcome(choices=twice, unreadable=[UnreadableRow("pool", "x", "y")]),
                1.0,
            )
        assert store.choices(KEY) == []
        assert store.unreadable() == []
        assert not store.is_done(KEY, "select")


def test_an_unreadable_frame_is_remembered_once(tmp_path: Path) -> None:
    row = UnreadableRow("pool", "x", "broken")
    with open_store(tmp_path / "run", "r", "d") as store:
        store.finish(KEY, "score", Outcome(unreadable=[row, row]), 1.0)
        store.finish(Key(3, "random", 1), "select", Outcome(unreadable=[row]), 1.0)
        assert store.unreadable() == [row]
        assert store.unreadable(Key(3, "divergence", 2)) == [row]
        assert store.unreadable(Key(4, "divergence", 1)) == []


def test_another_recipe_is_refused(tmp_path: Path) -> None:
    with open_store(tmp_path / "run", "first", "d"):
        pass
    with (
        pytest.raises(RunError, match=r"belongs to another recipe \('first'"),
        open_store(tmp_path / "run", "second", "e"),
    ):
        pass


def test_foreign_folders_and_files_are_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with (
        pytest.raises(RunError, match="holds other files and no run"),
        open_store(tmp_path, "r", "d"),
    ):
        pass
    with pytest.raises(RunError, match="is a file"), open_store(tmp_path / "notes.txt", "r", "d"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    problems: list[Exception] = []

    def intrude() -> None:
        try:
            with open_store(tmp_path / "run", "r", "d"):
                pass
        except RunError as error:
            problems.append(error)

    with open_store(tmp_path / "run", "r", "d"):
        thread = threading.Thread(target=intrude)
        thread.start()
        thread.join()
    assert "another process works on this run" in str(problems[0])


def test_every_process_s_machine_is_remembered_and_the_first_one_s_data(tmp_path: Path) -> None:
    with open_store(tmp_path / "run", "r", "d") as store:
        for device, pool in (("CPU", "9 frames"), ("CPU", "8 frames"), ("H100", ""), ("CPU", "")):
            store.describe_once({"pool": pool})
            store.describe_process({"device": device})
        assert store.facts()["pool"] == "9 frames"
        assert store.facts()["device"] == "CPU; then H100"


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    with open_store(tmp_path / "run", "r", "d") as store:
        store.finish(
            KEY, "train", Outcome(artifacts=[store.write_file("weights", "w.bin", b"abc")]), 1.0
        )
        (tmp_path / "run" / "files" / "w.bin").write_bytes(b"abd")
        with pytest.raises(RunError, match="w.bin: is missing or was changed"):
            store.file(KEY, "weights")


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with open_store(folder, "r", "d"):
        pass
    (folder / "run.sqlite").write_bytes(b"garbage" * 1000)
    with (
        pytest.raises(RunError, match="run.sqlite: file is not a database"),
        open_store(folder, "r", "d"),
    ):
        pass
