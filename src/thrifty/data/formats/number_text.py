"""How numbers are written in files of text."""

from __future__ import annotations

_EXACT = 1e15


def number_text(value: float) -> str:
    """The shortest text that is read as the very same number; whole numbers without a point.

    >>> number_text(3.0), number_text(0.1)
    ('3', '0.1')
    """
    value = float(value)
    return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)
