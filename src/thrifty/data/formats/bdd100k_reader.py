"""Reading BDD100K's three formats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Raw

from thrifty.data.dataset import Attributes, Category, Dataset, Label, LabelledImage, Polygon
from thrifty.data.formats.bdd100k_schema import (
    Config,
    Entry,
    File,
    FormerFile,
    FormerFrame,
    Frame,
    Poly,
    flattened,
    leaves,
)
from thrifty.data.formats.bdd100k_writer import FLAGS, IGNORED, LANE, SIZE, full_name
from thrifty.data.formats.file_names import fault, read_name
from thrifty.data.formats.guard import attributes, bad, decode_json, read_json
from thrifty.data.formats.outlines import bounds
from thrifty.data.formats.sizes import Sizes


def read(path: Path, sizes: Sizes) -> Dataset:
    """Read a list of frames, or an object that has one.

    Args:
        path: Of the JSON file.
        sizes: Asked for images whose size the file does not state; 1280 x 720 otherwise.

    Raises:
        DataError: It is missing or not of this kind.
    """
    content = read_json(path, list[Frame] | File)  # type: ignore[arg-type]
    file = content if isinstance(content, File) else File(content)
    reading = _Reading(path, sizes, file.config or Config())
    if file.groups:
        reading.unread["groups of frames"] += len(file.groups)
    return reading.dataset(reading.image(frame) for frame in file.frames)


def read_frames(path: Path, sizes: Sizes) -> Dataset:
    """Read a file of the oldest format, or all below a folder.

    Args:
        path: Of the JSON file or the folder.
        sizes: Asked first; images are 1280 x 720 otherwise.

    Raises:
        DataError: A file is missing or not of this kind.
    """
    files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    if not files:
        bad(path, "holds no .json files", "check the path")
    reading = _Reading(path, sizes, Config())
    return reading.dataset(reading.former_image(file) for file in files)


class _Reading:
    """Files that are being read."""

    def __init__(self, path: Path, sizes: Sizes, config: Config) -> None:
        self.unread: Counter[str] = Counter()
        self._path = path
        self._sizes = sizes
        self._size = config.image_size
        self._categories = {entry.name: entry for entry in leaves(config.categories or [])}
        self._numbers = {name: number for number, name in enumerate(self._categories)}

    def dataset(self, images: Iterable[LabelledImage]) -> Dataset:
        found = tuple(images)
        return Dataset(tuple(self._categories.values()), found, dict(self.unread))

    def image(self, frame: Frame) -> LabelledImage:
        video = frame.video_name if frame.video_name is not None else frame.former_video_name
        name = read_name(frame.name, self._path)
        size = frame.size or self._size
        width, height = (size.width, size.height) if size else self._known_size(name, video)
        given = attributes(self._path, frame.attributes or {}, self.unread)
        for key, value in (("timestamp", frame.timestamp), ("url", frame.url)):
            if value is not None:
                given[key] = value
        labels = self._labels(frame.labels, self._path, name, in_video=video is not None)
        return LabelledImage(
            name=name,
            width=width,
            height=height,
            labels=tuple(labels),
            video=video,
            frame=frame.frame_index if frame.frame_index is not None else frame.index,
            attributes=given,
        )

    def former_image(self, path: Path) -> LabelledImage:
        file = read_json(path, FormerFile)
        name = full_name(read_name(file.name, path))
        given = attributes(path, file.attributes or {}, self.unread)
        first = file.frames[0] if file.frames else FormerFrame()
        if first.timestamp is not None:
            given["timestamp"] = first.timestamp
        if len(file.frames) > 1:
            self.unread["frames after the first of an image"] += len(file.frames) - 1
        width, height = self._known_size(name, None)
        labels = tuple(self._labels(first.objects, path, name, in_video=False))
        return LabelledImage(name, width, height, labels, attributes=given)

    def _known_size(self, name: str, video: str | None) -> tuple[int, int]:
        folder = self._path.parent
        below = [folder / video] if video and not fault(video) else []
        return self._sizes.of(name, folder, *below) or SIZE

    def _labels(
        self, entries: Iterable[Raw] | None, path: Path, image: str, *, in_video: bool
    ) -> Iterator[Label]:
        for number, raw in enumerate(entries or ()):
            where = f"{image}: label {number}"
            label = self._label(decode_json(path, raw, Entry, where), path, in_video=in_video)
            if label is not None:
                yield label

    def _label(self, entry: Entry, path: Path, *, in_video: bool) -> Label | None:
        outline = tuple(self._polygons(entry)) or None
        self._count_others(entry)
        if entry.box2d is None and outline is None:
            return None
        if not entry.category:
            self.unread["labels without a class"] += 1
            return None
        given, marks = _marks(attributes(path, entry.attributes or {}, self.unread))
        box = entry.box2d
        return Label(
            box=(box.x1, box.y1, box.x2 + 1, box.y2 + 1) if box else bounds(outline or ()),
            category=self._number(entry.category),
            id=None if in_video else entry.id,
            ignore=marks.get("ignored", entry.category in IGNORED),
            crowd=marks.get("crowd", False),
            occlusion=int(marks.get("occluded", False)),
            truncation=float(marks.get("truncated", False)),
            outline=outline,
            track=entry.id if in_video else None,
            score=entry.score,
            attributes=given,
        )

    def _polygons(self, entry: Entry) -> Iterator[Polygon]:
        """Closed outlines; lines are counted."""
        former = [vertex for vertex in entry.poly2d or () if isinstance(vertex, tuple)]
        polys = [poly for poly in entry.poly2d or () if isinstance(poly, Poly)]
        if former:
            types = "".join(kind[:1] for _, _, kind in former)
            closed = not (entry.category or "").startswith(LANE)
            polys.append(Poly([(x, y) for x, y, _ in former], types, closed))
        for poly in polys:
            if poly.closed is False:
                self.unread["lines (open poly2d)"] += 1
            elif poly.vertices:
                yield tuple(value for pair in flattened(poly) for value in pair)

    def _count_others(self, entry: Entry) -> None:
        others = list(entry.others())
        if entry.box2d is None and not entry.poly2d and not others:
            others = ["labels without a shape"]
        self.unread.update(others)

    def _number(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = len(self._numbers)
            self._categories[name] = Category(name)
        return self._numbers[name]


def _marks(given: Attributes) -> tuple[dict[str, object], dict[str, bool]]:
    """Attributes without the marks among them, and the marks."""
    kept: dict[str, object] = {}
    marks: dict[str, bool] = {}
    for name, value in given.items():
        if name.lower() in FLAGS and isinstance(value, bool):
            marks[name.lower()] = value
        else:
            kept[name] = value
    return kept, marks
