"""The studies that come with the package are runnable recipes, and those of the paper are complete."""

from pathlib import Path

import pytest

from thrifty.config import parse_recipe
from thrifty.errors import RecipeError
from thrifty.strategies.catalogue import ROWS, known, make_strategies
from thrifty.strategies.names import REFERENCES, WHOLE_POOL
from thrifty.study.studies import (
    as_toml,
    catalogue,
    find_set,
    find_study,
    is_there,
    recipe_for,
    sets_known,
)
from thrifty.study.table_one import PAPER, table_one
from thrifty.types import Need

STUDIES = catalogue().studies


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_asks_its_claims_of_strategies_that_its_run_has(name: str) -> None:
    study = STUDIES[name]
    arms = study.arms
    assert study.claims
    for claim in study.claims:
        assert {claim.strategy, claim.than} <= set(arms)
    # Without both there is no headroom to look at.
    assert WHOLE_POOL in arms
    assert set(REFERENCES) & set(arms)
    assert set(arms) <= set(known())


def test_every_figure_of_the_paper_that_compares_strategies_is_there() -> None:
    wanted = {
        "figure-5",
        "figure-6",
        "figure-7",
        "figure-8",
        "figures-9-10",
        "figures-11-12",
    }
    assert wanted <= set(STUDIES)


@pytest.mark.parametrize("on", sets_known())
def test_the_run_of_every_set_is_a_recipe_with_the_arms_of_all_its_studies(on: str) -> None:
    recipe = recipe_for(on)
    assert recipe.name == on
    assert len(recipe.seeds) == 5
    shared = [study for study in STUDIES.values() if on in study.on and not study.alone]
    wanted = {arm for study in shared for arm in study.arms}
    assert set(recipe.selection.strategies) == wanted
    assert make_strategies(recipe, frozenset(Need))


def test_every_strategy_of_the_house_has_a_run_of_its_own() -> None:
    recipe = recipe_for("street", {"": {"seeds": [0]}}, "every")
    assert recipe.name == "street-every-seeds1"
    assert set(recipe.selection.strategies) == {*ROWS, WHOLE_POOL}
    assert "ensemble" not in recipe_for("street").selection.strategies


@pytest.mark.parametrize("on", ["camvid", "pets09", "street", "street-stills"])
def test_stand_ins_label_14_percent_of_their_pool(on: str) -> None:
    pools = {"camvid": 406, "pets09": 550, "street": 400, "street-stills": 400}
    selection = recipe_for(on).selection
    assert selection.budget * selection.cycles == pytest.approx(0.14 * pools[on], abs=2)


def test_what_changes_nothing_goes_on_with_the_same_run() -> None:
    assert recipe_for("street", {"": {"seeds": [0, 1, 2, 3, 4]}}).name == "street"
    assert recipe_for("street", {"": {"seeds": [0]}, "selection": {"budget": 14}}).name == (
        "street-seeds1"
    )


def test_changes_reach_the_recipe_and_bad_ones_are_refused() -> None:
    changed = recipe_for("street", {"": {"seeds": [7]}, "selection": {"cycles": 2}})
    assert (changed.seeds, changed.selection.cycles) == ((7,), 2)
    with pytest.raises(RecipeError, match=r"study on street: 'selection\.cycles' = 0"):
        recipe_for("street", {"selection": {"cycles": 0}})


@pytest.mark.parametrize("on", sets_known())
def test_the_recipe_of_a_study_can_be_written_and_read(on: str) -> None:
    recipe = recipe_for(on, {"": {"seeds": [0, 3]}})
    assert recipe.name == f"{on}-seeds2"
    assert parse_recipe(as_toml(recipe), "x") == recipe


def test_the_paper_s_own_data_come_first_and_stand_ins_where_they_are_missing(
    tmp_path: Path,
) -> None:
    study = find_study("figure-5")
    assert find_set(study, None, None) == "street"
    assert find_set(study, None, tmp_path) == "street"
    for file in ("pennfudan/annotations.json", "camvid/annotations.json"):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).touch()
    assert find_set(study, None, tmp_path) == "camvid"
    (tmp_path / "citypersons").mkdir()
    (tmp_path / "citypersons" / "anno_train.mat").touch()
    assert not is_there("caltech", tmp_path)
    for folder in ("train", "test"):
        (tmp_path / "caltech" / folder).mkdir(parents=True)
    assert find_set(study, None, tmp_path) == "caltech"
    assert find_set(study, "street", tmp_path) == "street"


def test_what_there_is_not_is_refused_with_what_there_is() -> None:
    with pytest.raises(
        RecipeError, match="figure-99: no such study; choose from table-1, figure-4, figure-5"
    ):
        find_study("figure-99")
    with pytest.raises(RecipeError, match="--on moon: choose from caltech, camvid"):
        find_set(find_study("figure-5"), "moon", None)


def test_table_1_of_the_rendered_street_counts_what_is_high_enough() -> None:
    counts = {row.name: row for row in table_one(None)}
    assert set(counts) == {"street, start", "street, pool", "street-stills, pool"}
    pool = counts["street, pool"]
    assert (pool.images, pool.holding, pool.people) == (400, 101, 188)
    assert [row.people for row in PAPER] == [7740, 20062, 56473]
