"""Class maps that were computed elsewhere, a file a frame: scoring and choosing need no detector and no framework of one."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from thrifty.config import PositiveFloat, Section
from thrifty.data.stills import content_hash
from thrifty.detectors.checked import full_name
from thrifty.detectors.description import read_description
from thrifty.errors import CapabilityError, DataError
from thrifty.maps import Activation, ClassMaps, MapKind
from thrifty.types import Detections, Frame, Need

NOTE = "maps.toml"
_SUFFIX, _LEVEL = ".npz", "level"
_DOCS = "see docs/detectors.md"

Array = npt.NDArray[Any]
Extent = tuple[float, float]


class MapsDescription(Section):
    """What the maps of a folder are, and where they lie.

    Attributes:
        kind: Whether they are logits or probabilities.
        activation: How the classes of a place compete.
        strides: Of each level, pixels of the stored picture from one value to the next; each level is stretched over the
            picture if left out.
        origins: Of each level with a stride, the row and column where it begins, pixels of the stored picture, <= 0.
    """

    kind: MapKind = MapKind.LOGITS
    activation: Activation = Activation.SIGMOID
    strides: tuple[PositiveFloat, ...] = ()
    origins: tuple[Annotated[float, Field(le=0, allow_inf_nan=False)], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _File:
    """The arrays of a frame, by name, and the file that they are from."""

    path: Path
    frame: str
    arrays: dict[str, Array]

    def levels(self) -> list[Array]:
        """`C x h x w` each, in their order."""
        names = [name for name in self.arrays if name.startswith(_LEVEL)]
        wanted = [f"{_LEVEL}{number}" for number in range(len(names))]
        missing = sorted(set(wanted or ["level0"]) - set(names))
        if missing:
            raise DataError(
                f"{self.path}: holds {', '.join(self.arrays) or 'nothing'} but no '{missing[0]}'; name the levels level0, "
                f"level1, and so on ({_DOCS})"
            )
        for name in wanted:
            level = self.arrays[name]
            if level.ndim != 3 or 0 in level.shape or level.dtype.kind != "f":
                raise DataError(
                    f"{self.path}: '{name}' is {level.dtype} of shape {level.shape}; give floats of shape (C, h, w)"
                )
        return [self.arrays[name] for name in wanted]

    def column(self, name: str, shape: tuple[int | None, ...]) -> Array:
        """An array of finite numbers; `None` stands for a length that is not known."""
        found = self.arrays[name]
        fits = found.ndim == len(shape) and all(
            length in {None, own} for own, length in zip(found.shape, shape, strict=True)
        )
        if not fits or found.dtype.kind not in "fiu" or not np.isfinite(found).all():
            wanted = ", ".join("C" if length is None else str(length) for length in shape)
            raise DataError(
                f"{self.path}: '{name}' is {found.dtype} of shape {found.shape}; give finite numbers of shape ({wanted})"
            )
        return found


class PrecomputedMaps:
    """Class maps out of a folder, and boxes if its first file has them.

    The maps of `a/0001.png` are in `a/0001.npz`, those of frame 123 of `a/clip.mp4` in `a/clip/000123.npz`; where pictures
    or videos have the same name up to the suffix, `a/0001.png.npz` and `a/clip.mp4/000123.npz` come first. Names are
    relative to the folder as those of the pool are to the pool.

    Args:
        folder: The folder, with `maps.toml` if need be (`MapsDescription`).
        device: Where the maps shall be.

    Raises:
        DataError: There is no such folder, it holds no maps, or its description is wrong.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        self._folder, self._device = folder, device
        first = next(_files(folder), None)
        if first is None:
            raise DataError(
                f"{folder}: holds no maps ({_SUFFIX}); write one file a frame ({_DOCS})"
            )
        self._note = folder / NOTE
        self._description = (
            read_description(self._note, MapsDescription)
            if self._note.is_file()
            else MapsDescription()
        )
        boxes = {Need.BOXES} if {"boxes", "scores"} <= _read(first, first.name).keys() else set()
        self.gives = frozenset({Need.CLASS_MAPS} | boxes)

    def class_maps(self, frames: Sequence[Frame]) -> ClassMaps:
        """The maps of some frames, which must be of one shape.

        Args:
            frames: B frames of one size.

        Raises:
            DataError: A frame has no file, or it holds no sound maps, or not of the shape of the others'.
        """
        files = [self._file(frame) for frame in frames]
        maps = [file.levels() for file in files]
        shapes = [[level.shape for level in levels] for levels in maps]
        for file, own in zip(files, shapes, strict=True):
            if own != shapes[0]:
                raise DataError(
                    f"{file.frame}: its maps have shapes {own} where those of {files[0].frame} have {shapes[0]}; make them "
                    "alike for pictures of one size, or use --batch 1"
                )
        levels = [
            self._stacked(one, index, files) for index, one in enumerate(zip(*maps, strict=True))
        ]
        height, width = frames[0].image.shape[:2]
        spans, origins = self._places(files[0], levels, frames[0])
        description = self._description
        return ClassMaps(
            tuple(levels), height, width, description.kind, description.activation, spans, origins
        )

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """The boxes of some frames, in pixels of the stored frame, surest first.

        They are those of the picture as it is stored, whatever was done to `Frame.image`.

        Args:
            frames: B frames.

        Raises:
            CapabilityError: The folder holds no boxes.
            DataError: A frame has no file, or it holds no sound boxes.
        """
        if Need.BOXES not in self.gives:
            raise CapabilityError(f"{self._folder}: holds class maps alone, no boxes")
        return [_boxes(self._file(frame)) for frame in frames]

    def _file(self, frame: Frame) -> _File:
        """The file of a frame."""
        source, number = PurePosixPath(frame.record.source), frame.record.frame
        name = full_name(frame)
        if source.is_absolute() or ".." in source.parts or not source.name:
            raise DataError(
                f"{name}: lies outside of the pool, so its maps have no place; use a pool that holds it"
            )
        whole, short = self._folder / source, self._folder / source.with_suffix("")
        if number is None:
            places = [whole.with_name(whole.name + _SUFFIX), short.with_name(short.name + _SUFFIX)]
        else:
            places = [place / f"{number:06d}{_SUFFIX}" for place in (whole, short)]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise DataError(
                f"{name}: has no maps, there is no {places[1]}; write them, or leave the frame out"
            )
        return _File(path, name, _read(path, name))

    def _stacked(self, levels: Sequence[Array], index: int, files: Sequence[_File]) -> Tensor:
        """One level of all frames, `B x C x h x w`."""
        wide = any(level.dtype.itemsize > 4 for level in levels)
        # Half precision is what they are kept in, not what is computed in.
        stacked = torch.from_numpy(np.stack(levels).astype(np.float64 if wide else np.float32))
        kind = self._description.kind
        for file, sound in zip(files, kind.sound(stacked).tolist(), strict=True):
            if not sound:
                what = "finite logits" if kind is MapKind.LOGITS else "probabilities in [0, 1]"
                raise DataError(
                    f"{file.path}: '{_LEVEL}{index}' of {file.frame} holds values that are no {what}; correct the maps, or "
                    f"'kind' in {self._note}"
                )
        return stacked.to(self._device)

    def _places(
        self, file: _File, levels: Sequence[Tensor], frame: Frame
    ) -> tuple[tuple[Extent, ...], tuple[Extent, ...]]:
        """What each level covers, and where it begins, in pixels of `Frame.image`."""
        strides = self._description.strides
        origins = self._description.origins or (0.0,) * len(strides)
        for name, given, wanted in (("strides", strides, levels), ("origins", origins, strides)):
            if given and len(given) != len(wanted):
                raise DataError(
                    f"{self._note}: '{name}' has {len(given)} entries but there are {len(wanted)} levels with a stride "
                    f"({file.path}); give one for each"
                )
        stored = (frame.record.height, frame.record.width)
        ratio = [seen / full for seen, full in zip(frame.image.shape, stored, strict=False)]
        for index, (level, stride, origin) in enumerate(
            zip(levels, strides, origins, strict=False)
        ):
            ends = [length * stride + origin for length in level.shape[2:]]
            # What begins outside may end inside, by half a value (`ClassMaps.origins`).
            slack = min(-origin, stride / 2)
            if any(end + slack < full for end, full in zip(ends, stored, strict=True)):
                raise DataError(
                    f"{file.path}: '{_LEVEL}{index}' ends at ({ends[1]:g}, {ends[0]:g}) of a picture of "
                    f"{stored[1]}x{stored[0]} pixels; correct 'strides' in {self._note}"
                )
        spans = [
            (level.shape[2] * stride * ratio[0], level.shape[3] * stride * ratio[1])
            for level, stride in zip(levels, strides, strict=False)
        ]
        begins = [(origin * ratio[0], origin * ratio[1]) for origin in origins]
        return tuple(spans), tuple(begins)


