"""Writing Label Studio's tasks, and what of a data set they can hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from urllib.parse import quote

import msgspec

from thrifty.data.dataset import Attributes, Dataset, Identifier, Label, LabelledImage
from thrifty.data.formats.file_names import check_names
from thrifty.data.formats.format import Losses, Trait, Written
from thrifty.data.formats.outlines import keep_single_polygons
from thrifty.data.formats.projection import as_text
from thrifty.data.formats.sizes import known_size

LOCAL = "/data/local-files/?d="
"""What stands before the path of a file in a local storage."""

OURS = frozenset({"image", "width", "height", "video", "frame"})
"""Keys of `data` that say something other than an attribute in what we write."""

_CONTROL, _OBJECT = "label", "image"
"""Names of the tags in the labelling configuration that the regions belong to: those of Label Studio's templates."""

_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")


def identifier(key: Identifier | None) -> Identifier | None:
    """The id of a region, which is text: a number where it is one.

    >>> identifier("12"), identifier("012"), identifier("dx_aB91ISN")
    (12, '012', 'dx_aB91ISN')
    """
    return int(key) if isinstance(key, str) and _NUMBER.fullmatch(key) else key


def write(dataset: Dataset) -> Written:
    """One JSON file of tasks, which Label Studio imports where its local storage has the pictures.

    Raises:
        DataError: The size of an image with labels is not known, or a name leads out of its folder.
    """
    check_names(image.name for image in dataset.images)
    names = [category.name for category in dataset.categories]
    yield "", msgspec.json.encode([_task(image, names) for image in dataset.images])


def _task(image: LabelledImage, names: Sequence[str]) -> dict[str, object]:
    data: dict[str, object] = {"image": LOCAL + quote(image.name)}
    if image.width is not None and image.height is not None:
        data |= {"width": image.width, "height": image.height}
    if image.video is not None:
        data |= {"video": image.video, "frame": image.frame}
    results = [entry for label in image.labels for entry in _results(label, image, names)]
    annotation = {"result": results, "was_cancelled": False, "ground_truth": False}
    task: dict[str, object] = {} if image.id is None else {"id": image.id}
    return task | {"data": data | dict(image.attributes), "annotations": [annotation]}


def _results(
    label: Label, image: LabelledImage, names: Sequence[str]
) -> Iterator[dict[str, object]]:
    width, height = known_size(image, "Label Studio")
    shape: dict[str, object]
    if label.outline is not None:
        kind = "polygonlabels"
        [polygon] = label.outline
        pairs = zip(polygon[0::2], polygon[1::2], strict=True)
        shape = {"points": [[x / width * 100, y / height * 100] for x, y in pairs], "closed": True}
    else:
        kind = "rectanglelabels"
        left, top, right, bottom = label.box
        shape = {
            "x": left / width * 100,
            "y": top / height * 100,
            "width": (right - left) / width * 100,
            "height": (bottom - top) / height * 100,
            "rotation": 0,
        }
    common: dict[str, object] = {
        "id": str(label.id),
        "to_name": _OBJECT,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
    }
    score = {} if label.score is None else {"score": label.score}
    value = shape | {kind: [names[label.category]]}
    yield common | {"from_name": _CONTROL, "type": kind, "value": value} | score
    for name, answer in label.attributes.items():
        kind, given = _answer(answer)
        yield common | {"from_name": name, "type": kind, "value": shape | given}


def _answer(value: object) -> tuple[str, dict[str, object]]:
    """Type and value of the result that says an attribute."""
    if isinstance(value, bool):
        return "choices", {"choices": [as_text(value)]}
    if isinstance(value, int | float):
        return "number", {"number": value}
    return "textarea", {"text": [value]}


def adapt(dataset: Dataset) -> tuple[Dataset, Losses]:
    """One polygon or a box a label; an id for each; attributes that can be answers."""
    dataset, losses = keep_single_polygons(dataset)
    taken = {identifier(label.id) for image in dataset.images for label in image.labels}
    fresh = (number for number in count(1) if number not in taken)
    images = []
    for image in dataset.images:
        labels = (
            replace(
                label,
                id=next(fresh) if label.id is None else identifier(label.id),
                attributes=_answerable(label.attributes, losses),
            )
            for label in image.labels
        )
        images.append(
            replace(image, labels=tuple(labels), attributes=_free(image.attributes, losses))
        )
    return replace(dataset, images=tuple(images)), losses


def _answerable(given: Attributes, losses: Losses) -> Attributes:
    kept = {
        name: value if isinstance(value, str | int | float) else as_text(value)
        for name, value in given.items()
    }
    losses[Trait.TYPED_ATTRIBUTES] += sum(given[name] is not value for name, value in kept.items())
    return kept


def _free(given: Attributes, losses: Losses) -> Attributes:
    kept = {name: value for name, value in given.items() if name not in OURS}
    losses[Trait.IMAGE_ATTRIBUTES] += len(given) - len(kept)
    return kept
