"""Who looks at the pool together in the first cycle."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from thrifty.config import Recipe, parse_recipe
from thrifty.cycle.looking import first_looks
from thrifty.cycle.loop import Branch, whole_run
from thrifty.scoring.regions import RegionSettings
from thrifty.scoring.uncertainty import Measure
from thrifty.store.schema import Key
from thrifty.strategies.catalogue import make_strategies
from thrifty.strategies.doubt import PixelDoubt
from thrifty.strategies.scored import Pipeline
from thrifty.study.run import execute, open_run
from thrifty.types import Need
from thrifty.views import Members

NAMES = ["divergence", "mc-dropout-0.5", "entropy", "bald", "mc-dropout-0.1", "random"]
TEXT = f"""
name = "tiny"
seeds = [0]
start = {{kind = "street", look = "daylight", drives = 4, width = 96, height = 64}}
pool = {{kind = "street", look = "dusk", drives = 2, length = 6, width = 96, height = 64}}
test = {{kind = "street", look = "dusk", drives = 4, seed = 3, width = 96, height = 64}}
detector = {{width = 0.1, box_scale = 0.3}}
training = {{start_steps = 2, steps = 2, batch = 2}}
selection = {{strategies = {NAMES}, budget = 2, cycles = 1, passes = 2, exclude_current = 1}}
"""


@pytest.fixture
def recipe() -> Recipe:
    return parse_recipe(TEXT, "tiny")


def test_what_takes_long_is_shared_by_those_who_want_the_very_same(recipe: Recipe) -> None:
    groups = first_looks(make_strategies(recipe, frozenset(Need)))
    assert [[one.name for one in group] for group in groups.values()] == [
        ["divergence", "entropy", "random"],
        ["mc-dropout-0.5", "bald"],
        ["mc-dropout-0.1"],
    ]
    assert len(groups) == 3


def test_arms_follow_their_own_look_and_only_an_ensemble_needs_its_members(recipe: Recipe) -> None:
    chosen = recipe.selection.model_copy(update={"strategies": (*NAMES, "ensemble")})
    several = recipe.model_copy(update={"selection": chosen})
    strategies = make_strategies(several, frozenset(Need))
    smaller = PixelDoubt("trio", Measure.BALD, Members(3), RegionSettings(), Pipeline())
    [seed] = whole_run(several, [*strategies, smaller]).then
    assert [task.stage for task in seed.tasks] == ["train", "evaluate"]
    *looks, members = seed.then

    def arms(branches: Sequence[Branch]) -> list[list[str]]:
        return [[arm.tasks[0].key.strategy for arm in look.then] for look in branches]

    assert arms(looks) == [
        ["divergence", "entropy", "random"],
        ["mc-dropout-0.5", "bald"],
        ["mc-dropout-0.1"],
    ]
    # However many looks ask several networks, they are trained once.
    assert [task.stage for task in members.tasks] == ["train members"]
    assert arms(members.then) == [["ensemble"], ["trio"]]
    assert looks[0].tasks[0].stage == "look"


def test_a_run_that_goes_on_elsewhere_says_so(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def facts(only: list[str]) -> dict[str, str]:
        with open_run(recipe, TEXT, tmp_path / "out") as run:
            return execute(run, only=only).facts()

    first = facts(["random"])
    monkeypatch.setattr("thrifty.study.run.version", lambda _package: "99.0")
    # Nothing is left to do, so nothing comes from the new version.
    assert facts(["random"]) == first
    more = facts(["divergence"])
    assert more["version torch"] == f"{first['version torch']}; then 99.0"
    assert more["device"] == first["device"] == "CPU, one thread a process"


def test_nobody_waits_for_what_others_want_and_all_agree_whoever_came_first(
    recipe: Recipe, tmp_path: Path
) -> None:
    def choices(out: Path, *wanted: list[str] | None) -> dict[str, list[str]]:
        for only in wanted:
            with open_run(recipe, TEXT, out) as run:
                execute(run, only=only)
        with open_run(recipe, TEXT, out) as run:
            store = run.context.store
            assert store.is_done(Key(0), "look")
            return {
                name: [row.record_id for row in store.choices(Key(0, name, 1))] for name in NAMES
            }

    few = choices(tmp_path / "few", ["divergence", "entropy"])
    assert {name for name, chosen in few.items() if chosen} == {"divergence", "entropy"}
    with open_run(recipe, TEXT, tmp_path / "few") as run:
        costly = [name for name in first_looks(run.strategies) if name != "look"]
        assert not any(run.context.store.is_done(Key(0), name) for name in costly)
    later = choices(tmp_path / "few", ["mc-dropout-0.5"], None)
    assert later == choices(tmp_path / "all", None)
    assert all(later.values())
