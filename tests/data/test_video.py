from pathlib import Path

import av
import numpy as np
import pytest

from tests.tiny import HEIGHT, VIDEO_FRAMES, WIDTH, TinyData, write_video
from thrifty.data.clip import VideoIndex
from thrifty.data.video import VideoReader, index_video
from thrifty.errors import DataError, FrameError
from thrifty.types import Record


def record(index: VideoIndex, frame: int, width: int = WIDTH) -> Record:
    return Record(index.frame_id(frame), "clip.avi", width, HEIGHT, index.digest, frame, frame)


def decode_all(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_random_access_gives_the_pixels_of_sequential_decoding(tiny: TinyData) -> None:
    index = index_video(tiny.video)
    expected = decode_all(tiny.video)
    reader = VideoReader(tiny.root, {"clip.avi": index})
    for frame in np.random.default_rng(0).permutation(VIDEO_FRAMES):
        assert np.array_equal(reader.read(record(index, int(frame))), expected[frame]), frame


@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [
        ("mp4", "mpeg4", {"bf": "2"}),
        ("avi", "mpeg4", {"bf": "2"}),
        ("avi", "libx264", {"bf": "2"}),
        ("mp4", "libx264", {"bf": "3", "x264-params": "open-gop=1"}),
        ("mkv", "libx264", {"bf": "2"}),
        ("ts", "libx264", {"bf": "2"}),
        ("ts", "libx264", {"bf": "0"}),
        ("avi", "mjpeg", {}),
    ],
)
def test_random_access_is_exact_whatever_the_codec(
    tmp_path: Path, suffix: str, codec: str, options: dict[str, str]
) -> None:
    path = tmp_path / f"clip.{suffix}"
    rng = np.random.default_rng(0)
    shade = [np.full((HEIGHT, WIDTH, 3), 4 * n + 20, dtype=np.uint8) for n in range(40)]
    write_video(
        path,
        [image + rng.integers(0, 8, image.shape, dtype=np.uint8) for image in shade],
        codec,
        options,
    )
    expected = decode_all(path)
    index = index_video(path)
    assert len(index) == len(expected) == 40
    reader = VideoReader(tmp_path, {path.name: index})
    records = [Record(index.frame_id(n), path.name, WIDTH, HEIGHT, "v", n, n) for n in range(40)]
    for n in rng.permutation(40):
        assert np.array_equal(reader.read(records[n]), expected[n]), n
    sparse = list(reader.stream(records[3::4]))
    assert [record.frame for record, _ in sparse] == list(range(3, 40, 4))
    assert all(np.array_equal(image, expected[record.frame or 0]) for record, image in sparse)  # type: ignore[arg-type]


def test_a_video_that_goes_away_ends_the_run_instead_of_condemning_its_frames(
    tiny: TinyData, tmp_path: Path
) -> None:
    index = index_video(tiny.video)
    with pytest.raises(DataError, match="is gone since the run began"):
        list(VideoReader(tmp_path, {"clip.avi": index}).stream([record(index, 0)]))


@pytest.mark.parametrize(
    "order",
    [range(VIDEO_FRAMES), range(0, VIDEO_FRAMES, 7), range(VIDEO_FRAMES - 1, -1, -1), [5, 5]],
)
def test_a_stream_keeps_the_order_asked_for(tiny: TinyData, order: range) -> None:
    index = index_video(tiny.video)
    expected = decode_all(tiny.video)
    wanted = [record(index, frame) for frame in order]
    streamed = list(VideoReader(tiny.root, {"clip.avi": index}).stream(wanted))
    assert [each.frame for each, _ in streamed] == list(order)
    assert all(np.array_equal(image, expected[each.frame or 0]) for each, image in streamed)  # type: ignore[arg-type]


def test_ids_are_those_of_the_content_not_of_the_name(tiny: TinyData, tmp_path: Path) -> None:
    moved = tmp_path / "renamed.avi"
    moved.write_bytes(tiny.video.read_bytes())
    assert index_video(moved).frame_id(3) == index_video(tiny.video).frame_id(3)


def test_a_truncated_video_is_refused(tiny: TinyData, tmp_path: Path) -> None:
    cut = tmp_path / "cut.avi"
    content = tiny.video.read_bytes()
    cut.write_bytes(content[: len(content) // 2])
    with pytest.raises(
        DataError,
        match=rf"cut.avi: is truncated or damaged, its header announces {VIDEO_FRAMES} frames",
    ):
        index_video(cut)


@pytest.mark.parametrize("content", [b"", b"not a video at all" * 100])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "noise.avi"
    path.write_bytes(content)
    with pytest.raises(DataError, match="noise.avi: cannot be read as a video"):
        index_video(path)


def test_a_missing_video_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such video"):
        index_video(tmp_path / "gone.avi")


def test_a_damaged_frame_is_reported_and_the_others_are_read(
    tiny: TinyData, tmp_path: Path
) -> None:
    """Frames are lost from the end after indexing; the stream names them instead of stopping."""
    path = tmp_path / "clip.avi"
    rng = np.random.default_rng(0)
    write_video(
        path,
        [rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8) for _ in range(VIDEO_FRAMES)],
        "mjpeg",
    )
    index = index_video(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    results = [
        image
        for _, image in VideoReader(tmp_path, {"clip.avi": index}).stream(
            record(index, f) for f in range(VIDEO_FRAMES)
        )
    ]
    failed = [isinstance(image, FrameError) for image in results]
    assert not failed[0]
    assert failed[-1]
    assert failed == sorted(failed)
    assert 10 < failed.index(True) < 30
    assert "copy the video again" in str(results[-1])


def test_a_frame_of_another_size_than_recorded_is_an_error(tiny: TinyData) -> None:
    index = index_video(tiny.video)
    with pytest.raises(FrameError, match="the picture is 96x64 but its annotations say 97x64"):
        VideoReader(tiny.root, {"clip.avi": index}).read(record(index, 0, width=97))


def test_the_real_video_is_read_whole(real_data: Path) -> None:
    index = index_video(real_data / "pets09" / "vtest.avi")
    assert (len(index), index.width, index.height) == (795, 768, 576)
    reader = VideoReader(real_data / "pets09", {"vtest.avi": index})
    wanted = [Record(index.frame_id(f), "vtest.avi", 768, 576, "v", f, f) for f in (0, 400, 794)]
    assert [isinstance(image, np.ndarray) for _, image in reader.stream(wanted)] == [True] * 3
