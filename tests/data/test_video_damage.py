"""Damaged videos: which frames there are is the same on any machine, however many threads decode."""

from pathlib import Path

import av
import numpy as np
import pytest

from tests.tiny import write_video
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


def test_a_disk_that_fails_stops_and_damages_nothing(
    tmp_path: Path, moving: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "v.avi"
    write_video(path, moving, "mjpeg")
    pool = Pool(path)
    stream = pool.stream()
    next(stream)

    def failing(*_arguments: object) -> None:
        raise OSError(5, "Input/output error")

    def broken(_self: FfmpegDecoding) -> object:
        raise av.error.InvalidDataError(1, "broken")

    monkeypatch.setattr(FfmpegDecoding, "__iter__", broken)
    [told] = pool.stream()
    assert isinstance(told, Broken)
    hashes = []

    def once(_path: Path) -> str:
        hashes.append(1)
        if len(hashes) > 1:
            failing()
        return "0" * 32

    monkeypatch.setattr("thrifty.data.pool.content_hash", once)
    with pytest.raises(DataError, match="cannot be read .Input/output error.; see to that"):
        list(pool.stream())
