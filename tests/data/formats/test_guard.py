"""Files that mean harm: each ends in one error, runs nothing, and takes no more memory than it deserves."""

import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from thrifty.data.formats import guard
from thrifty.data.formats.catalogue import read_dataset
from thrifty.errors import DataError

BOMB = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa">{entities}]>
<annotation><filename>&z9;</filename></annotation>"""


def test_an_entity_bomb_is_refused(tmp_path: Path) -> None:
    entities = "".join(
        f'<!ENTITY z{n} "{"&" + (f"z{n - 1}" if n else "a") + ";"}{"&a;" * 9}">' for n in range(10)
    )
    (tmp_path / "a.xml").write_text(BOMB.replace("{entities}", entities))
    with pytest.raises(DataError, match=r"a\.xml: declares a document type or entities"):
        list(guard.elements(tmp_path / "a.xml", frozenset({"annotation"})))


def test_an_external_entity_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "a.xml").write_text(
        f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{tmp_path}/secret">]><annotation>&x;</annotation>'
    )
    with pytest.raises(DataError, match="declares a document type"):
        list(guard.elements(tmp_path / "a.xml", frozenset({"annotation"})))


def test_elements_without_end_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<a>" * 100_000)
    with pytest.raises(DataError, match="nested over 64 deep"):
        list(guard.elements(tmp_path / "a.xml", frozenset({"b"})))


def test_elements_are_given_whole_and_forgotten(tmp_path: Path) -> None:
    many = "".join(f"<x><image n='{n}'><box/><image/></image></x>" for n in range(2000))
    (tmp_path / "a.xml").write_text(f"<all>{many}</all>")
    seen = 0
    for element in guard.elements(tmp_path / "a.xml", frozenset({"image"})):
        assert element.get("n") == str(seen)
        assert [child.tag for child in element] == ["box", "image"]
        seen += 1
    assert seen == 2000


def archive(path: Path, *entries: zipfile.ZipInfo | str, content: bytes = b"x") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for entry in entries:
            made.writestr(entry, content)
    return path


def link(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o120777 << 16
    return entry


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("../out.json", "lies outside"),
        ("a/../../out.json", "lies outside"),
        ("/out.json", "lies outside"),
        ("..\\out.json", "lies outside"),
        ("C:/out.json", "lies outside"),
        (link("a.json"), "is no plain file"),
    ],
)
def test_archives_that_climb_out_are_refused_before_anything_is_written(
    tmp_path: Path, entry: zipfile.ZipInfo | str, message: str
) -> None:
    path = archive(tmp_path / "a.zip", "fine.json", entry)
    with pytest.raises(DataError, match=rf"a\.zip: entry .* {message}"):
        read_dataset(path)
    assert [found.name for found in tmp_path.iterdir()] == ["a.zip"]


def test_an_archive_out_of_proportion_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "UNPACKED", 1 << 20)
    path = archive(tmp_path / "a.zip", "a.json", content=bytes(8 << 20))
    with pytest.raises(DataError, match="unpacks to 8 MiB, which is out of proportion"):
        read_dataset(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04" + bytes(60)])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.zip: cannot be unpacked"):
        read_dataset(tmp_path / "a.zip")


READ = """
import resource, sys
from pathlib import Path
from thrifty.data.formats.catalogue import read_dataset
from thrifty.errors import DataError
limit = 700 << 20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    print(len(read_dataset(Path(sys.argv[1]), "coco").images))
except DataError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("[", "1]", "Expected `object`, got `array`"),
        ('{"images": [', "1]}", "Expected `object`, got `int` - at `$.images[0]`"),
        ('{"images": [], "annotations": [], "info": [', "1]}", "0"),
        ('{"images": [{"id": 1, "file_name": "a", "attributes": {"x": [', "1]}}]}", "1"),
    ],
    ids=["file", "images", "unasked", "attribute"],
)
def test_a_gigabyte_of_numbers_takes_no_memory(
    tmp_path: Path, before: str, after: str, said: str
) -> None:
    """In a process that may have 700 MiB of its own; as Python objects the numbers would take over 4 GiB."""
    path = tmp_path / "a.json"
    with path.open("w") as file:
        file.write(before)
        for _ in range(512):
            file.write("1," * (1 << 20))
        file.write(after)
    assert path.stat().st_size > 1 << 30
    command = [sys.executable, "-c", READ, str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    path.unlink()
    assert result.returncode == 0, result.stderr
    assert said in result.stdout


def test_memory_limits_are_felt_at_all() -> None:
    """Else the test above could not fail."""
    limit = 700 << 20
    code = f"import resource; resource.setrlimit(resource.RLIMIT_DATA, ({limit},) * 2); [1.5] * (1 << 27)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert result.returncode != 0
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] != limit


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: !!python/object/apply:os.system ['touch harmed']", "not valid YAML"),
        ("a: &x [1]\nb: [*x, *x]", "uses YAML aliases"),
        ("a: [1", "not valid YAML"),
        ("[" * 5000, "not valid YAML"),
        ("x" * (2 << 20), "larger than 1 MiB"),
    ],
)
def test_yaml_that_is_more_than_values_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(DataError, match=message):
        guard.read_yaml(tmp_path / "data.yaml")
    assert not (tmp_path / "harmed").exists()


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"fine\n" + b"x" * (3 << 20))
    with pytest.raises(DataError, match="line 2 is longer than a MiB"):
        list(guard.lines(tmp_path / "a.txt"))
    (tmp_path / "a.txt").write_bytes(b"fine\n\xff\n")
    with pytest.raises(DataError, match="no UTF-8"):
        list(guard.lines(tmp_path / "a.txt"))


@pytest.mark.parametrize("name", ["missing", ""])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="no such file|is a folder, not a file"):
        guard.read_json(tmp_path / name, dict)
