"""Damaged videos: which frames there are is the same on any machine, however many threads decode."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.tiny import write_video
from thrifty.data.clip import Picture
from thrifty.data.pool import Broken, Pool
from thrifty.data.video import FfmpegDecoding, index_video
from thrifty.errors import DataError
from thrifty.types import Frame

FRAMES = 40


def damage(path: Path, number: int) -> None:
    """Overwrite the inside of one packet."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        content = bytes(packets[number])
    whole = path.read_bytes()
    begin = whole.index(content)
    path.write_bytes(
        whole[: begin + 5] + b"\xff" * (len(content) - 5) + whole[begin + len(content) :]
    )


@pytest.fixture
def moving() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(FRAMES)]


@pytest.mark.parametrize("name", ["v.mkv", "v.mp4"])
@pytest.mark.parametrize("number", [7, 25, 38])
@pytest.mark.parametrize("threads", [1, 2, 16])
def test_a_damaged_packet_costs_its_frame_alone_whoever_decodes(
    tmp_path: Path,
    moving: list[np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    number: int,
    threads: int,
) -> None:
    path = tmp_path / name
    # Frames that need no other, so that one is lost and no more.
    write_video(path, moving, "libx264", {"g": "1", "bf": "0"})
    damage(path, number)
    begun = FfmpegDecoding._begin

    def by_many(self: FfmpegDecoding) -> None:
        begun(self)
        context = self._stream.codec_context
        if not context.is_open:
            context.thread_count = threads

    monkeypatch.setattr(FfmpegDecoding, "_begin", by_many)
    for sampling in ({}, {"per_second": 30.0}):
        items = list(Pool(path, **sampling).stream())  # type: ignore[arg-type]
        lost = [item.frame for item in items if isinstance(item, Broken)]
        assert lost == [number], (sampling, lost)
        shown = [item.record.frame for item in items if isinstance(item, Frame)]
        assert shown == [place for place in range(FRAMES) if place != number]
    assert index_video(path).seekable


@pytest.mark.parametrize("sound", [False, True])
def test_a_video_that_was_cut_off_says_so_with_sound_or_without(
    tmp_path: Path, moving: list[np.ndarray], *, sound: bool
) -> None:
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("libx264", rate=10)
        pictures.width, pictures.height = 64, 48
        noise = container.add_stream("aac", rate=8000) if sound else None
        for number, image in enumerate(moving):
            for packet in pictures.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
            if noise is not None:
                samples = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.float32), "fltp", "mono")
                samples.sample_rate, samples.pts = 8000, 800 * number
                for packet in noise.encode(samples):
                    container.mux(packet)
        container.mux(pictures.encode(None))
        if noise is not None:
            container.mux(noise.encode(None))
    assert not any(isinstance(item, Broken) for item in Pool(path).stream())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    *_, last = Pool(path).stream()
    assert isinstance(last, Broken)
    assert "its header announces 4.0 s" in last.reason


def with_sound(path: Path, stamps: list[float], moving: list[np.ndarray], last: float) -> None:
    """Pictures at some seconds, the last of which is shown for a while, and sound until then."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("libx264", rate=10, options={"bf": "0"})
        pictures.width, pictures.height = 64, 48
        pictures.codec_context.time_base = Fraction(1, 1000)
        noise = container.add_stream("aac", rate=8000)
        for number, (stamp, image) in enumerate(zip(stamps, moving, strict=False)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            following = stamps[number + 1] if number + 1 < len(stamps) else stamp + last
            frame.pts, frame.time_base = int(1000 * stamp), Fraction(1, 1000)
            frame.duration = int(1000 * (following - stamp))
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode(None))
        for number in range(int(10 * (stamps[-1] + last))):
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.float32), "fltp", "mono")
            samples.sample_rate, samples.pts = 8000, 800 * number
            container.mux(noise.encode(samples))
        container.mux(noise.encode(None))


@pytest.mark.parametrize(
    ("stamps", "last"),
    [
        ([0.0, 2.0, 4.0, 6.0], 2.0),
        ([number / 10 for number in range(20)], 5.0),
        ([5.0, 5.5, 6.0], 1.0),
    ],
)
def test_a_sound_video_of_slow_pictures_is_whole(
    tmp_path: Path, moving: list[np.ndarray], stamps: list[float], last: float
) -> None:
    path = tmp_path / "v.mkv"
    with_sound(path, stamps, moving, last)
    assert [isinstance(item, Frame) for item in Pool(path).stream()] == [True] * len(stamps)
    assert len(index_video(path)) == len(stamps)


class Failing(FfmpegDecoding):
    """Gives some frames, and then the error of a disk, as often as it is told."""

    left = 1

    def __iter__(self) -> Iterator[Picture]:
        for picture in super().__iter__():
            if picture.number == 7 and type(self).left:
                type(self).left -= 1
                raise av.error.OSError(5, "Input/output error")
            yield picture


@pytest.mark.parametrize(("times", "passes"), [(1, True), (2, False)])
def test_a_disk_that_fails_for_a_moment_ends_no_video(
    tmp_path: Path,
    moving: list[np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    times: int,
    *,
    passes: bool,
) -> None:
    path = tmp_path / "v.mkv"
    write_video(path, moving, "libx264", {"bf": "0"})
    monkeypatch.setattr(Failing, "left", times)
    monkeypatch.setattr("thrifty.data.video.FfmpegDecoding", Failing)
    if passes:
        with pytest.raises(DataError, match="the disk fails after 7 frames.; see to that"):
            list(Pool(path).stream())
        assert len(list(Pool(path).stream())) == FRAMES
    else:
        # What fails at the same place again is the file.
        *_, last = Pool(path).stream()
        assert isinstance(last, Broken)
        assert last.frame == 7
