"""What is fuzzed: for each reader, how bytes become files, and where a run begins."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from scipy.io import loadmat, savemat

from thrifty.data.dataset import Category, Dataset, Label, LabelledImage
from thrifty.data.detections.catalogue import read_detections
from thrifty.data.formats import citypersons
from thrifty.data.formats.catalogue import FORMATS, read_dataset, write_dataset
from thrifty.data.formats.format import Trait
from thrifty.data.formats.sizes import Sizes
from thrifty.data.norpix import Sequence
from thrifty.errors import DataError

BETWEEN = b"\n\0next file\0\n"
"""Stands between the files of a format that is a folder."""


@dataclass(frozen=True, slots=True)
class Target:
    """A reader to be fuzzed.

    Attributes:
        names: The files that an input is written to, below one folder.
        read: Reads that folder.
        seeds: Inputs to begin with, by name.
    """

    names: tuple[str, ...]
    read: Callable[[Path], object]
    seeds: Mapping[str, bytes]

    def run(self, content: bytes, folder: Path) -> None:
        """Read an input; anything that is raised but `DataError` is a defect.

        Args:
            content: The input.
            folder: An empty folder, or one that an earlier run of this target filled.
        """
        parts = content.split(BETWEEN)
        for place, name in enumerate(self.names):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(parts[place] if place < len(parts) else b"")
        try:
            self.read(folder)
        except DataError as error:
            if "\n" in str(error):
                raise AssertionError(f"an error of several lines: {error}") from error


def _example(classes: tuple[str, ...] = ("person", "big car"), *, video: bool = False) -> Dataset:
    """Two images with everything that a label can have, and an empty one."""
    everything = Label(
        box=(10.0, 20.0, 30.5, 60.0),
        category=0,
        id=1,
        ignore=True,
        crowd=True,
        occlusion=2,
        truncation=0.5,
        visible=(10.0, 20.0, 30.0, 40.0),
        outline=((10.0, 20.0, 30.5, 20.0, 30.5, 60.0),),
        group=3,
        track=4,
        attributes={"pose": "left", "sure": True},
    )
    plain = Label(box=(0.0, 0.0, 5.0, 5.0), category=1, id=2, track=5, score=0.5)
    names = ["v.avi#0", "v.avi#1", "v.avi#3"] if video else ["a.jpg", "sub/b.png", "c.jpg"]
    drawn = ((everything, plain), (plain,), ())
    return Dataset(
        tuple(Category(name, number) for number, name in enumerate(classes, start=1)),
        tuple(
            LabelledImage(
                name, 64, 48, labels, id=number, video="v.avi" if video else None,
                frame=int(name[-1]) if video else None,
            )
            for number, (name, labels) in enumerate(zip(names, drawn, strict=True))
        ),
    )  # fmt: skip


def _written(name: str, dataset: Dataset) -> Mapping[str, bytes]:
    """The files that a format makes of a data set; its own name for a format that is a file."""
    entry = FORMATS[name]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / f"labels{entry.suffix}"
        write_dataset(dataset, place, name)
        if place.is_file():
            return {place.name: place.read_bytes()}
        return {
            path.relative_to(place).as_posix(): path.read_bytes()
            for path in sorted(place.rglob("*"))
            if path.is_file()
        }


def _of_format(name: str) -> Target:
    entry = FORMATS[name]
    classes = citypersons.CLASSES if name == "citypersons" else ("person", "big car")
    video = Trait.STILLS not in entry.holds
    seeds = {}
    names: tuple[str, ...] = ()
    for kind in {video, True}:
        try:
            files = _written(name, _example(classes, video=kind))
        except DataError:
            continue
        names = names or tuple(files)
        seeds["frames" if kind else "stills"] = BETWEEN.join(files.values())

    if entry.suffix == ".mat" or name == "caltech":
        seeds |= {f"plain {title}": _unpacked(content) for title, content in seeds.items()}

    def read(folder: Path) -> object:
        place = folder / names[0] if entry.suffix else folder
        return read_dataset(place, name, Sizes(size=(64, 48)))

    return Target(names, read, seeds)


def _unpacked(content: bytes) -> bytes:
    """A MATLAB file without compression, so that changes reach what it holds."""
    buffer = io.BytesIO()
    variables = loadmat(io.BytesIO(content))
    plain = {key: value for key, value in variables.items() if key[0] != "_"}
    savemat(buffer, plain)
    return buffer.getvalue()


def _seq() -> Target:
    image = Pillow.fromarray(np.zeros((6, 8, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    content = buffer.getvalue()
    frame = (len(content) + 4).to_bytes(4, "little") + content + bytes(8)
    header = bytearray(1024)
    header[:2] = b"\xed\xfe"
    numbers = (8, 6, 24, 8, 144, 201, 2, 0, len(frame))
    header[548:584] = b"".join(number.to_bytes(4, "little") for number in numbers)

    def read(folder: Path) -> object:
        with Sequence(folder / "a.seq") as sequence:
            return [picture.image().shape for picture in sequence]

    return Target(("a.seq",), read, {"jpeg": bytes(header) + frame + frame})


def _archive() -> Target:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _written("coco", _example()).items():
            archive.writestr(name, content)
    return Target(
        ("labels.zip",),
        lambda folder: read_dataset(folder / "labels.zip"),
        {"coco": buffer.getvalue()},
    )


_SHOWN = Dataset(
    (Category("person", 1), Category("dog", 2)),
    tuple(LabelledImage(f"set06_V000_I{frame:05d}.jpg", 640, 480, id=frame) for frame in (29, 59)),
)
"""What the detections are of."""


def _detections(name: str, content: bytes) -> Target:
    return Target((name,), lambda folder: read_detections(folder / name, _SHOWN), {"some": content})


def _matlab_detections() -> Target:
    tables = np.empty((1, 2), dtype=object)
    tables[0, 0], tables[0, 1] = np.array([[1.0, 2, 3, 4, 5.5]]), np.zeros((0, 5))
    buffer = io.BytesIO()
    savemat(buffer, {"dt": tables})
    return _detections("dt.mat", buffer.getvalue())


_RESULTS = b'[{"image_id": 29, "category_id": 1, "bbox": [1, 2.5, 3, 4], "score": 0.5}]'
_TEXT = b"30,1,2,3,4,5.5\n60 1 2 3 4 -1e-3\n"


def targets() -> Iterator[tuple[str, Callable[[], Target]]]:
    """All targets by name, made when they are called."""
    for name in FORMATS:
        yield name, partial(_of_format, name)
    yield "results-coco", partial(_detections, "results.json", _RESULTS)
    yield "results-caltech", partial(_detections, "V000.txt", _TEXT)
    yield "results-matlab", _matlab_detections
    yield "seq", _seq
    yield "zip", _archive
