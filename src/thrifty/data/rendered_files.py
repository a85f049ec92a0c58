"""The rendered street as files, for whoever has no data at hand: stills to begin with, drives to choose from, stills to judge by."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
from PIL import Image as Pillow

from thrifty.data.dataset import Category, Dataset, Label, LabelledImage
from thrifty.data.formats.catalogue import FORMATS
from thrifty.data.sources import STREET_CLASS
from thrifty.data.street import Look, Street
from thrifty.progress import Progress, Step, silent
from thrifty.types import Annotations, Image

FILE = "annotations.json"
ANSWERS = "answers.json"
_RATE = 10
_CATEGORIES = (Category(STREET_CLASS, 1),)


@dataclass(frozen=True, slots=True)
class StreetFiles:
    """How much of the street is rendered.

    Attributes:
        seed: What all of it is made from, >= 0.
        start: Daylight stills, >= 1.
        drives: Videos at dusk, >= 1.
        length: Frames of each, >= 1, ten a second.
        test: Stills of other drives at dusk, >= 1.
    """

    seed: int = 0
    start: int = 400
    drives: int = 8
    length: int = 100
    test: int = 240

    def files(self, progress: Progress = silent) -> Iterator[tuple[str, bytes]]:
        """Names and contents.

        Args:
            progress: Told about every frame.

        Returns:
            `start/` and `test/`, stills with their labels as COCO (`annotations.json`); `pool/`, videos without labels; and
            `answers.json`, what people would draw in the videos, COCO too.
        """
        frames = self.start + self.test + self.drives * self.length
        with progress("rendering the street", frames, "frames") as step:
            yield from self._files(step)

    def _files(self, step: Step) -> Iterator[tuple[str, bytes]]:
        day = Street(Look.DAYLIGHT, 3 * self.seed, self.start, 1)
        yield from _stills("start", day, step)
        yield from _stills("test", Street(Look.DUSK, 3 * self.seed + 1, self.test, 1), step)
        pool = Street(Look.DUSK, 3 * self.seed + 2, self.drives, self.length)
        answers: list[LabelledImage] = []
        for drive in range(self.drives):
            name = f"drive-{drive}.avi"
            frames = list(_drive(pool, drive, step))
            yield f"pool/{name}", _video([image for image, _ in frames])
            answers += [
                _labelled(pool, f"{name}#{number}", drawn, name, number)
                for number, (_, drawn) in enumerate(frames)
            ]
        yield ANSWERS, _coco(answers)


def _drive(street: Street, drive: int, step: Step) -> Iterator[tuple[Image, Annotations]]:
    for number in range(street.frames):
        yield street.render(drive, number)
        step()


def _stills(folder: str, street: Street, step: Step) -> Iterator[tuple[str, bytes]]:
    images = []
    for number in range(street.drives):
        image, drawn = street.render(number, 0)
        name = f"{street.look.value}-{number:03d}.jpg"
        buffer = io.BytesIO()
        Pillow.fromarray(image).save(buffer, "JPEG", quality=95)
        yield f"{folder}/{name}", buffer.getvalue()
        images.append(_labelled(street, name, drawn))
        step()
    yield f"{folder}/{FILE}", _coco(images)


def _labelled(
    street: Street,
    name: str,
    drawn: Annotations,
    video: str | None = None,
    frame: int | None = None,
) -> LabelledImage:
    labels = tuple(
        Label((left, top, right, bottom), 0, ignore=ignore)
        for (left, top, right, bottom), ignore in zip(
            drawn.boxes.tolist(), drawn.ignore.tolist(), strict=True
        )
    )
    return LabelledImage(name, street.width, street.height, labels, video=video, frame=frame)


def _coco(images: Sequence[LabelledImage]) -> bytes:
    [(_, content)] = FORMATS["coco"].write(Dataset(_CATEGORIES, tuple(images)))
    return content


def _video(pictures: Sequence[Image]) -> bytes:
    """Motion JPEG: every frame stands for itself, so any reader finds any frame."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="avi") as container:
        stream = container.add_stream("mjpeg", rate=Fraction(_RATE))
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuvj420p"
        stream.options = {"qscale": "3"}
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()
