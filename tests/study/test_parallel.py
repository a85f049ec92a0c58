"""Arms of a run on the workers of a real Ray cluster of two nodes."""

import os
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from faults.processes import below
from faults.scenarios import Loop
from tests.command import thrifty
from tests.tiny import TinyData
from thrifty.config import load_recipe
from thrifty.engine import ray_crew
from thrifty.engine.ray_cluster import Cluster, joined
from thrifty.engine.ray_crew import Crew
from thrifty.errors import DataError, RunError
from thrifty.study.run import execute, open_run


def finished(out: Path) -> int:
    with suppress(sqlite3.Error), sqlite3.connect(out / "run.sqlite") as connection:
        return int(connection.execute("SELECT count(*) FROM stage").fetchone()[0])
    return 0


class Killing(threading.Thread):
    """Kills one worker as soon as some stages are done."""

    def __init__(self, out: Path) -> None:
        super().__init__(daemon=True)
        self.out, self.killed, self.over = out, 0, False

    def run(self) -> None:
        while not (self.killed or self.over):
            time.sleep(0.05)
            victim = below("ray::_Member")(os.getpid()) if finished(self.out) > 5 else None
            if victim is not None:
                os.kill(victim, 9)
                self.killed = victim


def test_a_run_on_a_cluster_is_the_run_of_one_process_though_a_worker_dies(
    nodes: Any, tiny: TinyData, tmp_path: Path
) -> None:
    settings, text = load_recipe(tiny.recipe(tmp_path))
    alone, spread = tmp_path / "alone" / "out", tmp_path / "spread" / "out"
    for folder in (alone, spread):
        folder.parent.mkdir()
    with open_run(settings, text, alone, tiny.root) as run:
        execute(run)
    killing = Killing(spread)
    killing.start()
    with joined(nodes.address, 2) as cluster, open_run(settings, text, spread, tiny.root) as run:
        execute(run, cluster=cluster)
    killing.over = True
    assert killing.killed
    outcome = Loop(tiny).outcome
    assert outcome(spread.parent) == outcome(alone.parent)


def _refuse() -> Any:
    def refuse(task: int) -> int:
        if task == 3:
            raise DataError("frame.png: is broken")
        if task == 4:
            os._exit(1)
        return 2 * task

    return refuse


def test_what_goes_wrong_is_told_by_its_task(nodes: Any) -> None:
    with joined(nodes.address, 2) as cluster:
        crew: Crew[int, int] = Crew(cluster, _refuse)
        answers = [crew.submit(task) for task in range(6)]
        assert [answers[task].result() for task in (0, 1, 2, 5)] == [0, 2, 4, 10]
        with pytest.raises(DataError, match="is broken"):
            answers[3].result()
        with pytest.raises(RunError, match="^4: whoever works on it .* dies, 5 times in a row"):
            answers[4].result()
        assert crew.submit(7).result() == 14
        crew.close()


def _take_time() -> Any:
    def take_time(task: int) -> int:
        time.sleep(0.3)
        return 2 * task

    return take_time


def test_whoever_has_no_room_keeps_no_task(nodes: Any) -> None:
    """Four members on two cores: two of them never come."""
    with joined(nodes.address, 4) as cluster:
        crew: Crew[int, int] = Crew(cluster, _take_time)
        answers = [crew.submit(task) for task in range(8)]
        assert [one.result(timeout=120) for one in answers] == list(range(0, 16, 2))
        crew.close()


def test_a_node_that_is_lost_and_not_replaced_keeps_no_task(nodes: Any) -> None:
    third = nodes.add_node(num_cpus=1)
    with joined(nodes.address, 3) as cluster:
        crew: Crew[int, int] = Crew(cluster, _take_time)
        answers = [crew.submit(task) for task in range(60)]
        # All three are at work by then.
        answers[10].result(timeout=120)
        nodes.remove_node(third, allow_graceful=False)
        assert [one.result(timeout=120) for one in answers] == list(range(0, 120, 2))
        crew.close()


def test_a_cluster_without_room_is_given_up(nodes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_crew, "ROOM", 1.0)
    with joined(nodes.address, 1):
        # None of its machines has a GPU.
        crew: Crew[int, int] = Crew(Cluster(1, gpus=True), _take_time)
        early = crew.submit(1)
        with pytest.raises(RunError, match="has had no room for a worker for 10 minutes"):
            early.result(timeout=120)
        with pytest.raises(RunError, match="has had no room for a worker"):
            crew.submit(2).result(timeout=120)
        crew.close()


class _Stillborn:
    def __init__(self, _begin: object) -> None:
        os._exit(1)

    def ready(self) -> None:
        """Never."""


def test_members_that_die_before_they_are_ready_are_given_up(
    nodes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_crew, "_Member", _Stillborn)
    with joined(nodes.address, 1) as cluster:
        crew: Crew[int, int] = Crew(cluster, _take_time)
        with pytest.raises(RunError, match="workers die before they are ready, 5 times in a row"):
            crew.submit(1).result(timeout=120)
        crew.close()


def test_options_of_two_places_exclude_each_other(tiny: TinyData, tmp_path: Path) -> None:
    words = ("run", tiny.recipe(tmp_path), "--out", tmp_path / "out", "--data", tiny.root)
    done = thrifty(*words, "--engine", "ray", "--jobs", 2)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1] == (
        "thrifty: --jobs 2: is of this machine; give --workers for a cluster"
    )
    done = thrifty(*words, "--workers", 2)
    assert "--workers 2: is of a Ray cluster" in done.stderr
