"""Frames keep their identity through renaming, moving, and every annotation format and back."""

import shutil
from pathlib import Path

import pytest

from tests.tiny import TinyData
from thrifty.config import FilesSource
from thrifty.data.dataset import Dataset, LabelledImage
from thrifty.data.folders import Folders
from thrifty.data.formats.catalogue import FORMATS, read_dataset, write_dataset
from thrifty.data.formats.format import Trait
from thrifty.data.formats.sizes import Sizes
from thrifty.data.sources import open_source
from thrifty.errors import DataError


def ids(annotations: str, images: str, root: Path) -> dict[str, list[list[float]]]:
    opened = open_source(FilesSource(annotations=annotations, images=images), root)
    return {key: drawn.boxes.round(6).tolist() for key, drawn in opened.labels.items()}


CASES = [
    (name, kind)
    for name, entry in FORMATS.items()
    for kind in ("stills", "video")
    # CityPersons' pictures are all of one size, which these are not.
    if name != "citypersons" and (kind == "video" or Trait.STILLS in entry.holds)
]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_ids_and_boxes_survive_a_format_and_back(
    tiny: TinyData, tmp_path: Path, name: str, kind: str
) -> None:
    entry = FORMATS[name]
    shutil.copytree(tiny.root, tmp_path / "data")
    root = tmp_path / "data"
    pictures = root / "stills" if kind == "stills" else root
    sizes = Sizes(pictures)
    middle, back = root / f"middle{entry.suffix}", root / "back.json"
    write_dataset(read_dataset(root / f"{kind}.json"), middle, name)
    write_dataset(read_dataset(middle, name, sizes), back, "coco")
    images = "stills" if kind == "stills" else "."
    before = ids(f"{kind}.json", images, root)
    if Trait.EMPTY_IMAGES not in entry.holds:
        before = {key: boxes for key, boxes in before.items() if boxes}
    after = ids("back.json", images, root)
    assert {key: sorted(boxes) for key, boxes in after.items()} == {
        key: sorted(boxes) for key, boxes in before.items()
    }


@pytest.mark.parametrize("name", [name for name, entry in FORMATS.items() if entry.pictures])
def test_pictures_that_are_taken_along_keep_their_ids(
    tiny: TinyData, tmp_path: Path, name: str
) -> None:
    dataset = read_dataset(tiny.root / "stills.json")
    folders = Folders((tiny.root / "stills",))
    out = tmp_path / "out"
    write_dataset(folders.extracted(dataset), out, name, folders.contents(dataset))
    images = f"out/{FORMATS[name].pictures}"
    assert ids("out", images, tmp_path).keys() == ids("stills.json", "stills", tiny.root).keys()


def test_frames_that_are_written_out_still_name_their_place(tiny: TinyData, tmp_path: Path) -> None:
    dataset = read_dataset(tiny.root / "video.json")
    folders = Folders((tiny.root,))
    out = tmp_path / "out"
    write_dataset(folders.extracted(dataset), out, "yolo", folders.contents(dataset))
    assert (out / "images" / "clip.avi#7.png").is_file()
    again = read_dataset(out)
    assert again.images[7].name == "clip.avi#7.png"
    assert (again.images[7].video, again.images[7].frame) == ("clip.avi", 7)
    opened = open_source(FilesSource(annotations="out", images="out/images"), tmp_path)
    # Frames that came out of the codec equal to the last bit are one picture.
    assert len(opened.frames) + len(opened.duplicates) == 40
    assert all(record.source == f"clip.avi#{record.place}.png" for record in opened.frames.records)
    shutil.copy(tiny.video, out / "images" / "clip.avi")
    with_video = open_source(FilesSource(annotations="out", images="out/images"), tmp_path)
    assert {record.id for record in with_video.frames.records} == ids(
        "video.json", ".", tiny.root
    ).keys()


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "a/../../secret.png"])
def test_nothing_outside_the_folders_is_taken_along(tmp_path: Path, name: str) -> None:
    (tmp_path / "pool").mkdir()
    (tmp_path / "secret.png").write_bytes(b"secret")
    dataset = Dataset((), (LabelledImage(name, 1, 1),))
    folders = Folders((tmp_path / "pool",))
    with pytest.raises(DataError, match="is no path below a folder, so it is not copied"):
        folders.extracted(dataset)
    with pytest.raises(DataError, match="is no path below a folder, so it is not copied"):
        list(folders.contents(dataset))
