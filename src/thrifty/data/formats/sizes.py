"""How large images are, for formats that do not say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from thrifty.data.dataset import LabelledImage, video_frame
from thrifty.data.stills import is_file, picture_size
from thrifty.data.video import video_size
from thrifty.errors import DataError


@dataclass(frozen=True, slots=True)
class Sizes:
    """Where to ask for the size of an image.

    Attributes:
        folder: Holds the pictures and videos that image names are relative to.
        size: Width and height of all images, where somebody knows them.
    """

    folder: Path | None = None
    size: tuple[int, int] | None = None

    def of(self, name: str, *folders: Path) -> tuple[int, int] | None:
        """Width and height of an image in pixels, EXIF orientation applied; `None` if nobody tells.

        Args:
            name: Of a picture, or `NAME#N` for a frame of a video.
            folders: Where the format would keep its pictures; asked after `folder`.

        Raises:
            DataError: The picture or video is there and cannot be read.
        """
        if self.size is not None:
            return self.size
        frame = video_frame(name)
        for folder in (self.folder, *folders):
            if folder is None:
                continue
            if is_file(folder / name):
                return picture_size(folder / name)
            if frame is not None and is_file(folder / frame[0]):
                return video_size(folder / frame[0])
        return None

    def need(self, name: str, where: object, *folders: Path) -> tuple[int, int]:
        """As `of`, where the format makes no sense without.

        Raises:
            DataError: Nobody tells.
        """
        size = self.of(name, *folders)
        if size is None:
            raise DataError(
                f"{where}: the size of image {name!r} is not known and its picture was not found; say where the "
                "pictures lie (--images DIR), or how large all are (--size WIDTHxHEIGHT)"
            )
        return size


def known_size(image: LabelledImage, wanted_by: str) -> tuple[int, int]:
    """The size that an image states, for a format that cannot do without.

    Raises:
        DataError: It states none.
    """
    if image.width is None or image.height is None:
        raise DataError(
            f"{image.name}: its size is not known, and {wanted_by} needs it; say where the pictures lie (--images DIR), "
            "or how large all are (--size WIDTHxHEIGHT)"
        )
    return image.width, image.height
