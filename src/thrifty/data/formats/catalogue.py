"""All annotation formats, and what can be done with any of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from thrifty.data.dataset import Dataset, LabelledImage, problems, video_frame
from thrifty.data.formats import (
    bdd100k,
    caltech,
    citypersons,
    coco,
    cvat_images,
    cvat_video,
    kitti,
    labelme,
    labelstudio,
    mot,
    openimages,
    voc,
    yolo,
)
from thrifty.data.formats.format import Format
from thrifty.data.formats.guard import unpacked
from thrifty.data.formats.projection import project
from thrifty.data.formats.sizes import Sizes
from thrifty.errors import DataError
from thrifty.files import replace_file, replace_folder

FORMATS: Mapping[str, Format] = {
    entry.name: entry
    for entry in (
        bdd100k.FORMAT,
        coco.FORMAT,
        caltech.FORMAT,
        citypersons.FORMAT,
        voc.FORMAT,
        bdd100k.FORMAT_2018,
        bdd100k.FRAMES_FORMAT,
        cvat_images.FORMAT,
        cvat_video.FORMAT,
        labelstudio.FORMAT,
        labelme.FORMAT,
        openimages.FORMAT,
        yolo.FORMAT,
        kitti.FORMAT,
        mot.FORMAT,
    )
}
"""By name; where a file could be several, the first that recognises it is taken."""


def read_dataset(
    path: Path, format_name: str | None = None, sizes: Sizes | None = None, *, checked: bool = True
) -> Dataset:
    """Read annotations of any format, ZIP archives of them included.

    Args:
        path: A file or a folder.
        format_name: A key of `FORMATS`; recognised by its content if left out.
        sizes: Where to ask for the size of an image that the format does not tell.
        checked: Refuse boxes that cannot be right, see `problems`.

    Returns:
        What the files hold; `unread` names what has no place in a `Dataset`.

    Raises:
        DataError: The path does not exist, is of no known format or not of the named one, or names a box that cannot
            be right.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; check the path of the annotations")
    with unpacked(path) as place:
        try:
            entry = _format(place, format_name)
            dataset = entry.read(place, sizes or Sizes())
        except DataError as error:
            raise DataError(str(error).replace(str(place), str(path))) from None
    dataset = replace(dataset, images=tuple(_placed(image) for image in dataset.images))
    if checked:
        problem = next(problems(dataset), None)
        if problem is not None:
            raise DataError(f"{path}: {problem}; correct or remove it")
    return dataset


def write_dataset(
    dataset: Dataset, path: Path, format_name: str, pictures: Iterable[tuple[str, bytes]] = ()
) -> Counter[str]:
    """Write annotations in a format.

    Args:
        dataset: What to write.
        path: The file, or, for a format that is a folder, the folder; which must be empty or not exist yet.
        format_name: A key of `FORMATS`.
        pictures: Names and contents of the images, to be put where the format keeps its pictures.

    Returns:
        What was lost: a phrase, and how many. What `dataset.unread` names is among it.

    Raises:
        DataError: The format cannot express the data set, or the destination is taken. Nothing is left behind.
        OSError: It cannot be written. Nothing is left behind.
    """
    entry = find_format(format_name)
    kept, losses = project(dataset, entry)
    if dataset.images and not kept.images:
        raise DataError(
            f"{path}: nothing is left to write, since {entry.title} has no place for "
            f"{' nor '.join(trait.value for trait in losses)}; choose another format"
        )
    if pictures and entry.pictures is None:
        raise DataError(
            f"{path}: {entry.title} keeps no pictures beside its annotations; leave them where they are, or choose a "
            "format that is a folder"
        )
    if entry.suffix:
        for _, content in entry.write(kept):
            replace_file(path, content)
    else:
        placed = ((f"{entry.pictures}/{name}", content) for name, content in pictures)
        replace_folder(path, chain(entry.write(kept), placed))
    return Counter(dict(dataset.unread)) + Counter(
        {trait.value: count for trait, count in losses.items()}
    )


def _format(path: Path, name: str | None) -> Format:
    if name is not None:
        return find_format(name)
    found = recognised(path)
    if not found:
        raise DataError(
            f"{path}: annotations of no known format ({', '.join(FORMATS)}); check the path and what lies there"
        )
    return found[0]


def find_format(name: str) -> Format:
    """A format by its name.

    Raises:
        DataError: There is none of this name.
    """
    if name not in FORMATS:
        raise DataError(f"{name}: no known annotation format; there are {', '.join(FORMATS)}")
    return FORMATS[name]


def recognised(path: Path) -> Sequence[Format]:
    """Formats that the path looks like, the likeliest first."""
    return [entry for entry in FORMATS.values() if entry.recognise(path)]


def _placed(image: LabelledImage) -> LabelledImage:
    """With the place in a video that its name tells, where the format tells none."""
    told = video_frame(image.name)
    if told is None or image.video is not None:
        return image
    return replace(image, video=told[0], frame=told[1])
