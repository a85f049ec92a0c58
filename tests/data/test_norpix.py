"""Norpix `.seq`: a file written here in every kind of picture, and one of the Caltech benchmark's own."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from tests.data.norpix import KINDS, encode, write_seq
from thrifty.data.norpix import Sequence
from thrifty.data.pool import Broken, Pool
from thrifty.data.video import VideoReader, index_video, video_size
from thrifty.errors import DataError
from thrifty.types import Frame


@pytest.fixture
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.integers(0, 255, (6, 10, 3), dtype=np.uint8) for _ in range(9)]


def expected(image: np.ndarray, kind: int) -> np.ndarray:
    if kind in {100, 1}:
        return np.repeat(image[..., :1], 3, axis=2)
    if kind in {102, 201}:
        return np.array(Pillow.open(io.BytesIO(encode(image, kind))).convert("RGB"))
    return image


@pytest.mark.parametrize("padding", [6, 8, 16])
@pytest.mark.parametrize("kind", KINDS, ids=KINDS.values())
def test_every_kind_of_picture_is_decoded(
    tmp_path: Path, images: list[np.ndarray], kind: int, padding: int
) -> None:
    path = tmp_path / "V000.seq"
    write_seq(path, images, kind, padding=padding)
    with Sequence(path) as sequence:
        assert sequence.timestamps == tuple(7000 + 250 * n for n in range(9))
        for number, image in enumerate(images):
            np.testing.assert_array_equal(sequence.image(number), expected(image, kind))


@pytest.mark.parametrize("kind", [100, 201])
def test_frames_are_found_where_the_header_counts_none(
    tmp_path: Path, images: list[np.ndarray], kind: int
) -> None:
    write_seq(tmp_path / "a.seq", images, kind, count=0)
    assert len(index_video(tmp_path / "a.seq")) == 9


def test_a_pool_and_random_access_give_the_same_frames(
    tmp_path: Path, images: list[np.ndarray]
) -> None:
    path = tmp_path / "a.seq"
    write_seq(path, images, 2)
    index = index_video(path)
    assert video_size(path) == (index.width, index.height) == (10, 6)
    reader = VideoReader(tmp_path, {"a.seq": index})
    frames = [frame for frame in Pool(tmp_path, every=2).stream() if isinstance(frame, Frame)]
    assert [frame.record.frame for frame in frames] == [0, 2, 4, 6, 8]
    for frame in reversed(frames):
        assert frame.record.id == index.frame_id(frame.record.frame or 0)
        np.testing.assert_array_equal(reader.read(frame.record), frame.image)


def test_a_damaged_frame_is_passed_over_and_a_cut_file_ends_early(
    tmp_path: Path, images: list[np.ndarray]
) -> None:
    path = tmp_path / "a.seq"
    write_seq(path, images, 2)
    whole = path.read_bytes()
    second = whole.index(b"\x89PNG", whole.index(b"\x89PNG") + 1)
    path.write_bytes(whole[: second + 20] + b"\xff" * 20 + whole[second + 40 :])
    items = list(Pool(path).stream())
    assert [isinstance(item, Broken) for item in items] == [False, True] + [False] * 7
    path.write_bytes(whole[:-90])
    *frames, last = Pool(path).stream()
    assert isinstance(last, Broken)
    assert "its header announces 9" in last.reason
    assert last.frame == len(frames) < 9
    with pytest.raises(DataError, match="truncated or damaged, its header announces 9 frames"):
        index_video(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:900], "too short"),
        (lambda content: b"\0\0" + content[2:], "is no Norpix"),
        (lambda content: content[:548] + b"\xff" * 8 + content[556:], "is no Norpix"),
        (lambda content: content[:568] + b"\x65" + content[569:], "kind 101"),
    ],
)
def test_what_is_no_seq_file_is_refused(
    tmp_path: Path, images: list[np.ndarray], change: Callable[[bytes], bytes], message: str
) -> None:
    path = tmp_path / "a.seq"
    write_seq(path, images, 201)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=message):
        index_video(path)


def test_the_caltech_specimen_gives_30_frames_of_640_by_480(specimens: Path) -> None:
    path = specimens / "caltech" / "peds30.seq"
    index = index_video(path)
    assert (len(index), index.width, index.height) == (30, 640, 480)
    assert all(
        later > earlier
        for earlier, later in zip(index.timestamps, index.timestamps[1:], strict=False)
    )
    frames = list(Pool(path).stream())
    assert [frame.image.shape for frame in frames if isinstance(frame, Frame)] == [
        (480, 640, 3)
    ] * 30
    assert all(frame.image.std() > 10 for frame in frames if isinstance(frame, Frame))
