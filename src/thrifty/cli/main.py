"""`thrifty`: the commands.

Each imports what it needs when it runs: loading a deep learning framework takes seconds, asking for help should not.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

import thrifty
from thrifty.cli import data as data_commands
from thrifty.cli.compare import compare
from thrifty.cli.console import ConsoleProgress
from thrifty.cli.cost import cost
from thrifty.cli.evaluate import evaluate
from thrifty.config import Preset, Recipe, Statistic, load_recipe, parse_recipe
from thrifty.data.pool import Pool
from thrifty.detectors.forms import FORMS
from thrifty.errors import RecipeError, RunError, ScoreError, ThriftyError
from thrifty.files import replace_file

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command()(evaluate)
app.command()(compare)
app.command()(cost)
app.add_typer(data_commands.app, name="data", help="Convert, check, show and split data sets.")

_BAD_INPUT = 2
_INTERRUPTED = 130


class Device(StrEnum):
    """Where detectors run and train."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"thrifty {thrifty.__version__}")
        raise typer.Exit


def _file_name(out: Path) -> Path:
    if not out.name:
        raise RunError(f"--out {out}: names no file; give the name of the file to write")
    return out


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
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Arms run side by side; one per core if left out, one on a GPU."),
    ] = None,
    device: Annotated[
        Device, typer.Option(help="Where to run; auto takes a GPU where there is one.")
    ] = Device.AUTO,
) -> None:
    """Run active learning from start weights to the finished page, against a simulated oracle."""
    from thrifty.cli.table import summary_table
    from thrifty.report.gather import gather
    from thrifty.report.page import write
    from thrifty.report.summary import summarize
    from thrifty.study.comparison import measurements, write_measurements
    from thrifty.study.run import execute, open_run
    from thrifty.study.summary import figures

    settings, text = find_recipe(recipe)
    place = _device(device)
    with (
        ConsoleProgress(Console(stderr=True)) as progress,
        open_run(settings, text, out, data, place, progress) as opened,
    ):
        execute(opened, jobs or (1 if place == "cuda" else os.cpu_count() or 1))
        page = out / "report.html"
        content = gather(opened)
        write(content, page)
        points = figures(opened.context)
        write_measurements(measurements(points, settings.cost.model), out / "learning_curves.csv")
    Console().print(summary_table(summarize(points), len(settings.seeds)))
    if len(settings.seeds) == 1:
        typer.echo("one seed: nothing can be told of chance; repeat with more seeds")
    for strategy, [sentence, *_] in content.findings.items():
        typer.echo(f"{strategy}: {sentence}")
    typer.echo(f"page: {page}")


