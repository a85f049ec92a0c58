"""Scoring a pool: decode, detect and score side by side, results streamed to disk, resumed where it stopped."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

import thrifty
from thrifty.data.pool import Broken, Done, Pool
from thrifty.detectors.catalogue import DetectorSource
from thrifty.detectors.checked import CheckedDetector, full_name
from thrifty.detectors.viewing import look, nothing
from thrifty.engine.local import map_pool, usual_batch
from thrifty.engine.ray_cluster import Cluster
from thrifty.engine.ray_map import map_parts
from thrifty.errors import CapabilityError, DataError, FrameError, RunError, ScoreError
from thrifty.progress import Progress, Step, silent
from thrifty.scoring.forms import DivergenceSettings
from thrifty.store.score_file import SHARD_SECONDS, Count, ScoreFile, job_of
from thrifty.strategies.catalogue import Settings, check_needs, divergence_settings, surroundings
from thrifty.strategies.divergence import Divergence
from thrifty.strategies.strategy import Columns, Strategy
from thrifty.types import Annotations, Frame, Record
from thrifty.views import Seen, View

_DECODERS = 2
"""Threads that decode a part of a pool on a cluster."""

Stopping = Callable[[], AbstractContextManager[threading.Event]]
"""What watches for a wish to stop while it is open; the event tells of it."""

Result = tuple[Record, Columns] | Broken
"""A frame with what is kept of it, or one that could not be looked at."""


@dataclass(frozen=True, slots=True)
class Looking:
    """What is kept of every frame.

    Attributes:
        strategy: Observes.
        settings: What it was made from.
    """

    strategy: Strategy
    settings: Settings

    @property
    def views(self) -> frozenset[View[object]]:
        """How a detector must be asked; where it is empty, none is needed."""
        return self.strategy.views | surroundings(self.settings).views

    def observe(self, seen: Seen, labels: Sequence[Annotations] | None = None) -> Columns:
        """`B` rows of each column, as `Strategy.observe`, and of what the steps after it want to know."""
        common = surroundings(self.settings).observe(seen)
        return {**self.strategy.observe(seen, labels), **common}

    @property
    def _takes_any_score(self) -> bool:
        """Whether it ranks by whatever score there is: who asks for the recipe's own divergence may have scored otherwise, or elsewhere."""
        strategy = self.strategy
        return (
            isinstance(strategy, Divergence)
            and strategy.settings == divergence_settings(self.settings)
            and self.views == strategy.views
        )

    def check_scores(self, path: Path) -> None:
        """Refuse a file of what another strategy wants to know.

        Args:
            path: Of scores, by `score_pool` or anybody.

        Raises:
            RunError: The strategy cannot choose by what it holds.
        """
        told = (job_of(path) or {}).get("score")
        asked = None if told is None else _who_asked(told)
        fits = self._takes_any_score and asked in {None, _SCORES}
        if fits or not self.views or told == self.identity:
            return
        whose = "scores of no strategy of ours"
        if asked is not None:
            otherwise = " with other settings" if asked == self.strategy.name else ""
            whose = f"what '{asked}' asks of a detector{otherwise}"
        raise RunError(
            f"{path}: holds {whose}, by which strategy '{self.strategy.name}' cannot choose; give the pool and --detector, or "
            "another --strategy"
        )

    @property
    def identity(self) -> str:
        """What decides the numbers."""
        if isinstance(self.strategy, Divergence) and self.views == self.strategy.views:
            return repr(self.strategy.settings)
        settings = self.settings
        common = surroundings(settings)
        # Smoothing comes afterwards.
        score = settings.score.model_dump_json(exclude={"smoothing", "window", "sigma"})
        return f"{self.strategy.name} {score} {settings.selection.passes} {common!r}"


_SCORES = "divergence"
"""Who asked for scores by equations 1 to 5, whatever became of them afterwards."""


