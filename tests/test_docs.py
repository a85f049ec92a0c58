"""What the README shows is what the package does."""

import re
import tomllib
from importlib import resources
from pathlib import Path

import torch

from thrifty.config import parse_recipe
from thrifty.data.formats.catalogue import FORMATS
from thrifty.data.formats.format import Format, Trait
from thrifty.detectors.onnx import OnnxDescription
from thrifty.detectors.precomputed import MapsDescription
from thrifty.strategies.catalogue import ROWS, known

DOCS = Path(__file__).parents[1] / "docs"
README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_python_of_the_readme_runs() -> None:
    [code] = blocks("python")
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102 - our own README
    scores = names["scores"]
    assert isinstance(scores, torch.Tensor)
    assert scores.shape == (2,)
    assert (scores > 0).all()


def test_the_recipe_of_the_readme_is_a_recipe() -> None:
    whole, selection = blocks("toml")
    assert parse_recipe(whole, "README.md").name == "my-street"
    # The second block shows the tables that would stand in place of the first one's.
    changed = whole[: whole.index("[selection]")] + selection
    recipe = parse_recipe(changed, "README.md")
    assert recipe.selection.unit == "seconds"
    assert set(recipe.selection.strategies) <= set(known())


def test_every_strategy_has_its_line_in_the_docs_and_in_the_recipes_of_all() -> None:
    text = (DOCS / "strategies.md").read_text()
    rows = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| `")]
    named = set(re.findall(r"`([\w.-]+)`", " ".join(rows)))
    assert set(ROWS) <= named
    for name in ("every-street", "every-camvid", "every-bccd"):
        recipe = resources.files("thrifty.recipes").joinpath(f"{name}.toml").read_text()
        assert set(parse_recipe(recipe, name).selection.strategies) == set(ROWS)


def test_both_commands_of_the_readme_are_in_the_makefile() -> None:
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    for command in ("demo", "test"):
        assert f"make {command}" in README
        assert f"\n{command}:" in makefile


def test_the_description_in_the_docs_is_one() -> None:
    text = (DOCS / "detectors.md").read_text()
    [example] = re.findall(r"```\n(layout.*?)```", text, flags=re.DOTALL)
    described = OnnxDescription.model_validate(tomllib.loads(example))
    assert set(tomllib.loads(example)) == set(OnnxDescription.model_fields)
    assert described.fill == OnnxDescription().fill
    [example] = re.findall(r"```\n(kind.*?)```", text, flags=re.DOTALL)
    assert MapsDescription.model_validate(tomllib.loads(example)) == MapsDescription()
    assert set(tomllib.loads(example)) == set(MapsDescription.model_fields)


def test_every_page_that_a_page_names_is_there() -> None:
    root = Path(__file__).parents[1]
    for page in [*root.glob("*.md"), *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} names {target}"


PARTS = {
    Trait.OCCLUSION: Trait.OCCLUSION_LEVELS,
    Trait.TRUNCATION: Trait.TRUNCATION_DEGREES,
    Trait.ATTRIBUTES: Trait.TYPED_ATTRIBUTES,
    Trait.TRACKS: Trait.TRACK_NUMBERS,
}
"""Traits that may be held in part only, and what tells."""


def mark(entry: Format, trait: Trait) -> str:
    if trait not in entry.holds:
        return "·"
    return "●" if PARTS.get(trait, trait) in entry.holds | {Trait.TRACK_NUMBERS} else "○"


def test_the_table_of_formats_says_what_each_holds() -> None:
    """What docs/formats.md shows is what the code declares; the message holds the table to paste."""
    text = (DOCS / "formats.md").read_text()
    found = (
        text.split("<!-- table of traits -->\n", 1)[1].split("<!-- end of table -->", 1)[0].strip()
    )
    head = "| | " + " | ".join(FORMATS) + " |"
    rule = "|---" * (len(FORMATS) + 1) + "|"
    rows = [
        f"| {trait.value} | " + " | ".join(mark(entry, trait) for entry in FORMATS.values()) + " |"
        for trait in Trait
        if trait not in {*PARTS.values(), Trait.REPEATED_LABEL_IDS}
    ]
    expected = "\n".join([head, rule, *rows])
    assert found == expected, f"\n{expected}"
