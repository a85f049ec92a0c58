"""Arms of a run on worker processes of this machine: what goes wrong in one of them."""

import json
from concurrent.futures import Future
from pathlib import Path

import pytest

from tests.tiny import TinyData
from thrifty.config import Recipe, load_recipe
from thrifty.cycle.loop import Branch, Done, Task
from thrifty.errors import DataError, RunError
from thrifty.store.schema import Key
from thrifty.store.store import Outcome, open_store
from thrifty.study.parallel import _drive
from thrifty.study.run import execute, open_run


@pytest.fixture
def opened(tiny: TinyData, tmp_path: Path) -> tuple[Recipe, str, TinyData]:
    """A recipe on data of its own, which a test may spoil."""
    for name in ("stills.json", "video.json", "clip.avi"):
        (tmp_path / name).write_bytes((tiny.root / name).read_bytes())
    (tmp_path / "stills").symlink_to(tiny.root / "stills")
    return *load_recipe(tiny.recipe(tmp_path)), TinyData(tmp_path)


def test_data_that_vanish_are_named_though_a_worker_looked_for_them(
    opened: tuple[Recipe, str, TinyData], tmp_path: Path
) -> None:
    recipe, text, data = opened
    with open_run(recipe, text, tmp_path / "out", data.root) as run:
        (data.root / "stills.json").unlink()
        with pytest.raises(DataError, match=r"stills\.json"):
            execute(run, jobs=2)


def test_labels_that_change_while_a_run_goes_on_stop_it(
    opened: tuple[Recipe, str, TinyData], tmp_path: Path
) -> None:
    recipe, text, data = opened
    with open_run(recipe, text, tmp_path / "out", data.root) as run:
        content = json.loads((data.root / "stills.json").read_text())
        content["annotations"][0]["bbox"][0] += 1
        (data.root / "stills.json").write_text(json.dumps(content))
        with pytest.raises(RunError, match="were changed while it went on"):
            execute(run, jobs=2)


def test_what_one_has_done_is_kept_though_its_neighbour_failed(tmp_path: Path) -> None:
    arms = [Task(Key(0, f"arm {number}", 1), "train") for number in range(20)]

    def submit(task: Task) -> Future[Done]:
        answer: Future[Done] = Future()
        if task == arms[7]:
            answer.set_exception(DataError("frame.png: is broken"))
        else:
            answer.set_result(Done(task, Outcome(), 0.0))
        return answer

    with open_store(tmp_path / "run", "r", "d") as store:
        with pytest.raises(DataError, match="is broken"):
            _drive(submit, store, Branch([], [Branch([task]) for task in arms]))
        done = [store.is_done(task.key, task.stage) for task in arms]
    assert done == [number != 7 for number in range(20)]
