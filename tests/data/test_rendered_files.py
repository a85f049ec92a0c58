"""The rendered street as files: what is written can be read by everything else, and says what was rendered."""

from pathlib import Path

import numpy as np
import pytest

from thrifty.data.formats.catalogue import read_dataset
from thrifty.data.pool import Broken, Pool
from thrifty.data.rendered_files import ANSWERS, FILE, StreetFiles
from thrifty.data.street import Look, Street
from thrifty.files import replace_folder

SMALL = StreetFiles(seed=1, start=3, drives=2, length=5, test=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "street"
    replace_folder(path, SMALL.files())
    return path


def test_stills_have_the_labels_of_what_was_rendered(folder: Path) -> None:
    for name, look, seed, count in (("start", Look.DAYLIGHT, 3, 3), ("test", Look.DUSK, 4, 2)):
        images = read_dataset(folder / name / FILE).images
        assert len(images) == count
        street = Street(look, seed, count, 1)
        for number, image in enumerate(images):
            drawn = street.annotate(number, 0)
            assert (folder / name / image.name).is_file()
            assert image.annotations().boxes == pytest.approx(drawn.boxes)
            assert image.annotations().ignore.tolist() == drawn.ignore.tolist()


def test_the_videos_are_a_pool_and_the_answers_name_its_frames(folder: Path) -> None:
    frames = [frame for frame in Pool(folder / "pool").stream() if not isinstance(frame, Broken)]
    answers = {image.name: image for image in read_dataset(folder / ANSWERS).images}
    assert len(frames) == 10
    assert {frame.record.label for frame in frames} == set(answers)
    street = Street(Look.DUSK, 5, 2, 5)
    for frame in frames:
        drive = int(frame.record.source.removeprefix("drive-").removesuffix(".avi"))
        image, drawn = street.render(drive, frame.record.frame or 0)
        assert answers[frame.record.label].annotations().boxes == pytest.approx(drawn.boxes)
        # Compressed, but the same picture: other frames of the drive differ by more.
        far = np.abs(frame.image.astype(int) - image.astype(int)).mean()
        assert far < 8


def test_the_same_seed_writes_the_same_bytes(folder: Path) -> None:
    again = dict(SMALL.files())
    assert {name: (folder / name).read_bytes() for name in again} == again
    other = dict(StreetFiles(seed=2, start=3, drives=2, length=5, test=2).files())
    assert other[f"start/{FILE}"] != again[f"start/{FILE}"]
