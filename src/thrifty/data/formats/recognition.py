"""A first look at files whose format nobody has named."""

from __future__ import annotations

import re
from pathlib import Path

HEAD = 1 << 16
"""Bytes looked at."""

_KEY = re.compile(rb'"(\w+)"\s*:')
_TAG = re.compile(rb"<(\w+)[\s>/]")


def head(path: Path) -> bytes:
    """The first bytes of a file."""
    with path.open("rb") as file:
        return file.read(HEAD)


def json_keys(path: Path, bracket: str) -> set[str]:
    """Keys that occur early in a JSON file, however deep; none if it does not begin with that bracket."""
    start = head(path).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start.startswith(bracket.encode()):
        return set()
    return {match.decode() for match in _KEY.findall(start)}


def xml_tags(path: Path) -> set[str]:
    """Names of the elements that occur early in an XML file."""
    start = head(path).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start.startswith(b"<"):
        return set()
    return {match.decode("utf-8", "replace") for match in _TAG.findall(start)}


def below(folder: Path, pattern: str) -> Path | None:
    """A file below a folder that fits the pattern, or `None`."""
    return next((path for path in sorted(folder.glob(pattern)) if path.is_file()), None)
