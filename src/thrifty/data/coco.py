"""COCO annotation files: which frames there are, and what people drew on them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from thrifty import boxes as geometry
from thrifty.errors import DataError
from thrifty.types import Annotations


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One entry of `images`.

    Attributes:
        file_name: As it stands in the file; `NAME#N` means frame N of a video.
        width: Pixels.
        height: Pixels.
        video: Name of the video it belongs to, or `None`.
        frame: Its `frame_id`, or `None`.
        annotations: What was drawn on it; empty where nothing was.
    """

    file_name: str
    width: int
    height: int
    video: str | None
    frame: int | None
    annotations: Annotations


@dataclass(slots=True)
class _Drawn:
    boxes: list[list[float]] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)
    ignore: list[bool] = field(default_factory=list)


def read_coco(path: Path) -> list[CocoImage]:
    """Read a COCO detection file, with `videos`, `frame_id`, `iscrowd` and `ignore` where it has them.

    Returns:
        All images in the file's order, those without annotations included. Classes are indices into the
        categories sorted by id.

    Raises:
        DataError: The file is missing or not COCO, an annotation names an unknown image or category, or a box
            is not finite, has no area, or lies outside its image.
    """
    content = _load(path)
    try:
        images = _by_id(content["images"], path)
        classes = {
            entry["id"]: index for index, entry in enumerate(sorted(content["categories"], key=_id))
        }
        videos = {entry["id"]: str(entry["name"]) for entry in content.get("videos", ())}
        drawn: dict[Any, _Drawn] = {key: _Drawn() for key in images}
        for annotation in content["annotations"]:
            _add(annotation, images, classes, drawn, path)
        return [_image(entry, videos, drawn[key]) for key, entry in images.items()]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        reason = f"key {error} is missing" if isinstance(error, KeyError) else str(error)
        raise DataError(
            f"{path}: not a COCO detection file ({reason}); see https://cocodataset.org/#format-data"
        ) from error


def _load(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: no such file; point --data or THRIFTY_DATA at the folder that holds the data sets"
        ) from error
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); check the file and its permissions"
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(
            f"{path}: not valid JSON ({error}); export the annotations again"
        ) from error
    if not isinstance(content, dict):
        raise DataError(
            f"{path}: not a COCO detection file (its top level is no object); export the annotations again"
        )
    return content


def _id(entry: Mapping[str, Any]) -> Any:  # noqa: ANN401 - ids are whatever the file uses
    return entry["id"]


def _by_id(entries: Iterable[Mapping[str, Any]], path: Path) -> dict[Any, Mapping[str, Any]]:
    images: dict[Any, Mapping[str, Any]] = {}
    for entry in entries:
        where = f"{path}: image {entry['id']} ({entry['file_name']})"
        if entry["id"] in images:
            raise DataError(
                f"{where} has the id of {images[entry['id']]['file_name']}; give each image its own"
            )
        if int(entry["width"]) < 1 or int(entry["height"]) < 1:
            raise DataError(
                f"{where}: size {entry['width']}x{entry['height']} has no pixels; correct it"
            )
        images[entry["id"]] = entry
    return images


def _image(entry: Mapping[str, Any], videos: Mapping[Any, str], drawn: _Drawn) -> CocoImage:
    frame = entry.get("frame_id")
    video = videos.get(entry.get("video_id"))
    return CocoImage(
        file_name=str(entry["file_name"]),
        width=int(entry["width"]),
        height=int(entry["height"]),
        video=video,
        frame=None if frame is None or video is None else int(frame),
        annotations=Annotations(
            geometry.from_xywh(np.array(drawn.boxes, dtype=np.float64)),
            np.array(drawn.classes, dtype=np.int64),
            np.array(drawn.ignore, dtype=np.bool_),
        ),
    )


def _add(
    annotation: Mapping[str, Any],
    images: Mapping[Any, Mapping[str, Any]],
    classes: Mapping[Any, int],
    drawn: Mapping[Any, _Drawn],
    path: Path,
) -> None:
    where = f"{path}: annotation {annotation.get('id')}"
    image = images.get(annotation["image_id"])
    if image is None:
        raise DataError(
            f"{where} names image {annotation['image_id']}, which the file does not list; correct or remove it"
        )
    if annotation["category_id"] not in classes:
        raise DataError(
            f"{where} names category {annotation['category_id']}, which the file does not list; correct or remove it"
        )
    box = [float(value) for value in annotation["bbox"]]
    problem = _box_problem(box, float(image["width"]), float(image["height"]))
    if problem:
        raise DataError(
            f"{where} on {image['file_name']}: box {annotation['bbox']} {problem}; correct or remove it"
        )
    entry = drawn[annotation["image_id"]]
    entry.boxes.append(box)
    entry.classes.append(classes[annotation["category_id"]])
    entry.ignore.append(bool(annotation.get("iscrowd", 0)) or bool(annotation.get("ignore", 0)))


def _box_problem(box: Iterable[float], width: float, height: float) -> str:
    values = list(box)
    if len(values) != 4 or not all(math.isfinite(value) for value in values):
        return "is not four finite numbers"
    left, top, box_width, box_height = values
    if box_width <= 0 or box_height <= 0:
        return "has no area"
    # Annotators draw past the border; only a box that shares no pixel with its image is an error.
    if left >= width or top >= height or left + box_width <= 0 or top + box_height <= 0:
        return f"lies outside its image of {width:g}x{height:g} pixels"
    return ""
