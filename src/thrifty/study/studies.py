"""Studies: a table or figure of the paper as arms to run on a set, and what the paper says of them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Mapping
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from thrifty.config import FilesSource, Recipe, Section, explain, parse_values
from thrifty.errors import RecipeError
from thrifty.strategies.names import REFERENCES, WHOLE_POOL


class Claim(Section):
    """What the paper says of one strategy beside another.

    Attributes:
        paper: In words; of a question of our own what was expected.
        strategy: Which.
        than: Beside which.
        figure: `miss_rate` at one false positive per image, or `people` in the frames chosen so far.
        cycle: After which cycle.
        expected: What the paper found, or, of a question of our own, what was expected.
        ours: Whether the question is our own.
    """

    paper: str
    strategy: str
    than: str
    figure: Literal["miss_rate", "people"]
    cycle: Literal["first", "last"] = "last"
    expected: Literal["better", "worse", "alike"]
    ours: bool = False


class Study(Section):
    """One question.

    Attributes:
        title: In words.
        arms: The strategies that it looks at.
        on: The sets on which it can run, the paper's own first.
        claims: What the paper says.
        alone: Whether it has a run of its own, since its arms need what the others should not wait for.
        beside: The arm that all others are told beside; chance if left out.
    """

    title: str
    arms: Annotated[tuple[str, ...], Field(min_length=1)]
    on: Annotated[tuple[str, ...], Field(min_length=1)]
    claims: tuple[Claim, ...] = ()
    alone: bool = False
    beside: str | None = None

    def wanted(self, arms: Collection[str]) -> tuple[str, ...]:
        """Some of its arms, and what others are told beside (chance, the whole pool, `beside`); all if none is named.

        Raises:
            RecipeError: It has no such arm.
        """
        unknown = [name for name in arms if name not in self.arms]
        if unknown:
            raise RecipeError(f"--arm {unknown[0]}: choose from {', '.join(self.arms)}")
        if not arms:
            return self.arms
        return tuple(
            name for name in self.arms if name in {*arms, *REFERENCES, WHOLE_POOL, self.beside}
        )


class Catalogue(Section):
    """All studies."""

    studies: Mapping[str, Study]


TABLE, TIME = "table-1", "figure-4"
"""Studies that compare no strategies, and are not in the catalogue."""


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """The studies that come with the package."""
    text = _folder().joinpath("studies.toml").read_text(encoding="utf-8")
    return Catalogue.model_validate(tomllib.loads(text))


def find_study(name: str) -> Study:
    """A study by name.

    Raises:
        RecipeError: There is none of that name.
    """
    known = catalogue().studies
    if name not in known:
        names = ", ".join([TABLE, TIME, *known])
        raise RecipeError(f"{name}: no such study; choose from {names}")
    return known[name]


def find_set(study: Study, wanted: str | None, data: Path | None) -> str:
    """The set to run a study on: the one that is wanted, or the first whose files are there.

    Args:
        study: Which.
        wanted: Its name, if somebody wants one.
        data: The data folder.

    Raises:
        RecipeError: The study cannot run on what is wanted, or no set is there.
    """
    if wanted is not None:
        if wanted not in study.on:
            raise RecipeError(f"--on {wanted}: choose from {', '.join(study.on)}")
        return wanted
    for name in study.on:
        if is_there(name, data):
            return name
    raise RecipeError(
        f"none of the sets {', '.join(study.on)} is in the data folder; give --data DIR or set THRIFTY_DATA"
    )


def recipe_for(
    on: str, changes: Mapping[str, Mapping[str, Any]] | None = None, alone: str | None = None
) -> Recipe:
    """The recipe of the run that studies on a set share: the arms of them all, each once.

    Args:
        on: The set.
        changes: Keys of the recipe to set otherwise, by table; the empty table is the recipe itself.
        alone: Name of a study that has a run of its own; that run's recipe is meant then.

    Raises:
        RecipeError: A change is no setting, or out of range.
    """
    values = _values(on)
    known = catalogue().studies
    changes = {
        table: _other(values if not table else values.get(table, {}), keys)
        for table, keys in (changes or {}).items()
    }
    # Another size is another run, in a folder of its own.
    sizes = [
        f"-{key}{len(value) if isinstance(value, list) else value}"
        for keys in changes.values()
        for key, value in keys.items()
    ]
    if alone is None:
        asked = [study for study in known.values() if on in study.on and not study.alone]
    else:
        asked = [known[alone]]
    values["name"] = "".join([on if alone is None else f"{on}-{alone}", *sizes])
    arms = chain.from_iterable(study.arms for study in asked)
    values["selection"]["strategies"] = list(dict.fromkeys(arms))
    for table, keys in changes.items():
        (values.setdefault(table, {}) if table else values).update(keys)
    return parse_values(values, f"study on {on}")


def _other(values: Mapping[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    """Of changes those that change anything."""
    return {key: value for key, value in keys.items() if values.get(key) != value}


def as_toml(recipe: Recipe) -> str:
    """A recipe as a file that `thrifty run` takes; what stands at its default is left out."""
    values = recipe.model_dump(mode="json", exclude_defaults=True)
    plain = {key: value for key, value in values.items() if not isinstance(value, dict)}
    tables = {key: value for key, value in values.items() if isinstance(value, dict)}
    parts = [_table(plain), *(f"[{key}]\n{_table(value)}" for key, value in tables.items())]
    return "\n".join(parts)


def _table(values: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {_literal(value)}\n" for key, value in values.items())


def _literal(value: Any) -> str:  # noqa: ANN401 - whatever a recipe holds
    """JSON's strings, numbers, booleans and lists are TOML's; tables within a line are not."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_literal(one)}" for key, one in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def _values(on: str) -> dict[str, Any]:
    text = _folder().joinpath("sets", f"{on}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def sets_known() -> list[str]:
    """Every set that a study can run on, the paper's own first."""
    return list(dict.fromkeys(name for study in catalogue().studies.values() for name in study.on))


def is_there(on: str, data: Path | None) -> bool:
    """Whether the annotations of a set are in the data folder; what is rendered always is."""
    values = _values(on)
    for role in ("start", "pool", "test"):
        source = values[role]
        if source.get("kind") == "street":
            continue
        try:
            annotations = FilesSource.model_validate(source).annotations
        except ValidationError as error:
            raise RecipeError(f"study, {role}: {explain(error)}") from error
        if data is None or not (data / annotations).exists():
            return False
    return True


def _folder() -> Traversable:
    return resources.files("thrifty").joinpath("studies")
