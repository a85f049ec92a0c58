"""Names of the pictures and videos of a pool: below a folder, or in a list.

Nothing but the names of one folder is ever held.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from thrifty.data.video import VIDEOS
from thrifty.errors import DataError

PICTURES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
LISTS = frozenset({".lst", ".txt"})
_LONGEST = 1 << 16


@dataclass(frozen=True, slots=True)
class Listed:
    """A file by its name.

    Attributes:
        name: Path with `/`, relative to the folder or the list; text that any file can hold.
        problem: Why it cannot be read whatever it holds; empty if it can.
    """

    name: str
    problem: str = ""

    @property
    def is_video(self) -> bool:
        """Whether its suffix is a video's."""
        return suffix(self.name) in VIDEOS


def suffix(name: str) -> str:
    """The end of a name from its last dot on, in lower case."""
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - called for every file of a large pool


def below(folder: Path, *, natural: bool = False) -> Iterator[Listed]:
    """Pictures and videos below a folder, by name; links are followed, but never in a circle.

    Args:
        folder: Where to look.
        natural: Sort numbers in names by their size: 2 before 10.
    """
    return _walk(folder, "", order_of(natural=natural), frozenset())


def order_of(*, natural: bool) -> Callable[[str], Any]:
    """What names of one folder are sorted by."""
    return _natural if natural else str


def _walk(
    folder: Path, prefix: str, order: Callable[[str], Any], above: frozenset[str]
) -> Iterator[Listed]:
    real = os.path.realpath(folder)
    if real in above:
        return
    with os.scandir(folder) as entries:
        found = sorted(((entry.name, *_nature(entry)) for entry in entries), key=_first(order))
    for name, is_folder, problem in found:
        if is_folder:
            yield from _walk(folder / name, f"{prefix}{name}/", order, above | {real})
        elif suffix(name) in PICTURES | VIDEOS:
            yield _listed(prefix + name, problem)


def _nature(entry: os.DirEntry[str]) -> tuple[bool, str]:
    """Whether it is a folder; and what is wrong with it if it is no file either."""
    try:
        if entry.is_dir():
            return True, ""
        is_file = entry.is_file()
    except OSError as error:
        return False, f"cannot be reached ({error.strerror})"
    if is_file:
        return False, ""
    return False, "is a link that leads nowhere" if entry.is_symlink() else "is no file"


def _listed(name: str, problem: str) -> Listed:
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        return Listed(shown, problem or "has a name that is no UTF-8, rename it")
    return Listed(name, problem)


def _first(order: Callable[[str], Any]) -> Callable[[tuple[str, bool, str]], Any]:
    return lambda entry: order(entry[0])


_DIGITS = re.compile(r"(\d+)")


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """Sorts numbers in names by their size; names that differ in leading zeros only, by the text."""
    parts = _DIGITS.split(name)
    key = [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
    return (*key, (-1, name))


def in_list(lines: BinaryIO, where: str) -> Iterator[Listed]:
    """Files that a list names, one a line, relative to the list; empty lines and those that begin with `#` are passed over.

    Args:
        lines: The list, from its beginning.
        where: Its name, for errors.

    Raises:
        DataError: A line is no text, too long, or names neither a picture nor a video.
    """
    number = 0
    while line := lines.readline(_LONGEST + 1):
        number += 1
        name = _text(line, f"{where}:{number}").strip().removeprefix("\ufeff")
        if not name or name.startswith("#"):
            continue
        if suffix(name) not in PICTURES | VIDEOS:
            raise DataError(f"{where}:{number}: {name} is neither a picture nor a video by name")
        yield Listed(name)


def _text(line: bytes, where: str) -> str:
    if len(line) > _LONGEST:
        raise DataError(
            f"{where}: is no list, its line is over {_LONGEST >> 10} KiB long; check the file"
        )
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: is no UTF-8 text; save the list as UTF-8") from error
    if "\0" in text:
        raise DataError(f"{where}: is no text, it holds a zero byte; check the file")
    return text


def picture_names(folder: Path) -> list[str]:
    """Names of all pictures below a folder that can be read."""
    return [one.name for one in below(folder) if not one.is_video and not one.problem]
