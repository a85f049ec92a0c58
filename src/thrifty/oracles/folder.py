"""A folder, for any tool: pictures, the detector's boxes to begin with, and a place for what people draw.

```
batch-003/
  README.txt   what to do
  images/      the frames, in the order in which they were chosen
  prelabels/   the detector's boxes, in COCO, YOLO or VOC
  labels/      where the labels go, in any format that `thrifty data formats` lists
```
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from thrifty.data.dataset import Category, Dataset, Label, LabelledImage
from thrifty.data.formats.catalogue import read_dataset, write_dataset
from thrifty.data.formats.sizes import Sizes
from thrifty.errors import OracleError
from thrifty.files import replace_file
from thrifty.oracles.drawn import Drawn, labels_of
from thrifty.oracles.tool import Answer, Asked, Assignment, Collected, Sent, Task
from thrifty.types import Record

FORMS = ("coco", "yolo", "voc")
_FOLDER = "folder"
_COCO = "annotations.json"
_IMAGES, _PRELABELS, _LABELS, _README = "images", "prelabels", "labels", "README.txt"


class FolderTool:
    """A folder for each batch.

    Args:
        folder: Where the batches' folders go; made if missing.
        form: Format of the detector's boxes: `coco`, `yolo` or `voc`.

    Raises:
        OracleError: There is no such format.
    """

    def __init__(self, folder: Path, form: str = "coco") -> None:
        if form not in FORMS:
            raise OracleError(f"{form}: no form for a folder; choose from {', '.join(FORMS)}")
        self._folder, self._form = folder, form

    def send(self, assignment: Assignment) -> Sent:
        """Write the batch's folder, or what an earlier attempt has left out of it; `labels/` is never touched.

        Raises:
            OracleError: It cannot be written.
        """
        folder = self._folder / assignment.name
        try:
            for part in (_IMAGES, _LABELS):
                (folder / part).mkdir(parents=True, exist_ok=True)
            names = {task.record.id: self._place(assignment, task) for task in assignment.tasks}
            if not self._has_prelabels(folder):
                self._write_prelabels(assignment, names, folder / _PRELABELS)
            replace_file(folder / _README, _advice(assignment).encode())
        except OSError as error:
            raise OracleError(
                f"{folder}: cannot be written ({error.strerror or error}); make room or choose another folder"
            ) from error
        return Sent({_FOLDER: str(folder.resolve())}, names)

    def collect(self, asked: Asked) -> Collected:
        """Read what is in `labels/`; frames that are not named there nobody has labelled yet.

        Raises:
            OracleError: The folder is gone.
            DataError: What is there cannot be read.
        """
        folder = Path(asked.sent.reference[_FOLDER])
        if not folder.is_dir():
            raise OracleError(f"{folder}: is gone; restore it, then collect again")
        entries = sorted(
            entry for entry in (folder / _LABELS).glob("*") if not entry.name.startswith(".")
        )
        if not entries:
            return Collected(())
        only = len(entries) == 1 and entries[0].is_file()
        place = entries[0] if only else folder / _LABELS
        dataset = read_dataset(place, None, Sizes(folder / _IMAGES), checked=False)
        return _answers(dataset, asked)

    def _place(self, assignment: Assignment, task: Task) -> str:
        picture = assignment.picture(task.record)
        name = f"{task.rank:05d}-{task.record.id}{picture.suffix}"
        path = self._folder / assignment.name / _IMAGES / name
        if not path.is_file():
            replace_file(path, picture.content)
        return name

    def _write_prelabels(self, assignment: Assignment, names: dict[str, str], place: Path) -> None:
        images = tuple(
            LabelledImage(
                names[task.record.id],
                task.record.width,
                task.record.height,
                tuple(_labels(task)),
            )
            for task in assignment.tasks
        )
        dataset = Dataset(tuple(Category(name) for name in assignment.classes), images)
        if self._form != "coco":
            write_dataset(dataset, place, self._form)
            return
        place.mkdir(exist_ok=True)
        write_dataset(dataset, place / _COCO, self._form)

    def _has_prelabels(self, folder: Path) -> bool:
        """A folder is written whole or not at all; a file in one is what makes it whole."""
        place = folder / _PRELABELS
        return (place / _COCO).is_file() if self._form == "coco" else place.is_dir()


def _labels(task: Task) -> Iterator[Label]:
    found = task.found
    for box, kind, score in zip(
        found.boxes.tolist(), found.classes.tolist(), found.scores.tolist(), strict=True
    ):
        yield Label((box[0], box[1], box[2], box[3]), kind, score=score)


def _answers(dataset: Dataset, asked: Asked) -> Collected:
    stems = {PurePosixPath(name).stem: record_id for record_id, name in asked.sent.tasks.items()}
    names = [category.name for category in dataset.categories]
    left_out: Counter[str] = Counter()
    answers = []
    for image in dataset.images:
        record_id = stems.get(PurePosixPath(image.name).stem)
        if record_id is None:
            left_out["pictures that are not of this batch"] += 1
            continue
        drawn = _drawn(image, names, asked.records[record_id])
        labels = labels_of(asked.records[record_id], drawn, asked.classes, left_out)
        answers.append(Answer(record_id, labels))
    return Collected(answers, left_out)


def _drawn(image: LabelledImage, names: list[str], record: Record) -> Iterator[Drawn]:
    # A picture that a tool has made smaller comes back with boxes in its pixels.
    wide = record.width / (image.width or record.width)
    tall = record.height / (image.height or record.height)
    for label in image.labels:
        left, top, right, bottom = label.box
        yield (
            (left * wide, top * tall, right * wide, bottom * tall),
            names[label.category],
            not label.counts,
        )


def _advice(assignment: Assignment) -> str:
    return (
        f"{assignment.project}, {assignment.name}: {len(assignment.tasks)} frames to label.\n\n"
        f"1. Open {_IMAGES}/ in any tool, with {_PRELABELS}/ as a start if it reads that.\n"
        f"2. Draw a box around every {' and every '.join(assignment.classes)}. A frame without any is to be saved empty.\n"
        f"3. Export into {_LABELS}/, with the pictures' names as they are. Part of the frames is fine.\n"
        "4. Run `thrifty collect`; again whenever there is more.\n"
    )
