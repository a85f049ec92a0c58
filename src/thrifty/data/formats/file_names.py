"""Names of images as paths below a folder, and the label files that are called after them."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from thrifty.data.formats.guard import bad
from thrifty.data.listing import PICTURES
from thrifty.errors import DataError

_CONTROL = re.compile("[\0-\x1f\x7f\ud800-\udfff\ufeff]")
_LONGEST, _LONGEST_PART = 2048, 255
"""Bytes that file systems allow; of a whole path twice as many, which leaves room for the folder."""


def fault(name: str) -> str:
    """What keeps a name from being the path of a file below a folder, as the end of a sentence; empty if nothing does."""
    if _CONTROL.search(name):
        return "has characters that no file name has"
    if name in {"", ".", ".."} or posixpath.normpath(name) != name or name.startswith(("/", "../")):
        return "is no path below a folder"
    parts = [len(part.encode()) for part in name.split("/")]
    if max(parts) > _LONGEST_PART or sum(parts) + len(parts) > _LONGEST:
        return "is longer than the name of a file can be"
    return ""


def read_name(name: str, path: Path, where: str = "") -> str:
    """The name of a picture that a file gives, without detours such as `./`.

    Args:
        name: As it is given.
        path: Named in errors.
        where: Part of the file, named in errors.

    Raises:
        DataError: The name leads out of its folder, or no file can have it.
    """
    plain = posixpath.normpath(name)
    what = fault(plain)
    if what:
        shown = name if len(name) <= _SHOWN else name[:_SHOWN] + "…"
        bad(
            path, f"{where + ': ' if where else ''}the picture's name {shown!r} {what}", "rename it"
        )
    return plain


_SHOWN = 80


def check_names(names: Iterable[str]) -> None:
    """Refuse to call files after names that are no paths below a folder.

    Raises:
        DataError: One is none.
    """
    for name in names:
        what = fault(name)
        if what:
            raise DataError(f"{name!r}: {what}, so no file can be called after it; rename it")


def without_ascent(name: str) -> str:
    """Without the `../` that a path begins with.

    >>> without_ascent("../../images/a.jpg")
    'images/a.jpg'
    """
    return _ASCENT.sub("", name)


_ASCENT = re.compile(r"^(?:\.\./)+")


def without_suffix(name: str) -> str:
    """Without the suffix of a picture; a name that has none, such as a video frame's, stays as it is.

    >>> without_suffix("street/a.jpg"), without_suffix("v.avi#3"), without_suffix("v.avi#3.png")
    ('street/a', 'v.avi#3', 'v.avi#3')
    """
    stem, suffix = posixpath.splitext(name)
    return stem if suffix.lower() in PICTURES else name


def distinct_stems(names: Sequence[str]) -> list[str]:
    """What the label files of images are called, suffix left out: as the pictures, where that tells them apart.

    >>> distinct_stems(["a.jpg", "b.jpg", "b.png"])
    ['a', 'b.jpg', 'b.png']
    """
    stems = [without_suffix(name) for name in names]
    counts = Counter(stems)
    # A stem may be another image's whole name: then that image has a right to it.
    whole = set(names)
    return [
        stem if counts[stem] == 1 and (stem == name or stem not in whole) else name
        for stem, name in zip(stems, names, strict=True)
    ]
