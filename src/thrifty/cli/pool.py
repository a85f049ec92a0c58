"""`thrifty score`, `select` and `look`: what a detector makes of a pool, and what people shall label of it."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.console import Console

from thrifty.cli.console import ConsoleProgress
from thrifty.cli.engines import (
    AddressOption,
    Engine,
    EngineOption,
    Place,
    WorkersOption,
    engine_at,
)
from thrifty.cli.options import (
    BatchOption,
    DetectorOption,
    Device,
    DeviceOption,
    EveryOption,
    PerSecondOption,
    PresetOption,
    ScaleOption,
    SequencesOption,
    device_of,
    named_file,
    refuse,
)
from thrifty.cli.project import ProjectOption, select_batch
from thrifty.cli.stopping import stopping
from thrifty.config import Preset, Statistic
from thrifty.data.places import path_or_url
from thrifty.data.pool import Pool
from thrifty.detectors.forms import FORMS
from thrifty.errors import BudgetError, RunError, ScoreError
from thrifty.files import replace_file

if TYPE_CHECKING:
    from thrifty.config import ChoosingSection, ScoreSection
    from thrifty.scored_pool import Looking


def score(
    pool: Annotated[
        str,
        typer.Argument(
            help="A folder of pictures and videos, a list of such files (.txt), or one of them; or the URL of one in a store."
        ),
    ],
    detector: DetectorOption,
    out: Annotated[
        Path,
        typer.Option(
            callback=named_file,
            help="Parquet file for the scores. Run the same command again to go on after a stop.",
        ),
    ],
    preset: PresetOption = Preset.PAPER,
    radius: Annotated[
        int | None, typer.Option(min=0, help="Half-size of the window, pixels; the preset's.")
    ] = None,
    region: Annotated[int, typer.Option(min=1, help="Side of a region, pixels.")] = 30,
    statistic: Annotated[
        Statistic, typer.Option(help="How one number is made of a frame's regions.")
    ] = Statistic.MAX_MEAN,
    top: Annotated[int, typer.Option(min=1, help="Regions that top-k averages.")] = 10,
    quantile: Annotated[float, typer.Option(min=0, max=1, help="Which quantile.")] = 0.9,
    every: EveryOption = 1,
    per_second: PerSecondOption = None,
    sequences: SequencesOption = False,
    scale: ScaleOption = 1.0,
    batch: BatchOption = 4,
    save_every: Annotated[
        float,
        typer.Option(min=0, help="Seconds of work that a kill -9 may lose; nothing else does."),
    ] = 10.0,
    device: DeviceOption = Device.AUTO,
    engine: EngineOption = Engine.LOCAL,
    address: AddressOption = None,
    workers: WorkersOption = None,
) -> None:
    """Score every frame of a pool: one row a frame, higher means more worth labelling."""
    from thrifty.config import ScoreSection
    from thrifty.store.scored_frames import SUFFIX

    if out.suffix.lower() != SUFFIX:
        raise RunError(f"--out {out}: scores are a Parquet file; end the name in {SUFFIX}")

    _score(
        Pool(
            path_or_url(pool),
            every=every,
            per_second=per_second,
            sequences=sequences,
            scale=scale,
            threads=os.cpu_count() or 1,
        ),
        detector,
        out,
        looking_by(
            "divergence",
            ScoreSection(
                preset=preset,
                radius=radius,
                region=region,
                statistic=statistic,
                top=top,
                quantile=quantile,
            ),
        ),
        device,
        batch,
        save_every,
        Place(engine, address, workers),
    )


def looking_by(
    strategy: str,
    score: ScoreSection | None = None,
    selection: ChoosingSection | None = None,
) -> Looking:
    """A strategy with the settings that a command has options for.

    Raises:
        RecipeError: There is no such strategy, or it means something in recipes alone.
    """
    from thrifty.config import ChoiceSettings, ChoosingSection, ScoreSection
    from thrifty.scored_pool import Looking
    from thrifty.strategies.catalogue import check_alone, make_strategy

    settings = ChoiceSettings(
        score=score or ScoreSection(), selection=selection or ChoosingSection()
    )
    made = make_strategy(strategy, settings, "--strategy")
    check_alone(made, "--strategy")
    return Looking(made, settings)


def _score(
    frames: Pool,
    detector: str | None,
    out: Path,
    looking: Looking,
    device: Device,
    batch: int,
    save_every: float,
    place: Place,
) -> None:
    from thrifty.detectors.catalogue import NamedDetector, absolute
    from thrifty.scored_pool import Scoring, score_pool
    from thrifty.store.score_file import unreadable_beside

    own = "cpu"
    if place.engine is Engine.LOCAL:
        own = device_of(device)
    elif detector is not None:
        # On a cluster it is the cluster's devices that count, and nobody stands where we do.
        detector = absolute(detector)
    source = None if detector is None else NamedDetector(detector)
    scoring = Scoring(frames, source, looking, own, batch, save_every)
    with engine_at(place, device) as engine, ConsoleProgress(Console(stderr=True)) as progress:
        count = score_pool(scoring, out, progress, stopping, engine)
    if count.earlier:
        files = f"{out} and {unreadable_beside(out)}" if count.broken else str(out)
        typer.echo(
            f"already there with {count.scored} frames, nothing was scored; to score again, delete {files}"
        )
    else:
        typer.echo(f"{count.scored} frames scored: {out}")
    if count.broken:
        typer.echo(f"{count.broken} could not be decoded: {unreadable_beside(out)}", err=True)


def select(
    context: typer.Context,
    pool: Annotated[
        str | None,
        typer.Argument(
            help="A pool as for `thrifty score`, with --detector; or scores in a Parquet file or a folder of them, from it or from anywhere. "
            "Inside a project leave it out: pools, detector and settings are the project's."
        ),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option("--budget", "-b", min=1, help="How many frames shall be labelled."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="In a project, instead: as many as people are likely to label in so many minutes.",
        ),
    ] = None,
    more: Annotated[
        bool,
        typer.Option("--more", help="In a project: choose another batch although one waits."),
    ] = False,
    project: ProjectOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            callback=named_file,
            help="File to write: .csv, .jsonl, .parquet, or .json for the images of a COCO file.",
        ),
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(
            help=f"Your detector: {FORMS}. Not needed for a file of scores, nor for a random choice."
        ),
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(
            help="What chooses: see docs/strategies.md. In a project selection.strategy of thrifty.toml says it."
        ),
    ] = "divergence",
    seed: Annotated[int, typer.Option(min=0, help="Decides what is left to chance.")] = 0,
    earlier: Annotated[
        list[Path] | None,
        typer.Option(
            help="What was chosen before, as this command wrote it; again for more. It is not chosen again."
        ),
    ] = None,
    preset: PresetOption = Preset.PAPER,
    smoothing: Annotated[
        int, typer.Option(min=0, help="Reach of the smoothing in a video, frames; 0 for none.")
    ] = 5,
    apart: Annotated[
        int, typer.Option(min=0, help="Frames of a video lie more than so many places apart.")
    ] = 15,
    apart_from_earlier: Annotated[
        int, typer.Option(min=0, help="And so many from those chosen before.")
    ] = 2,
    every: EveryOption = 1,
    per_second: PerSecondOption = None,
    sequences: SequencesOption = False,
    scale: ScaleOption = 1.0,
    batch: BatchOption = 4,
    device: DeviceOption = Device.AUTO,
    engine: EngineOption = Engine.LOCAL,
    address: AddressOption = None,
    workers: WorkersOption = None,
) -> None:
    """Choose the frames to label next: the highest scores, smoothed in time, none too close to another; or by another strategy.

    Of a pool that is scored here the scores are kept beside the choice, and used when the same command runs again.
    """
    from thrifty.config import ChoosingSection, ScoreSection
    from thrifty.selected_pool import NOTHING, select_frames
    from thrifty.store.choice_file import check_name, read_choices, write_choice
    from thrifty.store.scored_frames import read_scores, shards_of

    place = Place(engine, address, workers)
    if pool is None:
        refuse(context, _OF_POOLS, "is for a pool that is given; a project has its own")
        select_batch(project, budget, minutes, out, device, place, more=more)
        return
    refuse(context, _OF_PROJECTS, "is for projects, and a pool is given")
    if budget is None or out is None:
        raise RunError(
            f"{pool}: say how many frames with --budget, and where to write them with --out"
        )
    check_name(out)
    known = read_choices(earlier) if earlier else NOTHING
    looking = looking_by(
        strategy,
        ScoreSection(preset=preset, smoothing=smoothing),
        ChoosingSection(exclude_current=apart, exclude_later=apart_from_earlier),
    )
    scores = shards_of(Path(pool))
    if scores is None:
        if detector is None and looking.views:
            raise RunError(
                f"{pool}: is no file of scores (.parquet) and no folder of such files, so --detector must say what shall score it"
            )
        scores = [out.with_name(f"{out.stem}.scores.parquet")]
        frames = Pool(
            path_or_url(pool),
            every=every,
            per_second=per_second,
            sequences=sequences,
            scale=scale,
            threads=os.cpu_count() or 1,
        )
        _score(frames, detector, scores[0], looking, device, batch, 10.0, place)
    scored = read_scores(*scores)
    for path in scores:
        looking.check_scores(path)
    try:
        rows = select_frames(scored, budget, looking, known, seed=seed).rows
    except BudgetError as error:
        raise BudgetError(f"{pool}: {error}") from error
    write_choice(rows, out)
    typer.echo(f"{len(rows)} frames chosen: {out}")


_OF_POOLS = frozenset(
    [
        "detector",
        "strategy",
        "seed",
        "earlier",
        "preset",
        "smoothing",
        "apart",
        "apart_from_earlier",
        "every",
        "per_second",
        "sequences",
        "scale",
        "batch",
    ]
)
"""Options of `select` that mean nothing inside a project."""


_OF_PROJECTS = frozenset({"more", "minutes", "project"})
"""Options that mean nothing where a pool is given."""


def look(
    frame: Annotated[
        str, typer.Argument(help="A picture, or a video (see --frame); or the URL of one.")
    ],
    detector: DetectorOption,
    out: Annotated[
        Path,
        typer.Option(callback=named_file, help="Picture (.png, .jpg) or arrays (.npz) to write."),
    ],
    number: Annotated[int, typer.Option("--frame", min=0, help="Which frame of a video.")] = 0,
    preset: PresetOption = Preset.PAPER,
    scale: ScaleOption = 1.0,
    regions: Annotated[int, typer.Option(min=0, help="How many regions to outline.")] = 5,
    device: DeviceOption = Device.AUTO,
) -> None:
    """Show where in a frame the detector contradicts itself: head by head, summed, and the highest regions."""
    from thrifty.detectors.catalogue import open_detector
    from thrifty.detectors.checked import full_name
    from thrifty.report.heat import as_archive, draw, encode, measure
    from thrifty.scoring.forms import DivergenceSettings

    settings = (
        DivergenceSettings.paper() if preset is Preset.PAPER else DivergenceSettings.released()
    )
    pool = Pool(path_or_url(frame), scale=scale)
    _check_heat(out, Path(frame))
    seen = pool.frame(number)
    maps = open_detector(detector, device_of(device)).class_maps([seen])
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
    if out.exists() and frame.exists() and out.samefile(frame):
        raise RunError(f"{out}: is what you look at, and would be replaced; choose another --out")
