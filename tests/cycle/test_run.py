"""The whole loop on small real files."""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from tests.tiny import TinyData
from thrifty.config import load_recipe
from thrifty.cycle import stages
from thrifty.cycle.context import Context
from thrifty.cycle.loop import run_all
from thrifty.data.frames import CachedFrames
from thrifty.detectors.paper import Weights
from thrifty.errors import BudgetError, CapabilityError, DataError, RecipeError
from thrifty.oracles.simulated import SimulatedOracle
from thrifty.store.schema import ChoiceRow, EvaluationRow, Key
from thrifty.strategies.catalogue import make_strategies
from thrifty.study.run import execute, open_run
from thrifty.study.summary import figures
from thrifty.training import Example, Plan, fit
from thrifty.types import Annotations, Need, Record

STRATEGIES = ("divergence", "guided-random", "random")
Results = dict[Key, tuple[list[ChoiceRow], EvaluationRow | None]]


def results(tiny: TinyData, recipe: Path, out: Path) -> Results:
    settings, text = load_recipe(recipe)
    with open_run(settings, text, out, tiny.root) as run:
        store = execute(run)
        return {
            key: (store.choices(key), store.evaluation(key))
            for seed in settings.seeds
            for strategy in STRATEGIES
            for cycle in (1, 2)
            for key in [Key(seed, strategy, cycle)]
        }


@pytest.fixture(scope="module")
def finished(tiny: TinyData, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    folder = tmp_path_factory.mktemp("finished")
    recipe = tiny.recipe(folder, seeds="0, 1")
    return folder / "out", results(tiny, recipe, folder / "out")


def ids(rows: Sequence[ChoiceRow]) -> list[str]:
    return [row.record_id for row in rows]


def test_two_runs_with_one_seed_are_identical_and_another_seed_is_not(
    tiny: TinyData, tmp_path: Path, finished: tuple[Path, Results]
) -> None:
    again = results(tiny, tiny.recipe(tmp_path, seeds="0"), tmp_path / "out")
    first = finished[1]
    assert all(again[key] == first[key] for key in again)
    for strategy in STRATEGIES:
        assert ids(first[Key(0, strategy, 1)][0]) != ids(first[Key(1, strategy, 1)][0])


def test_each_cycle_adds_b_new_frames_of_the_pool(finished: tuple[Path, Results]) -> None:
    for (seed, strategy), chosen in {
        (key.seed, key.strategy): [
            ids(finished[1][Key(key.seed, key.strategy, cycle)][0]) for cycle in (1, 2)
        ]
        for key in finished[1]
    }.items():
        assert [len(cycle) for cycle in chosen] == [3, 3], (seed, strategy)
        assert len(set(chosen[0]) | set(chosen[1])) == 6


def test_the_rules_hold_between_the_chosen_frames(finished: tuple[Path, Results]) -> None:
    for strategy in ("divergence", "guided-random"):
        frames = [
            int(row.record_id.split(".")[1])
            for row in finished[1][Key(0, strategy, 1)][0]
            if not row.dropped
        ]
        assert all(abs(a - b) > 2 for a in frames for b in frames if a != b)


def test_seeds_share_their_start_weights_across_strategies(finished: tuple[Path, Results]) -> None:
    names = {path.name for path in (finished[0] / "files").glob("*start*.safetensors")}
    assert names == {"seed0.start.cycle00.safetensors", "seed1.start.cycle00.safetensors"}


def test_scores_and_detections_are_tables_that_anything_can_open(
    finished: tuple[Path, Results],
) -> None:
    files = finished[0] / "files"
    # In the first cycle all arms of a seed have the same detector, and one pass serves them all.
    for name, rows in (("start.cycle00.scores.divergence", 30), ("divergence.cycle02.scores", 27)):
        scores = pq.read_table(files / f"seed0.{name}.parquet")
        assert scores.column_names == ["id", "score"]
        assert scores.num_rows == rows
    detections = pq.read_table(
        finished[0] / "files" / "seed0.divergence.cycle01.detections.parquet"
    )
    assert detections.column_names == ["id", "x1", "y1", "x2", "y2", "score", "class"]


def test_deleting_the_hidden_labels_changes_no_choice(
    tiny: TinyData, tmp_path: Path, finished: tuple[Path, Results]
) -> None:
    """Cycle 1 follows from pixels alone; later cycles may use the labels they bought, and only those."""
    root = tmp_path / "data"
    shutil.copytree(tiny.root, root)
    content = json.loads((root / "video.json").read_text())
    bought = {
        int(row.record_id.split(".")[1])
        for strategy in STRATEGIES
        for row in finished[1][Key(0, strategy, 1)][0]
    }
    kept = [
        entry
        for entry in content["annotations"]
        if entry["image_id"] - 1 in bought or entry["image_id"] > 30
    ]
    assert len(kept) < len(content["annotations"])
    (root / "video.json").write_text(json.dumps(content | {"annotations": kept}))
    blind = results(TinyData(root), tiny.recipe(tmp_path, seeds="0"), tmp_path / "out")
    for strategy in STRATEGIES:
        for cycle in (1, 2):
            assert ids(blind[Key(0, strategy, cycle)][0]) == ids(
                finished[1][Key(0, strategy, cycle)][0]
            )


class WatchfulOracle(SimulatedOracle):
    """Remembers which labels were given out."""

    def __init__(self, hidden: Mapping[str, Annotations]) -> None:
        super().__init__(hidden)
        self.given: list[str] = []

    def collect(self, batch: str, records: Sequence[Record]) -> Mapping[str, Annotations]:
        self.given += [record.id for record in records]
        return super().collect(batch, records)


def test_labels_are_given_out_for_chosen_frames_alone(tiny: TinyData, tmp_path: Path) -> None:
    settings, text = load_recipe(tiny.recipe(tmp_path, seeds="0"))
    with open_run(settings, text, tmp_path / "out", tiny.root) as run:
        context = run.context
        hidden = {record.id: Annotations([[1.0, 1, 9, 9]]) for record in context.pool.records}  # type: ignore[arg-type]
        oracle = WatchfulOracle(hidden)
        watched = Context(
            context.recipe,
            context.start,
            context.pool,
            context.test,
            oracle,
            context.store,
            context.progress,
            "cpu",
        )
        run_all(watched, run.strategies)
        chosen = [
            row
            for strategy in STRATEGIES
            for cycle in (1, 2)
            for row in context.store.choices(Key(0, strategy, cycle))
        ]
    assert sorted(oracle.given) == sorted(ids(chosen))


def test_unreadable_frames_are_reported_and_never_chosen(tiny: TinyData, tmp_path: Path) -> None:
    """The pool is the folder of stills, three of which cannot be decoded; five of eight are to be chosen."""
    root = tmp_path / "data"
    shutil.copytree(tiny.root, root)
    for number in (2, 5, 7):
        (root / "stills" / f"still{number}.png").write_bytes(b"no picture %d" % number)
    text = tiny.recipe(tmp_path, seeds="0").read_text()
    text = text.replace(
        '[pool]\nannotations = "video.json"\nframes = [0, 29]',
        '[pool]\nannotations = "stills.json"\nimages = "stills"',
    )
    text = text.replace(
        'annotations = "stills.json"\nimages = "stills"',
        'annotations = "video.json"\nframes = [0, 9]',
        1,
    )
    recipe = tmp_path / "stills.toml"
    recipe.write_text(text.replace("budget = 3", "budget = 2"))
    settings, text = load_recipe(recipe)
    with open_run(settings, text, tmp_path / "out", root) as run:
        store = execute(run)
        sources = {record.id: record.source for record in run.context.pool.records}
        for strategy in STRATEGIES:
            chosen = {
                sources[row.record_id]
                for cycle in (1, 2)
                for row in store.choices(Key(0, strategy, cycle))
            }
            assert len(chosen) == 4
            assert not chosen & {"still2.png", "still5.png", "still7.png"}
        assert {sources[row.record_id] for row in store.unreadable()} == {
            "still2.png",
            "still5.png",
            "still7.png",
        }


def test_cycle_0_is_the_start_weights_for_every_strategy(tiny: TinyData, tmp_path: Path) -> None:
    settings, text = load_recipe(tiny.recipe(tmp_path, seeds="0"))
    with open_run(settings, text, tmp_path / "out", tiny.root) as run:
        execute(run)
        points = figures(run.context, run.strategies)
    starts = [point for point in points if point.cycle == 0]
    assert [point.strategy for point in starts] == list(STRATEGIES)
    assert len({point.miss_rate for point in starts}) == 1
    assert [point.labelled for point in points if point.strategy == "random"] == [0, 3, 6]


def _change(tiny: TinyData, folder: Path, old: str, new: str) -> Any:
    text = tiny.recipe(folder, seeds="0").read_text()
    assert old in text
    path = folder / "changed.toml"
    path.write_text(text.replace(old, new))
    return load_recipe(path)


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        (
            "budget = 3",
            "budget = 16",
            BudgetError,
            "2 cycles of 16 frames need 32 frames but the pool holds 30",
        ),
        ("frames = [32, 39]", "frames = [29, 39]", DataError, "1 frames are in both pool and test"),
        (
            "frames = [32, 39]",
            "frames = [36, 39]",
            DataError,
            "the test set holds no counted objects",
        ),
        (
            '"random"]',
            '"oracle"]',
            RecipeError,
            "unknown strategy 'oracle'; choose from divergence, .*, whole-pool",
        ),
    ],
)
def test_bad_settings_are_found_before_anything_is_written(
    tiny: TinyData, tmp_path: Path, old: str, new: str, error: type[Exception], message: str
) -> None:
    settings, text = _change(tiny, tmp_path, old, new)
    with pytest.raises(error, match=message), open_run(settings, text, tmp_path / "out", tiny.root):
        pass
    assert not (tmp_path / "out").exists()


