"""`thrifty`: the commands.

Each imports what it needs when it runs: loading a deep learning framework takes seconds, asking for help should not.
"""

from __future__ import annotations

import signal
import sys
from typing import Annotated, Any

import typer

import thrifty
from thrifty.cli import adding, labelling
from thrifty.cli import data as data_commands
from thrifty.cli import project as project_commands
from thrifty.cli.compare import compare
from thrifty.cli.cost import cost
from thrifty.cli.evaluate import evaluate
from thrifty.cli.plan import plan
from thrifty.cli.pool import look, score, select
from thrifty.cli.run import recipes, run
from thrifty.cli.study import study
from thrifty.cli.ui import ui
from thrifty.errors import ThriftyError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
for panel, commands in {
    "A pool": (score, select, look),
    "A project": (
        project_commands.init,
        labelling.send,
        labelling.collect,
        project_commands.train,
        project_commands.status,
        project_commands.export,
        project_commands.log,
        project_commands.replay,
        ui,
    ),
    "Comparing strategies": (run, recipes, study, compare, evaluate, plan, cost),
}.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(
    adding.app,
    name="add",
    help="Add pools, labels and detectors.",
    rich_help_panel="A project",
)
app.add_typer(
    data_commands.app,
    name="data",
    help="Convert, check, show and split data sets.",
    rich_help_panel="Data",
)

_UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""What Typer raises of a command line that it cannot understand; it has no public name."""
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


def main() -> None:
    """Run a command; what is wrong with its options, and errors that thrifty raises on purpose, become one line and status 2."""
    try:
        status = app(standalone_mode=False)
    except _UsageError as error:
        sys.exit(_say_misused(error))
    except ThriftyError as error:
        sys.exit(_say(" ".join(str(error).split()), _BAD_INPUT))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        problem = error.strerror or error
        sys.exit(_say(f"{where}{problem}; correct that and run the same command again", _BAD_INPUT))
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(_say_stopped())
    # The status that Typer gives to Ctrl-C, without a word.
    if status == _INTERRUPTED:
        _say_stopped()
    sys.exit(status)


def _say_misused(error: Any) -> int:  # noqa: ANN401 - a class without a public name
    command = "thrifty" if error.ctx is None else error.ctx.command_path
    message = " ".join(error.format_message().split()).rstrip(".")
    if not message:
        # Who says nothing has been shown the help.
        return _BAD_INPUT
    # Typer's own checks of values, and those of the library beneath it.
    message = message.replace("Value error, ", "")
    return _say(f"{message}; see {command} --help", _BAD_INPUT)


def _say_stopped() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _say("stopped; run the same command again to go on", _INTERRUPTED)
    # All that is left is to wait for threads; who presses Ctrl-C again does not care for that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _INTERRUPTED


def _say(message: str, status: int) -> int:
    typer.echo(f"thrifty: {message}", err=True)
    return status
