"""Label Studio's JSON export, and JSON-MIN (https://labelstud.io/guide/export): a list of tasks, one a picture or a video.

Of the annotations of a task one is read: the one marked as ground truth, else the last that was not cancelled. Tasks that
nobody has annotated are left out: they are no images without boxes. So are predictions. `labelstudio_regions` says how a
region is read. A picture is called after its path, without host and `/data/upload/N/`; below a local storage, after what
stands behind `?d=`. Other keys of `data`, and answers about the whole picture, are attributes of the image.

In a video a rectangle moves linearly between its key frames, and stays after the last, for as long as it is enabled; frames
count from 1, ours from 0. All frames up to the count that Label Studio states are images. `keyframes` bounds both.

Written is a task for every image, with its path below a local storage, and our own `width`, `height`, `video` and `frame`
in `data`, which takes any key. Attributes become answers: texts, numbers, and choices between true and false. The list of
labels is no part of an export, nor are tracks of pictures, groups and marks. Datumaro 1.13 does not know the format.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
from msgspec import Raw

from thrifty.data.dataset import Category, Dataset, Identifier, Label, LabelledImage
from thrifty.data.formats.file_names import read_name
from thrifty.data.formats.format import Format, Trait
from thrifty.data.formats.guard import attributes, bad, decode_json, read_json
from thrifty.data.formats.keyframes import LAST_FRAME, Filling, with_next
from thrifty.data.formats.labelstudio_regions import (
    Ellipse,
    Outline,
    Rectangle,
    Region,
    Regions,
    Result,
    Size,
    Track,
)
from thrifty.data.formats.labelstudio_tasks import (
    Record,
    Task,
    chosen,
    described,
    lists_objects,
    medium_of,
    side,
)
from thrifty.data.formats.labelstudio_writer import adapt, identifier, write
from thrifty.data.formats.recognition import json_keys
from thrifty.data.formats.sizes import Sizes
from thrifty.data.video import VIDEOS

_HOLDS = frozenset(
    {
        Trait.NAMES,
        Trait.STILLS,
        Trait.EMPTY_IMAGES,
        Trait.SIZES,
        Trait.IMAGE_IDS,
        Trait.IMAGE_ATTRIBUTES,
        Trait.VIDEOS,
        Trait.LABEL_IDS,
        Trait.OUTLINES,
        Trait.SCORES,
        Trait.ATTRIBUTES,
        Trait.TYPED_ATTRIBUTES,
    }
)

_ADMINISTRATIVE = frozenset(
    {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"}
)
"""Keys of JSON-MIN that say nothing of the picture."""


def read(path: Path, sizes: Sizes) -> Dataset:
    """Read an export of Label Studio.

    Args:
        path: Of the JSON file.
        sizes: Asked for pictures and videos whose size the file does not state.

    Raises:
        DataError: It is missing or not of this kind, or a size is needed that nobody tells.
    """
    reading = _Reading(path, sizes)
    for number, raw in enumerate(read_json(path, list[Raw])):
        reading.add(raw, f"task {number}")
    unread = reading.unread + reading.regions.unread
    return Dataset(tuple(map(Category, reading.names)), tuple(reading.images), dict(unread))


class _Reading:
    """A file that is being read."""

    def __init__(self, path: Path, sizes: Sizes) -> None:
        self.names: dict[str, int] = {}
        self.images: list[LabelledImage] = []
        self.regions = Regions(path)
        self.unread: Counter[str] = Counter()
        self._path = path
        self._sizes = sizes
        self._filling = Filling(path)
        self._places: dict[Identifier, int] = {}

    def add(self, raw: Raw, where: str) -> None:
        """Read a task."""
        keys = decode_json(self._path, raw, dict[str, Raw], where)
        if "data" not in keys:
            self._add_minimal(decode_json(self._path, raw, Record, where).id, keys, where)
            return
        task = decode_json(self._path, raw, Task, where)
        annotation = chosen(task, self.unread)
        if annotation is not None:
            self.images += self._images(task.id, task.data, annotation.result or [], where)

    def _add_minimal(self, key: Identifier | None, keys: Mapping[str, Raw], where: str) -> None:
        """A record of JSON-MIN: the keys of `data`, and values of results by the name of their control.

        There is one for each annotation; of those of one task the last is taken.
        """
        data = {name: raw for name, raw in keys.items() if name not in _ADMINISTRATIVE}
        results = []
        for name in [name for name, raw in data.items() if lists_objects(raw)]:
            for value in decode_json(self._path, data.pop(name), list[Raw], where):
                stated = decode_json(self._path, value, Result, where)
                results.append(msgspec.structs.replace(stated, type="", value=value))
        images = list(self._images(key, data, results, where))
        if key is not None and len(images) == 1:
            place = self._places.setdefault(key, len(self.images))
            self.unread["annotations by others"] += place < len(self.images)
            self.images[place : place + 1] = images
        else:
            self.images += images

    def _images(
        self,
        key: Identifier | None,
        data: Mapping[str, Raw],
        results: Sequence[Result],
        where: str,
    ) -> Iterator[LabelledImage]:
        where = f"{where} (id {str(key)[:40]!r})"
        given = attributes(self._path, data, self.unread)
        regions, general = self.regions.of(results, where)
        medium = medium_of(given)
        if not medium:
            self.unread["tasks without a picture or a video"] += 1
            return
        image = described(given, medium)
        image = replace(
            image,
            name=read_name(image.name, self._path, where),
            id=key,
            attributes={**image.attributes, **general},
        )
        if medium == "video" or Path(image.name).suffix.lower() in VIDEOS:
            yield from self._frames(image, regions, where)
        else:
            yield self._picture(image, regions, where)

    def _picture(
        self, image: LabelledImage, regions: Sequence[Region], where: str
    ) -> LabelledImage:
        size = self._size(image, image.name, regions, where)
        labels = []
        for region in regions:
            if isinstance(region.shape, Track):
                self.unread["tracks on a picture"] += 1
            elif region.shape is not None and size is not None:
                labels.append(self._label(region, region.shape, size))
        width, height = size or (None, None)
        return replace(image, width=width, height=height, labels=tuple(labels))

    def _frames(
        self, video: LabelledImage, regions: Sequence[Region], where: str
    ) -> Iterator[LabelledImage]:
        """All frames of a video."""
        size = self._size(video, f"{video.name}#0", regions, where)
        labels: dict[int, list[Label]] = defaultdict(list)
        longest = 0
        for region in regions:
            track = region.shape
            if isinstance(track, Track) and size is not None:
                stated = self._count(track, where)
                self._filling.claim(max(0, stated - longest))
                longest = max(longest, stated)
                for frame, shape in self._moved(track, stated, where):
                    labels[frame].append(self._label(region, shape, size, in_video=True))
            else:
                self.unread["regions of a whole video"] += 1
        width, height = size or (None, None)
        for frame in sorted({*range(longest), *labels}):
            yield LabelledImage(
                name=f"{video.name}#{frame}",
                width=width,
                height=height,
                labels=tuple(labels.get(frame, ())),
                video=video.name,
                frame=frame,
                attributes=video.attributes,
            )

    def _count(self, track: Track, where: str) -> int:
        """Frames of the video, as a track states it; they need not be whole."""
        count = track.frames_count or 0.0
        if not 0 <= count <= LAST_FRAME:
            bad(self._path, f"{where}: framesCount {count:g} is no number of frames", "correct it")
        return math.ceil(count)

    def _moved(self, track: Track, count: int, where: str) -> Iterator[tuple[int, Rectangle]]:
        """The frames that a track is on, counted from 0, and the rectangles on them."""
        keys = sorted(track.sequence, key=lambda key: key.frame)
        for key, after in with_next(keys):
            if not 1 <= key.frame <= LAST_FRAME:
                bad(self._path, f"{where}: there is no frame {key.frame}", "correct it")
            yield key.frame - 1, key
            if key.enabled:
                end = count + 1 if after is None else min(after.frame, LAST_FRAME)
                for frame in self._filling.frames(key.frame, end, 1, where):
                    share = 0 if after is None else (frame - key.frame) / (end - key.frame)
                    yield frame - 1, key.towards(after or key, share)

    def _size(
        self, image: LabelledImage, name: str, regions: Sequence[Region], where: str
    ) -> Size | None:
        """What the regions state, else what `data` does, else what the picture or the video has."""
        for region in regions:
            width, height = map(side, region.stated)
            if width is not None and height is not None:
                return width, height
        if image.width is not None and image.height is not None:
            return image.width, image.height
        folders = self._path.parent, self._path.parent / "images"
        if regions:
            return self._sizes.need(name, f"{self._path}: {where}", *folders)
        return self._sizes.of(name, *folders)

    def _label(
        self,
        region: Region,
        shape: Rectangle | Ellipse | Outline,
        size: Size,
        *,
        in_video: bool = False,
    ) -> Label:
        box, outline = shape.extent(size)
        key = identifier(region.key)
        return Label(
            box=box,
            category=self.names.setdefault(region.label or "", len(self.names)),
            id=None if in_video else key,
            outline=outline,
            track=key if in_video else None,
            score=region.score,
            attributes=region.answers,
        )


def _recognise(path: Path) -> bool:
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    keys = json_keys(path, "[")
    exported = "data" in keys and bool({"annotations", "completions", "predictions"} & keys)
    return exported or {"annotation_id", "lead_time"} <= keys or "original_width" in keys


FORMAT = Format(
    "labelstudio", "Label Studio", ".json", _HOLDS, _recognise, read, write, adapt=adapt
)