def _who_asked(identity: str) -> str:
    """The strategy of which this is the `Looking.identity`."""
    is_divergence = identity.startswith(f"{DivergenceSettings.__name__}(")
    return _SCORES if is_divergence else identity.split(" ", maxsplit=1)[0]


@dataclass(frozen=True, slots=True)
class Scoring:
    """What is scored, and how.

    Attributes:
        pool: The frames.
        detector: Asked about each; `None` where nobody needs to be asked.
        looking: What is kept of what it says.
        device: `cpu` or `cuda`.
        batch: Most frames that the detector sees at once; as many as suit the device if left out.
        save_every: Seconds after which scores are safe on disk, as `ScoreFile`.
    """

    pool: Pool
    detector: DetectorSource | None
    looking: Looking
    device: str = "cpu"
    batch: int | None = None
    save_every: float = SHARD_SECONDS

    @property
    def at_once(self) -> int:
        """Most frames that the detector sees at once, on the device that it is on."""
        return self.batch or usual_batch(self.device)

    @property
    def job(self) -> dict[str, str]:
        """Everything that decides the scores, and nothing that does not."""
        return {
            "pool": self.pool.place.name,
            "every": str(self.pool.every),
            "per second": repr(self.pool.per_second),
            "sequences": repr(self.pool.sequences),
            "scale": repr(self.pool.scale),
            "detector": self.detector.identity if self.detector and self.looking.views else "none",
            "score": self.looking.identity,
            "thrifty": thrifty.__version__,
        }


Scored = Callable[[Iterable[Done], threading.Event], Generator[Result]]
"""Gives the results of a pool, in its order, but for what was done before, until the event is set."""

Engine = Callable[[Scoring], Scored]
"""Where scoring is done. Calling it makes ready."""


def score_pool(
    scoring: Scoring,
    out: Path,
    progress: Progress = silent,
    stopping: Stopping = lambda: nullcontext(threading.Event()),
    engine: Engine | None = None,
) -> Count:
    """Score every frame of a pool into a Parquet file.

    Stop it whenever you like: the same call goes on where it stopped, and scores no frame twice that was safe on disk.

    Args:
        scoring: What and how.
        out: The file to write (see `ScoreFile`); frames that cannot be decoded, or are too small for the detector, are
            listed beside it.
        progress: Told about every frame.
        stopping: Opened while frames are scored. When its event is set, no further batch is begun, and all that was
            found is kept.
        engine: Where the work is done, `here` if left out; the scores are the same.

    Returns:
        How many frames were scored, now and before, and how many could not be decoded. If `out` holds them already
        (`Count.earlier`), the pool is not looked at.

    Raises:
        ScoreError: The detector gave no sound numbers for a frame, which is named.
        DataError: The pool or the detector cannot be used, or the pool changed since scoring began, or holds no frame that can be
            looked at; then nothing is left at `out`.
        RunError: `out` belongs to another job, or another process works on it.
        KeyboardInterrupt: `stopping` asked for it.
    """
    with ScoreFile(out, scoring.job, seconds=scoring.save_every) as file:
        known = file.finished()
        if known is not None:
            return known
        scored = (engine or here)(scoring)
        with stopping() as stop:
            results = scored(file.done(), stop)
            with closing(results), progress("scoring", 0, "frames") as step:
                _keep(results, file, step)
        if stop.is_set():
            raise KeyboardInterrupt
        if file.is_empty:
            raise DataError(scoring.pool.nothing)
        if not file.has_scores:
            count = file.count()
            reason = file.give_up()
            raise DataError(
                f"{scoring.pool.path}: none of its {count.broken} frames can be looked at (the first: {reason}); check what lies there"
            )
        return file.finish()


def here(scoring: Scoring) -> Scored:
    """Score on this machine."""
    asked = _Asked(scoring)

    def scored(done: Iterable[Done], stop: threading.Event) -> Generator[Result]:
        stream = asked.large_enough(scoring.pool.stream(done))
        return map_pool(asked.ask, asked.finish, stream, scoring.at_once, stop)

    return scored


