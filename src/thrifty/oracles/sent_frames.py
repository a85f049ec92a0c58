"""The frames of a batch, found again by what a tool calls their pictures."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from thrifty.data.dataset import video_frame
from thrifty.data.formats.sizes import Sizes
from thrifty.oracles.tool import Asked
from thrifty.types import Record

_UPLOADED = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts in front of the names of pictures."""


class SentFrames:
    """Finds frames by the names of images.

    Args:
        asked: The batch; its tasks' ids are the names of the pictures without suffix.
        numbered: Whether the tool numbers the pictures of the batch in the order of their names, as CVAT does.
    """

    def __init__(self, asked: Asked, *, numbered: bool = False) -> None:
        self.classes = asked.classes
        self._records = asked.records
        self._ids = {name: key for key, name in asked.sent.tasks.items()}
        self._numbered = sorted(self._ids) if numbered else []
        self._videos: dict[tuple[tuple[str, ...], str | None], dict[int, str]] = defaultdict(dict)
        for key, record in asked.records.items():
            if record.frame is not None:
                self._videos[_upwards(record.source), record.sequence][record.frame] = key

    def find(self, name: str) -> Record | None:
        """The frame that an image's name speaks of; `None` if there is none, or several videos may be meant.

        Args:
            name: Of the picture that was sent, in whatever folder and with whatever suffix; or `VIDEO#N`.
        """
        stem, frame = stem_of(name), video_frame(name)
        key = (
            self._ids.get(stem)
            or self._ids.get(_UPLOADED.sub("", stem))
            or (self._of_video(*frame) if frame else None)
        )
        return self._records.get(key) if key else None

    def numbered(self, number: int) -> str | None:
        """Name of the picture that the tool gives a number to, counted from 0; `None` if there is none."""
        return self._numbered[number] if number < len(self._numbered) else None

    @property
    def sizes(self) -> Sizes:
        """How large the frames are by their records, whatever has become of their pictures."""
        return _SentSizes(frames=self)

    def _of_video(self, video: str, frame: int) -> str | None:
        told = _upwards(video)
        meant = [
            keys
            for (path, _), keys in self._videos.items()
            # As far as both tell folders: tools keep some of them, or none.
            if all(one == other for one, other in zip(told, path, strict=False))
        ]
        return meant[0].get(frame) if len(meant) == 1 else None


@dataclass(frozen=True, slots=True)
class _SentSizes(Sizes):
    frames: SentFrames | None = None

    def of(self, name: str, *folders: Path) -> tuple[int, int] | None:
        record = self.frames.find(name) if self.frames else None
        return (record.width, record.height) if record else Sizes.of(self, name, *folders)


def stem_of(name: str) -> str:
    r"""Name of a picture without folders and suffixes.

    >>> stem_of("images/00001-street-0a1b2c3d.jpg"), stem_of("C:\\x\\00001-street-0a1b2c3d.rotated.png")
    ('00001-street-0a1b2c3d', '00001-street-0a1b2c3d')
    """
    return _upwards(name)[0].split(".")[0]


def _upwards(path: str) -> tuple[str, ...]:
    """A file's name, its folder's, and so on."""
    return tuple(reversed(path.replace("\\", "/").split("/")))
