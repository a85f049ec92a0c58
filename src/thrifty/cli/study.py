"""`thrifty study`: the paper's tables and figures, and what they say on the data at hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

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
from thrifty.cli.options import Device, DeviceOption, JobsOption, device_of, jobs_on, refuse
from thrifty.errors import RecipeError
from thrifty.files import replace_file

if TYPE_CHECKING:
    from thrifty.config import Recipe
    from thrifty.evaluation.learning_curve import Measurement
    from thrifty.report.content import Content
    from thrifty.report.outcome import Outcome
    from thrifty.study.studies import Study

_TABLE_TITLE = "Images and people of each set after its filters"
_TIME_TITLE = "Time to completion against b, from what frames cost on this machine"
_OF_RUNS = frozenset(
    {"on", "seeds", "cycles", "budget", "arm", "jobs", "engine", "address", "workers"}
)
_MEANINGLESS = {"table-1": _OF_RUNS | {"device"}, "figure-4": _OF_RUNS | {"data"}}
"""Options that mean nothing to studies that compare no strategies."""
_PAPER_POOL, _PAPER_BUDGET = 51363, 7500


def study(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="Which; all are listed if left out.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for runs and texts; studies on one set share a run there."),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(help="The set; the first of the study's whose files are there if left out."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(envvar="THRIFTY_DATA", help="Folder that holds the data sets.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Paired repetitions; the set's own (5) if left out.")
    ] = None,
    cycles: Annotated[
        int | None, typer.Option(min=1, help="Fewer or more cycles than the set's own.")
    ] = None,
    budget: Annotated[
        int | None, typer.Option(min=1, help="Frames labelled a cycle; the set's own if left out.")
    ] = None,
    arm: Annotated[
        list[str] | None,
        typer.Option(
            help="An arm of the study to run now; again for each. What it is told beside is run too, the others can follow later. All if left out."
        ),
    ] = None,
    jobs: JobsOption = None,
    device: DeviceOption = Device.AUTO,
    engine: EngineOption = Engine.LOCAL,
    address: AddressOption = None,
    workers: WorkersOption = None,
) -> None:
    """Run a table or figure of the paper, on its own data where they are, and say what was found."""
    from thrifty.study.studies import TABLE, TIME, catalogue, find_set, find_study, recipe_for

    place = Place(engine, address, workers)
    others = {TABLE: _TABLE_TITLE, TIME: _TIME_TITLE}
    if name is None:
        compared = {key: one.title for key, one in catalogue().studies.items()}
        for known, title in (others | compared).items():
            typer.echo(f"{known}: {title}")
        return
    if out is None:
        raise RecipeError(f"study {name}: give --out DIR for what it finds")
    if name in others:
        refuse(context, _MEANINGLESS[name], f"study {name} compares no strategies")
        heading = others[name]
        out.mkdir(parents=True, exist_ok=True)
        lines = _table_one(data) if name == TABLE else _time(out, device)
    else:
        chosen = find_study(name)
        wanted = chosen.wanted(arm or ())
        changes: dict[str, dict[str, object]] = {
            "": {"seeds": list(range(seeds))} if seeds else {},
            "selection": {
                key: value
                for key, value in (("cycles", cycles), ("budget", budget))
                if value is not None
            },
        }
        recipe = recipe_for(find_set(chosen, on, data), changes, name if chosen.alone else None)
        heading = chosen.title
        folder = out / recipe.name
        outcome = _run(recipe, wanted, folder, data, jobs, device, place)
        found = _told(chosen, recipe, outcome.content)
        lines = [*found, f"page: {outcome.page}", f"table: {outcome.table}"]
        name = f"{name}-{recipe.name}"
    for line in lines:
        typer.echo(line)
    text = out / f"{name}.md"
    replace_file(text, ("\n\n".join([f"# {heading}", *lines]) + "\n").encode())
    typer.echo(f"text: {text}")


def _run(
    recipe: Recipe,
    wanted: Sequence[str],
    folder: Path,
    data: Path | None,
    jobs: int | None,
    device: Device,
    place: Place,
) -> Outcome:
    """Do what is not done yet of some arms, and write the run's page and table."""
    from thrifty.cli.table import summary_table
    from thrifty.report.outcome import write_outcome
    from thrifty.study.run import execute, open_run
    from thrifty.study.studies import as_toml

    where = device_at(place, device)
    with (
        ConsoleProgress(Console(stderr=True)) as progress,
        open_run(recipe, as_toml(recipe), folder, data, where, progress) as opened,
        cluster_at(place, device, jobs) as cluster,
    ):
        execute(opened, jobs_on(where, jobs), wanted, cluster)
        outcome = write_outcome(opened, folder)
    Console().print(summary_table(outcome.content, len(recipe.seeds)))
    return outcome


