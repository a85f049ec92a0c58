"""What is wrong with data sets before anybody trains on them."""

from __future__ import annotations

import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from thrifty.data.clip import VideoIndex
from thrifty.data.dataset import Dataset, LabelledImage, problems
from thrifty.data.folders import Folders
from thrifty.data.similarity import Thumbnail, near_identical, thumbnail
from thrifty.data.stills import content_hash, decode_picture
from thrifty.data.video import index_video
from thrifty.errors import DataError
from thrifty.progress import Progress, silent


class Kind(StrEnum):
    """What a finding is about."""

    MISSING = "missing file"
    UNREADABLE = "unreadable file"
    SIZE = "wrong size"
    BOX = "impossible box"
    TWICE = "drawn twice"
    DUPLICATE = "duplicate"
    CLASSES = "class names"
    LEAK = "leak"
    SIMILAR = "near-identical"


ERRORS = frozenset(Kind) - {Kind.SIMILAR, Kind.TWICE}
"""Kinds that make a data set unsound; the others may be meant."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, or may be.

    Attributes:
        kind: What it is about.
        where: The set, and the image in it.
        what: In words.
    """

    kind: Kind
    where: str
    what: str

    @property
    def is_error(self) -> bool:
        """Whether it makes the data set unsound."""
        return self.kind in ERRORS


@dataclass(frozen=True, slots=True)
class Checked:
    """A data set to be checked.

    Attributes:
        name: What people call it.
        dataset: Read without checking its boxes.
        folders: Where its pictures and videos may lie.
    """

    name: str
    dataset: Dataset
    folders: Folders

    def where(self, image: LabelledImage) -> str:
        """An image of this set, for people."""
        return f"{self.name}: {image.name}"


def check(sets: Sequence[Checked], progress: Progress = silent) -> list[Finding]:
    """Look for everything that `Kind` names.

    Args:
        sets: One or more; what is in two of them is a leak.
        progress: Told about every image.

    Returns:
        Findings by kind, in the order of `Kind`, then in the order of the sets.
    """
    found = [*_of_labels(sets), *_of_files(sets, progress), *_shared_videos(sets)]
    order = list(Kind)
    return sorted(found, key=lambda finding: order.index(finding.kind))


def _of_labels(sets: Sequence[Checked]) -> Iterator[Finding]:
    for one in sets:
        for problem in problems(one.dataset):
            yield Finding(Kind.BOX, f"{one.name}: {problem.image}", str(problem).split(": ", 1)[1])
        for image in one.dataset.images:
            yield from _drawn_twice(one, image)
        yield from _listed_twice(one)
    yield from _class_names(sets)


def _drawn_twice(one: Checked, image: LabelledImage) -> Iterator[Finding]:
    seen: dict[object, int] = {}
    for number, label in enumerate(image.labels):
        first = seen.setdefault((label.box, label.category), number)
        if first != number:
            what = f"boxes {first} and {number} are the same"
            yield Finding(Kind.TWICE, one.where(image), what)


def _listed_twice(one: Checked) -> Iterator[Finding]:
    seen: set[str] = set()
    for image in one.dataset.images:
        if image.name in seen:
            yield Finding(Kind.DUPLICATE, one.where(image), "is listed twice")
        seen.add(image.name)


def _class_names(sets: Sequence[Checked]) -> Iterator[Finding]:
    """Names that differ in nothing but case, and spaces, dashes or underlines."""
    spelt: dict[str, dict[str, str]] = defaultdict(dict)
    for one in sets:
        for category in one.dataset.categories:
            plain = "".join(letter for letter in category.name.casefold() if letter not in " -_")
            spelt[plain].setdefault(category.name, one.name)
    for spellings in spelt.values():
        if len(spellings) > 1:
            what = "differ in spelling only: " + ", ".join(map(repr, sorted(spellings)))
            yield Finding(Kind.CLASSES, ", ".join(sorted(set(spellings.values()))), what)


@dataclass(frozen=True, slots=True)
class _Still:
    owner: Checked
    image: LabelledImage
    digest: str
    thumbnail: Thumbnail


