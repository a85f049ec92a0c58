"""What the README shows is what the package does."""

import re
from pathlib import Path

import torch

from thrifty.config import parse_recipe

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
    [text] = blocks("toml")
    assert parse_recipe(text, "README.md").name == "my-street"


def test_both_commands_of_the_readme_are_in_the_makefile() -> None:
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    for command in ("demo", "test"):
        assert f"make {command}" in README
        assert f"\n{command}:" in makefile
