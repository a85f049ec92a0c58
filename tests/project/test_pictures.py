"""Pictures of chosen frames on their way to people."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from tests.project.projects import SETTINGS
from thrifty.errors import FrameError
from thrifty.oracles.folder import FolderTool
from thrifty.project.artifacts import FRAMES, Artifacts
from thrifty.project.labelling import assignment
from thrifty.project.pictures import Kept
from thrifty.project.project import init_project, open_project
from thrifty.project.selecting import select
from thrifty.project.sources import Sampling, add_pool
from thrifty.types import Image, Record

WIDTH, HEIGHT = 96, 64
ORIENTATIONS = {"a.tif": 1, "b.jpg": 1, "c.png": 1, "d.jpg": 6, "e.png": 3, "f.ppm": 1}
AS_THEY_ARE = {"b.jpg", "c.png"}


def photos(folder: Path) -> dict[str, Image]:
    """Pictures of kinds that browsers show and others; two are stored on their side or upside down. How they are to be seen."""
    folder.mkdir()
    rng = np.random.default_rng(5)
    seen = {}
    for name, orientation in ORIENTATIONS.items():
        picture = Pillow.fromarray(rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))
        exif = Pillow.Exif()
        if orientation > 1:
            exif[0x0112] = orientation
        picture.save(folder / name, exif=exif)
        # 6 is to be turned by a quarter clockwise, 3 by half.
        turns = {1: 0, 6: 3, 3: 2}[orientation]
        with Pillow.open(folder / name) as stored:
            seen[name] = np.rot90(np.asarray(stored.convert("RGB")), turns)
    return seen


def test_stills_that_not_all_tools_show_alike_are_sent_as_upright_png(tmp_path: Path) -> None:
    seen = photos(tmp_path / "photos")
    init_project(tmp_path / "p", SETTINGS.replace("budget = 4", "budget = 6"))
    with open_project(tmp_path / "p") as project:
        add_pool(project, tmp_path / "photos", Sampling())
        batch, _ = select(project)
        given = assignment(project, batch)
        tool = FolderTool(tmp_path / "batches")
        sent = tool.send(given)
        files = {
            path.stem: path for path in (tmp_path / "batches" / batch.name / "images").iterdir()
        }
        before = {path: path.stat().st_mtime_ns for path in files.values()}
        assert tool.send(given) == sent
        assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(files) == len(seen) == 6
    for task in given.tasks:
        record = task.record
        path, original = files[sent.tasks[record.id]], tmp_path / "photos" / record.source
        if record.source in AS_THEY_ARE:
            assert path.suffix == original.suffix
            assert path.read_bytes() == original.read_bytes()
        else:
            assert path.suffix == ".png"
            with Pillow.open(path) as picture:
                assert picture.getexif().get(0x0112) is None
                assert picture.size == (record.width, record.height)
                np.testing.assert_array_equal(np.asarray(picture), seen[record.source])


def test_a_picture_that_cannot_be_decoded_is_told_by_its_name(tmp_path: Path) -> None:
    kept = Kept(Artifacts(tmp_path), [], {})
    (tmp_path / FRAMES).mkdir()
    for suffix in (".jpg", ".tif"):
        (tmp_path / FRAMES / f"x{suffix}").write_bytes(b"nothing")
        record = Record("x", f"street/a{suffix}", 4, 3)
        assert kept.picture(record).content == b"nothing"
        with pytest.raises(FrameError, match=rf"^a\{suffix}: cannot decode this picture"):
            kept.shown(record)


def test_a_frame_of_a_video_is_shown_as_it_is_kept(tmp_path: Path) -> None:
    kept = Kept(Artifacts(tmp_path), [], {})
    (tmp_path / FRAMES).mkdir()
    buffer = io.BytesIO()
    Pillow.new("RGB", (4, 3)).save(buffer, "PNG")
    (tmp_path / FRAMES / "x.png").write_bytes(buffer.getvalue())
    found = kept.shown(Record("x", "drive.mp4", 4, 3, "v", 7, 7))
    assert (found.content, found.suffix) == (buffer.getvalue(), ".png")
