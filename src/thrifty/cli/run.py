"""`thrifty run` and `thrifty recipes`: active learning on labelled sets, from start weights to the page."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from thrifty.cli.console import ConsoleProgress
from thrifty.cli.engines import (
    AddressOption,
    Engine,
    EngineOption,
    Place,
    WorkersOption,
    cluster_at,
    device_at,
)
from thrifty.cli.options import Device, DeviceOption, JobsOption, jobs_on
from thrifty.config import Recipe, load_recipe, parse_recipe
from thrifty.errors import RecipeError


def run(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A recipe file (TOML), or the name of a built-in one: see `thrifty recipes`."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for the results. Run the same command again to go on after a stop."
        ),
    ],
    data: Annotated[
        Path | None, typer.Option(envvar="THRIFTY_DATA", help="Folder that holds the data sets.")
    ] = None,
    jobs: JobsOption = None,
    device: DeviceOption = Device.AUTO,
    engine: EngineOption = Engine.LOCAL,
    address: AddressOption = None,
    workers: WorkersOption = None,
) -> None:
    """Run active learning from start weights to the finished page, against a simulated oracle."""
    from thrifty.cli.table import summary_table
    from thrifty.report.outcome import write_outcome
    from thrifty.study.run import execute, open_run

    settings, text = find_recipe(recipe)
    where = Place(engine, address, workers)
    place = device_at(where, device)
    with (
        ConsoleProgress(Console(stderr=True)) as progress,
        open_run(settings, text, out, data, place, progress) as opened,
        cluster_at(where, device, jobs) as cluster,
    ):
        execute(opened, jobs_on(place, jobs), cluster=cluster)
        outcome = write_outcome(opened, out)
    Console().print(summary_table(outcome.content, len(settings.seeds)))
    if len(settings.seeds) == 1:
        typer.echo("one seed: nothing can be told of chance; repeat with more seeds")
    if outcome.content.room is not None:
        typer.echo(outcome.content.room.sentences()[-1])
    for strategy, [sentence, *_] in outcome.content.findings.items():
        typer.echo(f"{strategy}: {sentence}")
    typer.echo(f"page: {outcome.page}")


def recipes() -> None:
    """List the built-in recipes."""
    for name in built_in_recipes():
        settings, _ = find_recipe(name)
        typer.echo(f"{name}: {settings.description}")


def built_in_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    entries = resources.files("thrifty").joinpath("recipes").iterdir()
    return sorted(
        entry.name.removesuffix(".toml") for entry in entries if entry.name.endswith(".toml")
    )


def find_recipe(name: str) -> tuple[Recipe, str]:
    """A recipe by path or by built-in name, and its text.

    Raises:
        RecipeError: There is neither, or it is not a recipe.
    """
    path = Path(name)
    if path.suffix == ".toml" or path.is_file():
        return load_recipe(path)
    if name not in built_in_recipes():
        raise RecipeError(
            f"{name}: no such file, nor a built-in recipe ({', '.join(built_in_recipes())})"
        )
    text = (
        resources.files("thrifty").joinpath("recipes", f"{name}.toml").read_text(encoding="utf-8")
    )
    return parse_recipe(text, name), text
