"""The three sets of a recipe, opened and checked against each other."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from thrifty.config import FilesSource, Recipe, StreetSource
from thrifty.cycle.context import Context, LabelledFrames
from thrifty.data.sources import Opened, open_source
from thrifty.detectors.trainable import begins_from, trainable
from thrifty.errors import BudgetError, DataError, RunError
from thrifty.oracles.simulated import SimulatedOracle
from thrifty.progress import Progress
from thrifty.store.store import RunStore
from thrifty.strategies.catalogue import make_strategies
from thrifty.strategies.strategy import Strategy, members_of


@dataclass(frozen=True, eq=False)
class Sets:
    """Start, pool and test set of one recipe."""

    start: Opened
    pool: Opened
    test: Opened


def open_sets(recipe: Recipe, data: Path | None) -> Sets:
    """Open and check the sets.

    Raises:
        DataError: A file is missing or unsound, a set holds no objects, or a frame is in both pool and test.
        BudgetError: The pool is smaller than what all cycles take from it.
    """
    classes = recipe.detector.classes
    sources = (recipe.start, recipe.pool, recipe.test)
    sets = Sets(*(open_source(source, data, classes) for source in sources))
    _check(recipe, sets)
    return sets


def open_context(
    recipe: Recipe, data: Path | None, store: RunStore, progress: Progress, device: str
) -> tuple[Context, list[Strategy]]:
    """A run that is open already, for one more process: the sets, the store and the strategies as the stages want them.

    Raises:
        ThriftyError: As `open_sets`, or as `make_strategies`.
        RunError: What the run was opened with has changed since.
    """
    sets = open_sets(recipe, data)
    if digest(recipe, sets) != store.facts()["digest"]:
        raise RunError(
            f"{store.folder}: pictures, annotations or weights of this run were changed while it went on; put back what was there "
            "and run the same command again, or delete the folder"
        )
    return make_context(recipe, sets, store, progress, device)


def make_context(
    recipe: Recipe, sets: Sets, store: RunStore, progress: Progress, device: str
) -> tuple[Context, list[Strategy]]:
    """The same from sets that are open already."""
    strategies = make_strategies(recipe, trainable(recipe.detector, recipe.training).gives)
    context = Context(
        recipe=recipe,
        start=LabelledFrames(sets.start.frames, sets.start.labels),
        pool=sets.pool.frames,
        test=LabelledFrames(sets.test.frames, sets.test.labels),
        oracle=SimulatedOracle(sets.pool.labels),
        store=store,
        progress=progress,
        device=device,
        members=members_of(strategies),
    )
    return context, strategies


def digest(recipe: Recipe, sets: Sets) -> str:
    """Identity of a recipe together with its data and the weights that it begins from."""
    sha = hashlib.sha256(recipe.digest.encode())
    sha.update(begins_from(recipe.detector).encode())
    for opened in (sets.start, sets.pool, sets.test):
        for record in opened.frames.records:
            drawn = opened.labels[record.id]
            sha.update(repr(record).encode())
            for column in (drawn.boxes, drawn.classes, drawn.ignore):
                sha.update(column.tobytes())
    return sha.hexdigest()


def describe(recipe: Recipe, sets: Sets) -> dict[str, str]:
    """Each set in one line: frames, objects, where from."""
    words = recipe.detector.counted
    return {
        "start set": _describe(sets.start, recipe.start, words),
        "pool": _describe(sets.pool, recipe.pool, words),
        "test set": _describe(sets.test, recipe.test, words),
    }


def _describe(opened: Opened, source: FilesSource | StreetSource, words: str) -> str:
    objects = sum(len(drawn.objects) for drawn in opened.labels.values())
    holding = sum(bool(len(drawn.objects)) for drawn in opened.labels.values())
    origin = (
        f"{source.look} street, rendered"
        if isinstance(source, StreetSource)
        else source.annotations
    )
    duplicates = f", {len(opened.duplicates)} duplicate files left out" if opened.duplicates else ""
    return f"{len(opened.frames)} frames, {holding} with {words}, {objects} {words} ({origin}{duplicates})"


def _check(recipe: Recipe, sets: Sets) -> None:
    wanted = recipe.selection.budget * recipe.selection.cycles
    held = len(sets.pool.frames)
    if recipe.selection.unit == "frames" and held < wanted:
        raise BudgetError(
            f"recipe '{recipe.name}': {recipe.selection.cycles} cycles of {recipe.selection.budget} frames need {wanted} "
            f"frames but the pool holds {held}; lower 'budget' or 'cycles'"
        )
    for role, opened in (("start", sets.start), ("test", sets.test)):
        if not any(len(drawn.objects) for drawn in opened.labels.values()):
            raise DataError(
                f"recipe '{recipe.name}': the {role} set holds no counted objects; check its annotations and 'min_height'"
            )
    tested = {record.id for record in sets.test.frames.records}
    for role, opened in (("start set", sets.start), ("pool", sets.pool)):
        shared = tested & {record.id for record in opened.frames.records}
        if shared:
            raise DataError(
                f"recipe '{recipe.name}': {len(shared)} frames are in both {role} and test, so the test would be learnt "
                f"by heart (one is {min(shared)}); separate them by 'frames' or 'videos'"
            )
