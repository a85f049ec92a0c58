"""Detections in a file, held against labels in a file, by a benchmark's protocol."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import numpy as np

from thrifty.data.dataset import Corners, Dataset, Label, LabelledImage
from thrifty.data.detections.catalogue import (
    is_filtered_truth,
    read_detections,
    read_filtered_truth,
)
from thrifty.data.formats.catalogue import read_dataset
from thrifty.data.formats.sizes import Sizes
from thrifty.errors import DataError
from thrifty.evaluation.average_precision import AveragePrecision, average_precision
from thrifty.evaluation.miss_rate import Curve, miss_rate_curve
from thrifty.evaluation.protocols import CALTECH, CITY_PERSONS, Setup
from thrifty.evaluation.released import OVERLAP, released_curve
from thrifty.evaluation.truth import Truth
from thrifty.types import Annotations, Detections, IntArray


class Protocol(StrEnum):
    """Whose rules hold."""

    CALTECH = "caltech"
    CITYPERSONS = "citypersons"
    COCO = "coco"
    PAPER = "paper"


@dataclass(frozen=True, slots=True)
class _Rules:
    """Which labels a protocol counts, before its setups look at sizes.

    Attributes:
        setups: The first is the one that is meant where none is named; none for COCO.
        objects: The classes to be found; empty for all.
        regions: Classes that are ignore regions; `None` for all but the objects. Any other class is as good as not there.
        heeds_ignore: Whether an ignore mark makes a region.
        heeds_crowds: Whether a crowd mark does.
    """

    setups: tuple[Setup, ...] = ()
    objects: tuple[str, ...] = ()
    regions: frozenset[str] | None = frozenset()
    heeds_ignore: bool = True
    heeds_crowds: bool = True


_RULES: Mapping[Protocol, _Rules] = {
    Protocol.CALTECH: _Rules(
        CALTECH, ("person",), frozenset({"person?", "people", "ignore"}), heeds_crowds=False
    ),
    Protocol.CITYPERSONS: _Rules(CITY_PERSONS, ("pedestrian",), None),
    Protocol.COCO: _Rules(heeds_ignore=False),
    Protocol.PAPER: _Rules((Setup("paper", overlap=OVERLAP),)),
}


@dataclass(frozen=True, slots=True, eq=False)
class SetupFigures:
    """What a setup says.

    Attributes:
        objects: How many were to be found.
        curve: Miss rate against false positives per image.
    """

    objects: int
    curve: Curve


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What a protocol says of detections.

    Attributes:
        protocol: Which.
        images: How many.
        detections: How many were looked at.
        objects: How many labels there are to be found, before setups look at sizes.
        setups: By name, the one that is meant where none is named first; empty for COCO.
        precision: COCO's figures; `None` for the others.
        notes: What the figures do not tell and a reader should know, a sentence each.
    """

    protocol: Protocol
    images: int
    detections: int
    objects: int
    setups: Mapping[str, SetupFigures] = field(default_factory=dict)
    precision: AveragePrecision | None = None
    notes: tuple[str, ...] = ()


def evaluate_files(
    truth: Path,
    detections: Path,
    protocol: Protocol,
    *,
    form: str | None = None,
    categories: Sequence[str] = (),
    setup: str | None = None,
) -> Evaluation:
    """Hold a file of detections against a file of labels.

    Args:
        truth: Labels in any format that can be read, or the Caltech benchmark's MATLAB ground truth.
        detections: COCO results, the Caltech benchmark's text form, or its MATLAB form.
        protocol: Whose rules hold.
        form: Format of the labels; recognised by content if left out.
        categories: Classes to be found, instead of the protocol's own.
        setup: A single setup of the protocol; all if left out.

    Raises:
        DataError: A file cannot be read, names what the other does not hold, or lacks the class to be found; the
            protocol has no such setup; a format or categories are given for the benchmark's MATLAB ground truth.
    """
    if is_filtered_truth(truth):
        if form is not None or categories:
            raise DataError(
                f"{truth}: holds what one setup of the benchmark looks for already; leave out format and categories"
            )
        return _evaluate_filtered(truth, detections, protocol, setup)
    rules = _RULES[protocol]
    setups = _chosen(rules.setups, setup, protocol)
    dataset = read_dataset(truth, form, Sizes(), checked=False)
    if protocol is Protocol.COCO:
        dataset = _by_id(dataset)
    wanted = _wanted(dataset, categories, rules.objects, str(truth))
    drawn = [_truth(image, dataset, wanted, rules) for image in dataset.images]
    found = _found(dataset, detections, wanted, several=protocol is not Protocol.COCO)
    evaluation = Evaluation(
        protocol,
        len(drawn),
        sum(map(len, found)),
        sum(len(one.labels.objects) for one in drawn),
        notes=tuple(_notes(dataset, wanted, rules)),
    )
    if protocol is Protocol.COCO:
        names = [dataset.categories[index].name for index in wanted]
        return replace(evaluation, precision=average_precision(found, drawn, names))
    return replace(
        evaluation, setups={one.name: _figures(one, protocol, found, drawn) for one in setups}
    )


