"""Frames of video files, decoded by FFmpeg through PyAV.

A frame is addressed by its decoded index: the n-th picture that decoding from the start gives. The index is built by
decoding once, because packets tell less: some are never shown, and some containers number them by order of decoding.

Random access returns the same pixels as decoding from the start. It seeks to the keyframe before the wanted timestamp
and decodes forward; where that does not meet the very frame (open groups of pictures, containers without timestamps of
their own), it decodes from the start.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from thrifty.data.clip import Decoding, Picture, VideoIndex
from thrifty.data.frames import check_size
from thrifty.data.norpix import SUFFIX, Sequence, sequence_index
from thrifty.data.stills import content_hash
from thrifty.errors import DataError, FrameError
from thrifty.types import Image, Record

DAMAGED = (av.error.FFmpegError, DataError, IndexError)
"""What decoding raises where a video is damaged."""

VIDEOS = frozenset(
    {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".seq", ".webm"}
)
"""Suffixes of the files taken for videos."""


class FfmpegDecoding:
    """All frames of an open video in the order of decoding, and what is missing at its end.

    Several threads decode side by side. They tell of a damaged packet when others after it are done already, and of one among the last not at
    all. So from the first packet that is refused one thread decodes everything again, and what was given is passed over: which frames there
    are is the same on any machine.

    Args:
        container: Just opened.
        noting: Whether timestamps of packets are kept.
    """

    def __init__(self, container: InputContainer, *, noting: bool = False) -> None:
        self._container = container
        self._stream = container.streams.video[0]
        self._stream.thread_type = "AUTO"
        if self._stream.codec_context.codec.name in _UNORDERED:
            self._stream.codec_context.thread_count = 1
        self._noting = noting
        self._begin()

    def _begin(self) -> None:
        self._sent = self._hidden = 0
        self._count = 0
        self._end = 0.0
        self.packets: set[int | None] = set()
        """Timestamps of the packets read so far, if they are kept."""

    def __iter__(self) -> Iterator[Picture]:
        for packet in self._container.demux(self._stream):
            self._note(packet)
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                break
            for frame in frames:
                yield self._picture(frame)
        else:
            if not self._lacks_its_end:
                return
        given = self._count
        self._begin()
        with av.open(self._container.name) as again:
            yield from (one for one in self._one_by_one(again) if one.number >= given)

    def _one_by_one(self, container: InputContainer) -> Iterator[Picture]:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for packet in container.demux(stream):
            self._note(packet)
            try:
                for frame in packet.decode():
                    yield self._picture(frame)
            except av.error.FFmpegError as error:
                # Nothing of this packet was shown; what follows may be sound.
                yield self._lost(packet.pts, error)

    def _note(self, packet: Packet[VideoStream]) -> None:
        if self._noting:
            self.packets.add(packet.pts)
        self._sent += packet.size > 0
        self._hidden += packet.is_discard

    @property
    def _lacks_its_end(self) -> bool:
        """Whether as many pictures are missing as threads may have had at hand; where packets are parts of pictures, more are."""
        missing = self._sent - self._hidden - self._count
        return 0 < missing <= 2 * (self._stream.codec_context.thread_count or os.cpu_count() or 1)

    def _picture(self, frame: av.VideoFrame) -> Picture:
        number = self._count
        self._count += 1
        shown = (
            float(frame.duration * frame.time_base) if frame.duration and frame.time_base else 0.0
        )
        self._end = max(self._end, (frame.time or 0.0) + shown)
        stamp = number if frame.pts is None else frame.pts
        return Picture(number, stamp, frame.time, partial(_pixels, frame, number))

    def _lost(self, timestamp: int | None, error: Exception) -> Picture:
        number = self._count
        self._count += 1

        def image() -> Image:
            raise _damaged(number, _reason(error))

        base = self._stream.time_base
        seconds = None if timestamp is None or base is None else float(timestamp * base)
        return Picture(number, number if timestamp is None else timestamp, seconds, image)

    @property
    def shortfall(self) -> str:
        """What the header promises that was not there, in words: frames, or, where it counts none, seconds."""
        announced = self._stream.frames - self._hidden
        if self._count < max(1, announced):
            return f"its header announces {announced} frames but {self._count} can be decoded"
        promised = None if self._stream.frames else self._promised()
        if promised is None:
            return ""
        if self._end + max(_SLACK, 0.02 * promised) >= promised:
            return ""
        return f"its header announces {promised:.1f} s but the last frame ends at {self._end:.1f} s"

    def _promised(self) -> float | None:
        """Seconds at which the pictures end by the header."""
        told = _DURATION.fullmatch(self._stream.metadata.get("DURATION", ""))
        if told is not None:
            hours, minutes, seconds = map(float, told.groups())
            return 3600 * hours + 60 * minutes + seconds
        begin, length = self._container.start_time or 0, self._container.duration
        # Sound may go on when the pictures have ended.
        if not length or len(self._container.streams) > 1:
            return None
        return float((begin + length) / av.time_base)


_UNORDERED = frozenset({"libdav1d"})
"""Decoders whose threads tell of a damaged packet after later pictures have been given."""
_DURATION = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")
"""How Matroska tells the length of a stream."""

_SLACK = 0.5
"""Seconds between the last frame and the end of a sound video, at most; its last frame is shown for a while."""


@contextmanager
def open_video(path: Path) -> Iterator[Decoding]:
    """Open a video to decode it from its beginning.

    Raises:
        DataError: A `.seq` file is missing or none.
        av.error.FFmpegError: Any other file is missing or no video.
        IndexError: It holds no pictures.
    """
    if path.suffix.lower() == SUFFIX:
        with Sequence(path) as sequence:
            yield sequence
    else:
        with av.open(str(path)) as container:
            yield FfmpegDecoding(container)


def _pixels(frame: av.VideoFrame, number: int) -> Image:
    if frame.is_corrupt:
        raise _damaged(number, "what it is made of is missing")
    return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)


def _damaged(number: int, reason: str) -> FrameError:
    return FrameError(
        f"frame {number} cannot be decoded ({reason}); copy the video again from its source"
    )


def index_video(path: Path) -> VideoIndex:
    """Decode a video once and note its frames.

    Raises:
        DataError: The file is missing, no video, damaged, or ends before the frames its header announces.
    """
    if path.suffix.lower() == SUFFIX:
        return sequence_index(path)
    try:
        with av.open(str(path)) as container:
            return _index(path, container)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such video; check the recipe and the data folder") from error
    except (av.error.FFmpegError, IndexError) as error:
        raise DataError(
            f"{path}: cannot be read as a video ({_reason(error)}); copy it again from its source"
        ) from error


def _index(path: Path, container: InputContainer) -> VideoIndex:
    decoding = FfmpegDecoding(container, noting=True)
    stream = container.streams.video[0]
    stamps = [picture.timestamp for picture in decoding]
    if not stamps:
        raise DataError(f"{path}: holds no frames; copy it again from its source")
    if decoding.shortfall:
        raise DataError(
            f"{path}: is truncated or damaged, {decoding.shortfall}; copy it again from its source"
        )
    # AVI stores no timestamps; FFmpeg makes them up from the order of decoding, and after a seek otherwise.
    made_up = container.format.name == "avi" and stream.codec_context.has_b_frames
    distinct = len(set(stamps)) == len(stamps)
    return VideoIndex(
        digest=content_hash(path),
        width=stream.codec_context.width,
        height=stream.codec_context.height,
        timestamps=tuple(stamps),
        seekable=distinct and decoding.packets.issuperset(stamps) and not made_up,
    )


def video_size(path: Path) -> tuple[int, int]:
    """Width and height of a video's frames in pixels, by its header.

    Raises:
        DataError: The file is missing or no video.
    """
    if path.suffix.lower() == SUFFIX:
        with Sequence(path) as sequence:
            return sequence.width, sequence.height
    try:
        with av.open(str(path)) as container:
            context = container.streams.video[0].codec_context
            return context.width, context.height
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise DataError(
            f"{path}: cannot be read as a video ({_reason(error)}); copy it again from its source"
        ) from error


class VideoReader:
    """Reads frames of the video files below a folder.

    Args:
        folder: What the records' `source` is relative to.
        indices: The index of every video, by `source`.
    """

    def __init__(self, folder: Path, indices: dict[str, VideoIndex]) -> None:
        self._folder = folder
        self._indices = indices

    def read(self, record: Record) -> Image:
        """Decode one frame.

        Raises:
            FrameError: It cannot be decoded, or is of another size than recorded.
        """
        for _, image in self.stream([record]):
            if isinstance(image, FrameError):
                raise image
            return image
        raise FrameError(f"{record.label}: the video gave no such frame")

    def stream(self, records: Iterable[Record]) -> Iterator[tuple[Record, Image | FrameError]]:
        """Decode frames in the order given; runs of ascending frames of one video are decoded in one go."""
        for run in _runs(records):
            yield from self._decode_run(run)

    def _decode_run(self, run: list[Record]) -> Iterator[tuple[Record, Image | FrameError]]:
        """Decode a run in ascending order: by seeking first, and what that does not meet from the start."""
        path, index = self._folder / run[0].source, self._indices[run[0].source]
        if not path.is_file():
            raise DataError(
                f"{path}: is gone since the run began; restore it and run the same command again"
            )
        pending, reason = list(run), "the video ended before it"
        for frames in (_after_seek(path, index, run[0]), _from_start(path)):
            try:
                with closing(frames):
                    yield from _take(frames, pending)
            except (av.error.FFmpegError, OSError) as error:
                reason = _reason(error)
        for record in pending:
            yield (
                record,
                FrameError(
                    f"{path}: frame {record.frame} cannot be decoded ({reason}); copy the video again from its source"
                ),
            )


Numbered = Generator[tuple[int, Callable[[], Image]]]
"""Decoded frames: their decoded index, and what turns them into pixels."""


def _take(frames: Numbered, pending: list[Record]) -> Iterator[tuple[Record, Image | FrameError]]:
    """Yield pending records as their frames come, and remove them; stop where the next one was missed."""
    for number, picture in frames:
        if not pending or number > (pending[0].frame or 0):
            return
        if number == pending[0].frame:
            record = pending.pop(0)
            yield record, _checked(record, picture)
        if not pending:
            return


def _after_seek(path: Path, index: VideoIndex, first: Record) -> Numbered:
    if not index.seekable or not first.frame:
        return
    if path.suffix.lower() == SUFFIX:
        with Sequence(path) as sequence:
            for picture in sequence.start(first.frame):
                yield picture.number, picture.image
        return
    numbers = {stamp: number for number, stamp in enumerate(index.timestamps)}
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        container.seek(index.timestamps[first.frame], stream=stream, backward=True, any_frame=False)
        for frame in container.decode(stream):
            number = numbers.get(frame.pts) if frame.pts is not None else None
            if number is not None:
                yield number, partial(_pixels, frame, number)


def _from_start(path: Path) -> Numbered:
    with open_video(path) as decoding:
        for picture in decoding:
            yield picture.number, picture.image


def _checked(record: Record, pixels: Callable[[], Image]) -> Image | FrameError:
    try:
        image = pixels()
    except FrameError as error:
        return FrameError(f"{record.source}: {error}")
    try:
        return check_size(record, image)
    except FrameError as error:
        return error


def _runs(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Cut into stretches of one video with ascending frames, none longer than a decoder should skip through."""
    run: list[Record] = []
    for record in records:
        if run and (
            record.source != run[-1].source or not 0 < _step(run[-1], record) <= _LONGEST_SKIP
        ):
            yield run
            run = []
        run.append(record)
    if run:
        yield run


# Past this many unwanted frames a fresh seek is cheaper than decoding on.
_LONGEST_SKIP = 250


def _step(first: Record, second: Record) -> int:
    return (second.frame or 0) - (first.frame or 0)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
