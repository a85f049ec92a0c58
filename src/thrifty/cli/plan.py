"""`thrifty plan`: what labelling a budget will take and bring, before anything is started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from thrifty.cli.console import ConsoleProgress
from thrifty.cli.options import Device, DeviceOption, device_of, named_file, refuse
from thrifty.errors import DataError, RunError
from thrifty.files import replace_file

if TYPE_CHECKING:
    from thrifty.config import Recipe
    from thrifty.evaluation.learning_curve import Measurement
    from thrifty.study.planning import Costs, FrameCost, LabellingPlan, PlanRow


_OF_MEASURING = frozenset({"width", "height", "repeats", "device"})


def plan(
    context: typer.Context,
    pool: Annotated[int, typer.Option(help="Frames to choose from (N).")],
    budget: Annotated[int, typer.Option(help="Frames that shall be labelled in all (B).")],
    per_cycle: Annotated[
        list[int] | None,
        typer.Option(
            "-b", help="Frames labelled a cycle; again for more sizes. Round ones if left out."
        ),
    ] = None,
    width: Annotated[
        int, typer.Option(min=64, max=1920, help="Of frames as the detector sees them, pixels.")
    ] = 640,
    height: Annotated[int, typer.Option(min=48, max=1080, help="Likewise.")] = 480,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Recipe whose detector, training, score and cost are meant; the paper's if left out."
        ),
    ] = None,
    curves: Annotated[
        list[Path] | None,
        typer.Option(
            help="learning_curves.csv of a run on data like yours, for the gain; again for other seeds."
        ),
    ] = None,
    score_ms: Annotated[
        float | None,
        typer.Option(help="Milliseconds that scoring a frame takes, instead of measuring it."),
    ] = None,
    train_ms: Annotated[
        float | None,
        typer.Option(help="Milliseconds that a frame takes in training, likewise."),
    ] = None,
    repeats: Annotated[int, typer.Option(min=3, max=200, help="How often each is measured.")] = 9,
    out: Annotated[
        Path | None,
        typer.Option(callback=named_file, help="Draw hours against b into this file (.svg, .png)."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    device: DeviceOption = Device.AUTO,
) -> None:
    """Tell hours of machine and people for several sizes of a cycle, and the likely gain; measures this machine first."""
    from thrifty.cli.run import find_recipe
    from thrifty.evaluation.completion import Workload
    from thrifty.study.comparison import read_measurements
    from thrifty.study.planning import as_json as json_of
    from thrifty.study.planning import make_plan

    # All that can be wrong is found before minutes are spent on measuring.
    kind = _kind(out)
    for size in per_cycle or [budget]:
        Workload(pool, budget, size)
    settings = find_recipe(recipe)[0] if recipe else None
    table = [row for path in curves for row in read_measurements(path)] if curves else None
    if table is not None:
        _check_table(table, budget, curves or [])
    given = _given("--score-ms", score_ms), _given("--train-ms", train_ms)
    if None not in given:
        refuse(
            context, _OF_MEASURING, "nothing is measured where --score-ms and --train-ms are given"
        )
    costs = _costs(settings, given, (width, height), repeats, device)
    told = make_plan(pool, budget, costs, per_cycle or [], table)
    if out is not None:
        from thrifty.report.plan_chart import draw_plan

        replace_file(out, draw_plan(told, kind))
    if as_json:
        typer.echo(json.dumps(json_of(told), ensure_ascii=False, indent=1))
        return
    Console().print(_table(told))
    for note in told.notes:
        typer.echo(note)
    if out is not None:
        typer.echo(f"plot: {out}")


def _check_table(table: list[Measurement], budget: int, paths: list[Path]) -> None:
    from thrifty.study.expected_gain import gains_of

    try:
        gains_of(table, budget)
    except DataError as error:
        raise DataError(f"{', '.join(map(str, paths))}: {error}") from error


def _costs(
    recipe: Recipe | None,
    given: tuple[FrameCost | None, FrameCost | None],
    size: tuple[int, int],
    repeats: int,
    device: Device,
) -> Costs:
    """What was given, and the rest measured; a deep learning framework is loaded for that alone."""
    from thrifty.config import CostSection, TrainingSection
    from thrifty.evaluation.completion import Effort
    from thrifty.study.planning import Costs

    training = recipe.training if recipe else TrainingSection()
    labels = (recipe.cost if recipe else CostSection()).model
    effort = Effort(training.epochs, training.steps, training.batch, training.replay)
    score, train = given
    if score is not None and train is not None:
        return Costs(score, train, effort, labels)
    from thrifty.config import ChoiceSettings, DetectorSection
    from thrifty.strategies.catalogue import divergence_settings
    from thrifty.study.machine import Subject, measure_scoring, measure_training

    subject = Subject(
        *size,
        device_of(device),
        recipe.detector if recipe else DetectorSection(),
        training,
        divergence_settings(recipe or ChoiceSettings()),
    )
    with ConsoleProgress(Console(stderr=True)) as progress:
        score = score or measure_scoring(subject, repeats, progress=progress)
        train = train or measure_training(subject, repeats, progress=progress)
    return Costs(score, train, effort, labels, subject.place)


_MOST = 1e9
"""Milliseconds: eleven days a frame."""


def _given(option: str, milliseconds: float | None) -> FrameCost | None:
    if milliseconds is None:
        return None
    if not 0 < milliseconds <= _MOST:
        raise DataError(f"{option} {milliseconds:g}: give a time above 0 and up to {_MOST:g}")
    from thrifty.evaluation.completion import Duration
    from thrifty.study.planning import FrameCost

    return FrameCost(Duration.exact(milliseconds / 1000))


def _kind(out: Path | None) -> str:
    """PNG or SVG."""
    kind = "" if out is None else out.suffix.lower().removeprefix(".")
    if out is not None and kind not in {"png", "svg"}:
        raise RunError(f"--out {out}: end the name in .svg or .png")
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise RunError(f"--out {out}: is a folder, or in none; choose another file")
    return kind


def _table(told: LabellingPlan) -> Table:
    table = Table(title=f"{told.budget} of {told.pool} frames, hours")
    for heading in ("b", "cycles", "machine", "80 %", "labelling", "both", "paper"):
        table.add_column(heading, justify="right", no_wrap=True)
    if told.gains:
        table.add_column("miss rate at 1 FPPI", overflow="fold", min_width=14)
    for row in told.rows:
        table.add_row(*_cells(row), *([_gain(row)] if told.gains else []))
    return table


def _cells(row: PlanRow) -> list[str]:
    from thrifty.evaluation.completion import HOUR

    low, high = (_number(seconds / HOUR) for seconds in (row.machine.low, row.machine.high))
    times = (row.labelling, row.calendar, row.paper)
    return [
        str(row.per_cycle),
        str(row.cycles),
        _number(row.machine.hours),
        f"{low} to {high}" if row.machine.low < row.machine.high else "",
        *(_number(time.hours) for time in times),
    ]


def _gain(row: PlanRow) -> str:
    known = [gain for gain in row.gains if gain.miss_rate is not None]
    lines = [f"{gain.strategy} {gain.miss_rate.value:.3f}" for gain in known if gain.miss_rate]
    return "\n".join(lines) or "unknown"


def _number(hours: float) -> str:
    """Three digits or more."""
    return f"{hours:.0f}" if hours >= 100 else f"{hours:.3g}"