def on_cluster(cluster: Cluster) -> Engine:
    """Score on a Ray cluster, whose machines find pool and detector under the same paths."""

    def engine(scoring: Scoring) -> Scored:
        path = scoring.pool.path
        whole = path.absolute() if isinstance(path, Path) else path
        # A part is decoded by itself, with others beside it.
        pool = replace(scoring.pool, path=whole, threads=_DECODERS)
        moved = replace(scoring, pool=pool, device="cuda" if cluster.gpus else "cpu")
        begin = partial(_asked_elsewhere, moved, scoring.job["detector"])

        def scored(done: Iterable[Done], stop: threading.Event) -> Generator[Result]:
            return map_parts(cluster, pool.parts(done), pool.read, begin, moved.at_once, stop)

        return scored

    return engine


def _asked_elsewhere(scoring: Scoring, identity: str) -> _Asked:
    """The detector on another machine.

    Raises:
        DataError: It is not the same there.
    """
    if scoring.job["detector"] != identity:
        raise DataError(
            f"the detector on {socket.gethostname()} is another one than here; put the same file under the same path on all machines"
        )
    return _Asked(scoring)


class _Asked:
    """A detector at work: what is asked of it, and what is kept of its answers.

    Raises:
        CapabilityError: The strategy needs a detector, and there is none, or none that can give what it needs.
    """

    def __init__(self, scoring: Scoring) -> None:
        self._looking = scoring.looking
        self._detector = _opened(scoring)

    def ask(self, frames: Sequence[Frame]) -> Seen:
        """What the detector says."""
        if self._detector is None:
            return nothing(frames)
        return look(self._detector, frames, self._looking.views)

    def finish(self, frames: Sequence[Frame], seen: Seen) -> list[Columns]:
        """What is kept of each frame."""
        try:
            columns = self._looking.observe(seen)
        except ScoreError as error:
            raise error.named([full_name(frame) for frame in frames]) from error
        return rows_of(columns, len(frames))

    def large_enough(self, stream: Iterable[Frame | Broken]) -> Iterator[Frame | Broken]:
        """The same stream; a frame that the detector cannot take is passed on as broken."""
        for item in stream:
            if isinstance(item, Frame) and self._detector is not None:
                try:
                    self._detector.check_size(item)
                except FrameError as error:
                    yield Broken(item.record.source, item.record.frame, str(error))
                    continue
            yield item

    def __call__(self, frames: Sequence[Frame]) -> list[Result]:
        """All of it for frames of one size."""
        taken = list(self.large_enough(frames))
        able = [item for item in taken if isinstance(item, Frame)]
        if not able:
            return [item for item in taken if isinstance(item, Broken)]
        rows = self.finish(able, self.ask(able))
        return [(frame.record, row) for frame, row in zip(able, rows, strict=True)]


def rows_of(columns: Columns, count: int) -> list[Columns]:
    """What was observed of `count` frames, frame by frame."""
    return [
        {name: np.asarray(values[number]) for name, values in columns.items()}
        for number in range(count)
    ]


def _opened(scoring: Scoring) -> CheckedDetector | None:
    """The detector, if anybody asks it.

    Raises:
        CapabilityError: The strategy needs one, and there is none, or none that can give what it needs.
    """
    strategy = scoring.looking.strategy
    if not scoring.looking.views:
        return None
    if scoring.detector is None:
        raise CapabilityError(
            f"strategy '{strategy.name}' needs a detector; name one with --detector, or take one that needs none, such as "
            "guided-random"
        )
    detector = scoring.detector.open(scoring.device)
    check_needs(strategy, scoring.looking.settings, detector.gives)
    return detector


def _keep(results: Iterator[Result], file: ScoreFile, step: Step) -> None:
    try:
        for result in results:
            if isinstance(result, Broken):
                file.add_broken(result)
            else:
                file.add(*result)
            step()
    finally:
        # At once: what is still under way may take its time to end.
        file.flush()
