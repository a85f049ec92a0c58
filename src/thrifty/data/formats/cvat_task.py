"""What the head of a CVAT video file says of its task: the video, its size, and which frames there are."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element

from thrifty.data.dataset import Dataset, LabelledImage
from thrifty.data.formats import cvat
from thrifty.data.formats.file_names import check_names, fault, read_name
from thrifty.data.formats.guard import bad, elements, whole
from thrifty.data.formats.keyframes import LAST_FRAME, Filling
from thrifty.data.formats.sizes import known_size
from thrifty.data.video import VIDEOS
from thrifty.errors import DataError

_LISTED = "listed_frames"
"""An element of our own in `<meta>`: the frames in the data set, where those are not all of the task."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task, of a video or of pictures.

    Attributes:
        video: Name of the video; of the task where no source is named.
        frames: Those that are images, numbered as in the video.
        step: From one frame of the task to the next.
        last: Number of the last frame of the task; `None` if nobody tells.
        size: Width and height of all frames, if the file says.
        pictures: Whether the frames are pictures, numbered in their order, and none of a video.
        named: Whether the file names what the frames were taken from, which exports of jobs do not.
    """

    video: str
    frames: Sequence[int]
    step: int = 1
    last: int | None = None
    size: tuple[int, int] | None = None
    pictures: bool = False
    named: bool = True


def is_video(name: str) -> bool:
    """Whether a source is a video by its name."""
    return Path(name).suffix.lower() in VIDEOS


def frame_names(video: str, frames: Iterable[int]) -> list[str]:
    """What the images of frames are called, in CVAT's words where the video is none by its name.

    >>> frame_names("a.mp4", [12]), frame_names("a", [12])
    (['a.mp4#12'], ['frame_000012'])
    """
    named = is_video(video)
    return [f"{video}#{frame}" if named else f"frame_{frame:06d}" for frame in frames]


def task_in(meta: Element, path: Path, filling: Filling) -> Task:
    """The task that a file is of.

    Raises:
        DataError: It is of several, a number is none, or there are more frames claimed than there can be.
    """
    tasks = meta.findall(_OF_PROJECT)
    if len(tasks) > 1:
        _refuse_several(path)
    given = (*tasks, meta.find("task"), meta.find("job"))
    task = _task(next((node for node in given if node is not None), meta), meta, path)
    filling.claim(len(task.frames))
    return task


def read_head(path: Path) -> Task:
    """The task that a file is of, whatever follows its head. Raises as `task_in`."""
    meta = next(elements(path, frozenset({"meta"})), None)
    if meta is None:
        bad(path, "holds no <meta>", "check that it is CVAT's")
    return task_in(meta, path, Filling(path))


def sources_in(meta: Element, path: Path) -> Mapping[str, str]:
    """What the images of a file were taken from, by the ids of their tasks; by "" where the file is of one.

    Raises:
        DataError: Frames of a video are numbered as nobody can tell.
    """
    tasks = meta.findall(_OF_PROJECT)
    if len(tasks) < 2:
        return {"": next((entry.text or "" for entry in meta.iter("source")), "")}
    sources = [task.findtext("source") or "" for task in tasks]
    if any(map(is_video, sources[1:])):
        _refuse_several(path)
    ids = ((task.findtext("id") or "").strip() for task in tasks)
    return dict(zip(ids, sources, strict=True))


_OF_PROJECT = "project/tasks/task"


def _refuse_several(path: Path) -> NoReturn:
    # A frame's number begins where those of the tasks before it end, but for tasks of another subset.
    bad(
        path,
        "is of several tasks of a project, whose frames CVAT numbers one after the other",
        "export each task on its own",
    )


def _task(node: Element, meta: Element, path: Path) -> Task:
    source = node.findtext("source") or meta.findtext("source")
    title = node.findtext("name") or ""
    start, stop = _frame(node, "start_frame", path), _frame(node, "stop_frame", path)
    count = _frame(node, "size", path)
    size = _size(node, path) or _size(meta, path)
    mode = (node.findtext("mode") or "").strip()
    step = _step(node.findtext("frame_filter") or "", path)
    first = start or 0
    if stop is None and count is not None:
        stop = first + (count - 1) * step
    return Task(
        video=read_name(source, path) if source else path.stem if fault(title) else title,
        frames=_listed(meta, path) or range(first, -1 if stop is None else stop + 1, step),
        step=step,
        last=stop,
        size=size,
        # CVAT tells the size of all frames where they are a video's.
        pictures=not source and (mode == "annotation" if mode else size is None),
        named=bool(source) or is_video(title),
    )


def _frame(node: Element, tag: str, path: Path) -> int | None:
    text = node.findtext(tag)
    return frame_number(text, path, f"<{tag}>") if text and text.strip() else None


def frame_number(text: str | None, path: Path, where: str) -> int:
    """The number of a frame.

    Raises:
        DataError: It is none, or larger than any video has.
    """
    number = whole(text, path, where)
    if not 0 <= number <= LAST_FRAME:
        bad(path, f"{where}: there is no frame {number}", "correct it")
    return number


def _step(text: str, path: Path) -> int:
    match = re.search(r"step\s*=\s*(\d{1,9})", text)
    step = int(match[1]) if match else 1
    if step < 1:
        bad(path, "<frame_filter>: a step of 0 leads nowhere", "correct it")
    return step


def _listed(meta: Element, path: Path) -> list[int] | None:
    text = meta.findtext(_LISTED)
    if text is None:
        return None
    return sorted({frame_number(entry, path, f"<{_LISTED}>") for entry in text.split()})


def _size(node: Element, path: Path) -> tuple[int, int] | None:
    size = node.find("original_size")
    if size is None:
        return None
    width = whole(size.findtext("width"), path, "<original_size>: width")
    height = whole(size.findtext("height"), path, "<original_size>: height")
    if width < 1 or height < 1:
        bad(path, f"<original_size>: {width}x{height} has no pixels", "correct it")
    return width, height


def task_of(images: Sequence[LabelledImage]) -> Task:
    """The task that has all frames of one video, and few others.

    Raises:
        DataError: There are several videos or sizes, a frame occurs twice, a size is not known, or the video's name leads
            out of its folder.
    """
    videos = sorted({image.video or "" for image in images})
    check_names(videos)
    sizes = sorted({known_size(image, "CVAT") for image in images})
    frames = sorted(image.frame or 0 for image in images)
    if len(videos) > 1:
        raise DataError(
            f"a CVAT video task holds one video, these are {len(videos)}, {videos[0]!r} and {videos[1]!r} among them; "
            "write each on its own, or choose cvat-images"
        )
    if len(sizes) > 1:
        raise DataError(f"{videos[0]}: a video has frames of one size, these have {len(sizes)}")
    if len(set(frames)) < len(frames):
        raise DataError(f"{videos[0]}: two images are the same frame; remove one")
    if not frames:
        return Task("", frames)
    step = math.gcd(*(after - before for before, after in pairwise(frames))) or 1
    return Task(videos[0], frames, step, frames[-1], sizes[0])


def task_lines(task: Task, dataset: Dataset) -> Iterator[str]:
    """The element `<meta>`."""
    yield "  <meta>"
    yield "    <task>"
    yield "      <mode>interpolation</mode>"
    if task.size is not None:
        span = range(task.frames[0], task.frames[-1] + 1, task.step)
        yield f"      <size>{len(span)}</size>"
        yield f"      <start_frame>{span[0]}</start_frame>"
        yield f"      <stop_frame>{span[-1]}</stop_frame>"
        yield f"      <frame_filter>{f'step={task.step}' if task.step > 1 else ''}</frame_filter>"
    yield from cvat.label_lines(dataset)
    if task.size is not None:
        width, height = task.size
        yield f"      <original_size><width>{width}</width><height>{height}</height></original_size>"
        yield f"      <source>{cvat.text(task.video)}</source>"
    yield "    </task>"
    if task.size is not None and len(span) > len(task.frames):
        yield f"    <{_LISTED}>{' '.join(map(str, task.frames))}</{_LISTED}>"
    yield "  </meta>"
