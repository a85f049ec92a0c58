"""What was drawn on a batch, matched with what was sent: frames and classes by their names, boxes checked and cut."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from thrifty.boxes import clipped
from thrifty.data.dataset import Dataset, LabelledImage, problems
from thrifty.data.formats.sizes import known_size
from thrifty.errors import OracleError
from thrifty.oracles.drawn import IGNORE
from thrifty.oracles.sent_frames import SentFrames
from thrifty.oracles.tool import Answer, Asked, Collected
from thrifty.types import Annotations, Record


class Gathered:
    """What comes back of a batch, piece by piece.

    Args:
        asked: The batch.
        frames: Finds its frames by the names of images.
    """

    def __init__(self, asked: Asked, frames: SentFrames) -> None:
        self._frames = frames
        self._numbers = asked.numbers
        self._answers: dict[str, Answer] = {}
        self._left_out: Counter[str] = Counter()

    def add(
        self, dataset: Dataset, where: object, annotator: str | None = None, at: str | None = None
    ) -> None:
        """Take what was drawn: all of its images are answered, in place of what was said of them before.

        Args:
            dataset: What was drawn.
            where: It comes from, named in errors.
            annotator: Who drew it.
            at: When.

        Raises:
            OracleError: An image is of another size than it was sent.
        """
        self._left_out.update(dataset.unread)
        for image in dataset.images:
            record = self._frames.find(image.name)
            if record is None:
                self._left_out["boxes on frames that are not of this batch"] += len(image.labels)
            else:
                drawn = self._drawn(_sized(image, record, where), dataset)
                self._answers[record.id] = Answer(record.id, drawn, annotator=annotator, at=at)

    def collected(self) -> Collected:
        """All of it."""
        return Collected(list(self._answers.values()), +self._left_out)

    def _drawn(self, image: LabelledImage, dataset: Dataset) -> Annotations:
        """The boxes of known classes, and the regions to ignore, that lie within the frame, cut at its edge."""
        wrong = {problem.number: problem for problem in problems(replace(dataset, images=(image,)))}
        self._left_out.update(f"a box that {problem.reason}" for problem in wrong.values())
        labels = []
        for number, label in enumerate(image.labels):
            name = dataset.categories[label.category].name
            if number in wrong:
                continue
            if name in self._numbers or name == IGNORE:
                kind = self._numbers.get(name, 0)
                ignore = label.ignore or name == IGNORE
                labels.append(replace(label, category=kind, ignore=ignore))
            else:
                self._left_out[f"boxes of class {name!r}, which the project does not have"] += 1
        drawn = replace(image, labels=tuple(labels)).annotations()
        width, height = known_size(image, "a batch")
        return replace(drawn, boxes=clipped(drawn.boxes, width, height))


def _sized(image: LabelledImage, record: Record, where: object) -> LabelledImage:
    told = (image.width, image.height)
    if None not in told and told != (record.width, record.height):
        raise OracleError(
            f"{where}: {image.name} is {image.width}x{image.height} there and was sent as {record.width}x{record.height}; "
            "label the pictures as they were sent"
        )
    return replace(image, width=record.width, height=record.height)
