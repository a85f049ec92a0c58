"""Table 1 of the paper: images and people of each set after its filters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from thrifty.config import FilesSource, StreetSource
from thrifty.data.filters import apply
from thrifty.data.rendered import open_street
from thrifty.data.sources import select
from thrifty.study.studies import is_there, recipe_for, sets_known


@dataclass(frozen=True, slots=True)
class Counts:
    """A row of the table.

    Attributes:
        name: Of the set: what it is in a recipe, and whose.
        images: Frames.
        holding: Frames with somebody in them.
        people: Counted objects.
    """

    name: str
    images: int
    holding: int
    people: int


PAPER = (
    Counts("CityPersons (the paper)", 1835, 1835, 7740),
    Counts("Caltech (the paper)", 51363, 10523, 20062),
    Counts("BDD100K (the paper)", 69836, 17632, 56473),
)
"""The table as the paper prints it."""


def table_one(data: Path | None) -> Iterator[Counts]:
    """The start sets and pools of every set that is in the data folder, each once.

    Args:
        data: The data folder.

    Raises:
        DataError: Annotations cannot be read.
    """
    seen: set[str] = set()
    for name in sets_known():
        if not is_there(name, data):
            continue
        recipe = recipe_for(name)
        for role, source in (("start", recipe.start), ("pool", recipe.pool)):
            key = source.model_dump_json()
            if key not in seen:
                seen.add(key)
                yield _counts(f"{name}, {role}", source, data)


def _counts(name: str, source: FilesSource | StreetSource, data: Path | None) -> Counts:
    if isinstance(source, StreetSource):
        _, labels = open_street(source)
        tall = source.min_height
        people = [
            int(((drawn.objects[:, 3] - drawn.objects[:, 1]) >= tall).sum())
            for drawn in labels.values()
        ]
    else:
        dataset = apply(source.filter, select(source, data), source.annotations)
        people = [sum(label.counts for label in image.labels) for image in dataset.images]
    return Counts(name, len(people), sum(number > 0 for number in people), sum(people))
