"""What is written into files of text."""

from __future__ import annotations

from collections.abc import Sequence

from thrifty.errors import DataError

_EXACT = 1e15


def number_text(value: float) -> str:
    """The shortest text that is read as the very same number; whole numbers without a point.

    >>> number_text(3.0), number_text(0.1)
    ('3', '0.1')
    """
    value = float(value)
    return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)


def class_lines(names: Sequence[str], file: str) -> bytes:
    """A list of classes, one a line.

    Args:
        names: Of the classes.
        file: That they are written to, named in errors.

    Raises:
        DataError: One cannot stand on a line of its own.
    """
    for name in names:
        if not name.strip() or name.startswith("\ufeff") or {"\n", "\r"} & set(name):
            raise DataError(f"{file} has no place for a class called {name!r}; rename it")
    return "".join(f"{name}\n" for name in names).encode()
