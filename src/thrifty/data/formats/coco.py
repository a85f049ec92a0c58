"""COCO detection files (https://cocodataset.org/#format-data), with the keys that others have added to them.

Beside COCO's own keys these are understood: `ignore`; `videos`, `video_id`, `frame_id` and `track_id` (COCO-VID);
`vis_bbox`, `vis_ratio`, `bbox_v`, `occl` and `obj_id` (CityPersons' and Caltech's JSON); `occluded`, `truncated`,
`group_id` and `score`; `attributes`. A number `rotation` among the attributes of a box without a segmentation turns it, as in
CVAT's files. Datumaro 1.13 reads such files, but rounds coordinates to 0.01 pixels, renumbers images, and drops `ignore`, videos
and visible boxes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
from msgspec import Raw, Struct

from thrifty.data.dataset import (
    Attributes,
    Category,
    Corners,
    Dataset,
    Identifier,
    Label,
    LabelledImage,
    Polygon,
)
from thrifty.data.formats.format import Format, Trait, Written
from thrifty.data.formats.guard import attributes, bad, decode_json, read_json
from thrifty.data.formats.outlines import turned_as_told
from thrifty.data.formats.recognition import json_keys
from thrifty.data.formats.sizes import Sizes, known_size

Four = tuple[float, float, float, float]
"""Left, top, width, height."""


class _File(Struct):
    images: list[_Image]
    annotations: list[Raw] = []
    categories: list[_Category] = []
    videos: list[_Video] = []


class _Image(Struct):
    id: Identifier
    file_name: str | None = None
    im_name: str | None = None
    width: int | None = None
    height: int | None = None
    video_id: Identifier | None = None
    frame_id: int | None = None
    attributes: dict[str, Raw] = {}


class _Category(Struct):
    id: int
    name: str
    supercategory: str | None = None


class _Video(Struct):
    id: Identifier
    name: str


class _Mask(Struct):
    """Run lengths, which are not read."""


class _Annotation(Struct):
    image_id: Identifier
    category_id: int
    bbox: Four
    id: Identifier | None = None
    iscrowd: int | bool = 0
    ignore: int | bool = 0
    segmentation: list[list[float]] | _Mask | None = None
    track_id: Identifier | None = None
    obj_id: Identifier | None = None
    group_id: Identifier | None = None
    vis_bbox: Four | None = None
    bbox_v: Four | None = None
    vis_ratio: float | None = None
    occl: int | bool = 0
    occluded: int | bool = 0
    truncated: float | bool = 0.0
    area: float | None = None
    score: float | None = None
    attributes: dict[str, Raw] = {}


_DERIVED = frozenset({"category_name", "height"})
"""Keys that say nothing the others do not."""
_KNOWN = frozenset(_Annotation.__struct_fields__) | _DERIVED

_HOLDS = frozenset(Trait) - {Trait.REPEATED_LABEL_IDS}


def read(path: Path, sizes: Sizes) -> Dataset:
    """Read a COCO file.

    Args:
        path: Of the JSON file.
        sizes: Asked for images whose entry has no size.

    Raises:
        DataError: It is missing or not COCO, two images or categories share an id, or an annotation names an image or
            a category that the file does not list.
    """
    content = read_json(path, _File)
    categories = tuple(
        Category(entry.name, entry.id, entry.supercategory or "")
        for entry in sorted(content.categories, key=lambda entry: entry.id)
    )
    index = {category.id: number for number, category in enumerate(categories)}
    if len(index) < len(categories):
        bad(path, "two categories have the same id", "give each its own")
    drawn = _by_id(content.images, path)
    unread: Counter[str] = Counter()
    known = frozenset(value for value in index if value is not None)
    for number, raw in enumerate(content.annotations):
        where = f"annotation {number}"
        entry = decode_json(path, raw, _Annotation, where)
        _check(entry, drawn, known, path, where)
        for key in decode_json(path, raw, dict[str, Raw], where).keys() - _KNOWN:
            unread[f"annotations' key {key!r}"] += 1
        if isinstance(entry.segmentation, _Mask):
            unread["masks in run lengths (the box is kept)"] += 1
        given = attributes(path, entry.attributes, unread)
        drawn[entry.image_id].append(_label(entry, index[entry.category_id], given))
    videos = {entry.id: entry.name for entry in content.videos}
    images = tuple(
        replace(
            _image(entry, drawn[entry.id], videos, sizes, path),
            attributes=attributes(path, entry.attributes, unread),
        )
        for entry in content.images
    )
    return Dataset(categories, images, dict(unread))


def _by_id(images: Sequence[_Image], path: Path) -> dict[Identifier, list[Label]]:
    drawn: dict[Identifier, list[Label]] = {}
    for entry in images:
        if entry.id in drawn:
            bad(path, f"two images have the id {entry.id!r}", "give each image its own")
        drawn[entry.id] = []
    return drawn


def _check(
    entry: _Annotation,
    drawn: Mapping[Identifier, object],
    categories: frozenset[int],
    path: Path,
    where: str,
) -> None:
    where = f"{where} (id {entry.id})"
    if entry.image_id not in drawn:
        bad(
            path,
            f"{where} names image {entry.image_id!r}, which the file does not list",
            "correct or remove it",
        )
    if entry.category_id not in categories:
        bad(
            path,
            f"{where} names category {entry.category_id}, which the file does not list",
            "correct or remove it",
        )


def _image(
    entry: _Image,
    labels: Sequence[Label],
    videos: Mapping[Identifier, str],
    sizes: Sizes,
    path: Path,
) -> LabelledImage:
    name = entry.file_name if entry.file_name is not None else entry.im_name
    if not name:
        bad(path, f"image {entry.id!r} has no file_name", "name its file")
    width, height = entry.width, entry.height
    if width is None or height is None:
        width, height = sizes.of(name, path.parent, path.parent / "images") or (None, None)
    elif width < 1 or height < 1:
        bad(path, f"image {entry.id!r} ({name}): size {width}x{height} has no pixels", "correct it")
    video = videos.get(entry.video_id) if entry.video_id is not None else None
    return LabelledImage(
        name=name,
        width=width,
        height=height,
        labels=tuple(labels),
        id=entry.id,
        video=video,
        frame=entry.frame_id if video is not None else None,
    )


def _label(entry: _Annotation, category: int, given: Attributes) -> Label:
    visible = entry.vis_bbox if entry.vis_bbox is not None else entry.bbox_v
    track = entry.track_id if entry.track_id is not None else entry.obj_id
    label = Label(
        box=_corners(entry.bbox),
        category=category,
        id=entry.id,
        ignore=bool(entry.ignore),
        crowd=bool(entry.iscrowd),
        occlusion=min(3, max(0, int(entry.occluded or entry.occl))),
        truncation=min(1.0, max(0.0, float(entry.truncated))),
        # Caltech's JSON gives a box of zeros where nothing is hidden.
        visible=_corners(visible) if visible is not None and any(visible) else None,
        visibility=entry.vis_ratio,
        outline=_polygons(entry.segmentation),
        group=entry.group_id,
        track=track,
        score=entry.score,
        attributes=given,
    )
    if not entry.segmentation:
        label = turned_as_told(label)
    return replace(label, area=_own_area(entry.area, label.box))


def _own_area(stated: float | None, box: Corners) -> float | None:
    """The stated area, unless it is the box's."""
    _, _, width, height = _left_top_sides(box)
    if stated is None or math.isclose(stated, width * height, rel_tol=1e-6, abs_tol=1e-6):
        return None
    return stated


