"""MATLAB files: SciPy as an independent writer, and files that claim what they do not hold."""

import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.io import savemat

from thrifty.data.formats import matlab
from thrifty.data.formats.matlab import Cells, Value, read_mat, write_mat
from thrifty.errors import DataError

numbers = arrays.arrays(
    st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]),
    arrays.array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=4),
)
texts = st.text(
    st.characters(max_codepoint=0xD7FF, exclude_characters="\0"), min_size=1, max_size=9
)
leaves = numbers | texts
values = st.recursive(
    leaves,
    lambda inner: (
        st.dictionaries(st.sampled_from(["a", "bc", "d_e"]), inner, min_size=1)
        | st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


def as_matlab(value: object) -> object:
    if isinstance(value, list):
        cells = np.empty((1, len(value)), dtype=object)
        for place, item in enumerate(value):
            cells[0, place] = as_matlab(item)
        return cells
    if isinstance(value, dict):
        return {name: as_matlab(item) for name, item in value.items()}
    return value


def assert_equal(found: Value, expected: object) -> None:
    if isinstance(expected, np.ndarray):
        assert isinstance(found, np.ndarray)
        # MATLAB stores numbers as narrow as they fit.
        np.testing.assert_array_equal(found.astype(expected.dtype), expected)
    elif isinstance(expected, list):
        assert isinstance(found, Cells)
        for item, other in zip(found.items, expected, strict=True):
            assert_equal(item, other)
    elif isinstance(expected, dict):
        assert isinstance(found, dict)
        assert found.keys() == expected.keys()
        for name, other in expected.items():
            assert_equal(found[name], other)
    else:
        assert found == expected


@given(value=values, compressed=st.booleans())
def test_what_scipy_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, value: object, compressed: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "scipy.mat"
    savemat(path, {"x": as_matlab(value)}, do_compression=compressed)
    assert_equal(read_mat(path)["x"], value)


def test_what_is_written_does_not_depend_on_the_time() -> None:
    content = write_mat({"x": np.eye(2)})
    assert content == write_mat({"x": np.eye(2)})
    assert content.startswith(b"MATLAB 5.0 MAT-file")


def element(kind: int, data: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}II", kind, len(data)) + data + bytes(-len(data) % 8)


def array(kind: int, shape: tuple[int, ...], data: bytes, order: str = "<") -> bytes:
    flags = element(6, struct.pack(f"{order}II", kind, 0), order)
    sides = element(5, struct.pack(f"{order}{len(shape)}i", *shape), order)
    return element(14, flags + sides + element(1, b"x", order) + data, order)


def header(order: str = "<") -> bytes:
    mark = {"<": b"\x00\x01IM", ">": b"\x01\x00MI"}[order]
    return b"MATLAB 5.0 MAT-file".ljust(124) + mark


def test_both_byte_orders_are_read(tmp_path: Path) -> None:
    for order in "<>":
        data = element(9, np.arange(6, dtype=f"{order}f8").tobytes(), order)
        (tmp_path / "a.mat").write_bytes(header(order) + array(6, (2, 3), data, order))
        expected = np.arange(6.0).reshape(2, 3, order="F")
        np.testing.assert_array_equal(read_mat(tmp_path / "a.mat")["x"], expected)


@pytest.mark.parametrize(
    "content",
    [
        array(6, (1 << 30, 1 << 30), element(9, b"")),
        array(1, (1 << 20, 1 << 10), b""),
        array(4, (1 << 30, 2), element(4, b"")),
        array(2, (1 << 20, 1), element(5, struct.pack("<i", 8)) + element(1, b"a".ljust(8))),
        array(6, (-1, 4), element(9, bytes(32))),
        array(6, (2, 2), element(99, bytes(32))),
        array(6, (3, 3), element(9, bytes(32))),
        array(2, (1, 1), element(5, struct.pack("<i", 0)) + element(1, b"")),
        struct.pack("<II", 14, 1 << 31),
        struct.pack("<II", 15, 4) + b"none",
    ],
    ids=[
        "numbers",
        "cells",
        "text",
        "structures",
        "negative",
        "kind",
        "shape",
        "names",
        "size",
        "zlib",
    ],
)
def test_claims_that_the_bytes_do_not_keep_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mat").write_bytes(header() + content)
    with pytest.raises(DataError, match=r"a\.mat: is damaged"):
        read_mat(tmp_path / "a.mat")


def test_cells_in_cells_without_end_are_refused(tmp_path: Path) -> None:
    content = array(6, (1, 1), element(9, bytes(8)))
    for _ in range(40):
        content = array(1, (1, 1), content)
    (tmp_path / "a.mat").write_bytes(header() + content)
    with pytest.raises(DataError, match="nested over 32 deep"):
        read_mat(tmp_path / "a.mat")


def test_what_unpacks_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matlab, "LARGEST", 1 << 20)
    packed = zlib.compress(bytes(4 << 20))
    (tmp_path / "a.mat").write_bytes(header() + struct.pack("<II", 15, len(packed)) + packed)
    with pytest.raises(DataError, match="unpacks to over 1 MiB"):
        read_mat(tmp_path / "a.mat")


class Harm:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path("harmed").touch, ())


def test_a_pickle_is_no_mat_file_and_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.mat").write_bytes(pickle.dumps(Harm()).ljust(200, b"."))
    with pytest.raises(DataError, match="is no MATLAB 5 file"):
        read_mat(tmp_path / "a.mat")
    assert not (tmp_path / "harmed").exists()


def test_newer_files_say_how_to_save_them(tmp_path: Path) -> None:
    (tmp_path / "a.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(200))
    with pytest.raises(DataError, match="save it with -v7"):
        read_mat(tmp_path / "a.mat")
