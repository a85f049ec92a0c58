"""`thrifty`: the commands.

Each imports what it needs when it runs: loading a deep learning framework takes seconds, asking for help should not.
"""

from __future__ import annotations

import signal
import sys
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import thrifty
from thrifty.cli import adding, labelling
from thrifty.cli import data as data_commands
from thrifty.cli import project as project_commands
from thrifty.cli.compare import compare
from thrifty.cli.console import ConsoleProgress
from thrifty.cli.cost import cost
from thrifty.cli.engines import (
    AddressOption,
    Engine,
    EngineOption,
    Place,
    WorkersOption,
    cluster_at,
    device_at,
)
from thrifty.cli.evaluate import evaluate
from thrifty.cli.options import Device, DeviceOption, JobsOption, jobs_on
from thrifty.cli.plan import plan
from thrifty.cli.pool import look, score, select
from thrifty.cli.study import study
from thrifty.cli.ui import ui
from thrifty.config import Recipe, load_recipe, parse_recipe
from thrifty.errors import RecipeError, ThriftyError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command()(evaluate)
app.command()(compare)
app.command()(cost)
app.command()(plan)
app.command()(study)
for pool_command in (score, select, look):
    app.command()(pool_command)
for project_command in (
    project_commands.init,
    project_commands.status,
    labelling.send,
    labelling.collect,
    project_commands.train,
    project_commands.export,
    project_commands.log,
    project_commands.replay,
    ui,
):
    app.command(rich_help_panel="A project")(project_command)
app.add_typer(
    adding.app,
    name="add",
    help="Add pools, labels and detectors.",
    rich_help_panel="A project",
)
app.add_typer(data_commands.app, name="data", help="Convert, check, show and split data sets.")

_BAD_INPUT = 2
_INTERRUPTED = 130


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"thrifty {thrifty.__version__}")
        raise typer.Exit


@app.callback()
def _thrifty(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Find the frames worth labelling."""


@app.command()
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
    from thrifty.report.summary import summarize
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
    Console().print(summary_table(summarize(outcome.content.points), len(settings.seeds)))
    if len(settings.seeds) == 1:
        typer.echo("one seed: nothing can be told of chance; repeat with more seeds")
    for sentence in outcome.content.headroom[-1:]:
        typer.echo(sentence)
    for strategy, [sentence, *_] in outcome.content.findings.items():
        typer.echo(f"{strategy}: {sentence}")
    typer.echo(f"page: {outcome.page}")


@app.command()
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


def main() -> None:
    """Run a command; errors that thrifty raises on purpose become one line and status 2."""
    try:
        app()
    except ThriftyError as error:
        sys.exit(_say(" ".join(str(error).split()), _BAD_INPUT))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        problem = error.strerror or error
        sys.exit(_say(f"{where}{problem}; correct that and run the same command again", _BAD_INPUT))
    except KeyboardInterrupt:
        sys.exit(_say_stopped())
    except SystemExit as done:
        # The status that Typer gives to Ctrl-C, without a word.
        if done.code == _INTERRUPTED:
            _say_stopped()
        raise


def _say_stopped() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _say("stopped; run the same command again to go on", _INTERRUPTED)
    # All that is left is to wait for threads; who presses Ctrl-C again does not care for that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _INTERRUPTED


def _say(message: str, status: int) -> int:
    typer.echo(f"thrifty: {message}", err=True)
    return status
