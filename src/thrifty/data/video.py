"""Frames of video files, decoded by FFmpeg through PyAV.

A frame is addressed by its decoded index; the index is built from the presentation timestamps of the packets,
without decoding. Random access returns the same pixels as decoding from the start: it seeks to the keyframe
before and decodes forward to the wanted timestamp.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from thrifty.data.frames import check_size
from thrifty.data.stills import content_hash
from thrifty.errors import DataError, FrameError
from thrifty.types import Image, Record


@dataclass(frozen=True, slots=True)
class VideoIndex:
    """What a video holds.

    Attributes:
        digest: Hash of the file's content.
        width: Pixels.
        height: Pixels.
        timestamps: Presentation timestamp of every frame in the stream's time base, ascending.
    """

    digest: str
    width: int
    height: int
    timestamps: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.timestamps)

    def frame_id(self, frame: int) -> str:
        """Stable id of a frame: hash of the video, decoded index, timestamp."""
        return f"{self.digest[:16]}.{frame:08d}.{self.timestamps[frame]}"


def index_video(path: Path) -> VideoIndex:
    """Read a video's packets, not its pictures.

    Raises:
        DataError: The file is missing, no video, or ends before the frames its header announces.
    """
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            announced, width, height = (
                stream.frames,
                stream.codec_context.width,
                stream.codec_context.height,
            )
            stamps = [
                packet.pts if packet.pts is not None else packet.dts
                for packet in container.demux(stream)
                if packet.size
            ]
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such video; check the recipe and the data folder") from error
    except (av.error.FFmpegError, IndexError) as error:
        raise DataError(
            f"{path}: cannot be read as a video ({_reason(error)}); copy it again from its source"
        ) from error
    if not stamps or any(stamp is None for stamp in stamps):
        raise DataError(
            f"{path}: holds no frames with timestamps; convert it to a container that has them, such as mp4"
        )
    if announced and len(stamps) < announced:
        raise DataError(
            f"{path}: is truncated, its header announces {announced} frames but it holds {len(stamps)}; "
            "copy it again from its source"
        )
    return VideoIndex(
        content_hash(path),
        width,
        height,
        tuple(sorted(stamp for stamp in stamps if stamp is not None)),
    )


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
        source = run[0].source
        index = self._indices[source]
        wanted = {index.timestamps[record.frame or 0]: record for record in run}
        pending = list(wanted)
        try:
            with closing(_decode_from(self._folder / source, pending[0])) as pictures:
                for stamp, picture in pictures:
                    if stamp in wanted:
                        pending.remove(stamp)
                        yield wanted[stamp], _checked(wanted[stamp], picture)
                    if not pending:
                        return
        except (av.error.FFmpegError, OSError) as error:
            reason = _reason(error)
        else:
            reason = "the video ended before it"
        for stamp in pending:
            record = wanted[stamp]
            where = f"{self._folder / source}: frame {record.frame}"
            yield (
                record,
                FrameError(
                    f"{where} cannot be decoded ({reason}); copy the video again from its source"
                ),
            )


def _decode_from(path: Path, stamp: int) -> Generator[tuple[int, Image]]:
    """Every frame from the keyframe at or before `stamp` on, with its timestamp."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        container.seek(stamp, stream=stream, backward=True, any_frame=False)
        for frame in container.decode(stream):
            at = frame.pts if frame.pts is not None else frame.dts
            if at is not None and at >= stamp:
                yield at, np.asarray(frame.to_ndarray(format="rgb24"))


def _checked(record: Record, image: Image) -> Image | FrameError:
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