@app.command()
def score(
    pool: Annotated[
        Path,
        typer.Argument(
            help="A folder of pictures and videos, a list of such files (.txt), or one of them."
        ),
    ],
    detector: Annotated[str, typer.Option(help=f"Your detector: {FORMS}.")],
    out: Annotated[
        Path,
        typer.Option(
            callback=_file_name,
            help="Parquet file for the scores. Run the same command again to go on after a stop.",
        ),
    ],
    preset: Annotated[
        Preset, typer.Option(help="Radius and regions of the paper, or of the authors' code.")
    ] = Preset.PAPER,
    radius: Annotated[
        int | None, typer.Option(min=0, help="Half-size of the window, pixels; the preset's.")
    ] = None,
    region: Annotated[int, typer.Option(min=1, help="Side of a region, pixels.")] = 30,
    statistic: Annotated[
        Statistic, typer.Option(help="How one number is made of a frame's regions.")
    ] = Statistic.MAX_MEAN,
    top: Annotated[int, typer.Option(min=1, help="Regions that top-k averages.")] = 10,
    quantile: Annotated[float, typer.Option(min=0, max=1, help="Which quantile.")] = 0.9,
    every: Annotated[int, typer.Option(min=1, help="Of each video, take every n-th frame.")] = 1,
    per_second: Annotated[
        float | None,
        typer.Option(min=0.001, help="Instead, take n frames of every second of each video."),
    ] = None,
    sequences: Annotated[
        bool,
        typer.Option("--sequences", help="The pictures of one folder are frames of one video."),
    ] = False,
    scale: Annotated[
        float, typer.Option(min=0.01, max=4, help="Pixels the detector sees per stored pixel.")
    ] = 1.0,
    batch: Annotated[int, typer.Option(min=1, help="Frames the detector sees at once.")] = 4,
    save_every: Annotated[
        float,
        typer.Option(min=0, help="Seconds of work that a kill -9 may lose; nothing else does."),
    ] = 10.0,
    device: Annotated[
        Device, typer.Option(help="Where to run; auto takes a GPU where there is one.")
    ] = Device.AUTO,
) -> None:
    """Score every frame of a pool: one row a frame, higher means more worth labelling."""
    from thrifty.scored_pool import Scoring, score_pool
    from thrifty.scoring.forms import DivergenceSettings
    from thrifty.scoring.regions import RegionSettings
    from thrifty.store.score_file import unreadable_beside

    base = DivergenceSettings.paper() if preset is Preset.PAPER else DivergenceSettings.released()
    regions = RegionSettings(region, base.regions.tiling, statistic, top, quantile)
    settings = DivergenceSettings(base.radius if radius is None else radius, regions)
    frames = Pool(
        pool,
        every=every,
        per_second=per_second,
        sequences=sequences,
        scale=scale,
        threads=os.cpu_count() or 1,
    )
    scoring = Scoring(frames, detector, settings, _device(device), batch, save_every)
    with ConsoleProgress(Console(stderr=True)) as progress:
        count = score_pool(scoring, out, progress, _stopping)
    if count.earlier:
        files = f"{out} and {unreadable_beside(out)}" if count.broken else str(out)
        typer.echo(
            f"already there with {count.scored} frames, nothing was scored; to score again, delete {files}"
        )
    else:
        typer.echo(f"{count.scored} frames scored: {out}")
    if count.broken:
        typer.echo(f"{count.broken} could not be decoded: {unreadable_beside(out)}", err=True)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Take Ctrl-C and a kill for a wish to stop in good order; the second one interrupts."""
    wished = threading.Event()

    def wish(_signal: int, _frame: object) -> None:
        if wished.is_set():
            raise KeyboardInterrupt
        wished.set()

    # What runs in the background of a script must not hear Ctrl-C.
    heard = [
        number
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]
    before = {number: signal.signal(number, wish) for number in heard}
    try:
        yield wished
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@app.command()
def look(
    frame: Annotated[Path, typer.Argument(help="A picture, or a video (see --frame).")],
    detector: Annotated[str, typer.Option(help=f"Your detector: {FORMS}.")],
    out: Annotated[
        Path,
        typer.Option(callback=_file_name, help="Picture (.png, .jpg) or arrays (.npz) to write."),
    ],
    number: Annotated[int, typer.Option("--frame", min=0, help="Which frame of a video.")] = 0,
    preset: Annotated[
        Preset, typer.Option(help="Radius and regions of the paper, or of the authors' code.")
    ] = Preset.PAPER,
    scale: Annotated[
        float, typer.Option(min=0.01, max=4, help="Pixels the detector sees per stored pixel.")
    ] = 1.0,
    regions: Annotated[int, typer.Option(min=0, help="How many regions to outline.")] = 5,
    device: Annotated[
        Device, typer.Option(help="Where to run; auto takes a GPU where there is one.")
    ] = Device.AUTO,
) -> None:
    """Show where in a frame the detector contradicts itself: head by head, summed, and the highest regions."""
    from thrifty.detectors.catalogue import open_detector
    from thrifty.detectors.checked import full_name
    from thrifty.report.heat import as_archive, draw, encode, measure
    from thrifty.scoring.forms import DivergenceSettings

    settings = (
        DivergenceSettings.paper() if preset is Preset.PAPER else DivergenceSettings.released()
    )
    pool = Pool(frame, scale=scale)
    _check_heat(out, frame)
    seen = pool.frame(number)
    maps = open_detector(detector, _device(device)).class_maps([seen])
    try:
        heat = measure(maps, settings, regions)
    except ScoreError as error:
        raise error.named([full_name(seen)]) from error
    if out.suffix.lower() == ".npz":
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **as_archive(heat))  # type: ignore[arg-type]
    else:
        buffer = encode(draw(seen.image, heat), out.suffix)
    replace_file(out, buffer.getvalue())
    typer.echo(f"score {heat.score:.6f}: {out}")


def _check_heat(out: Path, frame: Path) -> None:
    """Find out before any work whether `look` can write its result, and over what.

    Raises:
        RunError: The name ends in no known way, its folder is missing, or it is taken by a folder or by the input.
    """
    if out.suffix.lower() not in {".png", ".jpg", ".jpeg", ".npz"}:
        raise RunError(f"{out}: end the name in .png or .jpg for a picture, in .npz for arrays")
    if not out.parent.is_dir():
        raise RunError(f"{out.parent}: no such folder; create it, or choose another --out")
    if out.is_dir():
        raise RunError(f"{out}: is a folder; choose another --out")
    if out.exists() and out.samefile(frame):
        raise RunError(f"{out}: is what you look at, and would be replaced; choose another --out")


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


def _device(wanted: Device) -> str:
    import torch

    if wanted is Device.CUDA and not torch.cuda.is_available():
        raise RunError(
            "--device cuda: torch sees no GPU here; use --device cpu, or install a torch build for your GPU"
        )
    if wanted is Device.AUTO:
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted.value


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
