"""The built-in recipes on the real data they are made for."""

from importlib import resources
from pathlib import Path

import pytest

from thrifty.config import DetectorSection, StreetSource, parse_recipe
from thrifty.data.rendered import open_street
from thrifty.data.sources import Opened
from thrifty.study.sets import Sets, describe, digest, open_sets
from thrifty.study.studies import recipe_for


def open_built_in(name: str, data: Path | None) -> dict[str, str]:
    text = (
        resources.files("thrifty").joinpath("recipes", f"{name}.toml").read_text(encoding="utf-8")
    )
    recipe = parse_recipe(text, name)
    return describe(recipe, open_sets(recipe, data))


def test_weights_to_begin_from_are_part_of_a_run(tmp_path: Path) -> None:
    weights = tmp_path / "best.pt"
    recipe = recipe_for("street")
    begun = recipe.model_copy(update={"detector": DetectorSection(model=f"yolo:{weights}")})
    drawn = Opened(*open_street(StreetSource(kind="street", look="dusk", drives=1)))
    found = []
    for content in (b"first", b"second", b"first"):
        weights.write_bytes(content)
        found.append(digest(begun, Sets(drawn, drawn, drawn)))
    assert found[0] == found[2] != found[1]


def test_pets09_reads_its_pool_from_the_video_file(real_data: Path) -> None:
    sets = open_built_in("pets09", real_data)
    assert sets["start set"].startswith("170 frames, 170 with people, 423 people")
    assert sets["pool"].startswith("550 frames, 550 with people")
    assert sets["test set"].startswith("100 frames")


def test_camvid_counts_people_of_25_pixels_and_more(real_data: Path) -> None:
    sets = open_built_in("camvid", real_data)
    assert sets["pool"].startswith("406 frames, 290 with people, 616 people")
    assert sets["test set"].startswith("124 frames, 109 with people, 263 people")


def test_the_street_needs_no_data() -> None:
    sets = open_built_in("street", None)
    assert "rendered" in sets["pool"]
    frames, holding = (int(part.split()[0]) for part in sets["pool"].split(", ")[:2])
    assert holding / frames == pytest.approx(0.2, abs=0.08)
