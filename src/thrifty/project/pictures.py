"""Pictures of chosen frames, kept in the project: labels are worth nothing once their frames are lost."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from thrifty.data.clip import frame_id
from thrifty.data.frames import FrameSet
from thrifty.data.places import Place, place_of
from thrifty.data.stills import StillReader, as_png, content_hash, decode_picture, is_upright
from thrifty.data.video import DAMAGED, open_video
from thrifty.errors import DataError
from thrifty.oracles.tool import Picture
from thrifty.progress import Step
from thrifty.project.artifacts import FRAMES, Artifacts
from thrifty.project.project import Project
from thrifty.project.sources import pools, sampling_of
from thrifty.store.project.rows import Choice
from thrifty.types import Frame, Image, Record

_VIDEO_SUFFIX = ".png"

SHOWN: Mapping[str, str] = {
    ".bmp": "image/bmp",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}
"""Kinds of pictures that browsers and labelling tools open, by their suffix."""


class _KeptReader(StillReader):
    """Reads kept pictures, on whatever machine.

    Args:
        artifacts: The project's.
    """

    def __init__(self, artifacts: Artifacts) -> None:
        super().__init__(artifacts.path(FRAMES))
        self._artifacts = artifacts

    def read(self, record: Record) -> Image:
        """As `StillReader`."""
        path = self._artifacts.at_hand(f"{FRAMES}/{record.source}")
        return StillReader(path.parent).read(record)


@dataclass(frozen=True)
class Kept:
    """The pictures of a project's chosen frames.

    Attributes:
        artifacts: Among which they are.
        choices: Which there are.
        scales: Pixels the detector sees per stored pixel, by number of the pool.
    """

    artifacts: Artifacts
    choices: Sequence[Choice]
    scales: Mapping[int, float]

    @cached_property
    def _pools(self) -> Mapping[str, int]:
        return {choice.record.id: choice.pool for choice in self.choices}

    def load(self, record: Record) -> Frame:
        """A frame as the detector sees it.

        Raises:
            FrameError: It cannot be decoded.
            DataError: It is gone.
        """
        return self.of_pool(self._pools[record.id]).load(stored(record))

    def of_pool(self, pool: int) -> FrameSet:
        """The frames that come from one pool; records name the kept files."""
        records = tuple(stored(one.record) for one in self.choices if one.pool == pool)
        return FrameSet(records, _KeptReader(self.artifacts), self.scales[pool])

    def picture(self, record: Record) -> Picture:
        """A frame as a file.

        Raises:
            DataError: It is gone.
        """
        path = self.artifacts.at_hand(_file(record))
        try:
            return Picture(path.read_bytes(), path.suffix)
        except OSError as error:
            raise DataError(
                f"{path}: cannot be read ({error.strerror}); restore it from a copy of the project"
            ) from error

    def shown(self, record: Record) -> Picture:
        """A frame as a file that every browser and labelling tool shows alike.

        Returns:
            The file itself; an upright PNG if some do not open its kind, or its EXIF orientation has some turn it.

        Raises:
            DataError: It is gone.
            FrameError: It cannot be decoded.
        """
        picture = self.picture(record)
        content = io.BytesIO(picture.content)
        # Frames of videos are files of our own, and to look for an orientation in a PNG is to decode it.
        if record.frame is not None or (
            picture.suffix in SHOWN and is_upright(record.label, content)
        ):
            return picture
        content.seek(0)
        return Picture(as_png(decode_picture(record.label, content)), ".png")


def kept_frames(project: Project) -> Kept:
    """The pictures of all chosen frames."""
    scales = {number: sampling_of(source).scale for number, source in pools(project).items()}
    return Kept(project.artifacts, project.store.choices(), scales)


def kept_name(record: Record) -> str:
    """What the file of a frame is called."""
    if record.frame is not None:
        return f"{record.id}{_VIDEO_SUFFIX}"
    return f"{record.id}{PurePosixPath(record.source).suffix.lower()}"


def _file(record: Record) -> str:
    return f"{FRAMES}/{kept_name(record)}"


def stored(record: Record) -> Record:
    """The same frame, to be read from the kept pictures."""
    return replace(record, source=kept_name(record))


def keep(pool: str, records: Sequence[Record], artifacts: Artifacts, step: Step) -> None:
    """Put pictures of frames aside: stills as they are, frames of videos as PNG. What is there already stays.

    Args:
        pool: Path or URL of the pool.
        records: Frames of one pool.
        artifacts: Where to.
        step: Told about every frame.

    Raises:
        DataError: A file has changed since it was scored, or is gone.
        FrameError: A frame cannot be decoded.
    """
    missing = [record for record in records if not artifacts.path(_file(record)).is_file()]
    step(len(records) - len(missing))
    if not missing:
        return
    place = place_of(pool)
    videos: dict[str, list[Record]] = {}
    for record in missing:
        if record.frame is not None:
            videos.setdefault(record.source, []).append(record)
            continue
        artifacts.keep(_file(record), _still(place, record))
        step()
    for source, wanted in videos.items():
        with place.on_disk(source) as path:
            for record, image in _frames(path, place.where(source), wanted):
                artifacts.keep(_file(record), as_png(image))
                step()


def _still(place: Place, record: Record) -> bytes:
    content = place.read(record.source)
    if not hashlib.sha256(content).hexdigest().startswith(record.id):
        raise _changed(place.where(record.source))
    return content


def _frames(path: Path, where: str, records: Iterable[Record]) -> Iterator[tuple[Record, Image]]:
    wanted = {record.frame: record for record in records}
    digest = content_hash(path)
    try:
        with open_video(path) as decoding:
            for picture in decoding:
                record = wanted.pop(picture.number, None)
                if record is None:
                    continue
                if frame_id(digest, picture.number, picture.timestamp) != record.id:
                    raise _changed(where)
                yield record, picture.image()
                if not wanted:
                    return
    except DAMAGED as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{where}: cannot be decoded ({error}); restore it") from error
    raise _changed(where)


def _changed(where: str) -> DataError:
    return DataError(
        f"{where}: has changed since it was scored; restore it, or run `thrifty select` again"
    )
