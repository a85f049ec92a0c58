"""Writing CVAT's tracks, and what of a data set they can hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from thrifty.data.dataset import Dataset, Identifier, Label, LabelledImage
from thrifty.data.formats import cvat
from thrifty.data.formats.cvat_task import Task, frame_names, task_lines, task_of
from thrifty.data.formats.format import Losses, Trait, Written
from thrifty.data.formats.keyframes import with_next
from thrifty.data.formats.outlines import keep_single_polygons


def write(dataset: Dataset) -> Written:
    """One XML file.

    Raises:
        DataError: There are several videos or sizes, a frame occurs twice, a size is not known, or a name has control
            characters or leads out of its folder.
    """
    task = task_of(dataset.images)
    yield "", cvat.document(_lines(dataset, task))


def _lines(dataset: Dataset, task: Task) -> Iterator[str]:
    yield from task_lines(task, dataset)
    tracks: dict[int, list[tuple[int, Label]]] = defaultdict(list)
    for image in sorted(dataset.images, key=_frame):
        for label in image.labels:
            tracks[int(label.track or 0)].append((_frame(image), label))
    for number, entries in sorted(tracks.items()):
        _, first = entries[0]
        group = {} if first.group is None else {"group_id": first.group}
        name = dataset.categories[first.category].name
        yield "  " + cvat.opened(
            "track", {"id": number, "label": name, "source": "manual", **group}
        )
        for frame, label, left in _with_gaps(entries, task):
            yield from cvat.shape_lines(label, {"frame": frame, "keyframe": 1}, left)
        yield "  </track>"


def _with_gaps(
    entries: Sequence[tuple[int, Label]], task: Task
) -> Iterator[tuple[int, Label, bool]]:
    """Frames and labels, and after each that has no successor the frame that the object is outside of."""
    for (frame, label), after in with_next(entries):
        yield frame, label, False
        gone = frame + task.step
        if gone <= task.frames[-1] and (after is None or after[0] != gone):
            yield gone, label, True


def _frame(image: LabelledImage) -> int:
    return image.frame or 0


def adapt(dataset: Dataset) -> tuple[Dataset, Losses]:
    """One polygon or box a label; frames called as CVAT calls them; tracks of one class and kind, and of one group."""
    dataset, losses = keep_single_polygons(dataset)
    images = [_renamed(image, losses) for image in dataset.images]
    if not _numbered(images):
        numbering = _Numbering()
        losses[Trait.TRACK_NUMBERS] += sum(len(image.labels) for image in images)
        images = [numbering.apply(image) for image in images]
    groups: dict[Identifier | None, set[object]] = defaultdict(set)
    for image in images:
        for label in image.labels:
            groups[label.track].add(label.group)
    kept = {
        track
        for track, values in groups.items()
        if len(values) == 1 and all(map(cvat.keeps_group, values))
    }
    for place, image in enumerate(images):
        lost = sum(label.group is not None and label.track not in kept for label in image.labels)
        if lost:
            losses[Trait.GROUPS] += lost
            labels = (
                label if label.track in kept else replace(label, group=None)
                for label in image.labels
            )
            images[place] = replace(image, labels=tuple(labels))
    return replace(dataset, images=tuple(images)), losses


def _renamed(image: LabelledImage, losses: Losses) -> LabelledImage:
    [name] = frame_names(image.video or "", [_frame(image)])
    losses[Trait.NAMES] += name != image.name
    return replace(image, name=name)


def _numbered(images: Sequence[LabelledImage]) -> bool:
    """Whether all tracks are numbers, each of one class and kind, and on a frame once."""
    kinds: dict[Identifier | None, tuple[int, str]] = {}
    for image in images:
        tracks = [label.track for label in image.labels]
        if len(set(tracks)) < len(tracks) or not all(map(cvat.keeps_number, tracks)):
            return False
        for label in image.labels:
            kind = label.category, cvat.shape_tag(label)
            if kinds.setdefault(label.track, kind) != kind:
                return False
    return True


class _Numbering:
    """Numbers tracks in the order in which they occur; what belongs to none becomes one of its own."""

    def __init__(self) -> None:
        self._count = 0
        self._known: dict[tuple[Identifier, int, str], int] = {}

    def apply(self, image: LabelledImage) -> LabelledImage:
        taken: set[int] = set()
        labels = [replace(label, track=self._number(label, taken)) for label in image.labels]
        return replace(image, labels=tuple(labels))

    def _number(self, label: Label, taken: set[int]) -> int:
        number = self._count
        if label.track is not None:
            key = (label.track, label.category, cvat.shape_tag(label))
            number = self._known.setdefault(key, self._count)
            if number in taken:
                number = self._count
        self._count += number == self._count
        taken.add(number)
        return number
