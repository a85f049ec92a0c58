"""Where YOLO keeps things: what `data.yaml` and `obj.data` say, which images they lead to, and where labels lie.

Nothing outside the folder of `data.yaml` or `obj.data` is looked at. Archives often hold paths that lead out of it, since they
were meant for another folder; such a path is tried as if it began there.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from thrifty.data.dataset import video_frame
from thrifty.data.formats.file_names import fault, read_name, without_ascent, without_suffix
from thrifty.data.formats.guard import bad, lines, read_yaml
from thrifty.data.listing import picture_names

IMAGES, LABELS = "images", "labels"
_YAML = ("data.yaml", "data.yml", "dataset.yaml")
_DARKNET = "obj.data"
_PREFIX = "data/"
"""Darknet's paths begin with the folder that it is called from; archives leave it out."""


@dataclass(frozen=True, slots=True)
class Places:
    """What paths lead to.

    Attributes:
        root: The folder that everything lies in.
        bases: Folders below it that paths are relative to, the likeliest first.
    """

    root: Path
    bases: tuple[str, ...] = (".",)

    def candidates(self, given: str) -> list[str]:
        """Paths below the root that a path may mean, the likeliest first."""
        if posixpath.isabs(given):
            ways = [posixpath.relpath(given, self.root.absolute().as_posix())]
        else:
            ways = [posixpath.join(base, given) for base in self.bases]
            ways.append(without_ascent(given))
        if given.startswith(_PREFIX):
            inner = given.removeprefix(_PREFIX)
            ways.insert(len(ways) if (self.root / _PREFIX).is_dir() else 0, inner)
        plain = dict.fromkeys(map(posixpath.normpath, ways))
        return [way for way in plain if way == "." or not fault(way)]

    def existing(self, given: str) -> str | None:
        """The file or folder that a path means; `None` if it is not there."""
        return next((way for way in self.candidates(given) if (self.root / way).exists()), None)

    def label_file(self, picture: str) -> Path | None:
        """The label file of an image, or one that lies beside the picture; `None` if there is none."""
        place = label_path(picture)
        beside = posixpath.join(posixpath.dirname(picture), posixpath.basename(place))
        files = (self.root / way for way in (place, beside))
        return next((file for file in files if file.is_file()), None)


@dataclass(frozen=True, slots=True)
class Layout:
    """What `data.yaml` or `obj.data` says.

    Attributes:
        names: Classes by their number.
        parts: Folders and lists of images.
        places: What these paths lead to.
        points: Numbers that a line has after those of the box, for key points.
    """

    names: tuple[str, ...]
    parts: tuple[str, ...]
    places: Places
    points: int = 0

    def pictures(self, unread: Counter[str]) -> list[str]:
        """Paths of all images below the root, each once, in the order of the lists; of folders, by name.

        Args:
            unread: Counts lists that are not there.

        Raises:
            DataError: A list cannot be read, or names what is no path below the root.
        """
        found: dict[str, None] = {}
        for part in self.parts:
            place = self.places.existing(part)
            if place is None:
                unread["lists of images that were not found"] += 1
            elif (self.places.root / place).is_dir():
                found |= dict.fromkeys(self._in_folder(place))
            else:
                found |= dict.fromkeys(self._in_list(place))
        return list(found)

    def _in_folder(self, folder: str) -> Iterator[str]:
        path = self.places.root / folder
        try:
            names = picture_names(path)
        except OSError as error:
            bad(path, f"cannot be read ({error.strerror})", "check its permissions")
        for name in names:
            yield read_name(posixpath.join(folder, name), path)

    def _in_list(self, place: str) -> Iterator[str]:
        path = self.places.root / place
        for count, line in lines(path):
            given = line.strip()
            if given.startswith("./"):
                beside = posixpath.join(posixpath.dirname(place), given)
                yield read_name(beside, path, f"line {count}")
            elif given:
                yield self._listed(given, path, f"line {count}")

    def _listed(self, given: str, path: Path, where: str) -> str:
        """What a line of a list means: a picture or labels that are there, else the likeliest."""
        names = [way for way in self.places.candidates(given) if way != "."]
        if not names:
            bad(path, f"{where} is no path below the folder", "write it relative to the folder")
        if len(names) == 1:
            return names[0]
        return next(filter(self._is_there, names), names[0])

    def _is_there(self, name: str) -> bool:
        file = self.places.root / name
        return file.is_file() or self.places.label_file(name) is not None


