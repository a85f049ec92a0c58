"""Opening files that somebody else wrote, as if they meant harm.

Whatever a file holds, a function here gives values of the kind asked for or raises one `DataError`. None runs code from the
file, none follows it to other files, and none takes memory out of proportion to what it returns.
"""

from __future__ import annotations

import lzma
import mmap
import re
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TypeVar
from xml.etree.ElementTree import Element, ParseError

import msgspec
import yaml
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from thrifty.errors import DataError

T = TypeVar("T")

SMALL = 64 << 20
"""Largest file, bytes, of formats that keep one image or one list in a file."""

LONGEST_LINE = 1 << 20
UNPACKED = 1 << 30
"""Bytes that any archive may unpack to; a larger one no more than `_LARGEST_RATIO` times its size."""
_LARGEST_RATIO = 100


def bad(path: Path, what: str, do: str = "export it again") -> NoReturn:
    """Refuse a file.

    Raises:
        DataError: Always.
    """
    raise DataError(f"{path}: {what}; {do}")


def require_file(path: Path) -> None:
    """Refuse what is no file.

    Raises:
        DataError: There is nothing, or something else.
    """
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "no such file"
        bad(path, what, "check the path")


def read_small(path: Path, limit: int = SMALL) -> bytes:
    """The content of a file that has no reason to be large.

    Raises:
        DataError: It is missing, cannot be read, or is larger than `limit` bytes.
    """
    require_file(path)
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        bad(path, f"cannot be read ({error.strerror})", "check the file and its permissions")
    if len(content) > limit:
        bad(path, f"is larger than {limit >> 20} MiB, which no such file is", "check what it is")
    return content


def decode_text(path: Path, content: bytes) -> str:
    """UTF-8 text, with or without a byte order mark.

    Raises:
        DataError: It is no UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        bad(path, f"is no UTF-8 text (byte {error.start})", "save it as UTF-8")


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines of a UTF-8 text file, from 1, without their ends; one is held at a time.

    Raises:
        DataError: It is missing, no UTF-8, or has a line of over a MiB.
    """
    require_file(path)
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                bad(path, f"line {number} is longer than a MiB, which is no line of text")
            yield number, decode_text(path, line).rstrip("\r\n")


def read_json(path: Path, kind: type[T]) -> T:
    """JSON of a stated shape. Parts that the shape does not name are skipped, not held.

    Args:
        path: Of any size: it is mapped, not loaded.
        kind: Type that msgspec can decode.

    Raises:
        DataError: It is missing, no JSON, or of another shape; the message says where in the file.
    """
    require_file(path)
    if path.stat().st_size == 0:
        bad(path, "is empty")
    with path.open("rb") as file:
        # Not closed here: raw parts of the result are views into it.
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return decode_json(path, content, kind)


def decode_json(path: Path, content: object, kind: type[T], where: str = "") -> T:
    """As `read_json`, from bytes at hand.

    Args:
        path: Named in errors.
        content: Bytes, or anything that lends them.
        kind: Type that msgspec can decode.
        where: Part of the file, named in errors.

    Raises:
        DataError: No JSON, or of another shape.
    """
    try:
        return msgspec.json.decode(content, type=kind)  # type: ignore[call-overload,no-any-return]
    except msgspec.ValidationError as error:
        what = str(error)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        what = f"not valid JSON: {error}"
    except RecursionError:
        what = "brackets nested too deep"
    bad(path, f"{where}: {what}" if where else what, "correct it or export it again")


def attributes(
    path: Path, given: Mapping[str, msgspec.Raw], unread: Counter[str]
) -> dict[str, object]:
    """Names and values out of JSON, whatever the values are, but none of a size that no attribute has.

    Args:
        path: Named in errors.
        given: Undecoded values by name.
        unread: Counts what is left out.

    Raises:
        DataError: A value is nested too deep.
    """
    kept: dict[str, object] = {}
    for name, raw in given.items():
        if len(memoryview(raw)) > _LARGEST_ATTRIBUTE:
            unread[f"attribute {name!r} of over {_LARGEST_ATTRIBUTE >> 10} KiB"] += 1
        else:
            kept[name] = decode_json(path, raw, object, f"attribute {name!r}")
    return kept


_LARGEST_ATTRIBUTE = 1 << 16


