"""The Caltech benchmark's text form, in which algorithms hand in their results.

A folder holds `set06/V000.txt` for each video, with lines `frame, left, top, width, height, score`, frames counted from 1; or
`set06/V000/I00029.txt` for each frame, counted from 0, with lines `left, top, width, height, score`. Commas and white
space part numbers. The benchmark looks at every 30th frame: lines of frames that are not among the labels are passed over.

Boxes are 1-based as MATLAB's. Labels that were read from `.vbb` files have been moved to 0, so the boxes are too; other
labels, such as the benchmark's in JSON, are taken to stand as MATLAB has them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from thrifty.data.dataset import Dataset, LabelledImage, video_frame
from thrifty.data.detections.boxes import COLUMNS, detections
from thrifty.data.formats.guard import bad, lines
from thrifty.data.norpix import SUFFIX
from thrifty.types import Detections, FloatArray

_PLACE = re.compile(r"(set\d+)[/_](V\d+)(?:[/_]I0*(\d+)\b)?", re.IGNORECASE)
_PARTS = re.compile(r"[,\s]+")


def recognise(path: Path) -> bool:
    """Whether a path may hold results in this form."""
    if path.is_dir():
        return any(path.glob("set*/V*"))
    return path.suffix.lower() == ".txt"


def read(path: Path, truth: Dataset) -> list[Detections]:
    """Detections of each image, in the order of the images.

    Args:
        path: The folder, or the file of a single video.
        truth: Its images' names tell set, video and frame.

    Raises:
        DataError: A file is missing or malformed, or an image's name does not tell its place.
    """
    places = [_place(image, path) for image in truth.images]
    videos = sorted({place[0] for place in places})
    if path.is_file() and len(videos) > 1:
        bad(
            path,
            f"holds one video and the labels hold {len(videos)}",
            "give the folder that holds set00, set01, ...",
        )
    tables = {video: _by_frame(path if path.is_file() else path / video, video) for video in videos}
    found = []
    for image, (video, frame) in zip(truth.images, places, strict=True):
        rows = tables[video].get(frame, np.zeros((0, COLUMNS)))
        if _is_moved(image):
            rows = rows - np.array([1.0, 1.0, 0.0, 0.0, 0.0])
        found.append(detections(path, f"{video}, frame {frame}", rows))
    return found


def _place(image: LabelledImage, path: Path) -> tuple[str, int]:
    """`set06/V000` and the frame, counted from 0."""
    match = _PLACE.search(image.name) or _PLACE.search(image.video or "")
    told = video_frame(image.name)
    frame = match[3] if match and match[3] else told[1] if told else image.frame
    if match is None or frame is None:
        bad(
            path,
            f"the labels' image {image.name} tells no place such as set06/V000/I00029",
            "use labels of the Caltech benchmark, or detections in COCO form",
        )
    return f"{match[1].lower()}/{match[2].upper()}", int(frame)


def _is_moved(image: LabelledImage) -> bool:
    told = video_frame(image.name)
    return told is not None and told[0].lower().endswith(SUFFIX)


def _by_frame(place: Path, video: str) -> dict[int, FloatArray]:
    """Rows of each frame, counted from 0; frames without any are left out."""
    file = place if place.is_file() else place.with_name(f"{place.name}.txt")
    if file.is_file():
        table = _table(file, COLUMNS + 1)
        frames = table[:, 0]
        if (frames != np.rint(frames)).any() or (frames < 1).any():
            bad(file, "has a frame that is no number from 1 on", "correct it")
        return {
            int(number) - 1: table[frames == number, 1:] for number in np.unique(frames).tolist()
        }
    if not place.is_dir():
        bad(file, f"no such file, and the labels hold {video}", "add it, empty if nothing is found")
    found = {}
    for one in sorted(place.glob("I*.txt")):
        match = re.fullmatch(r"I(\d+)", one.stem)
        if match:
            found[int(match[1])] = _table(one, COLUMNS)
    return found


def _table(path: Path, columns: int) -> FloatArray:
    rows: list[Sequence[float]] = []
    for number, line in lines(path):
        parts = [part for part in _PARTS.split(line.strip()) if part]
        if not parts:
            continue
        if len(parts) != columns:
            bad(path, f"line {number} has {len(parts)} numbers instead of {columns}", "correct it")
        try:
            rows.append([float(part) for part in parts])
        except ValueError:
            bad(path, f"line {number}: {line.strip()[:40]!r} is no row of numbers", "correct it")
    table = np.array(rows, dtype=np.float64).reshape(-1, columns)
    if not np.isfinite(table).all():
        row = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])
        bad(path, f"row {row} holds a number that is not finite", "correct or remove it")
    return table
