"""The frames of a batch, found again by what a tool calls their pictures."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from thrifty.data.dataset import LabelledImage, video_frame
from thrifty.data.formats.sizes import Sizes
from thrifty.oracles.tool import Asked
from thrifty.types import Record

_UPLOADED = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts in front of the names of pictures."""
_NUMBERED = re.compile(r"frame_\d+")


class SentFrames:
    """Finds frames by the names of images.

    Args:
        asked: The batch; its tasks' ids are the names of the pictures without suffix.
        numbered: Whether frame 12 of a video without a name is the thirteenth picture of the batch, as in CVAT.
    """

    def __init__(self, asked: Asked, *, numbered: bool = False) -> None:
        self.classes = asked.classes
        self._records = asked.records
        self._ids = {name: key for key, name in asked.sent.tasks.items()}
        self._places = [self._ids[name] for name in sorted(self._ids)] if numbered else []
        self._in_videos: dict[tuple[str, int], list[str]] = defaultdict(list)
        for key, record in asked.records.items():
            if record.frame is not None:
                self._in_videos[_last(record.source), record.frame].append(key)

    def find(self, name: str) -> Record | None:
        """The frame that an image's name speaks of; `None` if there is none, or several.

        Args:
            name: Of the picture that was sent, in whatever folder and with whatever suffix; or `VIDEO#N`.
        """
        stem = stem_of(name)
        key = (
            self._ids.get(stem)
            or self._ids.get(_UPLOADED.sub("", stem))
            or self._of_video(*(video_frame(name) or ("", 0)))
        )
        return self._records.get(key) if key else None

    def of(self, image: LabelledImage) -> Record | None:
        """The frame that an image is."""
        found = self.find(image.name)
        if found is not None or image.frame is None or not _NUMBERED.fullmatch(image.name):
            return found
        place = image.frame
        return self._records.get(self._places[place]) if place < len(self._places) else None

    @property
    def sizes(self) -> Sizes:
        """How large the frames are by their records, whatever has become of their pictures."""
        return _SentSizes(frames=self)

    def _of_video(self, video: str, frame: int) -> str | None:
        keys = self._in_videos.get((_last(video), frame), [])
        return keys[0] if len(keys) == 1 else None


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
    return _last(name).split(".")[0]


def _last(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1]
