from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thrifty.data.formats.file_names import check_names, distinct_stems, fault, read_name
from thrifty.errors import DataError


@pytest.mark.parametrize(
    "name", ["a.jpg", "street/day 1/ä漢.png", "v.avi#3", "..a", "a..", "no suffix", "a" * 255]
)
def test_paths_below_a_folder_are_taken(name: str) -> None:
    assert fault(name) == ""
    assert read_name(name, Path("x")) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "/etc/a.png",
        "../a.png",
        "a/../../b",
        "a\nb",
        "a\0b",
        "\ud800",
        "a" * 256,
        "/".join(["a" * 200] * 30),
    ],
)
def test_other_names_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(DataError, match="rename it") as caught:
        read_name(name, Path("x"), "line 4")
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="no file can be called after it"):
        check_names(["a.png", name])


def test_detours_are_left_out() -> None:
    assert read_name("./a//b/../c.png", Path("x")) == "a/c.png"


parts = st.lists(st.sampled_from(["a", "b", ".jpg", ".png", ".avi#3"]), min_size=1, max_size=4)


@given(st.lists(parts.map("".join), max_size=6, unique=True))
def test_label_files_are_never_called_the_same(names: list[str]) -> None:
    stems = distinct_stems(names)
    assert len(set(stems)) == len(names)
    assert all(name.startswith(stem) for name, stem in zip(names, stems, strict=True))
