"""Batches to send, with real pictures."""

import io

import numpy as np
from PIL import Image as Pillow

from thrifty.oracles.tool import Asked, Assignment, Picture, Sent, Task
from thrifty.types import Detections, Record

CLASSES = ("person", 'car & "van"')


def records(count: int, start: int = 0) -> list[Record]:
    """Frames of two videos with equal names, of different sizes."""
    return [
        Record(
            f"feed{number:04d}.{number:08d}.{number}",
            f"a b/{number % 2}/v.avi",
            160 + number,
            100,
            "v",
            number,
            number,
        )
        for number in range(start, start + count)
    ]


def picture(record: Record) -> Picture:
    rng = np.random.default_rng(record.frame or 0)
    image = rng.integers(0, 256, (record.height, record.width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "PNG")
    return Picture(buffer.getvalue(), ".png")


def found(number: int) -> Detections:
    """Two boxes of two classes; nothing in every third frame."""
    if number % 3 == 2:
        return Detections(np.zeros((0, 4)), np.zeros(0))
    boxes = np.array([[10.25, 20.5, 60.0, 80.0], [5.0, 6.0, 7.5 + number, 30.0]])
    return Detections(boxes, np.array([0.75, 0.5]), np.array([0, 1]))


def assignment(
    frames: list[Record], project: str = "a project", name: str = "batch-001"
) -> Assignment:
    tasks = [
        Task(record, rank, 1.0 / rank, found(record.frame or 0))
        for rank, record in enumerate(frames, start=1)
    ]
    return Assignment(project, name, CLASSES, "model-002", tasks, picture)


def asked(sent: Sent, frames: list[Record], name: str = "batch-001") -> Asked:
    numbers = {name: place for place, name in enumerate(CLASSES)}
    return Asked(name, CLASSES, sent, {record.id: record for record in frames}, numbers)
