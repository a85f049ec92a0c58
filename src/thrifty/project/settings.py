"""`thrifty.toml`: what a project is about, in the words of recipes."""

from __future__ import annotations

import math
import os
import tomllib
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from thrifty.config import (
    ChoosingSection,
    CostSection,
    DetectorSection,
    EvaluationSection,
    PositiveInt,
    ScoreSection,
    Section,
    Seed,
    TrainingSection,
    check_crop,
    explain,
)
from thrifty.errors import DataError, RecipeError
from thrifty.project.artifacts import check_store
from thrifty.store.project.engines import read_url

FILE = "thrifty.toml"
VARIABLE = "THRIFTY_DATABASE"
"""Names a database where the settings name none, or another."""


class ProjectSelection(ChoosingSection):
    """What a batch takes, and the rules of `ChoosingSection`.

    Attributes:
        budget: Frames of a batch, where the command does not say.
        strategy: What chooses: see `docs/strategies.md`.
        shadow: Share of every batch that chance draws from the whole rest of the pool, to judge the choice by; not
            learned from. 0 switches it off.
    """

    budget: PositiveInt = 50
    strategy: str = "thrifty"
    shadow: Annotated[float, Field(ge=0, le=0.5)] = 0.1

    def by_chance(self, count: int) -> int:
        """Of so many frames those that chance draws: rounded up, so that even small batches have one, but never all."""
        return min(count - 1, math.ceil(self.shadow * count - 1e-9))

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for name in ("same_motion", "same_picture"):
            if getattr(self, name) is not None:
                raise ValueError(
                    f"{name} compares all pictures of a pool, which recipes do alone; leave it out"
                )
        return self


class ProjectSettings(Section):
    """Everything that decides what a project does.

    Attributes:
        name: What people call it.
        seed: Chance begins here.
        database: URL of the PostgreSQL database that remembers the project, without a password; a file in its folder if left out.
        files: URL of a folder in a store that holds the project's pictures, weights and scores; its own folder if left out.
    """

    name: Annotated[str, Field(pattern=r"^[\w][\w .-]*$", max_length=80)]
    seed: Seed = 0
    database: str | None = None
    files: str | None = None
    detector: DetectorSection
    training: TrainingSection = TrainingSection()
    score: ScoreSection = ScoreSection()
    selection: ProjectSelection = ProjectSelection()
    cost: CostSection = CostSection()
    evaluation: EvaluationSection = EvaluationSection()

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.detector.classes:
            raise ValueError(
                "detector.classes is missing; name the classes that people shall label"
            )
        return self

    @model_validator(mode="after")
    def _without_password(self) -> Self:
        # Of the whole, since what is wrong with a single setting is told with its value.
        if self.database is not None and read_url(self.database).password:
            raise ValueError(
                f"database: a password has no place in this file; leave it to PGPASSWORD, ~/.pgpass or {VARIABLE}"
            )
        return self

    @model_validator(mode="after")
    def _learned_as_it_is_seen(self) -> Self:
        check_crop(self.detector, self.training)
        return self

    @model_validator(mode="after")
    def _kept_in_a_store(self) -> Self:
        if self.files is not None:
            try:
                check_store(self.files)
            except DataError as error:
                raise ValueError(f"files: {error}") from error
        return self

    @property
    def classes(self) -> tuple[str, ...]:
        """What is labelled, in the order in which labels are numbered."""
        return self.detector.classes


def database_of(settings: ProjectSettings) -> str | None:
    """URL of the database that remembers a project: the environment's, or else the settings'; `None` for a file in its folder."""
    return os.environ.get(VARIABLE) or settings.database


def read_settings(folder: Path) -> tuple[ProjectSettings, str]:
    """The settings of a project, and the text of their file.

    Raises:
        RecipeError: The file is missing or not TOML, has an unknown or missing key, or a value out of range.
    """
    path = folder / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise RecipeError(
            f"{path}: cannot be read ({reason}); restore it, or begin a project with `thrifty init`"
        ) from error
    return parse_settings(text, str(path)), text


def parse_settings(text: str, where: str) -> ProjectSettings:
    """Settings from their text; `where` names it in errors.

    Raises:
        RecipeError: As `read_settings`.
    """
    try:
        return ProjectSettings.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{where}: not valid TOML ({error}); correct it") from error
    except ValidationError as error:
        raise RecipeError(f"{where}: {explain(error)}") from error
