"""Tables of text with a line of column names, read so that whatever is wrong is named by its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from thrifty.errors import DataError

Row = tuple[int, dict[str, str]]
"""The line that a row begins on, from 1, and its cells by column."""


def read_table(path: Path) -> tuple[tuple[str, ...], list[Row]]:
    """Read a CSV file.

    Every row must have a cell for each column and none besides: a comma too many shifts figures under wrong names.

    Args:
        path: UTF-8, with or without a byte order mark.

    Returns:
        The column names, none if the file is empty, and the rows; empty lines are passed over.

    Raises:
        DataError: The file cannot be read, holds a NUL, two columns of one name, a row of another length, or what is no CSV.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a table ({error}); check the path") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(f"{path}: line {line} holds a NUL byte; save it as plain text")
    rows = _rows(text, path)
    _, columns = next(rows, (1, []))
    if len(set(columns)) < len(columns):
        raise DataError(f"{path}: two of its columns have the same name; rename one")
    found: list[Row] = []
    for line, cells in rows:
        if len(cells) != len(columns):
            raise DataError(
                f"{path}: line {line} has {len(cells)} cells under {len(columns)} columns; correct it"
            )
        found.append((line, dict(zip(columns, cells, strict=True))))
    return tuple(columns), found


def _rows(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise DataError(f"{path}: line {line} is no CSV ({error}); correct it") from error
        if cells is None:
            return
        if cells:
            yield line, cells
