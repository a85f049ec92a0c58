"""The files behind the names of annotated images: finding, decoding and taking them along."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from thrifty.data.dataset import Dataset, LabelledImage, video_frame
from thrifty.data.formats.file_names import fault
from thrifty.data.stills import as_png, decode_picture, is_file
from thrifty.data.video import VideoReader, index_video
from thrifty.errors import DataError, FrameError
from thrifty.types import Image, Record

Decoded = Iterator[tuple[LabelledImage, Image | DataError]]
"""Images with their pixels, or with the reason why there are none."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Where pictures and videos may lie; the first folder that has one is taken.

    Attributes:
        folders: What the names of images are relative to.
    """

    folders: tuple[Path, ...]

    def find(self, image: LabelledImage) -> tuple[Path, int | None] | None:
        """The file that holds an image, and the frame in it where it is a video; `None` if there is no such file."""
        frame = video_frame(image.name)
        for folder in self.folders:
            if is_file(folder / image.name):
                return folder / image.name, None
            if frame is not None and is_file(folder / frame[0]):
                return folder / frame[0], frame[1]
        return None

    def decode(self, images: Sequence[LabelledImage]) -> Decoded:
        """Decode images in the order given; neighbours out of one video in one go."""
        places = [(image, self.find(image)) for image in images]
        for path, group in groupby(places, key=_video):
            members = [(image, place) for image, place in group]
            if path is not None:
                frames = [(image, place[1] or 0) for image, place in members if place is not None]
                yield from _frames(path, frames)
                continue
            for image, place in members:
                yield image, _still(image, place[0] if place is not None else None)

    def need(self, image: LabelledImage) -> tuple[Path, int | None]:
        """As `find`, for a picture that is to be taken along.

        Raises:
            DataError: There is no such file; or its name leads out of the folders, as only a hostile file's does.
        """
        what = fault(image.name)
        if what:
            raise DataError(f"{image.name!r}: {what}, so it is not copied; rename it")
        place = self.find(image)
        if place is None:
            raise _missing(image)
        return place

    def extracted(self, dataset: Dataset) -> Dataset:
        """The data set with its frames of video files named as pictures of their own, `NAME#N.png`."""
        images = (
            replace(image, name=f"{image.name}.png") if self.need(image)[1] is not None else image
            for image in dataset.images
        )
        return replace(dataset, images=tuple(images))

    def contents(self, dataset: Dataset) -> Iterator[tuple[str, bytes]]:
        """The pictures of a data set as files: pictures as they are, frames of videos as PNG.

        Yields:
            Name as `extracted` gives it, and content.

        Raises:
            DataError: A file is missing or cannot be decoded.
            OSError: One cannot be read.
        """
        for image in dataset.images:
            path, frame = self.need(image)
            if frame is None:
                yield image.name, path.read_bytes()
        frames = [image for image in dataset.images if self.need(image)[1] is not None]
        for image, pixels in self.decode(frames):
            if isinstance(pixels, DataError):
                raise pixels
            yield f"{image.name}.png", as_png(pixels)


def _video(entry: tuple[LabelledImage, tuple[Path, int | None] | None]) -> Path | None:
    place = entry[1]
    return place[0] if place is not None and place[1] is not None else None


def _still(image: LabelledImage, path: Path | None) -> Image | DataError:
    if path is None:
        return _missing(image)
    try:
        with path.open("rb") as file:
            return decode_picture(path, file)
    except FrameError as error:
        return error
    except OSError as error:
        return DataError(f"{path}: cannot be read ({error.strerror}); check its permissions")


def _missing(image: LabelledImage) -> DataError:
    return DataError(
        f"{image.name}: its picture was not found; say where the pictures lie (--images DIR)"
    )


def _frames(path: Path, frames: Sequence[tuple[LabelledImage, int]]) -> Decoded:
    try:
        index = index_video(path)
    except DataError as error:
        yield from ((image, error) for image, _ in frames)
        return
    reader = VideoReader(path.parent, {path.name: index})
    for image, number in frames:
        if number >= len(index):
            yield (
                image,
                FrameError(f"{path}: has {len(index)} frames, so none with number {number}"),
            )
    within = [(image, number) for image, number in frames if number < len(index)]
    records = [
        Record(
            index.frame_id(number),
            path.name,
            index.width,
            index.height,
            index.digest,
            number,
            number,
        )
        for _, number in within
    ]
    for (image, _), (_, pixels) in zip(within, reader.stream(records), strict=True):
        yield image, pixels
