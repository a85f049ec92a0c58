"""Writing BDD100K's three formats, and what of a data set they can hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count, groupby
from pathlib import PurePosixPath

import msgspec

from thrifty.data.dataset import (
    Category,
    Dataset,
    Label,
    LabelledImage,
    video_frame,
)
from thrifty.data.formats.file_names import check_names
from thrifty.data.formats.format import Losses, Trait, Written
from thrifty.data.formats.outlines import is_polygon
from thrifty.data.formats.sizes import known_size

SIZE = 1280, 720
"""Pixels of an image, where nothing else is stated."""

FLAGS = ("occluded", "truncated", "crowd", "ignored")
"""Attributes of labels that are marks."""

IGNORED = frozenset({"other person", "other vehicle", "trailer"})
"""Classes that are ignore regions unless a label says otherwise."""

LANE = "lane"
"""What the names of classes begin with whose `poly2d` is open, in the format that does not say which are."""

_PICTURES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def full_name(name: str) -> str:
    """An image's name with `.jpg`, which the oldest format leaves out.

    >>> full_name("b1c66a42-6f7d68ca"), full_name("a.png"), full_name("one.avi#3")
    ('b1c66a42-6f7d68ca.jpg', 'a.png', 'one.avi#3')
    """
    complete = PurePosixPath(name).suffix.lower() in _PICTURES or video_frame(name)
    return name if complete else f"{name}.jpg"


def _stem(name: str) -> str:
    """The name without `.jpg`, if `full_name` gives it back."""
    stem = name.removesuffix(".jpg")
    return stem if full_name(stem) == name else name


Entry = dict[str, object]


def write(dataset: Dataset) -> Written:
    """One JSON file with `frames` and `config`.

    Raises:
        DataError: The size of an image is not known, or a name leads out of its folder.
    """
    check_names(image.name for image in dataset.images)
    frames = []
    for image in dataset.images:
        width, height = known_size(image, "BDD100K")
        frame = _frame(image, "frameIndex") | {"size": {"width": width, "height": height}}
        frames.append(frame | {"labels": [_label(label, dataset) for label in image.labels]})
    config = {"categories": list(_classes(dataset.categories))}
    yield "", msgspec.json.encode({"frames": frames, "config": config})


def _classes(categories: Sequence[Category]) -> Iterator[Entry]:
    """Classes in their order; neighbours of the same supercategory below it."""
    for group, members in groupby(categories, key=lambda category: category.supercategory):
        entries: list[Entry] = [{"name": category.name} for category in members]
        yield from [{"name": group, "subcategories": entries}] if group else entries


def write_2018(dataset: Dataset) -> Written:
    """One JSON file, a list of frames.

    Raises:
        DataError: A name leads out of its folder.
    """
    check_names(image.name for image in dataset.images)
    manual = {"manualShape": True, "manualAttributes": True}
    content = [
        _frame(image, "index")
        | {"labels": [_plain_label(label, dataset) | manual for label in image.labels]}
        for image in dataset.images
    ]
    yield "", msgspec.json.encode(content)


def write_frames(dataset: Dataset) -> Written:
    """One JSON file an image.

    Raises:
        DataError: A name leads out of its folder.
    """
    check_names(image.name for image in dataset.images)
    for image in dataset.images:
        given = dict(image.attributes)
        stamp = given.pop("timestamp") if _is_number(given.get("timestamp")) else None
        objects = [_object(label, dataset) for label in image.labels]
        frame = ({} if stamp is None else {"timestamp": stamp}) | {"objects": objects}
        content = {"name": _stem(image.name), "attributes": given, "frames": [frame]}
        yield f"{_stem(image.name)}.json", msgspec.json.encode(content)


def _frame(image: LabelledImage, index: str) -> Entry:
    """A frame without its size and labels."""
    entry: Entry = {"name": image.name}
    given = dict(image.attributes)
    if isinstance(given.get("url"), str):
        entry["url"] = given.pop("url")
    if _is_number(given.get("timestamp")):
        entry["timestamp"] = given.pop("timestamp")
    if image.video is not None:
        entry["videoName"] = image.video
    if image.frame is not None:
        entry[index] = image.frame
    return entry | {"attributes": given}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _label(label: Label, dataset: Dataset) -> Entry:
    marks = {"crowd": label.crowd}
    if label.ignore or dataset.categories[label.category].name in IGNORED:
        marks["ignored"] = label.ignore
    score = {} if label.score is None else {"score": label.score}
    return _plain_label(label, dataset, marks) | score


def _plain_label(label: Label, dataset: Dataset, marks: Mapping[str, bool] | None = None) -> Entry:
    entry = _shapeless(label, dataset, marks or {})
    if label.outline is not None:
        entry["poly2d"] = [
            {"vertices": _pairs(polygon), "types": "L" * (len(polygon) // 2), "closed": True}
            for polygon in label.outline
        ]
    return entry


def _object(label: Label, dataset: Dataset) -> Entry:
    entry = _shapeless(label, dataset, {})
    if label.outline is not None:
        entry["poly2d"] = [[*pair, "L"] for polygon in label.outline for pair in _pairs(polygon)]
    return entry


def _shapeless(label: Label, dataset: Dataset, marks: Mapping[str, bool]) -> Entry:
    left, top, right, bottom = label.box
    return {
        "id": label.id if label.track is None else label.track,
        "category": dataset.categories[label.category].name,
        "attributes": {
            **label.attributes,
            "occluded": label.occlusion > 0,
            "truncated": label.truncation > 0,
            **marks,
        },
        "box2d": {"x1": left, "y1": top, "x2": right - 1, "y2": bottom - 1},
    }


def _pairs(polygon: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip(polygon[0::2], polygon[1::2], strict=True))


def adapt(dataset: Dataset) -> tuple[Dataset, Losses]:
    """A label has one id: the track in videos, its own elsewhere."""
    losses: Losses = Counter()
    fresh = _fresh(dataset.images)
    images = []
    for image in dataset.images:
        settle = _own if image.video is None else _track
        labels = tuple(settle(_expressible(label, losses), fresh, losses) for label in image.labels)
        images.append(replace(image, labels=labels))
    return replace(dataset, images=tuple(images)), losses


def adapt_frames(dataset: Dataset) -> tuple[Dataset, Losses]:
    """Names that end in `.jpg` or are complete; outlines of one polygon."""
    losses: Losses = Counter()
    fresh = _fresh(dataset.images)
    images = []
    for image in dataset.images:
        name = full_name(image.name)
        losses[Trait.NAMES] += name != image.name
        labels = (
            _single(_own(_expressible(label, losses), fresh, losses), dataset, losses)
            for label in image.labels
        )
        images.append(replace(image, name=name, labels=tuple(labels)))
    return replace(dataset, images=tuple(images)), losses


def _fresh(images: Iterable[LabelledImage]) -> Iterator[int]:
    """Numbers that are neither ids nor tracks."""
    taken = {key for image in images for label in image.labels for key in (label.id, label.track)}
    return (number for number in count(1) if number not in taken)


def _track(label: Label, fresh: Iterator[int], losses: Losses) -> Label:
    losses[Trait.LABEL_IDS] += label.id is not None
    losses[Trait.TRACK_NUMBERS] += label.track is None
    return replace(label, id=None, track=next(fresh) if label.track is None else label.track)


def _own(label: Label, fresh: Iterator[int], losses: Losses) -> Label:
    losses[Trait.TRACKS] += label.track is not None
    return replace(label, id=next(fresh) if label.id is None else label.id, track=None)


def _expressible(label: Label, losses: Losses) -> Label:
    """Without attributes that are marks, and outlines that are none."""
    given = {name: value for name, value in label.attributes.items() if name.lower() not in FLAGS}
    losses[Trait.ATTRIBUTES] += len(label.attributes) - len(given)
    outline = label.outline
    if outline is not None and not (outline and all(map(is_polygon, outline))):
        losses[Trait.OUTLINES] += 1
        outline = None
    return replace(label, attributes=given, outline=outline)


def _single(label: Label, dataset: Dataset, losses: Losses) -> Label:
    name = dataset.categories[label.category].name
    if label.outline is None or (len(label.outline) == 1 and not name.startswith(LANE)):
        return label
    losses[Trait.OUTLINES] += 1
    return replace(label, outline=None)