def truth_of(
    dataset: Dataset, protocol: Protocol | str, categories: Sequence[str] = ()
) -> list[Truth]:
    """What a protocol makes of each image's labels, before its setups look at sizes.

    Args:
        dataset: The labels.
        protocol: Whose rules hold.
        categories: Classes to be found, instead of the protocol's own.

    Returns:
        One per image; classes are places in the list of those to be found, in the order of the data set.

    Raises:
        DataError: A class to be found is none of the data set's.
    """
    rules = _RULES[Protocol(protocol)]
    wanted = _wanted(dataset, categories, rules.objects, "the labels")
    return [_truth(image, dataset, wanted, rules) for image in dataset.images]


def _chosen(setups: tuple[Setup, ...], name: str | None, protocol: Protocol) -> tuple[Setup, ...]:
    if name is None:
        return setups
    chosen = tuple(setup for setup in setups if setup.name == name)
    if not chosen:
        names = ", ".join(setup.name for setup in setups) or "none at all"
        raise DataError(f"--setup {name}: {protocol} has none of that name, only {names}")
    return chosen


def _wanted(dataset: Dataset, asked: Sequence[str], usual: Sequence[str], source: str) -> list[int]:
    """Indexes of the classes asked for; else of the protocol's own, or of a file's only class, whatever it is called."""
    own = [category.name for category in dataset.categories]
    names = asked or usual
    missing = [name for name in names if name not in own]
    if not names or (not asked and missing and len(own) <= 1 and len(names) == 1):
        return list(range(len(own)))
    if missing:
        raise DataError(
            f"{source}: there is no class {missing[0]!r}, only {', '.join(own)}; name the one to be found with --category"
        )
    return [index for index, name in enumerate(own) if name in names]


def _by_id(dataset: Dataset) -> Dataset:
    """In the order of the images' ids, by which the reference code goes where scores are equal."""
    ids = [image.id for image in dataset.images]
    if not all(isinstance(key, int) for key in ids):
        return dataset
    order = np.argsort(np.array(ids, dtype=np.int64), kind="stable")
    return replace(dataset, images=tuple(dataset.images[place] for place in order))


def _found(
    dataset: Dataset, path: Path, wanted: Sequence[int], *, several: bool
) -> list[Detections]:
    """Detections of the classes to be found, image by image; their classes are places in `wanted`."""
    read = read_detections(path, dataset)
    if not read.classed:
        if len(wanted) > 1 and not several:
            raise DataError(
                f"{path}: does not tell the classes of its boxes, and there are {len(wanted)} to be found; choose one "
                "with --category"
            )
        return list(read.images)
    places = _places(dataset, wanted)
    return [_renumbered(found, places[found.classes]) for found in read.images]


def _places(dataset: Dataset, wanted: Sequence[int]) -> IntArray:
    """Place of each class among those to be found; -1 for the others."""
    places = np.full(len(dataset.categories), -1, dtype=np.int64)
    places[list(wanted)] = np.arange(len(wanted))
    return places


def _renumbered(found: Detections, places: IntArray) -> Detections:
    kept = places >= 0
    return Detections(found.boxes[kept], found.scores[kept], places[kept])


def _truth(image: LabelledImage, dataset: Dataset, wanted: Sequence[int], rules: _Rules) -> Truth:
    """The labels of an image with the roles that the protocol gives them."""
    names = [category.name for category in dataset.categories]
    places = _places(dataset, wanted)

    def is_region(label: Label) -> bool:
        marked = (label.ignore and rules.heeds_ignore) or (label.crowd and rules.heeds_crowds)
        return marked or places[label.category] < 0

    kept = [
        label
        for label in image.labels
        if places[label.category] >= 0
        or rules.regions is None
        or names[label.category] in rules.regions
        or (label.ignore and rules.heeds_ignore)
    ]
    labels = Annotations(
        np.array([label.box for label in kept]).reshape(-1, 4),
        np.maximum(places[[label.category for label in kept]], 0),
        np.array([is_region(label) for label in kept], dtype=np.bool_),
    )
    visibility = np.array([_visibility(label) for label in kept])
    return Truth(labels, visibility, np.array([_area(label) for label in kept]))


