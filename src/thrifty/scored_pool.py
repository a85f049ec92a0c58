"""Scoring a pool: decode, detect and score side by side, results streamed to disk, resumed where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import thrifty
from thrifty.data.pool import Broken, Pool
from thrifty.detectors.catalogue import identify, open_detector
from thrifty.engine.local import BATCH, map_pool
from thrifty.errors import ScoreError
from thrifty.maps import ClassMaps
from thrifty.progress import Progress, silent
from thrifty.scoring.forms import DivergenceSettings, score_frames
from thrifty.store.score_file import Count, ScoreFile
from thrifty.types import Frame


@dataclass(frozen=True, slots=True)
class Scoring:
    """What is scored, and how.

    Attributes:
        pool: The frames.
        detector: A form of `thrifty.detectors.catalogue`.
        settings: Radius, regions, statistic.
        device: `cpu` or `cuda`.
        batch: Most frames that the detector sees at once.
    """

    pool: Pool
    detector: str
    settings: DivergenceSettings
    device: str = "cpu"
    batch: int = BATCH

    @property
    def job(self) -> dict[str, str]:
        """Everything that decides the scores, and nothing that does not."""
        return {
            "pool": str(self.pool.path.resolve()),
            "every": str(self.pool.every),
            "per second": repr(self.pool.per_second),
            "sequences": repr(self.pool.sequences),
            "scale": repr(self.pool.scale),
            "detector": identify(self.detector),
            "score": repr(self.settings),
            "thrifty": thrifty.__version__,
        }


def score_pool(scoring: Scoring, out: Path, progress: Progress = silent) -> Count:
    """Score every frame of a pool into a Parquet file.

    Stop it whenever you like: the same call goes on where it stopped, and scores no frame twice that was safe on disk.

    Args:
        scoring: What and how.
        out: The file to write (see `ScoreFile`); frames that cannot be decoded are listed beside it.
        progress: Told about every frame.

    Returns:
        How many frames were scored, now and before, and how many could not be decoded.

    Raises:
        ScoreError: The detector gave no sound numbers for a frame, which is named.
        DataError: The pool or the detector cannot be used, or the pool changed since scoring began.
        RunError: `out` belongs to another job, or another process works on it.
    """
    with ScoreFile(out, scoring.job) as file:
        known = file.finished()
        if known is not None:
            return known
        detector = open_detector(scoring.detector, scoring.device)

        def finish(frames: Sequence[Frame], maps: ClassMaps) -> list[float]:
            try:
                return score_frames(maps, scoring.settings).tolist()
            except ScoreError as error:
                raise error.named([frame.record.label for frame in frames]) from error

        stream = scoring.pool.stream(file.done())
        with progress("scoring", 0, "frames") as step:
            for result in map_pool(detector.class_maps, finish, stream, scoring.batch):
                if isinstance(result, Broken):
                    file.add_broken(result)
                else:
                    file.add(*result)
                step()
        return file.finish()
