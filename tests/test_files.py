"""Files and folders that are there whole or not at all."""

import os
from pathlib import Path

import pytest

from thrifty.errors import DataError
from thrifty.files import replace_folder


def test_all_of_a_folder_is_on_the_disk_before_it_is_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: set[int] = set()
    fsync, replace = os.fsync, Path.replace

    def flush(handle: int) -> None:
        flushed.add(os.fstat(handle).st_ino)
        fsync(handle)

    def rename(aside: Path, path: Path) -> Path:
        assert {one.stat().st_ino for one in [aside, *aside.rglob("*")]} <= flushed
        assert tmp_path.stat().st_ino not in flushed
        return replace(aside, path)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(Path, "replace", rename)
    files = [(f"images/{number}.png", b"%d" % number) for number in range(40)]
    replace_folder(tmp_path / "set", [*files, ("labels.json", b"{}")])
    assert tmp_path.stat().st_ino in flushed
    assert (tmp_path / "set" / "images" / "39.png").read_bytes() == b"39"


def test_nothing_is_left_of_a_folder_that_cannot_be_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        replace_folder(tmp_path / "set", [("a.png", b"a")])
    with pytest.raises(DataError, match="would be written twice"):
        replace_folder(tmp_path / "set", [("a.png", b"a"), ("a.png", b"b")])
    assert not list(tmp_path.iterdir())
