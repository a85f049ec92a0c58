"""Arrays with a row for each frame as columns of a table: what is more than a number a frame becomes a list, whose shape the metadata tells."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Columns = Mapping[str, npt.NDArray[np.generic]]
"""By name, arrays with a row for each frame."""

SHAPES = b"shapes"
"""Key of the metadata: JSON, by column the shape of a row."""


def arrays_of(columns: Columns) -> dict[str, pa.Array]:
    """Arrays `N x ...` as columns of `N` values or lists."""
    arrays: dict[str, pa.Array] = {}
    for name, values in columns.items():
        flat = pa.array(np.ascontiguousarray(values).reshape(-1))
        width = int(np.prod(values.shape[1:]))
        arrays[name] = flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, width)
    return arrays


def shapes_of(columns: Columns) -> dict[bytes, bytes]:
    """Metadata that says what shape the rows of each column have."""
    shapes = {name: list(values.shape[1:]) for name, values in columns.items()}
    return {SHAPES: json.dumps(shapes).encode()}


def columns_of(table: pa.Table) -> Columns:
    """The columns of a table whose shapes its metadata tells, as arrays."""
    shapes = json.loads((table.schema.metadata or {}).get(SHAPES, b"{}"))
    columns = {}
    for name, shape in shapes.items():
        column = table[name].combine_chunks()
        flat = column.flatten() if shape else column
        columns[name] = flat.to_numpy(zero_copy_only=False).reshape(len(table), *shape)
    return columns