def _boxes(file: _File) -> Detections:
    missing = [name for name in ("boxes", "scores") if name not in file.arrays]
    if missing:
        raise DataError(
            f"{file.path}: holds no '{missing[0]}' for {file.frame}, others do; write it, empty where there is nothing"
        )
    count = len(file.arrays["scores"]) if file.arrays["scores"].ndim else 0
    told = file.column("probabilities", (count, None)) if "probabilities" in file.arrays else None
    if not count:
        nothing = None if told is None else np.zeros((0, told.shape[1]))
        return Detections(np.zeros((0, 4)), np.zeros(0), probabilities=nothing)
    found = Detections(
        file.column("boxes", (count, 4)),
        file.column("scores", (count,)),
        file.column("classes", (count,)) if "classes" in file.arrays else np.zeros(0, np.int64),
        None if told is None else told.astype(np.float64),
    )
    return found.take(np.argsort(-found.scores, kind="stable"))


def _read(path: Path, frame: str) -> dict[str, Array]:
    """The arrays of a file; Python objects among them are not made."""
    try:
        # Opened here, since a damaged archive would be left open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
    except Exception as error:  # a damaged file may fail anywhere
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise DataError(
            f"{path}: the maps of {frame} cannot be read ({reason}); write them anew with numpy.savez"
        ) from error


def _files(folder: Path) -> Iterator[Path]:
    """All files of maps below a folder, in one order."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of maps; check the path after 'maps:'")
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(place, name) for name in sorted(names) if name.endswith(_SUFFIX))


def fingerprint(folder: Path) -> str:
    """What decides the maps of a folder: its description, and the names and checksums that its files carry.

    Raises:
        DataError: There is no such folder.
        OSError: A file cannot be read.
    """
    digest = hashlib.sha256()
    note = folder / NOTE
    digest.update(note.read_bytes() if note.is_file() else b"")
    for path in _files(folder):
        digest.update(f"\0{path.relative_to(folder).as_posix()}\0{_checksums(path)}".encode())
    return digest.hexdigest()[:32]


def _checksums(path: Path) -> str:
    """Of the arrays of a file, without reading them: they stand in its table of contents."""
    try:
        with zipfile.ZipFile(path) as archive:
            return repr([(one.filename, one.CRC, one.file_size) for one in archive.infolist()])
    except (zipfile.BadZipFile, NotImplementedError):
        return content_hash(path)
