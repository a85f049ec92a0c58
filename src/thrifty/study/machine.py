"""How fast this machine scores and trains, found out by trying it on a few rendered frames."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from thrifty.config import DetectorSection, StreetSource, TrainingSection
from thrifty.data.frames import CachedFrames
from thrifty.data.rendered import open_street
from thrifty.detectors.trainable import Trainable, trainable
from thrifty.engine.local import usual_batch
from thrifty.errors import CapabilityError
from thrifty.evaluation.completion import Duration
from thrifty.progress import Progress, Step, silent
from thrifty.scoring.forms import DivergenceSettings, score_frames
from thrifty.study.planning import FrameCost
from thrifty.training import Example, Plan, fit
from thrifty.types import Need

REPEATS = 9
_WARM_UP = 2
"""Rounds that are not counted: they compile kernels, allocate memory and render the frames."""
_BATCHES = 2
"""Batches that training goes over again and again; no more than are warmed up, so that none is rendered while it is timed."""
_AT_ONCE = 10
"""Steps that are timed together on a GPU: batches are made ahead in threads, so single steps are too fast or too slow."""
_THRESHOLD = 0.05

Clock = Callable[[], float]
"""Seconds since whenever."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured.

    Attributes:
        width: Of the frames as the detector sees them, 64 to 1920 pixels.
        height: 48 to 1080.
        device: Where, as torch names it.
        detector: Which detector; its weights are fresh, and cost what any others would.
        training: How it learns.
        score: Equations 1 to 5.
    """

    width: int = 640
    height: int = 480
    device: str = "cpu"
    detector: DetectorSection = field(default_factory=DetectorSection)
    training: TrainingSection = field(default_factory=TrainingSection)
    score: DivergenceSettings = field(default_factory=DivergenceSettings)

    @property
    def place(self) -> str:
        """Where it is measured and on what, in words."""
        seen = "twice (double evaluation)" if self.detector.double_evaluation else "once"
        size = f"frames of {self.width}x{self.height} pixels, each scored {seen},"
        if self.device.startswith("cuda"):
            return f"{size} on {torch.cuda.get_device_name(self.device)}"
        return f"{size} on the CPU, one thread as each process of a run has"

    def kind(self) -> Trainable:
        """The kind of detector.

        Raises:
            CapabilityError: It has no class maps, so the paper's score cannot be had from it, or something is not installed.
        """
        kind = trainable(self.detector, self.training)
        if Need.CLASS_MAPS not in kind.gives:
            raise CapabilityError(
                f"detector {self.detector.model}: gives no {Need.CLASS_MAPS}, so what scoring costs cannot be measured; "
                "give --score-ms"
            )
        return kind


def measure_scoring(
    subject: Subject,
    repeats: int = REPEATS,
    clock: Clock = time.perf_counter,
    progress: Progress = silent,
) -> FrameCost:
    """What a frame of the pool costs: the forward pass and the score of equations 1 to 5, frames being in memory already.

    Args:
        subject: What is measured.
        repeats: Batches that are timed, 1 to 250, as large as those of a run.
        clock: Read before and after each.
        progress: Told about every batch.

    Raises:
        CapabilityError: As `Subject.kind`.
    """
    kind = subject.kind()
    # Initial weights must not move the chance of whoever calls.
    with torch.random.fork_rng():
        torch.manual_seed(0)
        detector = kind.detector(kind.network().state_dict(), _THRESHOLD, subject.device)
    pool, _ = open_street(_street(subject, usual_batch(subject.device)))
    frames = [pool.load(record) for record in pool.records]
    now = synchronised(subject.device, clock)
    taken: list[float] = []
    with _one_thread(), progress("measuring scoring", _WARM_UP + repeats, "batches") as step:
        for number in range(_WARM_UP + repeats):
            # Other pixels each time: a frozen backbone remembers pictures, and a pool is larger than its memory.
            batch = [replace(frame, image=frame.image ^ np.uint8(number)) for frame in frames]
            began = now()
            score_frames(detector.class_maps(batch), subject.score)
            taken.append((now() - began) / len(frames))
            step()
    return FrameCost(Duration.of(taken[_WARM_UP:]), repeats)


def measure_training(
    subject: Subject,
    repeats: int = REPEATS,
    clock: Clock = time.perf_counter,
    progress: Progress = silent,
) -> FrameCost:
    """What a frame costs in training: cutting and changing it, forward, backward, and its share of a step.

    Args:
        subject: What is measured.
        repeats: Steps that are timed, >= 1, with the batches of its settings; on a GPU ten times as many, in tens.
        clock: Read after each step.
        progress: Told about every step.

    Raises:
        CapabilityError: As `trainable`.
        TrainingError: The loss stops being finite.
    """
    settings = subject.training
    frames, labels = open_street(_street(subject, settings.batch * _BATCHES))
    examples = [Example(record, labels[record.id]) for record in frames.records]
    ends: list[float] = []
    each = _AT_ONCE if subject.device.startswith("cuda") else 1

    @contextmanager
    def watched(what: str, total: int, unit: str) -> Iterator[Step]:
        with progress(what, total, unit) as step:

            def read(units: int = 1) -> None:
                # Each step has waited for the one before: on a GPU, too, work cannot pile up.
                ends.append(clock())
                step(units)

            yield read

    plan = Plan(
        subject.detector,
        settings,
        epochs=1,
        steps=(_WARM_UP + repeats) * each,
        augmented=bool(settings.augment),
        seed=0,
        device=subject.device,
        title="measuring training",
    )
    with _one_thread():
        fit(plan, CachedFrames(frames), examples, progress=watched)
    taken = np.diff(ends[_WARM_UP * each - 1 :: each]) / (each * settings.batch)
    return FrameCost(Duration.of(taken.tolist()), repeats)


def synchronised(device: str, clock: Clock) -> Clock:
    """A clock that waits for a GPU before it is read: work is handed to those, and goes on behind one's back."""
    if not device.startswith("cuda"):
        return clock

    def now() -> float:
        torch.cuda.synchronize(device)
        return clock()

    return now


@contextmanager
def _one_thread() -> Iterator[None]:
    """As in a run, whose processes share the cores; several threads on cores that are busy wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _street(subject: Subject, frames: int) -> StreetSource:
    return StreetSource(
        kind="street", look="daylight", drives=frames, width=subject.width, height=subject.height
    )