def _told(study: Study, recipe: Recipe, content: Content) -> Iterator[str]:
    """What is known by now of all arms of a study, whichever of them were run today."""
    from thrifty.study.claims import answers
    from thrifty.study.comparison import measurements

    facts, points, room = content.facts, content.points, content.room
    seeds = ", ".join(map(str, recipe.seeds))
    budget, cycles = recipe.selection.budget, recipe.selection.cycles
    yield (
        f"{recipe.description} Here: {cycles} x {budget} frames, seeds {seeds}; {facts['machine']}; "
        f"{facts['time in all stages']} in all stages. Training: {facts['training']}."
    )
    if room is not None:
        yield from room.sentences()
    done = {point.strategy for point in points}
    claims = [claim for claim in study.claims if {claim.strategy, claim.than} <= done]
    for answer in answers(claims, points, room):
        yield answer.sentence
    if room is not None and room.is_there:
        rows = measurements(points, content.cost)
        yield from _found([row for row in rows if row.strategy in study.arms], study)


def _found(rows: Sequence[Measurement], study: Study) -> Iterator[str]:
    """What each arm is worth beside another: along the whole curve, and by what it takes to be as good."""
    from thrifty.strategies.names import REFERENCES
    from thrifty.study.comparison import findings

    base = study.beside or next(name for name in REFERENCES if name in study.arms)
    for finding in findings(rows, base):
        yield f"{finding.strategy}: " + "; ".join(finding.sentences(base)) + "."


def _table_one(data: Path | None) -> list[str]:
    from thrifty.study.table_one import PAPER, Counts, table_one

    rows: Sequence[Counts] = [*PAPER, *table_one(data)]
    table = Table()
    for heading in ("set", "images", "with people", "people"):
        table.add_column(heading, justify="left" if heading == "set" else "right", overflow="fold")
    for row in rows:
        table.add_row(row.name, *(f"{value:,}" for value in (row.images, row.holding, row.people)))
    Console().print(table)
    return [
        f"{row.name}: {row.people:,} people in {row.holding:,} of {row.images:,} images"
        for row in rows
    ]


def _time(out: Path, device: Device) -> list[str]:
    from thrifty.config import ChoiceSettings, CostSection, DetectorSection, TrainingSection
    from thrifty.evaluation.completion import HOUR, Effort
    from thrifty.report.plan_chart import draw_plan
    from thrifty.strategies.catalogue import divergence_settings
    from thrifty.study.machine import Subject, measure_scoring, measure_training
    from thrifty.study.planning import Costs, make_plan

    training = TrainingSection()
    subject = Subject(
        device=device_of(device),
        detector=DetectorSection(double_evaluation=True),
        training=training,
        score=divergence_settings(ChoiceSettings()),
    )
    with ConsoleProgress(Console(stderr=True)) as progress:
        score = measure_scoring(subject, progress=progress)
        train = measure_training(subject, progress=progress)
    effort = Effort(training.epochs, training.steps, training.batch, training.replay)
    costs = Costs(score, train, effort, CostSection().model, subject.place)
    told = make_plan(_PAPER_POOL, _PAPER_BUDGET, costs, [50, 500, 2500])
    chart = out / "figure-4.svg"
    replace_file(chart, draw_plan(told, "svg"))
    rows = [
        f"b = {row.per_cycle}: {row.machine.hours:.0f} h on this machine ({row.machine.low / HOUR:.0f} to "
        f"{row.machine.high / HOUR:.0f}), {row.paper.hours:.0f} h by the paper's formula with its own costs"
        for row in told.rows
    ]
    printed = "The paper prints about 1,800, 190 and 46 hours for b = 50, 500 and 2,500."
    return [*rows, printed, *told.notes, f"plot: {chart}"]