def image_name(picture: str) -> str:
    """What an image is called: its path below the root, or below `images` there."""
    return picture.removeprefix(f"{IMAGES}/")


def label_path(picture: str) -> str:
    """Path of an image's label file: the last folder `images` becomes `labels`, the suffix `.txt`.

    >>> label_path("images/train/a.jpg"), label_path("obj/a.png"), label_path("images/v.avi#3")
    ('labels/train/a.txt', 'obj/a.txt', 'labels/v.avi#3.txt')
    """
    *folders, name = picture.split("/")
    if IMAGES in folders:
        folders[len(folders) - 1 - folders[::-1].index(IMAGES)] = LABELS
    stem = without_suffix(name)
    if stem == name and video_frame(name) is None:
        stem = posixpath.splitext(name)[0]
    return "/".join([*folders, f"{stem}.txt"])


def located(path: Path) -> Path | None:
    """The file that describes a data set, where a path may be its folder; `None` if there is none."""
    if not path.is_dir():
        return path
    return next((path / name for name in (*_YAML, _DARKNET) if (path / name).is_file()), None)


def read_layout(path: Path) -> Layout:
    """Read `data.yaml` or `obj.data`.

    Args:
        path: The file, or its folder.

    Raises:
        DataError: It is missing or not of this kind.
    """
    file = located(path)
    if file is None:
        bad(path, f"holds neither {_YAML[0]} nor {_DARKNET}", "check the path")
    return _darknet(file) if file.suffix.lower() == ".data" else _ultralytics(file)


def _ultralytics(path: Path) -> Layout:
    content = read_yaml(path)
    if not isinstance(content, dict):
        bad(path, "is no list of keys and values", "check that it is YOLO's")
    names = _names(content.get("names"), path)
    base = content.get("path") or "."
    if not isinstance(base, str):
        bad(path, "path is no text", "correct it")
    parts = tuple(part for key in ("train", "val", "test") for part in _part(content, key, path))
    places = Places(path.parent)
    places = Places(path.parent, (*places.candidates(base), "."))
    if parts and not any(places.existing(part) for part in parts):
        bad(
            path,
            f"none of the images it speaks of is there, such as {parts[0][:80]!r}",
            "correct it",
        )
    return Layout(names, parts, places, _points(content, path))


def _part(content: Mapping[object, object], key: str, path: Path) -> Iterator[str]:
    given = content.get(key)
    for entry in given if isinstance(given, list) else [given]:
        if isinstance(entry, str):
            yield entry
        elif entry is not None:
            bad(path, f"{key} is no path, nor a list of some", "correct it")


def _names(given: object, path: Path) -> tuple[str, ...]:
    """Names as a list, or by their number."""
    if isinstance(given, Mapping):
        numbered = {_number(key): name for key, name in given.items()}
        if set(numbered) != set(range(len(given))):
            bad(path, "names are not numbered 0, 1, 2, ...", "number them so")
        given = [numbered[place] for place in range(len(given))]
    if not isinstance(given, list):
        bad(path, "has no names of classes", "add names: [...]")
    for name in given:
        if not isinstance(name, str | int) or isinstance(name, bool):
            bad(path, "a name of a class is no text", "put it in quotes")
    return tuple(map(str, given))


def _number(key: object) -> object:
    return int(key) if isinstance(key, str) and key.isdecimal() and len(key) < 10 else key


_MOST_POINTS = 1 << 16


def _points(content: Mapping[object, object], path: Path) -> int:
    shape = content.get("kpt_shape")
    if shape is None:
        return 0
    count, size = shape if isinstance(shape, list) and len(shape) == 2 else (0, 0)
    if not isinstance(count, int) or not 0 < count < _MOST_POINTS or size not in (2, 3):
        bad(path, "kpt_shape is no pair of numbers, points and 2 or 3", "correct it")
    return int(count * size)


def _darknet(path: Path) -> Layout:
    values: dict[str, str] = {}
    for count, line in lines(path):
        key, sign, value = line.partition("=")
        if sign:
            values[key.strip()] = value.strip()
        elif line.strip():
            bad(path, f"line {count} is no NAME = VALUE", "correct it")
    places = Places(path.parent)
    listed = places.existing(values.get("names") or "obj.names")
    if listed is None or listed == ".":
        bad(path, "the list of names it speaks of is not there", "copy it beside")
    names = (line.strip() for _, line in lines(path.parent / listed))
    parts = tuple(values[key] for key in ("train", "valid", "test") if values.get(key))
    return Layout(tuple(name for name in names if name), parts, places)