def _visibility(label: Label) -> float:
    if label.visibility is not None:
        return label.visibility
    whole = _box_area(label.box)
    if label.visible is None or not whole:
        return math.inf
    return _box_area(label.visible) / whole


def _area(label: Label) -> float:
    return label.area if label.area is not None else round(_box_area(label.box), 9)


def _box_area(box: Corners) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _figures(
    setup: Setup, protocol: Protocol, found: Sequence[Detections], drawn: Sequence[Truth]
) -> SetupFigures:
    if protocol is Protocol.PAPER:
        labels = [one.labels for one in drawn]
        return SetupFigures(sum(len(one.objects) for one in labels), released_curve(found, labels))
    objects = sum(len(setup.select(one).objects) for one in drawn)
    return SetupFigures(objects, setup.curve(found, drawn))


def _notes(dataset: Dataset, wanted: Sequence[int], rules: _Rules) -> Iterator[str]:
    labels = [
        label for image in dataset.images for label in image.labels if label.category in wanted
    ]
    crowds = sum(label.crowd for label in labels)
    if crowds and not rules.heeds_crowds:
        yield (
            f"{crowds} boxes marked as crowds count as objects: the benchmark goes by class, size and visibility alone"
        )
    ignored = sum(label.ignore and not label.crowd for label in labels)
    if ignored and not rules.heeds_ignore:
        yield f"{ignored} boxes marked 'ignore' count as objects: COCO knows crowds (iscrowd) only"


def _evaluate_filtered(
    truth: Path, detections: Path, protocol: Protocol, setup: str | None
) -> Evaluation:
    """The benchmark's own files: somebody has selected objects and regions already, for one setup."""
    if protocol is not Protocol.CALTECH:
        raise DataError(
            f"{truth}: is ground truth that was prepared for the Caltech protocol; use --protocol caltech"
        )
    [chosen] = _chosen(CALTECH, setup or _setup_of(truth), protocol)
    dataset = read_filtered_truth(truth)
    found = read_detections(detections, dataset).images
    labels = [image.annotations() for image in dataset.images]
    matched = [chosen.match_filtered(one, drawn) for one, drawn in zip(found, labels, strict=True)]
    objects = sum(one.objects for one in matched)
    figures = {chosen.name: SetupFigures(objects, miss_rate_curve(matched))}
    return Evaluation(protocol, len(labels), sum(map(len, found)), objects, figures)


_SETUP_NAMES = {"occ=none": "occ-none", "occ=partial": "occ-partial", "occ=heavy": "occ-heavy"}


def _setup_of(path: Path) -> str:
    """The setup that a file was prepared for, by its name: `gt-Reasonable.mat`, `gt-Scale=near.mat`."""
    name = path.stem.lower().removeprefix("gt-").removeprefix("scale=")
    name = _SETUP_NAMES.get(name, name)
    if name not in {setup.name for setup in CALTECH}:
        raise DataError(
            f"{path}: its name does not tell which subset it was prepared for; say so with --setup "
            f"({', '.join(setup.name for setup in CALTECH)})"
        )
    return name


FPPI = (0.01, 0.1, 1.0)
"""False positives per image at which people quote the miss rate."""


def as_json(evaluation: Evaluation) -> dict[str, object]:
    """The figures as JSON can hold them: what does not exist, for lack of objects, is null."""
    head: dict[str, object] = {
        "protocol": evaluation.protocol.value,
        "images": evaluation.images,
        "objects": evaluation.objects,
        "detections": evaluation.detections,
        "notes": list(evaluation.notes),
    }
    if evaluation.precision is not None:
        classes = evaluation.precision.classes
        return (
            head
            | precision_figures(evaluation.precision)
            | {"classes": {name: _named(one) for name, one in classes.items()}}
        )
    setups = {name: _miss_rates(figures) for name, figures in evaluation.setups.items()}
    name, first = next(iter(setups.items()))
    return head | {"setup": name} | first | {"setups": setups}


def precision_figures(precision: AveragePrecision) -> dict[str, float | None]:
    """COCO's figures over all classes, by the names that people give them."""
    return _named(precision.overall)


def _named(one: object) -> dict[str, float | None]:
    names = {"small": "ap_small", "medium": "ap_medium", "large": "ap_large", "recall": "ar100"}
    fields = ("ap", "ap50", "ap75", "small", "medium", "large", "recall")
    return {names.get(name, name): _number(getattr(one, name)) for name in fields}


def _miss_rates(figures: SetupFigures) -> dict[str, object]:
    return {
        "objects": figures.objects,
        "log_average_miss_rate": _number(figures.curve.log_average),
        "miss_rate": {f"{fppi:g}": _number(figures.curve.at(fppi)) for fppi in FPPI},
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
