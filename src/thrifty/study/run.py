"""From a recipe to a finished run in an output folder."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from thrifty.config import CocoSource, Recipe, StreetSource
from thrifty.cycle.context import Context, LabelledFrames
from thrifty.cycle.loop import run_all
from thrifty.data.sources import Opened, open_source
from thrifty.detectors.paper import PaperDetector
from thrifty.errors import BudgetError, DataError
from thrifty.oracles.simulated import SimulatedOracle
from thrifty.progress import Progress, silent
from thrifty.store.store import RunStore, check_folder, open_store
from thrifty.strategies.catalogue import make_strategies
from thrifty.strategies.strategy import Strategy

_PACKAGES = ("thrifty", "torch", "numpy", "av", "pillow", "pyarrow", "sqlalchemy")


@dataclass(frozen=True, eq=False)
class Run:
    """An open run: what the page and the table are made from.

    Attributes:
        context: Data, settings and memory.
        strategies: In the recipe's order.
        recipe_text: As the user wrote it.
    """

    context: Context
    strategies: list[Strategy]
    recipe_text: str


@contextmanager
def open_run(
    recipe: Recipe,
    recipe_text: str,
    out: Path,
    data: Path | None = None,
    device: str = "cpu",
    progress: Progress = silent,
) -> Iterator[Run]:
    """Check everything that can be checked, then open the output folder.

    Nothing is written before recipe, data and folder have been found sound.

    Args:
        recipe: What to run.
        recipe_text: Its text, kept for the page.
        out: Output folder, new, empty, or this recipe's own.
        data: The data folder; only the rendered street does without.
        device: "cpu" or "cuda".
        progress: Told how far long work is.

    Raises:
        ThriftyError: Something about recipe, data or folder is wrong.
    """
    strategies = make_strategies(recipe, PaperDetector.gives)
    check_folder(out)
    start, pool, test = (open_source(source, data) for source in (recipe.start, recipe.pool, recipe.test))
    _check_sets(recipe, start, pool, test)
    with open_store(out, recipe.name, _digest(recipe, start, pool, test)) as store:
        store.describe(_facts(recipe, recipe_text, device, start, pool, test))
        context = Context(
            recipe=recipe,
            start=LabelledFrames(start.frames, start.labels),
            pool=pool.frames,
            test=LabelledFrames(test.frames, test.labels),
            oracle=SimulatedOracle(pool.labels),
            store=store,
            progress=progress,
            device=device,
        )
        yield Run(context, strategies, recipe_text)


def execute(run: Run) -> RunStore:
    """Run every stage that is not done yet; returns the store with all of them in it."""
    run_all(run.context, run.strategies)
    return run.context.store


def _check_sets(recipe: Recipe, start: Opened, pool: Opened, test: Opened) -> None:
    wanted = recipe.selection.budget * recipe.selection.cycles
    if len(pool.frames) < wanted:
        raise BudgetError(
            f"recipe '{recipe.name}': {recipe.selection.cycles} cycles of {recipe.selection.budget} frames need {wanted} "
            f"frames but the pool holds {len(pool.frames)}; lower 'budget' or 'cycles'"
        )
    for role, opened in (("start", start), ("test", test)):
        if not any(len(drawn.objects) for drawn in opened.labels.values()):
            raise DataError(
                f"recipe '{recipe.name}': the {role} set holds no counted objects; check its annotations and 'min_height'"
            )
    shared = {record.id for record in pool.frames.records} & {record.id for record in test.frames.records}
    if shared:
        raise DataError(
            f"recipe '{recipe.name}': {len(shared)} frames are in both pool and test, so the test would be learnt by "
            f"heart (one is {sorted(shared)[0]}); separate them by 'frames' or 'videos'"
        )


def _digest(recipe: Recipe, *sets: Opened) -> str:
    digest = hashlib.sha256(recipe.digest.encode())
    for opened in sets:
        for record in opened.frames.records:
            digest.update(record.id.encode())
            digest.update(opened.labels[record.id].boxes.tobytes())
    return digest.hexdigest()


def _facts(recipe: Recipe, text: str, device: str, start: Opened, pool: Opened, test: Opened) -> dict[str, str]:
    facts = {
        "recipe text": text,
        "device": _device_name(device),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "torch threads": str(torch.get_num_threads()),
        "python": platform.python_version(),
    }
    facts |= {f"version {package}": version(package) for package in _PACKAGES}
    for role, opened, source in (
        ("start", start, recipe.start),
        ("pool", pool, recipe.pool),
        ("test", test, recipe.test),
    ):
        facts[f"{role} set"] = describe_set(opened, source)
    return facts


def describe_set(opened: Opened, source: CocoSource | StreetSource) -> str:
    """A set in one line: frames, objects, where from."""
    objects = sum(len(drawn.objects) for drawn in opened.labels.values())
    holding = sum(bool(len(drawn.objects)) for drawn in opened.labels.values())
    origin = f"{source.look} street, rendered" if isinstance(source, StreetSource) else source.annotations
    duplicates = f", {len(opened.duplicates)} duplicate files left out" if opened.duplicates else ""
    return f"{len(opened.frames)} frames, {holding} with people, {objects} people ({origin}{duplicates})"


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else "CPU"
