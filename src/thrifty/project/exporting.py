"""A project's labels for whoever trains elsewhere."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from thrifty.data.dataset import Category, Dataset, LabelledImage
from thrifty.data.dataset import Label as Drawn
from thrifty.data.formats.catalogue import write_dataset
from thrifty.errors import DataError
from thrifty.project.pictures import kept_frames, kept_name
from thrifty.project.project import Project
from thrifty.store.project.rows import Choice, Label


def export(
    project: Project, out: Path, form: str, *, pictures: bool = False, shadow: bool = False
) -> Counter[str]:
    """Write the labels that count, in a format of `thrifty data formats`; images go by their names in `frames/`.

    Args:
        project: Whose.
        out: The file, or, for a format that is a folder, the folder.
        form: Name of the format.
        pictures: Put the pictures beside, where the format has a place for them.
        shadow: Those of the shadow sample too, by which detectors are judged: one that learns from them is judged too well.

    Returns:
        What was left out: a phrase, and how many.

    Raises:
        DataError: Nothing is labelled yet, or the format cannot be written there.
    """
    labels = project.store.labels()
    kept = kept_frames(project)
    labelled = [choice for choice in kept.choices if choice.record.id in labels]
    done = [choice for choice in labelled if shadow or not choice.shadow]
    if not done:
        raise DataError(f"{project.folder}: nothing is labelled yet; collect a batch first")
    images = tuple(_image(choice, labels[choice.record.id]) for choice in done)
    dataset = Dataset(tuple(Category(name) for name in project.settings.classes), images)
    files = ((kept_name(choice.record), kept.picture(choice.record).content) for choice in done)
    lost = write_dataset(dataset, out, form, files if pictures else ())
    told = {f"{form} has no place for {what}": count for what, count in lost.items()}
    aside = {
        "frames that chance drew, which judge detectors (--shadow writes them too)": len(labelled)
        - len(done)
    }
    return +Counter(told | aside)


def _image(choice: Choice, label: Label) -> LabelledImage:
    drawn, record = label.drawn, choice.record
    boxes = tuple(
        Drawn((box[0], box[1], box[2], box[3]), kind, ignore=ignore)
        for box, kind, ignore in zip(
            drawn.boxes.tolist(), drawn.classes.tolist(), drawn.ignore.tolist(), strict=True
        )
    )
    told = {"source": record.source, "batch": choice.batch, "shadow": choice.shadow}
    if record.frame is not None:
        told["frame"] = record.frame
    return LabelledImage(kept_name(record), record.width, record.height, boxes, attributes=told)
