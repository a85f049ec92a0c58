"""A batch as a folder that people open with any tool.

| in the folder | what it is |
|---|---|
| `chosen.csv` | which frames, and why |
| `images/` | their pictures |
| `prelabels/` | boxes to begin with |
| `labels/` | where people put what they drew |

All but `labels/` is written whole or not at all, so what is there already is left as it is.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from thrifty.boxes import area, clipped
from thrifty.data.dataset import Category, Corners, Dataset, Label, LabelledImage
from thrifty.data.formats.catalogue import find_format, write_dataset
from thrifty.data.formats.file_names import without_suffix
from thrifty.errors import DataError, OracleError
from thrifty.files import replace_file
from thrifty.oracles.sent_frames import stem_of
from thrifty.oracles.tool import Asked, Assignment, Sent, Task
from thrifty.store.choice_file import ChosenRow, read_choices, write_choice

CHOSEN, IMAGES, PRELABELS, LABELS, README = (
    "chosen.csv",
    "images",
    "prelabels",
    "labels",
    "README.txt",
)

_LONGEST = 40
_UNFIT = re.compile(r"[^A-Za-z0-9]+")
_LEFTOVER = re.compile(rf"\.(?:{CHOSEN}|{README}|{PRELABELS}|[0-9]{{5,}}-.+)\.[a-z0-9_]{{8}}")
"""What a writer leaves behind if it is killed: the names of `thrifty.files`."""


def plain(name: str, identity: str) -> str:
    """A name that every tool and file system keeps: letters and digits of ASCII, dashes, and a hash of the identity."""
    text = unicodedata.normalize("NFKD", without_suffix(name)).encode("ascii", "ignore").decode()
    digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
    words = _UNFIT.sub("-", text)[:_LONGEST].strip("-")
    return f"{words}-{digest}" if words else digest


def stem(task: Task) -> str:
    """What the picture of a frame is called, suffix left out: its rank, and a plain form of its name.

    There is no dot in it, so what follows the first one is the suffix. Sorted by name, pictures stand in the order of the
    choice.
    """
    return f"{task.rank:05d}-{plain(task.record.label, task.record.id)}"


@contextmanager
def told(folder: Path) -> Iterator[None]:
    """What goes wrong with files, as the error of an oracle.

    Raises:
        OracleError: The disk is full, the folder cannot be written, or what is in it cannot be understood.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OracleError(
            f"{error.filename or folder}: cannot be used ({reason}); make room or choose another folder"
        ) from error


def write_batch(folder: Path, assignment: Assignment) -> Mapping[str, str]:
    """Write what is chosen and its pictures, as far as that is not there.

    Args:
        folder: Of this batch; made if it is not there.
        assignment: The batch.

    Returns:
        Names of the picture files, by record id, in the order of the choice.

    Raises:
        OracleError: The folder holds another batch.
        FrameError: A picture cannot be read.
        OSError: The folder cannot be written.
    """
    for part in (IMAGES, LABELS):
        (folder / part).mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    _write_chosen(folder / CHOSEN, assignment)
    there = {stem_of(path.name): path.name for path in (folder / IMAGES).iterdir()}
    names: dict[str, str] = {}
    for task in assignment.tasks:
        name = there.get(stem(task))
        if name is None:
            picture = assignment.picture(task.record)
            name = stem(task) + picture.suffix
            replace_file(folder / IMAGES / name, picture.content)
        names[task.record.id] = name
    return names


def _sweep(folder: Path) -> None:
    for path in (*folder.glob(".*"), *(folder / IMAGES).glob(".*")):
        if _LEFTOVER.fullmatch(path.name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _write_chosen(path: Path, assignment: Assignment) -> None:
    if path.exists():
        try:
            ids = list(read_choices([path]).ids)
        except DataError as error:
            raise OracleError(str(error)) from error
        if ids != [task.record.id for task in assignment.tasks]:
            raise OracleError(
                f"{path}: names other frames than {assignment.name} of {assignment.project}; choose another folder"
            )
        return
    write_choice([_chosen(task) for task in assignment.tasks], path)


def _chosen(task: Task) -> ChosenRow:
    record = task.record
    return ChosenRow(
        rank=task.rank,
        id=record.id,
        path=record.source,
        frame=record.frame,
        score=task.score,
        smoothed=task.score,
        reason="",  # people are not told, see `Task`
        sequence=record.sequence,
        place=record.place,
        width=record.width,
        height=record.height,
    )


def write_instructions(folder: Path, assignment: Assignment, text: str, **more: str) -> None:
    """Say in the folder what people are to do.

    Args:
        folder: Of the batch.
        assignment: The batch.
        text: With places for `name`, `project`, `count`, `model` and `classes`, and for `more`.
        **more: What else the text has places for.

    Raises:
        OSError: The folder cannot be written.
    """
    filled = text.format(
        name=assignment.name,
        project=assignment.project,
        count=len(assignment.tasks),
        model=assignment.model,
        classes=", ".join(assignment.classes),
        **more,
    )
    replace_file(folder / README, filled.encode())


def as_sent(folder: Path, names: Mapping[str, str]) -> Sent:
    """Where the batch went, and the pictures' names without suffix."""
    return Sent(
        {"folder": str(folder.resolve())}, {key: stem_of(name) for key, name in names.items()}
    )


def batch_folder(folder: Path, asked: Asked) -> Path:
    """Where the batch is: where it was sent to, or, moved together with all others, under its name in their folder."""
    place = Path(asked.sent.reference["folder"])
    return place if place.is_dir() else folder / place.name


def to_begin_with(assignment: Assignment, names: Mapping[str, str], *, scored: bool) -> Dataset:
    """The detector's boxes as annotations of the pictures, cut at the frame's edge; what lies beside it is left out.

    Args:
        assignment: The batch.
        names: What the images are called, by record id.
        scored: Keep how sure the detector is.
    """
    images = tuple(
        LabelledImage(
            names[task.record.id],
            task.record.width,
            task.record.height,
            tuple(_labels(task, scored=scored)),
        )
        for task in assignment.tasks
    )
    return Dataset(tuple(map(Category, assignment.classes)), images)


def _labels(task: Task, *, scored: bool) -> Iterator[Label]:
    found = task.found
    inside = clipped(found.boxes, task.record.width, task.record.height)
    for place in (area(inside) > 0).nonzero()[0]:
        left, top, right, bottom = inside[place].tolist()
        box: Corners = (left, top, right, bottom)
        score = float(found.scores[place]) if scored else None
        yield Label(box, int(found.classes[place]), score=score)


def write_prelabels(folder: Path, dataset: Dataset, form: str) -> None:
    """Write boxes to begin with below `prelabels/`, if none are there.

    Args:
        folder: Of the batch.
        dataset: The boxes.
        form: A key of `FORMATS`.

    Raises:
        OracleError: The form has no place for the name of a class.
        OSError: The folder cannot be written.
    """
    place, suffix = folder / PRELABELS, find_format(form).suffix
    if suffix:
        place.mkdir(exist_ok=True)
        place /= f"annotations{suffix}"
    write_once(place, dataset, form)


def write_once(place: Path, dataset: Dataset, form: str) -> None:
    """Write annotations, unless there are some.

    Raises:
        OracleError: The form cannot express them.
        OSError: The place cannot be written.
    """
    if place.is_file() or (place.is_dir() and any(place.iterdir())):
        return
    try:
        write_dataset(dataset, place, form)
    except DataError as error:
        raise OracleError(str(error)) from error
