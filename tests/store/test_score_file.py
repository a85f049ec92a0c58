"""The file of scores: whole or absent, resumed, never mixed."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from thrifty.data.pool import Broken, Done
from thrifty.errors import DataError, RunError
from thrifty.store import score_file
from thrifty.store.columns import Columns
from thrifty.store.score_file import Count, ScoreFile
from thrifty.types import Record

JOB = {"pool": "here", "detector": "mine"}


def score(value: float) -> Columns:
    return {"score": np.array(value)}


def record(number: int) -> Record:
    return Record(f"id{number}", "v.avi", 8, 6, "v", number, number)


def test_shards_become_one_file_and_go(tmp_path: Path) -> None:
    out = tmp_path / "scores.parquet"
    with ScoreFile(out, JOB, rows=3) as file:
        for number in range(8):
            file.add(record(number), score(number / 2))
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
    with ScoreFile(out, JOB, rows=3) as file:
        assert file.finished() == Count(8, 1, earlier=True)


def test_an_unfinished_file_is_taken_up_again(tmp_path: Path) -> None:
    out = tmp_path / "scores.parquet"
    with ScoreFile(out, JOB, rows=3) as file:
        for number in range(5):
            file.add(record(number), score(1.0))
    assert not out.exists()
    with ScoreFile(out, JOB, rows=3) as file:
        assert file.finished() is None
        assert list(file.done()) == [
            Done("v.avi", number, broken=False, id=f"id{number}") for number in range(5)
        ]
        file.add_broken(Broken("v.avi", 5, "ends"))
        assert file.finish() == Count(5, 1)


def test_another_job_s_files_are_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "scores.parquet"
    with ScoreFile(out, JOB) as file:
        file.add(record(0), score(1.0))
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
        file.add(record(0), score(1.0))
    shard = tmp_path / "s.parquet.parts" / "00000000.parquet"
    shard.write_bytes(b"half")
    with (
        pytest.raises(DataError, match=r"00000000\.parquet: cannot be read"),
        ScoreFile(out, JOB) as file,
    ):
        list(file.done())


def test_nothing_is_left_where_nothing_was_scored(tmp_path: Path) -> None:
    out = tmp_path / "s.parquet"
    with pytest.raises(DataError), ScoreFile(out, JOB):
        raise DataError("no detector")
    assert not list(tmp_path.iterdir())
    # Nor does what a kill leaves before the first shard stand in anybody's way.
    parts = tmp_path / "s.parquet.parts"
    parts.mkdir()
    (parts / ".lock").touch()
    (parts / "job.json").write_text("{}")
    with ScoreFile(out, JOB) as file:
        file.add(record(0), score(1.0))
    with ScoreFile(out, JOB) as file:
        assert file.finish() == Count(1, 0)


def test_shards_that_do_not_say_whose_they_are_belong_to_nobody(tmp_path: Path) -> None:
    out = tmp_path / "s.parquet"
    with ScoreFile(out, JOB) as file:
        file.add(record(0), score(1.0))
    (tmp_path / "s.parquet.parts" / "job.json").unlink()
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(RunError, match="unfinished scores of another pool"), ScoreFile(out, JOB):
        pass
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


class Died(BaseException):
    """Ends the finishing of a file as a power cut would."""


def finish(out: Path) -> Count:
    with ScoreFile(out, JOB) as file:
        return file.finished() or file.finish()


@pytest.mark.parametrize("fatal", [1, 2, 3, 4, 5])
def test_a_process_that_dies_while_it_finishes_leaves_nothing_in_the_end(
    tmp_path: Path, fatal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "s.parquet"
    with ScoreFile(out, JOB) as file:
        for number in range(4):
            file.add(record(number), score(1.0))
        file.add_broken(Broken("x.jpg", None, "no picture"))
    steps: list[str] = []

    def die(step: str) -> None:
        steps.append(step)
        if len(steps) == fatal:
            raise Died

    def replace(here: Path, there: Path) -> None:
        die("replace")
        here.rename(there)

    def remove(folder: Path, ignore_errors: bool = False) -> None:
        (folder / "job.json").unlink(missing_ok=True)
        die("remove")
        remove_all(folder, ignore_errors)

    remove_all = shutil.rmtree
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        patch.setattr(shutil, "rmtree", remove)
        with pytest.raises(Died):
            finish(out)
    # The scores, the list, what an earlier death left, the shards aside, the shards.
    assert steps == ["replace", "replace", "remove", "replace", "remove"][:fatal]
    assert finish(out).scored == 4
    assert finish(out) == Count(4, 1, earlier=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.parquet", "s.unreadable.csv"]
    assert (tmp_path / "s.unreadable.csv").read_text().count("x.jpg") == 1


def test_somebody_s_own_list_beside_the_scores_is_left_alone(tmp_path: Path) -> None:
    out, own = tmp_path / "s.parquet", tmp_path / "s.unreadable.csv"
    own.write_text("mine")
    with pytest.raises(RunError, match="belongs to no scores"), ScoreFile(out, JOB):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [own.name]
    own.unlink()
    with ScoreFile(out, JOB) as file:
        file.add(record(0), score(1.0))
        own.write_text("mine")
        with pytest.raises(RunError, match="belongs to no scores"):
            file.finish()
    assert own.read_text() == "mine"
    own.unlink()
    assert finish(out) == Count(1, 0)


def test_many_small_shards_become_few_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_file, "_GROUP_ROWS", 100)
    monkeypatch.setattr(score_file, "_GROUP_SHARDS", 8)
    out = tmp_path / "s.parquet"
    with ScoreFile(out, JOB, rows=2) as file:
        for number in range(250):
            file.add(record(number), score(number / 2))
        assert len(list((tmp_path / "s.parquet.parts").glob("*.parquet"))) == 125
        file.finish()
    assert pq.read_metadata(out).num_row_groups == 3
    assert pq.read_table(out)["score"].to_pylist() == [number / 2 for number in range(250)]


def test_rows_are_safe_on_disk_as_soon_as_asked(tmp_path: Path) -> None:
    with ScoreFile(tmp_path / "s.parquet", JOB, rows=100, seconds=0) as file:
        file.add(record(0), score(1.0))
        assert file.count() == Count(1, 0)


def test_a_name_that_is_no_text_costs_no_rows(tmp_path: Path) -> None:
    out = tmp_path / "s.parquet"
    with ScoreFile(out, JOB) as file:
        file.add(record(0), score(1.0))
        file.add_broken(Broken("a\udcff.jpg", None, "a\udcff.jpg: no picture"))
        file.add(record(1), score(1.0))
        assert file.finish() == Count(2, 1)
    assert "a\\udcff.jpg" in (tmp_path / "s.unreadable.csv").read_text()