def _polygons(segmentation: object) -> tuple[Polygon, ...] | None:
    if not isinstance(segmentation, list) or not segmentation:
        return None
    return tuple(tuple(polygon) for polygon in segmentation)


def _corners(box: Four) -> Corners:
    left, top, width, height = box
    return left, top, left + width, top + height


def write(dataset: Dataset) -> Written:
    """One JSON file, with the ids that the data set has and new ones where it has none.

    Raises:
        DataError: The size of an image is not known.
    """
    category_ids = _numbers([category.id for category in dataset.categories])
    videos = sorted({image.video for image in dataset.images if image.video is not None})
    image_ids = _numbers([image.id for image in dataset.images])
    label_ids = iter(_numbers([label.id for image in dataset.images for label in image.labels]))
    content: dict[str, object] = {
        "images": [
            _image_entry(image, key, videos)
            for image, key in zip(dataset.images, image_ids, strict=True)
        ],
        "annotations": [
            _annotation_entry(label, next(label_ids), key, category_ids[label.category])
            for image, key in zip(dataset.images, image_ids, strict=True)
            for label in image.labels
        ],
        "categories": [
            {"id": key, "name": category.name, "supercategory": category.supercategory}
            for category, key in zip(dataset.categories, category_ids, strict=True)
        ],
    }
    if videos:
        content["videos"] = [{"id": key, "name": name} for key, name in enumerate(videos, start=1)]
    yield "", msgspec.json.encode(content)


def _numbers(given: Sequence[Identifier | None]) -> list[Identifier]:
    """The given ids if all are there and distinct, else 1, 2, ..."""
    known = [key for key in given if key is not None]
    if len(known) == len(given) and len(set(known)) == len(known):
        return known
    return list(range(1, len(given) + 1))


def _image_entry(image: LabelledImage, key: Identifier, videos: Sequence[str]) -> dict[str, object]:
    width, height = known_size(image, "COCO")
    entry: dict[str, object] = {
        "id": key,
        "file_name": image.name,
        "width": width,
        "height": height,
    }
    if image.video is not None:
        entry |= {"video_id": videos.index(image.video) + 1, "frame_id": image.frame}
    if image.attributes:
        entry["attributes"] = dict(image.attributes)
    return entry


def _annotation_entry(
    label: Label, key: Identifier, image: Identifier, category: Identifier
) -> dict[str, object]:
    box = _left_top_sides(label.box)
    entry: dict[str, object] = {
        "id": key,
        "image_id": image,
        "category_id": category,
        "bbox": box,
        "area": label.area if label.area is not None else box[2] * box[3],
        "iscrowd": int(label.crowd),
        "ignore": int(label.ignore),
        "segmentation": [list(polygon) for polygon in label.outline or ()],
    }
    optional = {
        "occluded": label.occlusion or None,
        "truncated": label.truncation or None,
        "vis_bbox": _left_top_sides(label.visible) if label.visible is not None else None,
        "vis_ratio": label.visibility,
        "group_id": label.group,
        "track_id": label.track,
        "score": label.score,
        "attributes": dict(label.attributes) or None,
    }
    return entry | {name: value for name, value in optional.items() if value is not None}


def _left_top_sides(box: Corners) -> Four:
    left, top, right, bottom = box
    return left, top, right - left, bottom - top


def _recognise(path: Path) -> bool:
    return path.suffix.lower() == ".json" and bool(
        {"images", "annotations", "categories", "licenses"} & json_keys(path, "{")
    )


FORMAT = Format("coco", "COCO", ".json", _HOLDS, _recognise, read, write)
