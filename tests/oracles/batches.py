"""Batches to send: of real files, and of pictures made up."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from thrifty.config import FilesSource
from thrifty.data.sources import open_source
from thrifty.oracles.tool import Asked, Assignment, Collected, Picture, Sent, Task
from thrifty.types import Annotations, Detections, Record

CLASSES = ("person", "red car")


def task(record: Record, rank: int, boxes: Sequence[Sequence[float]] = ()) -> Task:
    """With boxes of the classes in turn."""
    count = len(boxes)
    found = Detections(
        np.array(boxes, dtype=np.float64).reshape(-1, 4),
        np.linspace(0.9, 0.5, count),
        np.arange(count) % len(CLASSES),
    )
    return Task(record, rank, 2.5 / rank, found)


def picture(record: Record) -> Picture:
    """Plain, its suffix that of the source."""
    buffer = io.BytesIO()
    kind = Path(record.source).suffix.lower()
    shade = sum(record.id.encode()) % 256
    image = Pillow.new("RGB", (record.width, record.height), (shade, 100, 100))
    image.save(buffer, "JPEG" if kind == ".jpg" else "PNG")
    return Picture(buffer.getvalue(), ".png" if record.frame is not None else kind)


def assignment(
    tasks: Sequence[Task],
    read: Callable[[Record], Picture] = picture,
    classes: tuple[str, ...] = CLASSES,
) -> Assignment:
    """The third batch of a project."""
    return Assignment("street", "batch-003", classes, "onnx:yolox.onnx", tasks, read)


def asked(sent: Sent, given: Assignment) -> Asked:
    """What was sent, as it is asked for again."""
    records = {one.record.id: one.record for one in given.tasks}
    numbers = {name: place for place, name in enumerate(given.classes)}
    return Asked(given.name, given.classes, sent, records, numbers)


def still(number: int, source: str = "", size: tuple[int, int] = (100, 80)) -> Record:
    """A still."""
    return Record(f"still-{number:04d}", source or f"street/{number}.jpg", *size)


def drawn(collected: Collected) -> Mapping[str, Annotations]:
    """The answers by record id."""
    return {answer.record_id: answer.drawn for answer in collected.answers}


def real_batch(folder: Path) -> Assignment:
    """Four stills and four frames of a video, with what people drew on them as the detector's boxes."""
    stills = open_source(
        FilesSource(annotations="pennfudan/annotations.json", images="pennfudan/images"), folder
    )
    video = open_source(
        FilesSource(annotations="pets09/annotations.json", frames=(0, 200), every=60), folder
    )
    labels = {**stills.labels, **video.labels}
    records = (*stills.frames.records[:4], *video.frames.records)
    tasks = [
        Task(
            record,
            rank,
            1 / rank,
            Detections(labels[record.id].boxes, np.linspace(1, 0.5, len(labels[record.id]))),
        )
        for rank, record in enumerate(records, start=1)
    ]

    def read(record: Record) -> Picture:
        if record.frame is None:
            path = folder / "pennfudan" / "images" / record.source
            return Picture(path.read_bytes(), path.suffix)
        buffer = io.BytesIO()
        Pillow.fromarray(video.frames.reader.read(record)).save(buffer, "PNG")
        return Picture(buffer.getvalue(), ".png")

    return Assignment("real", "batch-001", ("person",), "truth", tasks, read)
