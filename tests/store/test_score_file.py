"""The file of scores: whole or absent, resumed, never mixed."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from thrifty.data.pool import Broken, Done
from thrifty.errors import DataError, RunError
from thrifty.store import score_file
from thrifty.store.score_file import Count, ScoreFile
from thrifty.types import Record

JOB = {"pool": "here", "detector": "mine"}


def record(number: int) -> Record:
    return Record(f"id{number}", "v.avi", 8, 6, "v", number, number)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_file, "_SHARD_ROWS", 3)


def test_shards_become_one_file_and_go(tmp_path: Path) -> None:
    out = tmp_path / "scores.parquet"
    with ScoreFile(out, JOB) as file:
        for number in range(8):
            file.add(record(number), number / 2)
        file.add_broken(Broken("x.jpg", None, "no picture, says 'x'"))
        assert file.finish() == Count(8, 1)
    table = pq.read_table(out).to_pydict()
    assert table["id"] == [f"id{number}" for number in range(8)]
    assert table["score"] == [number / 2 for number in range(8)]
    assert table["frame"] == table["place"] == list(range(8))
    assert "reason" not in table
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "scores.parquet",
        "scores.unreadable.csv",
    ]
    assert "x.jpg,,\"no picture, says 'x'\"" in (tmp_path / "scores.unreadable.csv").read_text()
    with ScoreFile(out, JOB) as file:
        assert file.finished() == Count(8, 1)


def test_an_unfinished_file_is_taken_up_again(tmp_path: Path) -> None:
    out = tmp_path / "scores.parquet"
    with ScoreFile(out, JOB) as file:
        for number in range(5):
            file.add(record(number), 1.0)
    assert not out.exists()
    with ScoreFile(out, JOB) as file:
        assert file.finished() is None
        assert list(file.done()) == [Done("v.avi", number, broken=False) for number in range(5)]
        file.add_broken(Broken("v.avi", 5, "ends"))
        assert file.finish() == Count(5, 1)


def test_an_empty_pool_makes_an_empty_table(tmp_path: Path) -> None:
    with ScoreFile(tmp_path / "s.parquet", JOB) as file:
        assert file.finish() == Count(0, 0)
    assert pq.read_table(tmp_path / "s.parquet").num_rows == 0


def test_another_job_s_files_are_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "scores.parquet"
    with ScoreFile(out, JOB) as file:
        file.add(record(0), 1.0)
    with pytest.raises(RunError, match="unfinished scores of another pool"), ScoreFile(out, {}):
        pass
    with ScoreFile(out, JOB) as file:
        file.finish()
    with pytest.raises(RunError, match="holds something else"), ScoreFile(out, {}):
        pass
    (tmp_path / "text.parquet").write_text("mine")
    with (
        pytest.raises(RunError, match="holds something else"),
        ScoreFile(tmp_path / "text.parquet", JOB),
    ):
        pass
    assert (tmp_path / "text.parquet").read_text() == "mine"


def test_two_processes_do_not_score_into_one_file(tmp_path: Path) -> None:
    out = tmp_path / "scores.parquet"
    with (
        ScoreFile(out, JOB),
        pytest.raises(RunError, match="another process is scoring"),
        ScoreFile(out, JOB),
    ):
        pass


def test_a_missing_folder_and_a_damaged_shard_are_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such folder"), ScoreFile(tmp_path / "no" / "s", JOB):
        pass
    out = tmp_path / "s.parquet"
    with ScoreFile(out, JOB) as file:
        file.add(record(0), 1.0)
    shard = tmp_path / "s.parquet.parts" / "00000000.parquet"
    shard.write_bytes(b"half")
    with (
        pytest.raises(DataError, match=r"00000000\.parquet: cannot be read"),
        ScoreFile(out, JOB) as file,
    ):
        list(file.done())
