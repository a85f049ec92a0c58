"""CVAT for video 1.1 (https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat/): an XML file of a video's tracks.

A track holds a shape a frame, numbered as in the video: CVAT adds the start of the task and multiplies by its step. All
frames of the task are images, those without boxes too; they are called after the file that is named as the source
(`SOURCE#12`), or `frame_000012` where that is no video. A shape with `outside="1"` is none: the object is gone until the
next.

CVAT writes the shapes of all frames, but reads key frames only and fills in the rest. So do we where frames are missing:
between two key frames linearly, and after the last up to the end of the task unless the object is outside there. That is
done for boxes and ellipses, within the bounds that `keyframes` sets, but for tracks that are a single shape of one frame, see
`_is_single`. What we write consists of key frames, and says that an object is outside where it has no box.

CVAT cannot say which frames of a task are in a data set. Where some are missing we list those that are in an element of
our own, `<meta><listed_frames>`, which CVAT ignores. A CVAT task is one video. A project's export is read if it is of one task:
CVAT numbers the frames of several one after the other.

Datumaro 1.13 gives the same boxes, but those that are outside too; it gives no frame without boxes, fills in none, and
does not say which video it is.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from xml.etree.ElementTree import Element

from thrifty.data.dataset import Category, Dataset, Identifier, Label, LabelledImage
from thrifty.data.formats import cvat
from thrifty.data.formats.cvat_task import (
    Task,
    frame_names,
    frame_number,
    task_in,
)
from thrifty.data.formats.cvat_video_writer import adapt, write
from thrifty.data.formats.format import Format, Trait
from thrifty.data.formats.guard import bad, elements
from thrifty.data.formats.keyframes import Filling, blend, with_next
from thrifty.data.formats.recognition import xml_tags
from thrifty.data.formats.sizes import Sizes

_HOLDS = frozenset(
    {
        Trait.EMPTY_IMAGES,
        Trait.SIZES,
        Trait.VIDEOS,
        Trait.EMPTY_CATEGORIES,
        Trait.OCCLUSION,
        Trait.OUTLINES,
        Trait.GROUPS,
        Trait.TRACKS,
        Trait.ATTRIBUTES,
    }
)

_NUMBER = re.compile(r"[0-9]{1,15}")


def read(path: Path, sizes: Sizes) -> Dataset:
    """Read CVAT's tracks.

    Args:
        path: The XML file, or a folder that holds it as `annotations.xml`.
        sizes: Asked if the file does not tell the size of the video.

    Raises:
        DataError: It is missing or not of this kind, or leaves more to be filled in than any video needs.
    """
    file = _File(cvat.located(path))
    return Dataset(
        categories=tuple(map(Category, file.names.numbers)),
        images=tuple(file.images(sizes)),
        unread=dict(file.unread),
    )


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A shape on a frame."""

    frame: int
    outside: bool
    key: bool
    shape: cvat.Shape


class _File:
    """A file that has been read."""

    def __init__(self, path: Path) -> None:
        self.names = cvat.Names()
        self.unread: Counter[str] = Counter()
        self._path = path
        self._labels: dict[int, list[Label]] = defaultdict(list)
        self._filling = Filling(path)
        task: Task | None = None
        for element in elements(path, frozenset({"meta", "image", "track"})):
            if element.tag == "meta":
                self.names.add_listed(element)
                task = task_in(element, path, self._filling)
            elif element.tag == "image":
                cvat.refuse_other(path, "images")
            else:
                self._add(element, task)
        if task is None:
            bad(path, "holds no <meta>", "check that it is CVAT's")
        self._task = task

    def images(self, sizes: Sizes) -> Iterator[LabelledImage]:
        task = self._task
        frames = sorted({*task.frames, *self._labels})
        names = frame_names("" if task.pictures else task.video, frames)
        size = task.size or (sizes.of(names[0], self._path.parent) if names else None)
        width, height = size or (None, None)
        for frame, name in zip(frames, names, strict=True):
            yield LabelledImage(
                name=name,
                width=width,
                height=height,
                labels=tuple(self._labels.get(frame, ())),
                video=task.video,
                frame=frame,
            )

    def _add(self, element: Element, task: Task | None) -> None:
        number = element.get("id", "")
        where = f"track {number[:40]!r}"
        if task is None:
            bad(self._path, f"{where} is of no task that <meta> names", "export it again")
        category = self.names.of(element, self._path, where)
        group = cvat.group(element, self._path, where)
        track: Identifier = int(number) if _NUMBER.fullmatch(number) else number
        drawn = sorted(self._drawn(element, where), key=lambda entry: entry.frame)
        single = _is_single(drawn, task)
        for entry, after in with_next(drawn):
            if not entry.outside:
                shapes = self._shapes(entry, after, task, where)
                for frame, shape in islice(shapes, 1 if single else None):
                    self._labels[frame].append(shape.label(category, group, track))

    def _drawn(self, element: Element, where: str) -> Iterator[_Drawn]:
        for child, shape in cvat.shapes(element, self._path, where, self.unread):
            yield _Drawn(
                frame=frame_number(child.get("frame"), self._path, f"{where}: frame"),
                outside=child.get("outside") == "1",
                key=child.get("keyframe", "1") != "0",
                shape=shape,
            )

    def _shapes(
        self, entry: _Drawn, after: _Drawn | None, task: Task, where: str
    ) -> Iterator[tuple[int, cvat.Shape]]:
        """What is drawn, and then what is filled in up to the next."""
        yield entry.frame, entry.shape
        if after is None and task.last is not None and entry.key:
            for frame in self._filling.frames(entry.frame, task.last + 1, task.step, where):
                yield frame, entry.shape
        if after is None or not (entry.key and after.key):
            return
        one, other = entry.shape, after.shape
        if one.kind != other.kind or one.kind == "polygon":
            if gap := len(range(entry.frame + task.step, after.frame, task.step)):
                self.unread["polygons to be filled in between key frames"] += gap
            return
        for frame in self._filling.frames(entry.frame, after.frame, task.step, where):
            share = (frame - entry.frame) / (after.frame - entry.frame)
            values = blend(one.values, _turned_least(one.values, other.values), share)
            yield frame, replace(one, values=values)


def _is_single(drawn: Sequence[_Drawn], task: Task) -> bool:
    """Whether a track is a shape on one frame alone.

    CVAT writes such a shape as a track that ends on the next frame, but does not end it where that is the last one. Of its
    tracks it writes all frames, and we end them.
    """
    if task.pictures:
        return sum(not entry.outside for entry in drawn) == 1
    return len(drawn) == 1 and task.last is not None and drawn[0].frame + task.step >= task.last


def _turned_least(one: Sequence[float], other: Sequence[float]) -> tuple[float, ...]:
    """The other's values, with the rotation that is reached from the one by less than half a turn."""
    *rest, degrees = other
    return (*rest, one[-1] + (degrees - one[-1] + 180) % 360 - 180)


def _recognise(path: Path) -> bool:
    file = cvat.located(path)
    if file.suffix.lower() != ".xml" or not file.is_file():
        return False
    tags = xml_tags(file)
    if "annotations" not in tags:
        return False
    return "track" in tags or ("original_size" in tags and "image" not in tags)


FORMAT = Format(
    "cvat-video", "CVAT for video", ".xml", _HOLDS, _recognise, read, write, adapt=adapt
)