def elements(path: Path, tags: frozenset[str]) -> Iterator[Element]:
    """Elements of an XML file as they end; each is forgotten before the next comes.

    Args:
        path: Of any size.
        tags: Names of the elements to give; those inside one of them are not given on their own.

    Raises:
        DataError: It is missing, not well-formed, or declares a document type or entities.
    """
    require_file(path)
    try:
        with path.open("rb") as file:
            yield from _ended(path, iterparse(file, events=("start", "end"), forbid_dtd=True), tags)
    except DefusedXmlException:
        bad(path, "declares a document type or entities, which annotations need not", "remove them")
    except (ParseError, ValueError, LookupError) as error:
        bad(path, f"not well-formed XML ({error})")


def _ended(
    path: Path, events: Iterable[tuple[str, Element]], tags: frozenset[str]
) -> Iterator[Element]:
    """Wanted elements as they end; what lies outside of them is cut off its parent at once."""
    above: list[Element] = []
    wanted = 0
    for event, element in events:
        if event == "start":
            above.append(element)
            wanted += element.tag in tags
            if len(above) > _DEEPEST:
                bad(path, f"elements nested over {_DEEPEST} deep")
            continue
        above.pop()
        wanted -= element.tag in tags
        if wanted == 0:
            if element.tag in tags:
                yield element
            element.clear()
            if above:
                above[-1].remove(element)


_DEEPEST = 64


def read_yaml(path: Path) -> object:
    """A small YAML file: plain values only.

    Raises:
        DataError: It is missing, too large, or no YAML, or builds anything but plain values.
    """
    text = decode_text(path, read_small(path, 1 << 20))
    if _ALIAS.search(text):
        bad(path, "uses YAML aliases, which such a file need not", "write the values out")
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError, AttributeError) as error:
        what = " ".join(str(error).split()) or type(error).__name__
        bad(path, f"not valid YAML ({what})")


_ALIAS = re.compile(r"(?m)(?:^|[\s\[{,:])\*\w")


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The folder that a ZIP archive unpacks to, for as long as the context lasts; any other path as it is.

    Raises:
        DataError: The archive is damaged, encrypted, has entries that lie outside its folder or are no plain files, or
            unpacks to more than 1 GiB and than a hundred times its size.
    """
    if path.suffix.lower() != ".zip" or not path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="thrifty-") as folder:
        # Called as the archive is, for formats that take a name from their folder.
        place = Path(folder) / path.stem.strip(".")
        try:
            place.mkdir(exist_ok=True)
            with zipfile.ZipFile(path) as archive:
                _check_entries(path, archive)
                archive.extractall(place)
        except _DAMAGED as error:
            bad(path, f"cannot be unpacked ({error})", "pack it again")
        yield place


_DAMAGED = (
    zipfile.BadZipFile,
    EOFError,
    NotImplementedError,
    RuntimeError,
    IndexError,
    UnicodeDecodeError,
    ValueError,
    OSError,
    zlib.error,
    lzma.LZMAError,
)


def _check_entries(path: Path, archive: zipfile.ZipFile) -> None:
    total = 0
    for entry in archive.infolist():
        parts = entry.filename.replace("\\", "/").split("/")
        if entry.filename.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
            bad(
                path, f"entry {entry.filename!r} lies outside the archive's folder", "pack it again"
            )
        if (entry.external_attr >> 16) & 0o170000 not in {0, 0o040000, 0o100000}:
            bad(path, f"entry {entry.filename!r} is no plain file", "pack it again")
        total += entry.file_size
    if total > max(UNPACKED, _LARGEST_RATIO * path.stat().st_size):
        bad(path, f"unpacks to {total >> 20} MiB, which is out of proportion", "check what it is")


def number(text: str | None, path: Path, where: str) -> float:
    """A number in a text.

    Raises:
        DataError: It is missing or no number. Infinities and "nan" are numbers here; `problems` finds them.
    """
    try:
        return float(text if text is not None else "")
    except ValueError:
        bad(path, f"{where}: {_shown(text)} is no number", "correct it")


def whole(text: str | None, path: Path, where: str) -> int:
    """A whole number in a text, with or without `.0`.

    Raises:
        DataError: It is missing or no whole number.
    """
    value = number(text, path, where)
    if not value.is_integer() or abs(value) > _LARGEST:
        bad(path, f"{where}: {_shown(text)} is no whole number", "correct it")
    return int(value)


_LARGEST = float(1 << 53)


def _shown(text: str | None) -> str:
    return "nothing" if text is None else repr(text if len(text) < 40 else text[:40] + "…")
