"""Commands in a process of their own: one at a time, stopped, killed, failed."""

import shutil
import time
from pathlib import Path

import pytest

from tests.project.projects import tiny_project
from tests.tiny import TinyData
from thrifty.errors import RunError
from thrifty.pages.jobs import Jobs, Order, State
from thrifty.project.project import open_project
from thrifty.project.selecting import select
from thrifty.project.settings import FILE

PATIENCE = 120.0


def finished(jobs: Jobs) -> State:
    end = time.monotonic() + PATIENCE
    while (state := jobs.state()).running:
        assert time.monotonic() < end
        time.sleep(0.05)
    return state


def under_way(jobs: Jobs) -> State:
    """Once it shows how far it is."""
    end = time.monotonic() + PATIENCE
    while not (state := jobs.state()).bars:
        assert state.running
        assert time.monotonic() < end
        time.sleep(0.02)
    return state


@pytest.fixture
def folder(tiny: TinyData, tmp_path: Path) -> Path:
    with tiny_project(tmp_path / "shop", tiny):
        return tmp_path / "shop"


def test_one_at_a_time_stopped_and_given_again(folder: Path) -> None:
    jobs = Jobs(folder, "cpu")
    assert jobs.state() == State()
    jobs.stop()
    settings = folder / FILE
    # So long that it cannot be done before it is stopped.
    text = settings.read_text()
    settings.write_text(text.replace("start_epochs = 2", "start_epochs = 20000"))
    assert settings.read_text() != text
    jobs.start(Order("train"))
    [bar] = under_way(jobs).bars
    assert bar.what == "training the start weights"
    assert bar.total >= 20000
    with pytest.raises(RunError, match="train is at work; wait until it is done, or stop it"):
        jobs.start(Order("select"))
    jobs.stop()
    state = finished(jobs)
    assert (state.number, state.command, state.bars) == (1, "train", [])
    assert state.failure == "stopped; give the command again to go on"

    settings.write_text(text)
    jobs.start(Order("train"))
    state = finished(jobs)
    assert (state.number, state.failure) == (2, None)
    assert state.said[0].startswith("model-001: trained in ")
    with open_project(folder) as project:
        assert [model.number for model in project.store.models()] == [1]


def test_what_was_done_before_something_failed_is_told(folder: Path) -> None:
    with open_project(folder) as project:
        for _ in range(2):
            select(project, 3, more=True)
    jobs = Jobs(folder, "cpu")
    jobs.start(Order("send", to="folder"))
    assert [line[:9] for line in finished(jobs).said] == ["batch-001", "batch-002"]
    batches = folder / "batches"
    shutil.copytree(batches / "batch-002" / "prelabels", batches / "batch-002" / "labels" / "mine")
    shutil.rmtree(batches / "batch-001")
    jobs.start(Order("collect"))
    state = finished(jobs)
    assert "3 labels are new or changed" in state.said
    assert "batch-001: the batch is gone" in str(state.failure)


def test_what_fails_and_what_dies_is_told(folder: Path) -> None:
    jobs = Jobs(folder, "cpu")
    jobs.start(Order("evaluate"))
    state = finished(jobs)
    assert "has no detector yet; train one" in str(state.failure)
    assert state.said == []
    jobs.start(Order("select", budget=3, minutes=2.0))
    assert finished(jobs).failure == "frames and minutes exclude each other; give one"
    jobs.start(Order("collect"))
    assert jobs._job is not None
    jobs._job.process.kill()
    assert "ended unexpectedly (status -9); see what `thrifty ui` printed" in str(
        finished(jobs).failure
    )


def test_another_process_at_work_is_waited_for(folder: Path) -> None:
    jobs = Jobs(folder, "cpu")
    with open_project(folder) as project, project.store.turn():
        # Collecting waits for nobody, as on the command line.
        jobs.start(Order("collect"))
        assert "nothing was sent to people yet" in str(finished(jobs).failure)
        jobs.start(Order("evaluate"))
        [bar] = under_way(jobs).bars
        assert bar.what == "waiting for another process on this project"
    assert "has no detector yet" in str(finished(jobs).failure)
