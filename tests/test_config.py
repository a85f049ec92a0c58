from pathlib import Path

import pytest

from thrifty.config import FilesSource, Preset, StreetSource, load_recipe, parse_recipe
from thrifty.errors import RecipeError

MINIMAL = """
name = "x"
[start]
annotations = "a.json"
[pool]
kind = "street"
look = "dusk"
drives = 2
[test]
annotations = "b.json"
[selection]
budget = 5
cycles = 2
"""


def test_defaults_are_the_paper_s() -> None:
    recipe = parse_recipe(MINIMAL, "x")
    assert isinstance(recipe.start, FilesSource)
    assert isinstance(recipe.pool, StreetSource)
    assert recipe.training.epochs == 50
    assert (recipe.training.learning_rate, recipe.training.final_learning_rate) == (0.001, 0.0001)
    assert (recipe.training.weight_decay, recipe.training.negatives) == (2e-6, 15)
    assert (
        recipe.score.region,
        recipe.selection.exclude_current,
        recipe.selection.exclude_later,
    ) == (30, 15, 2)
    assert recipe.detector.preset is Preset.PAPER
    assert recipe.evaluation.iou == 0.5


def test_windows_are_refused_where_they_are_resized_like_whole_frames() -> None:
    text = MINIMAL + "\n[training]\ncrop = [64, 64]\n"
    assert parse_recipe(text, "x").training.crop == (64, 64)
    with pytest.raises(RecipeError, match="yolo:yolo11n resizes a window as it does a whole frame"):
        parse_recipe(text + '\n[detector]\nmodel = "yolo:yolo11n"\n', "x")


def test_the_digest_follows_what_decides_figures() -> None:
    plain = parse_recipe(MINIMAL, "x")
    words = parse_recipe('description = "Other words."\n' + MINIMAL, "x")
    dearer = {
        unit: parse_recipe(
            MINIMAL.replace("budget = 5", f'budget = 500\nunit = "{unit}"')
            + f"\n[cost]\nper_frame = {cost}\n",
            "x",
        ).digest
        for unit, cost in (("frames", 40.0), ("seconds", 40.0))
    }
    cheaper = {
        unit: parse_recipe(
            MINIMAL.replace("budget = 5", f'budget = 500\nunit = "{unit}"')
            + "\n[cost]\nper_frame = 20.0\n",
            "x",
        ).digest
        for unit in dearer
    }
    assert words.digest == plain.digest
    assert dearer["frames"] == cheaper["frames"]
    assert dearer["seconds"] != cheaper["seconds"]


def test_the_digest_follows_settings_not_layout() -> None:
    spaced = MINIMAL.replace("budget = 5", "\n# five\nbudget   = 5")
    assert parse_recipe(MINIMAL, "x").digest == parse_recipe(spaced, "y").digest
    assert (
        parse_recipe(MINIMAL, "x").digest != parse_recipe(MINIMAL.replace("= 5", "= 6"), "x").digest
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "x"', 'name = "x/y"', "'name' = 'x/y'"),
        ("drives = 2", "drives = 0", "'pool.drives' = 0"),
        ("drives = 2", "drives = 2\nspeed = 3", "unknown key 'pool.speed'"),
        ('look = "dusk"', 'look = "noon"', "'pool.look' = 'noon'"),
        ('kind = "street"', 'kind = "film"', "'pool'"),
        ("budget = 5\n", "", "key 'selection.budget' is missing"),
        ("cycles = 2", "cycles = 2\n[training]\ncrop = [0, 5]", "'training.crop.0' = 0"),
        ("cycles = 2", "cycles = 2\n[score]\nsigma = inf", "'score.sigma' = inf"),
        (
            'annotations = "b.json"',
            'annotations = "b.json"\nframes = [9, 3]',
            "frames runs from 9 to 3",
        ),
        ("cycles = 2", "cycles = 2\nseeds = []", "unknown key 'selection.seeds'"),
    ],
)
def test_bad_values_name_their_key_in_one_line(old: str, new: str, message: str) -> None:
    assert old in MINIMAL
    with pytest.raises(RecipeError) as caught:
        parse_recipe(MINIMAL.replace(old, new), "file.toml")
    assert str(caught.value).startswith("file.toml: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="not UTF-8 text"):
        load_recipe(path)
