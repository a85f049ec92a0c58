"""MATLAB 5 files, as far as annotations need them: numbers, text, cells and structures.

SciPy reads more of the format, but allocates what a header claims before it looks whether the file holds it: 200 bytes
can ask for all memory. Here every claim is held against the bytes that are left. Objects, functions and sparse matrices
are passed over. SciPy is used to write.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from thrifty.data.formats.guard import bad, read_small

LARGEST = 256 << 20
"""Most bytes of a file, and of what it holds unpacked."""

_DEEPEST = 32
_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCTURE, _TEXT = 1, 2, 4
_NUMBERS = frozenset(range(6, 16))
_ORDERS: Mapping[bytes, Literal["<", ">"]] = {b"IM": "<", b"MI": ">"}
_STORED: Mapping[int, str] = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
_ENCODINGS: Mapping[int, str] = {
    1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cells:
    """A cell array, or a structure array, whose items are then mappings; column by column."""

    items: Sequence[Value]


Value = npt.NDArray[np.generic] | str | Cells | Mapping[str, "Value"] | None
"""Numbers in their own shape; text; items; the fields of one structure; or what is passed over."""


def read_mat(path: Path) -> dict[str, Value]:
    """The variables of a MATLAB 5 file by name.

    Raises:
        DataError: It is missing, no such file, damaged, or over 256 MiB large, packed or unpacked.
    """
    content = read_small(path, LARGEST)
    if content[:8] == b"\x89HDF\r\n\x1a\n" or content[:10] == b"MATLAB 7.3":
        bad(path, "is a MATLAB 7.3 file", "save it with -v7")
    order = _ORDERS.get(content[126:128])
    if order is None or len(content) < _HEADER:
        bad(path, "is no MATLAB 5 file", "check what it is")
    reader = _Reader(path, order)
    try:
        return reader.variables(memoryview(content)[_HEADER:])
    except (struct.error, zlib.error, UnicodeDecodeError, ValueError) as error:
        bad(path, f"is damaged ({error})", "copy it again from its source")


class _Reader:
    """Reads the elements of one file; `struct.error` where they end too early."""

    def __init__(self, path: Path, order: Literal["<", ">"]) -> None:
        self._path = path
        self._order = order
        self._unpacked = 0

    def variables(self, content: memoryview) -> dict[str, Value]:
        found: dict[str, Value] = {}
        while len(content) >= 8:
            kind, data, content = self._element(content)
            if kind == _COMPRESSED:
                kind, data, _ = self._element(memoryview(self._unpack(data)))
            if kind == _MATRIX:
                name, value = self._matrix(data, 0)
                found[name] = value
        return found

    def _unpack(self, data: memoryview) -> bytes:
        worker = zlib.decompressobj()
        content = worker.decompress(data, LARGEST - self._unpacked + 1)
        self._unpacked += len(content)
        if self._unpacked > LARGEST:
            bad(self._path, f"unpacks to over {LARGEST >> 20} MiB", "check what it is")
        return content

    def _element(self, content: memoryview) -> tuple[int, memoryview, memoryview]:
        """Kind and data of the first element, and what follows it."""
        kind, size = struct.unpack_from(f"{self._order}II", content)
        if kind >> 16:
            size, kind = kind >> 16, kind & 0xFFFF
            if size > 4:
                raise ValueError(f"a short element of {size} bytes")
            return kind, content[4 : 4 + size], content[8:]
        if size > len(content) - 8:
            raise ValueError(f"an element of {size} bytes where {len(content) - 8} are left")
        # Only compressed elements stand at any byte.
        padded = size if kind == _COMPRESSED else -(-size // 8) * 8
        return kind, content[8 : 8 + size], content[8 + padded :]

    def _matrix(self, content: memoryview, depth: int) -> tuple[str, Value]:
        if depth > _DEEPEST:
            raise ValueError(f"nested over {_DEEPEST} deep")
        if not content:
            return "", np.zeros((0, 0))
        _, flags, content = self._element(content)
        (kind,) = struct.unpack_from(f"{self._order}I", flags)
        kind &= 0xFF
        if kind not in {_CELL, _STRUCTURE, _TEXT} | _NUMBERS:
            return "", None
        _, sides, content = self._element(content)
        shape = struct.unpack(f"{self._order}{len(sides) // 4}i", sides[: len(sides) // 4 * 4])
        _, name, content = self._element(content)
        if min(shape, default=0) < 0 or math.prod(shape) > max(len(content), 1):
            raise ValueError(f"an array of {'x'.join(map(str, shape))} in {len(content)} bytes")
        return bytes(name).decode("latin-1"), self._value(kind, shape, content, depth)

    def _value(self, kind: int, shape: tuple[int, ...], content: memoryview, depth: int) -> Value:
        if kind == _CELL:
            return Cells(self._items(content, math.prod(shape), depth))
        if kind == _STRUCTURE:
            return self._structure(content, math.prod(shape), depth)
        stored, data, _ = self._element(content)
        if kind == _TEXT:
            return self._text(stored, data)
        if stored not in _STORED:
            raise ValueError(f"numbers of kind {stored}")
        values = np.frombuffer(data, dtype=np.dtype(_STORED[stored]).newbyteorder(self._order))
        return values.reshape(shape, order="F")

    def _text(self, stored: int, data: memoryview) -> str:
        encoding = _ENCODINGS.get(stored)
        if encoding is None:
            raise ValueError(f"text of kind {stored}")
        ending = "" if encoding in {"latin-1", "utf-8"} else {"<": "-le", ">": "-be"}[self._order]
        return bytes(data).decode(encoding + ending)

    def _structure(self, content: memoryview, count: int, depth: int) -> Value:
        _, length_data, content = self._element(content)
        (length,) = struct.unpack_from(f"{self._order}i", length_data)
        _, names_data, content = self._element(content)
        if length < 1:
            raise ValueError("field names without letters")
        raw = bytes(names_data)
        names = [
            raw[start : start + length].split(b"\0")[0].decode("latin-1")
            for start in range(0, len(raw), length)
        ]
        values = iter(self._items(content, count * len(names), depth))
        items = [{name: next(values) for name in names} for _ in range(count)]
        return items[0] if count == 1 else Cells(items)

    def _items(self, content: memoryview, count: int, depth: int) -> list[Value]:
        if count * 8 > len(content):
            raise ValueError(f"{count} items in {len(content)} bytes")
        items = []
        for _ in range(count):
            _, data, content = self._element(content)
            items.append(self._matrix(data, depth + 1)[1])
        return items


def write_mat(variables: Mapping[str, object]) -> bytes:
    """A compressed MATLAB 5 file.

    Args:
        variables: What `scipy.io.savemat` takes.
    """
    from scipy.io import savemat  # noqa: PLC0415 - takes half a second, and few need it

    buffer = io.BytesIO()
    savemat(buffer, dict(variables), do_compression=True, oned_as="row")
    content = buffer.getvalue()
    # SciPy writes the time of day into the header's text.
    return b"MATLAB 5.0 MAT-file, written by thrifty".ljust(116) + content[116:]