def test_a_strategy_that_the_detector_cannot_serve_names_those_that_fit(
    tiny: TinyData, tmp_path: Path
) -> None:
    settings, _ = load_recipe(tiny.recipe(tmp_path, seeds="0"))
    with pytest.raises(
        CapabilityError, match="needs class maps.*strategies that fit: guided-random, "
    ):
        make_strategies(settings, frozenset({Need.BOXES}))


def test_a_detector_begins_where_its_strategy_says(
    tiny: TinyData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the start weights every time, or from the cycle before."""
    text = tiny.recipe(tmp_path).read_text()
    names = 'strategies = ["divergence", "thrifty"]'
    path = tmp_path / "two.toml"
    path.write_text(re.sub(r"strategies = \[[^\]]*\]", names, text))
    recipe, _ = load_recipe(path)
    begun: list[Weights | None] = []

    def noted(plan: Plan, frames: CachedFrames, examples: Sequence[Example], *rest: Any) -> Any:
        begun.append(rest[0])
        return fit(plan, frames, examples, *rest)

    monkeypatch.setattr(stages, "fit", noted)
    with open_run(recipe, "", tmp_path / "out", tiny.root) as run:
        execute(run)
        start, *cycles = begun
        assert start is None
        keys = [Key(0), Key(0), Key(0), Key(0, "thrifty", 1)]
        for began, key in zip(cycles, keys, strict=True):
            assert began is not None
            expected = run.context.weights(key)
            assert all(torch.equal(began[name], expected[name]) for name in expected)
