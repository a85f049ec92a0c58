"""The commands of a project that lives for months: from the first pool to the last label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
    engine_at,
    trainer_at,
)
from thrifty.cli.options import (
    Device,
    DeviceOption,
    device_of,
)
from thrifty.cli.stopping import stopping
from thrifty.errors import RunError

if TYPE_CHECKING:
    from thrifty.project.project import Project
    from thrifty.project.standing import Standing
    from thrifty.store.project.rows import Choice

ProjectOption = Annotated[
    Path | None,
    typer.Option(
        "--project",
        envvar="THRIFTY_PROJECT",
        help="The project's folder; where you stand if left out.",
    ),
]


@contextmanager
def opened(folder: Path | None, device: Device = Device.CPU) -> Iterator[Project]:
    """The project that is meant, with bars on the terminal."""
    from thrifty.project.project import find_project, open_project

    place = find_project(folder or Path())
    with (
        ConsoleProgress(Console(stderr=True)) as progress,
        open_project(place, progress, device_of(device)) as project,
    ):
        yield project


@contextmanager
def at_work(folder: Path | None, device: Device = Device.CPU) -> Iterator[Project]:
    """The same, for long work, which one process does at a time."""
    with opened(folder, device) as project, project.store.turn(_say_waiting):
        yield project


def _say_waiting() -> None:
    typer.echo("another process is at work on this project; waiting for it", err=True)


def init(
    folder: Annotated[Path, typer.Argument(help="Where the project shall live; made if missing.")],
    classes: Annotated[
        list[str], typer.Option("--class", help="What people shall label; again for each class.")
    ],
    name: Annotated[
        str | None, typer.Option(help="What people call the project; the folder's if left out.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="What is trained: torchvision:NAME, yolo:FILE or hf:FOLDER; the paper's network if left out."
        ),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            help="URL of a PostgreSQL database, for a team; a file in the folder if left out."
        ),
    ] = None,
    files: Annotated[
        str | None,
        typer.Option(
            help="URL of a folder in a store (s3://...) for pictures, weights and scores, for a team; the project's own folder if left out."
        ),
    ] = None,
) -> None:
    """Begin a project: a folder with its settings, to which pools, labels and detectors are added."""
    from thrifty.project.project import init_project, template
    from thrifty.project.settings import FILE

    more = {} if model is None else {"model": f'"{model}"'}
    text = template(name or folder.resolve().name, tuple(classes), more, database, files)
    new = init_project(folder, text)
    typer.echo(f"{'begun' if new else 'is there already'}: {folder / FILE}")


def select_batch(
    folder: Path | None,
    budget: int | None,
    minutes: float | None,
    out: Path | None,
    device: Device,
    place: Place,
    *,
    more: bool,
) -> None:
    """The next batch of a project, for `thrifty select` without a pool."""
    from thrifty.project import selecting, standing
    from thrifty.project.wording import chosen_in_words
    from thrifty.store.choice_file import check_name

    if budget is not None and minutes is not None:
        raise RunError("--budget and --minutes exclude each other; give one")
    if out is not None:
        check_name(out)
    own = device if place.engine is Engine.LOCAL else Device.CPU
    with at_work(folder, own) as project, engine_at(place, device) as engine:
        count = budget if minutes is None else standing.frames_for(project, minutes)
        batch, new = selecting.select(project, count, more=more, stopping=stopping, engine=engine)
        choices = project.store.choices(batch.number)
        if out is not None:
            _write_rows(project, choices, out)
        typer.echo(chosen_in_words(batch, len(choices), new=new))


def _write_rows(project: Project, choices: Sequence[Choice], out: Path) -> None:
    from thrifty.data.places import whole_name
    from thrifty.project.sources import pools
    from thrifty.store.choice_file import ChosenRow, write_choice

    paths = {number: source.path for number, source in pools(project).items()}
    rows = [
        ChosenRow(
            one.rank,
            one.record.id,
            whole_name(paths[one.pool], one.record.source),
            one.record.frame,
            one.score,
            one.smoothed,
            one.reason,
            one.record.sequence,
            one.record.place,
            one.record.width,
            one.record.height,
        )
        for one in choices
    ]
    write_choice(rows, out)


def train(
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh", help="Train the start weights again, on the start labels as they are now."
        ),
    ] = False,
    device: DeviceOption = Device.AUTO,
    engine: EngineOption = Engine.LOCAL,
    address: AddressOption = None,
    workers: WorkersOption = None,
    project: ProjectOption = None,
) -> None:
    """Train what the labels ask for: the start weights, then a model for every new state of the labels."""
    from thrifty.project import models
    from thrifty.project.wording import trained_in_words

    place = Place(engine, address, workers)
    own = device if engine is Engine.LOCAL else Device.CPU
    with at_work(project, own) as found, trainer_at(place, device) as trainer:
        typer.echo(trained_in_words(models.train(found, fresh=fresh, trainer=trainer)))


def evaluate_project(folder: Path | None, device: Device) -> None:
    """Judge the newest detector of a project, for `thrifty evaluate` without files."""
    from thrifty.project import evaluating
    from thrifty.project.wording import judged_in_words

    with at_work(folder, device) as project:
        for one in evaluating.evaluate(project):
            typer.echo(judged_in_words(one))


def status(project: ProjectOption = None) -> None:
    """Where the project stands: batches, models, what labels cost and bought, what the next are likely to buy."""
    from thrifty.project.next_step import next_step
    from thrifty.project.standing import standing

    with opened(project) as found:
        told = standing(found)
        console = Console()
        console.print(_batches(told), _models(told))
        for line in _sentences(told):
            typer.echo(line)
        step = next_step(found)
        command = f" (thrifty {step.step})" if step.step in _COMMANDS else ""
        typer.echo(f"next: {step.why}{command}")


_COMMANDS = frozenset({"train", "evaluate", "select"})
"""Steps that are commands of the same name."""


def _batches(told: Standing) -> Table:
    table = Table("batch", "chosen by", "sent to", title="batches")
    for name in ("frames", "by chance", "labelled", "objects"):
        table.add_column(name, justify="right")
    for one in told.batches:
        figures = (one.frames, one.shadow, one.labelled, one.objects)
        where = one.batch.tool or "nobody yet"
        table.add_row(one.batch.name, one.batch.strategy, where, *map(str, figures))
    return table


def _models(told: Standing) -> Table:
    table = Table("model", title="models")
    for name in ("learned from", "minutes of labelling", "miss rate at 1 FPPI", "AP", "AP50"):
        table.add_column(name, justify="right")
    for one in told.models:
        figures = one.figures.get("test") or one.figures.get("shadow")
        values = (figures.miss_rate, figures.ap, figures.ap50) if figures else ()
        cells = [f"{value:.3f}" for value in values] or ["-"] * 3
        table.add_row(one.model.name, str(one.lessons), f"{one.seconds / 60:.1f}", *cells)
    return table


def _sentences(told: Standing) -> Iterator[str]:
    from thrifty.project.wording import outlook_in_words, saving_in_words

    objects = ", ".join(f"{one.objects} {one.name}" for one in told.classes)
    yield f"{told.labelled} frames labelled in {told.seconds / 60:.1f} minutes: {objects or 'no objects'}"
    source = f"from {told.recorded} recorded times" if told.recorded else "from the settings"
    yield f"a frame costs {told.cost.per_frame:.1f} s and a box {told.cost.per_box:.1f} s, {source}"
    for what, one in told.savings.items():
        yield saving_in_words(what, one)
    yield outlook_in_words(told.outlook)


def export(
    out: Annotated[
        Path, typer.Argument(help="The file, or, for a format that is a folder, the folder.")
    ],
    to: Annotated[str, typer.Option(help="Format: see `thrifty data formats`.")] = "coco",
    pictures: Annotated[
        bool,
        typer.Option(
            "--pictures", help="Put the pictures beside, where the format has a place for them."
        ),
    ] = False,
    shadow: Annotated[
        bool,
        typer.Option(
            "--shadow",
            help="Those of the frames that chance drew as well, by which detectors are judged.",
        ),
    ] = False,
    project: ProjectOption = None,
) -> None:
    """Write the labels of the project for whoever trains elsewhere."""
    from thrifty.project import exporting

    with opened(project) as found:
        left_out = exporting.export(found, out, to, pictures=pictures, shadow=shadow)
        for what, count in sorted(left_out.items()):
            typer.echo(f"left out: {what}: {count}", err=True)
        typer.echo(f"labels written: {out}")


def log(project: ProjectOption = None) -> None:
    """Everything that was done, in order."""
    import json

    with opened(project) as found:
        for event in found.store.events():
            arguments = json.dumps(event.arguments, ensure_ascii=False)
            typer.echo(f"{event.number:4d}  {event.at}  {event.command}  {arguments}")


def replay(
    into: Annotated[Path, typer.Argument(help="A new folder for the repetition.")],
    device: DeviceOption = Device.AUTO,
    project: ProjectOption = None,
) -> None:
    """Do everything in the log again in a new project, with the labels as they came, and hold the choices against it."""
    from thrifty.project.replay import replay as repeat

    with opened(project, device) as found:
        count = repeat(found, into)
        typer.echo(f"{count} choices made again, all the same: {into}")