def _of_files(sets: Sequence[Checked], progress: Progress) -> Iterator[Finding]:
    stills: list[_Still] = []
    videos: dict[Path, VideoIndex | DataError] = {}
    total = sum(len(one.dataset.images) for one in sets)
    with progress("checking", total, "images") as step:
        for one in sets:
            for image in one.dataset.images:
                result = _look(one, image, videos)
                if isinstance(result, _Still):
                    stills.append(result)
                elif result is not None:
                    yield result
                step()
    yield from _alike(stills)


def _look(
    one: Checked, image: LabelledImage, videos: dict[Path, VideoIndex | DataError]
) -> _Still | Finding | None:
    file = one.folders.find(image)
    if file is None:
        return Finding(Kind.MISSING, one.where(image), "its picture was not found")
    path, frame = file
    if frame is not None:
        return _look_at_video(one, image, path, frame, videos)
    try:
        content = path.read_bytes()
        picture = decode_picture(path, io.BytesIO(content))
    except (DataError, OSError) as error:
        return Finding(Kind.UNREADABLE, one.where(image), str(error))
    height, width = picture.shape[:2]
    if image.width is not None and (image.width, image.height) != (width, height):
        what = f"is {width}x{height} pixels, its annotations say {image.width}x{image.height}"
        return Finding(Kind.SIZE, one.where(image), what)
    return _Still(one, image, hashlib.sha256(content).hexdigest(), thumbnail(picture))


def _look_at_video(
    one: Checked,
    image: LabelledImage,
    path: Path,
    frame: int,
    videos: dict[Path, VideoIndex | DataError],
) -> Finding | None:
    if path not in videos:
        try:
            videos[path] = index_video(path)
        except DataError as error:
            videos[path] = error
    video = videos[path]
    if isinstance(video, DataError):
        return Finding(Kind.UNREADABLE, one.where(image), str(video))
    if frame >= len(video):
        what = f"the video has {len(video)} frames, so none with number {frame}"
        return Finding(Kind.MISSING, one.where(image), what)
    if image.width is not None and (image.width, image.height) != (video.width, video.height):
        what = f"is {video.width}x{video.height} pixels, its annotations say {image.width}x{image.height}"
        return Finding(Kind.SIZE, one.where(image), what)
    return None


def _alike(stills: Sequence[_Still]) -> Iterator[Finding]:
    first: dict[str, _Still] = {}
    for still in stills:
        twin = first.setdefault(still.digest, still)
        if twin is still:
            continue
        if twin.owner is not still.owner:
            what = f"has the content of {twin.owner.where(twin.image)}"
            yield Finding(Kind.LEAK, still.owner.where(still.image), what)
        elif twin.image.name != still.image.name:
            what = f"has the content of {twin.image.name}"
            yield Finding(Kind.DUPLICATE, still.owner.where(still.image), what)
    for one, other in near_identical([still.thumbnail for still in stills]):
        before, after = stills[one], stills[other]
        same_video = before.image.video is not None and before.image.video == after.image.video
        if before.digest != after.digest and not same_video:
            what = f"looks like {before.owner.where(before.image)}"
            yield Finding(Kind.SIMILAR, after.owner.where(after.image), what)


def _shared_videos(sets: Sequence[Checked]) -> Iterator[Finding]:
    """Frames of one video in two sets."""
    owners: dict[str, Counter[str]] = defaultdict(Counter)
    names: dict[str, str] = {}
    digests: dict[Path, str] = {}
    for one in sets:
        for image in one.dataset.images:
            if image.video is not None:
                key = _identity(one, image, digests)
                names.setdefault(key, image.video)
                owners[key][one.name] += 1
    for key, counts in owners.items():
        if len(counts) > 1:
            shares = ", ".join(f"{count} in {name}" for name, count in counts.items())
            yield Finding(Kind.LEAK, names[key], f"has frames in several sets: {shares}")


def _identity(one: Checked, image: LabelledImage, digests: dict[Path, str]) -> str:
    """A video by its content where its file is at hand, else by its name."""
    file = one.folders.find(image)
    if file is None or file[1] is None:
        return str(image.video)
    path = file[0]
    if path not in digests:
        digests[path] = content_hash(path)
    return digests[path]


def tally(findings: Sequence[Finding]) -> Counter[Kind]:
    """How many findings there are of each kind."""
    return Counter(finding.kind for finding in findings)
