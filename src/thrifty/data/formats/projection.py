"""What is left of a data set in a format, and what is lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from thrifty.data.dataset import (
    Attributes,
    Category,
    Corners,
    Dataset,
    Label,
    LabelledImage,
    video_frame,
)
from thrifty.data.formats.format import Format, Losses, Trait


def project(dataset: Dataset, into: Format) -> tuple[Dataset, Losses]:
    """Leave out what a format cannot hold.

    Args:
        dataset: Anything.
        into: The format.

    Returns:
        What is left, and how many of which thing are lost. Reading what was written of it gives it back.
    """
    losses: Losses = Counter()
    if Trait.REPEATED_LABEL_IDS not in into.holds and Trait.LABEL_IDS in into.holds:
        dataset = _numbered_anew(dataset, losses)
    names = tuple(category.name for category in dataset.categories)
    images = tuple(_images(dataset.images, names, into, losses))
    categories, moved = _categories(dataset.categories, images, into.holds, losses)
    if moved:
        images = tuple(
            replace(
                image,
                labels=tuple(
                    replace(label, category=moved[label.category]) for label in image.labels
                ),
            )
            for image in images
        )
    kept = Dataset(categories, images)
    if into.adapt is not None:
        kept, changed = into.adapt(kept)
        losses += changed
    return kept, +losses


def _categories(
    categories: tuple[Category, ...],
    images: Iterable[LabelledImage],
    holds: frozenset[Trait],
    losses: Losses,
) -> tuple[tuple[Category, ...], dict[int, int]]:
    """The classes that stay, and, where some went, where the others moved to."""
    moved: dict[int, int] = {}
    kept = list(categories)
    if Trait.EMPTY_CATEGORIES not in holds:
        used = sorted({label.category for image in images for label in image.labels})
        losses[Trait.EMPTY_CATEGORIES] = len(categories) - len(used)
        moved = {old: new for new, old in enumerate(used)}
        kept = [categories[index] for index in used]
    if Trait.CATEGORY_IDS not in holds:
        # Numbers that count from 1 say no more than the order does.
        given = [category.id for category in categories]
        if any(given) and given != list(range(1, len(given) + 1)):
            losses[Trait.CATEGORY_IDS] = len(kept)
        kept = [replace(category, id=None) for category in kept]
    if Trait.SUPERCATEGORIES not in holds:
        losses[Trait.SUPERCATEGORIES] = sum(bool(category.supercategory) for category in kept)
        kept = [replace(category, supercategory="") for category in kept]
    return tuple(kept), moved


def _numbered_anew(dataset: Dataset, losses: Losses) -> Dataset:
    """Without ids where some occur twice."""
    ids = [label.id for image in dataset.images for label in image.labels if label.id is not None]
    if len(set(ids)) == len(ids):
        return dataset
    losses[Trait.REPEATED_LABEL_IDS] = len(ids)
    images = (
        replace(image, labels=tuple(replace(label, id=None) for label in image.labels))
        for image in dataset.images
    )
    return replace(dataset, images=tuple(images))


def _images(
    images: Iterable[LabelledImage], names: Sequence[str], into: Format, losses: Losses
) -> Iterable[LabelledImage]:
    for image in images:
        if Trait.STILLS not in into.holds and (image.video is None or image.frame is None):
            losses[Trait.STILLS] += 1
            continue
        labels = tuple(_labels(image.labels, names, into, losses))
        if Trait.EMPTY_IMAGES not in into.holds and not labels:
            losses[Trait.EMPTY_IMAGES] += 1
        else:
            yield replace(_image(image, into, losses), labels=labels)


def _image(image: LabelledImage, into: Format, losses: Losses) -> LabelledImage:
    holds = into.holds
    if Trait.SIZES not in holds:
        losses[Trait.SIZES] += image.width is not None and (image.width, image.height) != into.size
        width, height = into.size or (None, None)
        image = replace(image, width=width, height=height)
    if Trait.IMAGE_IDS not in holds and image.id is not None:
        losses[Trait.IMAGE_IDS] += 1
        image = replace(image, id=None)
    if Trait.VIDEOS not in holds and image.video is not None:
        told = video_frame(image.name)
        if told != (image.video, image.frame):
            losses[Trait.VIDEOS] += 1
            image = replace(image, video=told[0] if told else None, frame=told[1] if told else None)
    if Trait.IMAGE_ATTRIBUTES not in holds and image.attributes:
        losses[Trait.IMAGE_ATTRIBUTES] += len(image.attributes)
        image = replace(image, attributes={})
    return image


_PLAIN = (
    (Trait.LABEL_IDS, "id", None),
    (Trait.OCCLUSION, "occlusion", 0),
    (Trait.TRUNCATION, "truncation", 0.0),
    (Trait.VISIBLE, "visible", None),
    (Trait.VISIBILITY, "visibility", None),
    (Trait.OUTLINES, "outline", None),
    (Trait.AREAS, "area", None),
    (Trait.GROUPS, "group", None),
    (Trait.TRACKS, "track", None),
    (Trait.SCORES, "score", None),
)
"""Traits that go with one field of a label, and what the field says where there is nothing to say."""


def _labels(
    labels: Iterable[Label], names: Sequence[str], into: Format, losses: Losses
) -> Iterator[Label]:
    for label in labels:
        marked = _marked(label, names[label.category], into, losses)
        # Without its mark, a region would be read as an object.
        if label.counts or not marked.counts:
            yield _label(marked, into.holds, losses)


def _marked(label: Label, name: str, into: Format, losses: Losses) -> Label:
    """With the marks that the format has a place for, or that a class has by its name.

    A crowd becomes an ignore region where there is a place for those alone: neither counts.
    """
    ignore = label.ignore if Trait.IGNORE in into.holds else name in into.ignored
    crowd = label.crowd if Trait.CROWD in into.holds else name in into.crowds
    losses[Trait.IGNORE] += label.ignore and not ignore
    if label.crowd and not crowd:
        losses[Trait.CROWD] += 1
        ignore = ignore or Trait.IGNORE in into.holds
    return replace(label, ignore=ignore, crowd=crowd)


def _label(label: Label, holds: frozenset[Trait], losses: Losses) -> Label:
    changes: dict[str, object] = {}
    if label.visible is not None and label.visibility is None and Trait.VISIBLE not in holds:
        changes["visibility"] = _share(label.visible, label.box)
        label = replace(label, visibility=_share(label.visible, label.box))
    for trait, field, nothing in _PLAIN:
        if trait not in holds and getattr(label, field) != nothing:
            losses[trait] += 1
            changes[field] = nothing
    if label.occlusion > 1 and Trait.OCCLUSION in holds and Trait.OCCLUSION_LEVELS not in holds:
        losses[Trait.OCCLUSION_LEVELS] += 1
        changes["occlusion"] = 1
    if label.truncation and Trait.TRUNCATION in holds and Trait.TRUNCATION_DEGREES not in holds:
        losses[Trait.TRUNCATION_DEGREES] += label.truncation != 1
        changes["truncation"] = 1.0
    if label.attributes:
        changes["attributes"] = _attributes(label.attributes, holds, losses)
    return replace(label, **changes) if changes else label  # type: ignore[arg-type]


def _attributes(given: Attributes, holds: frozenset[Trait], losses: Losses) -> Attributes:
    if Trait.ATTRIBUTES not in holds:
        losses[Trait.ATTRIBUTES] += len(given)
        return {}
    if Trait.TYPED_ATTRIBUTES in holds:
        return given
    losses[Trait.TYPED_ATTRIBUTES] += sum(not isinstance(value, str) for value in given.values())
    return {name: as_text(value) for name, value in given.items()}


def as_text(value: object) -> str:
    """An attribute's value as text: itself, or JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _share(part: Corners, whole: Corners) -> float:
    """Area of a part over the whole's, within 0 and 1; 0 where the whole has none."""
    return min(1.0, _area(part) / _area(whole)) if _area(whole) > 0 else 0.0


def _area(box: Corners) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])
