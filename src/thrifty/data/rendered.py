"""The rendered street as a set of frames like any other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from thrifty.config import StreetSource
from thrifty.data.frames import FrameSet
from thrifty.data.street import Look, Street
from thrifty.errors import FrameError
from thrifty.types import Annotations, Image, Record

_DRIVE = "drive "


class StreetReader:
    """Renders the frames that records name."""

    def __init__(self, street: Street) -> None:
        self._street = street

    def read(self, record: Record) -> Image:
        """Render one frame; every call gives the same pixels."""
        image, _ = self._street.render(int(record.source.removeprefix(_DRIVE)), record.frame or 0)
        return image

    def stream(self, records: Iterable[Record]) -> Iterator[tuple[Record, Image | FrameError]]:
        """Render one frame after the other."""
        for record in records:
            yield record, self.read(record)


def open_street(source: StreetSource) -> tuple[FrameSet, dict[str, Annotations]]:
    """Frames and exact labels of a rendered street.

    Drives of a single frame are stills; longer ones are videos.
    """
    street = Street(
        Look(source.look), source.seed, source.drives, source.length, source.width, source.height
    )
    records: list[Record] = []
    labels: dict[str, Annotations] = {}
    for drive in range(source.drives):
        for frame in range(source.length):
            record = _record(source, drive, frame)
            records.append(record)
            labels[record.id] = street.render(drive, frame)[1]
    return FrameSet(tuple(records), StreetReader(street), source.scale), labels


def _record(source: StreetSource, drive: int, frame: int) -> Record:
    name = f"street-{source.look}-{source.seed}-{source.width}x{source.height}.{drive:05d}"
    moving = source.length > 1
    return Record(
        id=f"{name}.{frame:08d}",
        source=f"{_DRIVE}{drive}",
        width=source.width,
        height=source.height,
        sequence=name if moving else None,
        place=frame if moving else None,
        frame=frame,
    )
