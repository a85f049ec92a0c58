"""Which labels count, as recipes and papers state it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from thrifty.config import Filter
from thrifty.data.dataset import Category, Dataset, Label
from thrifty.errors import DataError

PAPER_FILTERS: Mapping[str, Filter] = {
    "citypersons-paper": Filter(
        classes=("pedestrian", "rider"),
        regions=("sitting person", "other person", "people group", "ignore region"),
        min_height=50,
        ratio=(0.2, 0.65),
        scale=480 / 1024,
    ),
    "citypersons-released": Filter(
        classes=("pedestrian", "rider"),
        regions=("sitting person", "other person", "people group", "ignore region"),
        larger_than=(24, 45),
        scale=480 / 1024,
    ),
    "caltech-paper": Filter(
        classes=("person",),
        regions=("people", "person?", "person-fa", "ignore"),
        min_height=50,
        ratio=(0.2, 0.65),
    ),
    "caltech-released": Filter(
        classes=("person",),
        regions=("people", "person?", "person-fa", "ignore"),
        min_height=40,
        ratio=(0.2, 0.6),
    ),
}
"""What the paper states, and what its Table 1 was counted with. CityPersons: resized from 2048 x 1024 to 960 x 480."""


def apply(rules: Filter, dataset: Dataset, where: str = "the annotations") -> Dataset:
    """Mark what does not count as ignore regions, and leave out classes that the filter does not name.

    Args:
        rules: The filter.
        dataset: Its images all stay, also those that lose their last label.
        where: What errors call the data set.

    Raises:
        DataError: The filter names a class that the data set does not have.
    """
    names = [category.name for category in dataset.categories]
    wanted = (*(rules.classes or names), *rules.regions)
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise DataError(
            f"{where}: has no class {unknown[0]!r} that the filter names, only {', '.join(names) or 'none'}; correct "
            "the filter"
        )
    places = {names.index(name): place for place, name in enumerate(dict.fromkeys(wanted))}
    counted = {names.index(name) for name in rules.classes or names}
    images = tuple(
        replace(
            image,
            labels=tuple(
                replace(
                    label,
                    category=places[label.category],
                    ignore=label.ignore
                    or label.category not in counted
                    or not _passes(rules, label),
                )
                for label in image.labels
                if label.category in places
            ),
        )
        for image in dataset.images
    )
    categories = tuple(dataset.categories[index] for index in places)
    return replace(dataset, categories=categories, images=images)


def _passes(rules: Filter, label: Label) -> bool:
    left, top, right, bottom = label.box
    width, height = (right - left) * rules.scale, (bottom - top) * rules.scale
    wide, high = rules.larger_than or (-math.inf, -math.inf)
    low, great = rules.ratio or (-math.inf, math.inf)
    return (
        height >= rules.min_height
        and (width > wide or height > high)
        and low * height <= width <= great * height
        and (rules.min_visibility == 0 or visible_share(label) >= rules.min_visibility)
    )


def with_names(dataset: Dataset, names: Mapping[str, str]) -> Dataset:
    """Call classes otherwise; those that get the same name become one.

    Args:
        dataset: Anything.
        names: New names by old ones; others stay.

    Raises:
        DataError: There is no class of an old name.
    """
    known = [category.name for category in dataset.categories]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise DataError(
            f"there is no class {unknown[0]!r} to rename, only {', '.join(known) or 'none'}; correct the name"
        )
    merged: dict[str, Category] = {}
    for category in dataset.categories:
        name = names.get(category.name, category.name)
        merged.setdefault(name, replace(category, name=name))
    places = {name: place for place, name in enumerate(merged)}
    moved = [places[names.get(name, name)] for name in known]
    images = tuple(
        replace(
            image,
            labels=tuple(replace(label, category=moved[label.category]) for label in image.labels),
        )
        for image in dataset.images
    )
    return replace(dataset, categories=tuple(merged.values()), images=images)


def visible_share(label: Label) -> float:
    """Visible part of the box, 0 to 1: as stated, else from the box of the visible part, else all of it."""
    if label.visibility is not None:
        return label.visibility
    if label.visible is None:
        return 1.0
    left, top, right, bottom = label.box
    area = (right - left) * (bottom - top)
    seen_left, seen_top, seen_right, seen_bottom = label.visible
    return (seen_right - seen_left) * (seen_bottom - seen_top) / area if area > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Tally:
    """What counts in a data set.

    Attributes:
        objects: Labels that are no ignore regions.
        images: Images that have at least one.
    """

    objects: int
    images: int


def tally(dataset: Dataset) -> Tally:
    """Count the objects to be found, and the images that have some (Table 1)."""
    counts = [sum(label.counts for label in image.labels) for image in dataset.images]
    return Tally(sum(counts), sum(count > 0 for count in counts))
