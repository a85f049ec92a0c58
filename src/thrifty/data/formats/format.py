"""What an annotation format is: how it is recognised, read and written, and what it can hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from thrifty.data.dataset import Dataset
from thrifty.data.formats.sizes import Sizes


class Trait(StrEnum):
    """Something that a `Dataset` may say and a format may have no place for; the value is its name for people."""

    NAMES = "names of images (named after video and frame)"
    SIZES = "sizes of images"
    STILLS = "images outside videos"
    EMPTY_IMAGES = "images without boxes"
    IMAGE_IDS = "ids of images"
    VIDEOS = "places in videos that the image's name does not tell"
    IMAGE_ATTRIBUTES = "attributes of images"
    EMPTY_CATEGORIES = "classes without boxes"
    CATEGORY_IDS = "ids of classes"
    SUPERCATEGORIES = "supercategories"
    LABEL_IDS = "ids of boxes"
    REPEATED_LABEL_IDS = "ids of boxes that occur twice (all are numbered anew)"
    IGNORE = "ignore regions (left out)"
    CROWD = "crowds (ignore regions, or left out)"
    OCCLUSION = "occlusion marks"
    OCCLUSION_LEVELS = "degrees of occlusion (kept as a mark)"
    TRUNCATION = "truncation marks"
    TRUNCATION_DEGREES = "degrees of truncation (kept as a mark)"
    VISIBLE = "boxes of the visible part"
    VISIBILITY = "visible shares"
    OUTLINES = "outlines (the box is kept)"
    AREAS = "areas of objects (the box's is kept)"
    GROUPS = "groups"
    TRACKS = "track ids"
    TRACK_NUMBERS = "track ids (numbered anew)"
    SCORES = "scores"
    ATTRIBUTES = "attributes of boxes"
    TYPED_ATTRIBUTES = "types of attributes (kept as text)"


Losses = Counter[Trait]
"""How many of what a format has no place for."""

Written = Iterator[tuple[str, bytes]]
"""Files of a data set: path below the destination (empty: the destination itself), and content."""


@dataclass(frozen=True, slots=True)
class Format:
    """An annotation format.

    Attributes:
        name: As it is given on the command line.
        title: As people call it.
        suffix: Of the file that it is; empty for a format that is a folder.
        holds: What it has a place for.
        recognise: Whether a path looks like it. Called with existing files and folders only; looks at little, raises
            nothing but `OSError`.
        read: From a path, with `Sizes` to ask where the format does not tell an image's size. Raises `DataError`.
        write: Gives the files of a data set that says nothing but what the format holds. Raises `DataError` if the
            format cannot express it.
        pictures: Folder, below the destination, where the format keeps its pictures; `None` for a format that is a file.
        size: Width and height of all images, in a format that is only used for images of one size.
        ignored: Classes that are ignore regions by their name, in a format without ignore marks.
        crowds: Likewise, classes that are crowds.
        adapt: Changes what is left until the format can express it, and says how many of which thing changed.
    """

    name: str
    title: str
    suffix: str
    holds: frozenset[Trait]
    recognise: Callable[[Path], bool]
    read: Callable[[Path, Sizes], Dataset]
    write: Callable[[Dataset], Written]
    pictures: str | None = None
    size: tuple[int, int] | None = None
    ignored: frozenset[str] = frozenset()
    crowds: frozenset[str] = frozenset()
    adapt: Callable[[Dataset], tuple[Dataset, Losses]] | None = None
